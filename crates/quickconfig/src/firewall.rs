//! Firewalls: detection, inspection, opening and closing of ports.
//!
//! The tools of administrators come first: firewalld, then ufw, then nftables or iptables rules. Services
//! that are not running are not started, and rule sets that block nothing are not changed.

mod firewalld;
mod iptables;
mod networks;
mod nftables;
mod ufw;

use serde_json::{Value, json};

use crate::{Error, Firewall, FirewallKind, Network, Opening, Outcome, Source};

/// A rule added by quickconfig, with the data needed to find it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Firewalld(firewalld::Rule),
    Ufw(ufw::Rule),
    Nftables(nftables::Rule),
    Iptables(iptables::Rule),
}

/// Returns the firewall in use, and whether it permits these connections.
pub(crate) async fn survey(openings: &[Opening]) -> Firewall {
    let seen = match find().await {
        Ok(FirewallKind::Firewalld) => firewalld::survey(openings).await,
        Ok(FirewallKind::Ufw) => ufw::survey(openings).await,
        Ok(FirewallKind::Nftables) => nftables::survey(openings).await,
        Ok(kind) => Ok(unknown(kind)),
        Err(error) => Err(error),
    };
    seen.unwrap_or_else(|error| unknown(FirewallKind::Unseen(error.to_string())))
}

/// Permits connections, unless they are already permitted. Every rule is added to `made` as soon as it is
/// created.
///
/// # Errors
/// [`Error`]; rules created before remain.
pub(crate) async fn open(opening: &Opening, made: &mut Vec<Rule>) -> Result<Outcome, Error> {
    let kind = find().await?;
    if opening.zone.is_some() && kind != FirewallKind::Firewalld {
        return Err(Error::NoZones);
    }
    match kind {
        FirewallKind::Firewalld => firewalld::open(opening, made).await,
        FirewallKind::Ufw => ufw::open(opening, made).await,
        FirewallKind::Nftables => nftables::open(opening, made).await,
        FirewallKind::None => Ok(Outcome::Already),
        FirewallKind::Unseen(why) => Ok(Outcome::Failed(why)),
    }
}

/// Removes a rule, if it still exists.
///
/// # Errors
/// [`Error`].
pub(crate) async fn close(rule: &Rule) -> Result<Outcome, Error> {
    match rule {
        Rule::Firewalld(rule) => firewalld::close(rule).await,
        Rule::Ufw(rule) => ufw::close(rule).await,
        Rule::Nftables(rule) => nftables::close(rule).await,
        Rule::Iptables(rule) => iptables::close(rule).await,
    }
}

async fn find() -> Result<FirewallKind, Error> {
    if firewalld::runs().await {
        return Ok(FirewallKind::Firewalld);
    }
    if ufw::query_active().await? {
        return Ok(FirewallKind::Ufw);
    }
    nftables::find().await
}

/// Returns the state of a firewall of which only the kind is known.
pub(crate) fn unknown(kind: FirewallKind) -> Firewall {
    Firewall { kind, places: Vec::new(), public: false, open: Vec::new() }
}

/// Returns the source networks of an opening; empty means any source.
fn sources(opening: &Opening) -> Vec<Network> {
    let mut networks: Vec<Network> = Vec::new();
    for source in &opening.sources {
        match source {
            Source::LocalSubnet => networks.extend(networks::of_this_machine()),
            Source::Network(network) => networks.push(*network),
        }
    }
    networks.sort_unstable();
    networks.dedup();
    networks
}

/// Returns the outcome if the machine is in no network, so that `LocalSubnet` is empty.
fn no_local_network() -> Outcome {
    Outcome::Failed("this machine is not in any network, so LocalSubnet is empty".to_owned())
}

impl Rule {
    /// Returns the journal form of the rule.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Firewalld(rule) => json!({ "firewalld": rule.to_json() }),
            Self::Ufw(rule) => json!({ "ufw": rule.to_json() }),
            Self::Nftables(rule) => json!({ "nftables": rule.to_json() }),
            Self::Iptables(rule) => json!({ "iptables": rule.to_json() }),
        }
    }

    /// Reads the journal form of a rule; `None` if it is not valid.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let (kind, rule) = value.as_object()?.iter().next()?;
        match kind.as_str() {
            "firewalld" => firewalld::Rule::from_json(rule).map(Self::Firewalld),
            "ufw" => ufw::Rule::from_json(rule).map(Self::Ufw),
            "nftables" => nftables::Rule::from_json(rule).map(Self::Nftables),
            "iptables" => iptables::Rule::from_json(rule).map(Self::Iptables),
            _ => None,
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Firewalld(rule) => rule.fmt(f),
            Self::Ufw(rule) => rule.fmt(f),
            Self::Nftables(rule) => rule.fmt(f),
            Self::Iptables(rule) => rule.fmt(f),
        }
    }
}

/// Reads a port from the journal.
fn port(value: &Value) -> Option<std::num::NonZeroU16> {
    value.get("port")?.as_u64().and_then(|port| u16::try_from(port).ok()?.try_into().ok())
}

/// Reads an optional network from the journal.
fn source(value: &Value) -> Option<Option<Network>> {
    match value.get("source")? {
        Value::Null => Some(None),
        text => Network::parse(text.as_str()?).ok().map(Some),
    }
}

fn transport(value: &Value) -> Option<crate::Transport> {
    crate::Transport::of_word(value.get("transport")?.as_str()?)
}
