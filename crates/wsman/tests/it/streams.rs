//! Octets on their way through answers to Receive.

use telarch_wsman::shell::{CommandState, Received, Send, StreamData, stream_capacity, write_received};
use telarch_wsman::{
    Action, Detail, Fault, Head, Reply, Response, ShellVerb, Subcode, Uuid, code, namespace,
};
use xml::{Bounds, Document, ReadError, Reason};

use crate::generator::Generator;

#[test]
fn five_megabytes_arrive_as_they_were() {
    let mut generator = Generator::new(20);
    let octets = generator.octets(5 << 20);
    let (first, second) = octets.split_at(3_333_333);
    let pieces = [piece("stdout", first), piece("stderr", second), piece("stdout", &[])];
    let text = received(&pieces, &["stdout", "stderr"], CommandState::Done { exit_code: i32::MIN })
        .finish(8 << 20)
        .unwrap();
    let response = Response::parse(text, &Bounds::default()).unwrap();
    let Received { streams, state } = Received::parse(response.content().unwrap()).unwrap();
    assert_eq!(state, Some(CommandState::Done { exit_code: i32::MIN }));
    let names: Vec<_> = streams.iter().map(|piece| (piece.name.as_str(), piece.end)).collect();
    assert_eq!(
        names,
        [("stdout", false), ("stderr", false), ("stdout", false), ("stdout", true), ("stderr", true)]
    );
    assert!(streams.iter().all(|piece| piece.command_id.as_deref() == Some(COMMAND_ID)));
    assert!(streams[0].octets == first && streams[1].octets == second, "other octets arrived");
    assert!(streams[2..].iter().all(|piece| piece.octets.is_empty()));
}

#[test]
fn an_answer_larger_than_the_reader_takes_is_refused_unread() {
    let text =
        received(&[piece("stdout", &[0; 10_000])], &[], CommandState::Running).finish(u32::MAX).unwrap();
    let bounds = Bounds { octets: text.len() - 1, ..Bounds::default() };
    let error = Response::parse(text, &bounds).unwrap_err();
    assert_eq!(error, ReadError { offset: 0, reason: Reason::TooLarge("octets") }.into());
}

#[test]
fn what_is_said_to_fit_an_answer_fits() {
    for limit in [Head::SMALLEST_ENVELOPE, 32 << 10, 153_600, 500 << 10] {
        for count in [1, 2, 7, 24] {
            let capacity = stream_capacity(limit);
            assert!(capacity > usize::try_from(limit).unwrap() / 4, "only {capacity} octets fit {limit}");
            let octets = vec![0xFF; capacity.div_ceil(count)];
            let mut pieces = vec![piece("stdout", &octets); count - 1];
            let last = &octets[..capacity - octets.len() * (count - 1)];
            pieces.push(piece("stderr", last));
            let reply = received(&pieces, &["stdout", "stderr"], CommandState::Done { exit_code: -1 });
            assert!(reply.len() <= usize::try_from(limit).unwrap(), "{count} pieces do not fit {limit}");
            assert!(reply.finish(limit).is_ok(), "{count} pieces do not fit {limit}");
        }
    }
    assert_eq!(stream_capacity(100), 0);
}

#[test]
fn an_answer_over_the_limit_is_a_fault_and_not_cut() {
    let reply = || received(&[piece("stdout", &[0; 6_000])], &[], CommandState::Running);
    let length = u32::try_from(reply().finish(u32::MAX).unwrap().len()).unwrap();
    assert!(reply().finish(length).is_ok());
    let fault = reply().finish(length - 1).unwrap_err();
    assert_eq!(
        (fault.subcode(), fault.detail()),
        (&Subcode::EncodingLimit, Some(&Detail::MAX_ENVELOPE_SIZE))
    );
    assert_eq!(fault.code(), code::MAX_ENVELOPE_SIZE_EXCEEDED);
}

