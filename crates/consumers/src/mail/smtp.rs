//! SMTP client (RFC 5321).

use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
    BufStream,
};

use super::harmless;
use super::message::Message;

/// Maximum length of a response line in bytes, and maximum number of lines.
const LONGEST_LINE: u64 = 2_000;
const MOST_LINES: usize = 100;

/// Time limit for sending a mail, from connecting to its acceptance.
const LONGEST: Duration = Duration::from_secs(60);

/// Time limit for the response to QUIT.
const LONGEST_LEAVE: Duration = Duration::from_secs(2);

/// Sends a mail over a connection; the connection future also returns the local address.
///
/// # Errors
/// The response of the server if it rejects the mail, or a network error; [`io::ErrorKind::TimedOut`] if it
/// takes too long.
pub(super) async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    connected: impl Future<Output = io::Result<(S, IpAddr)>>,
    message: &Message,
) -> io::Result<()> {
    let transaction = async {
        let (stream, own) = connected.await?;
        let mut server = Server(BufStream::new(stream));
        server.take(own, message).await?;
        Ok::<_, io::Error>(server)
    };
    let mut server = match tokio::time::timeout(LONGEST, transaction).await {
        Ok(server) => server?,
        Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "timed out")),
    };
    // The server has accepted the mail, so errors of QUIT are ignored.
    let _ = tokio::time::timeout(LONGEST_LEAVE, server.say("QUIT")).await;
    Ok(())
}

