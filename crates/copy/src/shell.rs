//! Carrier over commands of the remote shell.
//!
//! One command receives or sends one file, and on Windows one directory. All commands run in the same shell.

mod dialect;
mod posix;
mod receiver;
mod script;
mod windows;

use std::ffi::OsStr;
use std::path::Path;

use client::{Session, Shell, ShellOptions};
use copy_proto::{ContentDigest, EntryKind, RelativePath};

use self::dialect::{Dialect, PartialFile, Receive, RemoteCommand, Send};
use self::script::{Input, NoInput, run};
use crate::content::{PIECE, read_piece, transfer_key};
use crate::error::CopyError;
use crate::file_by_file::{self, Listing, TreeCarrier, whole};
use crate::local::{LocalFile, LocalTarget};
use crate::local_tree::CopiedTree;
use crate::options::{Copied, CopyOptions};
use crate::progress::Progress;
use crate::remote_path::RemotePath;

pub(crate) use self::receiver::Receiver;
pub(crate) use self::windows::check_file_name as check_windows_name;
pub use self::windows::command_line;

/// Shell on the remote machine.
#[derive(Debug)]
pub(crate) struct ShellCarrier {
    shell: Shell,
    dialect: &'static dyn Dialect,
    is_windows: bool,
}

impl ShellCarrier {
    /// Opens a shell.
    pub(crate) async fn open(session: &Session, is_windows: bool) -> Result<Self, CopyError> {
        let dialect: &dyn Dialect = if is_windows { &windows::Windows } else { &posix::Posix };
        Ok(Self { shell: session.shell(ShellOptions::default()).await?, dialect, is_windows })
    }

    pub(crate) fn description(&self) -> &'static str {
        self.dialect.description()
    }

    pub(crate) async fn upload(
        &self,
        source: &LocalFile,
        path: &RemotePath,
        name: Option<&OsStr>,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        if let Some(name) = name {
            self.dialect.check_name(name).map_err(|reason| CopyError::remote(path, reason))?;
        }
        self.upload_to(source, TargetPath { path, name, below: None }, options, progress).await
    }

    async fn upload_to(
        &self,
        source: &LocalFile,
        target: TargetPath<'_>,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let TargetPath { path, name, below } = target;
        let named = below.map(|below| whole(path, below));
        let path_of_error = named.as_ref().unwrap_or(path);
        let digest = source.digest(source.size)?;
        let key = transfer_key(options, path_of_error, digest.as_str());
        let key = key.map_err(|error| source.error(error))?;
        let target = PartialFile { path, name, below, key: &key };
        let offset = if options.resume { self.partial(source, &target).await? } else { None };
        let found = offset.unwrap_or_default();
        source.seek(found)?;
        progress.advance(found);
        let command = self.dialect.receive(&Receive {
            target,
            digest: &digest,
            mode: source.mode,
            is_exact: options.preserve,
            modified: options.preserve.then_some(source.modified),
            offset,
        });
        let input = FileInput { source, left: source.size - found, dialect: self.dialect, progress };
        let text = self.answer(path_of_error, command, input).await?;
        let absolute = text.strip_suffix('\n').unwrap_or(&text).trim_end_matches('\r').to_owned();
        Ok(Copied { path: absolute, size: source.size, found, sha256: digest.as_str().to_owned() })
    }

    /// Returns the length of the partial file if it is the beginning of the source, otherwise 0; `None` if copies to
    /// this machine cannot be resumed.
    async fn partial(&self, source: &LocalFile, target: &PartialFile<'_>) -> Result<Option<u64>, CopyError> {
        let Some(command) = self.dialect.partial(target) else { return Ok(None) };
        let text = self.answer(target.path, command, NoInput).await?;
        let mut words = text.split_whitespace();
        let length = words.next().and_then(|word| word.parse::<u64>().ok());
        let digest = words.next().and_then(ContentDigest::parse);
        let (Some(length), Some(digest)) = (length, digest) else { return Ok(Some(0)) };
        let is_beginning = length <= source.size && source.digest(length)? == digest;
        Ok(Some(if is_beginning { length } else { 0 }))
    }

    /// Runs a command and returns its output as text.
    async fn answer(
        &self,
        path: &RemotePath,
        command: RemoteCommand,
        input: impl Input,
    ) -> Result<String, CopyError> {
        let mut output = Vec::new();
        let ended = run(&self.shell, command, input, |bytes| {
            let room = MAX_ANSWER.saturating_sub(output.len());
            output.extend(bytes.into_iter().take(room));
            Ok(())
        });
        ended.await?.map_err(|reason| CopyError::remote(path, reason))?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    pub(crate) async fn download(
        &self,
        path: &RemotePath,
        target: &LocalTarget,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        self.download_from(path, None, target, options, progress).await
    }

    async fn download_from(
        &self,
        path: &RemotePath,
        below: Option<&RelativePath>,
        target: &LocalTarget,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let named = below.map(|below| whole(path, below));
        let root = path;
        let path = named.as_ref().unwrap_or(path);
        let key = transfer_key(options, path, "").map_err(|error| target.failed(error))?;
        let found = if options.resume { target.begun(&key)? } else { None };
        let command = self.dialect.send(&Send { path: root, below, found });
        let mut receiver = Receiver::new(self.dialect, path, target, key, options, progress);
        let ended = run(&self.shell, command, NoInput, |bytes| receiver.take(&bytes)).await?;
        ended.map_err(|reason| CopyError::remote(path, reason))?;
        receiver.finish()
    }

    pub(crate) async fn close(self) -> Result<(), CopyError> {
        Ok(self.shell.close().await?)
    }
}

