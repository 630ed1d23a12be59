//! Version 1: one line of text (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::header::{missing, proxied};
use crate::limits::MAX_LINE;
use crate::{Header, HeaderError, Progress};

/// First bytes of the line.
pub(crate) const START: &[u8] = b"PROXY ";
/// Length of the shortest line, `PROXY UNKNOWN`, with its end.
const MIN_LINE: usize = 15;

/// Decodes bytes that begin as a line.
pub(crate) fn decode(received: &[u8]) -> Result<Progress, HeaderError> {
    let Some(end) = received.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        // At least the carriage return and the line feed are missing.
        return more(received.len(), received.len().saturating_add(2).max(MIN_LINE));
    };
    let (line, end) = received.split_at_checked(end).unwrap_or((received, &[]));
    match end {
        b"\r\n" if received.len() <= MAX_LINE => parse(line).map(Progress::Complete),
        b"\r" => more(received.len(), received.len().saturating_add(1)),
        b"\r\n" => Err(HeaderError::LongLine),
        _ => Err(HeaderError::Line("a carriage return or line feed inside, or bytes behind its end")),
    }
}

fn more(received: usize, length: usize) -> Result<Progress, HeaderError> {
    if length > MAX_LINE { Err(HeaderError::LongLine) } else { Ok(missing(received, length)) }
}

fn parse(line: &[u8]) -> Result<Header, HeaderError> {
    let line = line.strip_prefix(START).ok_or(HeaderError::Line("no space behind PROXY"))?;
    // Everything behind UNKNOWN must be ignored.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(Header::Local);
    }
    let line = std::str::from_utf8(line).map_err(|_| HeaderError::Line("bytes that are not ASCII"))?;
    let fields: Vec<&str> = line.splitn(6, ' ').collect();
    let [family, client, destination, client_port, destination_port] = fields.as_slice() else {
        return Err(HeaderError::Line("another number of fields than six"));
    };
    let (client, _) = match *family {
        "TCP4" => (IpAddr::V4(address::<Ipv4Addr>(client)?), address::<Ipv4Addr>(destination)?.into()),
        "TCP6" => (IpAddr::V6(address(client)?), IpAddr::V6(address::<Ipv6Addr>(destination)?)),
        _ => return Err(HeaderError::Line("a family other than TCP4, TCP6 or UNKNOWN")),
    };
    port(destination_port)?;
    Ok(proxied(SocketAddr::new(client, port(client_port)?)))
}

fn address<A: FromStr>(text: &str) -> Result<A, HeaderError> {
    text.parse().map_err(|_| HeaderError::Line("an address that is not one of its family"))
}

/// Parses a decimal number without leading zeros.
fn port(text: &str) -> Result<u16, HeaderError> {
    let is_number = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = is_number.then(|| text.parse().ok()).flatten();
    number.ok_or(HeaderError::Line("a port that is not a number from 0 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;

    fn client(line: &str) -> Result<Option<String>, HeaderError> {
        match decode(line.as_bytes())? {
            Progress::Complete(Header::Proxied { client }) => Ok(Some(client.to_string())),
            Progress::Complete(Header::Local) => Ok(None),
            Progress::Missing(_) => panic!("{line:?} is incomplete"),
        }
    }

    #[test]
    fn the_examples_of_the_specification_name_their_clients() {
        let v4 = "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
        assert_eq!(client(v4), Ok(Some("255.255.255.255:65535".to_owned())));
        let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let v6 = format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n");
        assert_eq!(client(&v6), Ok(Some(format!("[{longest}]:65535"))));
        assert_eq!(client("PROXY UNKNOWN\r\n"), Ok(None));
        let unknown = format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n");
        assert_eq!((unknown.len(), client(&unknown)), (MAX_LINE, Ok(None)));
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let line = "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n";
        assert_eq!(client(line), Ok(Some("192.0.2.7:1".to_owned())));
    }

    #[test]
    fn malformed_lines_are_refused() {
        for fields in [
            "TCP4 1.2.3.4 1.2.3.4 1",
            "TCP4 1.2.3.4 1.2.3.4 1 2 3",
            "TCP4  1.2.3.4 1.2.3.4 1 2",
            "TCP4 1.2.3.4 1.2.3.4 1 2 ",
            "TCP4 01.2.3.4 1.2.3.4 1 2",
            "TCP4 ::1 ::1 1 2",
            "TCP6 1.2.3.4 1.2.3.4 1 2",
            "TCP4 1.2.3.4 x 1 2",
            "TCP4 1.2.3.4 1.2.3.4 65536 2",
            "TCP4 1.2.3.4 1.2.3.4 01 2",
            "TCP4 1.2.3.4 1.2.3.4 +1 2",
            "TCP4 1.2.3.4 1.2.3.4  2",
            "UDP4 1.2.3.4 1.2.3.4 1 2",
            "UNKNOWNS",
            "tcp4 1.2.3.4 1.2.3.4 1 2",
        ] {
            let line = format!("PROXY {fields}\r\n");
            assert!(matches!(client(&line), Err(HeaderError::Line(_))), "{line:?}");
        }
        for line in ["PROXY UNKNOWN\n", "PROXY UNKNOWN\rx", "PROXY UNKNOWN\r\n\r\n"] {
            assert!(matches!(decode(line.as_bytes()), Err(HeaderError::Line(_))), "{line:?}");
        }
    }

    #[test]
    fn a_line_ends_within_107_bytes() {
        let mut line = b"PROXY UNKNOWN ".to_vec();
        line.resize(MAX_LINE - 2, b'x');
        assert_eq!(decode(&line), Ok(missing(105, 107)));
        line.push(b'x');
        assert_eq!(decode(&line), Err(HeaderError::LongLine));
        line.push(b'\r');
        assert_eq!(decode(&line), Err(HeaderError::LongLine));
    }

    #[test]
    fn reading_the_missing_bytes_never_reads_beyond_the_line() {
        let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 5985\r\n";
        let stream = [line.as_slice(), b"POST /wsman HTTP/1.1\r\n"].concat();
        let mut length = 0;
        while let Progress::Missing(count) = decode(stream.get(..length).unwrap()).unwrap() {
            length += count.get();
        }
        assert_eq!(length, line.len());
    }
}
