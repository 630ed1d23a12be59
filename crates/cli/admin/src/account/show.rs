//! One account with everything that decides about its access, as text and as JSON.

use std::path::{Path, PathBuf};

use accounts::LinuxUser;
use auth::account_file::{EnabledState, Record, Role, UnixTime};
use cli_command::format::Format;
use cli_command::{Failure, date};
use config::Paths;
use serde_json::{Value, json};

use super::list::{Origin, credentials, entry};
use crate::access::status::{AccountStatus, GroupStatus, RightStatus};
use crate::access::{AccessQuery, query};

/// Returns the status of an account. The settings are those beside the accounts file `accounts`.
pub(super) fn show(
    accounts: &Path,
    state: Option<PathBuf>,
    name: String,
    format: Format,
) -> Result<String, Failure> {
    let state = match (state, Paths::of_this_process()) {
        (Some(state), _) => state,
        (None, Some(default)) => default.state,
        (None, None) => {
            return Err(Failure::failed(
                "cannot locate the state directory: neither XDG_STATE_HOME nor HOME is set",
                "name it with --state",
            ));
        }
    };
    let mut paths = Paths::new(&accounts.with_file_name("config.toml"), &state);
    paths.accounts = accounts.to_owned();
    let query = query(name, None, paths)?;
    let Some(status) = query.status() else {
        let what = format!(
            "no account {}: neither {} nor this machine has a user of this name",
            query.user,
            accounts.display()
        );
        return Err(Failure::failed(what, "telarch account list lists the accounts"));
    };
    Ok(match format {
        Format::Json => format!("{:#}\n", object(&query, &status)),
        _ => text(&query, &status),
    })
}

/// Returns an account as JSON.
fn object(query: &AccessQuery, status: &AccountStatus) -> Value {
    let AccountStatus { record, linux, .. } = status;
    let schemes: Vec<Value> =
        status.schemes.iter().map(|own| json!({"works": own.works, "text": own.text})).collect();
    let groups: Vec<Value> = status
        .groups
        .iter()
        .map(|group| {
            json!({"name": group.name, "sid": group.sid.numeric().to_string(), "through": group.through})
        })
        .collect();
    let access: Vec<Value> = status
        .access
        .iter()
        .map(|own| {
            json!({"resource": own.resource, "right": own.right, "granted": own.is_granted, "decider": own.decider})
        })
        .collect();
    json!({
        "name": query.user,
        "service": query.service(),
        "file": record.as_ref().map(entry),
        "linux": status.uid.map(|uid| json!({
            "uid": uid,
            "locked": linux.as_ref().map(LinuxUser::is_locked),
            "expires": linux.as_ref().and_then(LinuxUser::expires).map(UnixTime::seconds),
            "password_set": linux.as_ref().and_then(LinuxUser::password_changed).map(UnixTime::seconds),
            "password_expires": linux.as_ref().and_then(LinuxUser::password_expires).map(UnixTime::seconds),
        })),
        "usable": status.is_usable,
        "locked_until": status.locked_until,
        "schemes": schemes,
        "groups": groups,
        "access": access,
    })
}

/// Returns an account as lines of a name and a value, followed by lists.
fn text(query: &AccessQuery, status: &AccountStatus) -> String {
    let mut text = format!("{} at {}\n", query.user, query.service());
    let mut line = |name: &str, value: &str| {
        text += format!("  {name:<16} {value}\n").trim_end();
        text.push('\n');
    };
    line("usable", if status.is_usable { "yes" } else { "no" });
    if let Some(until) = status.locked_until {
        let until = date::minute(until);
        line("locked", &format!("until {until}, or a restart of the service: too many failed sign-ins"));
    }
    match &status.record {
        Some(record) => file_lines(record, &mut line),
        None => line("accounts file", "no entry"),
    }
    match status.uid {
        Some(uid) => linux_lines(uid, status.linux.as_ref(), &mut line),
        None => line("Linux user", "none"),
    }
    let schemes = status.schemes.iter().map(|own| {
        let word = if own.works { "yes" } else { "no " };
        format!("{word}  {}", own.text)
    });
    list(&mut text, "schemes", schemes);
    list(&mut text, "groups", status.groups.iter().map(group));
    list(&mut text, "access over the network", status.access.iter().map(right));
    text
}

fn file_lines(record: &Record, line: &mut impl FnMut(&str, &str)) {
    let state = match record.state {
        EnabledState::Enabled => "enabled",
        EnabledState::Disabled => "disabled",
    };
    let role = match record.role {
        Role::Administrator => "admin",
        Role::User => "user",
    };
    line("accounts file", &format!("{state}, {role}, RID {}", record.rid.number()));
    line("  origin", Origin::of(record).description());
    line("  proof", credentials(record));
    line("  password set", &date::minute(record.changed.seconds()));
    if !record.comment.as_str().is_empty() {
        line("  comment", record.comment.as_str());
    }
}

fn linux_lines(uid: u32, linux: Option<&LinuxUser>, line: &mut impl FnMut(&str, &str)) {
    line("Linux user", &format!("UID {uid}"));
    let Some(user) = linux else {
        line("  password", "unknown: only root can read the shadow file, which may have no entry");
        return;
    };
    let day = |time: Option<UnixTime>| match time {
        Some(time) => date::minute(time.seconds()).chars().take(10).collect(),
        None => "never".to_owned(),
    };
    line("  password", if user.is_locked() { "locked, or none" } else { "set" });
    line("  expires", &day(user.expires()));
    let password_expires = match user.password_expires() {
        Some(time) if time.seconds() == 0 => "now: it must be changed first".to_owned(),
        time => day(time),
    };
    line("  password expires", &password_expires);
}

fn list(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    *text += &format!("  {title}\n");
    let mut is_empty = true;
    for line in lines {
        is_empty = false;
        *text += &format!("    {line}\n");
    }
    if is_empty {
        *text += "    none\n";
    }
}

fn group(group: &GroupStatus) -> String {
    let sid = group.sid.numeric();
    let mut text = match &group.name {
        Some(name) => format!("{name} ({sid})"),
        None => sid.to_string(),
    };
    if !group.through.is_empty() {
        text += &format!(", through the local group {}", group.through.join(", "));
    }
    text
}

fn right(own: &RightStatus) -> String {
    let resource = own.resource.rsplit("/1/").next().unwrap_or(own.resource);
    let verdict = match (own.is_granted, &own.decider) {
        (true, Some(decider)) => format!("granted through {decider}"),
        (true, None) => "granted to the owner".to_owned(),
        (false, Some(decider)) => format!("denied by {decider}"),
        (false, None) => "denied: no group of the account has the right".to_owned(),
    };
    format!("{resource}  {}: {verdict}", own.right)
}
