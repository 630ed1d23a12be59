//! Input and output of commands: Send and Receive.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use base64::Engine as _;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use base64::engine::GeneralPurpose as Base64;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use base64::engine::Simd as Base64;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use xml::{Element, Writer};

use super::{Redacted, identifier, named, require, schema_error};
use crate::fault::{Fault, Subcode, code};
use crate::namespace::SHELL;
use crate::{Head, Reply, Uuid};

/// Body of Receive (MS-WSMV 2.2.4.28).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receive {
    /// Identifier of the command; `None` for the shell itself.
    pub command_id: Option<String>,
    /// Names of the streams, such as `stdout` and `stderr`; at most 16.
    pub streams: Vec<String>,
}

impl Receive {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element, `w:InvalidParameter` for an invalid identifier.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Receive")?;
        let Some(desired) = named(body, "DesiredStream") else {
            return Err(schema_error(
                "the element DesiredStream is missing; add it with the names of streams",
            ));
        };
        let streams = desired.text().split_whitespace().take(16).map(str::to_owned).collect();
        Ok(Self { command_id: identifier(desired, "CommandId")?, streams })
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("rsp:Receive").namespace("rsp", SHELL).start("rsp:DesiredStream");
        if let Some(id) = &self.command_id {
            writer.attribute("CommandId", id);
        }
        writer.text(&self.streams.join(" ")).end().end();
    }
}

/// Stream data to be sent; `Debug` hides the data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StreamData<'a> {
    /// Name of the stream.
    pub name: &'a str,
    /// Data.
    pub octets: &'a [u8],
}

/// State of a command (MS-WSMV 2.2.4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandState {
    /// The command is running.
    Running,
    /// The command is about to end.
    Pending,
    /// The command has ended, and all of its output has been sent.
    Done {
        /// Exit code.
        exit_code: i32,
    },
}

impl CommandState {
    fn uri(self) -> String {
        let name = match self {
            Self::Running => "Running",
            Self::Pending => "Pending",
            Self::Done { .. } => "Done",
        };
        format!("{SHELL}/CommandState/{name}")
    }
}

/// Writes the body of the response to Receive.
///
/// `ended` names the streams that have ended.
pub fn write_received(
    writer: &mut Writer,
    command_id: &str,
    pieces: &[StreamData<'_>],
    ended: &[&str],
    state: CommandState,
) {
    writer.start("rsp:ReceiveResponse");
    for piece in pieces {
        writer.start("rsp:Stream").attribute("Name", piece.name).attribute("CommandId", command_id);
        writer.plain(|out| write_base64(piece.octets, out)).end();
    }
    for name in ended {
        writer.start("rsp:Stream").attribute("Name", name).attribute("CommandId", command_id);
        writer.attribute("End", "true").end();
    }
    writer.start("rsp:CommandState").attribute("CommandId", command_id).attribute("State", &state.uri());
    if let CommandState::Done { exit_code } = state {
        writer.element("rsp:ExitCode", &exit_code.to_string());
    }
    writer.end().end();
}

/// Writes the body of the response to Receive for PowerShell remoting: each fragment in an element of its own, without
/// ends of streams.
///
/// `command_id` is `None` for output of the shell itself. `state` is `None` while a command runs.
pub fn write_fragments<'a>(
    writer: &mut Writer,
    stream: &str,
    command_id: Option<&str>,
    fragments: impl IntoIterator<Item = &'a [u8]>,
    state: Option<CommandState>,
) {
    writer.start("rsp:ReceiveResponse");
    for fragment in fragments {
        writer.start("rsp:Stream").attribute("Name", stream);
        if let Some(id) = command_id {
            writer.attribute("CommandId", id);
        }
        writer.plain(|out| write_base64(fragment, out)).end();
    }
    if let (Some(id), Some(state)) = (command_id, state) {
        writer.start("rsp:CommandState").attribute("CommandId", id).attribute("State", &state.uri());
        if let CommandState::Done { exit_code } = state {
            writer.element("rsp:ExitCode", &exit_code.to_string());
        }
        writer.end();
    }
    writer.end();
}

/// Returns how many bytes of `streams` fit into a Receive response of at most `limit` bytes; `None` for zero.
///
/// This is a lower bound for every distribution over the streams, with one piece each, including the repeated headers
/// of the request and the final state of the command.
#[must_use]
pub fn received_capacity(
    request: &Head,
    command_id: &str,
    streams: &[&str],
    limit: u32,
) -> Option<NonZeroUsize> {
    let mut longest = Reply::to(request, Uuid::from_random([0; 16]));
    let pieces: Vec<_> = streams.iter().map(|name| StreamData { name, octets: &[] }).collect();
    let state = CommandState::Done { exit_code: i32::MIN };
    write_received(longest.body(), command_id, &pieces, streams, state);
    let rest = longest.finish(u32::MAX).ok()?.len();
    let groups = usize::try_from(limit).ok()?.checked_sub(rest)? / 4;
    // Base64 completes the last group of every piece; a group with one byte wastes two.
    let wasted = streams.len().saturating_sub(1).saturating_mul(2);
    NonZeroUsize::new(groups.saturating_mul(3).saturating_sub(wasted))
}

/// Returns how many bytes of a stream fit into a Send of at most `envelope` bytes with headers of the usual length.
#[must_use]
pub fn stream_capacity(envelope: u32) -> usize {
    const REST: u32 = 4_096;
    let characters = envelope.saturating_sub(REST);
    usize::try_from(characters / 4 * 3).unwrap_or(usize::MAX)
}

/// Body of the response to Receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Stream data in order.
    pub streams: Vec<ReceivedStream>,
    /// State of the command, if the response contains it.
    pub state: Option<CommandState>,
}

