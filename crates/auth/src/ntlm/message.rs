//! The three NTLM messages (MS-NLMP 2.2.1).

use super::flags::Flags;
use super::text::CharacterSet;
use crate::AuthError;

/// `NEGOTIATE_MESSAGE`: options of the client (MS-NLMP 2.2.1.1).
#[derive(Debug, PartialEq, Eq)]
pub struct Negotiate {
    pub(super) flags: Flags,
}

/// `CHALLENGE_MESSAGE`: common options and a random challenge (MS-NLMP 2.2.1.2).
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    pub(super) flags: Flags,
    pub(super) challenge: [u8; 8],
    pub(super) target_name: String,
    /// Encoded `AV_PAIR` list; empty if the service sends none.
    pub(super) target_info: Vec<u8>,
}

/// `AUTHENTICATE_MESSAGE`: user name and response (MS-NLMP 2.2.1.3).
#[derive(Debug, PartialEq, Eq)]
pub struct Authenticate {
    pub(super) flags: Flags,
    pub(super) nt_response: Vec<u8>,
    pub(super) domain: String,
    pub(super) user: String,
    /// Encrypted session key.
    pub(super) session_key: Vec<u8>,
    /// MIC field. Clients without a MIC may send other data there; only the response tells whether it is valid.
    pub(super) mic: Option<[u8; 16]>,
}

impl Negotiate {
    /// Parses the message.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for any other data.
    pub fn decode(octets: &[u8]) -> Result<Self, AuthError> {
        let message = Message::open(octets, Type::Negotiate)?;
        Ok(Self { flags: Flags(message.u32_at(12)?) })
    }

    /// Encodes the message.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if a field exceeds 64 KiB.
    pub fn encode(&self) -> Result<Vec<u8>, AuthError> {
        let mut writer = Writer::new(Type::Negotiate, 40);
        writer.fixed(&self.flags.0.to_le_bytes());
        writer.field(&[])?; // Domain and workstation are not used.
        writer.field(&[])?;
        writer.fixed(&version(self.flags));
        Ok(writer.finish())
    }
}

impl Challenge {
    /// Parses the message.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for any other data.
    pub fn decode(octets: &[u8]) -> Result<Self, AuthError> {
        let message = Message::open(octets, Type::Challenge)?;
        let challenge = message.array_at(24)?;
        let flags = Flags(message.u32_at(20)?);
        let target_name = CharacterSet::of(flags).decode(message.field_at(12)?.octets)?;
        let target_info = message.field_at(40)?.octets;
        let target_info = if flags.contains(Flags::TARGET_INFO) { target_info.to_vec() } else { Vec::new() };
        Ok(Self { flags, challenge, target_name, target_info })
    }

    /// Encodes the message.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if a field exceeds 64 KiB.
    pub fn encode(&self) -> Result<Vec<u8>, AuthError> {
        let mut writer = Writer::new(Type::Challenge, 56);
        writer.field(&CharacterSet::of(self.flags).encode(&self.target_name))?;
        writer.fixed(&self.flags.0.to_le_bytes());
        writer.fixed(&self.challenge);
        writer.fixed(&[0; 8]);
        writer.field(&self.target_info)?;
        writer.fixed(&version(self.flags));
        Ok(writer.finish())
    }
}

impl Authenticate {
    /// Parses the message.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for any other data.
    pub fn decode(octets: &[u8]) -> Result<Self, AuthError> {
        let message = Message::open(octets, Type::Authenticate)?;
        let fields = Self::fields(message)?;
        let mic = Self::split_at_mic(octets).map(|(_, mic, _)| *mic);
        let [_lm, nt, domain, user, _workstation, key] = fields;
        let flags = Flags(message.u32_at(60)?);
        let names = CharacterSet::of(flags);
        Ok(Self {
            flags,
            nt_response: nt.octets.to_vec(),
            domain: names.decode(domain.octets)?,
            user: names.decode(user.octets)?,
            session_key: key.octets.to_vec(),
            mic,
        })
    }

