//! The resource: requests, access, and responses.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use copy_proto::{
    DATA, FINISH, Finish, LENGTH, OFFSET, OpenTransfer, Opened, PACK, PATH, Pack, RESOURCE, TRANSFER_ID,
    UNPACK, Unpack,
};
use service::{Answer, BoxFuture, Call, OpenObjects, Plugin, Resource, ResourceKind};
use wsman::shell::{self as message, CommandState, Receive, Send, stream_capacity};
use wsman::{
    Action, EndpointReference, Fault, ResourceUri, SelectorSet, ShellVerb, namespace, write_resource_created,
};

use crate::download::DownloadFile;
use crate::error::TransferError;
use crate::registry::Registry;
use crate::transfer::{Content, blocking};
use crate::tree::{self, TreeItems};
use crate::upload::UploadFile;

/// The plug-in for file transfer, with the rights of the user of this process.
pub struct FilePlugin {
    /// Directory in which relative paths begin.
    home: PathBuf,
    registry: Arc<Registry>,
}

impl FilePlugin {
    /// Resources served by the plug-in. Access to files requires the same right as access to shells.
    pub const RESOURCES: [Resource; 1] =
        [Resource { uri: RESOURCE, with_children: false, kind: ResourceKind::Shells }];

    /// Creates a plug-in; relative paths begin in the directory `home`.
    #[must_use]
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into(), registry: Arc::default() }
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        let head = call.request.head();
        head.options.require_known(&[OFFSET, LENGTH])?;
        if !call.config.winrs.allow_remote_shell_access {
            return Err(TransferError::Disabled("Winrs/AllowRemoteShellAccess").into());
        }
        if !call.config.file.allow_file_transfer {
            return Err(TransferError::Disabled("File/AllowFileTransfer").into());
        }
        match &head.action {
            Action::Get => self.get(&call).await,
            Action::Create => self.create(&call).await,
            Action::Delete => self.delete(&call).await,
            Action::Shell(ShellVerb::Send) => self.send(&call).await,
            Action::Shell(ShellVerb::Receive) => self.receive(&call).await,
            Action::Enumerate => self.enumerate(&call).await,
            Action::Custom(action) if action == FINISH => self.finish(&call).await,
            Action::Custom(action) if action == PACK => self.pack(&call).await,
            Action::Custom(action) if action == UNPACK => self.unpack(&call).await,
            other => Err(action_not_supported(other)),
        }
    }

    /// Describes a file or directory.
    async fn get(&self, call: &Call) -> Result<Answer, Fault> {
        let path = selected_path(call)?;
        let home = self.home.clone();
        let entry = blocking(move || crate::entry::describe(&home, path)).await?;
        let mut reply = call.reply();
        entry.write(reply.body());
        call.finish(reply)
    }

    /// Lists the entries below a directory.
    async fn enumerate(&self, call: &Call) -> Result<Answer, Fault> {
        let path = selected_path(call)?;
        let home = self.home.clone();
        Ok(Answer::items(blocking(move || TreeItems::open(&home, path)).await?))
    }

    /// Reads small files.
    async fn pack(&self, call: &Call) -> Result<Answer, Fault> {
        let request = Pack::parse(call.request.require_body("Pack")?)?;
        let mut reply = call.reply();
        let limit = usize::try_from(call.reply_limit).unwrap_or(usize::MAX).min(LARGEST_PACK);
        let room = limit.saturating_sub(reply.len() + RESPONSE_REST);
        let home = self.home.clone();
        let packed = blocking(move || Ok(tree::pack(&home, request, room))).await?;
        packed.write(reply.body());
        call.finish(reply)
    }

    /// Writes small files and directories.
    async fn unpack(&self, call: &Call) -> Result<Answer, Fault> {
        let request = Unpack::parse(call.request.require_body("Unpack")?)?;
        let home = self.home.clone();
        let unpacked = blocking(move || tree::unpack(&home, request)).await?;
        let mut reply = call.reply();
        unpacked.write(reply.body());
        call.finish(reply)
    }

    async fn create(&self, call: &Call) -> Result<Answer, Fault> {
        let open = OpenTransfer::parse(call.request.require_body("Upload or Download")?)?;
        let key = match &open {
            OpenTransfer::Upload(upload) => upload.key.clone(),
            OpenTransfer::Download(_) => None,
        };
        if let Some(abandoned) =
            key.as_ref().and_then(|key| self.registry.remove_resumed(key, call.caller.sid()))
        {
            abandoned.abandon().await;
        }
        let settings = &call.config.file;
        let room = self
            .registry
            .reserve(call.caller.sid(), settings.max_transfers_per_user.limit().unwrap_or(u32::MAX))?;
        let deadline = Instant::now() + call.timeout / 2;
        let piece = piece_length(call);
        let home = self.home.clone();
        let (content, opened) = blocking(move || open_transfer(open, &home, deadline, piece)).await?;
        let transfer = room.fill(content, key, settings.idle_timeoutms.duration().max(SHORTEST_IDLE));
        let created = created(call, transfer.id(), &opened);
        if created.is_err() {
            let _ = self.registry.remove(transfer.id(), transfer.owner());
            transfer.abandon().await;
        }
        created
    }

    async fn delete(&self, call: &Call) -> Result<Answer, Fault> {
        let answer = call.finish(call.reply())?;
        let transfer = self.registry.remove(transfer_id(call)?, call.caller.sid())?;
        transfer.abandon().await;
        Ok(answer)
    }

    async fn send(&self, call: &Call) -> Result<Answer, Fault> {
        let transfer = self.registry.find(transfer_id(call)?, call.caller.sid())?;
        let send = Send::parse(call.request.require_body("Send")?)?;
        let mut reply = call.reply();
        message::write_send_response(reply.body());
        let answer = call.finish(reply)?;
        let [piece] = <[_; 1]>::try_from(send.streams)
            .map_err(|_| TransferError::Request("Send must have exactly one element Stream"))?;
        if piece.name != DATA {
            return Err(TransferError::Request("the stream of a transfer is named data").into());
        }
        transfer.write(number(call, OFFSET)?, piece.octets, call.timeout).await?;
        Ok(answer)
    }

    async fn receive(&self, call: &Call) -> Result<Answer, Fault> {
        let transfer = self.registry.find(transfer_id(call)?, call.caller.sid())?;
        Receive::parse(call.request.require_body("Receive")?)?;
        let length = usize::try_from(number(call, LENGTH)?).unwrap_or(usize::MAX).min(piece_length(call));
        let piece = transfer.read(number(call, OFFSET)?, length, call.timeout).await?;
        let mut reply = call.reply();
        message::write_fragments(reply.body(), DATA, None, [piece.as_slice()], None::<CommandState>);
        call.finish(reply)
    }

    async fn finish(&self, call: &Call) -> Result<Answer, Fault> {
        let Finish { digest } = Finish::parse(call.request.require_body("Finish")?)?;
        let transfer = self.registry.remove(transfer_id(call)?, call.caller.sid())?;
        let finished = transfer.finish(digest).await?;
        let mut reply = call.reply();
        finished.write(reply.body());
        call.finish(reply)
    }
}

