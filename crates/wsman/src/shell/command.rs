//! Command operation: starts a command.

use std::fmt;

use xml::{Element, Writer};

use super::{Redacted, identifier, named, named_text, require};
use crate::fault::Fault;
use crate::namespace::SHELL;

/// Body of Command (MS-WSMV 2.2.4.7).
///
/// `Debug` hides the command line, which may contain passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Identifier requested by the client.
    pub command_id: Option<String>,
    /// Program, or the complete command line.
    pub command: String,
    /// Arguments, to be joined with one space each and not quoted.
    pub arguments: Vec<String>,
}

impl CommandLine {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for another element, `w:InvalidParameter` for an invalid identifier.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "CommandLine")?;
        let arguments = body.children().filter(|child| child.name() == "Arguments");
        Ok(Self {
            command_id: identifier(body, "CommandId")?,
            command: named(body, "Command").map(|command| command.text().into_owned()).unwrap_or_default(),
            arguments: arguments.map(|argument| argument.text().into_owned()).collect(),
        })
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("rsp:CommandLine").namespace("rsp", SHELL);
        if let Some(id) = &self.command_id {
            writer.attribute("CommandId", id);
        }
        writer.element("rsp:Command", &self.command);
        for argument in &self.arguments {
            writer.element("rsp:Arguments", argument);
        }
        writer.end();
    }

    /// Returns the command line: command and arguments, separated by spaces.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.command.clone();
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(argument);
        }
        line
    }
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments: Vec<_> = self.arguments.iter().map(|text| Redacted(text.as_bytes())).collect();
        f.debug_struct("CommandLine")
            .field("command_id", &self.command_id)
            .field("command", &Redacted(self.command.as_bytes()))
            .field("arguments", &arguments)
            .finish()
    }
}

/// Entry of the list of a shell's commands (MS-WSMV 3.1.4.8).
///
/// `Debug` hides the command line.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandListing {
    /// Identifier of the command.
    pub command_id: String,
    /// Command line.
    pub command_line: String,
    /// `Running` or `Done`.
    pub state: &'static str,
}

impl CommandListing {
    /// Writes the `rsp:Command` element.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("rsp:Command").namespace("rsp", SHELL).element("rsp:CommandId", &self.command_id);
        writer.element("rsp:CommandLine", &self.command_line).element("rsp:CommandState", self.state).end();
    }
}

impl fmt::Debug for CommandListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandListing")
            .field("command_id", &self.command_id)
            .field("command_line", &Redacted(self.command_line.as_bytes()))
            .field("state", &self.state)
            .finish()
    }
}

/// Writes the body of the response.
pub fn write_command_response(writer: &mut Writer, command_id: &str) {
    writer.start("rsp:CommandResponse").element("rsp:CommandId", command_id).end();
}

/// Parses the command identifier in the body of the response.
#[must_use]
pub fn parse_command_response(response: Element<'_>) -> Option<String> {
    named_text(response, "CommandId").filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;
    use crate::fault::code;

    fn parse(attributes: &str, content: &str) -> Result<CommandLine, Fault> {
        let text = format!("<rsp:CommandLine xmlns:rsp='{SHELL}' {attributes}>{content}</rsp:CommandLine>");
        CommandLine::parse(Document::parse(text, &Bounds::default()).expect("XML").root())
    }

    #[test]
    fn the_line_joins_command_and_arguments_with_spaces() {
        for (content, line) in [
            ("<rsp:Command>ls</rsp:Command>", "ls"),
            ("<rsp:Command>ls</rsp:Command><rsp:Arguments>-l  /tmp</rsp:Arguments>", "ls -l  /tmp"),
            ("<rsp:Arguments>b</rsp:Arguments><rsp:Command>a</rsp:Command><rsp:Arguments/>", "a b "),
            ("<rsp:Command><![CDATA[echo \"<&>\" && id]]></rsp:Command>", "echo \"<&>\" && id"),
            ("<Command>\"dir /b\"</Command>", "\"dir /b\""),
            ("<rsp:Arguments>AAAA</rsp:Arguments>", " AAAA"),
            ("", ""),
        ] {
            assert_eq!(parse("", content).map(|command| command.line()).as_deref(), Ok(line), "{content}");
        }
    }

    #[test]
    fn debug_output_hides_command_lines() {
        let line = CommandLine {
            command_id: Some("ID".to_owned()),
            command: "mysql".to_owned(),
            arguments: vec!["-phunter2".to_owned()],
        };
        let listing =
            CommandListing { command_id: "ID".to_owned(), command_line: line.line(), state: "Running" };
        for shown in [format!("{line:?}"), format!("{listing:?}")] {
            assert!(
                shown.contains("ID") && !shown.contains("hunter2") && !shown.contains("mysql"),
                "{shown}"
            );
        }
    }

    #[test]
    fn only_valid_client_identifiers_are_accepted() {
        let id = |attributes: &str| parse(attributes, "").map(|command| command.command_id);
        assert_eq!(id("CommandId=' {A-1}:b_c.d '"), Ok(Some("{A-1}:b_c.d".to_owned())));
        assert_eq!(id("CommandId=' '"), Ok(None));
        let endless = format!("CommandId='{}'", "A".repeat(129));
        for wrong in ["CommandId='../x'", "CommandId='a b'", "CommandId='&#xE9;'", &endless] {
            assert_eq!(id(wrong).map_err(|fault| fault.code()), Err(code::INVALID_PARAMETER), "{wrong}");
        }
    }
}
