//! `telarch events`: sources of forwarded events, the reason why a source is silent, and events themselves; and the event
//! tools of Windows.

mod event_query;
mod event_reader;
mod event_text;
mod health;
pub mod local_logs;
mod replay;
mod report;
mod source_name;
#[cfg(test)]
mod tests;
pub mod wecutil;
pub mod windows_options;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use cli_command::format::Format;
use cli_command::{Action, Arguments, Command, Failure, Opt, Scope, Value, paths};
use eventing::{CollectorError, StoreReader, StoredSource, StoredSubscription};

/// The command `telarch events`.
pub static EVENTS: Command = Command::new("events", "show events, and the sources of forwarded events", run)
    .examples(&[
        "telarch events sources",
        "telarch events why web1",
        "telarch events sources --format prometheus",
        "telarch events query --log Security -q '*[System[Level<=3]]' --last 10",
        "telarch events query --file events.jsonl -q @query.xml --explain",
        "telarch events tail -q \"*[System[Provider[@Name='sshd']]]\"",
        "telarch events replay siem -q '*[System[Level<=2]]'",
    ])
    .actions(&[
        Action::new(
            "sources",
            &[("", "list the sources with the times of their last messages, and their subscriptions")],
        ),
        Action::new("why", &[("SOURCE", "explain the state of a source: what it sent last, and what to do")])
            .takes(1, 1),
        event_query::QUERY_ACTION,
        event_query::TAIL_ACTION,
        replay::REPLAY_ACTION,
    ])
    .options(&[
        &event_query::QUERY,
        &event_query::LOG,
        &event_query::FILE,
        &event_query::COUNT,
        &event_query::LAST,
        &event_query::EXPLAIN,
        &FORMAT,
        &STATE,
    ])
    .exclusive(&[&[&event_query::COUNT, &event_query::LAST]])
    .notes(&[
        "The store of the collector is read directly; the service need not run.",
        "Events of this machine are those of the journal and the audit log. TELARCH_JOURNAL names the directory of another \
         journal.",
    ]);

static FORMAT: Opt = Opt::new(
    "format",
    Value::OneOf("FORMAT", || Format::words(&[Format::Text, Format::Json, Format::Prometheus])),
    "text, json, or with sources prometheus (default: text)",
)
.only_with(&[Scope::Action("sources"), Scope::Action("query"), Scope::Action("tail")]);
static STATE: Opt = Opt::new(
    "state",
    Value::Path("PATH"),
    "state directory of the service (default: /var/lib/telarch for root, and telarch in $XDG_STATE_HOME or \
     ~/.local/state for others)",
)
.only_with(&[Scope::Action("sources"), Scope::Action("why"), Scope::Action("replay")]);

fn run(arguments: &Arguments) -> Result<String, Failure> {
    if matches!(arguments.action(), "query" | "tail") {
        return event_query::run(arguments);
    }
    if arguments.action() == "replay" {
        return replay::run(arguments);
    }
    let state = match arguments.path(&STATE) {
        Some(state) => state,
        None => paths::state_directory()?,
    };
    let collected = Collected::read(state)?;
    if arguments.action() == "why" {
        return report::explain(&collected, &arguments.words().concat());
    }
    Ok(match arguments.keyword(&FORMAT).unwrap_or_default() {
        Format::Json => report::json(&collected),
        Format::Prometheus => report::prometheus(&collected),
        _ => report::text(&collected),
    })
}

fn failed(error: CollectorError) -> Failure {
    Failure::failed(error, "run this as the user of the service, or select its state directory with --state")
}

/// Content of a collector's store, at one time.
struct Collected {
    /// Folder of the collector.
    folder: PathBuf,
    subscriptions: Vec<StoredSubscription>,
    sources: Vec<StoredSource>,
    /// Time in seconds since 1970.
    now: i64,
}

impl Collected {
    fn read(state: PathBuf) -> Result<Self, Failure> {
        let folder = state.join("events");
        let path = folder.join("events.sqlite");
        let reader = StoreReader::open(&path).map_err(failed)?.ok_or_else(|| {
            let problem = format!("there is no store of events at {}", path.display());
            Failure::failed(
                problem,
                "enable the collector with EventCollector.Enabled, or select another --state",
            )
        })?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self {
            folder,
            subscriptions: reader.subscriptions().map_err(failed)?,
            sources: reader.sources().map_err(failed)?,
            now: i64::try_from(since).unwrap_or(i64::MAX),
        })
    }

    /// Returns the subscription with an identifier.
    fn subscription(&self, id: &str) -> Option<&StoredSubscription> {
        self.subscriptions.iter().find(|one| one.id == id)
    }
}
