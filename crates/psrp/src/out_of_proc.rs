//! Transport over standard input and output of a PowerShell process (`pwsh -s`).
//!
//! Both ends write lines of UTF-8 with one XML element each. The zero identifier addresses the pool.

use base64::Engine as _;

use crate::base64_engine::BASE64;
use crate::channel::Stream;
use crate::error::PsrpError;
use crate::guid::Guid;

/// Line of the transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Fragments for a pipeline or the pool.
    Data {
        /// Stream of the fragments.
        stream: Stream,
        /// Pipeline, or zero for the pool.
        target: Guid,
        /// Fragments, or a part of one; never empty.
        data: Vec<u8>,
    },
    /// Control packet without data.
    Control(Control, Guid),
}

/// Kind of a packet without data. Clients send the first three, servers the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// Announces a pipeline.
    Command,
    /// Stops a pipeline.
    Signal,
    /// Closes a pipeline or the pool.
    Close,
    /// Confirms data.
    DataAck,
    /// Confirms a pipeline.
    CommandAck,
    /// Confirms that a pipeline is being stopped.
    SignalAck,
    /// Confirms that a pipeline or the pool is closed.
    CloseAck,
}

impl Control {
    const ALL: [(Self, &str); 7] = [
        (Self::Command, "Command"),
        (Self::Signal, "Signal"),
        (Self::Close, "Close"),
        (Self::DataAck, "DataAck"),
        (Self::CommandAck, "CommandAck"),
        (Self::SignalAck, "SignalAck"),
        (Self::CloseAck, "CloseAck"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(control, _)| *control == self).map_or("", |(_, name)| name)
    }
}

const DATA: &str = "Data";
/// Length of an identifier in an attribute.
const GUID_LENGTH: usize = 36;
/// Length of the tags around data, at most.
const TAGS: usize = 128;

impl Packet {
    /// Parses a line without its line feed.
    ///
    /// Returns `None` if the line does not begin with an element of the transport, because programs that
    /// PowerShell starts may write to its standard output.
    ///
    /// # Errors
    /// [`PsrpError::Line`] if the line begins with such an element and is malformed.
    pub fn parse(line: &[u8]) -> Result<Option<Self>, PsrpError> {
        match Self::parse_usual_data(line) {
            Some(packet) => Ok(Some(packet)),
            None => Self::parse_xml(&String::from_utf8_lossy(line)),
        }
    }

    /// Parses data in the form in which PowerShell writes it, without an XML parser. Nearly all bytes of the transport
    /// are in such lines.
    fn parse_usual_data(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let rest = line.strip_prefix(b"<Data Stream='Default' PSGuid='")?;
        let (target, rest) = rest.split_at_checked(GUID_LENGTH)?;
        let target = Guid::parse(str::from_utf8(target).ok()?).ok()?;
        let text = rest.strip_prefix(b"'>")?.strip_suffix(b"</Data>")?;
        let data = BASE64.decode(text).ok().filter(|data| !data.is_empty())?;
        Some(Self::Data { stream: Stream::Default, target, data })
    }

    fn parse_xml(line: &str) -> Result<Option<Self>, PsrpError> {
        let line = line.trim_end_matches('\r');
        let Some(name) = line.strip_prefix('<').map(element_name) else { return Ok(None) };
        let control = Control::ALL.iter().find(|(_, known)| *known == name);
        if control.is_none() && name != DATA {
            return Ok(None);
        }
        let bounds = xml::Bounds { octets: line.len(), depth: 1, nodes: 2, attributes: 2, namespaces: 1 };
        let document = xml::Document::parse(line, &bounds);
        let document = document.map_err(|_| PsrpError::Line("not one well-formed element"))?;
        let root = document.root();
        let target = root.attribute("", "PSGuid").as_deref().and_then(|text| Guid::parse(text).ok());
        let target = target.ok_or(PsrpError::Line("attribute PSGuid is missing or no GUID"))?;
        let text = root.text();
        if let Some((control, _)) = control {
            let is_empty = text.is_empty() && root.attributes().count() == 1;
            return match is_empty {
                true => Ok(Some(Self::Control(*control, target))),
                false => Err(PsrpError::Line("a packet without data has data or other attributes")),
            };
        }
        let stream = match root.attribute("", "Stream").as_deref() {
            Some("Default") => Stream::Default,
            Some("PromptResponse") => Stream::PromptResponse,
            _ => return Err(PsrpError::Line("attribute Stream is neither Default nor PromptResponse")),
        };
        let data = BASE64.decode(text.as_bytes()).map_err(|_| PsrpError::Line("the data is not Base64"))?;
        // PowerShell ends when it receives a packet without data.
        if data.is_empty() {
            return Err(PsrpError::Line("the data is empty"));
        }
        Ok(Some(Self::Data { stream, target, data }))
    }

