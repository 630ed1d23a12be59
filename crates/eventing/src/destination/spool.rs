//! Spool of a destination: lines that were not sent yet, in numbered files of limited size.
//!
//! The writer appends to the last file. The sender reads the first one, stores its position in the file `position`, and
//! removes files that were sent. After a crash, lines after the last stored position are sent again.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use locks::{Condvar, Mutex};

use crate::error::CollectorError;
use crate::output::event_file::{EventFile, create_folder};

/// Spool of a destination.
pub(super) struct Spool {
    folder: PathBuf,
    /// Maximum size in bytes.
    limit: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    current: EventFile,
    /// Number of the current file.
    number: u64,
    /// Bytes of the current file that may be sent.
    readable: u64,
    /// Bytes in all files.
    size: u64,
    is_closed: bool,
}

impl State {
    fn has_room_for(&self, more: u64, limit: u64) -> bool {
        self.size == 0 || self.size.saturating_add(more) <= limit
    }
}

impl Spool {
    /// Opens the spool, or creates it.
    pub(super) fn open(folder: &Path, limit: u64) -> Result<Self, CollectorError> {
        create_folder(folder)?;
        let files = list(folder)?;
        let number = files.last().map_or(1, |(number, _)| *number);
        let current = EventFile::open(path_of(folder, number))?;
        let older = files.iter().filter(|(other, _)| *other != number).map(|(_, size)| *size);
        let size = older.sum::<u64>().saturating_add(current.length());
        let state = State { readable: current.length(), current, number, size, is_closed: false };
        Ok(Self { folder: folder.to_owned(), limit, state: Mutex::new(state), changed: Condvar::default() })
    }

    /// Returns the folder of the files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends lines; returns `false` if they do not fit. An empty spool accepts lines of any size.
    pub(super) fn append(&self, lines: &[u8]) -> Result<bool, CollectorError> {
        let more = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let mut state = self.state.lock();
        if !state.has_room_for(more, self.limit) {
            return Ok(false);
        }
        if state.current.length() >= SEGMENT {
            state.current.sync()?;
            let next = state.number + 1;
            state.current = EventFile::open(path_of(&self.folder, next))?;
            state.number = next;
            state.readable = state.current.length();
        }
        state.current.append(lines)?;
        state.size = state.size.saturating_add(more);
        Ok(true)
    }

    /// Returns whether lines of this size fit.
    pub(super) fn has_room_for(&self, size: usize) -> bool {
        self.state.lock().has_room_for(u64::try_from(size).unwrap_or(u64::MAX), self.limit)
    }

    /// Returns the number of bytes in all files.
    pub(super) fn size(&self) -> u64 {
        self.state.lock().size
    }

    /// Waits until all lines are on the disk, and wakes the sender.
    pub(super) fn sync(&self) -> Result<(), CollectorError> {
        let mut state = self.state.lock();
        state.current.sync()?;
        let length = state.current.length();
        if state.readable != length {
            state.readable = length;
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Ends the sender.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Waits for a time, or until the spool is closed. Returns whether it is closed.
    pub(super) fn is_closed_after(&self, time: Duration) -> bool {
        let state = self.state.lock();
        self.changed.wait_timeout_while(state, time, |state| !state.is_closed).0.is_closed
    }

    /// Waits for lines from a position; returns `None` once the spool is closed.
    pub(super) fn read(&self, position: &mut Position, limit: usize) -> std::io::Result<Option<Lines>> {
        loop {
            let (number, readable) = {
                let state = self.state.lock();
                let at = position.clone();
                let state = self.changed.wait_while(state, |state| {
                    !state.is_closed && at.number >= state.number && at.offset >= state.readable
                });
                if state.is_closed {
                    return Ok(None);
                }
                (state.number, state.readable)
            };
            let path = path_of(&self.folder, position.number);
            let length = match position.number == number {
                true => readable,
                false => fs::metadata(&path).map_or(0, |metadata| metadata.len()),
            };
            if position.offset < length {
                return read_lines(&path, position, length, limit).map(Some);
            }
            // The file was sent completely, or does not exist.
            *position = self.remove(position.number)?;
        }
    }

    /// Removes a file that was sent, and returns the beginning of the next one.
    fn remove(&self, number: u64) -> std::io::Result<Position> {
        let path = path_of(&self.folder, number);
        let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let _ = fs::remove_file(&path);
        let next = list(&self.folder).map_err(std::io::Error::other)?;
        let next = next.into_iter().map(|(number, _)| number).find(|other| *other > number);
        let mut state = self.state.lock();
        state.size = state.size.saturating_sub(size);
        let position = Position { number: next.unwrap_or(state.number), offset: 0 };
        drop(state);
        self.store(&position);
        Ok(position)
    }

    /// Returns the stored position.
    pub(super) fn position(&self) -> Position {
        let first = list(&self.folder).ok().and_then(|files| files.first().copied());
        let first = first.map_or(1, |(number, _)| number);
        let stored = fs::read_to_string(self.folder.join(POSITION)).ok();
        let stored = stored.and_then(|text| {
            let (number, offset) = text.trim().split_once(' ')?;
            Some(Position { number: number.parse().ok()?, offset: offset.parse().ok()? })
        });
        let begin = Position { number: first, offset: 0 };
        stored.filter(|stored| stored.number == first).unwrap_or(begin)
    }

    /// Stores the position after lines that were sent. If that fails, they are sent again after a restart.
    pub(super) fn store(&self, position: &Position) {
        let (path, new) = (self.folder.join(POSITION), self.folder.join("position.new"));
        let text = format!("{} {}\n", position.number, position.offset);
        if let Err(error) = fs::write(&new, text).and_then(|()| fs::rename(&new, &path)) {
            tracing::debug!(%error, path = %path.display(), "Cannot store the position of an event output");
        }
    }
}

/// Position of the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    number: u64,
    offset: u64,
}

/// Lines to be sent, without line breaks, and the positions after them.
pub(super) struct Lines {
    pub(super) lines: Vec<String>,
    ends: Vec<u64>,
    end: Position,
}

impl Lines {
    /// Returns the position after a number of lines; `None` for no line.
    pub(super) fn position_after(&self, count: usize) -> Option<Position> {
        let offset = *self.ends.get(count.checked_sub(1)?)?;
        Some(Position { number: self.end.number, offset })
    }
}

fn read_lines(path: &Path, from: &Position, length: u64, limit: usize) -> std::io::Result<Lines> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from.offset))?;
    let mut reader = BufReader::new(file);
    let mut found = Lines { lines: Vec::new(), ends: Vec::new(), end: from.clone() };
    let mut size = 0;
    while found.lines.len() < limit && size < MAX_BATCH && found.end.offset < length {
        let mut line = Vec::new();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        size += read;
        found.end.offset = found.end.offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        found.ends.push(found.end.offset);
        found.lines.push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
    }
    Ok(found)
}

