//! Download of a directory by one command, whose output is all files.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use copy_proto::RelativePath;

use super::super::receiver::{Arriving, SentFile};
use super::LONGEST_LINE;
use super::tree::{ABANDONED, decoded, take_lines};
use crate::content::random_key;
use crate::error::CopyError;
use crate::file_by_file::{MOST_ENTRIES, whole};
use crate::local::LocalTarget;
use crate::local_tree::{CopiedTree, LocalTree, REMOTE_SPECIAL};
use crate::options::CopyOptions;
use crate::progress::Progress;
use crate::remote_path::RemotePath;

/// Receiver of the output of [`send_tree`](super::send_tree). Nothing is written outside the local directory, whatever
/// the output contains.
pub(in crate::shell) struct TreeReceiver<'a> {
    root: &'a RemotePath,
    local: &'a Path,
    options: CopyOptions,
    progress: &'a dyn Progress,
    /// Line that is not complete.
    text: Vec<u8>,
    /// Local directory; `None` until the first line, because the remote one may not exist.
    target: Option<LocalTree>,
    current: Current,
    entries: usize,
    copied: CopiedTree,
}

/// File whose content follows.
enum Current {
    /// No content follows.
    None,
    /// The content is written.
    File(Box<ArrivingFile>),
    /// The content is ignored, because this machine cannot write the file.
    Ignored,
    /// The list is complete.
    End,
}

struct ArrivingFile {
    path: RemotePath,
    target: LocalTarget,
    arriving: Arriving,
}

impl<'a> TreeReceiver<'a> {
    pub(in crate::shell) fn new(
        root: &'a RemotePath,
        local: &'a Path,
        options: CopyOptions,
        progress: &'a dyn Progress,
    ) -> Self {
        let copied = CopiedTree { path: local.display().to_string(), ..CopiedTree::default() };
        // An interrupted copy begins again.
        let options = CopyOptions { resume: false, ..options };
        let (text, current) = (Vec::new(), Current::None);
        Self { root, local, options, progress, text, target: None, current, entries: 0, copied }
    }

    /// Accepts a part of the output.
    pub(in crate::shell) fn take(&mut self, output: &[u8]) -> Result<(), CopyError> {
        if self.progress.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        self.text.extend_from_slice(output);
        for line in take_lines(&mut self.text).lines() {
            self.line(line)?;
        }
        if self.text.len() > LONGEST_LINE { Err(self.unexpected()) } else { Ok(()) }
    }

    fn line(&mut self, line: &str) -> Result<(), CopyError> {
        match std::mem::replace(&mut self.current, Current::None) {
            Current::None => self.entry(line),
            Current::File(file) => self.content(file, line),
            Current::Ignored => {
                if !matches!(line, "" | ABANDONED) {
                    self.current = Current::Ignored;
                }
                Ok(())
            }
            Current::End => Err(self.unexpected()),
        }
    }

