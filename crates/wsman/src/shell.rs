//! Remote shell messages (MS-WSMV 2.2.4 and 3.1.4.5).

mod command;
mod connection;
mod create;
mod runspace;
mod signal;
mod stream;

use std::fmt;
use std::time::Duration;

use xml::Element;

use crate::duration;
use crate::fault::{Fault, Subcode, code};

pub use command::{CommandLine, CommandListing, parse_command_response, write_command_response};
pub use connection::{BufferMode, Disconnect, parse_reconnected};
pub use create::{ConnectionState, IdleTimeout, OpenShell, ShellState, parse_compression, parse_created};
pub use runspace::{parse_connected, write_connect, write_creation, write_reconnect};
pub use signal::{Signal, SignalCode};
pub use stream::{
    CommandState, Receive, Received, ReceivedStream, Send, StreamData, received_capacity, stream_capacity,
    write_fragments, write_received, write_send_response,
};

/// Names of shell options.
pub mod option {
    /// Do not load the user's profile.
    pub const NO_PROFILE: &str = "WINRS_NOPROFILE";
    /// Code page of input and output.
    pub const CODE_PAGE: &str = "WINRS_CODEPAGE";
    /// Standard input is a console.
    pub const CONSOLE_MODE_STDIN: &str = "WINRS_CONSOLEMODE_STDIN";
    /// Run the program directly, without a command interpreter.
    pub const SKIP_CMD_SHELL: &str = "WINRS_SKIP_CMD_SHELL";
    /// Keep polling; only services before Windows 7 evaluate it.
    pub const KEEP_ALIVE: &str = "WSMAN_CMDSHELL_OPTION_KEEPALIVE";
    /// Version of PowerShell remoting that the client requires.
    pub const PROTOCOL_VERSION: &str = "protocolversion";
    /// Selector that identifies a shell.
    pub const SHELL_ID: &str = "ShellId";
}

/// Maximum length of a client's shell or command identifier, in bytes.
const LONGEST_ID: usize = 128;

fn schema_error(reason: impl Into<String>) -> Fault {
    Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason)
}

/// Returns a child by its local name, because some clients omit the namespace.
fn named<'a>(element: Element<'a>, name: &str) -> Option<Element<'a>> {
    element.children().find(|child| child.name() == name)
}

fn named_text(element: Element<'_>, name: &str) -> Option<String> {
    named(element, name).map(|child| child.text().trim().to_owned())
}

fn require(element: Element<'_>, name: &str) -> Result<(), Fault> {
    if element.name() == name {
        return Ok(());
    }
    Err(schema_error(format!("the body must contain a {name} element, not {}", element.name())))
}

/// Parses a duration; old clients send a number of milliseconds.
fn time(body: Element<'_>, name: &str) -> Result<Option<Duration>, Fault> {
    let Some(text) = named_text(body, name).filter(|text| !text.is_empty()) else { return Ok(None) };
    if let Ok(milliseconds) = text.parse::<u64>() {
        return Ok(Some(Duration::from_millis(milliseconds)));
    }
    duration::parse(&text).map(Some).map_err(|error| schema_error(format!("{name}: {error}")))
}

/// Parses an identifier chosen by the client: letters, digits and punctuation of identifiers.
fn identifier(element: Element<'_>, attribute: &str) -> Result<Option<String>, Fault> {
    let Some(id) = element.attribute("", attribute) else { return Ok(None) };
    let id = id.trim();
    if id.is_empty() {
        return Ok(None);
    }
    if id.len() > LONGEST_ID || !id.chars().all(is_identifier_character) {
        return Err(Fault::new(
            Subcode::InvalidParameter,
            code::INVALID_PARAMETER,
            format!("invalid identifier in {attribute}; use a UUID, or omit the attribute"),
        ));
    }
    Ok(Some(id.to_owned()))
}

fn is_identifier_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '{' | '}' | '_' | '.')
}

/// Shows the names of variables without their values, which may be secret.
struct VariableNames<'a>(&'a [(String, String)]);

impl fmt::Debug for VariableNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Shows the length of a command line or of stream data without the content, which may be secret.
struct Redacted<'a>(&'a [u8]);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}
