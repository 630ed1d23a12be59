//! Local logs in reverse order.

use std::collections::VecDeque;

use crate::audit::AuditLog;
use crate::event::{EventOptions, LocalEvent, of_audit, of_journal};
use crate::journal::{Journal, RecordNumber, Sequences};
use crate::local::{LogPaths, Positions, now};
use crate::{LogError, channel};

/// Reader of all local logs that returns the newest events first.
pub struct NewestFirst {
    journal: Option<Journal>,
    audit: Option<AuditBefore>,
    options: EventOptions,
    next_journal: Option<LocalEvent>,
    next_audit: Option<LocalEvent>,
    /// Numbers of the last events that were returned; events before them follow.
    positions: Positions,
}

impl NewestFirst {
    /// Opens the logs at their end.
    ///
    /// # Errors
    /// [`LogError`] if a log cannot be read, and [`LogError::Unsupported`] for a journal that only `journalctl` can read.
    pub fn open(paths: &LogPaths, options: EventOptions) -> Result<Self, LogError> {
        let mut journal =
            paths.journal.as_deref().map(|path| Journal::open(path, Sequences::default())).transpose()?;
        if let Some(journal) = &mut journal {
            journal.seek_end();
        }
        let audit = paths.audit.as_deref().map(AuditLog::open).transpose()?;
        let audit = audit.map(|log| AuditBefore { log, before: u64::MAX, loaded: VecDeque::new() });
        let positions = Positions { journal: u64::MAX, audit: u64::MAX, ..Positions::default() };
        Ok(Self { journal, audit, options, next_journal: None, next_audit: None, positions })
    }

    /// Continues with the events before these positions.
    pub fn seek_before(&mut self, positions: Positions) {
        (self.next_journal, self.next_audit) = (None, None);
        if let Some(journal) = self.journal.as_mut().filter(|_| positions.journal < u64::MAX) {
            journal.seek(RecordNumber(positions.journal.saturating_sub(1)));
        }
        if let Some(audit) = &mut self.audit {
            audit.loaded.clear();
            audit.before = positions.audit;
        }
        self.positions = positions;
    }

    /// Returns the numbers of the last events that were returned.
    #[must_use]
    pub fn positions(&self) -> Positions {
        self.positions.clone()
    }

    /// Returns the event before the last one; `None` at the beginning of the logs.
    ///
    /// # Errors
    /// [`LogError`] if a log cannot be read.
    pub fn next_event(&mut self) -> Result<Option<LocalEvent>, LogError> {
        if self.next_journal.is_none()
            && let Some(journal) = &mut self.journal
        {
            self.next_journal = journal.previous_entry().map(|entry| of_journal(entry, &self.options));
        }
        if self.next_audit.is_none()
            && let Some(audit) = &mut self.audit
        {
            self.next_audit = audit.next_event(&self.options)?;
        }
        let is_journal = match (&self.next_journal, &self.next_audit) {
            (Some(journal), Some(audit)) => journal.time >= audit.time,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let event = if is_journal { self.next_journal.take() } else { self.next_audit.take() };
        if let Some(event) = &event {
            let place = if event.channel == channel::AUDIT_CHANNEL {
                &mut self.positions.audit
            } else {
                &mut self.positions.journal
            };
            *place = event.record_id;
        }
        Ok(event)
    }
}

/// Audit log, of which events before a number are read in windows of time.
struct AuditBefore {
    log: AuditLog,
    before: u64,
    /// Events of the last window, in the order of time.
    loaded: VecDeque<LocalEvent>,
}

impl AuditBefore {
    fn next_event(&mut self, options: &EventOptions) -> Result<Option<LocalEvent>, LogError> {
        if let Some(event) = self.loaded.pop_back() {
            return Ok(Some(event));
        }
        if self.before == u64::MAX {
            self.before = self.log.seek_end()?.saturating_add(1);
        }
        let mut window = FIRST_WINDOW;
        while self.loaded.is_empty() && self.before > 0 {
            let from = self.before.saturating_sub(window);
            self.log.seek(from);
            while let Some(event) = self.log.next_event(now())? {
                if event.record_id() >= self.before {
                    break;
                }
                // The newest events of a dense window are sufficient; the others follow in the next one.
                if self.loaded.len() >= MAX_LOADED {
                    self.loaded.pop_front();
                }
                self.loaded.push_back(of_audit(event, options));
            }
            self.before = self.loaded.front().map_or(from, |event| event.record_id);
            window = window.saturating_mul(8);
        }
        Ok(self.loaded.pop_back())
    }
}

/// First window: a minute, in the unit of record numbers.
const FIRST_WINDOW: u64 = 60_000 << 20;
/// Maximum number of events of a window in memory.
const MAX_LOADED: usize = 2_000;
