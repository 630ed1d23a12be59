//! Events that a query selects.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use cli_events::forwarded_log::{FORWARDED_EVENTS, ForwardedLog};
use cli_events::local_logs::LocalSources;
use cli_events::windows_options::UsageError;
use eventlog::local::Positions;
use eventlog::{LocalEvent, Selection};
use winevent::event::{Bookmark, BookmarkList, Record};
use winevent::listing::ListingFormat;
use winevent::{QueryList, Timestamp};

use crate::arguments::{PathKind, QueryOptions};
use crate::error::ToolError;

/// Maximum number of events that are kept for the reversed order.
const MAX_REVERSED: usize = 1_000_000;
/// Maximum size of a query list or bookmark in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Logs that a command reads.
pub(crate) enum Logs {
    /// Logs of this machine, or a journal file.
    Local(LocalSources),
    /// Events that the collector of this machine has stored.
    Forwarded,
}

impl Logs {
    /// Returns the logs with a channel, and its name as it is listed.
    pub(crate) fn with_channel(name: &str) -> Result<(Self, String), ToolError> {
        if is_forwarded(name) {
            return Ok((Self::Forwarded, FORWARDED_EVENTS.to_owned()));
        }
        let sources = LocalSources::of(None);
        let channel = sources.channel(name).ok_or_else(|| ToolError::NoChannel(name.to_owned()))?;
        Ok((Self::Local(sources), channel))
    }

    /// Returns the logs of a query, and the query.
    fn of_query(options: &QueryOptions) -> Result<(Self, Selection), ToolError> {
        let expression = options.expression.as_deref().unwrap_or("*");
        match options.kind {
            PathKind::Log => {
                let (logs, channel) = Self::with_channel(&options.path)?;
                Ok((logs, Selection::of_channel(&channel, expression)?))
            }
            PathKind::LogFile => {
                let sources = LocalSources::of(Some(Path::new(&options.path)));
                Ok((Self::Local(sources), Selection::of_any_channel(expression)?))
            }
            PathKind::StructuredQuery => {
                let list = QueryList::parse(&read_text(Path::new(&options.path))?)?;
                let selection = Selection::of_list(list);
                let mut paths = selection.paths().iter();
                if paths.len() > 0 && paths.all(|path| is_forwarded(path)) {
                    return Ok((Self::Forwarded, selection));
                }
                let sources = LocalSources::of(None);
                let unknown = selection.paths().iter().find(|path| sources.channel(path).is_none());
                match unknown {
                    Some(path) if is_forwarded(path) => Err(ToolError::NotSupported(
                        "A query cannot read ForwardedEvents and other logs.",
                        "Use a query for each.",
                    )),
                    Some(path) => Err(ToolError::NoChannel(path.clone())),
                    None => Ok((Self::Local(sources), selection)),
                }
            }
        }
    }
}

fn is_forwarded(name: &str) -> bool {
    name.eq_ignore_ascii_case(FORWARDED_EVENTS)
}

/// Returns whether an event belongs to a channel or to a log of Windows.
pub(crate) fn is_in(event: &LocalEvent, channel: &str) -> bool {
    event.names().iter().any(|name| name.eq_ignore_ascii_case(channel))
}

/// Calls `write` with the events that a query selects, in order, until it has enough.
pub(crate) fn read(
    options: &QueryOptions,
    mut write: impl FnMut(&Record) -> Result<(), ToolError>,
) -> Result<(), ToolError> {
    let (logs, selection) = Logs::of_query(options)?;
    let Logs::Local(sources) = logs else { return read_forwarded(options, &selection, write) };
    let now = SystemTime::now().into();
    let mut logs = sources.open(options.format != ListingFormat::Xml)?;
    if let Some(path) = &options.bookmark {
        let bookmark = BookmarkList::parse(&read_text(path)?)?;
        let mut positions = Positions::default();
        for bookmark in bookmark.bookmarks() {
            positions.advance(&bookmark.channel, bookmark.record_id);
        }
        logs.seek(positions)?;
    }
    let maximum = options.count.unwrap_or(usize::MAX);
    let (mut newest, mut written) = (VecDeque::new(), 0);
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut current = String::new();
    while written < maximum {
        let Some(event) = logs.next_event()? else { break };
        let Some(record) = selection.select(&event, now) else { continue };
        last.insert(event.channel.clone(), event.record_id);
        current = event.channel;
        if options.is_reversed {
            if newest.len() >= maximum.min(MAX_REVERSED) {
                newest.pop_front();
            }
            newest.push_back(record);
        } else {
            write(&record)?;
            written += 1;
        }
    }
    newest.iter().rev().try_for_each(&mut write)?;
    if let Some(path) = &options.saved_bookmark {
        let list = BookmarkList::new(last.into_iter().map(|(channel, record_id)| {
            let is_current = channel == current;
            Bookmark { channel, record_id, is_current }
        }))?;
        let text = format!("{}\n", list.text());
        fs::write(path, text).map_err(|source| ToolError::File { path: path.clone(), source })?;
    }
    Ok(())
}

/// Calls `write` with the stored events of the collector that a query selects. They are those of one source after the
/// other; the reversed order is that of their times.
fn read_forwarded(
    options: &QueryOptions,
    selection: &Selection,
    mut write: impl FnMut(&Record) -> Result<(), ToolError>,
) -> Result<(), ToolError> {
    if options.bookmark.is_some() || options.saved_bookmark.is_some() {
        return Err(ToolError::NotSupported(
            "The log ForwardedEvents has no bookmarks.",
            "Select events by their times with /q, such as *[System[TimeCreated[timediff(@SystemTime) <= 3600000]]].",
        ));
    }
    let mut log = ForwardedLog::open()?;
    let maximum = options.count.unwrap_or(usize::MAX);
    let mut newest: Vec<(Option<Timestamp>, Record)> = Vec::new();
    let mut written = 0;
    while written < maximum {
        let Some(record) = log.next_event(selection)? else { break };
        if !options.is_reversed {
            write(&record)?;
            written += 1;
            continue;
        }
        newest.push((time_of(&record), record));
        if newest.len() >= maximum.min(MAX_REVERSED).saturating_mul(2) {
            keep_newest(&mut newest, maximum);
        }
    }
    keep_newest(&mut newest, maximum);
    newest.iter().rev().try_for_each(|(_, record)| write(record))
}

/// Sorts events, the oldest first, and removes the oldest beyond a number. Events with the same time stay in their order.
fn keep_newest(events: &mut Vec<(Option<Timestamp>, Record)>, maximum: usize) {
    events.sort_by_key(|(time, _)| *time);
    let excess = events.len().saturating_sub(maximum.min(MAX_REVERSED));
    events.drain(..excess);
}

/// Returns the time of an event.
pub(crate) fn time_of(record: &Record) -> Option<Timestamp> {
    record.event().ok()?.system.time_created
}

fn read_text(path: &Path) -> Result<String, ToolError> {
    let length = fs::metadata(path).map_err(|source| ToolError::of_file(path, source))?.len();
    if length > MAX_FILE {
        return Err(UsageError(format!("{} is larger than 1 MiB", path.display())).into());
    }
    Ok(fs::read_to_string(path).map_err(|source| ToolError::of_file(path, source))?.trim().to_owned())
}