    /// Encodes the message.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if a field exceeds 64 KiB.
    pub fn encode(&self) -> Result<Vec<u8>, AuthError> {
        let names = CharacterSet::of(self.flags);
        let mut writer = Writer::new(Type::Authenticate, if self.mic.is_some() { 88 } else { 72 });
        writer.field(&[0; 24])?; // The LM response is not used with NTLMv2 (MS-NLMP 3.1.5.1.2).
        writer.field(&self.nt_response)?;
        writer.field(&names.encode(&self.domain))?;
        writer.field(&names.encode(&self.user))?;
        writer.field(&[])?; // Workstation.
        writer.field(&self.session_key)?;
        writer.fixed(&self.flags.0.to_le_bytes());
        writer.fixed(&version(self.flags));
        if let Some(mic) = &self.mic {
            writer.fixed(mic);
        }
        Ok(writer.finish())
    }

    /// Splits an encoded message into the parts before the MIC, the MIC, and after it; `None` if there is no room for
    /// one.
    pub(super) fn split_at_mic(octets: &[u8]) -> Option<(&[u8], &[u8; 16], &[u8])> {
        let message = Message::open(octets, Type::Authenticate).ok()?;
        let (before, rest) = octets.split_at_checked(mic_offset(&Self::fields(message).ok()?)?)?;
        let (mic, after) = rest.split_first_chunk()?;
        Some((before, mic, after))
    }

    fn fields(message: Message<'_>) -> Result<[Field<'_>; 6], AuthError> {
        let mut fields = [Field { offset: 0, octets: &[] }; 6];
        for (field, place) in fields.iter_mut().zip([12, 20, 28, 36, 44, 52]) {
            *field = message.field_at(place)?;
        }
        Ok(fields)
    }
}

/// Returns the offset of the MIC: after the version, or in its place, if the payload begins late enough.
fn mic_offset(fields: &[Field<'_>]) -> Option<usize> {
    let payload = fields.iter().filter(|field| !field.octets.is_empty()).map(|field| field.offset).min();
    match payload? {
        88.. => Some(72),
        80.. => Some(64),
        _ => None,
    }
}

fn version(flags: Flags) -> [u8; 8] {
    if flags.contains(Flags::VERSION) { VERSION } else { [0; 8] }
}

/// A received message.
#[derive(Clone, Copy)]
struct Message<'a> {
    octets: &'a [u8],
    kind: Type,
}

/// A field of the payload and its offset.
#[derive(Clone, Copy)]
struct Field<'a> {
    offset: usize,
    octets: &'a [u8],
}

impl<'a> Message<'a> {
    fn open(octets: &'a [u8], expected: Type) -> Result<Self, AuthError> {
        if octets.len() > MAX_LENGTH {
            return Err(AuthError::Malformed("NTLM message is too long"));
        }
        if !octets.starts_with(&SIGNATURE) {
            return Err(AuthError::Malformed("not an NTLM message"));
        }
        let message = Self { octets, kind: expected };
        if message.u32_at(8)? != expected.number() {
            return Err(AuthError::Malformed("unexpected NTLM message type"));
        }
        Ok(message)
    }

    fn array_at<const N: usize>(self, place: usize) -> Result<[u8; N], AuthError> {
        let found = self.octets.get(place..).and_then(<[u8]>::first_chunk);
        found.copied().ok_or(AuthError::Malformed("truncated NTLM message"))
    }

    fn u32_at(self, place: usize) -> Result<u32, AuthError> {
        Ok(u32::from_le_bytes(self.array_at(place)?))
    }

