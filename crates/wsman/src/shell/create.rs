//! Create operation for shells, and the representation of a shell.

use std::fmt;
use std::time::Duration;

use xml::{Element, Writer};

use super::connection::BufferMode;
use super::{Redacted, VariableNames, identifier, named, named_text, require, schema_error, time};
use crate::fault::Fault;
use crate::namespace::SHELL;
use crate::{Compression, EndpointReference, duration};

/// The `rsp:Shell` element of a Create request (MS-WSMV 2.2.4.37).
///
/// `Debug` hides the values of variables.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OpenShell {
    /// Identifier requested by the client.
    pub shell_id: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Environment variables of every command.
    pub environment: Vec<(String, String)>,
    /// Working directory of commands.
    pub working_directory: Option<String>,
    /// Time after which the shell ends even if it is in use.
    pub lifetime: Option<Duration>,
    /// Time without requests after which the shell ends.
    pub idle_timeout: Option<IdleTimeout>,
    /// Input streams.
    pub input_streams: Vec<String>,
    /// Output streams.
    pub output_streams: Vec<String>,
}

/// Duration together with its original text, because services repeat it in their own form (`PT60.000S`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleTimeout {
    /// Duration.
    pub duration: Duration,
    /// Text as received.
    pub text: String,
}

impl From<Duration> for IdleTimeout {
    fn from(duration: Duration) -> Self {
        Self { duration, text: duration::write(duration) }
    }
}

impl OpenShell {
    /// Maximum number of environment variables.
    pub const MOST_VARIABLES: usize = 1_000;

    /// Parses the body; its children may be in any order.
    ///
    /// # Errors
    /// `w:SchemaValidationError` for an invalid value.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        require(body, "Shell")?;
        Ok(Self {
            shell_id: identifier(body, "ShellId")?,
            name: body.attribute("", "Name").map(|name| name.chars().take(256).collect()),
            environment: environment(body)?,
            working_directory: named_text(body, "WorkingDirectory").filter(|path| !path.is_empty()),
            lifetime: time(body, "Lifetime")?,
            idle_timeout: time(body, "IdleTimeOut")?.map(|duration| IdleTimeout {
                duration,
                text: named_text(body, "IdleTimeOut").unwrap_or_default(),
            }),
            input_streams: stream_names(body, "InputStreams"),
            output_streams: stream_names(body, "OutputStreams"),
        })
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        self.write_with(writer, |_| {});
    }

    /// Writes the body; `extension` appends elements of another namespace.
    pub fn write_with(&self, writer: &mut Writer, extension: impl FnOnce(&mut Writer)) {
        writer.start("rsp:Shell").namespace("rsp", SHELL);
        if let Some(id) = &self.shell_id {
            writer.attribute("ShellId", id);
        }
        if let Some(name) = &self.name {
            writer.attribute("Name", name);
        }
        write_environment(writer, &self.environment);
        if let Some(path) = &self.working_directory {
            writer.element("rsp:WorkingDirectory", path);
        }
        if let Some(lifetime) = self.lifetime {
            writer.element("rsp:Lifetime", &duration::write(lifetime));
        }
        if let Some(idle_timeout) = &self.idle_timeout {
            writer.element("rsp:IdleTimeOut", &idle_timeout.text);
        }
        writer.element("rsp:InputStreams", &self.input_streams.join(" "));
        writer.element("rsp:OutputStreams", &self.output_streams.join(" "));
        extension(writer);
        writer.end();
    }
}

/// Representation of a shell (MS-WSMV 2.2.4.37); unknown properties are omitted.
///
/// `Debug` hides the values of variables and the command line.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ShellState {
    /// Identifier.
    pub shell_id: String,
    /// Display name.
    pub name: Option<String>,
    /// Resource URI.
    pub resource_uri: String,
    /// Name of the owner.
    pub owner: String,
    /// IP address of the owner.
    pub client_ip: String,
    /// Environment variables that the client set; Windows returns them to the owner.
    pub environment: Vec<(String, String)>,
    /// Working directory of commands, if the client set one.
    pub working_directory: Option<String>,
    /// Remaining lifetime; Windows 7 and later do not return it (MS-WSMV 3.1.4.2.1).
    pub lifetime: Option<Duration>,
    /// Time without requests after which the shell ends, as text: `PT7200.000S`.
    pub idle_timeout: String,
    /// Names of the input streams.
    pub input_streams: String,
    /// Names of the output streams.
    pub output_streams: String,
    /// Time since the shell was opened.
    pub run_time: Duration,
    /// Time since the last request.
    pub inactivity: Duration,
    /// Number of processes, in responses to Get and Enumerate.
    pub child_processes: Option<u32>,
    /// Running command, in responses to Get and Enumerate.
    pub command_line: Option<String>,
    /// State of the connection to the client; only shells that can be disconnected have one.
    pub connection: Option<ConnectionState>,
}

