//! The accounts, as people and as programs read them.

use auth::account_file::{Record, Role, Standing, UnixTime};
use serde_json::json;

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
        "enabled": record.standing == Standing::Enabled,
        "password": !record.password.is_never(),
        "ntlm": record.nt_hash.is_some(),
        "password_set": record.changed.seconds(),
        "comment": record.comment.as_str(),
    })
}

fn table<'a>(records: impl Iterator<Item = &'a Record>) -> String {
    let rows = records.map(|record| {
        let standing = match record.standing {
            Standing::Enabled => "enabled",
            Standing::Disabled => "disabled",
        };
        let role = match record.role {
            Role::Administrator => "admin",
            Role::User => "user",
        };
        let (name, set, comment) = (record.name.as_str(), &minute(record.changed), record.comment.as_str());
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

/// A time as `2026-11-21 10:22Z`.
fn minute(time: UnixTime) -> String {
    let (days, seconds) = (time.seconds() / 86_400, time.seconds() % 86_400);
    // Counted from 1 March of the year 0, so that the day that comes and goes is the last of a year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, years) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    let year = era * 400 + year_of_era + years;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00Z"),
            (951_782_399, "2000-02-28 23:59Z"),
            (951_782_400, "2000-02-29 00:00Z"),
            (951_868_800, "2000-03-01 00:00Z"),
            (1_763_719_754, "2025-11-21 10:09Z"),
            (4_107_542_400, "2100-03-01 00:00Z"),
            (u64::MAX, "9999-12-31 23:59Z"),
        ] {
            assert_eq!(minute(UnixTime::new(seconds)), shown);
        }
    }
}
