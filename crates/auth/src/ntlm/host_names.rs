//! What a service is called, and which accounts are its own.

use std::net::IpAddr;

/// The names of the machine that a service runs on.
///
/// A client may put one of them before the name of an account, and the service tells them to clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames {
    netbios: String,
    dns: String,
}

impl HostNames {
    /// The names that follow from the name of the host, with its domain or without.
    ///
    /// The NetBIOS name is the first 15 characters of the first label, in capitals; a host without a name is
    /// called `localhost`.
    #[must_use]
    pub fn of_host(name: &str) -> Self {
        let name = name.trim().trim_end_matches('.');
        let dns: String = if name.is_empty() { "localhost" } else { name }.chars().take(MOST_DNS).collect();
        Self { netbios: first_label(&dns).to_uppercase().chars().take(MOST_NETBIOS).collect(), dns }
    }

    /// The short name, in capitals.
    #[must_use]
    pub fn netbios(&self) -> &str {
        &self.netbios
    }

    /// The long name, in the case of letters in which it was given.
    #[must_use]
    pub fn dns(&self) -> &str {
        &self.dns
    }

    /// The name of the account of this machine that is meant by what a client has sent; none if it is meant to be
    /// an account of another machine or of a domain.
    ///
    /// The domain may be empty, a dot, or a name of this machine. `user@host` without a domain is `user` if it is
    /// this host; with any other it stays whole, so that it never becomes an account that was not meant.
    #[must_use]
    pub fn local_account<'a>(&self, domain: &str, user: &'a str) -> Option<&'a str> {
        if domain.is_empty() {
            return match user.rsplit_once('@') {
                Some((name, host)) if self.is_own(host) => Some(name),
                _ => Some(user),
            };
        }
        (domain == "." || self.is_own(domain)).then_some(user)
    }

    /// Returns whether a client that connects to this host, with a port or without, means this machine: by one of its
    /// names, or because the client runs here.
    #[must_use]
    pub fn is_called(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(bare, _)| bare);
        let host = match bare {
            Some(bare) => bare,
            None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or(host),
            None => host,
        };
        let is_here = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let host = host.strip_suffix('.').unwrap_or(host);
        is_here || host.eq_ignore_ascii_case("localhost") || self.is_own(host)
    }

    /// Whether a name is one of this machine's, in any case of letters.
    fn is_own(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let own = [self.netbios.as_str(), self.dns.as_str(), first_label(&self.dns)];
        !name.is_empty() && own.into_iter().any(|own| own.to_lowercase() == name)
    }
}

fn first_label(dns: &str) -> &str {
    dns.split('.').next().unwrap_or(dns)
}

const MOST_NETBIOS: usize = 15;
const MOST_DNS: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_that_of_the_host() {
        for (host, netbios, dns) in [
            ("node7.lab.example.", "NODE7", "node7.lab.example"),
            ("a-very-long-host-name", "A-VERY-LONG-HOS", "a-very-long-host-name"),
            (" ", "LOCALHOST", "localhost"),
        ] {
            let names = HostNames::of_host(host);
            assert_eq!((names.netbios(), names.dns()), (netbios, dns));
        }
    }

    #[test]
    fn a_foreign_domain_is_never_taken_off() {
        let names = HostNames::of_host("a-very-long-host-name.lab.example");
        for (domain, user, account) in [
            ("", "alice", Some("alice")),
            (".", "alice", Some("alice")),
            ("a-very-long-hos", "alice", Some("alice")),
            ("A-VERY-LONG-HOST-NAME", "alice", Some("alice")),
            ("a-very-long-host-name.LAB.example", "alice", Some("alice")),
            ("", "alice@A-Very-Long-Host-Name.lab.example", Some("alice")),
            ("", "a@b@a-very-long-hos", Some("a@b")),
            ("", "alice@lab.example", Some("alice@lab.example")),
            ("", "alice@", Some("alice@")),
            (".", "alice@a-very-long-hos", Some("alice@a-very-long-hos")),
            ("lab.example", "alice", None),
            ("LAB", "alice", None),
            (" ", "alice", None),
            ("..", "alice", None),
        ] {
            assert_eq!(names.local_account(domain, user), account, "{domain}\\{user}");
        }
    }

    #[test]
    fn a_client_means_this_machine_by_its_names_and_from_itself() {
        let names = HostNames::of_host("node7.lab.example");
        for host in [
            "node7",
            "NODE7.lab.example.",
            "node7:5985",
            "localhost",
            "LocalHost:80",
            "127.0.0.1",
            "127.1.2.3:5985",
            "::1",
            "[::1]:5985",
        ] {
            assert!(names.is_called(host), "{host}");
        }
        for host in ["node8", "node7.other.example", "10.0.0.7", "[2001:db8::7]:5985", "", ":5985", "."] {
            assert!(!names.is_called(host), "{host}");
        }
    }

    #[test]
    fn a_machine_without_names_has_no_domain_of_its_own() {
        let none = HostNames::default();
        assert_eq!(none.local_account("", "alice@"), Some("alice@"));
        assert_eq!(none.local_account("LAB", "alice"), None);
    }
}
