//! Comparison of the names in messages and events with the authenticated name of the source.

/// Action for events whose `Computer`, or whose message's `MachineID`, is not the authenticated source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityCheck {
    /// Stores the event with a mark (`IdentityMismatch` in JSON), and logs a warning.
    Mark,
    /// Puts the event into quarantine.
    Reject,
    /// As [`Reject`](Self::Reject), except for events that these sources relay from other computers.
    Relays(Vec<String>),
}

impl IdentityCheck {
    /// Returns whether events of other computers are put into quarantine when this source sends them.
    pub(crate) fn rejects(&self, source: &str) -> bool {
        match self {
            Self::Mark => false,
            Self::Reject => true,
            Self::Relays(relays) => !relays.iter().any(|relay| is_same_host(source, relay)),
        }
    }

    /// Returns whether a source is known to relay events of other computers.
    pub(crate) fn is_relay(&self, source: &str) -> bool {
        matches!(self, Self::Relays(relays) if relays.iter().any(|relay| is_same_host(source, relay)))
    }
}

/// Returns whether two names may denote the same host: they are equal, or one of them is the first label of the other.
/// The case does not matter. NetBIOS names have at most 15 characters.
pub(crate) fn is_same_host(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim().trim_end_matches('.'), other.trim().trim_end_matches('.'));
    if one.is_empty() || other.is_empty() {
        return false;
    }
    if one.eq_ignore_ascii_case(other) {
        return true;
    }
    is_first_label(one, other) || is_first_label(other, one)
}

/// Returns whether a name without domain is the first label of another one, or its first 15 characters.
fn is_first_label(short: &str, long: &str) -> bool {
    let (short, label) =
        (short.to_ascii_lowercase(), long.split('.').next().unwrap_or(long).to_ascii_lowercase());
    !short.contains('.') && (short == label || (short.len() == 15 && label.starts_with(&short)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_full_names_denote_the_same_host() {
        for (one, other, is_same) in [
            ("win10.corp.example", "WIN10.corp.example", true),
            ("win10", "win10.corp.example", true),
            ("WIN10.corp.example.", "win10", true),
            ("averylongcompute", "averylongcomputername.corp.example", false),
            ("averylongcomput", "averylongcomputername.corp.example", true),
            ("win10.corp.example", "win10.other.example", false),
            ("win1", "win10", false),
            ("", "", false),
        ] {
            assert_eq!(is_same_host(one, other), is_same, "{one} {other}");
            assert_eq!(is_same_host(other, one), is_same, "{other} {one}");
        }
    }

    #[test]
    fn only_relays_may_send_events_of_others() {
        let relays = IdentityCheck::Relays(vec!["relay.corp.example".to_owned()]);
        assert!(!relays.rejects("relay") && relays.rejects("win10"));
        assert!(relays.is_relay("relay.corp.example") && !IdentityCheck::Mark.is_relay("relay"));
        assert!(!IdentityCheck::Mark.rejects("win10") && IdentityCheck::Reject.rejects("relay"));
    }
}
