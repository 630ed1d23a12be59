//! Files that had one path, one after the other, and the numbers at which they begin.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use locks::Mutex;
use sha1::{Digest as _, Sha1};

/// Number of first bytes that identify a file.
const PREFIX: u64 = 4_096;
/// Numbers between the known end of a file and the beginning of the next one, because a file grows, also after its
/// rotation. Numbers stay below 2^53, which JSON keeps, for 130,000 rotations.
const GAP: u64 = 1 << 36;
/// Maximum number of files of a path that are remembered; the oldest are dropped.
const MAX_GENERATIONS: usize = 64;
/// Maximum number of channels.
const MAX_CHANNELS: usize = 256;

/// Files of all text logs. Readers of one program share it, so that they number the same line equally.
#[derive(Debug, Default)]
pub struct Generations(Mutex<BTreeMap<String, Vec<Generation>>>);

/// A file that has or had the path of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    /// Number of the line that would end at the first byte.
    pub(super) base: u64,
    identity: Identity,
}

/// Properties by which a file is recognised after its rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Device and inode.
    inode: (u64, u64),
    /// Number of first bytes in `hash`: at most [`PREFIX`], and not 0.
    prefix: u64,
    hash: [u8; 20],
}

impl Identity {
    /// Returns whether the file has this device and inode.
    pub(super) fn is_of(&self, inode: (u64, u64)) -> bool {
        self.inode == inode
    }

    /// Returns whether a file begins with the first bytes.
    pub(super) fn is_beginning_of(&self, file: &File) -> bool {
        hash_of(file, self.prefix).is_ok_and(|found| found == (self.prefix, self.hash))
    }
}

/// A file of a log.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) file: File,
    pub(super) length: u64,
    pub(super) identity: Identity,
}

impl LogFile {
    /// Reads the first bytes of a file; `None` if it is empty or not a regular file.
    pub(super) fn of(file: File) -> io::Result<Option<Self>> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let (prefix, hash) = hash_of(&file, PREFIX)?;
        let identity = Identity { inode: (metadata.dev(), metadata.ino()), prefix, hash };
        Ok((prefix > 0).then_some(Self { file, length: metadata.len().max(prefix), identity }))
    }

    /// Returns whether the file begins with the bytes of a file that was read before.
    pub(super) fn begins_as(&self, earlier: &Identity) -> bool {
        if earlier.prefix == self.identity.prefix {
            return earlier.hash == self.identity.hash;
        }
        earlier.prefix < self.identity.prefix && earlier.is_beginning_of(&self.file)
    }
}

/// Returns the number and hash of the first bytes of a file, at most `maximum`.
fn hash_of(file: &File, maximum: u64) -> io::Result<(u64, [u8; 20])> {
    let mut bytes = vec![0; usize::try_from(maximum.min(PREFIX)).unwrap_or_default()];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, u64::try_from(length).unwrap_or(u64::MAX)) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok((u64::try_from(length).unwrap_or(u64::MAX), Sha1::digest(&bytes).into()))
}

impl Generations {
    /// Parses the lines of [`Self::to_text`]; other lines are ignored.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut all: BTreeMap<String, Vec<Generation>> = BTreeMap::new();
        for (channel, generation) in text.lines().filter_map(parse_line) {
            if all.len() >= MAX_CHANNELS && !all.contains_key(channel) {
                continue;
            }
            let known = all.entry(channel.to_owned()).or_default();
            if known.last().is_none_or(|last| last.base < generation.base) {
                known.push(generation);
            }
        }
        Self(Mutex::new(all))
    }

    /// Returns one file per line: channel, number, device, inode, and length and hash of its first bytes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let all = self.0.lock();
        let lines = all.iter().flat_map(|(channel, files)| files.iter().map(move |file| (channel, file)));
        lines
            .map(|(channel, Generation { base, identity })| {
                let hash: String = identity.hash.iter().map(|byte| format!("{byte:02x}")).collect();
                let (device, inode) = identity.inode;
                format!("{channel} {base} {device} {inode} {} {hash}\n", identity.prefix)
            })
            .collect()
    }

    /// Recognises the files of a log, and numbers new ones. `files` are in the order of their last changes, and the
    /// last one has the path of the log if `has_current`. Returns the files in the order of their numbers.
    ///
    /// `position` is the number behind the last line that the caller has read.
    pub(super) fn number(
        &self,
        channel: &str,
        files: Vec<LogFile>,
        has_current: bool,
        position: u64,
    ) -> Vec<(u64, LogFile)> {
        let mut all = self.0.lock();
        let known = all.entry(channel.to_owned()).or_default();
        let last = files.len().saturating_sub(1);
        let mut found: Vec<(u64, LogFile)> = Vec::new();
        for (index, file) in files.into_iter().enumerate() {
            let is_current = has_current && index == last;
            let at = recognise(known, &found, &file, is_current);
            match at.filter(|at| !is_current || !is_shorter(known.get(*at), &file, position)) {
                Some(at) => {
                    let Some(generation) = known.get_mut(at) else { continue };
                    // More bytes identify the file better. The inode is not that of a copy, which may be incomplete.
                    let inode = if is_current { file.identity.inode } else { generation.identity.inode };
                    generation.identity = Identity { inode, ..file.identity };
                    let base = generation.base;
                    match found.iter_mut().find(|(other, _)| *other == base) {
                        // A copy that is being made has fewer bytes than the file.
                        Some((_, other)) if other.length <= file.length => *other = file,
                        Some(_) => {}
                        None => found.push((base, file)),
                    }
                }
                None => {
                    let base = match known.last() {
                        Some(before) => end_of(before, &found).max(position).saturating_add(GAP),
                        None if position == 0 => 0,
                        None => position.saturating_add(GAP),
                    };
                    known.push(Generation { base, identity: file.identity });
                    found.push((base, file));
                }
            }
        }
        let excess = known.len().saturating_sub(MAX_GENERATIONS);
        known.drain(..excess);
        found.sort_by_key(|(base, _)| *base);
        found
    }
}

