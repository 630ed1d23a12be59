//! Events that the collector of this machine has stored.

use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime};

use eventing::ForwardedFile;
use eventlog::Selection;
use serde_json::{Value, json};
use winevent::event::Record;

use crate::call::Admitted;
use crate::console::Console;
use crate::handle_events::{MAX_EXAMINED, MAX_MESSAGE, MAX_TIME, admit};
use crate::problem::Problem;
use crate::reply::Reply;

/// `GET /events/forwarded`: the newest events in the ends of the files of all sources, or of one source.
pub(crate) fn forwarded(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let _permit = admit(console, request)?;
    let limit = request.limit(100, 500)?;
    let expression = request.call.parameter("query").filter(|text| !text.trim().is_empty());
    let selection = Selection::of_any_channel(expression.as_deref().unwrap_or("*"))
        .map_err(|error| Problem::new(400, "invalid-query", error.to_string()))?;
    let folder = console.wsman.as_ref().map(|paths| paths.state.join("events/sources"));
    let sources = folder.as_deref().map(sources).unwrap_or_default();
    let wanted = request.call.parameter("source").filter(|name| !name.is_empty());
    let chosen: Vec<&Source> = match &wanted {
        Some(name) => sources.iter().filter(|source| source.name == *name).collect(),
        None => sources.iter().take(MAX_SOURCES).collect(),
    };
    if wanted.is_some() && chosen.is_empty() {
        return Err(Problem::not_found("source"));
    }
    let length = if wanted.is_some() { ONE_END } else { EACH_END };
    let mut search =
        Search { selection, begin: Instant::now(), examined: 0, found: Vec::new(), is_cut: false };
    search.is_cut = chosen.len() < sources.len() && wanted.is_none();
    for source in chosen {
        search.read(source, length)?;
    }
    search.found.sort_by(|one, other| other.time.cmp(&one.time));
    let events: Vec<Value> = search.found.into_iter().take(limit).map(|found| found.summary).collect();
    let mut names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    names.sort_unstable();
    Ok(Reply::json(json!({ "events": events, "sources": names, "is_cut": search.is_cut })))
}

/// A source with its file.
struct Source {
    name: String,
    file: std::path::PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

/// Returns the sources that have stored events, those with the newest file first.
fn sources(folder: &Path) -> Vec<Source> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut sources: Vec<Source> = entries
        .filter_map(|entry| {
            let file = entry.path().join("events.jsonl");
            let metadata = fs::metadata(&file).ok()?;
            let name = entry.file_name().into_string().ok()?;
            Some(Source { name, file, length: metadata.len(), modified: metadata.modified().ok() })
        })
        .collect();
    sources.sort_by_key(|source| std::cmp::Reverse(source.modified));
    sources
}

/// An event that a query selects.
struct Found {
    /// Time of the event as text, which sorts like the time.
    time: String,
    summary: Value,
}

/// Search in the files of sources.
struct Search {
    selection: Selection,
    begin: Instant,
    examined: usize,
    found: Vec<Found>,
    /// Older events, or those of some sources, were not examined.
    is_cut: bool,
}

impl Search {
    /// Reads the last `length` bytes of the file of a source.
    fn read(&mut self, source: &Source, length: u64) -> Result<(), Problem> {
        self.is_cut |= source.length > length;
        let mut file = ForwardedFile::open_end(&source.file, length)?;
        let now = SystemTime::now().into();
        loop {
            if self.examined >= MAX_EXAMINED || self.begin.elapsed() >= MAX_TIME {
                self.is_cut = true;
                return Ok(());
            }
            let Some(line) = file.next_event()? else { return Ok(()) };
            self.examined = self.examined.saturating_add(1);
            // Lines that another program has damaged are omitted.
            let Ok(record) = line.record else { continue };
            let channel = record.channel().unwrap_or_default().into_owned();
            if self.selection.is_selected(&record, &[channel.as_str(), "ForwardedEvents"], now) {
                self.found.extend(summary(&record, &source.name));
            }
        }
    }
}

fn summary(record: &Record, source: &str) -> Option<Found> {
    let event = record.event().ok()?;
    let (system, rendering) = (&event.system, event.rendering.as_ref());
    let message = rendering.and_then(|rendering| rendering.message.as_deref()).unwrap_or_default();
    let time = system.time_created.map(|time| time.to_string());
    let summary = json!({
        "source": source,
        "computer": system.computer,
        "channel": record.channel().unwrap_or_default(),
        "record": system.record_id.map(|number| number.to_string()),
        "time": time,
        "level": system.level,
        "level_name": rendering.and_then(|rendering| rendering.level.as_deref()),
        "provider": system.provider.name,
        "event_id": system.event_id,
        "message": message.chars().take(MAX_MESSAGE).collect::<String>(),
        "xml": event.to_xml(),
    });
    Some(Found { time: time.unwrap_or_default(), summary })
}

/// Sources that are read if the request names none.
const MAX_SOURCES: usize = 50;
/// Length of the end of each file in bytes, for all sources and for one.
const EACH_END: u64 = 256 << 10;
const ONE_END: u64 = 8 << 20;