/// Received stream data; `Debug` hides the data.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedStream {
    /// Name of the stream.
    pub name: String,
    /// Data.
    pub octets: Vec<u8>,
    /// Whether the stream has ended.
    pub end: bool,
    /// Identifier of the command; `None` for the shell itself.
    pub command_id: Option<String>,
}

impl fmt::Debug for StreamData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = Redacted(self.octets);
        f.debug_struct("StreamData").field("name", &self.name).field("octets", &octets).finish()
    }
}

impl fmt::Debug for ReceivedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedStream")
            .field("name", &self.name)
            .field("octets", &Redacted(&self.octets))
            .field("end", &self.end)
            .field("command_id", &self.command_id)
            .finish()
    }
}

impl Received {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for invalid Base64 or an invalid exit code.
    pub fn parse(response: Element<'_>) -> Result<Self, Fault> {
        let streams = response.children().filter(|child| child.name() == "Stream").map(stream);
        let state = match named(response, "CommandState") {
            Some(state) => Some(command_state(state)?),
            None => None,
        };
        Ok(Self { streams: streams.collect::<Result<_, _>>()?, state })
    }
}

/// Body of Send (MS-WSMV 2.2.4.35).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// Stream data in order.
    pub streams: Vec<ReceivedStream>,
}

impl Send {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element, invalid Base64, or an element inside a stream.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Send")?;
        let streams = body.children().filter(|child| child.name() == "Stream").map(stream);
        let streams = streams.collect::<Result<Vec<_>, _>>()?;
        if streams.is_empty() {
            return Err(schema_error("the element Stream is missing in Send; add it with the input"));
        }
        Ok(Self { streams })
    }

    /// Writes the body with one piece of stream data.
    pub fn write(writer: &mut Writer, piece: StreamData<'_>, command_id: &str, end: bool) {
        writer.start("rsp:Send").namespace("rsp", SHELL).start("rsp:Stream");
        writer.attribute("Name", piece.name).attribute("CommandId", command_id);
        if end {
            writer.attribute("End", "true");
        }
        writer.plain(|out| write_base64(piece.octets, out)).end().end();
    }

    /// Writes the body with one piece of stream data for the shell itself.
    pub fn write_to_shell(writer: &mut Writer, piece: StreamData<'_>) {
        writer.start("rsp:Send").namespace("rsp", SHELL).start("rsp:Stream").attribute("Name", piece.name);
        writer.plain(|out| write_base64(piece.octets, out)).end().end();
    }
}

/// Writes the body of the response to Send.
pub fn write_send_response(writer: &mut Writer) {
    writer.start("rsp:SendResponse").end_empty();
}

fn stream(element: Element<'_>) -> Result<ReceivedStream, Fault> {
    let name = element.attribute("", "Name").map(|name| name.trim().to_owned()).unwrap_or_default();
    if name.is_empty() {
        return Err(schema_error("a Stream has no Name; add it"));
    }
    if let Some(nested) = element.children().next() {
        return Err(schema_error(format!(
            "the Stream {name} contains an element {}; send its data as Base64",
            nested.name()
        )));
    }
    let text = element.text();
    // Ruby's Base64 encoder inserts line breaks; most clients send none. Without branches, the check is fast.
    let decoded = if text.bytes().fold(false, |found, byte| found | byte.is_ascii_whitespace()) {
        let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        BASE64.decode(packed)
    } else {
        BASE64.decode(text.as_bytes())
    };
    let octets = decoded.map_err(|error| {
        schema_error(format!("invalid Base64 in the Stream {name}: {error}; encode its data again"))
    })?;
    let end = element.attribute("", "End").is_some_and(|end| crate::option_set::is_true(&end));
    Ok(ReceivedStream { name, octets, end, command_id: identifier(element, "CommandId")? })
}

fn command_state(element: Element<'_>) -> Result<CommandState, Fault> {
    let uri = element.attribute("", "State").unwrap_or_default();
    if uri.ends_with("CommandState/Done") {
        // PowerShell pipelines and old services send no exit code.
        let exit_code = match named(element, "ExitCode") {
            Some(code) => exit_code(code.text().trim())?,
            None => 0,
        };
        Ok(CommandState::Done { exit_code })
    } else if uri.ends_with("CommandState/Pending") {
        Ok(CommandState::Pending)
    } else {
        Ok(CommandState::Running)
    }
}

/// Parses an exit code, which is signed, but unsigned in some services.
fn exit_code(text: &str) -> Result<i32, Fault> {
    let signed = text.parse().ok().or_else(|| text.parse::<u32>().ok().map(u32::cast_signed));
    signed.ok_or_else(|| {
        Fault::new(
            Subcode::SchemaValidationError,
            code::SCHEMA_VALIDATION_ERROR,
            "the ExitCode must be a number",
        )
    })
}

/// Appends bytes as Base64.
pub(super) fn write_base64(octets: &[u8], out: &mut String) {
    // The end tag must not make the buffer grow to twice its size.
    const END_TAG: usize = 64;
    out.reserve(base64::encoded_len(octets.len(), true).unwrap_or_default().saturating_add(END_TAG));
    BASE64.encode_string(octets, out);
}

/// Base64 as in the specification; missing padding is accepted.
pub(super) static BASE64: LazyLock<Base64> = LazyLock::new(|| {
    engine(GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent))
});

/// Returns the engine, which selects the instructions of this processor.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn engine(config: GeneralPurposeConfig) -> Base64 {
    Base64::standard(config)
}

/// Returns the engine.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn engine(config: GeneralPurposeConfig) -> Base64 {
    Base64::new(&base64::alphabet::STANDARD, config)
}
