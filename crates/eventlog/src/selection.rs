//! Selection of events by a query.

use winevent::event::Record;
use winevent::query::Explanation;
use winevent::{QueryList, Timestamp, WinEventError};

use crate::event::LocalEvent;

/// Query for events of channels, or of all channels.
#[derive(Clone, Debug)]
pub struct Selection {
    query: QueryList,
    /// Channels and logs of the query, in lower case; `None` for all.
    paths: Option<Vec<String>>,
}

/// Path of rules for all channels.
const ANY: &str = "*";

impl Selection {
    /// Selects by a query list, whose paths are channels or logs.
    #[must_use]
    pub fn of_list(query: QueryList) -> Self {
        let paths = Some(query.paths());
        Self { query, paths }
    }

    /// Selects by an expression for the events of all channels.
    ///
    /// # Errors
    /// [`WinEventError`] if the expression is not valid.
    pub fn of_any_channel(expression: &str) -> Result<Self, WinEventError> {
        Ok(Self { query: QueryList::of_expression(ANY, expression)?, paths: None })
    }

    /// Selects by an expression for the events of one channel or log.
    ///
    /// # Errors
    /// [`WinEventError`] if the expression is not valid.
    pub fn of_channel(channel: &str, expression: &str) -> Result<Self, WinEventError> {
        Ok(Self::of_list(QueryList::of_expression(channel, expression)?))
    }

    /// Channels and logs of the query, in lower case; empty for all.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        self.paths.as_deref().unwrap_or_default()
    }

    /// Returns the event as XML if the query selects it at a time. Its channel and its log of Windows count.
    #[must_use]
    pub fn select(&self, event: &LocalEvent, now: Timestamp) -> Option<Record> {
        let names = event.names();
        if !self.has_path_of(&names) {
            return None;
        }
        let record = Record::parse(&event.event.to_xml()).ok()?;
        self.is_selected(&record, &names, now).then_some(record)
    }

    /// Returns whether the query selects an event of logs with these names at a time.
    #[must_use]
    pub fn is_selected(&self, record: &Record, names: &[&str], now: Timestamp) -> bool {
        match &self.paths {
            None => self.query.is_selected_in(ANY, record, now),
            Some(_) => names.iter().any(|name| self.query.is_selected_in(name, record, now)),
        }
    }

    /// Returns whether the query selects an event of logs with these names at a time, and which parts of it matched.
    #[must_use]
    pub fn explain(&self, record: &Record, names: &[&str], now: Timestamp) -> Explanation<'_> {
        match &self.paths {
            None => self.query.explain_in(&[ANY], record, now),
            Some(_) => self.query.explain_in(names, record, now),
        }
    }

    fn has_path_of(&self, names: &[&str]) -> bool {
        let Some(paths) = &self.paths else { return true };
        names.iter().any(|name| paths.iter().any(|path| path.eq_ignore_ascii_case(name)))
    }
}
