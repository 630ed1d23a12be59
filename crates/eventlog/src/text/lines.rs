//! Lines of one file.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt as _;

/// Maximum length of a line in bytes; the rest of a longer one is dropped.
pub(super) const MAX_LINE: usize = 64 << 10;
/// Number of bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Bytes without the line end.
    pub(super) bytes: Vec<u8>,
    /// Whether the line was longer than [`MAX_LINE`].
    pub(super) is_cut: bool,
    /// Offset behind the line.
    pub(super) end: u64,
}

/// Reader of the lines of a file, which continues when the file has grown.
#[derive(Debug)]
pub(super) struct Lines {
    file: File,
    /// Bytes from the beginning of the next line on.
    buffer: Vec<u8>,
    /// Position in the buffer at which the next line begins.
    begin: usize,
    /// Position in the buffer up to which there is no line end.
    searched: usize,
    /// Offset of the next line in the file.
    offset: u64,
    /// Number of bytes of the next line that were dropped from the end of the buffer.
    dropped: u64,
}

impl Lines {
    /// Continues at an offset, at which a line begins.
    pub(super) fn new(file: File, offset: u64) -> Self {
        Self { file, buffer: Vec::new(), begin: 0, searched: 0, offset, dropped: 0 }
    }

    /// Returns the offset of the next line.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the properties of the file.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Returns the file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the next complete line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', unsearched) {
                let end = self.searched + at;
                let line = self.take(end, 1);
                self.begin = end + 1;
                self.searched = self.begin;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if !self.read()? {
                return Ok(None);
            }
        }
    }

    /// Returns the bytes behind the last line end as a line; `None` for an empty rest.
    pub(super) fn unfinished(&mut self) -> Option<Line> {
        if self.buffer.len() == self.begin {
            return None;
        }
        let line = self.take(self.buffer.len(), 0);
        self.buffer.clear();
        (self.begin, self.searched) = (0, 0);
        Some(line)
    }

    /// Returns the line up to a position in the buffer, and moves the offset behind it.
    fn take(&mut self, end: usize, line_end: u64) -> Line {
        let bytes = self.buffer.get(self.begin..end).unwrap_or_default();
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let is_cut = self.dropped > 0 || bytes.len() > MAX_LINE;
        let bytes = bytes.get(..MAX_LINE).unwrap_or(bytes).to_vec();
        self.offset += length + self.dropped + line_end;
        self.dropped = 0;
        Line { bytes, is_cut, end: self.offset }
    }

    /// Reads a part of the file; returns `false` at its end.
    fn read(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.begin);
        self.begin = 0;
        if let Some(excess) = self.buffer.len().checked_sub(MAX_LINE + 1) {
            self.buffer.truncate(MAX_LINE + 1);
            self.dropped += u64::try_from(excess).unwrap_or(u64::MAX);
        }
        let there = self.buffer.len();
        let from = self.offset + self.dropped + u64::try_from(there).unwrap_or(u64::MAX);
        self.buffer.resize(there + CHUNK, 0);
        let read = loop {
            match self.file.read_at(self.buffer.get_mut(there..).unwrap_or_default(), from) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.buffer.truncate(there + *read.as_ref().unwrap_or(&0));
        self.searched = there;
        Ok(read? > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn long_lines_are_cut_and_their_ends_are_exact() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let long = "x".repeat(3 * MAX_LINE + 5);
        std::fs::write(&path, format!("a\n\n{long}\nend\nunfini")).unwrap();
        let mut lines = Lines::new(File::open(&path).unwrap(), 0);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.bytes.len(), line.is_cut, line.end));
        }
        let behind = 3 + 3 * MAX_LINE as u64 + 6;
        assert_eq!(found, [(1, false, 2), (0, false, 3), (MAX_LINE, true, behind), (3, false, behind + 4)]);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"shed\nrest").unwrap();
        let line = lines.next().unwrap().unwrap();
        assert_eq!((line.bytes.as_slice(), line.end), (b"unfinished".as_slice(), behind + 15));
        assert!(lines.next().unwrap().is_none());
        assert_eq!(lines.offset(), behind + 15);
        assert_eq!(lines.unfinished().unwrap().bytes, b"rest");
        assert!(lines.unfinished().is_none());
    }
}
