//! One line of syslog.

use calendar::Date;
use winevent::Timestamp;

/// Facility and severity of a message (RFC 5424 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// Facility: 0 to 23.
    pub facility: u8,
    /// Severity: 0 to 7.
    pub severity: u8,
}

/// Time of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineTime {
    /// Point in time.
    Known(Timestamp),
    /// Local time without a year (RFC 3164 4.1.2).
    WithoutYear {
        /// Month: 1 to 12.
        month: u32,
        /// Day of the month: 1 to 31.
        day: u32,
        /// Second of the day, below 86400.
        second: u32,
    },
}

/// Line of a syslog file. Parts that the line does not have are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyslogLine {
    /// Facility and severity; most files do not have them.
    pub priority: Option<Priority>,
    /// Time.
    pub time: Option<LineTime>,
    /// Host.
    pub host: Option<String>,
    /// Program: APP-NAME of RFC 5424, or the tag of RFC 3164.
    pub program: Option<String>,
    /// Process: PROCID of RFC 5424, or the text in brackets of RFC 3164.
    pub process: Option<String>,
    /// MSGID of RFC 5424.
    pub message_id: Option<String>,
    /// Parameters of the structured data (RFC 5424 6.3) as `ID.NAME`, with their values.
    pub data: Vec<(String, Vec<u8>)>,
    /// Message, which may be in any encoding.
    pub message: Vec<u8>,
}

/// Maximum length of a name in bytes: that of a host in RFC 5424.
const MAX_NAME: usize = 255;
/// Maximum number of parameters of the structured data; a line with more is not of RFC 5424.
const MAX_PARAMETERS: usize = 256;
/// Byte order mark before a message in UTF-8 (RFC 5424 6.4).
const MARK: &[u8] = b"\xEF\xBB\xBF";

impl SyslogLine {
    /// Parses a line without its end. Every line has a result: one without a head is a message.
    #[must_use]
    pub fn parse(line: &[u8]) -> Self {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (priority, rest) = match priority(line) {
            Some((priority, rest)) => (Some(priority), rest),
            None => (None, line),
        };
        if priority.is_some()
            && let Some(new) = rest.strip_prefix(b"1 ").and_then(rfc5424)
        {
            return Self { priority, ..new };
        }
        let old = rfc3164(rest).unwrap_or_else(|| Self { message: rest.to_vec(), ..Self::default() });
        Self { priority, ..old }
    }
}

/// Reads `<NUMBER>`.
fn priority(line: &[u8]) -> Option<(Priority, &[u8])> {
    let rest = line.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|byte| *byte == b'>')?;
    let (digits, rest) = rest.split_at_checked(end)?;
    let number: u8 = std::str::from_utf8(digits).ok().filter(|text| is_digits(text))?.parse().ok()?;
    let priority = Priority { facility: number / 8, severity: number % 8 };
    (priority.facility < 24).then_some((priority, rest.get(1..)?))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads a line of RFC 5424 behind the version.
fn rfc5424(rest: &[u8]) -> Option<SyslogLine> {
    let (time, rest) = word(rest)?;
    let (host, rest) = word(rest)?;
    let (program, rest) = word(rest)?;
    let (process, rest) = word(rest)?;
    let (message_id, rest) = word(rest)?;
    let time = match time {
        "-" => None,
        text => Some(LineTime::Known(Timestamp::parse(text).ok()?)),
    };
    let (data, rest) = structured_data(rest)?;
    let message = match rest {
        [] => rest,
        [b' ', message @ ..] => message.strip_prefix(MARK).unwrap_or(message),
        _ => return None,
    };
    Some(SyslogLine {
        priority: None,
        time,
        host: value(host),
        program: value(program),
        process: value(process),
        message_id: value(message_id),
        data,
        message: message.to_vec(),
    })
}

/// Returns a field of RFC 5424; `-` means that it is missing.
fn value(text: &str) -> Option<String> {
    (text != "-").then(|| text.to_owned())
}

/// Returns the printable ASCII characters before the next space, and the rest behind it.
fn word(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text.iter().take(MAX_NAME + 1).position(|byte| *byte == b' ')?;
    let (word, rest) = text.split_at_checked(end)?;
    let is_word = !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
    is_word.then_some((std::str::from_utf8(word).ok()?, rest.get(1..)?))
}

/// Parameters with their values, and the rest of the line.
type StructuredData<'l> = (Vec<(String, Vec<u8>)>, &'l [u8]);