/// State of the connection between a shell that can be disconnected and its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionState {
    /// Whether no client is connected.
    pub is_disconnected: bool,
    /// Treatment of output without a client.
    pub buffer_mode: BufferMode,
    /// Maximum idle timeout that a client may request.
    pub max_idle_timeout: Duration,
    /// Compression of the streams.
    pub compression: Compression,
}

impl ShellState {
    /// Writes the `rsp:Shell` element in the order of the schema and of Windows.
    ///
    /// The schema does not define `rsp:CommandLine`, which MS-WSMV 3.1.4.2.1 requires for command shells; it is written
    /// at an extension point.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("rsp:Shell").namespace("rsp", SHELL).element("rsp:ShellId", &self.shell_id);
        if let Some(name) = &self.name {
            writer.element("rsp:Name", name);
        }
        writer.element("rsp:ResourceUri", &self.resource_uri).element("rsp:Owner", &self.owner);
        writer.element("rsp:ClientIP", &self.client_ip);
        write_environment(writer, &self.environment);
        let mut optional = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                writer.element(name, value);
            }
        };
        optional("rsp:WorkingDirectory", self.working_directory.as_deref());
        optional("rsp:Lifetime", self.lifetime.map(duration::write).as_deref());
        optional("rsp:IdleTimeOut", Some(&self.idle_timeout));
        optional("rsp:InputStreams", Some(&self.input_streams));
        optional("rsp:OutputStreams", Some(&self.output_streams));
        if let Some(connection) = &self.connection {
            let state = if connection.is_disconnected { "Disconnected" } else { "Connected" };
            optional("rsp:MaxIdleTimeOut", Some(&duration::write(connection.max_idle_timeout)));
            optional("rsp:CompressionMode", Some(connection.compression.mode()));
            optional("rsp:BufferMode", Some(connection.buffer_mode.name()));
            optional("rsp:State", Some(state));
        }
        optional("rsp:ShellRunTime", Some(&duration::write_in_parts(self.run_time)));
        optional("rsp:ShellInactivity", Some(&duration::write_in_parts(self.inactivity)));
        optional("rsp:ChildProcesses", self.child_processes.map(|count| count.to_string()).as_deref());
        optional("rsp:CommandLine", self.command_line.as_deref());
        writer.end();
    }

    /// Parses an `rsp:Shell` element.
    #[must_use]
    pub fn parse(element: Element<'_>) -> Self {
        Self {
            shell_id: text(element, "ShellId"),
            name: named_text(element, "Name"),
            resource_uri: text(element, "ResourceUri"),
            owner: text(element, "Owner"),
            client_ip: text(element, "ClientIP"),
            environment: environment(element).unwrap_or_default(),
            working_directory: named_text(element, "WorkingDirectory"),
            lifetime: valid_duration(element, "Lifetime"),
            idle_timeout: text(element, "IdleTimeOut"),
            input_streams: text(element, "InputStreams"),
            output_streams: text(element, "OutputStreams"),
            run_time: valid_duration(element, "ShellRunTime").unwrap_or_default(),
            inactivity: valid_duration(element, "ShellInactivity").unwrap_or_default(),
            child_processes: named_text(element, "ChildProcesses").and_then(|count| count.parse().ok()),
            command_line: named_text(element, "CommandLine"),
            connection: ConnectionState::parse(element),
        }
    }
}

impl ConnectionState {
    /// Parses the children of an `rsp:Shell` element; `None` without a state.
    fn parse(element: Element<'_>) -> Option<Self> {
        let is_drop = named_text(element, "BufferMode").is_some_and(|mode| mode == "Drop");
        Some(Self {
            is_disconnected: named_text(element, "State")? == "Disconnected",
            buffer_mode: if is_drop { BufferMode::Drop } else { BufferMode::Block },
            max_idle_timeout: valid_duration(element, "MaxIdleTimeOut").unwrap_or_default(),
            compression: compression_of(element),
        })
    }
}

