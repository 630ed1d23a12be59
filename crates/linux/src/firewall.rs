//! Rules of the packet filter, as listed by nft (libnftables-json(5)).

pub mod filter;

use std::io;
use std::time::Duration;

use serde_json::Value as Json;

use crate::{Error, Machine, program};

/// Time limit of nft.
const LIMIT: Duration = Duration::from_secs(10);

/// A table, chain or rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Object(Json);

impl Object {
    /// Returns all objects of a kind: `table`, `chain` or `rule`. Empty if nft is not installed.
    ///
    /// # Errors
    /// If nft fails, or this user may not list the rules.
    pub fn all(kind: &str) -> Result<Vec<Self>, Error> {
        Ok(of_kind(&listing()?, kind))
    }

    /// Returns a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Json::as_str).map(str::to_owned)
    }

    /// Returns a number that is not negative.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Json::as_u64)
    }

    /// Returns the priority of a chain.
    #[must_use]
    pub fn priority(&self) -> Option<i32> {
        self.0.get("prio").and_then(Json::as_i64).and_then(|number| i32::try_from(number).ok())
    }

    /// Returns the statements of a rule as JSON.
    #[must_use]
    pub fn expression(&self) -> Option<String> {
        self.0.get("expr").map(Json::to_string)
    }

    /// Returns a number of the first counter of a rule: `bytes` or `packets`.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<u64> {
        let statements = self.0.get("expr")?.as_array()?;
        statements.iter().find_map(|statement| statement.get("counter"))?.get(name)?.as_u64()
    }
}

/// Returns whether nft is installed; without it the rules are not known.
#[must_use]
pub fn is_installed(machine: &Machine) -> bool {
    ["usr/sbin/nft", "usr/bin/nft", "sbin/nft"].iter().any(|program| machine.path(program).exists())
}

/// Returns all objects; empty if nft is not installed.
fn listing() -> Result<Vec<Json>, Error> {
    let ended = match program::of_system("nft", ["-j", "list", "ruleset"], LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        ended => ended?,
    };
    if ended.code != 0 {
        let problem = ended.stderr.trim().to_owned();
        return Err(if problem.contains("not permitted") {
            Error::Denied { program: "nft", problem }
        } else {
            Error::program("nft", problem)
        });
    }
    let listing: Json = serde_json::from_str(&ended.stdout)
        .map_err(|error| Error::program("nft", format!("invalid output: {error}")))?;
    let objects = listing.get("nftables").and_then(Json::as_array).cloned().unwrap_or_default();
    Ok(objects)
}

fn of_kind(objects: &[Json], kind: &str) -> Vec<Object> {
    objects.iter().filter_map(|object| object.get(kind).cloned().map(Object)).collect()
}