    fn entry(&mut self, line: &str) -> Result<(), CopyError> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(CopyError::remote(self.root, "the directory has too many entries"));
        }
        if self.target.is_none() {
            self.target = Some(LocalTree::open(self.local)?);
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["."] => self.current = Current::End,
            ["d", path] => {
                let path = self.path(path)?;
                if let Err(error) = self.tree()?.create(&path) {
                    self.copied.fail(error.to_string());
                }
            }
            ["o", path] => {
                let path = self.path(path)?;
                let whole = self.tree()?.whole(&path);
                self.progress.skip(&whole, REMOTE_SPECIAL);
            }
            ["f", path, size, seconds, digest] => {
                let path = self.path(path)?;
                let sent = SentFile::of_windows(size, seconds, digest).ok_or_else(|| self.unexpected())?;
                self.progress.expect(sent.size());
                self.current = match self.open(&path, sent) {
                    Ok(file) => Current::File(Box::new(file)),
                    Err(error) => {
                        self.copied.fail(error.to_string());
                        Current::Ignored
                    }
                };
            }
            // The path of the directory itself is empty.
            ["-", path, message] => {
                let message = decoded(message).ok_or_else(|| self.unexpected())?;
                let path =
                    if path.is_empty() { self.root.clone() } else { whole(self.root, &self.path(path)?) };
                self.copied.fail(CopyError::remote(&path, message).to_string());
            }
            _ => return Err(self.unexpected()),
        }
        Ok(())
    }

    fn open(&self, path: &RelativePath, sent: SentFile) -> Result<ArrivingFile, CopyError> {
        let tree = self.tree()?;
        let target = LocalTarget { path: tree.whole(path), directory: tree.parent(path)? };
        let key = random_key().map_err(|error| target.failed(error))?;
        let arriving = Arriving::open(&target, &key, sent, self.options)?;
        Ok(ArrivingFile { path: whole(self.root, path), target, arriving })
    }

    fn content(&mut self, mut file: Box<ArrivingFile>, line: &str) -> Result<(), CopyError> {
        if line == ABANDONED {
            // The next line has the reason.
            return Ok(());
        }
        if line.is_empty() {
            let ArrivingFile { path, target, arriving } = *file;
            match arriving.finish(&path, &target, self.options) {
                Ok(copied) => self.copied.add(copied.size),
                Err(error) => self.copied.fail(error.to_string()),
            }
            return Ok(());
        }
        let bytes = STANDARD.decode(line).map_err(|_| self.unexpected())?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match file.arriving.write(&bytes, &file.path, &file.target) {
            Ok(()) => {
                self.progress.advance(length);
                self.current = Current::File(file);
            }
            Err(error) => {
                self.copied.fail(error.to_string());
                self.current = Current::Ignored;
            }
        }
        Ok(())
    }

    fn tree(&self) -> Result<&LocalTree, CopyError> {
        self.target.as_ref().ok_or_else(|| self.unexpected())
    }

    /// Decodes a path, which must not lead out of the directory.
    fn path(&self, word: &str) -> Result<RelativePath, CopyError> {
        let bytes = STANDARD.decode(word).ok();
        bytes.and_then(RelativePath::new).ok_or_else(|| self.unexpected())
    }

    /// Returns the result, after the command has ended.
    pub(in crate::shell) fn finish(mut self, ended: Result<(), String>) -> Result<CopiedTree, CopyError> {
        match (&self.current, ended) {
            (Current::End, Ok(())) if self.text.is_empty() => {}
            (_, Err(reason)) if self.target.is_none() => return Err(CopyError::remote(self.root, reason)),
            (_, Err(reason)) => {
                let message = format!("the copy is incomplete: {reason}");
                self.copied.fail(CopyError::remote(self.root, message).to_string());
            }
            (_, Ok(())) => return Err(self.unexpected()),
        }
        Ok(self.copied)
    }

    fn unexpected(&self) -> CopyError {
        CopyError::remote(self.root, "the remote machine has sent an unexpected response")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use copy_proto::ContentDigest;

    use super::*;
    use crate::progress::NoProgress;

    fn encode(text: &str) -> String {
        STANDARD.encode(text)
    }

    /// Returns the lines of a file.
    fn file(path: &str, content: &str) -> String {
        let digest = ContentDigest::of(content.as_bytes(), content.len() as u64).unwrap();
        let (path, size, digest) = (encode(path), content.len(), digest.as_str());
        format!("f {path} {size} 1000000 {digest}\r\n{}\r\n\r\n", encode(content))
    }

    fn receive(local: &Path, output: &str, ended: Result<(), String>) -> Result<CopiedTree, CopyError> {
        let root = RemotePath::from("C:\\x");
        let mut receiver = TreeReceiver::new(&root, local, CopyOptions::default(), &NoProgress);
        output.as_bytes().chunks(7).try_for_each(|piece| receiver.take(piece))?;
        receiver.finish(ended)
    }

    #[test]
    fn a_directory_is_received_with_its_failures() {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("copy");
        let abandoned = format!("f {} 9 0 {}\r\n", encode("b"), "0".repeat(64));
        let output = [
            &format!("d {}\r\no {}\r\n", encode("sub"), encode("link")),
            &file("sub/a b", "content"),
            &file("empty", "").replace("\r\n\r\n\r\n", "\r\n\r\n"),
            &abandoned,
            "AAAA\r\n!\r\n",
            &format!("- {} {}\r\n", encode("b"), encode("in use")),
            &format!("-  {}\r\n.\r\n", encode("denied")),
        ]
        .concat();
        let copied = receive(&local, &output, Ok(())).unwrap();
        assert_eq!((copied.files, copied.size), (2, 7));
        assert_eq!(copied.failed, ["cannot copy C:\\x/b: in use", "cannot copy C:\\x: denied"]);
        assert_eq!(fs::read(local.join("sub/a b")).unwrap(), b"content");
        assert_eq!(fs::read_dir(&local).unwrap().count(), 2, "no partial file");
    }

    #[test]
    fn a_hostile_machine_writes_nothing_outside_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("copy");
        for output in [
            file("../x", "content"),
            file("/x", "content"),
            file("a//x", "content"),
            format!("d {}\r\n", encode("../y")),
            format!("{}x\r\n", file("a", "content")),
            ".\r\n.\r\n".to_owned(),
            "x".repeat(LONGEST_LINE + 1),
            file("a", "content"),
            file("a", "content").replace(" 7 ", " 99999999999999999999 "),
            file("a", "content").replace("\r\n\r\n", "\r\n?\r\n"),
        ] {
            assert!(receive(&local, &output, Ok(())).is_err(), "{output}");
            assert!(fs::read_dir(folder.path()).unwrap().count() <= 1, "{output}");
        }
        let longer = file("b", "content").replace(" 7 ", " 6 ");
        let copied = receive(&local, &format!("{longer}.\r\n"), Ok(())).unwrap();
        assert_eq!((copied.files, copied.failed.len()), (0, 1));
        let ended = receive(&folder.path().join("none"), "", Err("it is not a directory".to_owned()));
        assert!(ended.unwrap_err().to_string().contains("it is not a directory"));
        assert!(!folder.path().join("none").exists());
        let cut = receive(&local, &file("c", "content"), Err("killed".to_owned())).unwrap();
        assert!(cut.failed[0].contains("incomplete: killed"), "{cut:?}");
    }
}
