//! iptables rules, for nftables tables owned by iptables: iptables cannot read rules that nft adds to them.

use std::fmt;
use std::num::NonZeroU16;

use serde_json::{Value, json};

use crate::program::run;
use crate::{Error, Network, Outcome, Transport};

/// A rule at the start of `INPUT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(super) family: Family,
    pub(super) transport: Transport,
    pub(super) port: NonZeroU16,
    pub(super) source: Option<Network>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Adds the rule, if it does not exist.
///
/// # Errors
/// [`Error`], also if the program is not installed.
pub(super) async fn open(rule: &Rule) -> Result<Outcome, Error> {
    if exists(rule).await {
        return Ok(Outcome::Already);
    }
    rule.run("-I").await?;
    Ok(Outcome::Done(format!("{rule}; it is lost after a restart unless you save it: {}", rule.line())))
}

pub(super) async fn close(rule: &Rule) -> Result<Outcome, Error> {
    if !exists(rule).await {
        return Ok(Outcome::Already);
    }
    rule.run("-D").await?;
    Ok(Outcome::Done(format!("{rule} is closed")))
}

pub(super) async fn exists(rule: &Rule) -> bool {
    rule.run("-C").await.is_ok()
}

impl Family {
    fn program(self) -> &'static str {
        match self {
            Self::V4 => "iptables",
            Self::V6 => "ip6tables",
        }
    }
}

impl Rule {
    async fn run(&self, verb: &str) -> Result<(), Error> {
        let words = self.words();
        let arguments: Vec<&str> =
            ["-w", verb, "INPUT"].into_iter().chain(words.iter().map(String::as_str)).collect();
        run(self.family.program(), &arguments, "").await.map(drop)
    }

    fn words(&self) -> Vec<String> {
        let source = self.source.map(|network| ["-s".to_owned(), network.to_string()]);
        let port = self.port.to_string();
        let rest = ["-p", "tcp", "--dport", &port, "-m", "comment", "--comment", self.transport.comment()];
        let rest = rest.into_iter().chain(["-j", "ACCEPT"]).map(str::to_owned);
        source.into_iter().flatten().chain(rest).collect()
    }

    fn line(&self) -> String {
        format!("{} -I INPUT {}", self.family.program(), self.words().join(" "))
    }

    pub(super) fn to_json(&self) -> Value {
        let family = match self.family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        };
        let source = self.source.map(|network| network.to_string());
        json!({
            "family": family, "transport": self.transport.word(), "port": self.port.get(), "source": source,
        })
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let family = match value.get("family")?.as_str()? {
            "ip" => Family::V4,
            "ip6" => Family::V6,
            _ => return None,
        };
        Some(Self {
            family,
            transport: super::transport(value)?,
            port: super::port(value)?,
            source: super::source(value)?,
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, TCP port {}", self.family.program(), self.port)?;
        match self.source {
            Some(network) => write!(f, " from {network}"),
            None => Ok(()),
        }
    }
}
