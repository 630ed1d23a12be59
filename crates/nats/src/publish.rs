//! Lines of a client: subscriptions and published messages.

/// Message to be published to a stream.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// Subject of the message, from a [`SubjectTemplate`](crate::SubjectTemplate).
    pub subject: &'a str,
    /// Subject to which JetStream sends the acknowledgement.
    pub reply: &'a str,
    /// Identifier by which the stream recognises duplicates (`Nats-Msg-Id`).
    pub identifier: &'a str,
    /// Content.
    pub payload: &'a [u8],
}

impl Publication<'_> {
    /// Returns the size of headers and payload in bytes, which the server limits.
    #[must_use]
    pub fn size(&self) -> usize {
        self.header_size() + self.payload.len()
    }

    fn header_size(&self) -> usize {
        FIRST_HEADERS.len() + self.identifier.len() + END.len()
    }

    /// Appends the message. Line breaks in subjects and identifiers cannot begin another line: they are left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (identifier, subject, reply) =
            (one_word(self.identifier), one_word(self.subject), one_word(self.reply));
        let message = Publication { subject: &subject, reply: &reply, identifier: &identifier, ..*self };
        let line = format!("HPUB {subject} {reply} {} {}\r\n", message.header_size(), message.size());
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(FIRST_HEADERS.as_bytes());
        out.extend_from_slice(identifier.as_bytes());
        out.extend_from_slice(END.as_bytes());
        out.extend_from_slice(self.payload);
        out.extend_from_slice(b"\r\n");
    }
}

fn one_word(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect()
}

/// Appends a subscription with the identifier 1 to all subjects below a prefix.
pub fn subscribe(prefix: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("SUB {}.* 1\r\n", one_word(prefix)).as_bytes());
}

/// Request for a [`Pong`](crate::ServerMessage::Pong).
pub const PING: &[u8] = b"PING\r\n";
/// Response to a [`Ping`](crate::ServerMessage::Ping).
pub const PONG: &[u8] = b"PONG\r\n";

const FIRST_HEADERS: &str = "NATS/1.0\r\nNats-Msg-Id: ";
const END: &str = "\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_lengths_of_its_headers_and_of_all() {
        let message = Publication { subject: "wef.a", reply: "_INBOX.b.1", identifier: "id", payload: b"{}" };
        let mut out = Vec::new();
        message.write(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "HPUB wef.a _INBOX.b.1 29 31\r\nNATS/1.0\r\nNats-Msg-Id: id\r\n\r\n{}\r\n");
        let (_, content) = text.split_once("\r\n").unwrap();
        assert_eq!(content.len() - 2, message.size());
    }

    #[test]
    fn a_line_break_begins_no_other_line() {
        let message =
            Publication { subject: "a\r\nPUB b 0", reply: "c", identifier: "x\r\ny: z", payload: b"" };
        let mut out = Vec::new();
        message.write(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("HPUB aPUBb0 c 31 31\r\nNATS/1.0\r\nNats-Msg-Id: xy:z\r\n\r\n"), "{text}");
    }
}
