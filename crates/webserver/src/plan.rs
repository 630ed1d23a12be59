//! Plans: the effect of changes on the files, before anything is written.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::position::Position;
use crate::revision::Revision;

/// Effect of changes on the files of a configuration. A plan has no effect until it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(crate) base: Revision,
    pub(crate) files: Vec<PlannedFile>,
    pub(crate) warnings: Vec<Problem>,
    /// Number of the commit whose files this plan restores.
    pub(crate) restores: Option<u64>,
}

/// New content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedFile {
    /// Path as the web server opens it.
    pub(crate) path: String,
    /// Current content; `None` if the file does not exist.
    pub(crate) before: Option<Vec<u8>>,
    /// New content; `None` if the file is deleted.
    pub(crate) after: Option<Vec<u8>>,
    /// Target, if the path becomes a symbolic link to a file with the new content.
    pub(crate) link: Option<String>,
}

impl Plan {
    /// Returns the revision on which the plan is based.
    #[must_use]
    pub fn base(&self) -> Revision {
        self.base
    }

    /// Returns the changed files with their differences.
    #[must_use]
    pub fn diffs(&self) -> Vec<FileDiff> {
        self.files.iter().map(PlannedFile::diff).collect()
    }

    /// Returns the consequences that the caller may not expect.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Returns whether the plan changes no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl PlannedFile {
    pub(crate) fn diff(&self) -> FileDiff {
        let [before, mut after] = [&self.before, &self.after]
            .map(|content| without_hashes(&String::from_utf8_lossy(content.as_deref().unwrap_or_default())));
        if let Some(target) = &self.link {
            after = format!("symbolic link to {target}\n");
        }
        let change = match (&self.before, &self.after) {
            (None, _) => FileChange::Created,
            (_, None) => FileChange::Deleted,
            _ => FileChange::Changed,
        };
        FileDiff { change, ..FileDiff::of_texts(&self.path, &before, &after) }
    }
}

/// Replaces the values of members `password` in a JSON document by a short digest, which still shows changes.
pub(crate) fn without_hashes(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.split_once("\"password\": \"") {
            Some((indentation, value)) if indentation.trim().is_empty() => {
                let digest: String = Sha256::digest(value.trim_end())
                    .iter()
                    .take(4)
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                let end = if value.trim_end().ends_with(',') { "," } else { "" };
                shown.push_str(&format!("{indentation}\"password\": \"(hidden: {digest})\"{end}\n"));
            }
            _ => shown.push_str(line),
        }
    }
    shown
}

/// Difference between the current and the planned content of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileDiff {
    /// Path as the web server opens it.
    pub file: String,
    /// Kind of the change.
    pub change: FileChange,
    /// First changed line, from 1.
    pub line: u32,
    /// Difference in the unified format. Bytes that are not UTF-8 are shown as U+FFFD.
    pub unified: String,
}

impl FileDiff {
    /// Returns the difference between two texts of a file.
    #[must_use]
    pub fn of_texts(file: &str, before: &str, after: &str) -> Self {
        let diff = similar::TextDiff::from_lines(before, after);
        let first_line =
            diff.grouped_ops(0).first().and_then(|group| group.first()).map_or(0, |op| op.new_range().start);
        let line = u32::try_from(first_line).unwrap_or(u32::MAX).saturating_add(1);
        let unified = diff
            .unified_diff()
            .context_radius(3)
            .header(&format!("a{file}"), &format!("b{file}"))
            .to_string();
        Self { file: file.to_owned(), change: FileChange::Changed, line, unified }
    }
}

/// Kind of a change of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileChange {
    /// The file is created.
    Created,
    /// The content is changed.
    Changed,
    /// The file is deleted.
    Deleted,
}

/// Output of the web server's own validator for a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// The validator accepts the planned files.
    pub accepted: bool,
    /// Errors and warnings, with positions in the planned files.
    pub problems: Vec<Problem>,
    /// Complete output, with the paths of the live files.
    pub output: String,
}

/// An error or a warning about a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Severity.
    pub severity: Severity,
    /// Description.
    pub message: String,
    /// Position, if there is one.
    pub position: Option<Position>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.position {
            Some(position) => write!(f, "{position}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Severity of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, but may not have the expected effect.
    Warning,
}
