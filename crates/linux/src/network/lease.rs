//! DHCP leases recorded by networkd and dhclient.

use std::os::unix::fs::MetadataExt as _;

use super::link::Link;
use crate::Machine;
use crate::lines::setting;

/// A DHCP lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Address of the DHCP server.
    pub server: Option<String>,
    /// Start time in seconds since 1970.
    pub obtained: Option<i64>,
    /// End time in seconds since 1970.
    pub expires: Option<i64>,
}

impl Lease {
    /// Returns the lease of a link, if one is recorded.
    pub fn of(machine: &Machine, link: &Link) -> Option<Self> {
        of_networkd(machine, link).or_else(|| of_dhclient(machine, link))
    }
}

/// Reads the lease of networkd: one file for each link, rewritten with each lease.
fn of_networkd(machine: &Machine, link: &Link) -> Option<Lease> {
    let path = format!("run/systemd/netif/leases/{}", link.index);
    let text = machine.text(&path).ok()?;
    let obtained = std::fs::metadata(machine.path(&path)).ok().map(|facts| facts.mtime());
    let lifetime: Option<i64> = setting(&text, "LIFETIME").and_then(|seconds| seconds.parse().ok());
    Some(Lease {
        server: setting(&text, "SERVER_ADDRESS").map(str::to_owned),
        obtained,
        expires: obtained.zip(lifetime).and_then(|(from, long)| from.checked_add(long)),
    })
}

/// Reads the lease of dhclient, which appends to a file (dhclient.leases(5)); the last entry of the link
/// applies.
fn of_dhclient(machine: &Machine, link: &Link) -> Option<Lease> {
    let folders = ["var/lib/dhcp", "var/lib/dhclient"];
    let files = folders.iter().flat_map(|folder| {
        let names = machine.names(folder).unwrap_or_default();
        names.into_iter().filter_map(move |name| Some(format!("{folder}/{}", name.to_str()?)))
    });
    let texts = files.filter(|file| file.contains(".lease")).filter_map(|file| machine.text(file).ok());
    texts.filter_map(|text| last_lease(&text, &link.name)).max_by_key(|lease| lease.expires)
}

fn last_lease(text: &str, link: &str) -> Option<Lease> {
    let own = format!("interface \"{link}\"");
    let block = text.split("lease {").skip(1).filter(|block| block.contains(&own)).last()?;
    Some(Lease {
        server: statement(block, "option dhcp-server-identifier ").map(str::to_owned),
        // The file does not contain the start time.
        obtained: None,
        expires: statement(block, "expire ").and_then(time),
    })
}

/// Returns the rest of the first statement that begins with `name`.
fn statement<'b>(block: &'b str, name: &str) -> Option<&'b str> {
    let mut statements = block.split(';').map(str::trim);
    statements.find_map(|statement| statement.strip_prefix(name)).map(str::trim)
}

/// Parses a time such as `4 2026/11/26 10:00:00`, in UTC, or `epoch 1795687200`.
fn time(text: &str) -> Option<i64> {
    if let Some(seconds) = text.strip_prefix("epoch ") {
        return seconds.split_whitespace().next()?.parse().ok();
    }
    let (_, stamp) = text.split_once(' ')?;
    let stamp = jiff::civil::DateTime::strptime("%Y/%m/%d %H:%M:%S", stamp).ok()?;
    Some(stamp.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_lease_of_a_link_applies() {
        let text = "lease {\n  interface \"eth0\";\n  option dhcp-server-identifier 10.0.0.1;\n  expire 4 2026/11/26 10:00:00;\n}\n\
                    lease {\n  interface \"eth0\";\n  option dhcp-server-identifier 10.0.0.2;\n  expire epoch 1795687200; # Thu\n}\n\
                    lease {\n  interface \"eth1\";\n}\n";
        let lease = last_lease(text, "eth0").expect("a lease");
        assert_eq!((lease.server.as_deref(), lease.expires), (Some("10.0.0.2"), Some(1_795_687_200)));
        assert_eq!(time("4 2026/11/26 10:00:00"), Some(1_795_687_200));
        assert_eq!(last_lease(text, "eth2"), None);
    }
}
