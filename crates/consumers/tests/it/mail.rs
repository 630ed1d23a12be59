//! Tests of the mails of `SMTPEventConsumer`, received by aiosmtpd and parsed by Python's package `email`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use telarch_consumers::{CommandPolicy, Creators};

use crate::{bound, compile, engine, problem, room, run_subscriptions};

const SERVER: &str = r#"
import asyncio, email, email.policy, json
from aiosmtpd.smtp import SMTP

def say(**told):
    print(json.dumps(told), flush=True)

class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.SMTP)
        say(sender=envelope.mail_from, recipients=envelope.rcpt_tos, text=mail.get_content(),
            defects=[str(defect) for part in [mail, *mail.values()] for defect in part.defects],
            lines=max(len(line) for line in envelope.content.split(b"\r\n")),
            date=mail["date"].datetime.timestamp(), head={name.lower(): str(value) for name, value in mail.items()}, names=mail.keys())
        return "250 OK"

async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="mail"), "127.0.0.1", 0)
    say(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()

asyncio.run(serve())
"#;

/// A mail server, which ends when the value is dropped.
struct Server {
    program: Child,
    port: u16,
    mails: Receiver<Value>,
}

impl Server {
    /// Starts a server; `None` if aiosmtpd is not installed.
    fn start() -> Option<Self> {
        let python = || Command::new("/usr/bin/python3");
        if !python().args(["-c", "import aiosmtpd"]).output().is_ok_and(|tried| tried.status.success()) {
            skips::skip!("there is no mail server (./test --install, or python3-aiosmtpd)");
            return None;
        }
        let mut program = python().args(["-c", SERVER]).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, mails) = channel();
        let lines = BufReader::new(program.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| sender.send(serde_json::from_str(&line).unwrap()))
        });
        let begun: Value = mails.recv_timeout(Duration::from_secs(60)).expect("a port");
        let port = begun["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        Some(Self { program, port, mails })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn consumer(more: &str) -> String {
    format!("SMTPEventConsumer as $C {{ Name = \"mail\"; {more} }}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn event_text_cannot_change_the_recipients_of_a_mail() {
    let Some(server) = Server::start() else { return };
    let engine = engine();
    let _work = run_subscriptions(&engine, Creators::All, CommandPolicy::Deny);
    let consumer = consumer(&format!(
        "SMTPServer = \"127.0.0.1:{}\"; FromLine = \"M\u{fc}ller <m@example.com>\"; \
         ToLine = \"a@example.com; Bob B <b@example.com>\"; CcLine = \"c@example.com\"; \
         BccLine = \"secret@example.com\"; ReplyToLine = \"r@example.com\"; HeaderFields = {{ \"X-Site: one\" }}; \
         Subject = \"\u{e4} %TargetInstance.Name%\"; Message = \"\u{f6}\\n.\\n.%TargetInstance.Name%\";",
        server.port
    ));
    compile(engine.repository(), &bound(&consumer, ""));
    // The start of a subscription is not reported, so events are repeated.
    let mail = (0..crate::ATTEMPTS).find_map(|number| {
        compile(engine.repository(), &room(&format!("x{number}\\r\\nBcc: d@example.com\\r\\n\\r\\nQUIT")));
        server.mails.recv_timeout(Duration::from_millis(200)).ok()
    });
    let mail = mail.expect("a mail");
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{mail}")).to_owned();
    assert_eq!(text(&mail["sender"]), "m@example.com");
    let recipients: Vec<_> = mail["recipients"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(recipients, ["a@example.com", "b@example.com", "c@example.com", "secret@example.com"]);
    assert_eq!(mail["defects"], serde_json::json!([]), "{mail}");
    let head = |name: &str| text(&mail["head"][name]);
    assert_eq!(
        ["from", "to", "cc", "reply-to", "auto-submitted", "x-site"].map(head),
        [
            "M\u{fc}ller <m@example.com>",
            "a@example.com, Bob B <b@example.com>",
            "c@example.com",
            "r@example.com",
            "auto-generated",
            "one"
        ]
    );
    assert!(
        head("subject").starts_with("\u{e4} x") && head("subject").ends_with("  Bcc: d@example.com    QUIT"),
        "{mail}"
    );
    assert_eq!(mail["head"]["bcc"], Value::Null);
    let id = head("message-id");
    assert!(id.starts_with('<') && id.ends_with('>') && id.matches('@').count() == 1, "{id}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(mail["date"].as_f64().is_some_and(|date| (now - 120.0..=now + 1.0).contains(&date)), "{mail}");
    assert!(mail["lines"].as_u64().is_some_and(|longest| longest <= 76), "{mail}");
    let names = mail["names"].as_array().unwrap();
    assert_eq!(names.len(), mail["head"].as_object().unwrap().len(), "each field stands there once: {mail}");
    let body = text(&mail["text"]).replace("\r\n", "\n");
    assert!(
        body.starts_with("\u{f6}\n.\n.x") && body.ends_with("\nBcc: d@example.com\n\nQUIT\n"),
        "{body:?}"
    );
}

#[test]
fn invalid_mail_consumers_are_rejected() {
    for (more, words) in [
        ("ToLine = \"a@b\";", "SMTPServer: mail server is required"),
        ("SMTPServer = \"a b\"; ToLine = \"a@b\";", "SMTPServer: must be a host name or address"),
        ("SMTPServer = \"mail\"; ToLine = \" ; \";", "ToLine: at least one recipient is required"),
        (
            "SMTPServer = \"mail\"; ToLine = \"a@b\"; HeaderFields = { \"Bcc: c@d\" };",
            "HeaderFields: must be ASCII fields of the form Name: value",
        ),
    ] {
        let reported = problem(&bound(&consumer(more), "")).to_string();
        assert!(reported.contains(words), "{more}: {reported}");
    }
}
