//! Hints for users who type commands of ipmitool.

/// Returns a message with the equivalent of a command of ipmitool that has another name here.
pub(super) fn hint(words: &[&str]) -> Option<String> {
    let equivalent = equivalent(words)?;
    Some(format!("\"{}\" of ipmitool is {equivalent} in telarch", words.join(" ")))
}

fn equivalent(words: &[&str]) -> Option<&'static str> {
    Some(match words {
        ["chassis", "power", ..] => "power WHAT",
        ["chassis", "status", ..] => "chassis",
        ["chassis", "policy", ..] => "power policy",
        ["chassis", "restart_cause", ..] => "power cause",
        ["chassis", "poh", ..] => "power hours",
        ["chassis", "bootdev" | "bootparam", ..] => "boot",
        ["chassis", "identify", ..] => "identify",
        ["chassis" | "mc" | "bmc", "selftest", ..] => "selftest",
        ["mc" | "bmc", "reset", ..] => "restart",
        ["mc" | "bmc", "watchdog", ..] => "watchdog",
        ["mc" | "bmc", ..] => "info",
        ["sensor", "thresh", ..] => "threshold",
        ["sdr" | "sensor", ..] => "sensors",
        ["session", ..] => "sessions",
        ["dcmi", ..] => "power watts",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::IPMI;

    #[test]
    fn no_action_of_telarch_is_taken_for_one_of_ipmitool() {
        for action in IPMI.all_actions() {
            let name = action.name();
            assert_eq!(equivalent(&[name]), None, "{name}");
            for word in action.completed_words() {
                assert_eq!(equivalent(&[name, word]), None, "{name} {word}");
            }
        }
        assert_eq!(equivalent(&["mc", "reset", "cold"]), Some("restart"));
    }
}
