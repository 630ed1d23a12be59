//! nftables rules, through the JSON interface of `nft` (libnftables-json(5)).
//!
//! A separate chain would not suffice: a packet accepted by one chain may still be dropped by the next.
//! Therefore the rule is added to the start of each chain that filters incoming packets. It lasts until the
//! rules are reloaded; the file they are loaded from belongs to the administrator, who is shown the line to
//! add.

use std::fmt;
use std::num::NonZeroU16;

use serde_json::{Value, json};

use super::iptables::{self, Family};
use super::{no_local_network, sources};
use crate::program::{is_installed, run};
use crate::{Error, Firewall, FirewallKind, Network, Opening, Outcome, Transport};

/// A rule added by quickconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    chain: Chain,
    /// Handle assigned by the kernel; valid until the rules are reloaded.
    handle: u64,
    transport: Transport,
    port: NonZeroU16,
    source: Option<Network>,
}

/// A chain that filters incoming packets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    /// Address family: `ip`, `ip6` or `inet`.
    family: String,
    table: String,
    name: String,
}

pub(super) async fn find() -> Result<FirewallKind, Error> {
    if !is_installed("nft") {
        let tables = ["ip_tables_names", "ip6_tables_names"].map(|table| {
            std::fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default()
        });
        return Ok(match tables.iter().any(|tables| tables.lines().any(|table| table == "filter")) {
            true => FirewallKind::Unseen(
                "iptables rules exist, but nft is not installed to inspect them; check them by hand"
                    .to_owned(),
            ),
            false => FirewallKind::None,
        });
    }
    if !rustix::process::geteuid().is_root() {
        return Ok(FirewallKind::Unseen("only root can list nftables rules".to_owned()));
    }
    let chains = dropping_chains(&rules().await?);
    Ok(if chains.is_empty() { FirewallKind::None } else { FirewallKind::Nftables })
}

pub(super) async fn survey(openings: &[Opening]) -> Result<Firewall, Error> {
    let rules = rules().await?;
    let chains = dropping_chains(&rules);
    let mut open = Vec::new();
    for opening in openings {
        let mut is_open = true;
        for wanted in wanted(opening, &chains).unwrap_or_default() {
            is_open = is_open && wanted.is_effective(&rules).await;
        }
        open.push(is_open);
    }
    let places = chains.iter().map(Chain::to_string).collect();
    Ok(Firewall { kind: FirewallKind::Nftables, places, public: false, open })
}

pub(super) async fn open(opening: &Opening, made: &mut Vec<super::Rule>) -> Result<Outcome, Error> {
    let rules = rules().await?;
    let Some(wanted) = wanted(opening, &dropping_chains(&rules)) else { return Ok(no_local_network()) };
    let mut shown = Vec::new();
    for wanted in wanted {
        if wanted.is_effective(&rules).await {
            continue;
        }
        if let Some(rule) = wanted.of_iptables() {
            if let Outcome::Done(how) = iptables::open(&rule).await? {
                shown.push(how);
                made.push(super::Rule::Iptables(rule));
            }
            continue;
        }
        let rule = wanted.insert().await?;
        shown.push(format!(
            "{rule}; to keep it after a restart, append this line to the file of your rules: {}",
            rule.line()
        ));
        made.push(super::Rule::Nftables(rule));
    }
    Ok(if shown.is_empty() { Outcome::Already } else { Outcome::Done(shown.join("; ")) })
}

/// Removes the rule, by its handle or, after the rules were reloaded, by its content.
pub(super) async fn close(rule: &Rule) -> Result<Outcome, Error> {
    let rules = rules().await?;
    let ours = of_chain(&rules, &rule.chain).filter(|there| {
        there.get("comment").and_then(Value::as_str) == Some(rule.transport.comment())
            && there.get("expr") == Some(&rule.expression())
    });
    let handles: Vec<u64> = ours.filter_map(|there| there.get("handle")?.as_u64()).collect();
    let Some(handle) = handles.iter().find(|handle| **handle == rule.handle).or(handles.first()) else {
        return Ok(Outcome::Already);
    };
    let Chain { family, table, name } = &rule.chain;
    let gone = json!({ "family": family, "table": table, "chain": name, "handle": handle });
    command(&json!({ "nftables": [{ "delete": { "rule": gone } }] })).await?;
    Ok(Outcome::Done(format!("{rule} is closed")))
}

