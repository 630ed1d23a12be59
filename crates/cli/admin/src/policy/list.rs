//! The list of demands of policies, as text and as JSON.

use config::{FilePosition, Policy, PolicyTarget, PolicyValue, SubscriptionManager};
use serde_json::{Value, json};

use cli_command::format::Format;

use super::PolicySources;

/// Policies to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    Configured,
    All,
}

pub(super) fn list(sources: &PolicySources, selection: Selection, format: Format) -> String {
    match format {
        Format::Json => format!("{:#}\n", document(sources, selection)),
        _ => text(sources, selection),
    }
}

fn text(sources: &PolicySources, selection: Selection) -> String {
    let mut rows: Vec<[String; 3]> = sources
        .demands()
        .map(|demand| {
            let name = demand.policy.map_or("-", Policy::name).to_owned();
            [name, describe(demand), demand.origin.to_string()]
        })
        .collect();
    if selection == Selection::All {
        let absent = Policy::all().iter().filter(|policy| sources.of_policy(policy).is_empty());
        rows.extend(
            absent.map(|policy| [policy.name().to_owned(), "not configured".to_owned(), String::new()]),
        );
    }
    let mut text = String::new();
    if rows.is_empty() {
        text.push_str(&format!("no policies: {} contains none\n", sources.directory.display()));
    }
    let (first, second) = (column_width(&rows, 0), column_width(&rows, 1));
    for [name, value, origin] in &rows {
        let line = format!("{name:<first$}  {value:<second$}  {origin}");
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    for unknown in sources.policies.unknown() {
        text.push_str(&format!("unknown policy: {}  {}\n", unknown.name, unknown.origin));
    }
    text
}

/// Greatest width that sets the width of a column, so that one long value does not move the others.
const WIDEST: usize = 60;

fn column_width(rows: &[[String; 3]], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
    cells.filter(|width| *width <= WIDEST).max().unwrap_or_default()
}

/// Returns a demand in one line.
pub(super) fn describe(demand: &PolicyValue) -> String {
    match &demand.target {
        PolicyTarget::Setting(setting) => format!("{} = {}", setting.path(), demand.value),
        PolicyTarget::Policy { policy, item } if item.is_empty() => {
            match (policy.name(), demand.value.as_str()) {
                ("AllowAutoConfig", "true") => "listener created by policy".to_owned(),
                ("AllowAutoConfig", _) => "no listener by policy".to_owned(),
                (_, value) => format!("{value} (no effect in Telarch)"),
            }
        }
        PolicyTarget::Policy { policy, item } => {
            let is_manager = policy.name() == "SubscriptionManager";
            let mistake = is_manager.then(|| SubscriptionManager::parse(&demand.value).err()).flatten();
            let mistake = mistake.map(|reason| format!(" (invalid: {reason})")).unwrap_or_default();
            format!("{item}: {}{mistake}", demand.value)
        }
    }
}

fn document(sources: &PolicySources, selection: Selection) -> Value {
    let all = (selection == Selection::All).then(|| {
        let policies = Policy::all().iter().map(|policy| {
            json!({
                "name": policy.name(),
                "key": policy.key(),
                "settings": policy.settings().map(config::Setting::path).collect::<Vec<_>>(),
                "state": sources.state_of(policy),
            })
        });
        policies.collect::<Vec<_>>()
    });
    json!({
        "folder": sources.directory.to_string_lossy(),
        "folderForClients": sources.machine.as_ref().map(|(directory, _)| directory.to_string_lossy()),
        "demands": sources.demands().map(demand).collect::<Vec<_>>(),
        "policies": all,
        "unknown": sources.policies.unknown().iter().map(|unknown| json!({
            "name": unknown.name,
            "file": unknown.origin.file.to_string_lossy(),
        })).collect::<Vec<_>>(),
    })
}

fn demand(demand: &PolicyValue) -> Value {
    let (line, record) = match demand.origin.position {
        FilePosition::Line(line) => (Some(line), None),
        FilePosition::Record(record) => (None, Some(record)),
    };
    let (setting, entry) = match &demand.target {
        PolicyTarget::Setting(setting) => (Some(setting.path()), None),
        PolicyTarget::Policy { item, .. } => (None, Some(item.as_str()).filter(|item| !item.is_empty())),
    };
    json!({
        "policy": demand.policy.map(Policy::name),
        "setting": setting,
        "entry": entry,
        "value": demand.value,
        "file": demand.origin.file.to_string_lossy(),
        "line": line,
        "record": record,
    })
}
