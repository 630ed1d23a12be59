//! `Linux_FirewallTable`, `Linux_FirewallChain` and `Linux_FirewallRule`: nftables (libnftables-json(5)).

use std::time::Duration;

use cim::{Status, Value};
use serde_json::Value as Json;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{self, Fill};
use linux::program;

/// Time limit of nft.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Table;
pub(super) struct Chain;
pub(super) struct Rule;

/// Returns all objects of a kind, as listed by nft.
fn listed(kind: &str) -> Result<Vec<Json>, ProviderError> {
    let wrong = |problem: String| ProviderError::failed(Status::ProviderFailure, problem);
    let ended = match program::of_system("nft", ["-j", "list", "ruleset"], LIMIT) {
        // If nft is not installed, there are no rules.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        ended => ended.map_err(table::failure)?,
    };
    if ended.code != 0 {
        let status = if ended.stderr.contains("not permitted") {
            Status::AccessDenied
        } else {
            Status::ProviderFailure
        };
        return Err(ProviderError::failed(status, format!("nft: {}", ended.stderr.trim())));
    }
    let listing: Json = serde_json::from_str(&ended.stdout)
        .map_err(|error| wrong(format!("invalid output of nft: {error}")))?;
    let objects = listing.get("nftables").and_then(Json::as_array).cloned().unwrap_or_default();
    Ok(objects.into_iter().filter_map(|object| object.get(kind).cloned()).collect())
}

fn text(object: &Json, name: &str) -> Value {
    object.get(name).and_then(Json::as_str).map(str::to_owned).into()
}

fn number(object: &Json, name: &str) -> Value {
    object.get(name).and_then(Json::as_u64).into()
}

/// Returns a number of the first counter of a rule.
fn counted(rule: &Json, name: &str) -> Value {
    let statements = rule.get("expr").and_then(Json::as_array);
    let counter = statements.and_then(|all| all.iter().find_map(|statement| statement.get("counter")));
    counter.and_then(|counter| counter.get(name)?.as_u64()).into()
}

impl table::Table for Table {
    type Row = Json;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_FirewallTable";

    const COLUMNS: &'static [(&'static str, Fill<Json>)] = &[
        ("Family", |_, object| text(object, "family")),
        ("Handle", |_, object| number(object, "handle")),
        ("Name", |_, object| text(object, "name")),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Json>, ProviderError> {
        Ok(listed("table")?.into_iter())
    }
}

impl table::Table for Chain {
    type Row = Json;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_FirewallChain";

    const COLUMNS: &'static [(&'static str, Fill<Json>)] = &[
        ("Family", |_, object| text(object, "family")),
        ("Handle", |_, object| number(object, "handle")),
        ("Hook", |_, object| text(object, "hook")),
        ("Name", |_, object| text(object, "name")),
        ("Policy", |_, object| text(object, "policy")),
        ("Priority", |_, object| {
            object.get("prio").and_then(Json::as_i64).and_then(|number| i32::try_from(number).ok()).into()
        }),
        ("Table", |_, object| text(object, "table")),
        ("Type", |_, object| text(object, "type")),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Json>, ProviderError> {
        Ok(listed("chain")?.into_iter())
    }
}

impl table::Table for Rule {
    type Row = Json;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_FirewallRule";

    const COLUMNS: &'static [(&'static str, Fill<Json>)] = &[
        ("Bytes", |_, object| counted(object, "bytes")),
        ("Chain", |_, object| text(object, "chain")),
        ("Comment", |_, object| text(object, "comment")),
        ("Expression", |_, object| object.get("expr").map(Json::to_string).into()),
        ("Family", |_, object| text(object, "family")),
        ("Handle", |_, object| number(object, "handle")),
        ("Packets", |_, object| counted(object, "packets")),
        ("Table", |_, object| text(object, "table")),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Json>, ProviderError> {
        Ok(listed("rule")?.into_iter())
    }
}
