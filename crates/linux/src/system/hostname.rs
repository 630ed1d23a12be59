//! Host names, changed through hostnamed (org.freedesktop.hostname1(5)).

use crate::Machine;
use crate::bus::{BusError, Object};

/// Changes the host name now and permanently.
///
/// # Errors
/// [`BusError`] if hostnamed refuses or does not answer.
pub fn set(machine: &Machine, name: &str) -> Result<(), BusError> {
    machine.bus().wait(async |bus| {
        HOSTNAMED.call(&bus, "SetStaticHostname", &(name, false)).await?;
        HOSTNAMED.call(&bus, "SetHostname", &(name, false)).await.map(drop)
    })
}

/// Changes the descriptive name of the machine.
///
/// # Errors
/// [`BusError`] if hostnamed refuses or does not answer.
pub fn describe(machine: &Machine, description: &str) -> Result<(), BusError> {
    machine
        .bus()
        .wait(async |bus| HOSTNAMED.call(&bus, "SetPrettyHostname", &(description, false)).await.map(drop))
}

/// Returns whether the name is a valid host name of one label (RFC 1123, 2.1).
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

const HOSTNAMED: Object<'_> = Object {
    service: "org.freedesktop.hostname1",
    path: "/org/freedesktop/hostname1",
    interface: "org.freedesktop.hostname1",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_single_labels() {
        for name in ["a", "node7", "NODE-7", "7"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", "a-", "a.b", "a_b", "a b", "ä", &"a".repeat(64)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