impl fmt::Debug for OpenShell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenShell")
            .field("shell_id", &self.shell_id)
            .field("name", &self.name)
            .field("environment", &VariableNames(&self.environment))
            .field("working_directory", &self.working_directory)
            .field("lifetime", &self.lifetime)
            .field("idle_timeout", &self.idle_timeout)
            .field("input_streams", &self.input_streams)
            .field("output_streams", &self.output_streams)
            .finish()
    }
}

impl fmt::Debug for ShellState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShellState")
            .field("shell_id", &self.shell_id)
            .field("name", &self.name)
            .field("resource_uri", &self.resource_uri)
            .field("owner", &self.owner)
            .field("client_ip", &self.client_ip)
            .field("environment", &VariableNames(&self.environment))
            .field("working_directory", &self.working_directory)
            .field("lifetime", &self.lifetime)
            .field("idle_timeout", &self.idle_timeout)
            .field("input_streams", &self.input_streams)
            .field("output_streams", &self.output_streams)
            .field("run_time", &self.run_time)
            .field("inactivity", &self.inactivity)
            .field("child_processes", &self.child_processes)
            .field("command_line", &self.command_line.as_deref().map(|line| Redacted(line.as_bytes())))
            .field("connection", &self.connection)
            .finish()
    }
}

/// Returns the shell identifier from the response to Create: from the selectors, or from the `rsp:Shell` next to them.
#[must_use]
pub fn parse_created(body: Element<'_>) -> Option<String> {
    let created = named(body, "ResourceCreated").and_then(|created| EndpointReference::parse(created).ok());
    let selected = created.as_ref().and_then(|reference| reference.selectors.text("ShellId"));
    let selected = selected.map(str::to_owned);
    selected.or_else(|| named_text(named(body, "Shell")?, "ShellId")).filter(|id| !id.is_empty())
}

/// Returns the compression that the service has chosen, from the response to Create or Get.
#[must_use]
pub fn parse_compression(body: Element<'_>) -> Compression {
    named(body, "Shell").map(compression_of).unwrap_or_default()
}

fn compression_of(shell: Element<'_>) -> Compression {
    named_text(shell, "CompressionMode").map(|mode| Compression::of_mode(&mode)).unwrap_or_default()
}

fn text(element: Element<'_>, name: &str) -> String {
    named_text(element, name).unwrap_or_default()
}

fn valid_duration(element: Element<'_>, name: &str) -> Option<Duration> {
    duration::parse(&named_text(element, name)?).ok()
}

fn write_environment(writer: &mut Writer, variables: &[(String, String)]) {
    if variables.is_empty() {
        return;
    }
    writer.start("rsp:Environment");
    for (name, value) in variables {
        writer.start("rsp:Variable").attribute("Name", name).text(value).end();
    }
    writer.end();
}

fn environment(body: Element<'_>) -> Result<Vec<(String, String)>, Fault> {
    let Some(environment) = named(body, "Environment") else { return Ok(Vec::new()) };
    let mut variables = Vec::new();
    for variable in environment.children().filter(|child| child.name() == "Variable") {
        if variables.len() >= OpenShell::MOST_VARIABLES {
            let most = OpenShell::MOST_VARIABLES;
            return Err(schema_error(format!("Environment has more than {most} variables; send fewer")));
        }
        let name = variable.attribute("", "Name").unwrap_or_default().into_owned();
        // Otherwise the error would only occur when a command is started.
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(schema_error(
                "Environment has a Variable whose Name is empty or contains '='; rename it",
            ));
        }
        variables.push((name, variable.text().into_owned()));
    }
    Ok(variables)
}

