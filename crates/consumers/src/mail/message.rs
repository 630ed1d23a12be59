//! Format of a mail (RFC 5322); text that is not ASCII is encoded (RFC 2045, RFC 2047).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::encoded_word::encoded;
use super::mailbox::Mailbox;

/// A mail.
#[derive(Clone, Debug)]
pub struct Message {
    /// Sender.
    pub from: Mailbox,
    /// Addresses for replies; empty for that of the sender.
    pub reply_to: Vec<Mailbox>,
    /// Recipients.
    pub to: Vec<Mailbox>,
    /// Recipients of copies.
    pub cc: Vec<Mailbox>,
    /// Recipients who do not appear in the header.
    pub bcc: Vec<Mailbox>,
    /// Additional header fields.
    pub fields: Vec<Field>,
    /// Subject; line breaks become spaces.
    pub subject: String,
    /// Body.
    pub text: String,
    /// Name of this machine.
    pub host: String,
}

/// An additional header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// INVARIANT: printable ASCII without spaces and colons.
    name: String,
    /// INVARIANT: printable ASCII, short enough for one line.
    value: String,
}

/// Maximum length of a line without its end (RFC 5322 2.1.1), and the recommended maximum.
const LONGEST_LINE: usize = 998;
const LINE: usize = 76;

/// Header field that a consumer may override.
const AUTO_SUBMITTED: &str = "Auto-Submitted";

/// Number of mails written by this process.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Header fields that consumers cannot set, because they are derived from other properties.
const OWN: &[&str] = &[
    "bcc",
    "cc",
    "content-transfer-encoding",
    "content-type",
    "date",
    "from",
    "message-id",
    "mime-version",
    "received",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
];

impl Field {
    /// Parses `Name: value`; `None` if it is not a valid field.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once(':')?;
        let value = value.trim_matches(' ');
        let is_name = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic());
        let is_own = OWN.iter().any(|own| own.eq_ignore_ascii_case(name));
        let is_line = value.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic())
            && name.len() + value.len() + 2 <= LONGEST_LINE;
        (is_name && is_line && !is_own).then(|| Self { name: name.to_owned(), value: value.to_owned() })
    }
}

impl Message {
    /// Returns all recipients.
    pub(super) fn recipients(&self) -> impl Iterator<Item = &Mailbox> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }

    /// Returns the mail as text with the given date, with CRLF line ends and limited line length.
    pub fn write(&self, now: SystemTime) -> String {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds =
            jiff::Timestamp::from_second(i64::try_from(since.as_secs()).unwrap_or(0)).unwrap_or_default();
        let date =
            jiff::fmt::rfc2822::to_string(&seconds.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default();
        // The counter distinguishes mails with the same time.
        let count = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let id = format!("<{}.{}.{count}@{}>", since.as_nanos(), std::process::id(), self.host);
        let mut mail = String::new();
        let mut line = |name: &str, value: &str| mail += &format!("{name}: {value}\r\n");
        line("Date", &date);
        line("From", &self.from.header());
        for (name, mailboxes) in [("Reply-To", &self.reply_to), ("To", &self.to), ("Cc", &self.cc)] {
            if !mailboxes.is_empty() {
                let mailboxes: Vec<String> = mailboxes.iter().map(Mailbox::header).collect();
                line(name, &mailboxes.join(",\r\n "));
            }
        }
        line("Subject", &unstructured(&self.subject, LINE - "Subject: ".len()));
        line("Message-ID", &id);
        // Automatic responders do not reply to mails with this field (RFC 3834 5).
        if !self.fields.iter().any(|field| field.name.eq_ignore_ascii_case(AUTO_SUBMITTED)) {
            line(AUTO_SUBMITTED, "auto-generated");
        }
        for Field { name, value } in &self.fields {
            line(name, value);
        }
        line("MIME-Version", "1.0");
        line("Content-Type", "text/plain; charset=UTF-8");
        let lines = lines(&self.text);
        let is_plain = self.text.is_ascii() && lines.iter().all(|line| line.len() <= LONGEST_LINE);
        line("Content-Transfer-Encoding", if is_plain { "7bit" } else { "base64" });
        mail += "\r\n";
        let text: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        if is_plain {
            return mail + &text;
        }
        let encoded = STANDARD.encode(text);
        let lines = encoded.as_bytes().chunks(LINE).map(|line| String::from_utf8_lossy(line) + "\r\n");
        lines.for_each(|line| mail += &line);
        mail
    }
}

/// Returns the lines of a text with any line ends; control characters other than tabs are removed.
fn lines(text: &str) -> Vec<String> {
    text.replace("\r\n", "\n")
        .split(['\n', '\r'])
        .map(|line| line.chars().filter(|letter| *letter == '\t' || !letter.is_control()).collect())
        .collect()
}

