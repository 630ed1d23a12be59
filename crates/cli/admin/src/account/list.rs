//! The list of accounts, as text and as JSON.

use std::time::SystemTime;

use accounts::{LinuxUsers, NtHashState};
use auth::account_file::{EnabledState, Record, Role};
use serde_json::{Map, Value, json};

use cli_command::date;
use cli_command::format::Format;

/// Returns the list of accounts; hashes are never part of it.
pub(super) fn list<'a>(records: impl Iterator<Item = &'a Record>, format: Format) -> String {
    match format {
        Format::Json => {
            let accounts: Vec<Value> = records
                .map(|record| {
                    let mut account = Map::from_iter([("name".to_owned(), json!(record.name.as_str()))]);
                    account.extend(entry(record));
                    Value::Object(account)
                })
                .collect();
            format!("{:#}\n", Value::from(accounts))
        }
        _ => table(records),
    }
}

/// Returns the entry of an account in the accounts file as JSON, without its name.
pub(super) fn entry(record: &Record) -> Map<String, Value> {
    let origin = Origin::of(record);
    let fields = [
        ("rid", json!(record.rid.number())),
        ("admin", json!(record.role == Role::Administrator)),
        ("enabled", json!(record.state == EnabledState::Enabled)),
        ("password", json!(!record.password.is_never())),
        ("ntlm", json!(record.nt_hash.is_some())),
        ("origin", json!(origin.name())),
        ("current", json!(origin.is_current())),
        ("password_set", json!(record.changed.seconds())),
        ("comment", json!(record.comment.as_str())),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
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
        let origin = Origin::of(record).description();
        [name, standing, role, credentials(record), origin, set, comment].map(str::to_owned)
    });
    let head = ["NAME", "STATE", "ROLE", "PROOF", "ORIGIN", "PASSWORD SET", "COMMENT"].map(str::to_owned);
    let rows: Vec<[String; COLUMNS]> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += &format!("{}\n", cells.join("  ").trim_end());
    }
    text
}

const COLUMNS: usize = 7;

/// Origin of the password of an account.
pub(super) enum Origin {
    /// The password was given to `telarch account`.
    Service,
    /// The account stores the NT hash of a Linux user's password. `None` if its state cannot be determined, because
    /// reading the shadow file requires root.
    Linux(Option<NtHashState>),
}

impl Origin {
    pub(super) fn of(record: &Record) -> Self {
        let Some(password) = record.linux_password() else { return Self::Service };
        let state = LinuxUsers::of_this_machine().state_of(&record.name, password, SystemTime::now());
        Self::Linux(state.ok())
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Linux(_) => "linux",
        }
    }

    /// Returns whether the stored secrets can be used; `None` if that is unknown.
    pub(super) fn is_current(&self) -> Option<bool> {
        match self {
            Self::Service => Some(true),
            Self::Linux(state) => state.map(|state| state == NtHashState::Current),
        }
    }

    pub(super) fn description(&self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Linux(None | Some(NtHashState::Current)) => "linux",
            Self::Linux(Some(NtHashState::Outdated)) => "linux, outdated",
            Self::Linux(Some(NtHashState::Expired)) => "linux, expired",
            Self::Linux(Some(NtHashState::NoUser)) => "linux, no user",
        }
    }
}

/// Returns the credentials that the accounts file has for an account.
pub(super) fn credentials(record: &Record) -> &'static str {
    match (record.password.is_never(), record.nt_hash.is_some()) {
        (false, false) => "password",
        (false, true) => "password, ntlm",
        (true, true) => "ntlm",
        (true, false) => "none",
    }
}