/// The server; its responses are not trusted.
struct Server<S>(BufStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Server<S> {
    /// Sends a mail. If the server rejects one recipient, the mail is not sent to anyone.
    async fn take(&mut self, own: IpAddr, message: &Message) -> io::Result<()> {
        self.expect(220).await?;
        // A client without a public name sends its address (4.1.4).
        let own = match own {
            IpAddr::V4(own) => format!("[{own}]"),
            IpAddr::V6(own) => format!("[IPv6:{own}]"),
        };
        if self.say(&format!("EHLO {own}")).await?.code != 250 {
            self.must(&format!("HELO {own}"), 250).await?;
        }
        self.must(&format!("MAIL FROM:<{}>", message.from.address()), 250).await?;
        for recipient in message.recipients() {
            let answer = self.say(&format!("RCPT TO:<{}>", recipient.address())).await?;
            if !matches!(answer.code, 250 | 251) {
                return Err(answer.refusal(recipient.address()));
            }
        }
        self.must("DATA", 354).await?;
        self.0.write_all(stuffed(&message.write(SystemTime::now())).as_bytes()).await?;
        self.must(".", 250).await
    }

    async fn must(&mut self, command: &str, code: u16) -> io::Result<()> {
        let answer = self.say(command).await?;
        let name = command.split([' ', ':']).next().unwrap_or_default();
        let what = if name == "." { "message" } else { name };
        if answer.code == code { Ok(()) } else { Err(answer.refusal(what)) }
    }

    async fn say(&mut self, command: &str) -> io::Result<Answer> {
        self.0.write_all(format!("{command}\r\n").as_bytes()).await?;
        self.0.flush().await?;
        answer(&mut self.0).await
    }

    async fn expect(&mut self, code: u16) -> io::Result<()> {
        let answer = answer(&mut self.0).await?;
        if answer.code == code { Ok(()) } else { Err(answer.refusal("connection")) }
    }
}

/// A response of the server.
pub struct Answer {
    /// Reply code, from 200 to 599.
    pub code: u16,
    /// Text of the last line.
    pub text: String,
}

impl Answer {
    /// Returns the error for a command or recipient that the server rejected.
    pub fn refusal(&self, what: &str) -> io::Error {
        io::Error::other(format!("{what} rejected: {} {}", self.code, harmless(&self.text)))
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Doubles a dot at the start of a line, so that no line ends the mail (4.5.2).
pub fn stuffed(mail: &str) -> String {
    let begun = if mail.starts_with('.') { "." } else { "" };
    begun.to_owned() + &mail.replace("\r\n.", "\r\n..")
}

/// Reads a response: lines with the same code, all but the last with a hyphen after it (4.2.1).
///
/// # Errors
/// Network errors, and [`io::ErrorKind::InvalidData`] for anything else.
pub async fn answer(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Answer> {
    let mut begun = None;
    for _ in 0..MOST_LINES {
        let mut line = Vec::new();
        (&mut *from).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_suffix('\n').ok_or_else(|| invalid("response line is too long"))?;
        let code = line.get(..3).and_then(|code| code.parse().ok()).filter(|code| (200..600).contains(code));
        let code = code.ok_or_else(|| invalid("response without a code"))?;
        if *begun.get_or_insert(code) != code {
            return Err(invalid("response with different codes"));
        }
        let text = line.get(3..).unwrap_or_default();
        match text.chars().next() {
            Some('-') => {}
            None | Some(' ' | '\r') => return Ok(Answer { code, text: text.trim().to_owned() }),
            Some(_) => return Err(invalid("response without a code")),
        }
    }
    Err(invalid("response has too many lines"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::AsyncReadExt as _;

    use super::super::mailbox::Mailbox;
    use super::*;

    fn message(text: &str) -> Message {
        let mailbox = |text| Mailbox::parse(text).expect("an address");
        Message {
            from: mailbox("a@b"),
            reply_to: Vec::new(),
            to: vec![mailbox("c@d")],
            cc: Vec::new(),
            bcc: vec![mailbox("e@f")],
            fields: Vec::new(),
            subject: String::new(),
            text: text.to_owned(),
            host: "node7".to_owned(),
        }
    }

    /// Sends a mail to a server that sends a fixed script; returns the result, and the text the server
    /// received.
    async fn sent(script: &str) -> (io::Result<()>, String) {
        let (client, mut server) = tokio::io::duplex(1 << 20);
        server.write_all(script.as_bytes()).await.expect("room");
        server.shutdown().await.expect("a stream");
        let message = message(".\r\n.\r\nMAIL FROM:<x@y>\r\n");
        let connected = async { Ok((client, Ipv4Addr::LOCALHOST.into())) };
        let outcome = send(connected, &message).await;
        let mut received = String::new();
        server.read_to_string(&mut received).await.expect("text");
        (outcome, received)
    }

    #[tokio::test]
    async fn a_mail_is_delivered_and_a_line_with_a_dot_does_not_end_it() {
        let script = "220-hello\r\n220 there\r\n250-x\r\n250 y\r\n250 ok\r\n250 ok\r\n251 ok\r\n354 go\r\n250 ok\r\n221 bye\r\n";
        let (outcome, received) = sent(script).await;
        outcome.expect("it is taken");
        assert!(received.starts_with(
            "EHLO [127.0.0.1]\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n"
        ));
        assert!(received.ends_with("\r\n\r\n..\r\n..\r\nMAIL FROM:<x@y>\r\n\r\n.\r\nQUIT\r\n"), "{received}");
        assert_eq!(received.split("\r\n.\r\n").count(), 2, "{received}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_mail_is_sent_only_if_a_silent_server_has_confirmed_it() {
        for (script, is_sent) in [
            ("220 x\r\n250 x\r\n250 x\r\n250 x\r\n250 x\r\n354 x\r\n250 taken\r\n", true),
            ("220 x\r\n250 x\r\n250 x\r\n250 x\r\n250 x\r\n354 x\r\n", false),
        ] {
            let (client, mut server) = tokio::io::duplex(1 << 20);
            server.write_all(script.as_bytes()).await.expect("room");
            let connected = async { Ok((client, Ipv4Addr::LOCALHOST.into())) };
            let outcome = send(connected, &message("x")).await.map_err(|error| error.kind());
            assert_eq!(outcome, if is_sent { Ok(()) } else { Err(io::ErrorKind::TimedOut) }, "{script:?}");
        }
    }

    #[tokio::test]
    async fn rejections_and_invalid_responses_are_errors() {
        let endless = "250-x\r\n".repeat(200);
        for (script, reported) in [
            ("554 no\r\n", "connection rejected: 554 no"),
            ("220 x\r\n250 x\r\n250 x\r\n550 no such\x1buser\r\n", "c@d rejected: 550 no such\u{FFFD}user"),
            (
                "220 x\r\n502 x\r\n250 x\r\n250 x\r\n250 x\r\n250 x\r\n354 x\r\n552 full\r\n",
                "message rejected: 552 full",
            ),
            ("hello\r\n", "response without a code"),
            ("ééé\r\n", "response without a code"),
            ("2200 x\r\n", "response without a code"),
            ("220-x\r\n554 no\r\n", "response with different codes"),
            ("", "unexpected end of file"),
            (&format!("220 {}", "x".repeat(3_000)), "response line is too long"),
            (&format!("220 x\r\n{endless}"), "response has too many lines"),
        ] {
            let (outcome, _) = sent(script).await;
            // The connection ends after the script.
            let outcome = outcome.expect_err(reported).to_string();
            assert_eq!(outcome, reported, "{script:?}");
        }
    }
}
