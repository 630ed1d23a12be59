//! Carrier over commands of the remote shell.
//!
//! One command receives or sends one file. All commands run in the same shell.

mod dialect;
mod posix;
mod receiver;
mod script;
mod windows;

use std::ffi::OsStr;

use client::{Session, Shell, ShellOptions};
use copy_proto::ContentDigest;

use self::dialect::{Dialect, PartialFile, Receive, RemoteCommand, Send};
use self::script::{Input, NoInput, run};
use crate::content::{PIECE, next_piece, transfer_key};
use crate::error::CopyError;
use crate::local::{LocalFile, LocalTarget};
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
}

impl ShellCarrier {
    /// Opens a shell.
    pub(crate) async fn open(session: &Session, is_windows: bool) -> Result<Self, CopyError> {
        let dialect: &dyn Dialect = if is_windows { &windows::Windows } else { &posix::Posix };
        Ok(Self { shell: session.shell(ShellOptions::default()).await?, dialect })
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
        let digest = source.digest(source.size)?;
        let key = transfer_key(options, path, digest.as_str()).map_err(|error| source.error(error))?;
        let target = PartialFile { path, name, key: &key };
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
        let text = self.answer(path, command, input).await?;
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
        let key = transfer_key(options, path, "").map_err(|error| target.failed(error))?;
        let found = if options.resume { target.begun(&key)? } else { None };
        let command = self.dialect.send(&Send { path, found });
        let mut receiver = Receiver::new(self.dialect, path, target, key, options, progress);
        let ended = run(&self.shell, command, NoInput, |bytes| receiver.take(&bytes)).await?;
        ended.map_err(|reason| CopyError::remote(path, reason))?;
        receiver.finish()
    }

    pub(crate) async fn close(self) -> Result<(), CopyError> {
        Ok(self.shell.close().await?)
    }
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
        let mut buffer = vec![0; PIECE];
        let piece = next_piece(self.source.file(), self.left, &mut buffer);
        let piece = piece.map_err(|error| self.source.error(error))?;
        if piece.is_empty() {
            return Ok(None);
        }
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(length);
        self.progress.advance(length);
        Ok(Some(self.dialect.encode(piece)))
    }
}

/// Maximum length of the answer of a command in bytes; it contains a path or a number.
const MAX_ANSWER: usize = 64 * 1_024;