async fn rules() -> Result<Vec<Value>, Error> {
    parse_list(&run("nft", &["-j", "list", "ruleset"], "").await?)
}

async fn command(command: &Value) -> Result<Vec<Value>, Error> {
    let printed = run("nft", &["-j", "-e", "-a", "-f", "-"], &command.to_string()).await?;
    if printed.trim().is_empty() { Ok(Vec::new()) } else { parse_list(&printed) }
}

fn parse_list(text: &str) -> Result<Vec<Value>, Error> {
    match serde_json::from_str::<Value>(text).ok().as_ref().and_then(|whole| whole.get("nftables")) {
        Some(Value::Array(all)) => Ok(all.clone()),
        _ => Err(Error::Unintelligible("nft")),
    }
}

/// Returns the chains that might drop incoming connections to a port.
fn dropping_chains(rules: &[Value]) -> Vec<Chain> {
    let chains = rules.iter().filter_map(|one| one.get("chain"));
    let found = chains.filter_map(|chain| {
        let is_input = text(chain, "hook") == Some("input") && text(chain, "type") == Some("filter");
        let family =
            text(chain, "family").filter(|family| is_input && matches!(*family, "ip" | "ip6" | "inet"))?;
        let found = Chain {
            family: family.to_owned(),
            table: text(chain, "table")?.to_owned(),
            name: text(chain, "name")?.to_owned(),
        };
        let drops = text(chain, "policy") == Some("drop") || of_chain(rules, &found).any(may_drop);
        drops.then_some(found)
    });
    found.collect()
}

/// Returns the rules of a chain in order.
fn of_chain<'r>(rules: &'r [Value], chain: &'r Chain) -> impl Iterator<Item = &'r Value> {
    rules.iter().filter_map(|one| one.get("rule")).filter(|rule| {
        text(rule, "family") == Some(&chain.family)
            && text(rule, "table") == Some(&chain.table)
            && text(rule, "chain") == Some(&chain.name)
    })
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

fn statements(rule: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let all = rule.get("expr").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|statement| statement.as_object()?.iter().next())
}

fn may_drop(rule: &Value) -> bool {
    statements(rule).any(|(name, _)| {
        matches!(name.as_str(), "drop" | "reject" | "jump" | "goto" | "queue" | "vmap" | "xt")
    })
}

/// Returns whether the rule drops new connections, not just packets in an invalid state.
fn drops_new_connections(rule: &Value) -> bool {
    let is_about_state = statements(rule).any(|(name, what)| {
        name == "match" && what.pointer("/left/ct/key").is_some_and(|key| key == "state")
    });
    statements(rule).any(|(name, _)| matches!(name.as_str(), "drop" | "reject")) && !is_about_state
}

/// Returns the rules needed in these chains; `None` if the source is empty.
fn wanted(opening: &Opening, chains: &[Chain]) -> Option<Vec<Rule>> {
    let networks = sources(opening);
    if networks.is_empty() && !opening.sources.is_empty() {
        return None;
    }
    let mut wanted = Vec::new();
    for chain in chains {
        if networks.is_empty() {
            wanted.push(Rule::new(chain, opening, None));
        }
        for network in networks.iter().filter(|network| chain.has_family_of(**network)) {
            wanted.push(Rule::new(chain, opening, Some(*network)));
        }
    }
    Some(wanted)
}

impl Chain {
    fn has_family_of(&self, network: Network) -> bool {
        match self.family.as_str() {
            "ip" => network.address().is_ipv4(),
            "ip6" => network.address().is_ipv6(),
            _ => true,
        }
    }
}

