//! Messages of the Internet Printing Protocol (RFC 8010, RFC 8011), as far as a client of CUPS needs them.

/// Operation of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `Print-Job`
    PrintJob = 0x0002,
    /// `Cancel-Job`
    CancelJob = 0x0008,
    /// `Get-Jobs`
    GetJobs = 0x000A,
    /// `Hold-Job`
    HoldJob = 0x000C,
    /// `Release-Job`
    ReleaseJob = 0x000D,
    /// `Pause-Printer`
    PausePrinter = 0x0010,
    /// `Resume-Printer`
    ResumePrinter = 0x0011,
    /// `Cancel-Jobs`
    CancelJobs = 0x0038,
    /// This operation and those below are extensions of CUPS.
    GetDefault = 0x4001,
    /// `CUPS-Get-Printers`
    GetPrinters = 0x4002,
    /// `CUPS-Add-Modify-Printer`
    AddModifyPrinter = 0x4003,
    /// `CUPS-Set-Default`
    SetDefault = 0x400A,
}

/// A request under construction.
pub struct Request(Vec<u8>);

impl Request {
    /// Creates a request with the attributes that every request begins with.
    pub fn new(operation: Operation, user: &str) -> Self {
        let [high, low] = (operation as u16).to_be_bytes();
        let request = Self(vec![2, 0, high, low, 0, 0, 0, 1, OPERATION_ATTRIBUTES]);
        request
            .text(CHARSET, "attributes-charset", "utf-8")
            .text(LANGUAGE, "attributes-natural-language", "en")
            .text(NAME, "requesting-user-name", user)
    }

    /// Adds the URI of the printer or job that the request is about.
    pub fn about(self, attribute: &str, uri: &str) -> Self {
        self.text(URI, attribute, uri)
    }

    /// Adds an attribute of type keyword.
    pub fn keyword(self, name: &str, value: &str) -> Self {
        self.text(KEYWORD, name, value)
    }

    /// Adds an attribute of type name.
    pub fn name(self, name: &str, value: &str) -> Self {
        self.text(NAME, name, value)
    }

    /// Adds the document format, a MIME type.
    pub fn format(self, value: &str) -> Self {
        self.text(MIME, "document-format", value)
    }

    /// Begins the group of printer attributes.
    pub fn of_printer(mut self) -> Self {
        self.0.push(PRINTER_ATTRIBUTES);
        self
    }

    /// Adds an attribute of type text.
    pub fn described(self, name: &str, value: &str) -> Self {
        self.text(TEXT, name, value)
    }

    /// Adds an attribute of type uri.
    pub fn uri(self, name: &str, value: &str) -> Self {
        self.text(URI, name, value)
    }

    /// Adds an attribute of type boolean.
    pub fn boolean(self, name: &str, value: bool) -> Self {
        self.value(BOOLEAN, name, &[u8::from(value)])
    }

    /// Adds an attribute of type enum.
    pub fn choice(self, name: &str, value: i32) -> Self {
        self.value(CHOICE, name, &value.to_be_bytes())
    }

    /// Returns the encoded request, followed by a document.
    pub fn end(mut self, document: &[u8]) -> Vec<u8> {
        self.0.push(END);
        self.0.extend(document);
        self.0
    }

    fn text(self, tag: u8, name: &str, value: &str) -> Self {
        self.value(tag, name, value.as_bytes())
    }

    fn value(mut self, tag: u8, name: &str, value: &[u8]) -> Self {
        self.0.push(tag);
        for part in [name.as_bytes(), value] {
            // CUPS accepts no text of more than 1023 bytes.
            let part = part.get(..part.len().min(MAX_TEXT)).unwrap_or_default();
            self.0.extend(u16::try_from(part.len()).unwrap_or_default().to_be_bytes());
            self.0.extend(part);
        }
        self
    }
}

/// A response.
#[derive(Debug, PartialEq)]
pub struct Response {
    /// Status code; up to 0x00ff the operation has succeeded.
    pub status: u16,
    /// Groups of attributes, one for each printer or job.
    pub groups: Vec<Attributes>,
}

/// Attributes of a printer or job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(String, Vec<Value>)>);

/// An attribute value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An integer or enum.
    Number(i32),
    /// A boolean.
    Boolean(bool),
    /// A text, name, keyword, URI or other string.
    Text(String),
    /// A range: minimum and maximum.
    Range(i32, i32),
    /// Resolution in dots per inch: across the feed direction, and along it.
    Resolution(u32, u32),
    /// A value of a type that is not used here, such as a collection.
    Other,
}

impl Attributes {
    /// Returns all attributes with their names.
    pub fn all(&self) -> &[(String, Vec<Value>)] {
        &self.0
    }

