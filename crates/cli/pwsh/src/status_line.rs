//! Progress of a running script, as one line of the terminal.

use std::io::{self, Write};

use psrp::ProgressRecord;

/// Line at the cursor that the next output replaces.
pub(super) struct StatusLine {
    /// Width of the terminal; `None` shows nothing.
    width: Option<usize>,
    is_shown: bool,
}

impl StatusLine {
    pub(super) fn new(width: Option<usize>) -> Self {
        Self { width, is_shown: false }
    }

    /// Shows a record, or removes the line when its activity is complete.
    pub(super) fn show(&mut self, record: &ProgressRecord, out: &mut dyn Write) -> io::Result<()> {
        let Some(width) = self.width else { return Ok(()) };
        if record.is_completed {
            return self.clear(out);
        }
        write!(out, "\r\x1b[K{}", text(record, width))?;
        self.is_shown = true;
        out.flush()
    }

    /// Removes the line before other output.
    pub(super) fn clear(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if !std::mem::take(&mut self.is_shown) {
            return Ok(());
        }
        out.write_all(b"\r\x1b[K")?;
        out.flush()
    }
}

/// Returns a record as text that fits into a line, without control characters.
fn text(record: &ProgressRecord, width: usize) -> String {
    let mut text = record.activity.clone();
    if let Some(percent) = Some(record.percent_complete).filter(|percent| (0..=100).contains(percent)) {
        text += &format!(" {percent}%");
    }
    for part in [record.status.as_deref(), record.current_operation.as_deref()].into_iter().flatten() {
        if !part.is_empty() {
            text += &format!(": {part}");
        }
    }
    // The last column may move the cursor to the next line.
    text.chars().filter(|c| !c.is_control()).take(width.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(status: &str, is_completed: bool) -> ProgressRecord {
        ProgressRecord {
            activity: "Copying".to_owned(),
            activity_id: 1,
            status: Some(status.to_owned()),
            current_operation: None,
            parent_id: -1,
            percent_complete: 50,
            is_completed,
            seconds_remaining: -1,
        }
    }

    #[test]
    fn records_replace_each_other_on_one_line() {
        let (mut line, mut out) = (StatusLine::new(Some(24)), Vec::new());
        line.show(&record("half\x1b[2J of it", false), &mut out).unwrap();
        line.clear(&mut out).unwrap();
        line.clear(&mut out).unwrap();
        line.show(&record("x", false), &mut out).unwrap();
        line.show(&record("", true), &mut out).unwrap();
        let expected = "\r\x1b[KCopying 50%: half[2J of\r\x1b[K\r\x1b[KCopying 50%: x\r\x1b[K";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut none = Vec::new();
        StatusLine::new(None).show(&record("x", false), &mut none).unwrap();
        assert!(none.is_empty());
    }
}
