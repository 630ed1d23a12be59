//! History of the console, in a file that only its owner can read.

use files::{FileError, TrustedFile};

/// History file with the lines that were entered in this console.
pub(super) struct History {
    /// `None` if no history is kept.
    file: Option<TrustedFile>,
    entered: Vec<String>,
}

impl History {
    /// Returns the history of the user.
    pub(super) fn of_user() -> Self {
        let paths = config::Paths::of_user(|name| std::env::var_os(name));
        Self::new(paths.map(|paths| TrustedFile::private(paths.state.join("pwsh-history"))))
    }

    /// Returns a history that is not kept.
    pub(super) fn none() -> Self {
        Self::new(None)
    }

    fn new(file: Option<TrustedFile>) -> Self {
        Self { file, entered: Vec::new() }
    }

    /// Reads the lines of earlier consoles; none if the file is missing or not trustworthy.
    pub(super) fn load(&self) -> Vec<String> {
        let content = self.file.as_ref().and_then(|file| file.read(MAX_BYTES).ok().flatten());
        content.map(|content| entries(&content)).unwrap_or_default()
    }

    /// Adds a line unless it may contain a secret. Answers to prompts are no lines of the console.
    pub(super) fn add(&mut self, line: &str) {
        if self.file.is_some() && !may_contain_secret(line) && line.len() <= LONGEST_LINE {
            self.entered.push(line.to_owned());
        }
    }

    /// Appends the entered lines to the file, also after those of consoles that ended meanwhile.
    ///
    /// # Errors
    /// [`FileError`] if the file cannot be written or is not trustworthy.
    pub(super) fn save(&self) -> Result<(), FileError> {
        let Some(file) = self.file.as_ref().filter(|_| !self.entered.is_empty()) else { return Ok(()) };
        file.update(MAX_BYTES, |content| {
            let mut all = content.map(|content| entries(&content)).unwrap_or_default();
            all.extend(self.entered.iter().cloned());
            all.drain(..all.len().saturating_sub(MAX_LINES));
            // A line that continues on the next one ends with a backtick, as in the history of PowerShell.
            let lines: Vec<String> = all.iter().map(|line| line.replace('\n', "`\n") + "\n").collect();
            let mut size: usize = lines.iter().map(String::len).sum();
            let is_too_large = |line: &&String| {
                let is_too_large = size > MAX_BYTES;
                size -= line.len();
                is_too_large
            };
            let kept: Vec<&String> = lines.iter().skip_while(is_too_large).collect();
            Ok(kept.into_iter().flat_map(|line| line.bytes()).collect())
        })
    }
}

/// Parses the content of a history file.
fn entries(content: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(content);
    let mut entries = Vec::new();
    let mut entry = String::new();
    for line in text.lines() {
        match line.strip_suffix('`') {
            Some(beginning) => entry.extend([beginning, "\n"]),
            None => {
                entry.push_str(line);
                entries.push(std::mem::take(&mut entry));
            }
        }
    }
    entries
}

/// Returns whether a line may contain a secret: it has one of the words for which PowerShell omits lines as well.
fn may_contain_secret(line: &str) -> bool {
    let line = line.to_lowercase();
    SECRET_WORDS.iter().any(|word| line.contains(word))
}

/// Words of PSReadLine (`AddToHistoryHandler`), and `credential`.
const SECRET_WORDS: [&str; 7] =
    ["password", "asplaintext", "token", "apikey", "secret", "connectionstring", "credential"];
/// Maximum number of lines in the file.
pub(super) const MAX_LINES: usize = 1_000;
/// Maximum size of the file in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Maximum length of a line in the file in bytes.
const LONGEST_LINE: usize = 16 * 1_024;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn lines_are_kept_for_their_owner_without_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/history");
        let history = || History::new(Some(TrustedFile::private(path.clone())));
        let (mut first, mut second) = (history(), history());
        for line in ["Get-Date", "if (1) {\n  2 `\n}", "$p = ConvertTo-SecureString x -AsPlainText -Force"] {
            first.add(line);
        }
        second.add("$PASSWORD = 'x'");
        second.add("Get-Host");
        first.save().unwrap();
        second.save().unwrap();
        assert_eq!(history().load(), ["Get-Date", "if (1) {\n  2 `\n}", "Get-Host"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_file_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let mut history = History::new(Some(TrustedFile::private(path.clone())));
        for number in 0..1_500 {
            history.add(&format!("{number} {}", "x".repeat(2_000)));
        }
        history.add(&"y".repeat(LONGEST_LINE + 1));
        history.save().unwrap();
        let lines = history.load();
        assert!(fs::metadata(&path).unwrap().len() <= MAX_BYTES as u64);
        assert!(lines.len() <= MAX_LINES && lines.last().unwrap().starts_with("1499 "), "{}", lines.len());
        let mut none = History::none();
        none.add("x");
        none.save().unwrap();
        assert!(none.load().is_empty());
    }
}