/// Reads the structured data (RFC 5424 6.3).
fn structured_data(text: &[u8]) -> Option<StructuredData<'_>> {
    let mut all = Vec::new();
    if let Some(rest) = text.strip_prefix(b"-") {
        return Some((all, rest));
    }
    let mut rest = text;
    while let Some(element) = rest.strip_prefix(b"[") {
        let (id, mut inner) = name(element)?;
        loop {
            if let Some(after) = inner.strip_prefix(b"]") {
                rest = after;
                break;
            }
            let (parameter, after) = name(inner.strip_prefix(b" ")?)?;
            let (value, after) = quoted(after.strip_prefix(b"=\"")?)?;
            if all.len() >= MAX_PARAMETERS {
                return None;
            }
            all.push((format!("{id}.{parameter}"), value));
            inner = after;
        }
    }
    (rest.len() < text.len()).then_some((all, rest))
}

/// Reads an SD-NAME.
fn name(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text.iter().take(MAX_NAME + 1).position(|byte| !is_name_byte(*byte)).filter(|end| *end > 0)?;
    let (name, rest) = text.split_at_checked(end)?;
    Some((std::str::from_utf8(name).ok()?, rest))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'=' | b']' | b'"')
}

/// Reads a value up to its closing quotation mark.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        match rest {
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', escaped @ (b'"' | b'\\' | b']'), after @ ..] => {
                value.push(*escaped);
                rest = after;
            }
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

/// Reads a line of RFC 3164 behind the priority, or of rsyslog's file format, which has a time of RFC 3339.
fn rfc3164(text: &[u8]) -> Option<SyslogLine> {
    let (time, rest) = old_time(text).or_else(|| new_time(text))?;
    let (host, rest) = word(rest)?;
    let mut line = SyslogLine { time: Some(time), host: Some(host.to_owned()), ..SyslogLine::default() };
    match tag(rest) {
        Some(tag) => {
            line.program = Some(tag.program.to_owned());
            line.process = tag.process.map(str::to_owned);
            line.message = tag.message.to_vec();
        }
        None => line.message = rest.to_vec(),
    }
    Some(line)
}

/// Reads `Mmm dd hh:mm:ss ` (RFC 3164 4.1.2).
fn old_time(text: &[u8]) -> Option<(LineTime, &[u8])> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (stamp, rest) = text.split_at_checked(16)?;
    let stamp = std::str::from_utf8(stamp).ok()?;
    let at = MONTHS.match_indices(stamp.get(..3)?).map(|(at, _)| at).find(|at| at % 3 == 0)?;
    let month = u32::try_from(at / 3).ok()? + 1;
    let day: u32 = digits(stamp.get(4..6)?.trim_start())?;
    let (hour, minute, second) =
        (digits(stamp.get(7..9)?)?, digits(stamp.get(10..12)?)?, digits(stamp.get(13..15)?)?);
    let marks = [3, 6, 9, 12, 15].map(|at| stamp.as_bytes().get(at).copied().unwrap_or_default());
    // A leap year accepts the 29th of February, because the year is unknown.
    let is_date = Date { year: 2024, month, day }.days().is_some();
    let is_time = hour < 24 && minute < 60 && second < 60;
    (marks == *b"  :: " && is_date && is_time)
        .then_some((LineTime::WithoutYear { month, day, second: hour * 3_600 + minute * 60 + second }, rest))
}

fn digits(text: &str) -> Option<u32> {
    is_digits(text).then(|| text.parse().ok())?
}

/// Reads a time with date and offset.
fn new_time(text: &[u8]) -> Option<(LineTime, &[u8])> {
    let (stamp, rest) = word(text)?;
    Some((LineTime::Known(full_time(stamp)?), rest))
}

/// Parses a time of RFC 3339, which has a time of day and an offset.
pub(super) fn full_time(stamp: &str) -> Option<Timestamp> {
    let (_, time) = stamp.split_once('T')?;
    if !time.contains(['Z', '+', '-']) {
        return None;
    }
    Timestamp::parse(stamp).ok()
}

struct Tag<'l> {
    program: &'l str,
    process: Option<&'l str>,
    message: &'l [u8],
}