impl ShellCarrier {
    /// Returns the kind of a remote file; `None` if it does not exist.
    pub(crate) async fn kind(&self, path: &RemotePath) -> Result<Option<EntryKind>, CopyError> {
        match self.answer(path, self.dialect.kind(path), NoInput).await?.trim() {
            "" => Ok(None),
            "directory" => Ok(Some(EntryKind::Directory)),
            "file" => Ok(Some(EntryKind::File)),
            _ => Ok(Some(EntryKind::Other)),
        }
    }
}

impl ShellCarrier {
    /// Copies the entries of a local directory into a remote one: on Windows by one command, because PowerShell takes
    /// long to start.
    pub(crate) async fn upload_tree(
        &self,
        local: &Path,
        remote: &RemotePath,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<CopiedTree, CopyError> {
        if !self.is_windows {
            return file_by_file::upload_tree(self, local, remote, options, progress).await;
        }
        let mut input = windows::TreeInput::new(local, options, progress)?;
        let mut replies = windows::TreeReplies::new(remote);
        let command = windows::receive_tree(remote);
        let ended = run(&self.shell, command, &mut input, |bytes| replies.take(&bytes)).await?;
        ended.map_err(|reason| CopyError::remote(remote, reason))?;
        replies.finish(input)
    }

    /// Copies the entries of a remote directory into a local one: on Windows by one command.
    pub(crate) async fn download_tree(
        &self,
        remote: &RemotePath,
        local: &Path,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<CopiedTree, CopyError> {
        if !self.is_windows {
            return file_by_file::download_tree(self, remote, local, options, progress).await;
        }
        let mut receiver = windows::TreeReceiver::new(remote, local, options, progress);
        let command = windows::send_tree(remote);
        let ended = run(&self.shell, command, NoInput, |bytes| receiver.take(&bytes)).await?;
        receiver.finish(ended)
    }
}

/// Directories of Linux.
impl TreeCarrier for ShellCarrier {
    async fn make_directory(&self, root: &RemotePath, below: Option<&RelativePath>) -> Result<(), CopyError> {
        let command = posix::Posix::make_directory(root, below);
        let named = below.map(|below| whole(root, below));
        self.answer(named.as_ref().unwrap_or(root), command, NoInput).await.map(drop)
    }

    async fn list(&self, root: &RemotePath) -> Result<Listing, CopyError> {
        let command = posix::Posix::list(root);
        let mut records = Records::default();
        let ended = run(&self.shell, command, NoInput, |bytes| records.take(&bytes, root)).await?;
        records.finish(ended, root)
    }

    async fn upload_below(
        &self,
        source: &LocalFile,
        root: &RemotePath,
        below: &RelativePath,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let target = TargetPath { path: root, name: None, below: Some(below) };
        self.upload_to(source, target, options, progress).await
    }

    async fn download_below(
        &self,
        root: &RemotePath,
        below: &RelativePath,
        target: &LocalTarget,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        self.download_from(root, Some(below), target, options, progress).await
    }
}

/// Target of an upload.
struct TargetPath<'a> {
    path: &'a RemotePath,
    /// Name of the file if the path is a directory.
    name: Option<&'a OsStr>,
    /// Path of the file below the path, which is a directory.
    below: Option<&'a RelativePath>,
}

/// Records of a command that lists a directory.
#[derive(Default)]
struct Records {
    /// Beginning of a record that is not complete.
    rest: Vec<u8>,
    /// Whether the record that begins the list has arrived.
    has_begun: bool,
    listing: Listing,
}

impl Records {
    fn take(&mut self, bytes: &[u8], root: &RemotePath) -> Result<(), CopyError> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == 0) else {
            let is_path = self.rest.len() <= LONGEST_RECORD;
            return if is_path { Ok(()) } else { Err(unexpected(root)) };
        };
        let rest = self.rest.split_off(end + 1);
        let records = std::mem::replace(&mut self.rest, rest);
        for record in records.strip_suffix(&[0]).unwrap_or_default().split(|byte| *byte == 0) {
            if !self.has_begun {
                // A list begins with an empty record.
                self.has_begun = record.is_empty();
                if !self.has_begun {
                    return Err(unexpected(root));
                }
                continue;
            }
            let (kind, path) = record.split_first().ok_or_else(|| unexpected(root))?;
            let kind = match kind {
                b'd' => EntryKind::Directory,
                b'f' => EntryKind::File,
                b'o' => EntryKind::Other,
                _ => return Err(unexpected(root)),
            };
            // A path that leads out of the directory is not parsed.
            let path = RelativePath::new(path).ok_or_else(|| unexpected(root))?;
            if !self.listing.add(kind, path) {
                return Err(CopyError::remote(root, "the directory has too many entries"));
            }
        }
        Ok(())
    }

    fn finish(self, ended: Result<(), String>, root: &RemotePath) -> Result<Listing, CopyError> {
        let Self { rest, has_begun, mut listing } = self;
        match ended {
            Err(reason) if !has_begun => return Err(CopyError::remote(root, reason)),
            Err(reason) => listing.incomplete = Some(format!("{root}: the list is incomplete: {reason}")),
            Ok(()) if !has_begun || !rest.is_empty() => return Err(unexpected(root)),
            Ok(()) => {}
        }
        Ok(listing)
    }
}

fn unexpected(path: &RemotePath) -> CopyError {
    CopyError::remote(path, "the remote machine has sent an unexpected response")
}

/// Content of a file as input of a command.
struct FileInput<'a> {
    source: &'a LocalFile,
    left: u64,
    dialect: &'static dyn Dialect,
    progress: &'a dyn Progress,
}

impl Input for FileInput<'_> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, CopyError> {
        if self.progress.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        let piece = read_piece(self.source.file(), self.left, PIECE);
        let piece = piece.map_err(|error| self.source.error(error))?;
        if piece.is_empty() {
            return Ok(None);
        }
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(length);
        self.progress.advance(length);
        Ok(Some(self.dialect.encode(&piece)))
    }
}

/// Maximum length of a record of a list in bytes.
const LONGEST_RECORD: usize = 8_192;
/// Maximum length of the answer of a command in bytes; it contains a path or a number.
const MAX_ANSWER: usize = 64 * 1_024;