    /// Returns the field described by length, maximum length and offset at `place`. The offset of an empty field is
    /// ignored.
    fn field_at(self, place: usize) -> Result<Field<'a>, AuthError> {
        let [a, b, _, _, rest @ ..] = self.array_at::<8>(place)?;
        let length = usize::from(u16::from_le_bytes([a, b]));
        if length == 0 {
            return Ok(Field { offset: 0, octets: &[] });
        }
        let outside = AuthError::Malformed("field outside the NTLM message");
        let offset = usize::try_from(u32::from_le_bytes(rest)).map_err(|_| outside)?;
        let (_before, from) = self.octets.split_at_checked(offset).ok_or(outside)?;
        let (octets, _after) = from.split_at_checked(length).ok_or(outside)?;
        if offset < self.kind.head_length() {
            return Err(AuthError::Malformed("field overlaps the head of the NTLM message"));
        }
        Ok(Field { offset, octets })
    }
}

/// Writes a message: fixed fields first, then the payload.
struct Writer {
    head: Vec<u8>,
    payload: Vec<u8>,
    payload_offset: usize,
}

impl Writer {
    fn new(message: Type, payload_offset: usize) -> Self {
        let head = [SIGNATURE.as_slice(), &message.number().to_le_bytes()].concat();
        Self { head, payload: Vec::new(), payload_offset }
    }

    fn fixed(&mut self, octets: &[u8]) {
        self.head.extend_from_slice(octets);
    }

    fn field(&mut self, octets: &[u8]) -> Result<(), AuthError> {
        let too_long = AuthError::Malformed("field is too long for an NTLM message");
        let length = u16::try_from(octets.len()).map_err(|_| too_long)?.to_le_bytes();
        let offset = u32::try_from(self.payload_offset + self.payload.len()).map_err(|_| too_long)?;
        self.head.extend([length, length].concat());
        self.head.extend(offset.to_le_bytes());
        self.payload.extend_from_slice(octets);
        Ok(())
    }

    fn finish(mut self) -> Vec<u8> {
        debug_assert_eq!(self.head.len(), self.payload_offset, "wrong payload offset");
        self.head.append(&mut self.payload);
        self.head
    }
}

/// Message type (`MessageType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Negotiate,
    Challenge,
    Authenticate,
}

impl Type {
    fn number(self) -> u32 {
        match self {
            Self::Negotiate => 1,
            Self::Challenge => 2,
            Self::Authenticate => 3,
        }
    }

    /// Smallest possible offset of the payload, without version and MIC.
    fn head_length(self) -> usize {
        match self {
            Self::Negotiate => 32,
            Self::Challenge => 48,
            Self::Authenticate => 64,
        }
    }
}

/// Signature at the beginning of every message, which distinguishes NTLM from other tokens.
pub(super) const SIGNATURE: [u8; 8] = *b"NTLMSSP\0";

/// Version field of Windows 10, NTLM revision 15, as other non-Windows implementations send it.
const VERSION: [u8; 8] = [0x0A, 0x00, 0x63, 0x45, 0x00, 0x00, 0x00, 0x0F];

