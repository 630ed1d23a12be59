//! The explanation of one policy or setting, with its value in force.

use config::{Config, Policy, PolicyKind, Reason, Setting};

use cli_command::Failure;

use super::{PolicySources, list};

/// Explains a policy or setting, given by its name or by the registry key and value of a policy.
pub(super) fn explain(sources: &PolicySources, word: &str) -> Result<String, Failure> {
    let policies = Policy::search(word);
    if !policies.is_empty() {
        let pages: Vec<String> = policies.into_iter().map(|policy| of_policy(sources, policy)).collect();
        return Ok(pages.join("\n"));
    }
    match Setting::find(word) {
        Ok(setting) => Ok(of_setting(sources, setting)),
        Err(error) => {
            let what = match error.reason {
                Reason::Unknown { nearest: Some(nearest) } => {
                    format!("unknown name \"{word}\"; did you mean {nearest}?")
                }
                _ => format!("unknown name \"{word}\": not a policy, a setting, or KEY\\VALUE of a policy"),
            };
            let remedy = "telarch policy list --all lists the policies, telarch config show the settings";
            Err(Failure::usage(format!("policy: {what}"), remedy))
        }
    }
}

fn of_policy(sources: &PolicySources, policy: &'static Policy) -> String {
    let mut page = format!("{}: {}\n  {}\n\n", policy.name(), sources.state_of(policy), policy.about());
    line(&mut page, "key", policy.key());
    for (name, meaning) in policy.values() {
        line(&mut page, "value", &format!("{name}  {meaning}"));
    }
    line(&mut page, "in TOML", &in_toml(policy));
    let demands = sources.of_policy(policy);
    for demand in &demands {
        line(&mut page, "set by", &format!("{}: {}", demand.origin, list::describe(demand)));
    }
    if demands.is_empty() {
        line(&mut page, "set by", NOT_SET);
    }
    for setting in policy.settings() {
        line(&mut page, "in force", &in_force(sources, setting));
    }
    page
}

/// Explains a setting that Windows has no policy for.
fn of_setting(sources: &PolicySources, setting: &'static Setting) -> String {
    let mut page =
        format!("{}\n  {}\n  Windows has no policy for this setting.\n\n", setting.path(), setting.about());
    line(&mut page, "in TOML", &example(setting));
    let by =
        sources.of_setting(setting).map_or_else(|| NOT_SET.to_owned(), |demand| demand.origin.to_string());
    line(&mut page, "set by", &by);
    line(&mut page, "in force", &in_force(sources, setting));
    page
}

const NOT_SET: &str = "no policy";

fn line(page: &mut String, name: &str, text: &str) {
    page.push_str(&format!("  {name:<9}{text}\n"));
}

/// Returns the value in force and its source.
fn in_force(sources: &PolicySources, setting: &'static Setting) -> String {
    if let Some(demand) = sources.of_setting(setting) {
        return format!("{} = {} (policy)", setting.path(), demand.value);
    }
    let Some(store) = &sources.store else {
        return format!("{} = {} (default)", setting.path(), setting.show(&Config::default()));
    };
    let sources = store.sources();
    format!("{} = {} ({})", setting.path(), setting.show(&sources.state().config), sources.of(setting))
}

fn in_toml(policy: &'static Policy) -> String {
    match policy.kind() {
        PolicyKind::AutoConfig | PolicyKind::Flag { .. } => format!("Policy.{} = true", policy.name()),
        PolicyKind::List { .. } => format!("Policy.{} = [\"…\"]", policy.name()),
        _ => policy.settings().map(example).collect::<Vec<_>>().join(", "),
    }
}

fn example(setting: &'static Setting) -> String {
    setting.line(&Config::default())
}
