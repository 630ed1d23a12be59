//! `SMTPEventConsumer`: sends a mail for each event, over unencrypted TCP as Windows does.

mod encoded_word;
pub(crate) mod mailbox;
pub(crate) mod message;
pub mod smtp;

use std::io;

use cim::{Instance, Value};
use rustix::system::uname;
use tokio::net::TcpStream;

use crate::Problem;
use crate::template::Template;
use mailbox::Mailbox;
use message::{Field, Message};

/// A mail with templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Host name or address, with or without port.
    server: String,
    from: Option<Template>,
    reply_to: Vec<Template>,
    to: Vec<Template>,
    cc: Vec<Template>,
    bcc: Vec<Template>,
    fields: Vec<Field>,
    subject: Template,
    text: Template,
}

/// Default port of SMTP (RFC 5321 4.5.4.2).
const PORT: u16 = 25;

/// Maximum number of recipients (RFC 5321 4.5.3.1.8).
const MOST_RECIPIENTS: usize = 100;

impl Mail {
    pub(crate) fn read(consumer: &Instance) -> Result<Self, Problem> {
        let server = text(consumer, "SMTPServer").ok_or(wrong("SMTPServer", "mail server is required"))?;
        if address_of(server).is_none() {
            return Err(wrong(
                "SMTPServer",
                "must be a host name or address, with an optional port: mail.example.com:2525",
            ));
        }
        let (to, cc) = (templates(consumer, "ToLine"), templates(consumer, "CcLine"));
        let bcc = templates(consumer, "BccLine");
        match to.len() + cc.len() + bcc.len() {
            0 => return Err(wrong("ToLine", "at least one recipient is required")),
            1..=MOST_RECIPIENTS => {}
            _ => return Err(wrong("ToLine", "at most 100 recipients are allowed")),
        }
        let fields = consumer.value("HeaderFields").map_or(&[][..], Value::elements);
        let fields = fields.iter().filter_map(Value::as_str).map(Field::parse).collect::<Option<_>>();
        let what =
            "must be ASCII fields of the form Name: value, without fields that have their own property";
        Ok(Self {
            server: server.to_owned(),
            from: text(consumer, "FromLine").map(Template::parse),
            reply_to: templates(consumer, "ReplyToLine"),
            to,
            cc,
            bcc,
            fields: fields.ok_or(wrong("HeaderFields", what))?,
            subject: Template::parse(text(consumer, "Subject").unwrap_or_default()),
            text: Template::parse(consumer.value("Message").and_then(Value::as_str).unwrap_or_default()),
        })
    }

    /// Sends the mail for an event.
    pub(crate) async fn consume(&self, event: &Instance) -> Result<(), Problem> {
        let message = self.message(event)?;
        let connected = async {
            let (host, port) = address_of(&self.server).ok_or(io::ErrorKind::InvalidInput)?;
            let stream = TcpStream::connect((host, port)).await?;
            let own = stream.local_addr()?.ip();
            Ok((stream, own))
        };
        let sent = smtp::send(connected, &message).await;
        sent.map_err(Problem::io(format!("the mail server {}", self.server)))
    }

    fn message(&self, event: &Instance) -> Result<Message, Problem> {
        let host = host_name();
        let from = match &self.from {
            Some(template) => Some(mailbox(template, event, "FromLine")?),
            None => Mailbox::parse(&format!("telarch@{host}")),
        };
        Ok(Message {
            from: from.ok_or(Problem::Mailbox { property: "FromLine", what: String::new() })?,
            reply_to: mailboxes(&self.reply_to, event, "ReplyToLine")?,
            to: mailboxes(&self.to, event, "ToLine")?,
            cc: mailboxes(&self.cc, event, "CcLine")?,
            bcc: mailboxes(&self.bcc, event, "BccLine")?,
            fields: self.fields.clone(),
            subject: self.subject.fill(event),
            text: self.text.fill(event),
            host,
        })
    }
}

fn wrong(property: &'static str, what: &'static str) -> Problem {
    Problem::Property { property, what }
}

/// Returns a property as trimmed, non-empty text.
fn text<'i>(consumer: &'i Instance, name: &str) -> Option<&'i str> {
    consumer.value(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Parses a list of mailboxes. The list is split before templates are filled, so an event cannot add
/// recipients.
fn templates(consumer: &Instance, property: &str) -> Vec<Template> {
    let mailboxes = text(consumer, property).unwrap_or_default().split([',', ';']).map(str::trim);
    mailboxes.filter(|mailbox| !mailbox.is_empty()).map(Template::parse).collect()
}

fn mailboxes(
    templates: &[Template],
    event: &Instance,
    property: &'static str,
) -> Result<Vec<Mailbox>, Problem> {
    templates.iter().map(|template| mailbox(template, event, property)).collect()
}

fn mailbox(template: &Template, event: &Instance, property: &'static str) -> Result<Mailbox, Problem> {
    let filled = template.fill(event);
    Mailbox::parse(&filled).ok_or(Problem::Mailbox { property, what: harmless(&filled) })
}

/// Splits host and port; an IPv6 address with a port is in brackets.
fn address_of(server: &str) -> Option<(&str, u16)> {
    if let Some((host, rest)) = server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = if rest.is_empty() { PORT } else { rest.strip_prefix(':')?.parse().ok()? };
        return host.parse::<std::net::Ipv6Addr>().is_ok().then_some((host, port));
    }
    if server.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some((server, PORT));
    }
    let (host, port) = match server.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (server, PORT),
    };
    let is_host =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    is_host.then_some((host, port))
}

/// Returns the host name, or `localhost` if it is not a valid domain.
fn host_name() -> String {
    let name = uname().nodename().to_string_lossy().into_owned();
    if mailbox::is_domain(&name) { name } else { "localhost".to_owned() }
}

/// Returns a text from outside as a single log line: control characters are replaced, and the length is
/// limited.
fn harmless(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{FFFD}' } else { letter }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_names_or_addresses_with_optional_port() {
        for (server, expected) in [
            ("mail.example.com", Some(("mail.example.com", 25))),
            ("mail:2525", Some(("mail", 2525))),
            ("192.0.2.1:1", Some(("192.0.2.1", 1))),
            ("::1", Some(("::1", 25))),
            ("[::1]:2525", Some(("::1", 2525))),
            ("[::1]", Some(("::1", 25))),
            ("mail:", None),
            ("mail:smtp", None),
            ("a b", None),
            (":25", None),
            ("[x]:25", None),
        ] {
            assert_eq!(address_of(server), expected, "{server}");
        }
    }
}