/// Reads `PROGRAM[PROCESS]: ` or `PROGRAM: `.
fn tag(text: &[u8]) -> Option<Tag<'_>> {
    let length = text.iter().take(MAX_NAME).take_while(|byte| is_tag_byte(**byte)).count();
    let (program, rest) = text.split_at_checked(length)?;
    let program = std::str::from_utf8(program).ok().filter(|program| !program.is_empty())?;
    let (process, rest) = match rest.strip_prefix(b"[") {
        Some(rest) => {
            let length = rest.iter().take(MAX_NAME).take_while(|byte| is_tag_byte(**byte)).count();
            let (process, rest) = rest.split_at_checked(length)?;
            (Some(std::str::from_utf8(process).ok()?), rest.strip_prefix(b"]")?)
        }
        None => (None, rest),
    };
    let message = rest.strip_prefix(b":")?;
    Some(Tag { program, process, message: message.strip_prefix(b" ").unwrap_or(message) })
}

fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b':' | b'[' | b']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &SyslogLine) -> [Option<&str>; 4] {
        [
            line.host.as_deref(),
            line.program.as_deref(),
            line.process.as_deref(),
            Some(std::str::from_utf8(&line.message).unwrap()),
        ]
    }

    #[test]
    fn the_examples_of_rfc_5424_are_parsed() {
        let line = SyslogLine::parse(
            b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xEF\xBB\xBF'su root' failed",
        );
        assert_eq!(line.priority, Some(Priority { facility: 4, severity: 2 }));
        assert_eq!(text(&line), [Some("mymachine.example.com"), Some("su"), None, Some("'su root' failed")]);
        assert_eq!(line.message_id.as_deref(), Some("ID47"));
        assert_eq!(line.time, Some(LineTime::Known(Timestamp::parse("2003-10-11T22:14:15.003Z").unwrap())));
        let line = SyslogLine::parse(
            br#"<165>1 2003-10-11T22:14:15.003Z host evntslog 7 ID47 [exampleSDID@32473 iut="3" eventID="a\"\]\\b"][x@1 y="z"] An application"#,
        );
        let data: Vec<(&str, &[u8])> =
            line.data.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        assert_eq!(
            data,
            [
                ("exampleSDID@32473.iut", b"3".as_slice()),
                ("exampleSDID@32473.eventID", br#"a"]\b"#),
                ("x@1.y", b"z")
            ]
        );
        assert_eq!(text(&line), [Some("host"), Some("evntslog"), Some("7"), Some("An application")]);
        let line = SyslogLine::parse(b"<165>1 - - - - - [x@1]");
        assert_eq!((line.time, text(&line)), (None, [None, None, None, Some("")]));
    }

    #[test]
    fn lines_of_rfc_3164_and_of_rsyslog_are_parsed() {
        let line = SyslogLine::parse(b"<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed for lonvick");
        let second = 22 * 3_600 + 14 * 60 + 15;
        assert_eq!(line.time, Some(LineTime::WithoutYear { month: 10, day: 11, second }));
        assert_eq!(
            text(&line),
            [Some("mymachine"), Some("su"), Some("230"), Some("'su root' failed for lonvick")]
        );
        let line = SyslogLine::parse(b"Feb  5 17:32:18 10.0.0.99 Use the BFG!\r");
        assert_eq!(line.time, Some(LineTime::WithoutYear { month: 2, day: 5, second: 63_138 }));
        assert_eq!(text(&line), [Some("10.0.0.99"), None, None, Some("Use the BFG!")]);
        let line = SyslogLine::parse(b"2026-11-25T03:31:00.123456+01:00 web1 CRON[12]: (root) CMD (true)");
        assert_eq!(text(&line), [Some("web1"), Some("CRON"), Some("12"), Some("(root) CMD (true)")]);
        let time = Timestamp::parse("2026-11-25T02:31:00.123456Z").unwrap();
        assert_eq!((line.priority, line.time), (None, Some(LineTime::Known(time))));
    }

    #[test]
    fn other_lines_are_messages() {
        for line in [
            "",
            "hello",
            "<34>",
            "Feb 30 10:00:00 host a: b",
            "Feb 12 25:00:00 host a: b",
            "2026-11-25 host a: b",
            "<192>x",
            "<+34>x",
        ] {
            let parsed = SyslogLine::parse(line.as_bytes());
            let message = line.strip_prefix("<34>").unwrap_or(line);
            assert_eq!(parsed.message, message.as_bytes(), "{line}");
            assert_eq!((parsed.time, parsed.host), (None, None), "{line}");
        }
        // Structured data that does not end makes the line one of no known format.
        let parsed = SyslogLine::parse(br#"<34>1 - h a - - [x@1 y="z"#);
        assert_eq!(parsed.message, br#"1 - h a - - [x@1 y="z"#);
    }
}
