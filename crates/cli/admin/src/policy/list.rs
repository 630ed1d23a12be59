//! Everything that is demanded, as people and as programs read it.

use config::{Demand, Place, Policy, Subject, SubscriptionManager};
use serde_json::{Value, json};

use super::Here;
use super::arguments::Which;
use cli_command::format::Format;

pub(super) fn listed(here: &Here, which: Which, format: Format) -> String {
    match format {
        Format::Text => text(here, which),
        Format::Json => format!("{:#}\n", document(here, which)),
    }
}

fn text(here: &Here, which: Which) -> String {
    let mut rows: Vec<[String; 3]> = here
        .demands()
        .map(|demand| {
            let name = demand.policy.map_or("-", Policy::name).to_owned();
            [name, shown(demand), demand.origin.to_string()]
        })
        .collect();
    if which == Which::All {
        let absent = Policy::all().iter().filter(|policy| here.of_policy(policy).is_empty());
        rows.extend(
            absent.map(|policy| [policy.name().to_owned(), "not configured".to_owned(), String::new()]),
        );
    }
    let mut text = String::new();
    if rows.is_empty() {
        text.push_str(&format!("nothing is demanded by policy: {} has no policies\n", here.folder.display()));
    }
    // Values that reach further do not push the places of all others aside.
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.filter(|width| *width <= WIDEST).max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    for [name, value, origin] in &rows {
        let line = format!("{name:<first$}  {value:<second$}  {origin}");
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    for unknown in here.policies.unknown() {
        text.push_str(&format!("not known here: {}  {}\n", unknown.name, unknown.origin));
    }
    text
}

const WIDEST: usize = 60;

/// What a demand says, in one line.
pub(super) fn shown(demand: &Demand) -> String {
    match &demand.subject {
        Subject::Setting(setting) => format!("{} = {}", setting.path(), demand.value),
        Subject::Policy { policy, item } if item.is_empty() => match (policy.name(), demand.value.as_str()) {
            ("AllowAutoConfig", "true") => "a listener of policy".to_owned(),
            ("AllowAutoConfig", _) => "no listener of policy".to_owned(),
            (_, value) => format!("{value}, which governs nothing here"),
        },
        Subject::Policy { policy, item } => {
            let is_manager = policy.name() == "SubscriptionManager";
            let mistake = is_manager.then(|| SubscriptionManager::parse(&demand.value).err()).flatten();
            let mistake = mistake.map(|reason| format!(" (of no use: {reason})")).unwrap_or_default();
            format!("{item}: {}{mistake}", demand.value)
        }
    }
}

fn document(here: &Here, which: Which) -> Value {
    let all = || {
        let policies = Policy::all().iter().map(|policy| {
            json!({
                "name": policy.name(),
                "key": policy.key(),
                "settings": policy.settings().map(config::Setting::path).collect::<Vec<_>>(),
                "state": here.state_of(policy),
            })
        });
        policies.collect::<Vec<_>>()
    };
    json!({
        "folder": here.folder.to_string_lossy(),
        "folderForClients": here.machine.as_ref().map(|(folder, _)| folder.to_string_lossy()),
        "demands": here.demands().map(demand).collect::<Vec<_>>(),
        "policies": (which == Which::All).then(all),
        "unknown": here.policies.unknown().iter().map(|unknown| json!({
            "name": unknown.name,
            "file": unknown.origin.file.to_string_lossy(),
        })).collect::<Vec<_>>(),
    })
}

fn demand(demand: &Demand) -> Value {
    let (line, record) = match demand.origin.place {
        Place::Line(line) => (Some(line), None),
        Place::Record(record) => (None, Some(record)),
    };
    let (setting, entry) = match &demand.subject {
        Subject::Setting(setting) => (Some(setting.path()), None),
        Subject::Policy { item, .. } => (None, Some(item.as_str()).filter(|item| !item.is_empty())),
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