/// Returns a header text: one line of ASCII if it fits into `room`, otherwise encoded words.
fn unstructured(text: &str, room: usize) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let text = text.trim();
    let is_plain = text.is_ascii() && text.len() <= room && !text.contains("=?");
    if is_plain { text.to_owned() } else { encoded(text) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn message(subject: &str, text: &str) -> Message {
        let mailbox = |text| Mailbox::parse(text).expect("an address");
        Message {
            from: mailbox("telarch@node7"),
            reply_to: Vec::new(),
            to: vec![mailbox("a@b"), mailbox("Bob <b@c>")],
            cc: Vec::new(),
            bcc: vec![mailbox("secret@c")],
            fields: vec![Field::parse("X-Site: one").expect("a field")],
            subject: subject.to_owned(),
            text: text.to_owned(),
            host: "node7".to_owned(),
        }
    }

    /// Returns the mail with the number in its Message-ID removed.
    fn written(subject: &str, text: &str) -> String {
        let mail = message(subject, text).write(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let (before, id) = mail.split_once("\r\nMessage-ID: <").expect("an identity");
        let (id, after) = id.split_once('>').expect("an identity");
        let (id, host) = id.split_once('@').expect("two parts");
        let id = id.rsplit_once('.').expect("a number").0;
        format!("{before}\r\nMessage-ID: <{id}@{host}>{after}")
    }

    #[test]
    fn an_ascii_mail_is_written_without_encoding() {
        let expected = format!(
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: telarch@node7\r\nTo: a@b,\r\n Bob\r\n <b@c>\r\n\
             Subject: stopped\r\nMessage-ID: <1700000000000000000.{}@node7>\r\nAuto-Submitted: auto-generated\r\n\
             X-Site: one\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n.one\r\ntwo\r\n",
            std::process::id()
        );
        assert_eq!(written("stopped", ".one\ntwo"), expected);
    }

    #[test]
    fn event_text_adds_no_header_and_lines_are_limited() {
        let attack = "x\r\nBcc: c@d\r\n\r\nbody\0\u{85}\u{2028}";
        for (subject, text) in [
            (attack, attack),
            (&"ä\r\n".repeat(20_000), &"ö".repeat(30_000)),
            (&"a".repeat(60_000), &"b".repeat(60_000)),
            ("=?UTF-8?Q?x?=", "\r\r\n\n.\n"),
        ] {
            let mail = written(subject, text);
            let (head, body) = mail.split_once("\r\n\r\n").expect("a head and a body");
            let names: Vec<_> = head
                .split("\r\n")
                .filter(|line| !line.starts_with(' '))
                .map(|line| line.split(':').next())
                .collect();
            let expected = [
                "Date",
                "From",
                "To",
                "Subject",
                "Message-ID",
                "Auto-Submitted",
                "X-Site",
                "MIME-Version",
                "Content-Type",
                "Content-Transfer-Encoding",
            ];
            assert_eq!(names, expected.map(Some));
            assert!(mail.is_ascii() && !mail.replace("\r\n", "").contains(['\r', '\n', '\0']), "{mail:?}");
            assert!(mail.split("\r\n").all(|line| line.len() <= LONGEST_LINE));
            assert!(head.split("\r\n").all(|line| line.len() <= LINE), "{head}");
            assert!(!mail.contains("secret") && body.ends_with("\r\n"));
        }
    }

    #[test]
    fn lines_with_encoded_words_are_short() {
        let name = "ä".repeat(200);
        let mailbox = Mailbox::parse(&format!("{name} <a@b>")).expect("an address");
        let message = Message {
            from: mailbox.clone(),
            reply_to: vec![mailbox.clone()],
            to: vec![mailbox.clone(), mailbox],
            ..message(&name, "")
        };
        let mail = message.write(SystemTime::UNIX_EPOCH);
        assert!(mail.split("\r\n").all(|line| line.len() <= LINE), "{mail}");
    }

    #[test]
    fn each_mail_has_its_own_message_id_and_one_auto_submitted_header() {
        let fields = vec![Field::parse("auto-submitted: auto-notified").expect("a field")];
        let message = Message { fields, ..message("x", "x") };
        let [one, two] = [(); 2].map(|()| message.write(SystemTime::UNIX_EPOCH));
        assert_ne!(one, two);
        assert_eq!(one.to_ascii_lowercase().matches("auto-submitted").count(), 1, "{one}");
        assert!(one.contains("auto-submitted: auto-notified\r\n"), "{one}");
    }

    #[test]
    fn fields_are_names_and_values_in_one_line() {
        for wrong in ["X", ": x", "X Y: z", "X: a\r\nBcc: b", "bcc: x", "Subject: x", "X: ä", "To : x"] {
            assert_eq!(Field::parse(wrong), None, "{wrong:?}");
        }
        assert!(Field::parse(&format!("X: {}", "a".repeat(1_000))).is_none());
        assert_eq!(Field::parse("X-Priority:1").map(|field| field.value).as_deref(), Some("1"));
    }
}
