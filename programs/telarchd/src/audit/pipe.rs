//! Writing end of the audit pipe, for processes that do not own the file.

use std::error::Error;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use locks::Mutex;
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::dropped;

/// Writes records to a pipe without blocking. A record is written at once, or dropped and counted.
#[derive(Clone)]
pub(crate) struct AuditPipe(Arc<Inner>);

struct Inner {
    pipe: OwnedFd,
    dropped: Mutex<u64>,
}

impl AuditPipe {
    /// Takes over the pipe on standard output, which is then redirected to `/dev/null`.
    pub(crate) fn from_stdout() -> Result<Self, Box<dyn Error>> {
        let pipe = std::io::stdout().as_fd().try_clone_to_owned()?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&pipe)?.st_mode);
        let flags = rustix::fs::fcntl_getfl(&pipe)?;
        if kind != FileType::Fifo || !flags.contains(OFlags::NONBLOCK) {
            return Err("this option is reserved for processes that telarchd starts itself".into());
        }
        let nothing = OwnedFd::from(std::fs::File::options().write(true).open("/dev/null")?);
        rustix::stdio::dup2_stdout(&nothing)?;
        Ok(Self::of(pipe))
    }

    fn of(pipe: OwnedFd) -> Self {
        Self(Arc::new(Inner { pipe, dropped: Mutex::default() }))
    }

    /// Writes a line, which must not exceed the size of an atomic pipe write.
    pub(super) fn append(&self, line: &str) {
        let mut lost = self.0.dropped.lock();
        if *lost > 0 {
            let note = dropped(*lost, "records arrived faster than they could be written");
            if !self.write(&note) {
                *lost = lost.saturating_add(1);
                return;
            }
            *lost = 0;
        }
        if !self.write(line) {
            *lost = lost.saturating_add(1);
        }
    }

    fn write(&self, line: &str) -> bool {
        loop {
            match rustix::io::write(&self.0.pipe, line.as_bytes()) {
                Err(Errno::INTR) => {}
                written => return written == Ok(line.len()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_full_pipe_does_not_block_and_dropped_records_are_counted() {
        let (reading, writing) = std::io::pipe().unwrap();
        for end in [reading.as_fd(), writing.as_fd()] {
            rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK).unwrap();
        }
        let pipe = AuditPipe::of(writing.into());
        for _ in 0..1_000 {
            pipe.append(&format!("{{\"event\":\"{}\"}}\n", "x".repeat(500)));
        }
        let mut reading = reading;
        let mut found = Vec::new();
        let _ = reading.read_to_end(&mut found);
        pipe.append("{}\n");
        let _ = reading.read_to_end(&mut found);
        let found = String::from_utf8(found).unwrap();
        assert!(found.ends_with("\n{}\n"), "the last record was written");
        let records = found.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let total: u64 = records.map(|record| record["records"].as_u64().unwrap_or(1)).sum();
        assert_eq!(total, 1_001, "each record is written or counted");
    }
}
