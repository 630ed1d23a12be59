//! Events that cannot be stored, with the reason, as JSON Lines.

use std::path::{Path, PathBuf};

use crate::error::CollectorError;
use crate::output::{Format, Layout, Output, OutputSettings, Rotation};

/// Event that was put into quarantine.
#[derive(Clone, Debug)]
pub(crate) struct Rejected {
    /// Reason.
    pub(crate) reason: String,
    /// Text of the event, as the source sent it.
    pub(crate) event: String,
}

impl Rejected {
    /// Returns a line for the quarantine file. A long event is cut.
    pub(crate) fn line(&self, source: &str, subscription: &str, time: &str) -> Vec<u8> {
        let event: String = self.event.chars().take(MAX_EVENT).collect();
        let mut line = serde_json::json!({
            "time": time, "source": source, "subscription": subscription, "reason": self.reason, "event": event,
        })
        .to_string()
        .into_bytes();
        line.push(b'\n');
        line
    }
}

/// Opens the quarantine. Each source has two files of limited size.
pub(crate) fn open(folder: &Path) -> Result<Output, CollectorError> {
    Output::open(OutputSettings {
        layout: Layout::PerSource(PathBuf::from(folder)),
        format: Format::Json,
        rotation: Some(Rotation { size: 4 << 20, files: 2 }),
    })
}

/// Maximum number of characters of an event in the quarantine.
const MAX_EVENT: usize = 64 * 1_024;
