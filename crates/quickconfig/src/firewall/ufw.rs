//! ufw, through its command line, its only interface.

use std::fmt;
use std::fs;
use std::num::NonZeroU16;

use serde_json::{Value, json};

use super::{no_local_network, sources};
use crate::program::{is_installed, run};
use crate::{Error, Firewall, FirewallKind, Network, Opening, Outcome, Transport};

/// A rule that permits a port, from a network or from anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    transport: Transport,
    port: NonZeroU16,
    source: Option<Network>,
}

pub(super) async fn query_active() -> Result<bool, Error> {
    if !is_installed("ufw") {
        return Ok(false);
    }
    let settings = fs::read_to_string("/etc/ufw/ufw.conf").unwrap_or_default();
    if !settings.lines().any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes")) {
        return Ok(false);
    }
    Ok(run("ufw", &["status"], "").await?.lines().any(|line| line.trim() == "Status: active"))
}

pub(super) async fn survey(openings: &[Opening]) -> Result<Firewall, Error> {
    let added = added().await?;
    let open = openings.iter().map(|opening| missing(opening, &added).is_some_and(|rules| rules.is_empty()));
    let open = open.collect();
    Ok(Firewall { kind: FirewallKind::Ufw, places: vec!["ufw".to_owned()], public: false, open })
}

pub(super) async fn open(opening: &Opening, made: &mut Vec<super::Rule>) -> Result<Outcome, Error> {
    let Some(missing) = missing(opening, &added().await?) else { return Ok(no_local_network()) };
    let mut shown = Vec::new();
    for rule in missing {
        let (words, comment) = (rule.words(), rule.transport.comment());
        let words = words.iter().map(String::as_str);
        let arguments: Vec<&str> = ["allow"].into_iter().chain(words).chain(["comment", comment]).collect();
        run("ufw", &arguments, "").await?;
        shown.push(rule.to_string());
        made.push(super::Rule::Ufw(rule));
    }
    Ok(if shown.is_empty() { Outcome::Already } else { Outcome::Done(shown.join("; ")) })
}

pub(super) async fn close(rule: &Rule) -> Result<Outcome, Error> {
    if !rule.is_in(&added().await?) {
        return Ok(Outcome::Already);
    }
    let words = rule.words();
    let arguments: Vec<&str> =
        ["delete", "allow"].into_iter().chain(words.iter().map(String::as_str)).collect();
    run("ufw", &arguments, "").await?;
    Ok(Outcome::Done(format!("{rule} is closed")))
}

/// Returns the existing rules, as the commands that would add them.
async fn added() -> Result<String, Error> {
    run("ufw", &["show", "added"], "").await
}

/// Returns the missing rules of an opening; `None` if the source is empty.
fn missing(opening: &Opening, added: &str) -> Option<Vec<Rule>> {
    let any_source = Rule::new(opening, None);
    if any_source.is_in(added) {
        return Some(Vec::new());
    }
    if opening.sources.is_empty() {
        return Some(vec![any_source]);
    }
    let sources = sources(opening);
    if sources.is_empty() {
        return None;
    }
    let rules = sources.into_iter().map(|network| Rule::new(opening, Some(network)));
    Some(rules.filter(|rule| !rule.is_in(added)).collect())
}

impl Rule {
    fn new(opening: &Opening, source: Option<Network>) -> Self {
        Self { transport: opening.transport, port: opening.port, source }
    }

    fn words(&self) -> Vec<String> {
        let source = self.source.map_or("any".to_owned(), |network| network.to_string());
        let port = self.port.to_string();
        ["proto", "tcp", "from", &source, "to", "any", "port", &port].map(str::to_owned).to_vec()
    }

    fn is_in(&self, added: &str) -> bool {
        let port = self.port;
        let shown = match self.source {
            None => format!("ufw allow {port}/tcp"),
            Some(network) => {
                let whole = if network.address().is_ipv4() { 32 } else { 128 };
                let source = match network.length() == whole {
                    true => network.address().to_string(),
                    false => network.to_string(),
                };
                format!("ufw allow from {source} to any port {port} proto tcp")
            }
        };
        added.lines().map(str::trim).any(|line| {
            line.strip_prefix(&shown).is_some_and(|rest| rest.is_empty() || rest.starts_with(" comment "))
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let source = self.source.map(|network| network.to_string());
        json!({ "transport": self.transport.word(), "port": self.port.get(), "source": source })
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            transport: super::transport(value)?,
            port: super::port(value)?,
            source: super::source(value)?,
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ufw, TCP port {}", self.port)?;
        match self.source {
            Some(network) => write!(f, " from {network}"),
            None => Ok(()),
        }
    }
}
