//! Stream data in responses to Receive.

use telarch_wsman::shell::{
    CommandState, Received, Send, StreamData, received_capacity, stream_capacity, write_received,
};
use telarch_wsman::{
    Action, Detail, Fault, Head, Reply, Response, ShellVerb, Subcode, Uuid, code, namespace,
};
use xml::{Bounds, Document, ReadError, Reason};

use crate::generator::Generator;

#[test]
fn five_megabytes_arrive_unchanged() {
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
fn a_response_over_the_limit_of_the_reader_is_rejected() {
    let text =
        received(&[piece("stdout", &[0; 10_000])], &[], CommandState::Running).finish(u32::MAX).unwrap();
    let bounds = Bounds { octets: text.len() - 1, ..Bounds::default() };
    let error = Response::parse(text, &bounds).unwrap_err();
    assert_eq!(error, ReadError { offset: 0, reason: Reason::TooLarge("octets") }.into());
}

#[test]
fn received_capacity_holds_for_headers_of_any_length() {
    let mut generator = Generator::new(21);
    let (mut with_room, mut without) = (0, 0);
    for _ in 0..300 {
        let head = receiving(&mut generator);
        let id = generator.id();
        let limit = Head::SMALLEST_ENVELOPE + u32::try_from(generator.below(6_000)).unwrap();
        let streams: &[&str] = generator.pick(&[&["stdout", "stderr"][..], &["stdout"][..], &["stderr"][..]]);
        let Some(capacity) = received_capacity(&head, &id, streams, limit) else {
            // Not even one byte of each stream fits.
            let one: Vec<_> = streams.iter().map(|name| piece(name, &[0])).collect();
            let reply = answer(&head, &id, &one, streams, CommandState::Done { exit_code: i32::MIN });
            assert!(reply.finish(limit).is_err(), "one octet fits {limit}");
            without += 1;
            continue;
        };
        with_room += 1;
        let octets = vec![0xFF; capacity.get() + 3];
        let first = generator.below(capacity.get() + 1);
        for first in [0, 1, 2, first, capacity.get()] {
            let shares: Vec<_> = streams.iter().zip([first, capacity.get() - first]).collect();
            let share = |(name, length): (&&'static str, usize)| piece(name, &octets[..length]);
            let pieces: Vec<_> = match shares.as_slice() {
                [(name, _)] => vec![share((name, capacity.get()))],
                both => both.iter().map(|(name, length)| share((name, *length))).collect(),
            };
            for (ended, state) in
                [(streams, CommandState::Done { exit_code: i32::MIN }), (&[], CommandState::Running)]
            {
                let reply = answer(&head, &id, &pieces, ended, state);
                assert!(reply.finish(limit).is_ok(), "{capacity} octets of {streams:?} do not fit {limit}");
            }
        }
        // The bound is exact: one more base64 group does not fit.
        let mut pieces: Vec<_> = streams.iter().map(|name| piece(name, &[])).collect();
        pieces[0].octets = &octets[..capacity.get() + 3];
        if let Some(second) = pieces.get_mut(1) {
            second.octets = &[0];
            pieces[0].octets = &octets[..capacity.get()];
        }
        let reply = answer(&head, &id, &pieces, streams, CommandState::Done { exit_code: i32::MIN });
        assert!(reply.finish(limit).is_err(), "more than {capacity} octets of {streams:?} fit {limit}");
    }
    assert!(with_room > 100 && without > 20, "{with_room} with room, {without} without");
}

#[test]
fn the_smallest_response_is_mostly_output() {
    let head = Head::new(Action::Shell(ShellVerb::Receive), Uuid::from_random([2; 16]));
    let streams = ["stdout", "stderr"];
    let capacity = received_capacity(&head, COMMAND_ID, &streams, Head::SMALLEST_ENVELOPE).unwrap();
    assert!(capacity.get() > 4_500, "{capacity}");
    // With the limit of most clients, only base64 is significant.
    let capacity = received_capacity(&head, COMMAND_ID, &streams, 153_600).unwrap();
    assert!(capacity.get() > 153_600 * 74 / 100, "{capacity}");
}

#[test]
fn stream_capacity_leaves_room_for_headers() {
    assert_eq!(stream_capacity(100), 0);
    assert_eq!(stream_capacity(8_192), 3_072);
}

#[test]
fn a_response_over_the_limit_is_a_fault() {
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
fn white_space_and_missing_padding_are_accepted() {
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
fn invalid_base64_is_a_fault_that_names_the_stream() {
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
fn a_command_state_is_parsed_in_every_form() {
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
    answer(&head, COMMAND_ID, pieces, ended, state)
}

fn answer(head: &Head, id: &str, pieces: &[StreamData<'_>], ended: &[&str], state: CommandState) -> Reply {
    let mut reply = Reply::to(head, Uuid::from_random([1; 16]));
    write_received(reply.body(), id, pieces, ended, state);
    reply
}

/// Creates a Receive with repeated headers of usual to maximum length, with and without characters to escape.
fn receiving(generator: &mut Generator) -> Head {
    let mut head = Head::new(Action::Shell(ShellVerb::Receive), Uuid::from_random([2; 16]));
    head.message_id = repeated(generator);
    head.operation_id = generator.maybe(repeated);
    head.sequence_id = generator.maybe(repeated);
    head
}

fn repeated(generator: &mut Generator) -> String {
    let text = if generator.below(2) == 0 { generator.word() } else { "&".to_owned() };
    let longest = [40, 300, 2_048][generator.below(3)] / text.len();
    text.repeat(longest.max(1))
}

fn piece<'a>(name: &'a str, octets: &'a [u8]) -> StreamData<'a> {
    StreamData { name, octets }
}

/// Returns the data of a Send whose only stream has this text.
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
