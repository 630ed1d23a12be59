//! The accounts, as people and as programs read them.

use auth::account_file::{EnabledState, Record, Role};
use serde_json::json;

use crate::date;

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ListFormat {
    /// A table with a head.
    #[default]
    Text,
    /// An array of objects.
    Json,
}

/// What is printed for these accounts. Hashes are never shown.
pub(super) fn shown<'a>(records: impl Iterator<Item = &'a Record>, format: ListFormat) -> String {
    match format {
        ListFormat::Text => table(records),
        ListFormat::Json => {
            let accounts: Vec<_> = records.map(object).collect();
            format!("{:#}\n", serde_json::Value::from(accounts))
        }
    }
}

fn object(record: &Record) -> serde_json::Value {
    json!({
        "name": record.name.as_str(),
        "rid": record.rid.number(),
        "admin": record.role == Role::Administrator,
        "enabled": record.state == EnabledState::Enabled,
        "password": !record.password.is_never(),
        "ntlm": record.nt_hash.is_some(),
        "password_set": record.changed.seconds(),
        "comment": record.comment.as_str(),
    })
}

fn table<'a>(records: impl Iterator<Item = &'a Record>) -> String {
    let rows = records.map(|record| {
        let standing = match record.state {
            EnabledState::Enabled => "enabled",
            EnabledState::Disabled => "disabled",
        };
        let role = match record.role {
            Role::Administrator => "admin",
            Role::User => "user",
        };
        let (name, set, comment) =
            (record.name.as_str(), &date::minute(record.changed.seconds()), record.comment.as_str());
        [name, standing, role, proofs(record), set, comment].map(str::to_owned)
    });
    let head = ["NAME", "STATE", "ROLE", "PROOF", "PASSWORD SET", "COMMENT"].map(str::to_owned);
    let rows: Vec<[String; COLUMNS]> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; COLUMNS]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

const COLUMNS: usize = 6;

/// With what this file lets an account prove who it is.
fn proofs(record: &Record) -> &'static str {
    match (record.password.is_never(), record.nt_hash.is_some()) {
        (false, false) => "password",
        (false, true) => "password, ntlm",
        (true, true) => "ntlm",
        (true, false) => "none",
    }
}
