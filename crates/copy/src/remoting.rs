//! Carrier over pipelines of PowerShell remoting.
//!
//! Contents are objects of type `byte[]`. An upload is divided over several pipelines, because services limit the input
//! of one pipeline (50 MB on Windows); each appends to the partial file at a given position.

mod exchange;
mod script;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use client::{Error, PoolOptions, RunspacePool, Session};
use copy_proto::{ContentDigest, EntryKind, RelativePath};
use psrp::clixml::Value;
use tokio::time::timeout;

use self::exchange::{Exchange, FileInput, run};
use self::script::Script;
use crate::content::transfer_key;
use crate::error::CopyError;
use crate::file_by_file::{Listing, TreeCarrier, whole};
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
        let place = Place::Path { path: text_of(path)?, name: self.name(path, name)? };
        self.upload_to(source, path, place, options, progress).await
    }

    async fn upload_to(
        &self,
        source: &LocalFile,
        path: &RemotePath,
        place: Place,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let digest = source.digest(source.size)?;
        let key = transfer_key(options, path, digest.as_str()).map_err(|error| source.error(error))?;
        let target = Target { path, place, key };
        let uploaded = self.send_file(source, &target, &digest, options, progress).await;
        if uploaded.is_err() && !options.resume {
            // The first error is the reason.
            let discarding = self.answer(path, target.script(Script::Discard));
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
        let path = self.answer(target.path, script.with("time", time)).await?;
        Ok(Copied { path, size: source.size, found, sha256: digest.as_str().to_owned() })
    }

    /// Returns the length of the partial file if it is the beginning of the source, otherwise 0.
    async fn begun(&self, source: &LocalFile, target: &Target<'_>) -> Result<u64, CopyError> {
        let text = self.answer(target.path, target.script(Script::Begun)).await?;
        let mut words = text.split_whitespace();
        let length = words.next().and_then(|word| word.parse::<u64>().ok());
        let digest = words.next().and_then(ContentDigest::parse);
        let (Some(length), Some(digest)) = (length, digest) else { return Ok(0) };
        let is_beginning = length <= source.size && source.digest(length)? == digest;
        Ok(if is_beginning { length } else { 0 })
    }

    /// Runs a script and returns its last text.
    async fn answer(&self, path: &RemotePath, script: script::Call) -> Result<String, CopyError> {
        let mut answer = String::new();
        // A script that only answers ends soon, and its end is not to be cancelled.
        let progress = &crate::progress::NoProgress;
        let exchange = Exchange { path, script, input: None, progress };
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
        let script = Script::Send.call().with("path", text_of(path)?);
        self.download_with(script, path, target, options, progress).await
    }

    async fn download_with(
        &self,
        script: script::Call,
        path: &RemotePath,
        target: &LocalTarget,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let key = transfer_key(options, path, "").map_err(|error| target.failed(error))?;
        let begun = if options.resume { target.begun(&key)? } else { None };
        let (length, digest) = begun.as_ref().map_or((0, ""), |begun| (begun.length, begun.digest.as_str()));
        let script = script.with("digest", digest);
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

    /// Returns the kind of a remote file; `None` if it does not exist.
    pub(crate) async fn kind(&self, path: &RemotePath) -> Result<Option<EntryKind>, CopyError> {
        match self.answer(path, Script::Kind.call().with("path", text_of(path)?)).await?.as_str() {
            "" => Ok(None),
            "directory" => Ok(Some(EntryKind::Directory)),
            _ => Ok(Some(EntryKind::File)),
        }
    }

    /// Returns a place below a directory, whose missing directories are created.
    fn below(&self, root: &RemotePath, below: &RelativePath) -> Result<Place, CopyError> {
        if self.is_windows {
            for name in below.as_bytes().split(|byte| *byte == b'/') {
                let checked = check_windows_name(OsStr::from_bytes(name));
                checked.map_err(|reason| CopyError::remote(&whole(root, below), reason))?;
            }
        }
        let text = std::str::from_utf8(below.as_bytes());
        let text = text.map_err(|_| CopyError::remote(&whole(root, below), NOT_UTF_8))?;
        let (parent, leaf) = text.rsplit_once('/').unwrap_or(("", text));
        Ok(Place::Below { root: text_of(root)?, parent: parent.to_owned(), leaf: leaf.to_owned() })
    }

    /// Lists one directory.
    async fn list_one(
        &self,
        root: &RemotePath,
        directory: Option<&RelativePath>,
        listing: &mut Listing,
    ) -> Result<Vec<RelativePath>, CopyError> {
        let named = directory.map_or_else(|| root.clone(), |directory| whole(root, directory));
        let below = String::from_utf8_lossy(directory.map(RelativePath::as_bytes).unwrap_or_default());
        let script = Script::List.call_below().with("root", text_of(root)?).with("below", &*below);
        let script = script.with("leaf", "").with("make", false);
        let mut directories = Vec::new();
        let exchange = Exchange { path: &named, script, input: None, progress: &crate::progress::NoProgress };
        let running = run(&self.pool, exchange, |value| {
            let entry = value.as_str().and_then(|text| entry_of(text, directory));
            let (kind, path) = entry.ok_or_else(|| {
                CopyError::remote(&named, "the remote machine has sent an unexpected response")
            })?;
            if kind == EntryKind::Directory {
                directories.push(path.clone());
            }
            match listing.add(kind, path) {
                true => Ok(()),
                false => Err(CopyError::remote(root, "the directory has too many entries")),
            }
        });
        running.await?;
        Ok(directories)
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

impl TreeCarrier for RemotingCarrier {
    async fn make_directory(&self, root: &RemotePath, below: Option<&RelativePath>) -> Result<(), CopyError> {
        let (place, named) = match below {
            Some(below) => (self.below(root, below)?, whole(root, below)),
            None => {
                let (parent, leaf) = (String::new(), String::new());
                (Place::Below { root: text_of(root)?, parent, leaf }, root.clone())
            }
        };
        self.answer(&named, place.of_directory(Script::MakeDirectory)).await.map(drop)
    }

    async fn list(&self, root: &RemotePath) -> Result<Listing, CopyError> {
        let mut listing = Listing::default();
        let mut waiting = self.list_one(root, None, &mut listing).await?;
        while let Some(directory) = waiting.pop() {
            match self.list_one(root, Some(&directory), &mut listing).await {
                Ok(found) => waiting.extend(found),
                Err(CopyError::Remote { path, reason }) => {
                    listing.incomplete.get_or_insert_with(|| format!("{path}: {reason}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(listing)
    }

    async fn upload_below(
        &self,
        source: &LocalFile,
        root: &RemotePath,
        below: &RelativePath,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let place = self.below(root, below)?;
        self.upload_to(source, &whole(root, below), place, options, progress).await
    }

    async fn download_below(
        &self,
        root: &RemotePath,
        below: &RelativePath,
        target: &LocalTarget,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let script = self.below(root, below)?.script(Script::Send, false);
        self.download_with(script, &whole(root, below), target, options, progress).await
    }
}

/// Place of a remote file.
enum Place {
    Path {
        path: String,
        /// Name of the file if the path is a directory.
        name: String,
    },
    /// File below a directory.
    Below {
        root: String,
        /// Path of the file's directory below the root.
        parent: String,
        /// Name of the file.
        leaf: String,
    },
}

impl Place {
    /// Returns a call of a script for the file. `make` creates missing directories.
    fn script(&self, script: Script, make: bool) -> script::Call {
        match self {
            Self::Path { path, name } => {
                script.call().with("path", path.as_str()).with("name", name.as_str())
            }
            Self::Below { root, parent, leaf } => {
                let call = script.call_below().with("root", root.as_str()).with("below", parent.as_str());
                call.with("leaf", leaf.as_str()).with("make", make)
            }
        }
    }

    /// Returns a call of a script for the file as a directory, which is created.
    fn of_directory(&self, script: Script) -> script::Call {
        match self {
            Self::Path { .. } => self.script(script, true),
            Self::Below { root, parent, leaf } => {
                let below = [parent.as_str(), leaf.as_str()].join("/");
                let call = script.call_below().with("root", root.as_str()).with("below", below);
                call.with("leaf", "").with("make", true)
            }
        }
    }
}

/// Target of an upload.
struct Target<'a> {
    /// Path for messages.
    path: &'a RemotePath,
    place: Place,
    /// Key of the temporary file.
    key: String,
}

impl Target<'_> {
    /// Returns a call of a script with the target.
    fn script(&self, script: Script) -> script::Call {
        let call = self.place.script(script, true).with("key", self.key.as_str());
        match &self.place {
            Place::Path { name, .. } => call.with("name", name.as_str()),
            Place::Below { .. } => call.with("name", ""),
        }
    }
}

/// Returns the kind and path of an entry that the script `List` has written; `None` if it is invalid or leads out of its
/// directory.
fn entry_of(text: &str, directory: Option<&RelativePath>) -> Option<(EntryKind, RelativePath)> {
    let (kind, name) = text.split_at_checked(1)?;
    let kind = match kind {
        "d" => EntryKind::Directory,
        "f" => EntryKind::File,
        "o" => EntryKind::Other,
        _ => return None,
    };
    if name.contains('/') {
        return None;
    }
    let path = match directory {
        Some(directory) => [directory.as_bytes(), b"/", name.as_bytes()].concat(),
        None => name.as_bytes().to_vec(),
    };
    Some((kind, RelativePath::new(path)?))
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
