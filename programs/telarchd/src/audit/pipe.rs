//! The end of the pipe of audit records that a process without the file writes to.

use std::error::Error;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::{dropped, locked};

/// Writes records into a pipe. A record is written at once or dropped and counted; no writer waits.
#[derive(Clone)]
pub(crate) struct AuditPipe(Arc<Inner>);

struct Inner {
    pipe: OwnedFd,
    dropped: Mutex<u64>,
}

impl AuditPipe {
    /// Takes the pipe that this process was given as standard output, which becomes empty.
    pub(crate) fn given() -> Result<Self, Box<dyn Error>> {
        let pipe = std::io::stdout().as_fd().try_clone_to_owned()?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&pipe)?.st_mode);
        let flags = rustix::fs::fcntl_getfl(&pipe)?;
        if kind != FileType::Fifo || !flags.contains(OFlags::NONBLOCK) {
            return Err("this is how telarchd starts itself, not for people".into());
        }
        let nothing = OwnedFd::from(std::fs::File::options().write(true).open("/dev/null")?);
        rustix::stdio::dup2_stdout(&nothing)?;
        Ok(Self::of(pipe))
    }

    fn of(pipe: OwnedFd) -> Self {
        Self(Arc::new(Inner { pipe, dropped: Mutex::default() }))
    }

    /// Writes a line, which must be no longer than a pipe takes at once.
    pub(super) fn append(&self, line: &str) {
        let mut lost = locked(&self.0.dropped);
        if *lost > 0 {
            let note = dropped(*lost, "records came faster than they could be written");
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
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_pipe_that_is_full_blocks_nobody_and_what_was_dropped_is_on_record() {
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
        assert!(found.ends_with("\n{}\n"), "the last is there");
        let records = found.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let total: u64 = records.map(|record| record["records"].as_u64().unwrap_or(1)).sum();
        assert_eq!(total, 1_001, "each record is there or counted");
    }
}