fn stream_names(body: Element<'_>, name: &str) -> Vec<String> {
    let text = named_text(body, name).unwrap_or_default();
    text.split_whitespace().take(16).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;
    use crate::fault::code;
    use crate::namespace::{ADDRESSING, TRANSFER, WSMAN};

    fn parse(content: &str) -> Result<OpenShell, Fault> {
        let text = format!("<rsp:Shell xmlns:rsp='{SHELL}'>{content}</rsp:Shell>");
        OpenShell::parse(Document::parse(text, &Bounds::default()).expect("XML").root())
    }

    #[test]
    fn children_may_be_in_any_order_with_unknown_ones_among_them() {
        let open = parse(
            "<rsp:OutputStreams>\n stdout\tstderr </rsp:OutputStreams><WorkingDirectory> /srv </WorkingDirectory>\
             <creationXml xmlns='urn:other'>AAAA</creationXml><rsp:InputStreams>stdin pr</rsp:InputStreams>\
             <rsp:Environment><rsp:Variable Name='A'> 1 </rsp:Variable></rsp:Environment>",
        );
        let open = open.expect("a shell");
        assert_eq!(
            (open.input_streams, open.output_streams.len()),
            (vec!["stdin".to_owned(), "pr".to_owned()], 2)
        );
        assert_eq!(open.working_directory.as_deref(), Some("/srv"));
        assert_eq!(open.environment, [("A".to_owned(), " 1 ".to_owned())]);
        assert_eq!(parse("").map(|open| open.output_streams.len()), Ok(0));
    }

    #[test]
    fn durations_are_parsed_in_all_forms_and_keep_their_text() {
        for (text, seconds) in
            [("PT60M0S", 3_600), ("P1W", 604_800), ("7200000", 7_200), ("PT1000.000S", 1_000), (" PT5S ", 5)]
        {
            let content =
                format!("<rsp:Lifetime>{text}</rsp:Lifetime><rsp:IdleTimeOut>{text}</rsp:IdleTimeOut>");
            let open = parse(&content).expect("a shell");
            assert_eq!(open.lifetime, Some(Duration::from_secs(seconds)), "{text}");
            let idle = IdleTimeout { duration: Duration::from_secs(seconds), text: text.trim().to_owned() };
            assert_eq!(open.idle_timeout, Some(idle), "{text}");
        }
        for wrong in ["-PT1S", "soon", "-5", "1.5"] {
            let fault = parse(&format!("<rsp:IdleTimeOut>{wrong}</rsp:IdleTimeOut>")).expect_err(wrong);
            assert_eq!(fault.code(), code::SCHEMA_VALIDATION_ERROR, "{wrong}");
        }
    }

    #[test]
    fn debug_output_hides_variable_values_and_command_lines() {
        let environment = vec![("PASSWORD".to_owned(), "hunter2".to_owned())];
        let open = OpenShell { environment: environment.clone(), ..OpenShell::default() };
        let line = Some("mysql -phunter2".to_owned());
        let state = ShellState { environment, command_line: line, ..ShellState::default() };
        for shown in [format!("{open:?}"), format!("{state:#?}")] {
            assert!(shown.contains("PASSWORD") && !shown.contains("hunter2"), "{shown}");
        }
        assert!(format!("{state:?}").contains("15 bytes"), "{state:?}");
    }

    #[test]
    fn invalid_variables_are_rejected() {
        let many = "<rsp:Variable Name='A'/>".repeat(OpenShell::MOST_VARIABLES + 1);
        for variables in
            ["<rsp:Variable>x</rsp:Variable>", "<rsp:Variable Name=''/>", "<rsp:Variable Name='A=B'/>", &many]
        {
            let fault =
                parse(&format!("<rsp:Environment>{variables}</rsp:Environment>")).expect_err("refused");
            assert_eq!(fault.code(), code::SCHEMA_VALIDATION_ERROR, "{}", fault.reason());
        }
    }

    #[test]
    fn the_identifier_of_a_new_shell_is_found_in_every_form() {
        let created = |selectors: &str| {
            format!(
                "<x:ResourceCreated><a:ReferenceParameters><w:ResourceURI>urn:x</w:ResourceURI><w:SelectorSet>\
                 {selectors}</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"
            )
        };
        let shell = "<Shell><ShellId> B </ShellId></Shell>";
        for (content, id) in [
            (created("<w:Selector Name='SHELLID'> A </w:Selector>") + shell, Some("A")),
            (created("<w:Selector Name='Other'>A</w:Selector>") + shell, Some("B")),
            (shell.to_owned(), Some("B")),
            (created(""), None),
            ("<Shell/>".to_owned(), None),
            (String::new(), None),
        ] {
            let text = format!(
                "<Body xmlns:x='{TRANSFER}' xmlns:a='{ADDRESSING}' xmlns:w='{WSMAN}'>{content}</Body>"
            );
            let document = Document::parse(text, &Bounds::default()).expect("XML");
            assert_eq!(parse_created(document.root()).as_deref(), id, "{content}");
        }
    }
}
