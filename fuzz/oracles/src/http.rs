//! HTTP/1.1 heads, header values and chunked bodies.

use http::{
    BodyFraming, Challenge, ChunkError, ChunkedDecoder, Credentials, Date, HeadError, Limits, MediaType,
    Method, Progress, RequestHead, RequestWriter, ResponseFraming, ResponseHead, ResponseWriter, ValueError,
    Version,
};

/// Checks that a request head parses the same regardless of how many bytes of it and after it have arrived,
/// contains nothing ambiguous, and survives writing and parsing again.
///
/// # Panics
/// If the property does not hold.
pub fn request_head(data: &[u8]) {
    let limits = Limits::default();
    let whole = RequestHead::parse(data, &limits);
    growing(data, &whole, |bytes| RequestHead::parse(bytes, &limits));
    tight(data, &whole, |limits| RequestHead::parse(data, limits));
    let Ok(Some((head, _))) = &whole else { return };

    clean(head.fields());
    assert!(head.path().starts_with('/') && !head.path().contains('?'), "a path that is none");
    assert!(head.version() == Version::Http10 || head.headers("Host").count() == 1, "Host is not there once");
    assert!(head.headers("Authorization").count() < 2, "Authorization is repeated");
    delimited(
        head.fields(),
        head.body() == BodyFraming::Chunked,
        matches!(head.body(), BodyFraming::Length(_)),
    );
    rewritten_request(head);
}

/// Checks that a response head parses the same regardless of how many bytes of it and after it have arrived,
/// contains nothing ambiguous, and survives writing and parsing again.
///
/// # Panics
/// If the property does not hold.
pub fn response_head(data: &[u8]) {
    let limits = Limits::default();
    let whole = ResponseHead::parse(data, &limits);
    growing(data, &whole, |bytes| ResponseHead::parse(bytes, &limits));
    tight(data, &whole, |limits| ResponseHead::parse(data, limits));
    let Ok(Some((head, _))) = &whole else { return };

    clean(head.fields());
    assert!((100..600).contains(&head.status()), "a status out of range");
    dated(head.header("Date"));
    assert!(!head.keep_alive() || head.body() != ResponseFraming::UntilClose, "a body without an end");
    if head.body() != ResponseFraming::Empty {
        let length = matches!(head.body(), ResponseFraming::Length(_));
        delimited(head.fields(), head.body() == ResponseFraming::Chunked, length);
    }
    rewritten_response(head);
}

/// Checks that a date survives formatting and parsing again.
fn dated(value: Option<&str>) {
    if let Some(seconds) = value.and_then(Date::seconds_of) {
        assert_eq!(Date::seconds_of(Date::from_unix(seconds).as_str()), Some(seconds), "another date");
    }
}

/// Checks that a chunked body decodes to the same bytes or the same error however it is split, and never to
/// more bytes than the limit.
///
/// # Panics
/// If the property does not hold.
pub fn chunked(data: &[u8]) {
    for limit in [0, 16, 64 * 1024] {
        let whole = decode(limit, [data]);
        assert!(whole.0.len() <= limit, "more was decoded than the limit allows");
        for at in places(data.len(), 0) {
            let (first, second) = data.split_at_checked(at).unwrap_or((data, &[]));
            assert_eq!(decode(limit, [first, second]), whole, "split at {at} the body is another one");
        }
        assert_eq!(decode(limit, data.chunks(1)), whole, "byte by byte the body is another one");
        if let Ok(Progress { consumed, done: true }) = whole.1 {
            let exact = data.get(..consumed).unwrap_or_default();
            assert_eq!(decode(limit, [exact]), whole, "what follows a body has changed it");
            let short = data.get(..consumed.saturating_sub(1)).unwrap_or_default();
            assert_eq!(
                decode(limit, [short]).1.map(|progress| progress.done),
                Ok(false),
                "a body ended early"
            );
        }
    }
}

