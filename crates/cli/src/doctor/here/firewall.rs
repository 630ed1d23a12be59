//! Whether other machines come through to the ports of the listeners.

mod nftables;

use std::ffi::OsStr;

use config::{Listener, ListenerAddress};

use super::{output, program};
use crate::doctor::finding::Outcome;
use crate::failure::Kind;
use nftables::{Rules, Way};

/// What keeps the rules of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    Firewalld,
    Ufw,
    /// Nobody: they are as somebody has written them.
    Nobody,
}

pub(super) async fn look(listeners: &[Listener]) -> (Outcome, Option<()>) {
    let is_for_others =
        |address: &ListenerAddress| !matches!(address, ListenerAddress::Ip(ip) if ip.is_loopback());
    let listeners = listeners.iter().filter(|listener| is_for_others(&listener.address));
    let mut ports: Vec<u16> = listeners.map(|listener| listener.port.number()).collect();
    ports.sort_unstable();
    ports.dedup();
    if ports.is_empty() {
        return Outcome::skip("no listener is for other machines").alone();
    }
    let keeper = keeper().await;
    if keeper == Keeper::Ufw {
        return ufw(&ports).await.alone();
    }
    let rules = match rules().await {
        Ok(rules) => rules,
        Err(why) => return Outcome::skip(why).alone(),
    };
    judge(&rules, &ports, keeper).alone()
}

fn judge(rules: &Rules, ports: &[u16], keeper: Keeper) -> Outcome {
    let mut open = Vec::new();
    let mut perhaps = Vec::new();
    for port in ports {
        match rules.way_to(*port) {
            Way::Open => open.push(port.to_string()),
            Way::Uncertain => perhaps.push(port.to_string()),
            Way::Closed { family, table, chain } => {
                let seen = format!(
                    "the firewall lets nobody through to port {port}: chain {chain} of table {family} {table}"
                );
                let fix = match keeper {
                    Keeper::Firewalld => {
                        format!("firewall-cmd --permanent --add-port={port}/tcp && firewall-cmd --reload")
                    }
                    _ => format!("nft insert rule {family} {table} {chain} tcp dport {port} accept"),
                };
                return Outcome::fail(Kind::Connect, seen).fix(fix);
            }
        }
    }
    match (open.as_slice(), perhaps.as_slice()) {
        (open, []) => Outcome::pass(format!("it lets others through to {}", open.join(", "))),
        (_, perhaps) => Outcome::pass(format!(
            "it may depend on who comes whether they get through to {}",
            perhaps.join(", ")
        )),
    }
}

async fn keeper() -> Keeper {
    let says = async |name: &str, words: &[&str], answer: &str| {
        let Some(program) = program(name) else { return false };
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        let said = output(&program, &words).await;
        said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).lines().any(|line| line.trim() == answer))
    };
    if says("firewall-cmd", &["--state"], "running").await {
        Keeper::Firewalld
    } else if says("ufw", &["status"], "Status: active").await {
        Keeper::Ufw
    } else {
        Keeper::Nobody
    }
}

/// What ufw says of each port; its rules in the kernel are of iptables.
async fn ufw(ports: &[u16]) -> Outcome {
    let Some(program) = program("ufw") else { return Outcome::skip("ufw has gone away") };
    let said = output(&program, &[OsStr::new("status")]).await;
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    match ports.iter().find(|port| !ufw_allows(&text, **port)) {
        Some(port) => {
            Outcome::fail(Kind::Connect, format!("the firewall (ufw) has no rule that allows port {port}"))
                .fix(format!("ufw allow {port}/tcp"))
        }
        None => Outcome::pass("the firewall (ufw) allows the ports of the listeners"),
    }
}

/// Whether a line of `ufw status` allows a port; profiles of WinRM are allowed for what they are called.
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
    let nft = program("nft").ok_or("there is no nft here to ask about the firewall")?;
    let words = ["-j", "list", "ruleset"].map(OsStr::new);
    let said = output(&nft, &words).await.map_err(|error| format!("nft cannot be started: {error}"))?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr).lines().next().unwrap_or_default().to_owned();
        return Err(format!("the rules of the firewall may not be read: {why}"));
    }
    Rules::parse(&said.stdout)
        .ok_or_else(|| "nft lists its rules in a form that is not known here".to_owned())
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