impl Rule {
    /// Returns a rule that is not inserted yet.
    fn new(chain: &Chain, opening: &Opening, source: Option<Network>) -> Self {
        let Opening { transport, port, .. } = *opening;
        Self { chain: chain.clone(), handle: 0, transport, port, source }
    }

    /// Returns whether the chain accepts the traffic before a rule can drop it.
    async fn is_effective(&self, rules: &[Value]) -> bool {
        if let Some(rule) = self.of_iptables() {
            return iptables::exists(&rule).await;
        }
        let everyone = Self { source: None, ..self.clone() };
        let own = [self.expression(), everyone.expression()];
        let before = of_chain(rules, &self.chain).take_while(|rule| !drops_new_connections(rule));
        before.filter_map(|rule| rule.get("expr")).any(|there| own.contains(there))
    }

    /// Returns the equivalent iptables rule, if the chain is owned by iptables.
    fn of_iptables(&self) -> Option<iptables::Rule> {
        let Chain { family, table, name } = &self.chain;
        let family = match (family.as_str(), table.as_str(), name.as_str()) {
            ("ip", "filter", "INPUT") => Family::V4,
            ("ip6", "filter", "INPUT") => Family::V6,
            _ => return None,
        };
        let Self { transport, port, source, .. } = *self;
        Some(iptables::Rule { family, transport, port, source })
    }

    async fn insert(mut self) -> Result<Self, Error> {
        let Chain { family, table, name } = &self.chain;
        let rule = json!({
            "family": family, "table": table, "chain": name,
            "comment": self.transport.comment(), "expr": self.expression(),
        });
        let echoed = command(&json!({ "nftables": [{ "insert": { "rule": rule } }] })).await?;
        let handle = echoed.iter().find_map(|one| {
            let made = one.get("insert").or_else(|| one.get("add"))?;
            made.pointer("/rule/handle")?.as_u64()
        });
        self.handle = handle.ok_or(Error::Unintelligible("nft"))?;
        Ok(self)
    }

    fn expression(&self) -> Value {
        let port = equals("tcp", "dport", &json!(self.port.get()));
        let source = self.source.map(|network| {
            let (protocol, whole) = if network.address().is_ipv4() { ("ip", 32) } else { ("ip6", 128) };
            let address = network.address().to_string();
            let right = match network.length() == whole {
                true => json!(address),
                false => json!({ "prefix": { "addr": address, "len": network.length() } }),
            };
            equals(protocol, "saddr", &right)
        });
        Value::Array(source.into_iter().chain([port, json!({ "accept": null })]).collect())
    }

    /// Returns the rule as a command for `nft`.
    fn line(&self) -> String {
        let source = self.source.map_or_else(String::new, |network| {
            let protocol = if network.address().is_ipv4() { "ip" } else { "ip6" };
            format!("{protocol} saddr {network} ")
        });
        let Self { chain, port, transport, .. } = self;
        format!("insert rule {chain} {source}tcp dport {port} accept comment \"{}\"", transport.comment())
    }

    pub(super) fn to_json(&self) -> Value {
        let Chain { family, table, name } = &self.chain;
        let source = self.source.map(|network| network.to_string());
        json!({
            "family": family, "table": table, "chain": name, "handle": self.handle,
            "transport": self.transport.word(), "port": self.port.get(), "source": source,
        })
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let chain = Chain {
            family: text(value, "family")?.to_owned(),
            table: text(value, "table")?.to_owned(),
            name: text(value, "chain")?.to_owned(),
        };
        Some(Self {
            chain,
            handle: value.get("handle")?.as_u64()?,
            transport: super::transport(value)?,
            port: super::port(value)?,
            source: super::source(value)?,
        })
    }
}

/// Returns the expression that compares a field of a packet.
fn equals(protocol: &str, field: &str, right: &Value) -> Value {
    let left = json!({ "payload": { "protocol": protocol, "field": field } });
    json!({ "match": { "op": "==", "left": left, "right": right } })
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.family, self.table, self.name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nftables, chain {}, TCP port {}", self.chain, self.port)?;
        match self.source {
            Some(network) => write!(f, " from {network}"),
            None => Ok(()),
        }
    }
}
