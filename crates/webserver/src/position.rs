//! Positions in configuration files.

use serde::{Deserialize, Serialize};

/// Position of a directive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Path of the file as the web server opens it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
