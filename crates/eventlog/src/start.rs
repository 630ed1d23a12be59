//! Position at which a subscription begins, and its bookmarks.

use std::collections::BTreeMap;
use std::sync::Arc;

use winevent::WinEventError;
use winevent::delivery::Start;
use winevent::event::{Bookmark, BookmarkList};

use crate::LogError;
use crate::channel::AUDIT_CHANNEL;
use crate::local::{LocalLogs, Positions};

/// Channel of the journal in bookmarks of readers that have no event of the journal yet.
const JOURNAL_CHANNEL: &str = "Linux-Journal/System";

/// Numbers of the last event of each channel that a subscriber has received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedRecords {
    numbers: BTreeMap<String, u64>,
    last_channel: String,
}

impl ReceivedRecords {
    /// Adds an event.
    pub fn insert(&mut self, channel: &str, record_id: u64) {
        match self.numbers.get_mut(channel) {
            Some(number) => *number = record_id,
            None => _ = self.numbers.insert(channel.to_owned(), record_id),
        }
        if self.last_channel != channel {
            channel.clone_into(&mut self.last_channel);
        }
    }

    /// Adds the positions of a reader that has found no further event.
    pub fn insert_positions(&mut self, positions: Positions) {
        self.insert(AUDIT_CHANNEL, positions.audit);
        self.insert(JOURNAL_CHANNEL, positions.journal);
        for (channel, position) in positions.files {
            self.insert(&channel, position);
        }
    }

    /// Returns the bookmark behind the events.
    ///
    /// # Errors
    /// [`WinEventError`] if there are more channels than a bookmark can have.
    pub fn bookmark(&self) -> Result<BookmarkList, WinEventError> {
        BookmarkList::new(self.numbers.iter().map(|(channel, record)| Bookmark {
            channel: channel.clone(),
            record_id: *record,
            is_current: *channel == self.last_channel,
        }))
    }
}

/// Position at the start of a subscription.
#[derive(Clone, Debug)]
pub struct StartPosition {
    /// Positions in the logs.
    pub positions: Positions,
    /// Records of the bookmark.
    pub received: ReceivedRecords,
}

impl StartPosition {
    /// Moves a reader to the position of a bookmark. Logs that the bookmark does not contain continue at the position
    /// that was stored on this machine, or with new events.
    ///
    /// A position behind the end of a log is that of a log that was lost; the reader then continues with new events.
    ///
    /// # Errors
    /// [`LogError`] if a log cannot be read.
    pub fn seek(logs: &mut LocalLogs, start: &Start, stored: Option<Positions>) -> Result<Self, LogError> {
        let end = logs.seek_end()?;
        let mut positions = match start {
            Start::Earliest => Positions::default(),
            _ => stored.unwrap_or_else(|| end.clone()),
        };
        if *start != Start::Earliest {
            // A file that was added to the settings has no position yet.
            for (channel, end) in &end.files {
                positions.files.entry(Arc::clone(channel)).or_insert(*end);
            }
        }
        let mut received = ReceivedRecords::default();
        if let Start::Bookmark(list) = start {
            let mut known = Positions::default();
            let (mut has_journal, mut has_audit) = (false, false);
            for bookmark in list.bookmarks() {
                if known.advance(&bookmark.channel, bookmark.record_id) {
                    let is_audit = bookmark.channel.eq_ignore_ascii_case(AUDIT_CHANNEL);
                    has_audit |= is_audit;
                    has_journal |= !is_audit && !known.files.contains_key(bookmark.channel.as_str());
                    received.insert(&bookmark.channel, bookmark.record_id);
                }
            }
            if has_journal {
                positions.journal = known.journal;
            }
            if has_audit {
                positions.audit = known.audit;
            }
            positions.files.extend(known.files);
        }
        keep_within(&mut positions.journal, end.journal, "journal");
        keep_within(&mut positions.audit, end.audit, "audit log");
        // Files that are not read any more have no end.
        positions.files.retain(|channel, _| end.files.contains_key(channel));
        for (channel, position) in &mut positions.files {
            // A file that is missing has no end, and its numbers go on when it is created.
            if let Some(end) = end.files.get(channel).filter(|end| **end > 0) {
                keep_within(position, *end, channel);
            }
        }
        logs.seek(positions.clone())?;
        Ok(Self { positions, received })
    }
}

/// Moves a position behind the end of a log to the end.
fn keep_within(position: &mut u64, end: u64, log: &str) {
    if *position > end {
        tracing::warn!(log, "The position of a subscription is behind the end of the log");
        *position = end;
    }
}
