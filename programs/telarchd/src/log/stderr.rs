//! Standard error as a place for whole lines: a line is written at once, or left out and counted.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use tracing_subscriber::fmt::MakeWriter;

/// Maximum length of a line in bytes, with its line feed. A pipe takes that much at once or not at all (pipe(7),
/// `PIPE_BUF`).
pub(crate) const LONGEST_LINE: usize = 4_096;

/// Makes writers to standard error.
pub(super) struct Stderr;

/// Writes one line.
pub(super) struct OneLine;

impl MakeWriter<'_> for Stderr {
    type Writer = OneLine;

    fn make_writer(&self) -> OneLine {
        OneLine
    }
}

impl Write for OneLine {
    /// Takes the whole line and never fails: a log that cannot be written stops nothing.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        write_line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line, shortened if it is too long, to standard error.
pub(super) fn write_line(line: &[u8]) {
    STATE.lock().unwrap_or_else(PoisonError::into_inner).write(rustix::stdio::stderr(), line);
}

static STATE: Mutex<Lines> = Mutex::new(Lines { is_torn: false, left_out: 0 });

/// State of a descriptor that lines are written to.
struct Lines {
    /// Whether the last line was written in part only.
    is_torn: bool,
    /// Number of lines that were not written since the last that was.
    left_out: u64,
}

impl Lines {
    fn write(&mut self, to: BorrowedFd<'_>, line: &[u8]) {
        if self.left_out > 0 {
            let count = self.left_out;
            let note = format!("telarchd: {count} lines of the log could not be written and were left out\n");
            if !self.write_whole(to, note.as_bytes()) {
                self.left_out = count.saturating_add(1);
                return;
            }
            self.left_out = 0;
        }
        let is_written = if line.len() > LONGEST_LINE {
            self.write_whole(to, &shortened(line))
        } else {
            self.write_whole(to, line)
        };
        if !is_written {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    fn write_whole(&mut self, to: BorrowedFd<'_>, line: &[u8]) -> bool {
        if self.is_torn {
            if !matches!(retried(to, b"\n"), Ok(1)) {
                return false;
            }
            self.is_torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match retried(to, rest) {
                Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
                _ => {
                    self.is_torn = rest.len() < line.len();
                    return false;
                }
            }
        }
        true
    }
}

fn retried(to: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
    loop {
        match rustix::io::write(to, bytes) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Returns the beginning of a line with a mark that it was cut.
fn shortened(line: &[u8]) -> Vec<u8> {
    const MARK: &str = "…[cut]\n";
    let text = String::from_utf8_lossy(line);
    let mut end = LONGEST_LINE - MARK.len();
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    [text.get(..end).unwrap_or_default(), MARK].concat().into_bytes()
}

/// Returns whether standard error is the stream of the journal that the service manager has set up (systemd.exec(5),
/// `JOURNAL_STREAM`).
pub(crate) fn is_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    let Ok(stat) = rustix::fs::fstat(rustix::stdio::stderr()) else { return false };
    let numbers = stream.split_once(':');
    numbers
        .is_some_and(|(device, inode)| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

/// Locks a mutex whose content is whole at any moment.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_reader_that_stops_blocks_nobody_and_finds_whole_lines_and_a_count() {
        let (reading, writing) = std::io::pipe().unwrap();
        for end in [reading.as_fd(), writing.as_fd()] {
            rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK).unwrap();
        }
        let mut lines = Lines { is_torn: false, left_out: 0 };
        let line = format!("{}\n", "x".repeat(999));
        for _ in 0..1_000 {
            lines.write(writing.as_fd(), line.as_bytes());
        }
        let left_out = lines.left_out;
        assert!(left_out > 0);
        // A count is shorter than a line, and may have found room.
        let counted = |text: &str| -> u64 {
            let notes = text.lines().filter_map(|line| line.strip_prefix("telarchd: ")?.split(' ').next());
            notes.map(|count| count.parse::<u64>().unwrap()).sum()
        };
        let mut pipe = reading;
        let mut found = vec![0; 1 << 20];
        let length = pipe.read(&mut found).unwrap();
        let found = String::from_utf8(found[..length].to_vec()).unwrap();
        let lines_of = |text: &str| text.lines().filter(|line| line.starts_with('x')).count();
        assert!(found.lines().all(|line| line.len() == 999 || line.starts_with("telarchd: ")));
        assert_eq!(u64::try_from(lines_of(&found)).unwrap() + counted(&found) + left_out, 1_000);
        lines.write(writing.as_fd(), b"after\n");
        let mut rest = vec![0; 1 << 20];
        let length = pipe.read(&mut rest).unwrap();
        let rest = String::from_utf8(rest[..length].to_vec()).unwrap();
        assert_eq!(counted(&rest), left_out);
        assert!(rest.ends_with("\nafter\n"), "{rest}");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_at_a_character() {
        let long = format!("{}\n", "ä".repeat(LONGEST_LINE));
        let cut = String::from_utf8(shortened(long.as_bytes())).unwrap();
        assert!(cut.len() <= LONGEST_LINE && cut.ends_with("ä…[cut]\n"));
    }
}
