//! `telarch wmi subscriptions`: permanent event subscriptions.

use config::Store;
use consumers::{Activity, CommandPolicy, Consumer, Problem};
use serde_json::Value as Json;

use super::local::LocalWmi;
use super::row::{QueryResult, Row};
use cli_command::Failure;

/// Lists every binding of the repository with its filter, consumer, creator and state. The state is that of the running
/// service, whose settings may differ from those in the settings file.
pub(super) fn list(local: &LocalWmi) -> Result<QueryResult, Failure> {
    // Without a settings file, the defaults apply.
    let settings = config::Paths::of_this_process().and_then(|paths| Store::open(paths.config).ok());
    let settings = settings.map(|store| store.snapshot().wmi.clone()).unwrap_or_default();
    let running = Activity::of_state(local.directory()).current()?;
    let rows = consumers::registered(&local.repository().contents(), linux::command_line::words)
        .into_iter()
        .map(|one| {
            let (query, state) = match &one.subscription {
                Ok(subscription) => {
                    let runs_programs = matches!(subscription.consumer, Consumer::CommandLine(_));
                    let state = match running {
                        None if settings.permanent_subscriptions => {
                            "off: no running service has WMI.PermanentSubscriptions=true".to_owned()
                        }
                        None => "off: WMI.PermanentSubscriptions is false".to_owned(),
                        Some(CommandPolicy::Deny) if runs_programs => first_line(&Problem::Commands),
                        Some(_) => "on".to_owned(),
                    };
                    (subscription.filter.query.clone().into(), state)
                }
                Err(problem) => (Json::Null, format!("invalid: {}", first_line(problem))),
            };
            let creator = one.creator.map(|sid| sid.numeric().to_string());
            let row: Row = vec![
                ("Namespace".to_owned(), one.namespace.to_string().into()),
                ("Filter".to_owned(), one.filter.into()),
                ("Consumer".to_owned(), one.consumer.into()),
                (
                    "Creator".to_owned(),
                    creator.unwrap_or_else(|| "owner of the repository".to_owned()).into(),
                ),
                ("State".to_owned(), state.into()),
                ("Query".to_owned(), query),
            ];
            row
        });
    Ok(QueryResult { rows: rows.collect(), properties: None })
}

fn first_line(problem: &Problem) -> String {
    problem.to_string().lines().next().unwrap_or_default().to_owned()
}
