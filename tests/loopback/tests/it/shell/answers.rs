//! Tests of the elements in responses to Create, Get and Enumerate, compared with recordings of Windows, and of
//! responses with small size limits.

use client::{EnumerateOptions, Locator, Session, ShellOptions};
use telarch_loopback::{Loopback, TIMEOUT, User};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wsman::shell::{CommandState, OpenShell, Received, parse_created};
use wsman::{Action, Response, ResponseError, ShellVerb, Subcode, code, namespace};
use xml::{Bounds, Element};

use crate::message::{self, fragment, open_shell, start};
use crate::shell::{first_line, line, open, rest};
use crate::shell_list::shells;
use crate::{refusal, uri};

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";

/// Returns name and text of every child of an `rsp:Shell`, except for those that always differ.
fn fields_of(shell: Element<'_>) -> Vec<(String, String)> {
    assert!(shell.is(namespace::SHELL, "Shell"), "{}", shell.name());
    let field = |child: Element<'_>| {
        assert_eq!(child.namespace(), namespace::SHELL, "{}", child.name());
        let text = child
            .children()
            .map(|variable| format!("{}={}", variable.attribute("", "Name").unwrap(), variable.text()));
        let text = if child.name() == "Environment" {
            text.collect::<Vec<_>>().join(";")
        } else {
            child.text().into_owned()
        };
        (child.name().to_owned(), text)
    };
    shell.children().map(field).filter(|(name, _)| name != "ShellId").collect()
}

/// Returns the expected elements of a shell, with additional ones in the middle.
fn expected(between: &[(&str, &str)]) -> Vec<(String, String)> {
    let before = [("ResourceUri", namespace::SHELL_CMD), ("Owner", "ada"), ("ClientIP", "127.0.0.1")];
    let after = [
        ("InputStreams", "stdin"),
        ("OutputStreams", "stdout stderr"),
        ("ShellRunTime", "P0DT0H0M0S"),
        ("ShellInactivity", "P0DT0H0M0S"),
    ];
    let all = before.iter().chain(between).chain(&after);
    all.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// Creates a shell with a body of these children.
async fn create(session: &Session, children: &str) -> Response {
    let text = format!(
        "<rsp:Shell xmlns:rsp='{SHELL}'><rsp:InputStreams>stdin</rsp:InputStreams>\
         <rsp:OutputStreams>stdout stderr</rsp:OutputStreams>{children}</rsp:Shell>"
    );
    let document = xml::Document::parse(text, &Bounds::default()).unwrap();
    let body = fragment(|writer| {
        writer.copy(document.root());
    });
    let locator = Locator::new(uri(namespace::SHELL_CMD));
    session.invoke(&locator, &Action::Create.uri(), Some(&body)).await.unwrap()
}

#[tokio::test]
async fn create_get_and_enumerate_have_the_elements_and_order_of_windows() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    // As recorded, except for the directory. The second shell has the name and the lifetime that pypsrp requests, which
    // Windows does not repeat. Windows always reports the idle timeout in the same form.
    let cases: [(&str, &[(&str, &str)]); 6] = [
        ("", &[("IdleTimeOut", "PT7200.000S")]),
        (
            "<rsp:IdleTimeOut>PT60S</rsp:IdleTimeOut><rsp:Lifetime>PT60S</rsp:Lifetime><rsp:Name>shell 1</rsp:Name>\
             <rsp:WorkingDirectory>/usr</rsp:WorkingDirectory>",
            &[("WorkingDirectory", "/usr"), ("IdleTimeOut", "PT60.000S")],
        ),
        (
            "<rsp:Environment><rsp:Variable Name='env1'>var1</rsp:Variable><rsp:Variable Name='1234'>5678</rsp:Variable>\
             <rsp:Variable Name='_&lt;&gt;&quot;'>&amp; &quot;</rsp:Variable></rsp:Environment>",
            &[("Environment", "env1=var1;1234=5678;_<>\"=& \""), ("IdleTimeOut", "PT7200.000S")],
        ),
        ("<rsp:IdleTimeOut>PT60M0S</rsp:IdleTimeOut>", &[("IdleTimeOut", "PT3600.000S")]),
        // Raised and lowered to the limits.
        ("<rsp:IdleTimeOut>PT1S</rsp:IdleTimeOut>", &[("IdleTimeOut", "PT60.000S")]),
        ("<rsp:IdleTimeOut>P1000D</rsp:IdleTimeOut>", &[("IdleTimeOut", "PT2147483.647S")]),
    ];
    for (requested, between) in cases {
        let created = create(&session, requested).await;
        let names: Vec<_> = created.body().unwrap().children().map(|child| child.name().to_owned()).collect();
        assert_eq!(names, ["ResourceCreated", "Shell"]);
        assert_eq!(fields_of(created.content_named("Shell").unwrap()), expected(between), "{requested}");

        let shell = message::shell(&parse_created(created.body().unwrap()).unwrap());
        let there = Locator::new(uri(SHELL)).with_selectors(shell.selectors.clone());
        let got = session.get(&there).await.unwrap();
        assert_eq!(fields_of(got.content().unwrap()), expected(between), "{requested}");
        let mut listing =
            session.enumerate(&Locator::new(uri(SHELL)), EnumerateOptions::default()).await.unwrap();
        let listed = listing.next().await.unwrap().unwrap();
        assert_eq!(fields_of(listed.element()), expected(between), "{requested}");
        session.delete(&shell).await.unwrap();
    }
    service.close().await;
}

