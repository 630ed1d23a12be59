//! Complete requests, head and body, as real clients send them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use memchr::memmem;

use crate::Result;
use crate::telarchd::{PASSWORD, USER};

/// Returns an Identify request with credentials.
pub(crate) fn identify() -> Vec<u8> {
    post(
        r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"#,
    )
}

/// Returns a Get of the whole of `winrm/config`.
pub(crate) fn get_config() -> Vec<u8> {
    operation("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", CONFIG, "", "")
}

/// Returns an Enumerate of the listeners with one item for each Pull, so that a context remains open.
pub(crate) fn enumerate_listeners() -> Vec<u8> {
    operation(
        "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate",
        "http://schemas.microsoft.com/wbem/wsman/1/config/listener",
        "",
        r#"<n:Enumerate xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"/>"#,
    )
}

/// Returns a Get of the only instance of a class.
pub(crate) fn get_instance(class: &str) -> Vec<u8> {
    operation("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", class, "", "")
}

/// Returns an Enumerate with a WQL query and as many rows as the answer can hold.
pub(crate) fn enumerate_instances(namespace: &str, query: &str) -> Vec<u8> {
    enumerate(namespace, query, "<w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>")
}

/// Returns an Enumerate with a WQL query and one row in the answer.
pub(crate) fn enumerate_instances_one_by_one(namespace: &str, query: &str) -> Vec<u8> {
    enumerate(namespace, query, "<w:OptimizeEnumeration/><w:MaxElements>1</w:MaxElements>")
}

fn enumerate(namespace: &str, query: &str, more: &str) -> Vec<u8> {
    operation(
        "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate",
        &format!("{namespace}/*"),
        "",
        &format!(
            r#"<n:Enumerate xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration">{more}<w:Filter Dialect="http://schemas.microsoft.com/wbem/wsman/1/WQL">{query}</w:Filter></n:Enumerate>"#
        ),
    )
}

/// Returns a Pull of the next rows.
pub(crate) fn pull(namespace: &str, context: &str) -> Vec<u8> {
    operation(
        "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull",
        &format!("{namespace}/*"),
        "",
        &format!(
            r#"<n:Pull xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>32000</n:MaxElements></n:Pull>"#
        ),
    )
}

/// Returns a Create of a command shell.
pub(crate) fn create_shell() -> Vec<u8> {
    operation(
        "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
        SHELL,
        &option_set(&[("WINRS_NOPROFILE", "FALSE"), ("WINRS_CODEPAGE", "65001")]),
        r#"<rsp:Shell xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"#,
    )
}

/// Requests to one shell.
pub(crate) struct Shell<'a> {
    id: &'a str,
}

/// Program that interprets the command line.
#[derive(Clone, Copy)]
pub(crate) enum ReadBy {
    LoginShell,
    Nobody,
}

impl<'a> Shell<'a> {
    /// Reads the shell identifier from the answer to [`create_shell`].
    pub(crate) fn created(answer: &'a [u8]) -> Result<Self> {
        Ok(Self { id: between(answer, b"<w:Selector Name=\"ShellId\">", b"<")? })
    }

    pub(crate) fn command(&self, line: &str, read_by: ReadBy) -> Vec<u8> {
        let skip_shell = match read_by {
            ReadBy::LoginShell => "FALSE",
            ReadBy::Nobody => "TRUE",
        };
        let options =
            option_set(&[("WINRS_CONSOLEMODE_STDIN", "TRUE"), ("WINRS_SKIP_CMD_SHELL", skip_shell)]);
        let body = format!(
            r#"<rsp:CommandLine xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><rsp:Command>{line}</rsp:Command></rsp:CommandLine>"#
        );
        self.operation("Command", &options, &body)
    }

    pub(crate) fn receive(&self, command: &str) -> Vec<u8> {
        let body = format!(
            r#"<rsp:Receive xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><rsp:DesiredStream CommandId="{command}">stdout stderr</rsp:DesiredStream></rsp:Receive>"#
        );
        self.operation("Receive", "", &body)
    }

    /// Returns a Send that ends the input of the command.
    pub(crate) fn send_end(&self, command: &str) -> Vec<u8> {
        let body = format!(
            r#"<rsp:Send xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><rsp:Stream Name="stdin" CommandId="{command}" End="true"/></rsp:Send>"#
        );
        self.operation("Send", "", &body)
    }

