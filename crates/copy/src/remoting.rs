//! Carrier over pipelines of PowerShell remoting.
//!
//! Contents are objects of type `byte[]`. An upload is divided over several pipelines, because services limit the input
//! of one pipeline (50 MB on Windows); each appends to the partial file at a given position.

mod exchange;
mod script;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::time::Duration;

use client::{Error, PoolOptions, RunspacePool, Session};
use copy_proto::ContentDigest;
use psrp::clixml::Value;
use tokio::time::timeout;

use self::exchange::{Exchange, FileInput, run};
use self::script::Script;
use crate::content::transfer_key;
use crate::error::CopyError;
use crate::local::{LocalFile, LocalTarget};
use crate::options::{Copied, CopyOptions};
use crate::progress::Progress;
use crate::remote_path::RemotePath;
use crate::shell::{Receiver, check_windows_name};

/// Open runspace pool on the remote machine.
#[derive(Debug)]
pub(crate) struct RemotingCarrier {
    pool: RunspacePool,
    is_windows: bool,
}

impl RemotingCarrier {
    /// Opens a runspace pool; `None` if the service has no endpoint that runs scripts for this user.
    ///
    /// # Errors
    /// [`CopyError::Request`] if a request fails.
    pub(crate) async fn probe(session: &Session, is_windows: bool) -> Result<Option<Self>, CopyError> {
        match Self::open(session, is_windows).await {
            Ok(carrier) => Ok(Some(carrier)),
            Err(CopyError::Request(Error::Fault(fault))) => {
                tracing::debug!(reason = fault.reason(), "PowerShell remoting is not available");
                Ok(None)
            }
            Err(CopyError::Remoting { reason }) => {
                tracing::debug!(reason, "PowerShell remoting cannot copy files");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens a runspace pool, and checks that its endpoint runs scripts.
    ///
    /// # Errors
    /// [`CopyError::Remoting`] if the endpoint restricts scripts; [`CopyError::Request`] if a request fails.
    pub(crate) async fn open(session: &Session, is_windows: bool) -> Result<Self, CopyError> {
        let pool = session.runspace_pool(PoolOptions::default()).await?;
        match language_mode(&pool).await {
            Ok(mode) if mode == "FullLanguage" => Ok(Self { pool, is_windows }),
            mode => {
                let _ = timeout(END_TIMEOUT, pool.close()).await;
                let reason = match mode? {
                    mode if mode.is_empty() => "its PowerShell endpoint runs no scripts".to_owned(),
                    mode => format!("its PowerShell endpoint has the language mode {mode:?}"),
                };
                Err(CopyError::Remoting { reason })
            }
        }
    }

    pub(crate) async fn upload(
        &self,
        source: &LocalFile,
        path: &RemotePath,
        name: Option<&OsStr>,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let digest = source.digest(source.size)?;
        let key = transfer_key(options, path, digest.as_str()).map_err(|error| source.error(error))?;
        let target = Target { path, text: text_of(path)?, name: self.name(path, name)?, key };
        let uploaded = self.send_file(source, &target, &digest, options, progress).await;
        if uploaded.is_err() && !options.resume {
            // The first error is the reason.
            let discarding = self.answer(&target, target.script(Script::Discard));
            let _ = timeout(END_TIMEOUT, discarding).await;
        }
        uploaded
    }

    async fn send_file(
        &self,
        source: &LocalFile,
        target: &Target<'_>,
        digest: &ContentDigest,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let found = if options.resume { self.begun(source, target).await? } else { 0 };
        progress.advance(found);
        source.seek(found)?;
        let (mut offset, mut how) = (found, if options.resume { "OpenOrCreate" } else { "CreateNew" });
        loop {
            let length = (source.size - offset).min(RANGE);
            let position = i64::try_from(offset).unwrap_or(i64::MAX);
            let script = target.script(Script::Receive).with("how", how).with("offset", position);
            let input = FileInput { source, left: length, progress };
            let exchange = Exchange { path: target.path, script, input: Some(input), progress };
            run(&self.pool, exchange, |_| Ok(())).await?;
            (offset, how) = (offset + length, "Open");
            if offset == source.size {
                break;
            }
        }
        // Without --preserve, a new file is writable for its owner only.
        let mode = if options.preserve { source.mode } else { source.mode & 0o755 };
        let time = if options.preserve { i64::try_from(source.modified).unwrap_or(-1) } else { -1 };
        let script = target.script(Script::Finish).with("digest", digest.as_str());
        let script = script.with("mode", format!("{mode:o}")).with("exact", options.preserve);
        let path = self.answer(target, script.with("time", time)).await?;
        Ok(Copied { path, size: source.size, found, sha256: digest.as_str().to_owned() })
    }

    /// Returns the length of the partial file if it is the beginning of the source, otherwise 0.
    async fn begun(&self, source: &LocalFile, target: &Target<'_>) -> Result<u64, CopyError> {
        let text = self.answer(target, target.script(Script::Begun)).await?;
        let mut words = text.split_whitespace();
        let length = words.next().and_then(|word| word.parse::<u64>().ok());
        let digest = words.next().and_then(ContentDigest::parse);
        let (Some(length), Some(digest)) = (length, digest) else { return Ok(0) };
        let is_beginning = length <= source.size && source.digest(length)? == digest;
        Ok(if is_beginning { length } else { 0 })
    }

    /// Runs a script and returns its last text.
    async fn answer(&self, target: &Target<'_>, script: script::Call) -> Result<String, CopyError> {
        let mut answer = String::new();
        // A script that only answers ends soon, and its end is not to be cancelled.
        let progress = &crate::progress::NoProgress;
        let exchange = Exchange { path: target.path, script, input: None, progress };
        let running = run(&self.pool, exchange, |value| {
            if let Some(text) = value.as_str().filter(|text| text.len() <= MAX_ANSWER) {
                text.clone_into(&mut answer);
            }
            Ok(())
        });
        running.await?;
        Ok(answer)
    }

    pub(crate) async fn download(
        &self,
        path: &RemotePath,
        target: &LocalTarget,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let key = transfer_key(options, path, "").map_err(|error| target.failed(error))?;
        let begun = if options.resume { target.begun(&key)? } else { None };
        let (length, digest) = begun.as_ref().map_or((0, ""), |begun| (begun.length, begun.digest.as_str()));
        let script = Script::Send.call().with("path", text_of(path)?).with("digest", digest);
        let script = script.with("begun", i64::try_from(length).unwrap_or(0));
        let mut receiver = Receiver::of_bytes(path, target, key, options, progress);
        let mut has_begun = false;
        let exchange = Exchange { path, script, input: None, progress };
        let running = run(&self.pool, exchange, |value| match (value.as_str(), value.as_bytes()) {
            (Some(line), _) if !has_begun => {
                has_begun = true;
                receiver.take(format!("{line}\n").as_bytes())
            }
            (_, Some(bytes)) if has_begun => receiver.take(bytes),
            _ => Err(CopyError::remote(path, "the remote machine has sent an unexpected response")),
        });
        running.await?;
        receiver.finish()
    }

    pub(crate) async fn close(self) -> Result<(), CopyError> {
        Ok(self.pool.close().await?)
    }

    /// Returns the name of a copy in a directory.
    fn name(&self, path: &RemotePath, name: Option<&OsStr>) -> Result<String, CopyError> {
        let Some(name) = name else { return Ok(String::new()) };
        if self.is_windows {
            check_windows_name(name).map_err(|reason| CopyError::remote(path, reason))?;
        }
        let text = name.to_str().ok_or_else(|| CopyError::remote(path, NOT_UTF_8))?;
        Ok(text.to_owned())
    }
}

/// Target of an upload.
struct Target<'a> {
    path: &'a RemotePath,
    /// The path as text.
    text: String,
    /// Name of the file if the path is a directory.
    name: String,
    /// Key of the temporary file.
    key: String,
}

impl Target<'_> {
    /// Returns a call of a script with the target.
    fn script(&self, script: Script) -> script::Call {
        let call = script.call().with("path", self.text.as_str());
        call.with("name", self.name.as_str()).with("key", self.key.as_str())
    }
}

/// Returns a path as text of PowerShell.
fn text_of(path: &RemotePath) -> Result<String, CopyError> {
    let text = std::str::from_utf8(path.as_bytes()).map_err(|_| CopyError::remote(path, NOT_UTF_8))?;
    Ok(text.to_owned())
}

/// Returns the language mode of the endpoint; empty if it runs no scripts.
async fn language_mode(pool: &RunspacePool) -> Result<String, CopyError> {
    let path = RemotePath::from(".");
    let (script, progress) = (Script::LanguageMode.call(), &crate::progress::NoProgress);
    let mut mode = String::new();
    let exchange = Exchange { path: &path, script, input: None, progress };
    let running = run(pool, exchange, |value: Value| {
        mode = value.as_str().unwrap_or_default().chars().take(MAX_MODE).collect();
        Ok(())
    });
    match running.await {
        Err(CopyError::Remote { .. }) => Ok(String::new()),
        ended => ended.map(|()| mode),
    }
}

const NOT_UTF_8: &str = "the name is not UTF-8, so PowerShell cannot open it; copy it with --carrier winrs";
/// Number of bytes that one pipeline receives.
const RANGE: u64 = 16 << 20;
/// Maximum length of the answer of a script in bytes; it contains a path or a number.
const MAX_ANSWER: usize = 64 * 1_024;
/// Maximum length of the name of a language mode in characters.
const MAX_MODE: usize = 40;
/// Time to remove a temporary file, and to close the pool.
const END_TIMEOUT: Duration = Duration::from_secs(5);
