//! Lines of a log file as server-sent events.

use std::fmt;
use std::sync::Arc;

use webserver::{LogLines, LogPosition, LogStart, WebServer, WebServerError};

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

    /// Returns the new lines as one event per line, or an empty text. This blocks on the file.
    pub(crate) fn next_events(&mut self) -> Result<String, WebServerError> {
        let lines = match self.first.take() {
            Some(lines) => lines,
            None => self.web.read_log(&self.path, LogStart::After(self.position))?,
        };
        self.position = lines.position;
        // Lines contain no line ends or other control characters.
        Ok(lines.lines.iter().map(|line| format!("data: {line}\n\n")).collect())
    }
}
