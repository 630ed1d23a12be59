//! Carrier over the file resource of Telarch's service.
//!
//! A few pieces are on their way at the same time, which hides the latency of the network. The service processes them in
//! order; a lost response does no harm, because each piece has an offset.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use client::{Locator, Retry, Session};
use copy_proto::{
    ContentDigest, DATA, Download, Entry, EntryKind, FINISH, Finish, Finished, LENGTH, OFFSET, OpenTransfer,
    Opened, PATH, RESOURCE, RelativePath, TRANSFER_ID, Upload, encode_path, hash_exactly, resumable_key,
};
use files::FileMode;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wsman::shell::{Receive, Received, Send, StreamData};
use wsman::{
    Action, EndpointReference, Fault, OptionSet, ResourceUri, Response, SelectorSet, ShellVerb, Subcode, code,
};

use crate::content::{read_piece, transfer_key};
use crate::error::CopyError;
use crate::local::{LocalFile, LocalTarget, ReceivedFile, time_of};
use crate::options::{Copied, CopyOptions};
use crate::progress::Progress;
use crate::remote_path::RemotePath;

/// File resource of a machine.
#[derive(Debug)]
pub(crate) struct NativeCarrier {
    session: Session,
    resource: ResourceUri,
}

impl NativeCarrier {
    /// Returns the carrier; `None` if the service has no file resource, or it is disabled.
    pub(crate) async fn probe(session: &Session) -> Result<Option<Self>, CopyError> {
        let resource = ResourceUri::parse(RESOURCE).map_err(client::Error::from)?;
        let home = SelectorSet::new().with(PATH, encode_path(b"."));
        let locator = Locator::new(resource.clone()).with_selectors(home);
        match session.get(&locator).await {
            Ok(_) => Ok(Some(Self { session: session.clone(), resource })),
            Err(client::Error::Fault(fault)) if *fault.subcode() == Subcode::DestinationUnreachable => {
                Ok(None)
            }
            Err(error) => Err(explain(error, &RemotePath::from("."))),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn resource(&self) -> &ResourceUri {
        &self.resource
    }

    /// Returns the kind of a file; `None` if it does not exist.
    pub(crate) async fn kind(&self, path: &RemotePath) -> Result<Option<EntryKind>, CopyError> {
        let selectors = SelectorSet::new().with(PATH, encode_path(path.as_bytes()));
        let locator = Locator::new(self.resource.clone()).with_selectors(selectors);
        match self.session.get(&locator).await {
            Ok(response) => {
                let entry = response.content_named("Entry").and_then(|body| Entry::parse(body).ok());
                entry.map(|entry| Some(entry.kind)).ok_or_else(|| unexpected(path))
            }
            Err(client::Error::Fault(fault)) if fault.code() == code::FILE_NOT_FOUND => Ok(None),
            Err(error) => Err(explain(error, path)),
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
        let name = name.map(|name| name.as_bytes().to_vec());
        self.upload_to(source, path, UploadTarget { name, below: None }, options, progress).await
    }

    /// Sends a file to a path below a directory; missing directories are created.
    pub(crate) async fn upload_below(
        &self,
        source: &LocalFile,
        root: &RemotePath,
        below: &RelativePath,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let target = UploadTarget { name: None, below: Some(below.clone()) };
        self.upload_to(source, root, target, options, progress).await
    }

    async fn upload_to(
        &self,
        source: &LocalFile,
        path: &RemotePath,
        target: UploadTarget,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let key = match options.resume {
            true => Some(resumable_key(path.as_bytes(), source.digest(source.size)?.as_str())),
            false => None,
        };
        let open = OpenTransfer::Upload(Upload {
            path: path.as_bytes().to_vec(),
            name: target.name,
            below: target.below,
            size: source.size,
            mode: source.mode,
            is_exact: options.preserve,
            modified: options.preserve.then_some(source.modified),
            key,
        });
        let transfer = self.open(&open, path).await?;
        let sent = transfer.send(source, progress).await;
        let (finished, found) = transfer.end(sent).await?;
        Ok(Copied {
            path: RemotePath::new(finished.path).to_string(),
            size: source.size,
            found,
            sha256: finished.digest.as_str().to_owned(),
        })
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
        let open = OpenTransfer::Download(Download { path: path.as_bytes().to_vec(), found });
        let transfer = self.open(&open, path).await?;
        let received = transfer.receive(target, &key, options, progress).await;
        transfer.end(received).await
    }

    async fn open(&self, open: &OpenTransfer, path: &RemotePath) -> Result<OpenFile, CopyError> {
        let locator = Locator::new(self.resource.clone());
        let created =
            self.session.transfer(Action::Create, &locator, Retry::Unsafe, |body| open.write(body)).await;
        let created = created.map_err(|error| explain(error, path))?;
        let child = |name: &str| created.body()?.children().find(|child| child.name() == name);
        let reference = child("ResourceCreated").and_then(|child| EndpointReference::parse(child).ok());
        let id = reference.and_then(|reference| reference.selectors.text(TRANSFER_ID).map(str::to_owned));
        let opened = child("Opened").and_then(|child| Opened::parse(child).ok());
        let (Some(id), Some(mut opened)) = (id, opened) else { return Err(unexpected(path)) };
        opened.piece = opened.piece.min(LARGEST_PIECE);
        let selectors = SelectorSet::new().with(TRANSFER_ID, id);
        let locator = Locator::new(self.resource.clone()).with_selectors(selectors);
        Ok(OpenFile { session: self.session.clone(), locator, opened, path: path.clone() })
    }
}

/// Target of an upload in relation to its path.
struct UploadTarget {
    /// Name of the file if the path is a directory.
    name: Option<Vec<u8>>,
    /// Path below the path.
    below: Option<RelativePath>,
}

/// Open transfer on the service.
#[derive(Clone, Debug)]
struct OpenFile {
    session: Session,
    locator: Locator,
    opened: Opened,
    path: RemotePath,
}

impl OpenFile {
    /// Ends the transfer on the service if the copy has failed.
    async fn end<T>(&self, copied: Result<T, CopyError>) -> Result<T, CopyError> {
        if copied.is_err() {
            let _ = timeout(END_TIMEOUT, self.session.delete(&self.locator)).await;
        }
        copied
    }

    /// Sends the content. Returns the result, and the number of bytes that the service had already.
    async fn send(&self, source: &LocalFile, progress: &dyn Progress) -> Result<(Finished, u64), CopyError> {
        let found = match &self.opened.begun {
            Some(begun) if begun.length <= source.size && source.digest(begun.length)? == begun.digest => {
                begun.length
            }
            _ => 0,
        };
        let mut hash = Sha256::new();
        source.seek(0)?;
        hash_exactly(&mut source.file(), found, &mut hash).map_err(|error| source.error(error))?;
        progress.advance(found);
        if self.opened.begun.is_some() && found == 0 {
            // An empty piece makes the service drop the beginning of another content.
            self.clone().send_piece(0, Vec::new()).await?;
        }
        let mut pieces = Pieces::default();
        let mut offset = found;
        loop {
            if progress.is_cancelled() {
                return Err(CopyError::Cancelled);
            }
            let piece = read_piece(source.file(), source.size - offset, self.opened.piece);
            let piece = piece.map_err(|error| source.error(error))?;
            if piece.is_empty() {
                break;
            }
            hash.update(&piece);
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            pieces.start(self.clone().send_piece(offset, piece));
            offset += length;
            if pieces.is_full() {
                progress.advance(pieces.next().await?);
            }
        }
        while !pieces.is_empty() {
            progress.advance(pieces.next().await?);
        }
        let digest = Some(ContentDigest::finish(hash));
        Ok((self.finish(digest).await?, found))
    }

    async fn send_piece(self, offset: u64, piece: Vec<u8>) -> Result<u64, CopyError> {
        let locator = self.at(offset, None);
        let action = Action::Shell(ShellVerb::Send);
        let data = StreamData { name: DATA, octets: &piece };
        let sent = self
            .session
            .transfer(action, &locator, Retry::Safe, |body| Send::write_to_shell(body, data))
            .await;
        sent.map_err(|error| explain(error, &self.path))?;
        Ok(u64::try_from(piece.len()).unwrap_or(u64::MAX))
    }

    async fn receive(
        &self,
        target: &LocalTarget,
        key: &str,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let Opened { size, mode, modified, piece, ref begun } = self.opened;
        let found = begun.as_ref().map_or(0, |begun| begun.length).min(size);
        progress.expect(size);
        let mode = if options.preserve { FileMode::Exact(mode) } else { FileMode::New(mode) };
        let ReceivedFile { mut file, mut hash } = target.receive(key, mode, found, options)?;
        progress.advance(found);
        let mut pieces = Pieces::default();
        let (mut requested, mut received) = (found, found);
        while received < size {
            if progress.is_cancelled() {
                return Err(CopyError::Cancelled);
            }
            while requested < size && !pieces.is_full() {
                let length = usize::try_from(size - requested).unwrap_or(usize::MAX).min(piece);
                pieces.start(self.clone().receive_piece(requested, length));
                requested += u64::try_from(length).unwrap_or(u64::MAX);
            }
            let bytes = pieces.next().await?;
            file.file().write_all(&bytes).map_err(|error| target.failed(error))?;
            hash.update(&bytes);
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            received += length;
            progress.advance(length);
        }
        let finished = self.finish(None).await?;
        if ContentDigest::finish(hash) != finished.digest {
            file.keep(false);
            let reason =
                "the SHA-256 of the received data does not match: the file was changed while it was copied";
            return Err(CopyError::remote(&self.path, reason));
        }
        file.commit(options.preserve.then(|| time_of(modified)).flatten())
            .map_err(|error| target.failed(error))?;
        let path = target.path.display().to_string();
        Ok(Copied { path, size, found, sha256: finished.digest.as_str().to_owned() })
    }

    /// Returns exactly `length` bytes.
    async fn receive_piece(self, offset: u64, length: usize) -> Result<Vec<u8>, CopyError> {
        let locator = self.at(offset, Some(length));
        let action = Action::Shell(ShellVerb::Receive);
        let receive = Receive { command_id: None, streams: vec![DATA.to_owned()] };
        let received = self.session.transfer(action, &locator, Retry::Safe, |body| receive.write(body)).await;
        let received = received.map_err(|error| explain(error, &self.path))?;
        let piece = received.content_named("ReceiveResponse").and_then(|body| Received::parse(body).ok());
        let piece = piece.and_then(|received| received.streams.into_iter().next()).map(|piece| piece.octets);
        piece.filter(|piece| piece.len() == length).ok_or_else(|| unexpected(&self.path))
    }

    async fn finish(&self, digest: Option<ContentDigest>) -> Result<Finished, CopyError> {
        let action = Action::Custom(FINISH.to_owned());
        let finish = Finish { digest };
        let finished =
            self.session.transfer(action, &self.locator, Retry::Unsafe, |body| finish.write(body)).await;
        let response: Response = finished.map_err(|error| explain(error, &self.path))?;
        let finished = response.content_named("Finished").and_then(|body| Finished::parse(body).ok());
        finished.ok_or_else(|| unexpected(&self.path))
    }

    fn at(&self, offset: u64, length: Option<usize>) -> Locator {
        let options = OptionSet::new().with(OFFSET, offset.to_string());
        let options = match length {
            Some(length) => options.with(LENGTH, length.to_string()),
            None => options,
        };
        self.locator.clone().with_options(options)
    }
}

/// Requests for pieces of a file that are on their way, in order. Dropping them cancels them.
struct Pieces<T>(VecDeque<JoinHandle<Result<T, CopyError>>>);

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: std::marker::Send + 'static> Pieces<T> {
    fn start(&mut self, request: impl Future<Output = Result<T, CopyError>> + std::marker::Send + 'static) {
        self.0.push_back(tokio::spawn(request));
    }

    fn is_full(&self) -> bool {
        self.0.len() >= CONCURRENT_PIECES
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits for the result of the first request.
    async fn next(&mut self) -> Result<T, CopyError> {
        let Some(first) = self.0.front_mut() else { return Err(CopyError::Cancelled) };
        let result = first.await;
        self.0.pop_front();
        // A request is cancelled only together with the copy.
        result.unwrap_or(Err(CopyError::Cancelled))
    }
}

impl<T> Drop for Pieces<T> {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Returns the error of a request: faults about the file contain its path.
pub(crate) fn explain(error: client::Error, path: &RemotePath) -> CopyError {
    match error {
        client::Error::Fault(fault) if is_about_file(&fault) => CopyError::remote(path, fault.reason()),
        other => other.into(),
    }
}

fn is_about_file(fault: &Fault) -> bool {
    fault.provider().is_some_and(|provider| provider.provider == "file")
}

pub(crate) fn unexpected(path: &RemotePath) -> CopyError {
    CopyError::remote(path, "the service has sent an unexpected response")
}

/// Number of pieces on their way at the same time.
const CONCURRENT_PIECES: usize = 3;
/// Maximum length of a piece in bytes, whatever the service allows.
const LARGEST_PIECE: usize = 512 * 1_024;
/// Time to end a transfer on the service.
const END_TIMEOUT: Duration = Duration::from_secs(5);