/// Maximum message length in bytes; real messages have less than a tenth of it.
pub const MAX_LENGTH: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    /// Message of MS-NLMP 4.2.4.3, with version and without MIC.
    fn example() -> Vec<u8> {
        let [domain, user, server, computer] =
            ["Domain", "User", "Server", "COMPUTER"].map(|text| text::utf16(text).to_vec());
        let blob = [
            b"\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice(),
            &[0xAA; 8],
            b"\0\0\0\0\x02\0\x0C\0",
            &domain,
            b"\x01\0\x0C\0",
            &server,
            &[0; 8],
        ];
        [
            b"NTLMSSP\0\x03\0\0\0\x18\0\x18\0\x6C\0\0\0\x54\0\x54\0\x84\0\0\0".as_slice(),
            b"\x0C\0\x0C\0\x48\0\0\0\x08\0\x08\0\x54\0\0\0\x10\0\x10\0\x5C\0\0\0",
            b"\x10\0\x10\0\xD8\0\0\0\x35\x82\x88\xE2\x05\x01\x28\x0A\0\0\0\x0F",
            &[domain.as_slice(), &user, &computer].concat(),
            &0x86C3_5097_AC9C_EC10_2554_764A_57CC_CC19_u128.to_be_bytes(),
            &[0xAA; 8],
            &0x68CD_0AB8_51E5_1C96_AABC_927B_EBEF_6A1C_u128.to_be_bytes(),
            &blob.concat(),
            &0xC5DA_D254_4FC9_7990_94CE_1CE9_0BC9_D03E_u128.to_be_bytes(),
        ]
        .concat()
    }

    #[test]
    fn the_example_of_the_specification_is_parsed() {
        let message = Authenticate::decode(&example()).unwrap();
        assert_eq!((message.domain.as_str(), message.user.as_str()), ("Domain", "User"));
        assert_eq!((message.nt_response.len(), message.session_key.len()), (84, 16));
        assert_eq!((message.flags, message.mic), (Flags(0xE288_8235), None));
        let response = crate::ntlm::response::NtResponse::decode(&message.nt_response).unwrap();
        let hash = crate::ntlm::NtHash::of_password(&crate::Secret::new("Password".to_owned()));
        let key = hash.response_key(&message.domain, &message.user);
        assert_eq!(*key.proof(b"\x01\x23\x45\x67\x89\xAB\xCD\xEF", response.blob), *response.proof);
    }

    #[test]
    fn truncated_messages_are_rejected() {
        let example = example();
        for end in 0..example.len() {
            assert!(Authenticate::decode(&example[..end]).is_err(), "{end}");
        }
        let negotiate = Negotiate { flags: Flags::WANTED }.encode().unwrap();
        for end in 0..16 {
            assert!(Negotiate::decode(&negotiate[..end]).is_err(), "{end}");
        }
        let name = "NODE7".to_owned();
        let flags = Flags::WANTED | Flags::TARGET_INFO;
        let challenge = Challenge { flags, challenge: [7; 8], target_name: name, target_info: vec![0; 4] };
        let octets = challenge.encode().unwrap();
        assert_eq!(Challenge::decode(&octets), Ok(challenge));
        for end in 0..octets.len() {
            assert!(Challenge::decode(&octets[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn fields_that_overlap_the_head_or_exceed_the_message_are_rejected() {
        for offset in [0_u32, 63, 0xD9, u32::MAX] {
            let mut message = example();
            message[56..60].copy_from_slice(&offset.to_le_bytes());
            assert!(matches!(Authenticate::decode(&message), Err(AuthError::Malformed(_))), "{offset}");
        }
        // The offset of an empty field is ignored.
        let mut message = example();
        message[52..60].copy_from_slice(&[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(Authenticate::decode(&message).unwrap().session_key.is_empty());
    }

    #[test]
    fn the_mic_offset_depends_on_the_payload() {
        let mut message = Authenticate::decode(&example()).unwrap();
        message.mic = Some([7; 16]);
        let octets = message.encode().unwrap();
        assert_eq!(Authenticate::decode(&octets), Ok(message));
        let (before, mic, after) = Authenticate::split_at_mic(&octets).unwrap();
        assert_eq!((before.len(), after.len() + before.len() + mic.len()), (72, octets.len()));
        assert!(Authenticate::split_at_mic(&example()).is_none());

        // Without the version, everything is eight bytes earlier.
        let mut without_version = [&octets[..64], &octets[72..]].concat();
        for place in [12, 20, 28, 36, 44, 52] {
            without_version[place + 4] -= 8;
        }
        assert_eq!(Authenticate::decode(&without_version).unwrap().mic, Some([7; 16]));
        assert_eq!(Authenticate::split_at_mic(&without_version).unwrap().0.len(), 64);
    }

    #[test]
    fn messages_of_another_type_are_rejected() {
        let negotiate = Negotiate { flags: Flags::WANTED }.encode().unwrap();
        assert!(Challenge::decode(&negotiate).is_err() && Authenticate::decode(&negotiate).is_err());
        assert!(Negotiate::decode(&example()).is_err());
        assert!(Negotiate::decode(&[negotiate, vec![0; MAX_LENGTH]].concat()).is_err());
    }
}