    /// Returns the values of an attribute; empty if it is missing.
    pub fn values(&self, name: &str) -> &[Value] {
        self.0.iter().find(|(own, _)| own == name).map_or(&[], |(_, values)| values)
    }

    fn first(&self, name: &str) -> Option<&Value> {
        self.values(name).first()
    }

    /// Returns the first value of an attribute if it is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.first(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns all texts of an attribute.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.values(name)
            .iter()
            .filter_map(|value| if let Value::Text(text) = value { Some(text.clone()) } else { None })
            .collect()
    }

    /// Returns the first value of an attribute if it is a number.
    pub fn number(&self, name: &str) -> Option<i32> {
        match self.first(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns all numbers of an attribute.
    pub fn numbers(&self, name: &str) -> impl Iterator<Item = i32> {
        self.values(name).iter().filter_map(|value| match value {
            Value::Number(number) => Some(*number),
            _ => None,
        })
    }

    /// Returns the first value of an attribute if it is a boolean.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.first(name)? {
            Value::Boolean(boolean) => Some(*boolean),
            _ => None,
        }
    }

    /// Returns the largest number of the values; of a range, its maximum.
    pub fn most(&self, name: &str) -> Option<i32> {
        self.values(name)
            .iter()
            .filter_map(|value| match value {
                Value::Number(number) | Value::Range(_, number) => Some(*number),
                _ => None,
            })
            .max()
    }

    /// Returns the first value of an attribute if it is a resolution in dots per inch.
    pub fn resolution(&self, name: &str) -> Option<(u32, u32)> {
        match self.first(name)? {
            Value::Resolution(across, along) => Some((*across, *along)),
            _ => None,
        }
    }
}

impl Response {
    /// Parses a response; `None` if it is malformed or has more than `MOST` groups and values (RFC 8010 3).
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let (&[_, _, high, low, _, _, _, _], rest) = octets.split_first_chunk::<8>()?;
        let mut cursor = Cursor(rest);
        let mut groups: Vec<Attributes> = Vec::new();
        let mut is_about_something = false;
        let mut depth = 0_usize;
        let mut room = MOST;
        loop {
            room = room.checked_sub(1)?;
            match cursor.octet()? {
                END => break,
                tag @ 0x00..=0x0f => {
                    is_about_something = matches!(tag, JOB_ATTRIBUTES | PRINTER_ATTRIBUTES);
                    if is_about_something {
                        groups.push(Attributes::default());
                    }
                }
                tag => {
                    let (name, octets) = (cursor.counted()?, cursor.counted()?);
                    let value = match tag {
                        BEGIN_COLLECTION => {
                            depth += 1;
                            Some(Value::Other).filter(|_| depth == 1)
                        }
                        END_COLLECTION => {
                            depth = depth.checked_sub(1)?;
                            None
                        }
                        _ if depth > 0 => None,
                        tag => Some(value(tag, octets)?),
                    };
                    let (Some(value), true) = (value, is_about_something) else { continue };
                    let attributes = &mut groups.last_mut()?.0;
                    if name.is_empty() {
                        attributes.last_mut()?.1.push(value);
                    } else {
                        attributes.push((String::from_utf8_lossy(name).into_owned(), vec![value]));
                    }
                }
            }
        }
        (depth == 0).then_some(Self { status: u16::from_be_bytes([high, low]), groups })
    }

    /// Returns whether the request succeeded.
    pub fn is_done(&self) -> bool {
        self.status <= 0x00ff
    }
}

fn value(tag: u8, octets: &[u8]) -> Option<Value> {
    Some(match tag {
        // Out-of-band values, such as "unknown" and "no-value".
        0x10..=0x1f => Value::Other,
        0x21 | CHOICE => Value::Number(number_at(octets, 0)?),
        BOOLEAN => Value::Boolean(*octets.first()? != 0),
        0x32 => {
            let (across, along) =
                (u32::try_from(number_at(octets, 0)?).ok()?, u32::try_from(number_at(octets, 4)?).ok()?);
            match octets.get(8)? {
                3 => Value::Resolution(across, along),
                // Dots per centimetre.
                4 => Value::Resolution(inches(across)?, inches(along)?),
                _ => Value::Other,
            }
        }
        0x33 => Value::Range(number_at(octets, 0)?, number_at(octets, 4)?),
        // Preceded by a language, which has a length field of its own.
        0x35 | 0x36 => {
            let mut cursor = Cursor(octets);
            cursor.counted()?;
            text_value(cursor.counted()?)
        }
        0x40..=0x5f => text_value(octets),
        _ => Value::Other,
    })
}

