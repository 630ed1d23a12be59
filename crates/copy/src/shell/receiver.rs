//! Receives a file from the output of a command.

use std::io::Write as _;

use copy_proto::ContentDigest;
use files::{FileMode, IncomingFile};
use sha2::{Digest as _, Sha256};

use super::dialect::{Dialect, End};
use super::posix::Posix;
use crate::error::CopyError;
use crate::local::{LocalTarget, ReceivedFile, time_of};
use crate::options::{Copied, CopyOptions};
use crate::progress::Progress;
use crate::remote_path::RemotePath;

/// Receiver of one file: a line with its properties, and its content.
pub(crate) struct Receiver<'a> {
    dialect: &'static dyn Dialect,
    path: &'a RemotePath,
    target: &'a LocalTarget,
    key: String,
    options: CopyOptions,
    progress: &'a dyn Progress,
    /// Output that is not decoded yet.
    text: Vec<u8>,
    arriving: Option<Arriving>,
}

/// Properties of the file on the remote machine: `SIZE MODE SECONDS SHA256 OFFSET`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SentFile {
    size: u64,
    /// Permissions; `None` on Windows.
    mode: Option<u32>,
    modified: u64,
    digest: ContentDigest,
    /// Position at which the content begins.
    offset: u64,
}

/// File of which a part has arrived.
pub(super) struct Arriving {
    sent: SentFile,
    file: IncomingFile,
    hash: Sha256,
    length: u64,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(
        dialect: &'static dyn Dialect,
        path: &'a RemotePath,
        target: &'a LocalTarget,
        key: String,
        options: CopyOptions,
        progress: &'a dyn Progress,
    ) -> Self {
        Self { dialect, path, target, key, options, progress, text: Vec::new(), arriving: None }
    }

    /// Creates a receiver of a file whose content is not encoded.
    pub(crate) fn of_bytes(
        path: &'a RemotePath,
        target: &'a LocalTarget,
        key: String,
        options: CopyOptions,
        progress: &'a dyn Progress,
    ) -> Self {
        Self::new(&Posix, path, target, key, options, progress)
    }

    /// Accepts a part of the output.
    pub(crate) fn take(&mut self, output: &[u8]) -> Result<(), CopyError> {
        if self.progress.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        self.text.extend_from_slice(output);
        if self.arriving.is_none() && !self.begin()? {
            return Ok(());
        }
        self.write(End::Open)
    }

    /// Accepts the end of the output, and gives the file its name.
    pub(crate) fn finish(mut self) -> Result<Copied, CopyError> {
        self.write(End::Here)?;
        let Self { path, target, options, arriving, .. } = self;
        match arriving {
            Some(arriving) => arriving.finish(path, target, options),
            None => Err(CopyError::remote(path, "the remote machine has sent no file")),
        }
    }

    /// Parses the first line and opens the temporary file. Returns `false` if the line is not complete.
    fn begin(&mut self) -> Result<bool, CopyError> {
        let Some(end) = self.text.iter().position(|byte| *byte == b'\n') else {
            if self.text.len() > LONGEST_LINE {
                return Err(self.unexpected());
            }
            return Ok(false);
        };
        let rest = self.text.split_off(end + 1);
        let line = std::mem::replace(&mut self.text, rest);
        let sent = std::str::from_utf8(&line).ok().and_then(SentFile::parse);
        let sent = sent.ok_or_else(|| self.unexpected())?;
        self.progress.expect(sent.size);
        self.progress.advance(sent.offset);
        self.arriving = Some(Arriving::open(self.target, &self.key, sent, self.options)?);
        Ok(true)
    }

    /// Writes the decoded part of the output.
    fn write(&mut self, end: End) -> Result<(), CopyError> {
        let Some(arriving) = &mut self.arriving else { return Ok(()) };
        let bytes = self.dialect.decode(&mut self.text, end);
        let bytes = bytes.map_err(|reason| CopyError::remote(self.path, reason))?;
        arriving.write(&bytes, self.path, self.target)?;
        self.progress.advance(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn unexpected(&self) -> CopyError {
        CopyError::remote(self.path, "the remote machine has sent an unexpected response")
    }
}

impl Arriving {
    /// Opens the temporary file.
    pub(super) fn open(
        target: &LocalTarget,
        key: &str,
        sent: SentFile,
        options: CopyOptions,
    ) -> Result<Self, CopyError> {
        let mode = match (options.preserve, sent.mode) {
            (true, Some(mode)) => FileMode::Exact(mode),
            (_, mode) => FileMode::New(mode.unwrap_or(0o666)),
        };
        let ReceivedFile { file, hash } = target.receive(key, mode, sent.offset, options)?;
        Ok(Self { length: sent.offset, sent, file, hash })
    }

    /// Appends a part of the content.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        path: &RemotePath,
        target: &LocalTarget,
    ) -> Result<(), CopyError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.length = self.length.saturating_add(length);
        if self.length > self.sent.size {
            return Err(CopyError::remote(path, "the file has grown while it was copied"));
        }
        self.hash.update(bytes);
        self.file.file().write_all(bytes).map_err(|error| CopyError::local(&target.path, error))
    }

