//! Names of a host, and the accounts that belong to it.

use std::net::IpAddr;

/// Names of the machine that a service runs on.
///
/// Clients may use any of them as the domain of an account; the service sends them to clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames {
    netbios: String,
    dns: String,
}

impl HostNames {
    /// Derives the names from a host name, with or without a DNS domain.
    ///
    /// The NetBIOS name is the first label in upper case, cut to 15 characters. An empty name becomes `localhost`.
    #[must_use]
    pub fn of_host(name: &str) -> Self {
        let name = name.trim().trim_end_matches('.');
        let dns: String = if name.is_empty() { "localhost" } else { name }.chars().take(MAX_DNS).collect();
        Self { netbios: first_label(&dns).to_uppercase().chars().take(MAX_NETBIOS).collect(), dns }
    }

    /// NetBIOS name, in upper case.
    #[must_use]
    pub fn netbios(&self) -> &str {
        &self.netbios
    }

    /// DNS name, with its original case.
    #[must_use]
    pub fn dns(&self) -> &str {
        &self.dns
    }

    /// Returns the name of the local account that a client refers to; `None` if it refers to an account of another
    /// machine or of a domain.
    ///
    /// The domain may be empty, a dot, a name of this machine, `localhost`, or `WORKGROUP`, which Windows sends for a
    /// machine without a domain. Without a domain, `user@host` is `user` if `host` is this machine; otherwise it is
    /// kept whole, so that it never becomes another account.
    #[must_use]
    pub fn local_account<'a>(&self, domain: &str, user: &'a str) -> Option<&'a str> {
        if domain.is_empty() {
            return match user.rsplit_once('@') {
                Some((name, host)) if self.is_own(host) || is_loopback_name(host) => Some(name),
                _ => Some(user),
            };
        }
        let is_local = domain == "." || domain.eq_ignore_ascii_case(WORKGROUP) || is_loopback_name(domain);
        (is_local || self.is_own(domain)).then_some(user)
    }

    /// Returns the name of the local account that one text refers to: `DOMAIN\user`, `.\user`, `user@host` or `user`.
    /// `None` as for [`local_account`](Self::local_account).
    #[must_use]
    pub fn local_account_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (domain, user) = name.split_once('\\').unwrap_or(("", name));
        self.local_account(domain, user)
    }

    /// Returns `true` if a host name, with or without a port, refers to this machine: one of its names, or a loopback
    /// name or address.
    #[must_use]
    pub fn is_this_host(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(bare, _)| bare);
        let host = match bare {
            Some(bare) => bare,
            None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or(host),
            None => host,
        };
        let is_here = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let host = host.strip_suffix('.').unwrap_or(host);
        is_here || is_loopback_name(host) || self.is_own(host)
    }

    /// Returns `true` for a name of this machine, compared without case.
    fn is_own(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let own = [self.netbios.as_str(), self.dns.as_str(), first_label(&self.dns)];
        !name.is_empty() && own.into_iter().any(|own| own.to_lowercase() == name)
    }
}

fn is_loopback_name(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
}

fn first_label(dns: &str) -> &str {
    dns.split('.').next().unwrap_or(dns)
}

/// Domain that clients send for a machine that is in none.
const WORKGROUP: &str = "WORKGROUP";
const MAX_NETBIOS: usize = 15;
const MAX_DNS: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_derived_from_the_host_name() {
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
    fn a_foreign_domain_is_never_removed() {
        let names = HostNames::of_host("a-very-long-host-name.lab.example");
        for (domain, user, account) in [
            ("", "alice", Some("alice")),
            (".", "alice", Some("alice")),
            ("a-very-long-hos", "alice", Some("alice")),
            ("A-VERY-LONG-HOST-NAME", "alice", Some("alice")),
            ("a-very-long-host-name.LAB.example", "alice", Some("alice")),
            ("WorkGroup", "alice", Some("alice")),
            ("LOCALHOST", "alice", Some("alice")),
            ("", "alice@localhost", Some("alice")),
            ("", "alice@WORKGROUP", Some("alice@WORKGROUP")),
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
    fn one_text_refers_to_the_same_account_as_domain_and_user() {
        let names = HostNames::of_host("node7.lab.example");
        for (text, account) in [
            ("alice", Some("alice")),
            (r".\alice", Some("alice")),
            (r"\alice", Some("alice")),
            (r"NODE7\alice", Some("alice")),
            (r"WORKGROUP\alice", Some("alice")),
            (r"localhost\a@b", Some("a@b")),
            ("alice@node7", Some("alice")),
            ("alice@corp.example", Some("alice@corp.example")),
            (r"CORP\alice", None),
            (r"CORP\node7\alice", None),
        ] {
            assert_eq!(names.local_account_of(text), account, "{text}");
        }
    }

    #[test]
    fn own_names_and_loopback_refer_to_this_host() {
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
            assert!(names.is_this_host(host), "{host}");
        }
        for host in ["node8", "node7.other.example", "10.0.0.7", "[2001:db8::7]:5985", "", ":5985", "."] {
            assert!(!names.is_this_host(host), "{host}");
        }
    }

    #[test]
    fn without_host_names_no_domain_is_local() {
        let none = HostNames::default();
        assert_eq!(none.local_account("", "alice@"), Some("alice@"));
        assert_eq!(none.local_account("LAB", "alice"), None);
    }
}