fn number_at(octets: &[u8], at: usize) -> Option<i32> {
    octets.get(at..)?.first_chunk::<4>().map(|octets| i32::from_be_bytes(*octets))
}

fn text_value(octets: &[u8]) -> Value {
    Value::Text(String::from_utf8_lossy(octets).into_owned())
}

fn inches(dots: u32) -> Option<u32> {
    dots.checked_mul(254).map(|dots| dots / 100)
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (octet, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*octet)
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let (count, rest) = self.0.split_first_chunk::<2>()?;
        let (counted, rest) = rest.split_at_checked(u16::from_be_bytes(*count).into())?;
        self.0 = rest;
        Some(counted)
    }
}

const MAX_TEXT: usize = 1023;

/// Maximum number of groups and values in a response. Thousands of printers stay below it; a value of a few
/// bytes in the message takes about a hundred in memory.
const MOST: usize = 1 << 20;

const OPERATION_ATTRIBUTES: u8 = 0x01;
const JOB_ATTRIBUTES: u8 = 0x02;
const END: u8 = 0x03;
const PRINTER_ATTRIBUTES: u8 = 0x04;

const BOOLEAN: u8 = 0x22;
const CHOICE: u8 = 0x23;
const BEGIN_COLLECTION: u8 = 0x34;
const END_COLLECTION: u8 = 0x37;
const TEXT: u8 = 0x41;
const NAME: u8 = 0x42;
const KEYWORD: u8 = 0x44;
const URI: u8 = 0x45;
const CHARSET: u8 = 0x47;
const LANGUAGE: u8 = 0x48;
const MIME: u8 = 0x49;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a response with two groups, several values, and a nested collection.
    fn answer() -> Vec<u8> {
        let mut request = Request::new(Operation::GetPrinters, "alice").of_printer();
        request = request.name("printer-name", "laser").text(KEYWORD, "sides-supported", "one-sided");
        request = request.text(KEYWORD, "", "two-sided-long-edge").boolean("printer-is-shared", true);
        request = request.value(BEGIN_COLLECTION, "media-col", &[]).value(0x4a, "", b"size");
        request = request.value(BEGIN_COLLECTION, "", &[]).value(0x4a, "", b"x").choice("", 1);
        request = request.value(END_COLLECTION, "", &[]).value(END_COLLECTION, "", &[]);
        request = request.value(0x33, "copies-supported", &[0, 0, 0, 1, 0, 0, 0x27, 0x0f]);
        request = request.value(0x32, "printer-resolution-default", &[0, 0, 2, 88, 0, 0, 1, 44, 3]);
        request = request.value(0x36, "printer-location", b"\0\x02en\0\x05attic");
        request.of_printer().choice("printer-state", 5).end(&[])
    }

    #[test]
    fn attributes_are_grouped_and_collections_ignored() {
        let response = Response::parse(&answer()).expect("it is one");
        let [first, second] = response.groups.as_slice() else { panic!("{response:?}") };
        assert_eq!(
            (first.text("printer-name"), first.boolean("printer-is-shared")),
            (Some("laser"), Some(true))
        );
        assert_eq!(first.texts("sides-supported"), ["one-sided", "two-sided-long-edge"]);
        assert_eq!(
            (first.most("copies-supported"), first.text("printer-location")),
            (Some(9999), Some("attic"))
        );
        assert_eq!(first.resolution("printer-resolution-default"), Some((600, 300)));
        assert_eq!(first.values("media-col"), [Value::Other]);
        assert_eq!((second.number("printer-state"), second.text("printer-name")), (Some(5), None));
    }

    #[test]
    fn truncated_response_is_rejected() {
        let whole = answer();
        for length in 0..whole.len() {
            assert_eq!(whole.get(..length).and_then(Response::parse), None, "{length} octets");
        }
    }

    #[test]
    fn response_with_too_many_groups_or_values_is_rejected() {
        let begin = Request::new(Operation::GetPrinters, "alice").end(&[]);
        let begin = begin.strip_suffix(&[END]).expect("an end");
        let groups = |count: usize| [begin, &vec![PRINTER_ATTRIBUTES; count], &[END]].concat();
        assert_eq!(Response::parse(&groups(1_000)).map(|response| response.groups.len()), Some(1_000));
        assert_eq!(Response::parse(&groups(MOST)), None);
    }

    #[test]
    fn corrupt_responses_are_rejected() {
        let whole = answer();
        for at in 0..whole.len() {
            for octet in [0, 1, 3, 0x34, 0x37, 0xff] {
                let mut wrong = whole.clone();
                wrong.splice(at..=at, [octet]);
                // Parsing may fail but must not panic.
                let _ = Response::parse(&wrong);
            }
        }
    }
}