    /// Verifies the content and gives the file its name.
    pub(super) fn finish(
        self,
        path: &RemotePath,
        target: &LocalTarget,
        options: CopyOptions,
    ) -> Result<Copied, CopyError> {
        let Self { sent, mut file, hash, length } = self;
        let is_complete = length == sent.size;
        if !is_complete || ContentDigest::finish(hash) != sent.digest {
            // The beginning of another content is useless.
            file.keep(!is_complete && options.resume);
            let reason =
                "the SHA-256 of the received data does not match: the file was changed while it was copied";
            return Err(CopyError::remote(path, reason));
        }
        let modified = options.preserve.then(|| time_of(sent.modified)).flatten();
        file.commit(modified).map_err(|error| CopyError::local(&target.path, error))?;
        Ok(Copied {
            path: target.path.display().to_string(),
            size: sent.size,
            found: sent.offset,
            sha256: sent.digest.as_str().to_owned(),
        })
    }
}

impl SentFile {
    /// Returns the properties of a file of Windows, which has no permissions.
    pub(super) fn of_windows(size: &str, seconds: &str, digest: &str) -> Option<Self> {
        Self::parse(&format!("{size} - {seconds} {digest} 0"))
    }

    /// Returns the size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [size, mode, modified, digest, offset] = words.as_slice() else { return None };
        let size = size.parse().ok()?;
        let offset = offset.parse().ok().filter(|offset| *offset <= size)?;
        let mode = match *mode {
            "-" => None,
            mode => Some(u32::from_str_radix(mode, 8).ok()?),
        };
        // Times before 1970 are not kept.
        let modified = modified.parse::<i64>().ok()?.try_into().unwrap_or(0);
        Some(Self { size, mode, modified, digest: ContentDigest::parse(digest)?, offset })
    }
}

/// Maximum length of the first line in bytes.
const LONGEST_LINE: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::progress::NoProgress;
    use crate::shell::windows::Windows;

    /// Receives output in pieces of `size` bytes into the file `target` of a folder.
    fn receive(
        folder: &std::path::Path,
        dialect: &'static dyn Dialect,
        output: &[u8],
        size: usize,
    ) -> Result<Copied, CopyError> {
        let target = LocalTarget::open(&folder.join("target")).unwrap();
        let path = RemotePath::from("/source");
        let options = CopyOptions { preserve: true, resume: false };
        let mut receiver = Receiver::new(dialect, &path, &target, "key".to_owned(), options, &NoProgress);
        output.chunks(size).try_for_each(|piece| receiver.take(piece))?;
        receiver.finish()
    }

    fn line(content: &[u8], mode: &str) -> String {
        let digest = ContentDigest::of(content, content.len() as u64).unwrap();
        format!("{} {mode} 1000000 {} 0\n", content.len(), digest.as_str())
    }

    #[test]
    fn files_are_received_in_pieces_of_any_size() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        let posix = [line(&content, "640").into_bytes(), content.clone()].concat();
        let windows = [line(&content, "-").replace('\n', "\r\n").into_bytes(), Windows.encode(&content)];
        for size in [1, 7, 100, 10_000] {
            let copied = receive(folder.path(), &Posix, &posix, size).unwrap();
            assert_eq!((copied.size, copied.found), (1_000, 0));
            assert_eq!(fs::read(folder.path().join("target")).unwrap(), content);
            receive(folder.path(), &Windows, &windows.concat(), size).unwrap();
            assert_eq!(fs::read(folder.path().join("target")).unwrap(), content);
        }
        let modified = fs::metadata(folder.path().join("target")).unwrap().modified().unwrap();
        assert_eq!(Some(modified), time_of(1_000_000));
    }

    #[test]
    fn a_hostile_machine_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("target"), "old").unwrap();
        let good = line(b"content", "640");
        for output in [
            String::new(),
            good.clone(),
            format!("{good}conten"),
            format!("{good}contens"),
            format!("{good}content and more"),
            good.replacen('7', "99999999999999999999", 1),
            good.replace(" 0\n", " 8\n"),
            good.replace("640", "9"),
            "x".repeat(2_000),
            "7 640 0 0 0\ncontent".to_owned(),
        ] {
            let refused = receive(folder.path(), &Posix, output.as_bytes(), 100);
            assert!(refused.is_err(), "{output}");
            assert_eq!(fs::read(folder.path().join("target")).unwrap(), b"old");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{output}");
        }
    }
}
