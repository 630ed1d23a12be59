//! Events that a query selects.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cli_events::windows_options::UsageError;
use eventlog::channel;
use eventlog::journal::Sequences;
use eventlog::local::{LocalLogs, LogPaths, Positions};
use eventlog::{EventOptions, LocalEvent};
use winevent::event::{Bookmark, BookmarkList, Record};
use winevent::listing::ListingFormat;
use winevent::{QueryList, Timestamp};

use crate::arguments::{PathKind, QueryOptions};
use crate::error::ToolError;

/// Maximum number of events that are kept for the reversed order.
const MAX_REVERSED: usize = 1_000_000;
/// Maximum size of a query list or bookmark in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Returns the name under which a channel or log is listed.
pub(crate) fn known_channel(name: &str) -> Result<String, ToolError> {
    let known = channel::names().into_iter().find(|known| known.eq_ignore_ascii_case(name));
    known.ok_or_else(|| ToolError::NoChannel(name.to_owned()))
}

/// Opens the logs of this machine, or a journal file.
pub(crate) fn open(file: Option<&Path>, has_rendering: bool) -> Result<LocalLogs, ToolError> {
    let paths = match file {
        Some(path) => LogPaths { journal: Some(path.to_owned()), audit: None },
        None => {
            // The journal of another machine.
            let journal = std::env::var_os("TELARCH_JOURNAL").map(PathBuf::from);
            match journal {
                Some(journal) => LogPaths { journal: Some(journal), audit: None },
                None => LogPaths::of_this_machine(),
            }
        }
    };
    let computer = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(LocalLogs::open(&paths, Sequences::default(), EventOptions { computer, has_rendering })?)
}

/// Returns whether an event belongs to a channel or to a log of Windows.
pub(crate) fn is_in(event: &LocalEvent, channel: &str) -> bool {
    event.channel.eq_ignore_ascii_case(channel) || event.log.name().eq_ignore_ascii_case(channel)
}

/// Selection of events.
struct Selection {
    query: QueryList,
    /// Whether all events count as those of one log, because they are read from a file.
    log_file: Option<String>,
    now: Timestamp,
}

impl Selection {
    fn of(options: &QueryOptions) -> Result<Self, ToolError> {
        let expression = options.expression.as_deref().unwrap_or("*");
        let (query, log_file) = match options.kind {
            PathKind::Log => (QueryList::of_expression(&known_channel(&options.path)?, expression)?, None),
            PathKind::LogFile => (QueryList::of_expression("file", expression)?, Some("file".to_owned())),
            PathKind::StructuredQuery => {
                let query = QueryList::parse(&read_text(Path::new(&options.path))?)?;
                for path in query.paths() {
                    known_channel(&path)?;
                }
                (query, None)
            }
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp::new(i64::try_from(since.as_secs()).unwrap_or_default(), since.subsec_nanos());
        Ok(Self { query, log_file, now })
    }

    /// Returns the event if the query selects it.
    fn record(&self, event: &LocalEvent) -> Option<Record> {
        let names = match &self.log_file {
            Some(name) => vec![name.as_str()],
            None => vec![event.channel.as_str(), event.log.name()],
        };
        let paths = self.query.paths();
        if !names.iter().any(|name| paths.iter().any(|path| path.eq_ignore_ascii_case(name))) {
            return None;
        }
        let record = Record::parse(&event.event.to_xml()).ok()?;
        let is_selected = names.iter().any(|name| self.query.is_selected_in(name, &record, self.now));
        is_selected.then_some(record)
    }
}

/// Calls `write` with the events that a query selects, in order, until it has enough.
pub(crate) fn read(
    options: &QueryOptions,
    mut write: impl FnMut(&Record) -> Result<(), ToolError>,
) -> Result<(), ToolError> {
    let selection = Selection::of(options)?;
    let file = (options.kind == PathKind::LogFile).then(|| PathBuf::from(&options.path));
    let mut logs = open(file.as_deref(), options.format != ListingFormat::Xml)?;
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
        let Some(record) = selection.record(&event) else { continue };
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

fn read_text(path: &Path) -> Result<String, ToolError> {
    let length = fs::metadata(path).map_err(|source| ToolError::of_file(path, source))?.len();
    if length > MAX_FILE {
        return Err(UsageError(format!("{} is larger than 1 MiB", path.display())).into());
    }
    Ok(fs::read_to_string(path).map_err(|source| ToolError::of_file(path, source))?.trim().to_owned())
}
