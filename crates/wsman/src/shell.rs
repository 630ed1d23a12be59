//! Messages of the remote shell (MS-WSMV 2.2.4 and 3.1.4.10 onwards).

mod command;
mod create;
mod signal;
mod stream;

use std::fmt;

use xml::Element;

use crate::fault::{Fault, Subcode, code};

pub use command::{CommandLine, CommandListing, parse_command_response, write_command_response};
pub use create::{IdleTimeout, OpenShell, ShellState, parse_created};
pub use signal::{Signal, SignalCode};
pub use stream::{
    CommandState, Receive, Received, ReceivedStream, Send, StreamData, received_capacity, stream_capacity,
    write_received, write_send_response,
};

/// Names of the options that shells know.
pub mod option {
    /// Do without the user's own profile.
    pub const NO_PROFILE: &str = "WINRS_NOPROFILE";
    /// The code page of input and output.
    pub const CODE_PAGE: &str = "WINRS_CODEPAGE";
    /// Input comes from someone at a console.
    pub const CONSOLE_MODE_STDIN: &str = "WINRS_CONSOLEMODE_STDIN";
    /// Run the program itself, not a command interpreter.
    pub const SKIP_CMD_SHELL: &str = "WINRS_SKIP_CMD_SHELL";
    /// Keep asking; only services before Windows 7 gave it a meaning.
    pub const KEEP_ALIVE: &str = "WSMAN_CMDSHELL_OPTION_KEEPALIVE";
    /// The selector that names a shell.
    pub const SHELL_ID: &str = "ShellId";
}

/// The longest identifier of a shell or command that is taken from a client, in octets.
const LONGEST_ID: usize = 128;

fn schema_error(reason: impl Into<String>) -> Fault {
    Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason)
}

/// A child by local name: only the place counts, because some clients leave the namespace out.
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
    Err(schema_error(format!("the body must hold a {name} element, not {}", element.name())))
}

/// An identifier chosen by the client: letters, digits and what identifiers are made of.
fn identifier(element: Element<'_>, attribute: &str) -> Result<Option<String>, Fault> {
    let Some(id) = element.attribute("", attribute) else { return Ok(None) };
    let id = id.trim();
    if id.is_empty() {
        return Ok(None);
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '{' | '}' | '_' | '.');
    if id.len() > LONGEST_ID || !id.chars().all(fits) {
        return Err(Fault::new(
            Subcode::InvalidParameter,
            code::INVALID_PARAMETER,
            format!("{attribute} is not an identifier"),
        ));
    }
    Ok(Some(id.to_owned()))
}

/// Shows which variables there are; their values may be secrets.
struct Names<'a>(&'a [(String, String)]);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Shows how long a command line or a piece of a stream is; what it says may be a secret.
struct Hidden<'a>(&'a [u8]);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}
