//! Check of the firewall rules for the ports of the listeners.

mod nftables;

use std::ffi::OsStr;

use config::{Listener, ListenerAddress};

use super::{output, program};
use crate::doctor::finding::Outcome;
use crate::failure::Kind;
use nftables::{PortAccess, Rules};

/// Program that manages the firewall rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirewallManager {
    Firewalld,
    Ufw,
    /// The rules are managed directly with nft.
    None,
}

pub(super) async fn check(listeners: &[Listener]) -> (Outcome, Option<()>) {
    let is_loopback =
        |address: &ListenerAddress| matches!(address, ListenerAddress::Ip(ip) if ip.is_loopback());
    let reachable = listeners.iter().filter(|listener| !is_loopback(&listener.address));
    let mut ports: Vec<u16> = reachable.map(|listener| listener.port.number()).collect();
    ports.sort_unstable();
    ports.dedup();
    if ports.is_empty() {
        return Outcome::skip("no listener accepts connections from other machines").without_data();
    }
    let manager = manager().await;
    if manager == FirewallManager::Ufw {
        return ufw(&ports).await.without_data();
    }
    let rules = match rules().await {
        Ok(rules) => rules,
        Err(reason) => return Outcome::skip(reason).without_data(),
    };
    evaluate(&rules, &ports, manager).without_data()
}

fn evaluate(rules: &Rules, ports: &[u16], manager: FirewallManager) -> Outcome {
    let mut open = Vec::new();
    let mut uncertain = Vec::new();
    for port in ports {
        match rules.access_to(*port) {
            PortAccess::Open => open.push(port.to_string()),
            PortAccess::Uncertain => uncertain.push(port.to_string()),
            PortAccess::Blocked { family, table, chain } => {
                let seen =
                    format!("the firewall blocks port {port}: chain {chain} of table {family} {table}");
                let fix = match manager {
                    FirewallManager::Firewalld => {
                        format!("firewall-cmd --permanent --add-port={port}/tcp && firewall-cmd --reload")
                    }
                    _ => format!("nft insert rule {family} {table} {chain} tcp dport {port} accept"),
                };
                return Outcome::fail(Kind::Connect, seen).fix(fix);
            }
        }
    }
    match (open.as_slice(), uncertain.as_slice()) {
        (open, []) => Outcome::pass(format!("open: {}", open.join(", "))),
        (_, uncertain) => Outcome::pass(format!(
            "open only for some sources or not certainly open: {}",
            uncertain.join(", ")
        )),
    }
}

async fn manager() -> FirewallManager {
    if prints("firewall-cmd", "--state", "running").await {
        FirewallManager::Firewalld
    } else if prints("ufw", "status", "Status: active").await {
        FirewallManager::Ufw
    } else {
        FirewallManager::None
    }
}

/// Returns whether a program prints a line.
async fn prints(name: &str, argument: &str, expected: &str) -> bool {
    let Some(program) = program(name) else { return false };
    let printed = output(&program, &[OsStr::new(argument)]).await;
    printed.is_ok_and(|printed| {
        String::from_utf8_lossy(&printed.stdout).lines().any(|line| line.trim() == expected)
    })
}

/// Evaluates the output of `ufw status`, because the kernel rules of ufw are iptables rules.
async fn ufw(ports: &[u16]) -> Outcome {
    let Some(program) = program("ufw") else { return Outcome::skip("ufw is not installed") };
    let printed = output(&program, &[OsStr::new("status")]).await;
    let text =
        printed.map(|printed| String::from_utf8_lossy(&printed.stdout).into_owned()).unwrap_or_default();
    match ports.iter().find(|port| !ufw_allows(&text, **port)) {
        Some(port) => Outcome::fail(Kind::Connect, format!("the firewall (ufw) does not allow port {port}"))
            .fix(format!("ufw allow {port}/tcp")),
        None => Outcome::pass("the firewall (ufw) allows the ports of the listeners"),
    }
}

/// Returns whether a line of `ufw status` allows a port. A profile named WinRM is assumed to allow it.
fn ufw_allows(text: &str, port: u16) -> bool {
    text.lines().filter(|line| line.contains("ALLOW")).any(|line| {
        let to = line.split_whitespace().next().unwrap_or_default();
        let ports = to.strip_suffix("/tcp").unwrap_or(to);
        to == "Anywhere" || to.starts_with("WinRM") || ports.split(',').any(|one| covers(one, port))
    })
}

fn covers(range: &str, port: u16) -> bool {
    match range.split_once(':') {
        Some((first, last)) => {
            first.parse().is_ok_and(|first| port >= first) && last.parse().is_ok_and(|last: u16| port <= last)
        }
        None => range.parse() == Ok(port),
    }
}

async fn rules() -> Result<Rules, String> {
    let nft = program("nft").ok_or("nft is not installed")?;
    let words = ["-j", "list", "ruleset"].map(OsStr::new);
    let printed = output(&nft, &words).await.map_err(|error| format!("cannot start nft: {error}"))?;
    if !printed.status.success() {
        let reason = String::from_utf8_lossy(&printed.stderr).lines().next().unwrap_or_default().to_owned();
        return Err(format!("cannot read the firewall rules: {reason}"));
    }
    Rules::parse(&printed.stdout).ok_or_else(|| "nft printed rules in an unknown format".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ufw_allows_ports_ranges_and_lists() {
        let text = "Status: active\n\nTo                         Action      From\n\
                    --                         ------      ----\n\
                    22/tcp                     ALLOW       Anywhere\n\
                    5000:5985/tcp              ALLOW       10.0.0.0/8\n\
                    80,443/tcp                 ALLOW       Anywhere\n\
                    5986/tcp                   DENY        Anywhere\n";
        for (port, allowed) in [(22, true), (5985, true), (443, true), (5986, false), (4999, false)] {
            assert_eq!(ufw_allows(text, port), allowed, "{port}");
        }
    }
}
