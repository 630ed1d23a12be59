//! Events that a query selects.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cli_events::local_logs;
use cli_events::windows_options::UsageError;
use eventlog::channel;
use eventlog::local::{LocalLogs, Positions};
use eventlog::{LocalEvent, Selection};
use winevent::QueryList;
use winevent::event::{Bookmark, BookmarkList, Record};
use winevent::listing::ListingFormat;

use crate::arguments::{PathKind, QueryOptions};
use crate::error::ToolError;

/// Maximum number of events that are kept for the reversed order.
const MAX_REVERSED: usize = 1_000_000;
/// Maximum size of a query list or bookmark in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Returns the name under which a channel or log is listed.
pub(crate) fn known_channel(name: &str) -> Result<String, ToolError> {
    channel::find(name).ok_or_else(|| ToolError::NoChannel(name.to_owned()))
}

/// Opens the logs of this machine, or a journal file.
pub(crate) fn open(file: Option<&Path>, has_rendering: bool) -> Result<LocalLogs, ToolError> {
    let paths = local_logs::paths(file);
    Ok(local_logs::open(&paths, has_rendering)?)
}

/// Returns whether an event belongs to a channel or to a log of Windows.
pub(crate) fn is_in(event: &LocalEvent, channel: &str) -> bool {
    event.names().iter().any(|name| name.eq_ignore_ascii_case(channel))
}

fn selection(options: &QueryOptions) -> Result<Selection, ToolError> {
    let expression = options.expression.as_deref().unwrap_or("*");
    Ok(match options.kind {
        PathKind::Log => Selection::of_channel(&known_channel(&options.path)?, expression)?,
        PathKind::LogFile => Selection::of_any_channel(expression)?,
        PathKind::StructuredQuery => {
            let selection = Selection::of_list(QueryList::parse(&read_text(Path::new(&options.path))?)?);
            for path in selection.paths() {
                known_channel(path)?;
            }
            selection
        }
    })
}

/// Calls `write` with the events that a query selects, in order, until it has enough.
pub(crate) fn read(
    options: &QueryOptions,
    mut write: impl FnMut(&Record) -> Result<(), ToolError>,
) -> Result<(), ToolError> {
    let (selection, now) = (selection(options)?, SystemTime::now().into());
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

fn read_text(path: &Path) -> Result<String, ToolError> {
    let length = fs::metadata(path).map_err(|source| ToolError::of_file(path, source))?.len();
    if length > MAX_FILE {
        return Err(UsageError(format!("{} is larger than 1 MiB", path.display())).into());
    }
    Ok(fs::read_to_string(path).map_err(|source| ToolError::of_file(path, source))?.trim().to_owned())
}
