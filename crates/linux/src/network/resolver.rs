//! Name servers: resolv.conf(5), and settings of systemd for each link.

use std::fs;
use std::io::{self, Write as _};

use super::link::Link;
use crate::Machine;
use crate::lines::setting;

/// Name service configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Addresses of name servers.
    pub servers: Vec<String>,
    /// Search domains.
    pub search: Vec<String>,
}

impl Resolver {
    /// Returns the configuration of the machine; if it uses a local stub resolver, that of the stub resolver.
    pub fn of(machine: &Machine) -> Self {
        let own = Self::parse(&machine.text("etc/resolv.conf").unwrap_or_default());
        if own.servers.iter().any(|server| server == "127.0.0.53" || server == "127.0.0.54") {
            let behind = machine.text("run/systemd/resolve/resolv.conf");
            return behind.map_or(own, |text| Self::parse(&text));
        }
        own
    }

    /// Returns the configuration of a link, if networkd has one.
    pub fn of_link(machine: &Machine, link: &Link) -> Option<Self> {
        let text = machine.text(format!("run/systemd/netif/links/{}", link.index)).ok()?;
        let resolver = Self { servers: words(&text, "DNS"), search: words(&text, "DOMAINS") };
        (resolver != Self::default()).then_some(resolver)
    }

    fn parse(text: &str) -> Self {
        let mut resolver = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => resolver.servers.extend(words.next().map(str::to_owned)),
                // The last line applies.
                Some("search" | "domain") => resolver.search = words.map(str::to_owned).collect(),
                _ => {}
            }
        }
        resolver
    }
}

/// Returns the words after `name=` in the first such line.
fn words(text: &str, name: &str) -> Vec<String> {
    setting(text, name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// Writes name servers or search domains to `resolv.conf`, if it is a regular file.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] if it is a link to a generated file; and errors of the operating system.
pub fn rewrite(machine: &Machine, servers: Option<&[String]>, search: Option<&[String]>) -> io::Result<()> {
    let path = machine.path("etc/resolv.conf");
    let is_link = fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_symlink());
    if is_link {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let before = fs::read_to_string(&path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(String::new()),
        _ => Err(error),
    })?;
    let mut lines: Vec<String> = before
        .lines()
        .filter(|line| match line.split_whitespace().next() {
            Some("nameserver") => servers.is_none(),
            Some("search" | "domain") => search.is_none(),
            _ => true,
        })
        .map(str::to_owned)
        .collect();
    if let Some(search) = search.filter(|search| !search.is_empty()) {
        lines.push(format!("search {}", search.join(" ")));
    }
    lines.extend(servers.unwrap_or_default().iter().map(|server| format!("nameserver {server}")));
    let mut file = tempfile::NamedTempFile::new_in(machine.path("etc"))?;
    file.write_all((lines.join("\n") + "\n").as_bytes())?;
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}
