//! Result of an attempt to send events.

/// Failure to send lines.
pub(super) struct SendFailure {
    /// Number of lines at the beginning that the server has stored. They are not sent again.
    pub(super) accepted: usize,
    pub(super) reason: String,
}

impl SendFailure {
    /// Returns the failure after a number of further lines that the server has stored.
    pub(super) fn after(self, accepted: usize) -> Self {
        Self { accepted: self.accepted + accepted, ..self }
    }
}

impl From<String> for SendFailure {
    fn from(reason: String) -> Self {
        Self { accepted: 0, reason }
    }
}