/// Returns numbers and sizes of the files in a folder, in their order.
fn list(folder: &Path) -> Result<Vec<(u64, u64)>, CollectorError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(CollectorError::file("read", folder))?.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
        if let (Some(number), Ok(metadata)) = (number, entry.metadata()) {
            files.push((number, metadata.len()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.jsonl"))
}

/// Name of the file with the position of the sender.
const POSITION: &str = "position";
/// Size of a file in bytes after which the next one begins.
const SEGMENT: u64 = 1 << 20;
/// Size of a batch in bytes after which no more lines are added.
pub(super) const MAX_BATCH: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spool: &Spool, position: &mut Position, limit: usize) -> Vec<String> {
        let lines = spool.read(position, limit).unwrap().unwrap();
        *position = lines.position_after(lines.lines.len()).unwrap();
        spool.store(position);
        lines.lines
    }

    #[test]
    fn lines_are_read_in_order_and_after_a_restart_from_the_stored_position() {
        let folder = tempfile::tempdir().unwrap();
        {
            let spool = Spool::open(folder.path(), 1 << 20).unwrap();
            assert!(spool.append(b"one\ntwo\n").unwrap() && spool.append(b"three\n").unwrap());
            spool.sync().unwrap();
            let mut position = spool.position();
            assert_eq!(read(&spool, &mut position, 2), ["one", "two"]);
        }
        let spool = Spool::open(folder.path(), 1 << 20).unwrap();
        let mut position = spool.position();
        assert_eq!(read(&spool, &mut position, 2), ["three"]);
        assert!(spool.append(b"four\n").unwrap());
        spool.sync().unwrap();
        assert_eq!(read(&spool, &mut position, 2), ["four"]);
        spool.close();
        assert!(spool.read(&mut position, 1).unwrap().is_none());
    }

    #[test]
    fn files_that_were_sent_are_removed_and_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 3 << 20).unwrap();
        let line = [vec![b'x'; (1 << 20) - 1], vec![b'\n']].concat();
        for _ in 0..3 {
            assert!(spool.append(&line).unwrap());
        }
        assert!(!spool.append(&line).unwrap() && !spool.has_room_for(1));
        spool.sync().unwrap();
        let mut position = spool.position();
        for _ in 0..3 {
            assert_eq!(read(&spool, &mut position, 10)[0].len(), line.len() - 1);
        }
        // Two files are removed when the sender passes them.
        assert!(spool.append(b"x\n").unwrap());
        spool.sync().unwrap();
        assert_eq!(read(&spool, &mut position, 10), ["x"]);
        assert_eq!(list(folder.path()).unwrap().len(), 1);
        assert!(spool.append(&line).unwrap());
    }
}