    /// Appends the line with its line feed.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Data { stream, target, data } => {
                let stream = match stream {
                    Stream::Default => "Default",
                    Stream::PromptResponse => "PromptResponse",
                };
                // The end tag behind long data must not make the buffer grow to twice its size.
                let length = base64::encoded_len(data.len(), true).unwrap_or_default();
                out.reserve(length.saturating_add(TAGS));
                out.push_str(&format!("<{DATA} Stream='{stream}' PSGuid='{target}'>"));
                BASE64.encode_string(data, out);
                out.push_str("</Data>\n");
            }
            Self::Control(control, target) => {
                out.push_str(&format!("<{} PSGuid='{target}' />\n", control.name()));
            }
        }
    }
}

/// Returns the name at the beginning of a start tag.
fn element_name(rest: &str) -> &str {
    let length = rest.bytes().take_while(|byte| !matches!(byte, b' ' | b'\t' | b'/' | b'>')).count();
    rest.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "00000000-0000-0000-0000-000000000000";

    #[test]
    fn packets_are_written_as_powershell_does() {
        for (stream, name) in [(Stream::Default, "Default"), (Stream::PromptResponse, "PromptResponse")] {
            let mut text = String::new();
            let data = Packet::Data { stream, target: Guid::ZERO, data: b"abc".to_vec() };
            data.write(&mut text);
            assert_eq!(text, format!("<Data Stream='{name}' PSGuid='{POOL}'>YWJj</Data>\n"));
            assert_eq!(Packet::parse(text.trim_end().as_bytes()), Ok(Some(data.clone())));
            let other = format!("<Data PSGuid=\"{POOL}\" Stream=\"{name}\">YW&#74;j</Data>\r");
            assert_eq!(Packet::parse(other.as_bytes()), Ok(Some(data)));
        }
        for (control, name) in Control::ALL {
            let mut text = String::new();
            Packet::Control(control, Guid::ZERO).write(&mut text);
            assert_eq!(text, format!("<{name} PSGuid='{POOL}' />\n"));
            assert_eq!(
                Packet::parse(text.trim_end().as_bytes()),
                Ok(Some(Packet::Control(control, Guid::ZERO)))
            );
        }
        assert!(
            Packet::parse(format!("<CloseAck PSGuid=\"{POOL}\"></CloseAck>\r").as_bytes()).unwrap().is_some()
        );
    }

    #[test]
    fn output_of_other_programs_is_ignored() {
        for line in ["", "hello", "<html>", "<Datum PSGuid=''/>", " <Close/>", "<", "<Data2/>", "\u{1b}[0m"] {
            assert_eq!(Packet::parse(line.as_bytes()), Ok(None), "{line}");
        }
    }

    #[test]
    fn malformed_packets_are_refused() {
        for line in [
            "<Close",
            "<Close />",
            "<Close PSGuid='1' />",
            &format!("<Close PSGuid='{POOL}'>x</Close>"),
            &format!("<Close PSGuid='{POOL}' Stream='Default'/>"),
            &format!("<Data PSGuid='{POOL}'>AAAA</Data>"),
            &format!("<Data Stream='Default' PSGuid='{POOL}'></Data>"),
            &format!("<Data Stream='Default' PSGuid='{POOL}'>*</Data>"),
            &format!("<Data Stream='Other' PSGuid='{POOL}'>AAAA</Data>"),
            &format!("<Data Stream='Default' PSGuid='{POOL}' X='1'>AAAA</Data>"),
            &format!("<Data Stream='Default' PSGuid='{POOL}'><Data/></Data>"),
            &format!("<Close PSGuid='{POOL}' /><Close PSGuid='{POOL}' />"),
        ] {
            assert!(Packet::parse(line.as_bytes()).is_err(), "{line}");
        }
        let no_text = [b"<Data Stream='Default' PSGuid='", POOL.as_bytes(), b"'>AAA\xff</Data>"].concat();
        assert!(Packet::parse(&no_text).is_err());
    }
}
