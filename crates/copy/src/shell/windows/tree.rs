//! Upload of a directory by one command, whose input is all files and whose output is a line for each of them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use copy_proto::RelativePath;
use files::Walk;

use super::super::dialect::{Dialect as _, RemoteCommand};
use super::super::script::Input;
use super::{LONGEST_LINE, ROOT, Windows, check_file_name, on_root};
use crate::content::{PIECE, random_key, read_piece};
use crate::error::CopyError;
use crate::file_by_file::whole;
use crate::local::LocalFile;
use crate::local_tree::{CopiedTree, LocalEntry, next_entry};
use crate::options::CopyOptions;
use crate::progress::Progress;
use crate::remote_path::RemotePath;

/// Returns a command that writes the files of its input below a directory, which is created if it does not exist.
///
/// The input has a line for each directory, `d PATH`, and for each file, `f DIRECTORY NAME KEY SIZE SHA256 SECONDS`,
/// followed by the content in lines of base64 and an empty line; a line `!` abandons the file. Paths are UTF-8 in base64.
/// The output has a line for each of them: `+ SIZE`, or `- DIRECTORY NAME MESSAGE`.
pub(in crate::shell) fn receive_tree(root: &RemotePath) -> RemoteCommand {
    on_root(&[ROOT, RECEIVE_TREE], root)
}

/// Returns a command that prints the files below a directory: the line `f PATH SIZE SECONDS SHA256` with the content in
/// lines of base64 and an empty line, or `!` instead of it if the file cannot be read; `d PATH` for a directory, `o PATH`
/// for a reparse point, `- PATH MESSAGE` for a failure, and `.` at the end.
pub(in crate::shell) fn send_tree(root: &RemotePath) -> RemoteCommand {
    on_root(&[ROOT, SEND_TREE], root)
}

/// Entries of a local directory as input of [`receive_tree`].
pub(in crate::shell) struct TreeInput<'a> {
    walk: Walk,
    local: &'a Path,
    options: CopyOptions,
    progress: &'a dyn Progress,
    /// File whose content is being sent, and the number of bytes that are left.
    current: Option<(LocalFile, u64)>,
    /// Number of entries whose result the command prints.
    pub(in crate::shell) sent: u64,
    /// Entries that were not sent.
    pub(in crate::shell) skipped: CopiedTree,
}

impl<'a> TreeInput<'a> {
    pub(in crate::shell) fn new(
        local: &'a Path,
        options: CopyOptions,
        progress: &'a dyn Progress,
    ) -> Result<Self, CopyError> {
        let walk = Walk::new(local).map_err(|error| CopyError::local(local, error))?;
        Ok(Self { walk, local, options, progress, current: None, sent: 0, skipped: CopiedTree::default() })
    }

    /// Begins an entry.
    fn begin(&mut self, entry: &LocalEntry, lines: &mut Vec<u8>) -> Result<(), CopyError> {
        let (directory, name) = entry.path.split();
        check_file_name(OsStr::from_bytes(name))
            .map_err(|reason| CopyError::local(&entry.whole, io::Error::other(reason)))?;
        if entry.metadata.is_dir() {
            lines.extend_from_slice(format!("d {}\r\n", STANDARD.encode(entry.path.as_bytes())).as_bytes());
            self.sent += 1;
            return Ok(());
        }
        let source = LocalFile::open(&entry.whole)?;
        let digest = source.digest(source.size)?;
        source.seek(0)?;
        let key = random_key().map_err(|error| source.error(error))?;
        let [directory, name] = [directory.unwrap_or_default(), name].map(|part| STANDARD.encode(part));
        let time = if self.options.preserve { source.modified.to_string() } else { "-".to_owned() };
        let (size, digest) = (source.size, digest.as_str());
        lines.extend_from_slice(format!("f {directory} {name} {key} {size} {digest} {time}\r\n").as_bytes());
        self.progress.expect(size);
        self.sent += 1;
        self.current = Some((source, size));
        Ok(())
    }

    /// Adds a piece of the current file.
    fn content(&mut self, source: LocalFile, left: u64, lines: &mut Vec<u8>) {
        match read_piece(source.file(), left, PIECE) {
            Ok(piece) if piece.is_empty() => lines.extend_from_slice(b"\r\n"),
            Ok(piece) => {
                let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                lines.extend(Windows.encode(&piece));
                self.progress.advance(length);
                self.current = Some((source, left.saturating_sub(length)));
            }
            Err(error) => {
                lines.extend_from_slice(format!("{ABANDONED}\r\n\r\n").as_bytes());
                self.skipped.fail(source.error(error).to_string());
            }
        }
    }
}

impl Input for TreeInput<'_> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, CopyError> {
        let mut lines = Vec::new();
        while lines.len() < PIECE {
            if self.progress.is_cancelled() {
                return Err(CopyError::Cancelled);
            }
            if let Some((source, left)) = self.current.take() {
                self.content(source, left, &mut lines);
                continue;
            }
            let entry = next_entry(&mut self.walk, self.local, self.progress, &mut self.skipped)?;
            let Some(entry) = entry else { break };
            if let Err(error) = self.begin(&entry, &mut lines) {
                self.skipped.fail(error.to_string());
            }
        }
        Ok((!lines.is_empty()).then_some(lines))
    }
}

/// Output of [`receive_tree`].
pub(in crate::shell) struct TreeReplies<'a> {
    root: &'a RemotePath,
    /// Line that is not complete.
    text: Vec<u8>,
    /// Number of results.
    received: u64,
    copied: CopiedTree,
}

