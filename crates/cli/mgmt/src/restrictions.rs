//! `telarch mgmt restrictions`: address rules.

use cli_command::format::Format;
use cli_command::paths::IfMissing;
use cli_command::{Arguments, Failure};
use management::{Mode, Network, Restrictions, Rule};
use serde_json::json;

use crate::locations::{directory, failed};
use crate::{FORMAT, WHAT_IF};

/// Prints or changes the rules.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let words = arguments.words();
    let directory = directory(arguments, if words.len() < 2 { IfMissing::Leave } else { IfMissing::Create })?;
    let mut settings = directory.read_settings().map_err(failed)?;
    let rules = &mut settings.remote_restrictions;
    match words.as_slice() {
        [] => return Ok(shown(arguments, rules)),
        ["export"] => return Ok(format!("{}\n", rules.to_registry().map_err(failed)?)),
        ["import", value] => {
            *rules = Restrictions::from_registry(value).map_err(|error| arguments.usage_error(error))?;
        }
        ["default", mode] => {
            rules.set_unlisted(mode.parse::<Mode>().map_err(|error| arguments.usage_error(error))?);
        }
        ["remove", network] => {
            let network = network.parse::<Network>().map_err(|error| arguments.usage_error(error))?;
            if !rules.remove(network) {
                return Err(Failure::Failed(format!("there is no rule for {network}")));
            }
        }
        [mode @ ("allow" | "deny"), network] => {
            let rule = Rule {
                mode: mode.parse::<Mode>().map_err(|error| arguments.usage_error(error))?,
                network: network.parse::<Network>().map_err(|error| arguments.usage_error(error))?,
            };
            rules.add(rule).map_err(failed)?;
        }
        _ => {
            return Err(arguments.usage_error(
                "expected default allow|deny, allow NETWORK, deny NETWORK, remove NETWORK, export or import VALUE",
            ));
        }
    }
    if !arguments.is_given(&WHAT_IF) {
        directory.write_settings(&settings).map_err(failed)?;
    }
    Ok(shown(arguments, &settings.remote_restrictions))
}

fn shown(arguments: &Arguments, restrictions: &Restrictions) -> String {
    if arguments.keyword(&FORMAT) == Some(Format::Json) {
        let rules: Vec<_> = restrictions
            .rules()
            .iter()
            .map(|rule| json!({ "mode": rule.mode.to_string(), "network": rule.network.to_string() }))
            .collect();
        let unlisted = restrictions.unlisted().to_string();
        return format!("{:#}\n", json!({ "unlisted": unlisted, "rules": rules }));
    }
    let rules: String = restrictions.rules().iter().map(|rule| format!("{rule}\n")).collect();
    format!("{rules}{} all other clients\n", restrictions.unlisted())
}
