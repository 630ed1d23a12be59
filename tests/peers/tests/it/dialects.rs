//! Clients that are not installed here, in their own words: messages as these clients write them, sent by curl, and
//! the answers read as they read them.
//!
//! Each module is one client: how it writes, and what it needs that others do not.

mod glpi;
mod masterzen;
mod openwsman;
mod txwinrm;
mod windows;
mod winrb;
mod winrm4j;
mod winrm_rs;
mod winrm_sharp;

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use telarch_peers::{Curl, PASSWORD, Reply, Telarchd, USER};

/// One request before a client puts it into its own words.
#[derive(Clone, Copy, Default)]
struct Message<'a> {
    action: &'a str,
    resource: &'a str,
    /// The selector ShellId.
    shell: Option<&'a str>,
    options: &'a [(&'a str, &'a str)],
    /// The OperationTimeout, where it is not the one that the client always asks for.
    timeout: Option<&'a str>,
    /// The content of the body; the prefixes of [`NAMESPACES`] may be used.
    body: &'a str,
}

/// How a client writes.
struct Dialect {
    /// The whole envelope, given the `MessageID`.
    envelope: fn(&Message<'_>, &str) -> String,
    /// In which octets it sends it.
    charset: Charset,
    /// What else it does to an HTTP request.
    request: fn(Curl, &Message<'_>) -> Curl,
    /// What it says when it opens a shell.
    open_options: &'static [(&'static str, &'static str)],
    /// What it says when it starts a command.
    command_options: &'static [(&'static str, &'static str)],
    /// What it says when it asks for output.
    receive_options: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy)]
enum Charset {
    Utf8,
    Utf16,
}

/// What a client has received of a command so far.
#[derive(Debug, Default, PartialEq, Eq)]
struct Received {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Known once the command is done.
    code: Option<i32>,
}

/// A client of one dialect against a service of its own.
struct Client {
    dialect: &'static Dialect,
    service: Telarchd,
}

impl Client {
    fn new(dialect: &'static Dialect) -> Self {
        Self { dialect, service: Telarchd::start(&[]) }
    }

    /// Sends a message and returns whatever comes back.
    fn ask(&self, message: &Message<'_>) -> Reply {
        self.send(message, &fresh_id())
    }

    fn send(&self, message: &Message<'_>, id: &str) -> Reply {
        self.post(message, &(self.dialect.envelope)(message, id))
    }

    /// Sends `envelope`, which is `message` with something done to it.
    fn post(&self, message: &Message<'_>, envelope: &str) -> Reply {
        let curl = Curl::to(self.service.https()).basic(USER, PASSWORD);
        let curl = match self.dialect.charset {
            Charset::Utf8 => curl.body(envelope),
            Charset::Utf16 => {
                let octets: Vec<u8> = envelope.encode_utf16().flat_map(u16::to_le_bytes).collect();
                curl.content_type("application/soap+xml;charset=UTF-16").body(octets)
            }
        };
        (self.dialect.request)(curl, message).send()
    }

    /// Sends a message that must be answered, and returns the answer.
    fn answer(&self, message: &Message<'_>) -> String {
        let id = fresh_id();
        let reply = self.send(message, &id);
        let text = text_of(&reply);
        assert_eq!(reply.status, 200, "{text}");
        assert_eq!(element(&text, "a:Action"), format!("{}Response", message.action), "{text}");
        // Byte for byte, but for the white space that some clients put around it.
        let relates_to = element(&text, "a:RelatesTo");
        let sent = (self.dialect.envelope)(message, &id);
        assert!(relates_to.starts_with("uuid:") && sent.contains(&relates_to), "{text}");
        text
    }

    /// Sends a message that must be refused, and returns the code that clients decide by and the whole answer.
    fn refusal(&self, message: &Message<'_>) -> (u64, String) {
        fault(&self.ask(message))
    }

    /// Opens a shell with `body` inside `rsp:Shell` and returns its identifier and the answer.
    fn open_with(&self, body: &str) -> (String, String) {
        let body = format!(
            "<rsp:Shell>{body}<rsp:InputStreams>stdin</rsp:InputStreams>\
             <rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
        );
        let options = self.dialect.open_options;
        let text = self.answer(&Message {
            action: CREATE,
            resource: CMD,
            options,
            body: &body,
            ..Message::default()
        });
        let selected =
            text.split("<w:Selector Name=\"ShellId\">").nth(1).and_then(|rest| rest.split('<').next());
        let id = element(&text, "rsp:ShellId");
        assert_eq!(selected, Some(id.as_str()), "{text}");
        (id, text)
    }

    fn open(&self) -> String {
        self.open_with("").0
    }

    /// Starts a command with `body` inside `rsp:CommandLine` and returns its identifier.
    fn start(&self, shell: &str, body: &str) -> String {
        let body = format!("<rsp:CommandLine>{body}</rsp:CommandLine>");
        let options = self.dialect.command_options;
        element(&self.in_shell("Command", shell, options, &body), "rsp:CommandId")
    }

    /// Asks for output once.
    fn receive(&self, shell: &str, command: &str) -> (Received, String) {
        let options = self.dialect.receive_options;
        let text = self.in_shell("Receive", shell, options, &receive_body(command));
        (Received::read(&text), text)
    }

    /// Asks for output until the command is done, then lets go of it.
    fn finish(&self, shell: &str, command: &str) -> (String, String, i32) {
        let mut all = Received::default();
        while all.code.is_none() {
            let received = self.receive(shell, command).0;
            all.stdout.extend(received.stdout);
            all.stderr.extend(received.stderr);
            all.code = received.code;
        }
        self.terminate(shell, command);
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (text(all.stdout), text(all.stderr), all.code.unwrap_or_default())
    }

