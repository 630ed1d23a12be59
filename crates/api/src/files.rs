//! Files to the other machine and from it, through its shell.
//!
//! A file travels over the input or output of one command, and its SHA-256 is compared at the other end before it gets
//! its name. A service of POSIX takes the octets as they are; one of Windows takes them as lines of base64, which its
//! PowerShell reads.

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

/// How the commands of one kind of machine are written, and how octets travel through them.
trait Dialect: Send + Sync {
    /// A command that reads a file from its input, gives it its name if it is the one of this digest, and prints its
    /// whole path.
    fn receive(&self, path: &str, digest: &str) -> String;

    /// A command that prints the digest of a file and a line end to its error output, and the file to its output.
    fn send(&self, path: &str) -> String;

    /// Octets as the command reads them.
    fn encode(&self, octets: &[u8]) -> Vec<u8>;

    /// Octets as the command has written them; pieces come as they were cut on the way.
    fn decode(&self, text: &mut Vec<u8>, end: End) -> Result<Vec<u8>, String>;
}

/// Whether more is to come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Here,
}

impl Session {
    /// Copies a file of this machine to `remote`, a path on the other one, and returns the whole path it has there.
    ///
    /// A file that is there is replaced when all of the new one has arrived unharmed, not before.
    ///
    /// # Errors
    /// [`Error::File`] for the file here, [`Error::Copy`] for the one there, and what else can go wrong on the way.
    pub async fn copy(&self, local: impl AsRef<Path>, remote: &str) -> Result<String, Error> {
        let dialect = self.dialect().await?;
        let named = |source| Error::File { path: local.as_ref().display().to_string(), source };
        let mut file = File::open(local.as_ref()).map_err(named)?;
        let digest = digest_of(&mut file).map_err(named)?;
        let refused = |reason: String| Error::Copy { path: remote.to_owned(), reason };

        let shell = self.shell(ShellOptions::default()).await?;
        let sent = async {
            let command =
                shell.start(&dialect.receive(remote, &digest), &[], CommandOptions::default()).await?;
            let controls = command.controls();
            let mut buffer = vec![0; PIECE];
            loop {
                let count = file.read(&mut buffer).map_err(named)?;
                let piece = buffer.get(..count).unwrap_or_default();
                if piece.is_empty() || ended(controls.write(&dialect.encode(piece)).await)? {
                    break;
                }
            }
            ended(controls.close_input().await)?;
            let finished = rest_of(command).await?;
            match finished.exit_code {
                0 => Ok(String::from_utf8_lossy(&finished.output).trim().to_owned()),
                _ => Err(refused(finished.reason())),
            }
        };
        closing(sent.await, shell).await
    }

    /// Fetches `remote`, a file of the other machine, to `local`, a path on this one.
    ///
    /// A file that is there is replaced when all of the new one has arrived unharmed, not before.
    ///
    /// # Errors
    /// [`Error::File`] for the file here, [`Error::Copy`] for the one there, and what else can go wrong on the way.
    pub async fn fetch(&self, remote: &str, local: impl AsRef<Path>) -> Result<(), Error> {
        let dialect = self.dialect().await?;
        let local = local.as_ref();
        let named = |source| Error::File { path: local.display().to_string(), source };
        let refused = |reason: String| Error::Copy { path: remote.to_owned(), reason };
        let folder = local.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut arriving = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(named)?;

        let shell = self.shell(ShellOptions::default()).await?;
        let got = async {
            let mut command = shell.start(&dialect.send(remote), &[], CommandOptions::default()).await?;
            let (mut digest, mut text, mut told) = (Sha256::new(), Vec::new(), Vec::new());
            let exit_code = loop {
                let end = match command.next_output().await? {
                    Output::Stdout(octets) => {
                        text.extend_from_slice(&octets);
                        End::Open
                    }
                    Output::Stderr(octets) => {
                        let room = MOST_TOLD.saturating_sub(told.len());
                        told.extend(octets.into_iter().take(room));
                        continue;
                    }
                    Output::Done { exit_code } if exit_code != 0 => break exit_code,
                    Output::Done { .. } => End::Here,
                    _ => continue,
                };
                let octets = dialect.decode(&mut text, end).map_err(refused)?;
                digest.update(&octets);
                arriving.write_all(&octets).map_err(named)?;
                if end == End::Here {
                    break 0;
                }
            };
            command.finish().await?;
            let told = String::from_utf8_lossy(&told).trim().to_owned();
            if exit_code != 0 {
                return Err(refused(told));
            }
            // Shells may say something of their own first.
            let expected = told.lines().last().unwrap_or_default().trim();
            if expected.eq_ignore_ascii_case(&hex(&digest.finalize())) {
                Ok(())
            } else {
                Err(refused("what has arrived is not what was sent: its SHA-256 is another".to_owned()))
            }
        };
        closing(got.await, shell).await?;
        arriving.persist(local).map(drop).map_err(|error| named(error.error))
    }

    /// What the other machine speaks, as it says itself.
    async fn dialect(&self) -> Result<Box<dyn Dialect>, Error> {
        Ok(if self.is_windows().await? { Box::new(powershell::Windows) } else { Box::new(posix::Posix) })
    }
}

/// Whether the command has ended, so that the rest of its input is of no use.
fn ended(sent: Result<(), Error>) -> Result<bool, Error> {
    match sent {
        Err(error) if error.failed().is_some_and(|failed| failed.error().is_gone()) => Ok(true),
        sent => sent.map(|()| false),
    }
}

/// What a command said after its input had ended.
struct Rest {
    output: Vec<u8>,
    told: Vec<u8>,
    exit_code: i32,
}

impl Rest {
    fn reason(&self) -> String {
        match String::from_utf8_lossy(&self.told).trim() {
            "" => format!("the command ended with {}", self.exit_code),
            told => told.to_owned(),
        }
    }
}

async fn rest_of(mut command: Command) -> Result<Rest, Error> {
    let mut rest = Rest { output: Vec::new(), told: Vec::new(), exit_code: 0 };
    loop {
        let (octets, to) = match command.next_output().await? {
            Output::Stdout(octets) => (octets, &mut rest.output),
            Output::Stderr(octets) => (octets, &mut rest.told),
            Output::Done { exit_code } => {
                rest.exit_code = exit_code;
                command.finish().await?;
                return Ok(rest);
            }
            _ => continue,
        };
        let room = MOST_TOLD.saturating_sub(to.len());
        to.extend(octets.into_iter().take(room));
    }
}

/// Closes the shell whatever came of its work; what went wrong first counts.
async fn closing<T>(done: Result<T, Error>, shell: Shell) -> Result<T, Error> {
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

/// How much of a file is in memory at once.
const PIECE: usize = 96 * 1_024;
/// How much is kept of what a command says beside a file.
const MOST_TOLD: usize = 64 * 1_024;
