//! Version 2: a fixed part of 16 bytes, addresses, and extensions (section 2.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::checksum::crc32c;
use crate::header::{missing, proxied};
use crate::limits::{FIXED, MAX_BLOCK, MAX_TLVS};
use crate::{Header, HeaderError, Progress};

/// First bytes of a header.
pub(crate) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Decodes bytes that begin as a header.
pub(crate) fn decode(received: &[u8]) -> Result<Progress, HeaderError> {
    let Some((fixed, block)) = received.split_first_chunk::<FIXED>() else {
        return Ok(missing(received.len(), FIXED));
    };
    let [.., version_and_command, family, high, low] = *fixed;
    if version_and_command >> 4 != 2 {
        return Err(HeaderError::Version(version_and_command >> 4));
    }
    let announced = u16::from_be_bytes([high, low]);
    let length = usize::from(announced);
    if length > MAX_BLOCK {
        return Err(HeaderError::LongBlock(announced));
    }
    let command = match version_and_command & 0x0f {
        0 => Command::Local,
        1 => Command::Proxy,
        other => return Err(HeaderError::Command(other)),
    };
    if block.len() < length {
        return Ok(missing(block.len(), length));
    }
    if block.len() > length {
        return Err(HeaderError::Excess);
    }
    match command {
        // The whole block must be ignored, also its family.
        Command::Local => Ok(Progress::Complete(Header::Local)),
        Command::Proxy => proxy(family, block, received).map(Progress::Complete),
    }
}

#[derive(Clone, Copy, Debug)]
enum Command {
    /// The balancer itself has opened the connection.
    Local,
    /// The balancer forwards a connection.
    Proxy,
}

fn proxy(family: u8, block: &[u8], header: &[u8]) -> Result<Header, HeaderError> {
    let (client, extensions) = match family {
        // Unspecified: addresses are ignored, and with them the extensions, whose position is unknown.
        0x00 => return Ok(Header::Local),
        0x11 => {
            let (addresses, extensions) = block.split_first_chunk::<12>().ok_or(HeaderError::ShortBlock)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
            (SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]))), extensions)
        }
        0x21 => {
            let (source, rest) = block.split_first_chunk::<16>().ok_or(HeaderError::ShortBlock)?;
            let (_, rest) = rest.split_first_chunk::<16>().ok_or(HeaderError::ShortBlock)?;
            let (ports, extensions) = rest.split_first_chunk::<4>().ok_or(HeaderError::ShortBlock)?;
            let [high, low, _, _] = *ports;
            (SocketAddr::from((Ipv6Addr::from(*source), u16::from_be_bytes([high, low]))), extensions)
        }
        other => return Err(HeaderError::Family(other)),
    };
    check_extensions(extensions, header)?;
    Ok(proxied(client))
}

/// Checks the form of the extensions, and the checksum if there is one.
fn check_extensions(mut rest: &[u8], header: &[u8]) -> Result<(), HeaderError> {
    let mut count = 0_usize;
    while let Some((kind_and_length, behind)) = rest.split_first_chunk::<3>() {
        count = count.saturating_add(1);
        let [kind, high, low] = *kind_and_length;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, behind) = behind.split_at_checked(length).ok_or(HeaderError::Extensions)?;
        if count > MAX_TLVS {
            return Err(HeaderError::Extensions);
        }
        if kind == CHECKSUM {
            let sum = value.try_into().map(u32::from_be_bytes).map_err(|_| HeaderError::Extensions)?;
            check_sum(sum, header, behind.len())?;
        }
        rest = behind;
    }
    if rest.is_empty() { Ok(()) } else { Err(HeaderError::Extensions) }
}

/// Compares the checksum with that of the header, in which its four bytes, before the last `behind` bytes, are zero.
fn check_sum(sum: u32, header: &[u8], behind: usize) -> Result<(), HeaderError> {
    let end = header.len().saturating_sub(behind);
    let field = end.saturating_sub(4)..end;
    let bytes = header.iter().enumerate();
    let zeroed = bytes.map(|(place, byte)| if field.contains(&place) { 0 } else { *byte });
    if crc32c(zeroed) == sum { Ok(()) } else { Err(HeaderError::Checksum) }
}

