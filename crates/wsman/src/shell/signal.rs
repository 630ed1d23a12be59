//! Signals to commands.

use xml::{Element, Writer};

use super::{identifier, named_text, require};
use crate::fault::{Fault, Subcode, code};
use crate::namespace::SHELL;

/// Body of Signal (MS-WSMV 2.2.4.38).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Identifier of the command; `None` for the shell itself.
    pub command_id: Option<String>,
    /// Signal.
    pub code: SignalCode,
}

/// Signal to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalCode {
    /// Terminate the command; also sent to release a command that has ended.
    Terminate,
    /// Ctrl-C.
    CtrlC,
    /// Ctrl-Break.
    CtrlBreak,
    /// Stop a PowerShell pipeline.
    PowerShellStop,
}

impl SignalCode {
    /// Returns the URI.
    #[must_use]
    pub fn uri(self) -> String {
        let name = match self {
            Self::Terminate => "signal/terminate",
            Self::CtrlC => "signal/ctrl_c",
            Self::CtrlBreak => "signal/ctrl_break",
            // PowerShell's own misspelling, which it requires.
            Self::PowerShellStop => return "powershell/signal/crtl_c".to_owned(),
        };
        format!("{SHELL}/{name}")
    }

    /// Returns the signal for a URI; the case differs between clients.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        let uri = uri.trim().to_ascii_lowercase();
        if uri.ends_with("powershell/signal/crtl_c") || uri.ends_with("powershell/signal/ctrl_c") {
            return Some(Self::PowerShellStop);
        }
        match uri.strip_prefix(SHELL)? {
            "/signal/terminate" => Some(Self::Terminate),
            "/signal/ctrl_c" => Some(Self::CtrlC),
            "/signal/ctrl_break" => Some(Self::CtrlBreak),
            _ => None,
        }
    }
}

impl Signal {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element, `w:InvalidParameter` for an unknown signal.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Signal")?;
        let uri = named_text(body, "Code").unwrap_or_default();
        let Some(code) = SignalCode::from_uri(&uri) else {
            let shown: String = uri.chars().take(120).collect();
            return Err(Fault::new(
                Subcode::InvalidParameter,
                code::INVALID_PARAMETER,
                format!("unknown signal \"{shown}\": use terminate, ctrl_c or ctrl_break"),
            ));
        };
        Ok(Self { command_id: identifier(body, "CommandId")?, code })
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("rsp:Signal").namespace("rsp", SHELL);
        if let Some(id) = &self.command_id {
            writer.attribute("CommandId", id);
        }
        writer.element("rsp:Code", &self.code.uri()).end();
    }
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    fn parse(code: &str) -> Result<Signal, Fault> {
        let text = format!("<rsp:Signal xmlns:rsp='{SHELL}'><rsp:Code>{code}</rsp:Code></rsp:Signal>");
        Signal::parse(Document::parse(text, &Bounds::default()).expect("XML").root())
    }

    #[test]
    fn codes_are_parsed_in_every_spelling() {
        for (end, meant) in [
            ("signal/terminate", SignalCode::Terminate),
            ("signal/Terminate", SignalCode::Terminate),
            ("SIGNAL/CTRL_C", SignalCode::CtrlC),
            ("signal/ctrl_break", SignalCode::CtrlBreak),
        ] {
            assert_eq!(parse(&format!("\n {SHELL}/{end} ")).map(|signal| signal.code), Ok(meant), "{end}");
        }
        for stop in ["powershell/signal/crtl_c", "powershell/signal/ctrl_c", "PowerShell/signal/ctrl_c"] {
            assert_eq!(parse(stop).map(|signal| signal.code), Ok(SignalCode::PowerShellStop), "{stop}");
        }
    }

    #[test]
    fn an_unknown_code_is_rejected_and_truncated_in_the_fault() {
        let endless = "x".repeat(5_000);
        for wrong in ["", "terminate", "http://example/signal/terminate", &endless] {
            let fault = parse(wrong).expect_err("unknown");
            assert_eq!(
                (fault.subcode(), fault.code()),
                (&Subcode::InvalidParameter, code::INVALID_PARAMETER)
            );
            assert!(fault.reason().len() < 300, "{}", fault.reason());
        }
    }
}