    pub(crate) fn terminate(&self, command: &str) -> Vec<u8> {
        let body = format!(
            r#"<rsp:Signal xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell" CommandId="{command}"><rsp:Code>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate</rsp:Code></rsp:Signal>"#
        );
        self.operation("Signal", "", &body)
    }

    pub(crate) fn get(&self) -> Vec<u8> {
        // Descriptions are available only for all shells.
        let shells = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
        operation("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", shells, &self.selectors(), "")
    }

    pub(crate) fn delete(&self) -> Vec<u8> {
        let selectors = self.selectors();
        operation("http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete", SHELL, &selectors, "")
    }

    fn operation(&self, verb: &str, options: &str, body: &str) -> Vec<u8> {
        let action = format!("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/{verb}");
        operation(&action, SHELL, &format!("{}{options}", self.selectors()), body)
    }

    fn selectors(&self) -> String {
        format!(r#"<w:SelectorSet><w:Selector Name="ShellId">{}</w:Selector></w:SelectorSet>"#, self.id)
    }
}

/// Returns the command identifier in the answer to Command.
pub(crate) fn command_id(answer: &[u8]) -> Result<&str> {
    between(answer, b"<rsp:CommandId>", b"<")
}

/// Returns whether an answer to Receive is the last one.
pub(crate) fn is_done(answer: &[u8]) -> bool {
    // The command state is at the end, after up to half a megabyte of output.
    memmem::rfind(answer, b"/CommandState/Done\"").is_some()
}

/// Returns how many bytes of output an answer to Receive carries, computed from the length of the Base64 text.
pub(crate) fn carried(answer: &[u8]) -> u64 {
    let mut octets = 0;
    let mut rest = answer;
    while let Some(at) = memmem::find(rest, b"<rsp:Stream ") {
        rest = &rest[at..];
        let Some(end_of_tag) = memchr::memchr(b'>', rest) else { break };
        let is_empty = rest[..end_of_tag].ends_with(b"/");
        rest = &rest[end_of_tag + 1..];
        if !is_empty && let Some(length) = memchr::memchr(b'<', rest) {
            let padding = rest[..length].iter().rev().take_while(|&&digit| digit == b'=').count();
            octets += (length / 4 * 3 - padding) as u64;
        }
    }
    octets
}

/// Returns the text between two delimiters.
pub(crate) fn between<'a>(text: &'a [u8], before: &[u8], after: &[u8]) -> Result<&'a str> {
    let reported = || format!("an answer has no {}", String::from_utf8_lossy(before));
    let begin = memmem::find(text, before).ok_or_else(reported)? + before.len();
    let length = memmem::find(&text[begin..], after).ok_or_else(reported)?;
    Ok(std::str::from_utf8(&text[begin..begin + length])?)
}

fn option_set(options: &[(&str, &str)]) -> String {
    let options: String = options
        .iter()
        .map(|(name, value)| format!(r#"<w:Option Name="{name}">{value}</w:Option>"#))
        .collect();
    format!("<w:OptionSet>{options}</w:OptionSet>")
}

fn operation(action: &str, resource: &str, more: &str, body: &str) -> Vec<u8> {
    let message_id = MESSAGE_ID;
    post(&format!(
        r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"><s:Header><a:To>http://localhost:5985/wsman</a:To><a:ReplyTo><a:Address s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo><w:MaxEnvelopeSize s:mustUnderstand="true">512000</w:MaxEnvelopeSize><a:MessageID>{message_id}</a:MessageID><w:Locale s:mustUnderstand="false" xml:lang="en-US"/><p:DataLocale s:mustUnderstand="false" xml:lang="en-US"/><w:OperationTimeout>PT60S</w:OperationTimeout><w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI><a:Action s:mustUnderstand="true">{action}</a:Action>{more}</s:Header><s:Body>{body}</s:Body></s:Envelope>"#
    ))
}

fn post(envelope: &str) -> Vec<u8> {
    let credentials = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let length = envelope.len();
    format!(
        "POST /wsman HTTP/1.1\r\n\
         Host: localhost:5985\r\n\
         User-Agent: telarch-benches\r\n\
         Connection: Keep-Alive\r\n\
         Authorization: Basic {credentials}\r\n\
         Content-Type: application/soap+xml;charset=UTF-8\r\n\
         Content-Length: {length}\r\n\r\n\
         {envelope}"
    )
    .into_bytes()
}

/// Message identifier of every request. Clients must make it unique, but no service checks it.
pub(crate) const MESSAGE_ID: &str = "uuid:5B6A4C20-6A3C-4B8E-9B0C-3C8A0D5A7E11";

const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