    /// Runs a command with `body` inside `rsp:CommandLine` from its start to its end.
    fn run(&self, shell: &str, body: &str) -> (String, String, i32) {
        self.finish(shell, &self.start(shell, body))
    }

    fn terminate(&self, shell: &str, command: &str) {
        let body = format!(
            "<rsp:Signal CommandId=\"{command}\"><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>"
        );
        self.in_shell("Signal", shell, &[], &body);
    }

    fn close(&self, shell: &str) {
        self.answer(&Message { action: DELETE, resource: CMD, shell: Some(shell), ..Message::default() });
    }

    /// One of the shell's own actions.
    fn in_shell(&self, verb: &str, shell: &str, options: &[(&str, &str)], body: &str) -> String {
        let action = format!("{SHELL}/{verb}");
        self.answer(&Message {
            action: &action,
            resource: CMD,
            shell: Some(shell),
            options,
            body,
            ..Message::default()
        })
    }
}

impl Received {
    /// Reads a ReceiveResponse as text, as winrm-rs does: nothing but the literal prefixes will do.
    fn read(text: &str) -> Self {
        let mut received = Self::default();
        for stream in text.split("<rsp:Stream ").skip(1) {
            let (attributes, rest) = stream.split_once('>').expect("the end of a start tag");
            let content = rest.split("</rsp:Stream>").next().unwrap_or_default();
            let octets = BASE64.decode(content).expect("base64 without white space");
            match attributes.split('"').nth(1) {
                Some("stdout") => received.stdout.extend(octets),
                Some("stderr") => received.stderr.extend(octets),
                _ => panic!("a stream without a name: {attributes}"),
            }
        }
        // Every answer must have one: winrm4j looks into it unconditionally.
        assert!(text.contains("<rsp:CommandState "), "{text}");
        if text.contains(&format!("{SHELL}/CommandState/Done")) {
            received.code = Some(element(text, "rsp:ExitCode").parse().expect("a number"));
        }
        received
    }
}

/// The code in a fault that clients decide by, and all of it.
fn fault(reply: &Reply) -> (u64, String) {
    let text = text_of(reply);
    assert_eq!(reply.status, 500, "{text}");
    let code = text.split(" Code=\"").nth(1).and_then(|rest| rest.split('"').next());
    let code = code.and_then(|code| code.parse().ok());
    (code.unwrap_or_else(|| panic!("no WSManFault: {text}")), text)
}

/// The text of an answer; some clients read nothing that is not labelled as SOAP, not even a fault.
fn text_of(reply: &Reply) -> String {
    let label = reply.header("Content-Type");
    assert!(label.len() == 1 && label[0].contains("application/soap+xml"), "{reply:?}");
    if !label[0].contains("UTF-16") {
        return reply.text().into_owned();
    }
    let units = reply.body.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    String::from_utf16(&units.collect::<Vec<_>>()).expect("UTF-16")
}

/// The content of the first element of this literal name; it must have no attributes.
fn element(text: &str, name: &str) -> String {
    let content = text.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split('<').next());
    content.unwrap_or_else(|| panic!("no <{name}> in {text}")).to_owned()
}

fn receive_body(command: &str) -> String {
    format!(
        "<rsp:Receive><rsp:DesiredStream CommandId=\"{command}\">stdout stderr</rsp:DesiredStream></rsp:Receive>"
    )
}

fn send_body(command: &str, base64: &str) -> String {
    format!("<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{command}\">{base64}</rsp:Stream></rsp:Send>")
}

fn fresh_id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    format!("uuid:5C0C1F5B-8B5A-4F0E-9D5E-0000{:08X}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn as_it_is(curl: Curl, _: &Message<'_>) -> Curl {
    curl
}

/// The selectors of a message, with the prefix `w`.
fn selector_set(message: &Message<'_>) -> String {
    let selector =
        |id| format!("<w:SelectorSet><w:Selector Name=\"ShellId\">{id}</w:Selector></w:SelectorSet>");
    message.shell.map(selector).unwrap_or_default()
}

/// The options of a message, with the prefix `w`.
fn option_set(message: &Message<'_>) -> String {
    if message.options.is_empty() {
        return String::new();
    }
    let option = |(name, value): &(&str, &str)| format!("<w:Option Name=\"{name}\">{value}</w:Option>");
    format!("<w:OptionSet>{}</w:OptionSet>", message.options.iter().map(option).collect::<String>())
}

/// The declarations that most clients put on every envelope, but for the prefix of SOAP itself.
const NAMESPACES: &str = concat!(
    "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" ",
    "xmlns:b=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd\" ",
    "xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" ",
    "xmlns:x=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\" ",
    "xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" ",
    "xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\" ",
    "xmlns:rsp=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\" ",
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
);
const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";

const CREATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create";
const GET: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get";
const DELETE: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete";
const ENUMERATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate";
const PULL: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const CMD: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
const LISTENER: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/listener";

/// What most clients say when they open a shell.
const UTF_8: &[(&str, &str)] = &[("WINRS_NOPROFILE", "FALSE"), ("WINRS_CODEPAGE", "65001")];
/// What most clients say when they start a command.
const CONSOLE: &[(&str, &str)] = &[("WINRS_CONSOLEMODE_STDIN", "TRUE"), ("WINRS_SKIP_CMD_SHELL", "FALSE")];

/// The shell or command is not known; WinRb opens a new shell on it.
const UNKNOWN_SHELL: u64 = 2_150_858_843;
/// No output in time; every client asks again.
const TIMED_OUT: u64 = 2_150_858_793;
