//! Disconnect, Reconnect and Connect: shells that outlive the connection of their client.

use std::time::Duration;

use xml::{Element, Writer};

use super::{identifier, named_text, require, schema_error, time};
use crate::duration;
use crate::fault::Fault;
use crate::namespace::SHELL;

/// Treatment of output when the buffer of a disconnected shell is full (MS-WSMV 2.2.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BufferMode {
    /// The shell waits until a client receives output.
    #[default]
    Block,
    /// The shell discards its oldest output.
    Drop,
}

impl BufferMode {
    /// Returns the name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "Block",
            Self::Drop => "Drop",
        }
    }
}

/// Body of Disconnect (MS-WSMV 2.2.4.13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disconnect {
    /// Time after which the disconnected shell ends; `None` keeps the idle timeout.
    pub idle_timeout: Option<Duration>,
    /// Treatment of output; `None` keeps that of the shell.
    pub buffer_mode: Option<BufferMode>,
}

impl Disconnect {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element or an invalid value.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Disconnect")?;
        let buffer_mode = match named_text(body, "BufferMode").as_deref() {
            None | Some("") => None,
            Some(mode) if mode.eq_ignore_ascii_case("Block") => Some(BufferMode::Block),
            Some(mode) if mode.eq_ignore_ascii_case("Drop") => Some(BufferMode::Drop),
            Some(_) => return Err(schema_error("BufferMode must be Block or Drop")),
        };
        Ok(Self { idle_timeout: time(body, "IdleTimeOut")?, buffer_mode })
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("rsp:Disconnect").namespace("rsp", SHELL);
        if let Some(idle_timeout) = self.idle_timeout {
            writer.element("rsp:IdleTimeOut", &duration::write(idle_timeout));
        }
        if let Some(mode) = self.buffer_mode {
            writer.element("rsp:BufferMode", mode.name());
        }
        writer.end();
    }
}

/// Parses the command in the body of Reconnect or Connect, `element`; `None` for the shell itself.
///
/// # Errors
/// `w:SchemaValidationError` for another element, `w:InvalidParameter` for an invalid identifier.
pub fn parse_reconnected(body: Element<'_>, element: &str) -> Result<Option<String>, Fault> {
    require(body, element)?;
    identifier(body, "CommandId")
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    #[test]
    fn a_disconnect_is_read_as_it_is_written() {
        for disconnect in [
            Disconnect::default(),
            Disconnect { idle_timeout: Some(Duration::from_secs(90)), buffer_mode: Some(BufferMode::Drop) },
        ] {
            let mut writer = Writer::new();
            disconnect.write(&mut writer);
            let document = Document::parse(writer.finish(), &Bounds::default()).expect("XML");
            assert_eq!(Disconnect::parse(document.root()), Ok(disconnect));
        }
    }

    #[test]
    fn other_buffer_modes_are_rejected() {
        let text = format!("<Disconnect xmlns='{SHELL}'><BufferMode>Grow</BufferMode></Disconnect>");
        let document = Document::parse(text, &Bounds::default()).expect("XML");
        assert!(Disconnect::parse(document.root()).is_err());
    }
}
