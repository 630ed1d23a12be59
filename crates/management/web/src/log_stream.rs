//! Lines of a log file as server-sent events.

use std::fmt;
use std::sync::Arc;

use webserver::{LogLines, LogPosition, LogStart, WebServer, WebServerError};

use crate::event_stream::EventStream;

/// A log file that is being followed.
pub(crate) struct LogStream {
    web: Arc<dyn WebServer>,
    path: String,
    position: LogPosition,
    first: Option<LogLines>,
}

impl fmt::Debug for LogStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStream").field("path", &self.path).finish_non_exhaustive()
    }
}

impl LogStream {
    /// Follows a file after the lines that were read first.
    pub(crate) fn new(web: Arc<dyn WebServer>, path: String, first: LogLines) -> Self {
        Self { web, path, position: first.position, first: Some(first) }
    }

    fn next_lines(&mut self) -> Result<LogLines, WebServerError> {
        match self.first.take() {
            Some(lines) => Ok(lines),
            None => self.web.read_log(&self.path, LogStart::After(self.position)),
        }
    }
}

impl EventStream for LogStream {
    /// Returns the new lines as one event per line.
    fn next_events(&mut self) -> Result<String, String> {
        let lines = self.next_lines().map_err(|error| error.to_string())?;
        self.position = lines.position;
        // Lines contain no line ends or other control characters.
        Ok(lines.lines.iter().map(|line| format!("data: {line}\n\n")).collect())
    }
}
