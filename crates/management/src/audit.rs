//! Audit log: who changed what, from where, with which result.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use locks::Mutex;
use serde_json::{Value, json};

use crate::{ManagementError, Timestamp};

/// Result of an audited request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditResult {
    /// The request was carried out.
    Done,
    /// The user may not do this.
    Denied,
    /// The request failed for another reason.
    Failed,
}

impl AuditResult {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// An audited request.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Time of the request.
    pub time: Timestamp,
    /// Name of the user, as sent for a failed sign-in.
    pub user: String,
    /// Address of the client.
    pub from: IpAddr,
    /// Identifier of the session or API key; empty before sign-in.
    pub credential: String,
    /// Operation, such as `PUT /api/v1/web/sites/{site}`.
    pub action: String,
    /// Object of the operation.
    pub object: String,
    /// HTTP status of the response.
    pub status: u16,
    /// Result of the request.
    pub result: AuditResult,
    /// Further facts without secrets, such as a revision.
    pub detail: String,
}

impl AuditRecord {
    /// Returns the record as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "time": self.time.to_string(),
            "user": bounded(&self.user),
            "from": self.from.to_string(),
            "credential": self.credential,
            "action": self.action,
            "object": bounded(&self.object),
            "status": self.status,
            "result": self.result.name(),
            "detail": bounded(&self.detail),
        })
    }
}

/// Returns at most 500 characters of a text from outside.
fn bounded(text: &str) -> String {
    text.chars().take(500).collect()
}

/// The audit log: a file of JSON lines, and the last 1000 records in memory.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    recent: VecDeque<(u64, Value)>,
    next: u64,
    lost: u64,
}

impl Audit {
    /// Opens the file for appending, and creates it if it is missing.
    ///
    /// # Errors
    /// [`ManagementError::Disk`] if it cannot be opened.
    pub fn open(path: PathBuf) -> Result<Self, ManagementError> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let file =
            file.map_err(|source| ManagementError::Disk { action: "write", path: path.clone(), source })?;
        Ok(Self { path, state: Mutex::new(State { file, recent: VecDeque::new(), next: 1, lost: 0 }) })
    }

    /// Appends a record. A record that cannot be written is counted, and the next record reports the number.
    pub fn append(&self, record: &AuditRecord) {
        let mut state = self.state.lock();
        let mut value = record.to_json();
        if state.lost > 0
            && let Some(object) = value.as_object_mut()
        {
            object.insert("lost_before".to_owned(), json!(state.lost));
        }
        // One write call, so that a line is complete or missing.
        match state.file.write_all(format!("{value}\n").as_bytes()) {
            Ok(()) => state.lost = 0,
            Err(error) => {
                state.lost += 1;
                tracing::error!(path = %self.path.display(), %error, "Cannot write an audit record");
            }
        }
        let number = state.next;
        state.next += 1;
        if state.recent.len() >= MAX_RECENT {
            state.recent.pop_front();
        }
        state.recent.push_back((number, value));
    }

    /// Returns recent records with numbers below `before`, the newest first.
    #[must_use]
    pub fn recent(&self, before: u64, limit: usize) -> Vec<(u64, Value)> {
        let state = self.state.lock();
        state.recent.iter().rev().filter(|(number, _)| *number < before).take(limit).cloned().collect()
    }
}

const MAX_RECENT: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn records_are_lines_whatever_they_contain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = Audit::open(path.clone()).unwrap();
        for number in 0..3 {
            audit.append(&AuditRecord {
                time: Timestamp::from_seconds(number),
                user: "ada\n{\"user\":\"root\"}".to_owned(),
                from: Ipv4Addr::LOCALHOST.into(),
                credential: "abc".to_owned(),
                action: "DELETE /x".to_owned(),
                object: "o".repeat(10_000),
                status: 403,
                result: AuditResult::Denied,
                detail: String::new(),
            });
        }
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 3);
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            assert_eq!(value.get("result"), Some(&json!("denied")));
            assert!(line.len() < 1_000);
        }
        let numbers: Vec<u64> = audit.recent(3, 10).into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [2, 1]);
    }
}
