//! System information that the machine stored in its controller (IPMI 2.0, 22.14a and 22.14b).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// A system information text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemText {
    /// Version of the machine's firmware, such as its BIOS.
    FirmwareVersion,
    /// System name.
    Name,
    /// Name of the primary operating system.
    OperatingSystem,
    /// Name of the running operating system; the controller clears it when the machine restarts.
    RunningSystem,
}

/// Get System Info Parameters: one block of sixteen bytes of a text.
#[derive(Clone, Copy, Debug)]
pub struct GetSystemInfo {
    /// Text to read.
    pub text: SystemText,
    /// Index of the block, from 0.
    pub block: u8,
}

impl Command for GetSystemInfo {
    type Reply = Vec<u8>;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        let parameter = match self.text {
            SystemText::FirmwareVersion => 1,
            SystemText::Name => 2,
            SystemText::OperatingSystem => 3,
            SystemText::RunningSystem => 4,
        };
        Request::new(NetFn::APP, 0x59, &[0, parameter, self.block, 0])
    }

    fn reply(&self, octets: &[u8]) -> Result<Vec<u8>, ProtoError> {
        let mut octets = Octets::new("the answer to Get System Info Parameters", octets);
        let [_revision, block] = octets.array()?;
        if block != self.block {
            return Err(ProtoError::Unexpected { what: "the part of a text", value: block.into() });
        }
        Ok(octets.rest().iter().copied().take(16).collect())
    }
}

/// Decodes the first block: encoding, total length in bytes (at most 255), and the bytes of text in this
/// block.
///
/// # Errors
/// If the block is too short.
pub fn begin(block: &[u8]) -> Result<(SystemTextEncoding, usize, &[u8]), ProtoError> {
    let mut octets = Octets::new("the beginning of a text", block);
    let [encoding, length] = octets.array()?;
    let encoding = match encoding & 0x0f {
        2 => SystemTextEncoding::Utf16,
        _ => SystemTextEncoding::Octets,
    };
    Ok((encoding, length.into(), octets.rest()))
}

/// Encoding of a text (IPMI 2.0, table 22-16c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemTextEncoding {
    /// ASCII with Latin-1, or UTF-8: decoded as Latin-1 if it is not valid UTF-8.
    Octets,
    /// UTF-16, little-endian.
    Utf16,
}

impl SystemTextEncoding {
    /// Returns the text up to the first NUL; control characters are replaced.
    #[must_use]
    pub fn decode(self, octets: &[u8]) -> String {
        let text = match self {
            Self::Utf16 => {
                let (pairs, _) = octets.as_chunks::<2>();
                let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
                String::from_utf16_lossy(&units)
            }
            Self::Octets => match std::str::from_utf8(octets) {
                Ok(text) => text.to_owned(),
                Err(_) => octets.iter().copied().map(char::from).collect(),
            },
        };
        let text = text.split('\0').next().unwrap_or_default().trim();
        text.replace(|letter: char| letter.is_control(), "\u{fffd}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded_and_decoded() {
        let (encoding, length, rest) = begin(&[0, 5, b'1', b'.', b'2']).expect("a beginning");
        assert_eq!((encoding.decode(rest).as_str(), length), ("1.2", 5));
        assert_eq!(SystemTextEncoding::Octets.decode(b"caf\xe9\0x"), "caf\u{e9}");
        assert_eq!(SystemTextEncoding::Octets.decode("caf\u{e9} ".as_bytes()), "caf\u{e9}");
        assert_eq!(SystemTextEncoding::Octets.decode(b"a\x1b[2Jb"), "a\u{fffd}[2Jb");
        let (encoding, ..) = begin(&[2, 4]).expect("a beginning");
        assert_eq!(encoding.decode(&[b'n', 0, b'7', 0, 9]), "n7");
        assert!(begin(&[0]).is_err());
    }

    #[test]
    fn a_response_with_another_part_is_rejected() {
        let requested = GetSystemInfo { text: SystemText::Name, block: 1 };
        assert_eq!(requested.reply(&[0x11, 1, 7]), Ok(vec![7]));
        assert!(requested.reply(&[0x11, 0, 7]).is_err());
        assert_eq!(requested.request().data, [0, 2, 1, 0]);
    }
}