/// Type of the extension with the checksum (`PP2_TYPE_CRC32C`).
const CHECKSUM: u8 = 0x03;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;

    fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, block].concat()
    }

    fn v4(extensions: &[u8]) -> Vec<u8> {
        header(0x21, 0x11, &[&[192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 0x17, 0x61], extensions].concat())
    }

    fn proxied_to(client: &str) -> Result<Progress, HeaderError> {
        Ok(Progress::Complete(Header::Proxied { client: client.parse().unwrap() }))
    }

    const LOCAL: Result<Progress, HeaderError> = Ok(Progress::Complete(Header::Local));

    #[test]
    fn clients_of_both_families_are_named() {
        assert_eq!(decode(&v4(&[])), proxied_to("192.0.2.7:40000"));
        let mut block = [0; 36];
        block[..2].copy_from_slice(&[0x20, 0x01]);
        block[15] = 7;
        block[32..].copy_from_slice(&[0x9c, 0x40, 0x17, 0x61]);
        assert_eq!(decode(&header(0x21, 0x21, &block)), proxied_to("[2001::7]:40000"));
    }

    #[test]
    fn local_connections_have_no_client_whatever_their_block_contains() {
        assert_eq!(decode(&header(0x20, 0x00, &[])), LOCAL);
        assert_eq!(decode(&header(0x20, 0xff, &[1, 2, 3])), LOCAL);
        assert_eq!(decode(&header(0x21, 0x00, &[1, 2, 3])), LOCAL);
    }

    #[test]
    fn other_versions_commands_and_families_are_refused() {
        assert_eq!(decode(&header(0x11, 0x11, &[0; 12])), Err(HeaderError::Version(1)));
        assert_eq!(decode(&header(0x22, 0x11, &[0; 12])), Err(HeaderError::Command(2)));
        for family in [0x01, 0x10, 0x12, 0x13, 0x20, 0x22, 0x31, 0x32, 0x41, 0xff] {
            assert_eq!(decode(&header(0x21, family, &[0; 216])), Err(HeaderError::Family(family)));
        }
    }

    #[test]
    fn lengths_are_checked() {
        assert_eq!(decode(&header(0x21, 0x11, &[0; 11])), Err(HeaderError::ShortBlock));
        assert_eq!(decode(&header(0x21, 0x21, &[0; 35])), Err(HeaderError::ShortBlock));
        assert_eq!(decode(&[v4(&[]), vec![0]].concat()), Err(HeaderError::Excess));
        let long = [SIGNATURE.as_slice(), &[0x20, 0, 0x10, 0x01]].concat();
        assert_eq!(decode(&long), Err(HeaderError::LongBlock(4_097)), "before its block has arrived");
        for length in 0..v4(&[]).len() {
            let Ok(Progress::Missing(count)) = decode(&v4(&[])[..length]) else { panic!("{length}") };
            assert!(length + count.get() <= 28, "{length} {count}");
        }
    }

    #[test]
    fn extensions_are_checked() {
        let authority = [&[0x02, 0, 11][..], b"wec.example"].concat();
        assert_eq!(decode(&v4(&authority)), proxied_to("192.0.2.7:40000"));
        assert_eq!(decode(&v4(&[4, 0, 0].repeat(64))), proxied_to("192.0.2.7:40000"));
        assert_eq!(decode(&v4(&[4, 0, 0].repeat(65))), Err(HeaderError::Extensions));
        for wrong in [&[4][..], &[4, 0], &[4, 0, 1], &[4, 0, 0, 4], &[3, 0, 1, 0]] {
            assert_eq!(decode(&v4(wrong)), Err(HeaderError::Extensions), "{wrong:?}");
        }
    }

    #[test]
    fn a_checksum_is_verified() {
        let mut bytes = v4(&[3, 0, 4, 0, 0, 0, 0, 4, 0, 1, 9]);
        let sum = crc32c(bytes.iter().copied()).to_be_bytes();
        let place = bytes.len() - 8;
        bytes[place..place + 4].copy_from_slice(&sum);
        assert_eq!(decode(&bytes), proxied_to("192.0.2.7:40000"));
        *bytes.last_mut().unwrap() = 8;
        assert_eq!(decode(&bytes), Err(HeaderError::Checksum));
    }
}
