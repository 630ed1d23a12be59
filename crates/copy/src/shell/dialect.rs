//! Commands that a carrier runs on the remote machine, and the encoding of their streams.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;

use client::Interpreter;
use copy_proto::{Begun, ContentDigest, RelativePath};
use wsman::shell::CommandLine;

use crate::RemotePath;

/// Commands for one kind of remote machine.
pub(super) trait Dialect: fmt::Debug + std::marker::Send + Sync {
    /// Description of the carrier for users.
    fn description(&self) -> &'static str;

    /// Checks that the remote machine can have a file of this name in a directory.
    fn check_name(&self, name: &OsStr) -> Result<(), String>;

    /// Returns a command that writes its input to a file, and prints its absolute path.
    fn receive(&self, request: &Receive<'_>) -> RemoteCommand;

    /// Returns a command that prints size and SHA-256 of a partial file, or nothing; `None` if copies to this kind of
    /// machine cannot be resumed.
    fn partial(&self, file: &PartialFile<'_>) -> Option<RemoteCommand>;

    /// Returns a command that prints the kind of a file: `directory`, `file`, `other`, or nothing if it does not exist.
    fn kind(&self, path: &RemotePath) -> RemoteCommand;

    /// Returns a command that prints a [`SentFile`](super::receiver::SentFile) line and then the file.
    fn send(&self, request: &Send<'_>) -> RemoteCommand;

    /// Encodes data for the input of the receiving command.
    fn encode(&self, bytes: &[u8]) -> Vec<u8>;

    /// Decodes output of the sending command, which may be split at any byte; removes the decoded part from `text`.
    fn decode(&self, text: &mut Vec<u8>, end: End) -> Result<Vec<u8>, String>;
}

/// Command line and its interpreter.
pub(super) struct RemoteCommand {
    pub(super) line: CommandLine,
    pub(super) interpreter: Interpreter,
    /// Beginning of the input.
    pub(super) prelude: Vec<u8>,
}

/// Target of an upload, with the key of its temporary file.
pub(super) struct PartialFile<'a> {
    pub(super) path: &'a RemotePath,
    /// Name of the file if the path is a directory.
    pub(super) name: Option<&'a OsStr>,
    /// Path of the file below the path, which is a directory.
    pub(super) below: Option<&'a RelativePath>,
    pub(super) key: &'a str,
}

impl PartialFile<'_> {
    pub(super) fn name_bytes(&self) -> &[u8] {
        self.name.map(OsStr::as_bytes).unwrap_or_default()
    }
}

/// Upload of a file.
pub(super) struct Receive<'a> {
    pub(super) target: PartialFile<'a>,
    /// Digest of the complete file.
    pub(super) digest: &'a ContentDigest,
    /// Permissions of the source.
    pub(super) mode: u32,
    /// Whether the file gets exactly these permissions.
    pub(super) is_exact: bool,
    /// Time of modification to set, in seconds since 1970.
    pub(super) modified: Option<u64>,
    /// Length of the partial file to continue; `None` if the copy cannot be resumed later.
    pub(super) offset: Option<u64>,
}

/// Download of a file.
pub(super) struct Send<'a> {
    pub(super) path: &'a RemotePath,
    /// Path of the file below the path, which is a directory.
    pub(super) below: Option<&'a RelativePath>,
    /// Beginning of the file that an earlier attempt has copied.
    pub(super) found: Option<Begun>,
}

/// Whether more data follows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Open,
    Here,
}
