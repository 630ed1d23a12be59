//! Input and output of commands.

use std::fmt;
use std::num::NonZeroUsize;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use xml::{Element, Writer};

use super::{Hidden, identifier, named, require, schema_error};
use crate::fault::{Fault, Subcode, code};
use crate::namespace::SHELL;
use crate::{Head, Reply, Uuid};

/// The body of Receive (MS-WSMV 2.2.4.28).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receive {
    /// Which command; none means the shell itself.
    pub command_id: Option<String>,
    /// Which streams, such as `stdout` and `stderr`.
    pub streams: Vec<String>,
}

impl Receive {
    /// Reads the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element, `w:InvalidParameter` for a wrong identifier.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Receive")?;
        let Some(desired) = named(body, "DesiredStream") else {
            return Err(schema_error("Receive names no DesiredStream"));
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

/// A piece of a stream to be written; `Debug` hides what it says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StreamData<'a> {
    /// The stream's name.
    pub name: &'a str,
    /// The octets.
    pub octets: &'a [u8],
}

/// How far a command has come (MS-WSMV 2.2.4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandState {
    /// It runs.
    Running,
    /// It is about to end.
    Pending,
    /// It has ended, and all of its output was given.
    Done {
        /// What it returned.
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

/// Writes the body of the answer to Receive.
///
/// `ended` names the streams of which nothing more will come.
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
        writer.plain(|out| BASE64.encode_string(piece.octets, out)).end();
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

/// How many octets of `streams` fit the answer to a Receive, of which `limit` octets are taken at most.
///
/// They fit in every case: whatever the request has repeated, in whatever shares the streams have them, one piece of
/// each, and whether the command runs or has ended. `None` if not a single octet is sure to fit.
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
    // Base64 ends every piece with a whole group: one octet in it wastes the room of two.
    let wasted = streams.len().saturating_sub(1).saturating_mul(2);
    NonZeroUsize::new(groups.saturating_mul(3).saturating_sub(wasted))
}

/// How many octets of a stream fit a Send of at most `envelope` octets, with headers of the usual length.
#[must_use]
pub fn stream_capacity(envelope: u32) -> usize {
    const REST: u32 = 4_096;
    let characters = envelope.saturating_sub(REST);
    usize::try_from(characters / 4 * 3).unwrap_or(usize::MAX)
}

/// What an answer to Receive brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Pieces in the order they came.
    pub streams: Vec<ReceivedStream>,
    /// How far the command has come, if the answer says.
    pub state: Option<CommandState>,
}

/// A piece of a stream that was read; `Debug` hides what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedStream {
    /// The stream's name.
    pub name: String,
    /// The octets.
    pub octets: Vec<u8>,
    /// Nothing more will come of this stream.
    pub end: bool,
    /// The command it belongs to; none means the shell itself.
    pub command_id: Option<String>,
}

impl fmt::Debug for StreamData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = Hidden(self.octets);
        f.debug_struct("StreamData").field("name", &self.name).field("octets", &octets).finish()
    }
}

impl fmt::Debug for ReceivedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedStream")
            .field("name", &self.name)
            .field("octets", &Hidden(&self.octets))
            .field("end", &self.end)
            .field("command_id", &self.command_id)
            .finish()
    }
}

impl Received {
    /// Reads the body of the answer.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for octets that are not Base64 or an exit code that is no number.
    pub fn parse(response: Element<'_>) -> Result<Self, Fault> {
        let streams = response.children().filter(|child| child.name() == "Stream").map(stream);
        let state = match named(response, "CommandState") {
            Some(state) => Some(command_state(state)?),
            None => None,
        };
        Ok(Self { streams: streams.collect::<Result<_, _>>()?, state })
    }
}

/// The body of Send (MS-WSMV 2.2.4.35).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// Pieces in the order they are to be given.
    pub streams: Vec<ReceivedStream>,
}

impl Send {
    /// Reads the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element or octets that are not Base64.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Send")?;
        let streams = body.children().filter(|child| child.name() == "Stream").map(stream);
        let streams = streams.collect::<Result<Vec<_>, _>>()?;
        if streams.is_empty() {
            return Err(schema_error("Send brings no Stream"));
        }
        Ok(Self { streams })
    }

    /// Writes the body with one piece of one stream.
    pub fn write(writer: &mut Writer, piece: StreamData<'_>, command_id: &str, end: bool) {
        writer.start("rsp:Send").namespace("rsp", SHELL).start("rsp:Stream");
        writer.attribute("Name", piece.name).attribute("CommandId", command_id);
        if end {
            writer.attribute("End", "true");
        }
        writer.plain(|out| BASE64.encode_string(piece.octets, out)).end().end();
    }
}

/// Writes the body of the answer to Send.
pub fn write_send_response(writer: &mut Writer) {
    writer.start("rsp:SendResponse").end_empty();
}

fn stream(element: Element<'_>) -> Result<ReceivedStream, Fault> {
    let name = element.attribute("", "Name").map(|name| name.trim().to_owned()).unwrap_or_default();
    if name.is_empty() {
        return Err(schema_error("a Stream has no Name"));
    }
    let text = element.text();
    // Ruby's encoder breaks lines, so white space is not an error; most clients send none.
    let decoded = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        BASE64.decode(packed)
    } else {
        BASE64.decode(text.as_bytes())
    };
    let octets =
        decoded.map_err(|error| schema_error(format!("the Stream {name} is not Base64: {error}")))?;
    let end = element.attribute("", "End").is_some_and(|end| crate::option_set::is_true(&end));
    Ok(ReceivedStream { name, octets, end, command_id: identifier(element, "CommandId")? })
}

fn command_state(element: Element<'_>) -> Result<CommandState, Fault> {
    let uri = element.attribute("", "State").unwrap_or_default();
    if uri.ends_with("CommandState/Done") {
        // PowerShell pipelines and old services end without an exit code.
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

/// Exit codes are signed, but some services print them unsigned.
fn exit_code(text: &str) -> Result<i32, Fault> {
    let signed = text.parse().ok().or_else(|| text.parse::<u32>().ok().map(u32::cast_signed));
    signed.ok_or_else(|| {
        Fault::new(
            Subcode::SchemaValidationError,
            code::SCHEMA_VALIDATION_ERROR,
            "the ExitCode is not a number",
        )
    })
}

/// Base64 as the specification wants it; on reading, missing padding does no harm.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