/// Checks that parsed header values are never larger than the input and survive writing and parsing again.
///
/// # Panics
/// If the property does not hold.
pub fn header_value(data: &[u8]) {
    let Ok(value) = std::str::from_utf8(data) else { return };
    if let Ok(media_type) = MediaType::parse(value) {
        let mut again = media_type.essence().to_owned();
        for (name, value) in media_type.parameters() {
            again.push_str(&format!("; {name}={}", quoted(value)));
        }
        // Quoting may make the value longer than the parser's limit.
        let second = MediaType::parse(&again);
        assert!(
            second == Ok(media_type) || matches!(second, Err(ValueError::TooLong { .. })),
            "another media type"
        );
    }
    if let Ok(credentials) = Credentials::parse(value) {
        let again = format!("{} {}", credentials.scheme(), credentials.rest());
        assert_eq!(Credentials::parse(&again), Ok(credentials), "other credentials");
    }
    if let Ok(challenges) = Challenge::parse_list(value) {
        let again = challenges.iter().map(challenge).collect::<Vec<_>>().join(", ");
        let second = Challenge::parse_list(&again);
        let same = second.as_ref() == Ok(&challenges) || matches!(second, Err(ValueError::TooLong { .. }));
        assert!(same, "other challenges");
    }
}

type Parsed<H> = Result<Option<(H, usize)>, HeadError>;

/// Checks that an incomplete head is not accepted, an error is final, and bytes after the head do not change
/// it.
fn growing<H: PartialEq + std::fmt::Debug>(
    data: &[u8],
    whole: &Parsed<H>,
    parse: impl Fn(&[u8]) -> Parsed<H>,
) {
    let end = whole.as_ref().ok().and_then(Option::as_ref).map(|(_, end)| *end);
    for at in places(data.len(), end.unwrap_or_default()) {
        let part = parse(data.get(..at).unwrap_or_default());
        match (whole, end) {
            (_, Some(end)) if at >= end => assert_eq!(&part, whole, "what follows a head has changed it"),
            (Ok(_), _) => assert_eq!(part, Ok(None), "part of a head was taken for one, or refused"),
            (Err(_), _) => assert!(!matches!(part, Ok(Some(_))), "more bytes have spoilt a head"),
        }
    }
}

/// Checks that a head is accepted with limits that just fit, and rejected with limits one byte or one header
/// lower.
fn tight<H: PartialEq + std::fmt::Debug>(
    data: &[u8],
    whole: &Parsed<H>,
    parse: impl Fn(&Limits) -> Parsed<H>,
) {
    let Ok(Some((_, length))) = whole else { return };
    let head = data.get(..*length).unwrap_or_default();
    // The start line and the final empty line are not headers; an empty line before the head does not count
    // either.
    let lines = head.iter().filter(|byte| **byte == b'\n').count();
    let headers = if head.starts_with(b"\r\n") { lines - 3 } else { lines - 2 };
    assert_eq!(&parse(&Limits { head: *length, headers }), whole, "a head that just fits was refused");
    let short = Limits { head: length - 1, headers };
    assert_eq!(
        parse(&short),
        Err(HeadError::HeadTooLarge { limit: short.head }),
        "the limit was passed over"
    );
    if let Some(few) = headers.checked_sub(1) {
        let limits = Limits { head: *length, headers: few };
        assert_eq!(
            parse(&limits),
            Err(HeadError::TooManyHeaders { limit: few }),
            "the limit was passed over"
        );
    }
}

/// Checks that names are tokens, and values have no control bytes and no white space around them.
fn clean<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) {
    for (name, value) in fields {
        assert!(is_token(name), "a header name that is no token");
        assert!(
            !value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'),
            "a control byte in a value"
        );
        assert_eq!(value, value.trim_ascii(), "white space around a value");
    }
}

/// Returns whether a text is a token (RFC 9110 5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Checks that at most one header delimits the body, and that the framing matches it.
fn delimited<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>, chunked: bool, length: bool) {
    let (mut lengths, mut encodings) = (0, 0);
    for (name, _) in fields {
        lengths += usize::from(name.eq_ignore_ascii_case("Content-Length"));
        encodings += usize::from(name.eq_ignore_ascii_case("Transfer-Encoding"));
    }
    assert_eq!((lengths, encodings), (usize::from(length), usize::from(chunked)), "the body has two ends");
}

