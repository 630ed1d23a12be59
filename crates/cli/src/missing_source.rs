//! Data sources of WMI classes that a machine lacks.
//!
//! A class without a source has no instances, which looks like an empty result. The service cannot say so in its
//! response, because clients of Windows reject unknown elements there. After an empty result, the clients therefore
//! send a second request to services that identify themselves as Telarch.

use std::path::Path;

/// Source of some WMI classes.
#[derive(Debug)]
pub struct DataSource {
    /// Name that the service sends.
    name: &'static str,
    classes: &'static [&'static str],
    /// Reason why the classes have no instances; it precedes the name of the machine.
    problem: (&'static str, &'static str),
    /// Advice.
    pub fix: &'static str,
    /// Whether most machines have the source, so that its absence deserves a warning.
    pub is_usual: bool,
    is_present: fn() -> bool,
}

impl DataSource {
    /// Returns the source of a class, if this machine lacks it.
    #[must_use]
    pub fn missing_for(class: &str) -> Option<&'static Self> {
        Self::of_class(class).filter(|source| !(source.is_present)())
    }

    /// Returns the source of a class.
    #[must_use]
    pub fn of_class(class: &str) -> Option<&'static Self> {
        SOURCES.iter().find(|source| source.classes.iter().any(|own| own.eq_ignore_ascii_case(class)))
    }

    /// Returns the source with the name that a service sent.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SOURCES.iter().find(|source| source.name == name)
    }

    /// Returns the reason why the classes have no instances on this machine.
    #[must_use]
    pub fn problem_here(&self) -> String {
        self.problem_on("this machine")
    }

    /// Returns the reason why the classes have no instances on a machine.
    #[must_use]
    pub fn problem_on(&self, machine: &str) -> String {
        let (before, after) = self.problem;
        format!("{before}{machine}{after}")
    }

    /// Returns all sources that this machine lacks.
    pub fn missing() -> impl Iterator<Item = &'static Self> {
        SOURCES.iter().filter(|source| !(source.is_present)())
    }
}

/// Returns the class that a WQL query selects from.
#[must_use]
pub fn class_of_query(query: &str) -> Option<&str> {
    let mut words = query.split_ascii_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("from"))?;
    words.next()
}

const SOURCES: [DataSource; 5] = [
    DataSource {
        name: "systemd",
        classes: &["Win32_Service", "Win32_BaseService", "Win32_DependentService"],
        problem: ("systemd does not run on ", ", so Win32_Service has no instances"),
        fix: "services of other init systems are not listed",
        is_usual: true,
        is_present: has_systemd,
    },
    DataSource {
        name: "journal",
        classes: &["Win32_NTLogEvent", "Win32_NTEventLogFile"],
        problem: ("there is no journal on ", ", so Win32_NTLogEvent has no instances"),
        fix: "systemd-journald writes it to /run/log/journal, or to /var/log/journal if that directory exists",
        is_usual: true,
        is_present: has_journal,
    },
    DataSource {
        name: "controller",
        classes: &["NumericSensor", "LogRecord", "RecordLog"],
        problem: ("there is no local management controller (/dev/ipmi0) on ", ""),
        fix: "load the modules ipmi_si and ipmi_devintf, or add a controller on the network: telarch ipmi host add",
        is_usual: false,
        is_present: has_controller,
    },
    DataSource {
        name: "nft",
        classes: &["MSFT_NetFirewallProfile", "MSFT_NetFirewallRule"],
        problem: ("nft is not installed on ", ", so the rules of the firewall are not known"),
        fix: "install the package nftables",
        is_usual: false,
        is_present: has_nft,
    },
    DataSource {
        name: "resolved",
        classes: &["MSFT_DNSClientCache"],
        problem: (
            "systemd-resolved does not run on ",
            ", so there is no cache of DNS records that can be listed",
        ),
        fix: "other resolvers do not list their caches",
        is_usual: false,
        is_present: has_resolved,
    },
];

/// Returns whether systemd is the service manager (sd_booted(3)).
fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn has_journal() -> bool {
    ["/var/log/journal", "/run/log/journal"]
        .iter()
        .any(|folder| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()))
}

fn has_controller() -> bool {
    ["/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0"].iter().any(|device| Path::new(device).exists())
}

fn has_nft() -> bool {
    ["/usr/sbin/nft", "/usr/bin/nft", "/sbin/nft"].iter().any(|program| Path::new(program).exists())
}

fn has_resolved() -> bool {
    Path::new("/run/systemd/resolve/io.systemd.Resolve.Monitor").exists()
}

/// Returns the message for a source that is missing in a result.
#[must_use]
pub fn omission_text(source: &str, reason: &str) -> String {
    format!("rows of {source} are missing in the results: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_a_query_follows_from() {
        assert_eq!(class_of_query("SELECT Name FROM Win32_Service WHERE a=1"), Some("Win32_Service"));
        assert_eq!(class_of_query("select * from\n win32_service"), Some("win32_service"));
        assert_eq!(class_of_query("select"), None);
    }

    #[test]
    fn only_missing_sources_are_reported() {
        assert_eq!(DataSource::missing_for("win32_service").is_none(), has_systemd());
        assert_eq!(DataSource::missing_for("NumericSensor").is_none(), has_controller());
        assert!(DataSource::missing_for("Win32_Process").is_none());
        let present = [has_systemd(), has_journal(), has_controller(), has_nft(), has_resolved()];
        let present = present.into_iter().filter(|present| *present);
        assert_eq!(DataSource::missing().count(), SOURCES.len() - present.count());
    }
}