#[test]
fn white_space_and_missing_padding_do_no_harm() {
    for text in [
        "aGVsbG8=",
        "aGVsbG8",
        " aGVs\r\n\tbG8= \n",
        "\n  aG\n  Vs\n  bG8\n",
        "a G V s b G 8 =",
        "&#x61;GVsbG8=",
    ] {
        assert_eq!(decoded(text).as_deref(), Ok(b"hello".as_slice()), "{text:?}");
    }
    for empty in ["", "\n \t"] {
        assert_eq!(decoded(empty).as_deref(), Ok([].as_slice()), "{empty:?}");
    }
}

#[test]
fn what_is_not_base64_is_a_fault_that_names_the_stream() {
    for text in ["a", "aGVsb", "aGVs*G8=", "=", "====", "aGVsbG8=aGVs", "aGVsbG8\u{A0}", "aGVsbG8-", "ä"] {
        let fault = decoded(text).unwrap_err();
        assert_eq!(
            (fault.subcode(), fault.code()),
            (&Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR)
        );
        assert!(fault.reason().contains("stdin"), "{text:?}: {}", fault.reason());
    }
}

#[test]
fn a_state_is_read_in_all_its_forms() {
    let uri = |name: &str| format!("{}/CommandState/{name}", namespace::SHELL);
    let done = |exit_code| Some(CommandState::Done { exit_code });
    for (state, content, expected) in [
        (uri("Running"), "", Some(CommandState::Running)),
        (uri("Pending"), "", Some(CommandState::Pending)),
        (uri("Done"), "<rsp:ExitCode>0</rsp:ExitCode>", done(0)),
        (uri("Done"), "<rsp:ExitCode>\n -1073741510 </rsp:ExitCode>", done(-1_073_741_510)),
        (uri("Done"), "<rsp:ExitCode>3221225786</rsp:ExitCode>", done(-1_073_741_510)),
        (uri("Done"), "", done(0)),
        (uri("Resting"), "", Some(CommandState::Running)),
    ] {
        let text = format!("<rsp:CommandState State='{state}'>{content}</rsp:CommandState>");
        assert_eq!(parse(&text).unwrap().state, expected, "{text}");
    }
    assert_eq!(parse("").unwrap().state, None, "shells of PowerShell say nothing of a command");
    for wrong in ["", "one", "4294967296", "-2147483649", "0x1"] {
        let text = format!(
            "<rsp:CommandState State='{}'><rsp:ExitCode>{wrong}</rsp:ExitCode></rsp:CommandState>",
            uri("Done")
        );
        assert!(parse(&text).is_err(), "{wrong:?} was taken for an exit code");
    }
}

fn received(pieces: &[StreamData<'_>], ended: &[&str], state: CommandState) -> Reply {
    let mut head = Head::new(Action::Shell(ShellVerb::Receive), Uuid::from_random([2; 16]));
    head.operation_id = Some(head.message_id.clone());
    head.sequence_id = Some("1".to_owned());
    let mut reply = Reply::to(&head, Uuid::from_random([1; 16]));
    write_received(reply.body(), COMMAND_ID, pieces, ended, state);
    reply
}

fn piece<'a>(name: &'a str, octets: &'a [u8]) -> StreamData<'a> {
    StreamData { name, octets }
}

/// The octets of a Send whose one stream has this text.
fn decoded(text: &str) -> Result<Vec<u8>, Fault> {
    let text = format!(
        "<rsp:Send xmlns:rsp='{}'><rsp:Stream Name='stdin'>{text}</rsp:Stream></rsp:Send>",
        namespace::SHELL
    );
    let document = Document::parse(text, &Bounds::default()).unwrap();
    Send::parse(document.root()).map(|send| send.streams.into_iter().flat_map(|piece| piece.octets).collect())
}

fn parse(content: &str) -> Result<Received, Fault> {
    let text =
        format!("<rsp:ReceiveResponse xmlns:rsp='{}'>{content}</rsp:ReceiveResponse>", namespace::SHELL);
    Received::parse(Document::parse(text, &Bounds::default()).unwrap().root())
}

const COMMAND_ID: &str = "66666666-7777-4888-9999-AAAAAAAAAAAA";
