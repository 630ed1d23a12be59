//! systemd-networkd: configuration of links (systemd.network(5)).

use std::fs;
use std::io::{self, Write as _};
use std::time::Duration;

use super::link::Link;
use super::profile::Profile;
use crate::{Machine, program};

/// Returns whether networkd manages a link.
pub(super) fn manages(machine: &Machine, link: &Link) -> bool {
    let text = machine.text(format!("run/systemd/netif/links/{}", link.index)).unwrap_or_default();
    let state = text.lines().find_map(|line| line.strip_prefix("ADMIN_STATE="));
    state.is_some_and(|state| matches!(state, "configured" | "configuring" | "pending"))
}

/// Writes the configuration of a link and activates it.
///
/// # Errors
/// Errors of writing the file or of networkd.
pub(super) fn apply(machine: &Machine, link: &Link, profile: &Profile) -> io::Result<()> {
    let folder = machine.path("etc/systemd/network");
    fs::create_dir_all(&folder)?;
    let mut file = tempfile::NamedTempFile::new_in(&folder)?;
    file.write_all(profile.to_text(&link.name).as_bytes())?;
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    // Of several matching files networkd uses the one whose name sorts first.
    file.persist(folder.join(format!("05-telarch-{}.network", link.name)))?;
    tell(&["reload"])?;
    tell(&["reconfigure", &link.name])
}

/// Renews the DHCP lease of a link.
///
/// # Errors
/// Errors of networkd.
pub(super) fn renew(link: &Link) -> io::Result<()> {
    tell(&["renew", &link.name])
}

fn tell(arguments: &[&str]) -> io::Result<()> {
    let ended = program::of_system("networkctl", arguments, Duration::from_secs(30))?;
    if ended.code == 0 { Ok(()) } else { Err(io::Error::other(ended.stderr.trim().to_owned())) }
}

impl Profile {
    fn to_text(&self, link: &str) -> String {
        let mut lines =
            vec!["[Match]".to_owned(), format!("Name={link}"), String::new(), "[Network]".to_owned()];
        lines.push(format!("DHCP={}", if self.dhcp { "yes" } else { "no" }));
        lines.extend(self.addresses.iter().map(|(address, prefix)| format!("Address={address}/{prefix}")));
        lines.extend(self.servers.iter().map(|server| format!("DNS={server}")));
        if !self.search.is_empty() {
            lines.push(format!("Domains={}", self.search.join(" ")));
        }
        for (gateway, metric) in &self.gateways {
            lines.extend([String::new(), "[Route]".to_owned(), format!("Gateway={gateway}")]);
            lines.extend(metric.map(|metric| format!("Metric={metric}")));
        }
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn profile_is_written_in_networkd_format() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let profile = Profile {
            dhcp: false,
            addresses: vec![(address("10.0.0.5"), 24), (address("fd00::5"), 64)],
            gateways: vec![(address("10.0.0.1"), Some(5))],
            servers: vec!["10.0.0.53".to_owned()],
            search: vec!["example.com".to_owned()],
        };
        let expected = "[Match]\nName=eth0\n\n[Network]\nDHCP=no\nAddress=10.0.0.5/24\nAddress=fd00::5/64\n\
                        DNS=10.0.0.53\nDomains=example.com\n\n[Route]\nGateway=10.0.0.1\nMetric=5\n";
        assert_eq!(profile.to_text("eth0"), expected);
    }
}