/// Returns whether a file has fewer bytes than the caller has read of it, because it was truncated.
fn is_shorter(known: Option<&Generation>, file: &LogFile, position: u64) -> bool {
    let read = known.and_then(|known| position.checked_sub(known.base));
    read.is_some_and(|read| read > file.length)
}

/// Returns the number behind the last byte of a known file, if it was found, or else its first number.
fn end_of(generation: &Generation, found: &[(u64, LogFile)]) -> u64 {
    let file = found.iter().find(|(base, _)| *base == generation.base);
    generation.base.saturating_add(file.map_or(0, |(_, file)| file.length))
}

/// Returns the position of the known file that `file` is. `found` are the files that were recognised before.
fn recognise(
    known: &[Generation],
    found: &[(u64, LogFile)],
    file: &LogFile,
    is_current: bool,
) -> Option<usize> {
    let equal = known.iter().enumerate().filter(|(_, known)| file.begins_as(&known.identity));
    let same_inode = equal.clone().filter(|(_, known)| known.identity.is_of(file.identity.inode));
    // The longest beginning decides, and the newest of several.
    let same_inode = same_inode.max_by_key(|(_, known)| known.identity.prefix).map(|(at, _)| at);
    let equal = equal.max_by_key(|(_, known)| known.identity.prefix).map(|(at, _)| at);
    let at = same_inode.or(equal)?;
    let base = known.get(at)?.base;
    let copy = found.iter().find(|(other, _)| *other == base);
    match copy {
        // The file was truncated, or created again, and begins with the line with which its predecessor begins.
        Some((_, copy)) if is_current && copy.length > file.length => None,
        // The file was renamed, and a new one begins equally.
        Some((_, copy)) if is_current && same_inode.is_none() => {
            let known = known.get(at)?.identity.inode;
            (copy.identity.inode != known).then_some(at)
        }
        _ => Some(at),
    }
}

fn parse_line(line: &str) -> Option<(&str, Generation)> {
    let mut words = line.split(' ');
    let channel = words.next()?;
    let (base, device) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (inode, prefix) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let digits = words.next().filter(|digits| digits.len() == 40 && digits.is_ascii())?;
    let mut hash = [0; 20];
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    let is_valid = words.next().is_none() && (1..=PREFIX).contains(&prefix);
    is_valid.then_some((
        channel,
        Generation { base, identity: Identity { inode: (device, inode), prefix, hash } },
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn open(path: &Path) -> LogFile {
        LogFile::of(File::open(path).unwrap()).unwrap().unwrap()
    }

    fn bases(generations: &Generations, files: &[&Path]) -> Vec<u64> {
        let files = files.iter().map(|path| open(path)).collect();
        generations.number("c", files, true, 0).into_iter().map(|(base, _)| base).collect()
    }

    #[test]
    fn files_keep_their_numbers_across_renames_copies_and_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let [log, first, second] = ["log", "log.1", "log.2"].map(|name| folder.path().join(name));
        fs::write(&log, "begin\none\n").unwrap();
        let generations = Generations::default();
        assert_eq!(bases(&generations, &[&log]), [0]);
        // Renamed and created, with an equal first line.
        fs::rename(&log, &first).unwrap();
        fs::write(&log, "begin\n").unwrap();
        let next = 10 + GAP;
        assert_eq!(bases(&generations, &[&first, &log]), [0, next]);
        // Copied and truncated; another program knows only the text.
        let generations = Generations::parse(&generations.to_text());
        fs::write(&log, "begin\ntwo\n").unwrap();
        fs::rename(&first, &second).unwrap();
        fs::copy(&log, &first).unwrap();
        assert_eq!(bases(&generations, &[&second, &first, &log]), [0, next], "a copy is no new file");
        fs::write(&log, "three\n").unwrap();
        assert_eq!(bases(&generations, &[&second, &first, &log]), [0, next, next + 10 + GAP]);
        assert_eq!(Generations::parse(&generations.to_text()).to_text(), generations.to_text());
        assert_eq!(Generations::parse("x\nc 1 2 3 0 00\n").to_text(), "");
    }
}