impl<'a> TreeReplies<'a> {
    pub(in crate::shell) fn new(root: &'a RemotePath) -> Self {
        let copied = CopiedTree { path: root.to_string(), ..CopiedTree::default() };
        Self { root, text: Vec::new(), received: 0, copied }
    }

    /// Accepts a part of the output.
    pub(in crate::shell) fn take(&mut self, output: &[u8]) -> Result<(), CopyError> {
        self.text.extend_from_slice(output);
        for line in take_lines(&mut self.text).lines() {
            self.received += 1;
            self.reply(line).ok_or_else(|| self.unexpected())?;
        }
        if self.text.len() > LONGEST_LINE { Err(self.unexpected()) } else { Ok(()) }
    }

    fn reply(&mut self, line: &str) -> Option<()> {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["+", ""] => {}
            ["+", size] => self.copied.add(size.parse().ok()?),
            ["-", directory, name, message] => {
                let message = decoded(message)?;
                // This machine could not read the file, which is recorded already.
                if message != ABANDONED {
                    let path = [decoded(directory)?, decoded(name)?].join("/");
                    let path = RelativePath::new(path.trim_matches('/'))?;
                    self.copied.fail(CopyError::remote(&whole(self.root, &path), message).to_string());
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Returns the result, after the command has ended.
    pub(in crate::shell) fn finish(self, input: TreeInput<'_>) -> Result<CopiedTree, CopyError> {
        if self.received != input.sent || !self.text.is_empty() {
            return Err(self.unexpected());
        }
        let mut copied = self.copied;
        for message in input.skipped.failed {
            copied.fail(message);
        }
        Ok(copied)
    }

    fn unexpected(&self) -> CopyError {
        CopyError::remote(self.root, "the remote machine has sent an unexpected response")
    }
}

/// Removes the complete lines of received text and returns them, each with its end.
pub(super) fn take_lines(text: &mut Vec<u8>) -> String {
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last.saturating_add(1));
    let rest = text.split_off(end);
    String::from_utf8_lossy(&std::mem::replace(text, rest)).into_owned()
}

/// Decodes a path or a message.
pub(super) fn decoded(word: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&STANDARD.decode(word).ok()?).into_owned())
}

const RECEIVE_TREE: &str = include_str!("receive_tree.ps1");
const SEND_TREE: &str = include_str!("send_tree.ps1");
/// Line instead of a file that cannot be read.
pub(super) const ABANDONED: &str = "!";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::progress::NoProgress;

    fn encode(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[test]
    fn scripts_of_directories_are_input_and_the_command_line_is_short() {
        let root = RemotePath::from("C:\\it's $x");
        for (command, script) in [(receive_tree(&root), RECEIVE_TREE), (send_tree(&root), SEND_TREE)] {
            assert!(command.line.command.len() < 4_000, "{}", command.line.command.len());
            let prelude = String::from_utf8(command.prelude).unwrap();
            let (text, path) = prelude.split_once("\r\n\r\n").unwrap();
            assert_eq!(decoded(&text.replace("\r\n", "")).unwrap(), [ROOT, script].concat());
            assert_eq!(decoded(path.trim_end()).unwrap(), "C:\\it's $x");
            assert!(prelude.lines().all(|line| line.len() <= 4_096));
        }
    }

    #[test]
    fn many_small_files_are_one_piece_of_input() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/a b"), "content").unwrap();
        fs::write(folder.path().join("nul"), "x").unwrap();
        let options = CopyOptions::default();
        let mut input = TreeInput::new(folder.path(), options, &NoProgress).unwrap();
        let text = String::from_utf8(input.next().unwrap().unwrap()).unwrap();
        assert_eq!(input.next().unwrap(), None);
        let lines: Vec<&str> = text.split("\r\n").collect();
        let [directory, file, content, "", ""] = lines.as_slice() else { panic!("{text}") };
        assert_eq!(*directory, format!("d {}", encode("sub")));
        assert!(file.starts_with(&format!("f {} {} ", encode("sub"), encode("a b"))), "{file}");
        assert!(file.contains(" 7 ") && file.ends_with(" -"), "{file}");
        assert_eq!(*content, encode("content"));
        assert_eq!((input.sent, input.skipped.failed.len()), (2, 1));
        assert!(input.skipped.failed[0].contains("not a valid file name on Windows"));
    }

    #[test]
    fn each_entry_has_one_reply() {
        let folder = tempfile::tempdir().unwrap();
        let root = RemotePath::from("C:\\x");
        let replies = |output: &str, sent: u64| {
            let mut input = TreeInput::new(folder.path(), CopyOptions::default(), &NoProgress).unwrap();
            input.sent = sent;
            let mut replies = TreeReplies::new(&root);
            output.as_bytes().chunks(5).try_for_each(|piece| replies.take(piece))?;
            replies.finish(input)
        };
        let failed = format!("- {} {} {}", encode("sub"), encode("a"), encode("denied"));
        let abandoned = format!("-  {} {}", encode("b"), encode("!"));
        let copied = replies(&format!("+ \r\n+ 7\r\n{failed}\r\n{abandoned}\r\n"), 4).unwrap();
        assert_eq!((copied.files, copied.size), (1, 7));
        assert_eq!(copied.failed, ["cannot copy C:\\x/sub/a: denied"]);
        for (output, sent) in
            [("+ 7\r\n", 2), ("+ x\r\n", 1), ("+ 7", 1), ("hello\r\n", 1), ("- a b c\r\n", 1)]
        {
            assert!(replies(output, sent).is_err(), "{output}");
        }
        let outside = format!("- {} {} {}\r\n", encode(".."), encode("x"), encode("m"));
        assert!(replies(&outside, 1).is_err());
    }
}
