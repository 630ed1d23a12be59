//! The list of accounts, as text and as JSON.

use std::time::SystemTime;

use accounts::{LinuxUsers, NtHashState};
use auth::account_file::{EnabledState, Record, Role};
use serde_json::json;

use cli_command::date;
use cli_command::format::Format;

/// Returns the list of accounts; hashes are never part of it.
pub(super) fn list<'a>(records: impl Iterator<Item = &'a Record>, format: Format) -> String {
    match format {
        Format::Json => {
            let accounts: Vec<_> = records.map(object).collect();
            format!("{:#}\n", serde_json::Value::from(accounts))
        }
        _ => table(records),
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
        "origin": Origin::of(record).name(),
        "current": Origin::of(record).is_current(),
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
