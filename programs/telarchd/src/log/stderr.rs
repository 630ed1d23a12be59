//! Standard error as a sink of whole lines: a line is written at once, or omitted and counted.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use locks::Mutex;
use rustix::io::Errno;
use tracing_subscriber::fmt::MakeWriter;

/// Maximum length of a line in bytes, line feed included. A pipe accepts that much atomically (pipe(7), `PIPE_BUF`).
pub(crate) const MAX_LINE: usize = 4_096;

/// Creates writers to standard error.
pub(crate) struct Stderr;

/// Writer of one line.
pub(crate) struct OneLine;

impl MakeWriter<'_> for Stderr {
    type Writer = OneLine;

    fn make_writer(&self) -> OneLine {
        OneLine
    }
}

impl Write for OneLine {
    /// Accepts the whole line and never fails, because a broken log must not stop the service.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        write_line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line to standard error; cuts it if it is too long.
pub(super) fn write_line(line: &[u8]) {
    STATE.lock().write(rustix::stdio::stderr(), line);
}

static STATE: Mutex<Lines> = Mutex::new(Lines { is_torn: false, omitted: 0 });

/// State of the descriptor.
struct Lines {
    /// Whether the last line was written only in part.
    is_torn: bool,
    /// Number of lines omitted since the last one that was written.
    omitted: u64,
}

impl Lines {
    fn write(&mut self, to: BorrowedFd<'_>, line: &[u8]) {
        if self.omitted > 0 {
            let count = self.omitted;
            let note = format!("telarchd: omitted {count} log lines that could not be written\n");
            if !self.write_whole(to, note.as_bytes()) {
                self.omitted = count.saturating_add(1);
                return;
            }
            self.omitted = 0;
        }
        let is_written = if line.len() > MAX_LINE {
            self.write_whole(to, &shortened(line))
        } else {
            self.write_whole(to, line)
        };
        if !is_written {
            self.omitted = self.omitted.saturating_add(1);
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
    let mut end = MAX_LINE - MARK.len();
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    [text.get(..end).unwrap_or_default(), MARK].concat().into_bytes()
}

/// Returns whether standard error is a stream of the journal (systemd.exec(5), `JOURNAL_STREAM`).
pub(crate) fn is_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    let Ok(stat) = rustix::fs::fstat(rustix::stdio::stderr()) else { return false };
    let numbers = stream.split_once(':');
    numbers
        .is_some_and(|(device, inode)| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_blocked_reader_blocks_no_writer_and_finds_whole_lines_with_a_count() {
        let (reading, writing) = std::io::pipe().unwrap();
        for end in [reading.as_fd(), writing.as_fd()] {
            rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK).unwrap();
        }
        let mut lines = Lines { is_torn: false, omitted: 0 };
        let line = format!("{}\n", "x".repeat(999));
        for _ in 0..1_000 {
            lines.write(writing.as_fd(), line.as_bytes());
        }
        let omitted = lines.omitted;
        assert!(omitted > 0);
        // A count is shorter than a line, so it may have fitted into the pipe.
        fn counted(text: &str) -> u64 {
            let notes =
                text.lines().filter_map(|line| line.strip_prefix("telarchd: omitted ")?.split(' ').next());
            notes.map(|count| count.parse::<u64>().unwrap()).sum()
        }
        let mut pipe = reading;
        let mut found = vec![0; 1 << 20];
        let length = pipe.read(&mut found).unwrap();
        let found = String::from_utf8(found[..length].to_vec()).unwrap();
        let whole_lines = found.lines().filter(|line| line.starts_with('x')).count();
        assert!(found.lines().all(|line| line.len() == 999 || line.starts_with("telarchd: ")));
        assert_eq!(u64::try_from(whole_lines).unwrap() + counted(&found) + omitted, 1_000);
        lines.write(writing.as_fd(), b"after\n");
        let mut rest = vec![0; 1 << 20];
        let length = pipe.read(&mut rest).unwrap();
        let rest = String::from_utf8(rest[..length].to_vec()).unwrap();
        assert_eq!(counted(&rest), omitted);
        assert!(rest.ends_with("\nafter\n"), "{rest}");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        let long = format!("{}\n", "ä".repeat(MAX_LINE));
        let cut = String::from_utf8(shortened(long.as_bytes())).unwrap();
        assert!(cut.len() <= MAX_LINE && cut.ends_with("ä…[cut]\n"));
    }
}