impl Plugin for FilePlugin {
    fn resources(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }

    fn in_use(&self) -> OpenObjects {
        let transfers = u32::try_from(self.registry.count()).unwrap_or(u32::MAX);
        OpenObjects { transfers, ..OpenObjects::default() }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            for transfer in self.registry.take_all() {
                transfer.abandon().await;
            }
        })
    }
}

/// Opens the file of a transfer.
fn open_transfer(
    open: OpenTransfer,
    home: &Path,
    deadline: Instant,
    piece: usize,
) -> Result<(Content, Opened), TransferError> {
    match open {
        OpenTransfer::Upload(upload) => {
            let (size, mode, modified) = (upload.size, upload.mode, upload.modified.unwrap_or_default());
            let (file, begun) = UploadFile::open(upload, home, deadline)?;
            Ok((Content::Upload(file), Opened { size, mode, modified, piece, begun }))
        }
        OpenTransfer::Download(download) => {
            let (file, begun) = DownloadFile::open(download, home, deadline)?;
            let opened = Opened { size: file.size, mode: file.mode, modified: file.modified, piece, begun };
            Ok((Content::Download(file), opened))
        }
    }
}

fn created(call: &Call, id: &str, opened: &Opened) -> Result<Answer, Fault> {
    let mut reply = call.reply();
    let selectors = SelectorSet::new().with(TRANSFER_ID, id);
    let address = call.request.head().to.clone().unwrap_or_else(|| namespace::ANONYMOUS.to_owned());
    let resource = ResourceUri::parse(RESOURCE)?;
    write_resource_created(reply.body(), &EndpointReference { address, resource, selectors });
    opened.write(reply.body());
    call.finish(reply)
}

fn selected_path(call: &Call) -> Result<Vec<u8>, TransferError> {
    let path = call.request.head().selectors.text(PATH).and_then(copy_proto::decode_path);
    path.ok_or(TransferError::Request("the selector Path is missing or no path; add it"))
}

fn transfer_id(call: &Call) -> Result<&str, TransferError> {
    let id = call.request.head().selectors.text(TRANSFER_ID);
    id.ok_or(TransferError::Request("the request names no transfer; add the selector TransferId"))
}

/// Returns an option of the request that is a number of bytes.
fn number(call: &Call, name: &str) -> Result<u64, TransferError> {
    let value = call.request.head().options.value(name).and_then(|value| value.trim().parse().ok());
    value.ok_or(TransferError::Request("the options Offset and Length must be numbers of bytes"))
}

/// Returns the maximum length of a piece in both directions.
fn piece_length(call: &Call) -> usize {
    let envelope = u32::try_from(call.config.max_envelope_sizekb.bytes()).unwrap_or(u32::MAX);
    stream_capacity(call.reply_limit.min(envelope)).clamp(1, LARGEST_PIECE)
}

fn action_not_supported(action: &Action) -> Fault {
    Fault::new(
        wsman::Subcode::ActionNotSupported,
        wsman::code::ACTION_NOT_SUPPORTED,
        format!(
            "the file resource does not support the action {}; use one of urn:telarch:file",
            action.uri()
        ),
    )
}

/// Maximum length of a piece in bytes, whatever the envelopes of the client.
const LARGEST_PIECE: usize = 1 << 20;
/// Maximum length of a response with small files in bytes, whatever the envelopes of the client.
const LARGEST_PACK: usize = 2 << 20;
/// Length of the elements around the small files of a response, in bytes.
const RESPONSE_REST: usize = 512;
/// Shortest time without requests after which a transfer is closed.
const SHORTEST_IDLE: Duration = Duration::from_secs(10);
