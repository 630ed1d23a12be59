//! Reader of the logs for one subscription. All functions block.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use eventlog::journal::{Journal, Sequences};
use eventlog::local::{LocalLogs, LogPaths};
use eventlog::{EventOptions, LogError, ReceivedRecords, StartPosition, channel};
use service::Item;
use winevent::delivery::{EventForm, Start};
use wsman::eventing::{EventContent, write_event};
use xml::{Fragment, Writer};

use crate::error::EventLogError;
use crate::request::EventRequest;

/// Reader of the logs.
pub(crate) struct Reader {
    logs: LocalLogs,
    request: EventRequest,
    received: ReceivedRecords,
    /// Time of the last bookmark.
    marked: Option<Instant>,
}

/// Result of one step.
pub(crate) struct Step {
    pub(crate) items: Vec<Item>,
    /// Whether the logs may have more events.
    pub(crate) has_more: bool,
}

/// Maximum number of events that are read in one step.
const STEP: usize = 4_096;
/// Number of bytes after which a step ends.
const STEP_BYTES: usize = 256 << 10;
/// Interval of bookmarks while no event is selected, so that a new subscription does not read the same events again.
const MARK_INTERVAL: Duration = Duration::from_secs(60);

impl Reader {
    /// Opens the logs at the position of the request.
    pub(crate) fn open(
        paths: &LogPaths,
        computer: String,
        request: EventRequest,
    ) -> Result<Self, EventLogError> {
        require_readable(paths)?;
        request.check_channels(|path| {
            paths.audit.is_some() || !path.eq_ignore_ascii_case(channel::AUDIT_CHANNEL)
        })?;
        let options = EventOptions { computer, has_rendering: request.has_rendering };
        let mut logs = LocalLogs::open(paths, Sequences::default(), options)?;
        let begin = StartPosition::seek(&mut logs, &request.start, None)?;
        // A subscriber with a bookmark has a position already, and one that reads all events needs none.
        let marked = (request.start != Start::Now).then(Instant::now);
        Ok(Self { logs, request, received: begin.received, marked })
    }

    /// Reads the next events, as many as fit into a step.
    pub(crate) fn step(&mut self) -> Result<Step, LogError> {
        let mut step = Step { items: Vec::new(), has_more: true };
        let mut bytes: usize = 0;
        self.logs.refresh()?;
        for _ in 0..STEP {
            if bytes >= STEP_BYTES {
                break;
            }
            let Some(event) = self.logs.next_event()? else {
                step.has_more = false;
                break;
            };
            let Some(record) = self.request.selection.select(&event, SystemTime::now().into()) else {
                continue;
            };
            self.received.insert(&event.channel, event.record_id);
            let item = self.item(record.source());
            bytes = bytes.saturating_add(item.object.as_str().len());
            step.items.push(item);
        }
        if self.request.sends_bookmarks {
            let is_due = self.marked.is_none_or(|marked| marked.elapsed() >= MARK_INTERVAL);
            if step.items.is_empty() && is_due {
                self.received.insert_positions(self.logs.positions());
                let object = Writer::new().into_fragment();
                step.items.push(Item { object, reference: None, bookmark: self.bookmark() });
            }
            if !step.items.is_empty() {
                self.marked = Some(Instant::now());
            }
        }
        Ok(step)
    }

    fn item(&self, event: &str) -> Item {
        let markup = match self.request.form {
            EventForm::CharacterData => None,
            EventForm::Inline => Some(Fragment::written_elsewhere(event.to_owned())),
        };
        let object = match markup {
            Some(markup) if !self.request.is_wrapped => markup,
            markup => {
                let content = markup.as_ref().map_or(EventContent::Text(event), EventContent::Markup);
                let mut writer = Writer::with_capacity(event.len() + 128);
                write_event(&mut writer, content);
                writer.into_fragment()
            }
        };
        Item { object, reference: None, bookmark: self.bookmark() }
    }

    fn bookmark(&self) -> Option<Arc<str>> {
        let wanted = self.request.sends_bookmarks;
        wanted.then(|| self.received.bookmark().ok()).flatten().map(|list| Arc::from(list.text()))
    }
}

/// Checks that this process may read a file of the journal, if there are any. Files that it may not read are skipped
/// later, such as those of other users.
fn require_readable(paths: &LogPaths) -> Result<(), EventLogError> {
    let Some(path) = &paths.journal else {
        return if paths.audit.is_some() { Ok(()) } else { Err(EventLogError::Unreadable) };
    };
    let journal_files = match Journal::files_in(path) {
        Err(LogError::Read { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
            return Err(EventLogError::Unreadable);
        }
        files => files?,
    };
    let is_denied = |path: &std::path::PathBuf| {
        File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    if !journal_files.is_empty() && journal_files.iter().all(is_denied) {
        return Err(EventLogError::Unreadable);
    }
    Ok(())
}
