//! File transfer through the remote shell.
//!
//! A file is the input or the output of one command; its SHA-256 is compared at the receiving end before the file gets
//! its name. POSIX shells transfer the bytes unchanged, Windows PowerShell as lines of base64.

mod posix;
mod powershell;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use client::{CommandOptions, Output, ShellOptions};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::session::Session;
use crate::shell::{Command, Shell};

/// Commands for one kind of remote machine, and the encoding of data for them.
trait Dialect: Send + Sync {
    /// Returns a command that reads a file from its input, moves it to `path` if its SHA-256 is `digest`, and prints its
    /// absolute path.
    fn receive(&self, path: &str, digest: &str) -> String;

    /// Returns a command that prints the SHA-256 of a file to its error output, and the file to its output.
    fn send(&self, path: &str) -> String;

    /// Encodes data for the input of the receiving command.
    fn encode(&self, octets: &[u8]) -> Vec<u8>;

    /// Decodes output of the sending command, which may be split at any byte; removes the decoded part from `text`.
    fn decode(&self, text: &mut Vec<u8>, end: End) -> Result<Vec<u8>, String>;
}

/// Whether more data follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Here,
}

impl Session {
    /// Copies a local file to `remote`, a path on the remote machine, and returns its absolute path there.
    ///
    /// An existing file is replaced only after all data has arrived and its SHA-256 matches.
    ///
    /// # Errors
    /// [`Error::File`] for the local file, [`Error::Copy`] for the remote file, [`Error`] if a request fails.
    pub async fn copy(&self, local: impl AsRef<Path>, remote: &str) -> Result<String, Error> {
        let dialect = self.dialect().await?;
        let local = local.as_ref();
        let mut file = File::open(local).map_err(|source| file_error(local, source))?;
        let digest = digest_of(&mut file).map_err(|source| file_error(local, source))?;

        let shell = self.shell(ShellOptions::default()).await?;
        let sent = async {
            let command =
                shell.start(&dialect.receive(remote, &digest), &[], CommandOptions::default()).await?;
            let controls = command.controls();
            let mut buffer = vec![0; PIECE];
            loop {
                let count = file.read(&mut buffer).map_err(|source| file_error(local, source))?;
                let piece = buffer.get(..count).unwrap_or_default();
                if piece.is_empty() || check_ended(controls.write(&dialect.encode(piece)).await)? {
                    break;
                }
            }
            check_ended(controls.close_input().await)?;
            let outcome = collect_outcome(command).await?;
            match outcome.exit_code {
                0 => Ok(String::from_utf8_lossy(&outcome.stdout).trim().to_owned()),
                _ => Err(copy_error(remote, outcome.reason())),
            }
        };
        close_after(sent.await, shell).await
    }

    /// Fetches `remote`, a file on the remote machine, to the local path `local`.
    ///
    /// An existing file is replaced only after all data has arrived and its SHA-256 matches.
    ///
    /// # Errors
    /// [`Error::File`] for the local file, [`Error::Copy`] for the remote file, [`Error`] if a request fails.
    pub async fn fetch(&self, remote: &str, local: impl AsRef<Path>) -> Result<(), Error> {
        let dialect = self.dialect().await?;
        let local = local.as_ref();
        let directory = local.parent().filter(|directory| !directory.as_os_str().is_empty());
        let mut arriving = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .tempfile_in(directory.unwrap_or(Path::new(".")))
            .map_err(|source| file_error(local, source))?;

        let shell = self.shell(ShellOptions::default()).await?;
        let got = async {
            let mut command = shell.start(&dialect.send(remote), &[], CommandOptions::default()).await?;
            let (mut digest, mut text, mut stderr) = (Sha256::new(), Vec::new(), Vec::new());
            let exit_code = loop {
                let end = match command.next_output().await? {
                    Output::Stdout(octets) => {
                        text.extend_from_slice(&octets);
                        End::Open
                    }
                    Output::Stderr(octets) => {
                        let room = MAX_TEXT.saturating_sub(stderr.len());
                        stderr.extend(octets.into_iter().take(room));
                        continue;
                    }
                    Output::Done { exit_code } if exit_code != 0 => break exit_code,
                    Output::Done { .. } => End::Here,
                    _ => continue,
                };
                let octets = dialect.decode(&mut text, end).map_err(|reason| copy_error(remote, reason))?;
                digest.update(&octets);
                arriving.write_all(&octets).map_err(|source| file_error(local, source))?;
                if end == End::Here {
                    break 0;
                }
            };
            command.finish().await?;
            let stderr = String::from_utf8_lossy(&stderr).trim().to_owned();
            if exit_code != 0 {
                return Err(copy_error(remote, stderr));
            }
            // The shell may print messages before the digest.
            let expected = stderr.lines().last().unwrap_or_default().trim();
            if expected.eq_ignore_ascii_case(&hex(&digest.finalize())) {
                Ok(())
            } else {
                Err(copy_error(remote, "the SHA-256 of the received data does not match".to_owned()))
            }
        };
        close_after(got.await, shell).await?;
        arriving.persist(local).map(drop).map_err(|error| file_error(local, error.error))
    }

    /// Returns the commands for the operating system that the remote machine reports.
    async fn dialect(&self) -> Result<Box<dyn Dialect>, Error> {
        Ok(if self.detect_windows().await? { Box::new(powershell::Windows) } else { Box::new(posix::Posix) })
    }
}

fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}

fn copy_error(remote: &str, reason: String) -> Error {
    Error::Copy { path: remote.to_owned(), reason }
}

/// Returns whether the command has ended, so that it reads no more input.
fn check_ended(sent: Result<(), Error>) -> Result<bool, Error> {
    match sent {
        Err(error) if error.details().is_some_and(|failed| failed.error().is_gone()) => Ok(true),
        sent => sent.map(|()| false),
    }
}

/// Outcome of a command that has read its input.
struct CommandOutcome {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    exit_code: i32,
}

impl CommandOutcome {
    fn reason(&self) -> String {
        match String::from_utf8_lossy(&self.stderr).trim() {
            "" => format!("the command ended with exit code {}", self.exit_code),
            message => message.to_owned(),
        }
    }
}

async fn collect_outcome(mut command: Command) -> Result<CommandOutcome, Error> {
    let mut outcome = CommandOutcome { stdout: Vec::new(), stderr: Vec::new(), exit_code: 0 };
    loop {
        let (octets, to) = match command.next_output().await? {
            Output::Stdout(octets) => (octets, &mut outcome.stdout),
            Output::Stderr(octets) => (octets, &mut outcome.stderr),
            Output::Done { exit_code } => {
                outcome.exit_code = exit_code;
                command.finish().await?;
                return Ok(outcome);
            }
            _ => continue,
        };
        let room = MAX_TEXT.saturating_sub(to.len());
        to.extend(octets.into_iter().take(room));
    }
}

/// Closes the shell after its work; an error of the work takes precedence.
async fn close_after<T>(done: Result<T, Error>, shell: Shell) -> Result<T, Error> {
    let closed = shell.close().await;
    let done = done?;
    closed.map(|()| done)
}

fn digest_of(file: &mut File) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; PIECE];
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            None | Some([]) => break,
            Some(piece) => digest.update(piece),
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(hex(&digest.finalize()))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Number of bytes read at a time.
const PIECE: usize = 96 * 1_024;
/// Maximum number of bytes of the messages of a command that are kept.
const MAX_TEXT: usize = 64 * 1_024;
