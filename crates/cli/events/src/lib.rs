//! `telarch events`: sources of forwarded events, the reason why a source is silent, and events themselves; and the event
//! tools of Windows.

mod event_query;
mod event_reader;
mod event_text;
pub mod forwarded_log;
mod health;
pub mod local_logs;
mod migrate_store;
mod replay;
mod report;
mod source_name;
#[cfg(test)]
mod tests;
pub mod wecutil;
pub mod windows_options;

use std::env;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use cli_command::format::Format;
use cli_command::{Action, Arguments, Command, Failure, Opt, Scope, Value, paths};
use eventing::{CollectorError, StoreReader, StoreSettings, StoredSource, StoredSubscription};

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
        "telarch events reset web1",
        "telarch events migrate-store",
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
        Action::new(
            "reset",
            &[("SOURCE", "remove the bookmarks of a source whose record numbers have begun anew, such as after it was \
               installed again")],
        )
        .takes(1, 1),
        migrate_store::MIGRATE_STORE_ACTION,
    ])
    .options(&[
        &event_query::QUERY,
        &event_query::LOG,
        &event_query::FILE,
        &event_query::COUNT,
        &event_query::LAST,
        &event_query::EXPLAIN,
        &migrate_store::REPLACE,
        &FORMAT,
        &STATE,
    ])
    .exclusive(&[&[&event_query::COUNT, &event_query::LAST]])
    .notes(&[
        "The store of the collector is read directly; the service need not run. With --state, TELARCH_CONFIG names the \
         settings of the service if its store is a database.",
        "Events of this machine are those of the journal, the audit log, and the syslog and text files of the settings. \
         TELARCH_JOURNAL names the directory of another journal.",
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
.only_with(&[
    Scope::Action("sources"),
    Scope::Action("why"),
    Scope::Action("replay"),
    Scope::Action("reset"),
    Scope::Action("migrate-store"),
]);

fn run(arguments: &Arguments) -> Result<String, Failure> {
    if matches!(arguments.action(), "query" | "tail") {
        return event_query::run(arguments);
    }
    if arguments.action() == "replay" {
        return replay::run(arguments);
    }
    let place = StorePlace::of(arguments)?;
    if arguments.action() == "migrate-store" {
        return migrate_store::run(&place, arguments);
    }
    let collected = Collected::read(&place)?;
    if arguments.action() == "reset" {
        return reset(&place, &collected, &arguments.words().concat());
    }
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

/// Removes the bookmarks of a source.
fn reset(place: &StorePlace, collected: &Collected, name: &str) -> Result<String, Failure> {
    let ids =
        report::sources_named(collected, name)?.iter().map(|source| source.id.clone()).collect::<Vec<_>>();
    let changed = place.open()?.reset(&ids).map_err(failed)?;
    Ok(format!(
        "{}: bookmarks removed in {changed} subscriptions\nthe source begins as at its first contact when it requests its \
         subscriptions the next time\n",
        source_name::printable(name)
    ))
}

/// Place of a collector's store.
struct StorePlace {
    /// Folder of the collector.
    folder: PathBuf,
    settings: StoreSettings,
}

impl StorePlace {
    /// Returns the place that the option names, or that of the service of this user.
    fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let named = arguments.path(&STATE);
        let config = env::var_os("TELARCH_CONFIG").map(PathBuf::from);
        let own = config::Paths::of_this_process().filter(|_| named.is_none()).map(|paths| paths.config);
        let state = match named {
            Some(state) => state,
            None => paths::state_directory()?,
        };
        let folder = state.join("events");
        let settings = match config.or(own) {
            Some(config) => StoreSettings::read(&folder, &config::Paths::new(&config, &state).event_store),
            None => StoreSettings::of_service(&folder, None),
        };
        Ok(Self { settings: settings.map_err(failed)?, folder })
    }

    fn open(&self) -> Result<StoreReader, Failure> {
        StoreReader::open(&self.settings).map_err(failed)?.ok_or_else(|| {
            Failure::failed(
                format!("there is no store of events at {}", self.settings.name()),
                "enable the collector with EventCollector.Enabled, or select another --state",
            )
        })
    }
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
    fn read(place: &StorePlace) -> Result<Self, Failure> {
        let reader = place.open()?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self {
            folder: place.folder.clone(),
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