fn rewritten_request(head: &RequestHead) {
    let length = match head.body() {
        BodyFraming::Empty => None,
        BodyFraming::Length(length) => Some(length),
        BodyFraming::Chunked => return,
    };
    let Some(host) = head.header("Host").filter(|_| head.version() == Version::Http11) else { return };
    let mut out = b"before".to_vec();
    let writer = match head.method() {
        Method::Post => RequestWriter::post(&mut out, head.target(), host),
        Method::Get => RequestWriter::get(&mut out, head.target(), host),
        _ => return,
    };
    let mut writer = writer.unwrap_or_else(|error| panic!("a head that was read cannot be written: {error}"));
    let Some(count) = copy(head.fields(), |name, value| writer.header(name, value).is_ok()) else { return };
    match length {
        Some(length) => writer.end(length),
        None => writer.end_without_body(),
    }
    let limits = Limits { head: out.len(), headers: count + 2 };
    let Ok(Some((again, _))) = RequestHead::parse(out.get(6..).unwrap_or_default(), &limits) else {
        panic!("a head that was written cannot be read")
    };
    assert_eq!((again.method(), again.target(), again.body()), (head.method(), head.target(), head.body()));
    assert_eq!((again.keep_alive(), again.expects_continue()), (head.keep_alive(), head.expects_continue()));
    assert!(same(head.fields(), again.fields()), "another header was read than was written");
}

fn rewritten_response(head: &ResponseHead) {
    let ResponseFraming::Length(length) = head.body() else { return };
    let mut out = b"before".to_vec();
    let mut writer = ResponseWriter::new(&mut out, head.status())
        .unwrap_or_else(|error| panic!("a head that was read cannot be written: {error}"));
    let Some(count) = copy(head.fields(), |name, value| writer.header(name, value).is_ok()) else { return };
    assert_eq!(writer.end(length), Ok(()));
    let limits = Limits { head: out.len(), headers: count + 1 };
    let Ok(Some((again, _))) = ResponseHead::parse(out.get(6..).unwrap_or_default(), &limits) else {
        panic!("a head that was written cannot be read")
    };
    assert_eq!((again.status(), again.body()), (head.status(), head.body()));
    assert!(same(head.fields(), again.fields()), "another header was read than was written");
}

/// Copies all headers except those that the writer writes itself. Returns their number, or `None` if one is
/// not UTF-8.
fn copy<'a>(
    fields: impl Iterator<Item = (&'a str, &'a [u8])>,
    mut write: impl FnMut(&str, &str) -> bool,
) -> Option<usize> {
    let mut count = 0;
    for (name, value) in fields.filter(|(name, _)| !of_writer(name)) {
        assert!(write(name, std::str::from_utf8(value).ok()?), "a header that was read cannot be written");
        count += 1;
    }
    Some(count)
}

fn same<'a>(
    left: impl Iterator<Item = (&'a str, &'a [u8])>,
    right: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> bool {
    left.filter(|(name, _)| !of_writer(name)).eq(right.filter(|(name, _)| !of_writer(name)))
}

fn of_writer(name: &str) -> bool {
    ["Host", "Content-Length", "Transfer-Encoding"].iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// Returns the output of one decoder and its last result, with the total number of bytes consumed.
fn decode<'a>(
    limit: usize,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Result<Progress, ChunkError>) {
    let (mut decoder, mut output) = (ChunkedDecoder::new(limit), Vec::new());
    let mut total = Progress { consumed: 0, done: false };
    for part in parts {
        match decoder.decode(part, &mut output) {
            Ok(progress) => {
                assert!(
                    progress.done || progress.consumed == part.len(),
                    "bytes were left though more are needed"
                );
                total = Progress { consumed: total.consumed + progress.consumed, done: progress.done };
            }
            Err(error) => {
                assert_eq!(decoder.decode(part, &mut output), Err(error), "an error was not final");
                return (output, Err(error));
            }
        }
    }
    (output, Ok(total))
}

/// Returns about fifty offsets between 0 and `length`: those around `interesting`, the rest evenly spread.
fn places(length: usize, interesting: usize) -> impl Iterator<Item = usize> {
    let around = interesting.saturating_sub(2)..=interesting.saturating_add(2);
    around.chain((0..=length).step_by(length / 48 + 1)).filter(move |&at| at <= length)
}

fn challenge(challenge: &Challenge<'_>) -> String {
    let parameters = challenge.parameters().map(|(name, value)| format!("{name}={}", quoted(value)));
    let token = challenge.token().map(str::to_owned);
    let content = token.unwrap_or_else(|| parameters.collect::<Vec<_>>().join(", "));
    format!("{} {content}", challenge.scheme())
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
