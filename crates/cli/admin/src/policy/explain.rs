//! What one policy does, and what has become of it here.

use config::{Config, Policy, Reads, Reason, Setting};

use super::{Here, list};
use cli_command::Failure;

/// A word may be the name of a policy or a setting, or a key with a value.
pub(super) fn explained(here: &Here, word: &str) -> Result<String, Failure> {
    let policies = Policy::about_word(word);
    if !policies.is_empty() {
        let pages: Vec<String> = policies.into_iter().map(|policy| of_policy(here, policy)).collect();
        return Ok(pages.join("\n"));
    }
    match Setting::find(word) {
        Ok(setting) => Ok(of_setting(here, setting)),
        Err(error) => {
            let what = match error.reason {
                Reason::Unknown { nearest: Some(nearest) } => format!("{word:?}: did you mean {nearest}?"),
                _ => format!("{word:?} is neither a policy nor a setting nor KEY\\VALUE of one"),
            };
            let way_out = "telarch policy list --all names the policies, telarch config show the settings";
            Err(Failure::usage(format!("policy: {what}"), way_out))
        }
    }
}

fn of_policy(here: &Here, policy: &'static Policy) -> String {
    let mut page = format!("{}: {}\n  {}\n\n", policy.name(), here.state_of(policy), policy.about());
    line(&mut page, "key", policy.key());
    for (name, what) in policy.values() {
        line(&mut page, "value", &format!("{name}  {what}"));
    }
    line(&mut page, "in TOML", &in_toml(policy));
    let demands = here.of_policy(policy);
    for demand in &demands {
        line(&mut page, "set by", &format!("{}: {}", demand.origin, list::shown(demand)));
    }
    if demands.is_empty() {
        line(&mut page, "set by", "nobody");
    }
    for setting in policy.settings() {
        line(&mut page, "in force", &in_force(here, setting));
    }
    page
}

/// A setting that no policy of Windows is about.
fn of_setting(here: &Here, setting: &'static Setting) -> String {
    let mut page =
        format!("{}\n  {}\n  No policy of Windows is about it.\n\n", setting.path(), setting.about());
    line(&mut page, "in TOML", &example(setting));
    let by = here.of_setting(setting).map_or_else(|| "nobody".to_owned(), |demand| demand.origin.to_string());
    line(&mut page, "set by", &by);
    line(&mut page, "in force", &in_force(here, setting));
    page
}

fn line(page: &mut String, name: &str, text: &str) {
    page.push_str(&format!("  {name:<9}{text}\n"));
}

/// The value that holds, and what has given it.
fn in_force(here: &Here, setting: &'static Setting) -> String {
    if let Some(demand) = here.of_setting(setting) {
        return format!("{} = {} (policy)", setting.path(), demand.value);
    }
    let Some(store) = &here.store else {
        return format!("{} = {} (default)", setting.path(), setting.show(&Config::default()));
    };
    let sources = store.sources();
    format!("{} = {} ({})", setting.path(), setting.show(&sources.state().config), sources.of(setting))
}

fn in_toml(policy: &'static Policy) -> String {
    match policy.reads() {
        Reads::AutoConfig | Reads::Nothing { .. } => format!("Policy.{} = true", policy.name()),
        Reads::List { .. } => format!("Policy.{} = [\"…\"]", policy.name()),
        _ => policy.settings().map(example).collect::<Vec<_>>().join(", "),
    }
}

fn example(setting: &'static Setting) -> String {
    setting.line(&Config::default())
}