#[tokio::test]
async fn a_shell_lists_its_processes_after_the_other_elements() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let there = Locator::new(uri(SHELL)).with_selectors(message::shell(shell.id()).selectors);
    // The second process has left the process group of its command.
    let text = "sleep 1000 & setsid sleep 1000 & echo ready; wait";
    let mut command = shell.start(&line(text), Default::default()).await.unwrap();
    first_line(&mut command).await;
    // A process that is executing another program is briefly not counted.
    let counted = async { while shells(&session).await[0].child_processes != Some(3) {} };
    timeout(TIMEOUT, counted).await.expect("the shell has three processes");
    let complete = async {
        loop {
            let got = session.get(&there).await.unwrap();
            let fields = fields_of(got.content().unwrap());
            let last: Vec<_> = fields[fields.len() - 4..]
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str()))
                .collect();
            assert_eq!(
                (last[0].0, last[1].0, last[2].0),
                ("ShellRunTime", "ShellInactivity", "ChildProcesses")
            );
            assert_eq!(last[3], ("CommandLine", text));
            if last[2].1 == "3" {
                break;
            }
        }
    };
    timeout(TIMEOUT, complete).await.expect("the shell has three processes");
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_shell_whose_response_would_be_too_large_is_not_opened() {
    let service = Loopback::start().await;
    let session = service.over_http(User::Ada).max_envelope_size(8_192).build().unwrap();
    let environment = vec![("LONG".to_owned(), "x".repeat(8_000))];
    let refused = refusal(session.shell(ShellOptions { environment, ..ShellOptions::default() }).await);
    assert_eq!(refused, (Subcode::EncodingLimit, code::MAX_ENVELOPE_SIZE_EXCEEDED));
    assert_eq!(shells(&session).await, []);
    service.close().await;
}

/// Sends a message unchanged with Ada's credentials and returns the response.
async fn post(service: &Loopback, message: &str) -> String {
    // "ada:pä:ss ada"
    const AUTHORIZATION: &str = "YWRhOnDDpDpzcyBhZGE=";
    let mut connection = TcpStream::connect(service.http()).await.unwrap();
    let head = format!(
        "POST /wsman HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {AUTHORIZATION}\r\nConnection: close\r\n\
         Content-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
        message.len()
    );
    connection.write_all((head + message).as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}

/// Returns a message to a shell with these headers, which the response repeats.
struct Repeated<'a> {
    identifier: &'a str,
    sequence: &'a str,
    max_envelope_size: usize,
}

impl Repeated<'_> {
    fn message(&self, shell: &str, verb: &str, body: &str) -> String {
        let Self { identifier, sequence, max_envelope_size } = self;
        let (soap, addressing, wsman, microsoft) =
            (namespace::SOAP, namespace::ADDRESSING, namespace::WSMAN, namespace::MICROSOFT);
        format!(
            "<s:Envelope xmlns:s='{soap}' xmlns:a='{addressing}' xmlns:w='{wsman}' xmlns:p='{microsoft}' \
             xmlns:rsp='{SHELL}'><s:Header><a:Action>{SHELL}/{verb}</a:Action><a:MessageID>{identifier}</a:MessageID>\
             <a:ReplyTo><a:Address>{}</a:Address></a:ReplyTo><w:ResourceURI>{SHELL}/cmd</w:ResourceURI>\
             <w:MaxEnvelopeSize>{max_envelope_size}</w:MaxEnvelopeSize><p:OperationID>{identifier}</p:OperationID>\
             <p:SequenceId>{sequence}</p:SequenceId><w:SelectorSet><w:Selector Name='ShellId'>{shell}</w:Selector>\
             </w:SelectorSet></s:Header><s:Body>{body}</s:Body></s:Envelope>",
            namespace::ANONYMOUS
        )
    }
}

