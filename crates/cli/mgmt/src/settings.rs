//! `telarch mgmt get` and `telarch mgmt set`.

use cli_command::format::Format;
use cli_command::paths::IfMissing;
use cli_command::{Arguments, Failure};
use management::Settings;

use crate::locations::{directory, failed};
use crate::{FORMAT, WHAT_IF};

/// Prints all settings, or those that are named.
pub(crate) fn get(arguments: &Arguments) -> Result<String, Failure> {
    let settings = directory(arguments, IfMissing::Leave)?.read_settings().map_err(failed)?;
    let words = arguments.words();
    if words.is_empty() {
        return Ok(shown(arguments, &settings, Settings::names()));
    }
    let mut names = Vec::new();
    for word in words {
        let name = Settings::names().iter().find(|name| name.eq_ignore_ascii_case(word));
        names.push(*name.ok_or_else(|| {
            arguments.usage_error(format!(
                "unknown setting \"{word}\"; the settings are {}",
                Settings::names().join(", ")
            ))
        })?);
    }
    Ok(shown(arguments, &settings, &names))
}

/// Changes settings.
pub(crate) fn set(arguments: &Arguments) -> Result<String, Failure> {
    let words = arguments.words();
    if words.is_empty() {
        return Err(arguments.usage_error("name at least one setting: NAME=VALUE"));
    }
    let directory = directory(arguments, IfMissing::Create)?;
    let mut settings = directory.read_settings().map_err(failed)?;
    let mut names = Vec::new();
    for word in words {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| arguments.usage_error(format!("\"{word}\" is not NAME=VALUE")))?;
        settings.set(name, value).map_err(|error| arguments.usage_error(error))?;
        names.extend(Settings::names().iter().filter(|known| known.eq_ignore_ascii_case(name)));
    }
    if !arguments.is_given(&WHAT_IF) {
        directory.write_settings(&settings).map_err(failed)?;
    }
    Ok(shown(arguments, &settings, &names))
}

fn shown(arguments: &Arguments, settings: &Settings, names: &[&str]) -> String {
    if arguments.keyword(&FORMAT) == Some(Format::Json) {
        let values: serde_json::Map<_, _> =
            names.iter().map(|name| ((*name).to_owned(), settings.json(name))).collect();
        return format!("{:#}\n", serde_json::Value::Object(values));
    }
    names.iter().map(|name| format!("{name} = {}\n", settings.text(name).unwrap_or_default())).collect()
}
