//! The words of ipmitool, for those who type them here.

/// What a command of ipmitool is here, if it is called otherwise.
pub(super) fn here(words: &[&str]) -> Option<&'static str> {
    let ours = match words {
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
    };
    Some(ours)
}

#[cfg(test)]
mod tests {
    use super::super::arguments::ACTIONS;
    use super::*;

    #[test]
    fn what_is_an_action_here_is_none_of_ipmitool_alone() {
        for (action, words) in ACTIONS {
            assert_eq!(here(&[action]), None, "{action}");
            for word in words.split_whitespace() {
                assert_eq!(here(&[action, word]), None, "{action} {word}");
            }
        }
        assert_eq!(here(&["mc", "reset", "cold"]), Some("restart"));
    }
}