#[tokio::test]
async fn responses_fit_with_repeated_headers_and_all_output_arrives() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open_shell(&session, &OpenShell::default()).await.unwrap();
    let id = shell.selectors.text("ShellId").unwrap();
    let command = start(&session, &shell, "seq 1 20000; seq 1 20000 >&2; exit 6").await.unwrap();
    let body = format!(
        "<rsp:Receive><rsp:DesiredStream CommandId='{command}'>stdout stderr</rsp:DesiredStream></rsp:Receive>"
    );
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit_code = 'received: loop {
        // From almost nothing to more than the smallest envelope can contain.
        for (length, size) in
            [(40, 8_192), (600, 8_192), (1_800, 16_384), (300, 9_001), (2_040, 32_768), (2_040, 8_192)]
        {
            let (identifier, sequence) =
                ("&amp;".repeat(length / 2) + &"x".repeat(length / 2), "7".repeat(length));
            let headers = Repeated { identifier: &identifier, sequence: &sequence, max_envelope_size: size };
            let text = post(&service, &headers.message(id, "Receive", &body)).await;
            let answer = match Response::parse(text.as_str(), &Bounds::default()) {
                Ok(answer) => answer,
                Err(ResponseError::Fault(fault)) => {
                    let kind = (fault.subcode().clone(), fault.code());
                    assert_eq!(kind, (Subcode::EncodingLimit, code::MAX_ENVELOPE_SIZE_EXCEEDED), "{fault}");
                    assert_eq!((length, size), (2_040, 8_192), "there would have been room: {fault}");
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            assert!(text.len() <= size, "{} octets of {size}", text.len());
            assert_eq!(
                answer.require_relation(&(("&".repeat(length / 2)) + &"x".repeat(length / 2))),
                Ok(())
            );
            let received = Received::parse(answer.content().unwrap()).unwrap();
            for piece in received.streams {
                match piece.name.as_str() {
                    "stdout" => stdout.extend(piece.octets),
                    _ => stderr.extend(piece.octets),
                }
            }
            if let Some(CommandState::Done { exit_code }) = received.state {
                break 'received exit_code;
            }
        }
    };
    let expected: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    assert!(stdout == expected.as_bytes() && stderr == expected.as_bytes());
    assert_eq!(exit_code, 6);
    session.delete(&shell).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_request_whose_response_would_be_too_large_has_no_effect() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open_shell(&session, &OpenShell::default()).await.unwrap();
    let id = shell.selectors.text("ShellId").unwrap();
    let command = start(&session, &shell, "echo ready; exec cat").await.unwrap();
    let ready = message::receive(&session, &shell, &command).await.unwrap();
    assert_eq!(ready.streams[0].octets, b"ready\n");
    let identifier = "&amp;".repeat(2_000);
    let headers = Repeated { identifier: &identifier, sequence: "1", max_envelope_size: 8_192 };
    for (verb, body) in [
        ("Command", "<rsp:CommandLine><rsp:Command>touch started</rsp:Command></rsp:CommandLine>".to_owned()),
        (
            "Send",
            format!("<rsp:Send><rsp:Stream Name='stdin' CommandId='{command}'>QUFB</rsp:Stream></rsp:Send>"),
        ),
        (
            "Signal",
            format!(
                "<rsp:Signal CommandId='{command}'><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>"
            ),
        ),
    ] {
        let text = post(&service, &headers.message(id, verb, &body)).await;
        let Err(ResponseError::Fault(fault)) = Response::parse(text.as_str(), &Bounds::default()) else {
            panic!("{verb}: {text}")
        };
        assert_eq!(fault.code(), code::MAX_ENVELOPE_SIZE_EXCEEDED, "{verb}: {fault}");
    }
    let end = |body: &mut xml::Writer| {
        let last = wsman::shell::StreamData { name: "stdin", octets: b"last" };
        wsman::shell::Send::write(body, last, &command, true);
    };
    message::ask(&session, &shell, ShellVerb::Send, end).await.unwrap();
    let done = message::receive(&session, &shell, &command).await.unwrap();
    assert_eq!(
        (done.streams[0].octets.as_slice(), done.state),
        (b"last".as_slice(), Some(CommandState::Done { exit_code: 0 }))
    );
    assert!(!service.home().join("started").exists());
    session.delete(&shell).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_finished_command_is_not_reported_with_its_shell() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    for _ in 0..3 {
        let mut command = shell.start(&line("exit 3"), Default::default()).await.unwrap();
        assert_eq!(rest(&mut command).await.exit_code, 3);
        command.finish().await.unwrap();
    }
    let reported = shells(&session).await;
    assert_eq!((reported[0].child_processes, reported[0].command_line.as_deref()), (None, None));
    shell.close().await.unwrap();
    service.close().await;
}
