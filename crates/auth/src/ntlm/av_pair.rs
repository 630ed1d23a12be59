//! `AV_PAIR` lists: attributes of a service, and of a client's response (MS-NLMP 2.2.2.1).

use super::file_time::FileTime;
use super::text::{self, CharacterSet};
use crate::AuthError;

/// A list of attributes, in the order of the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AvPairs(
    /// INVARIANT: at most [`MAX_PAIRS`], no id twice, none is [`AvId::END`].
    Vec<(AvId, Vec<u8>)>,
);

/// Id of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AvId(u16);

impl AvId {
    const END: Self = Self(0);
    pub(super) const NETBIOS_COMPUTER: Self = Self(1);
    pub(super) const NETBIOS_DOMAIN: Self = Self(2);
    pub(super) const DNS_COMPUTER: Self = Self(3);
    pub(super) const DNS_DOMAIN: Self = Self(4);
    const FLAGS: Self = Self(6);
    const TIME: Self = Self(7);
    const TARGET_NAME: Self = Self(9);
    const CHANNEL_BINDINGS: Self = Self(10);
}

impl AvPairs {
    /// Parses up to the end of the list; further data is ignored.
    pub(super) fn decode(mut octets: &[u8]) -> Result<Self, AuthError> {
        let mut pairs = Self::default();
        loop {
            let (id, value, rest) = split_pair(octets).ok_or(AuthError::Malformed("truncated attribute"))?;
            if id == AvId::END {
                return Ok(pairs);
            }
            if pairs.0.len() == MAX_PAIRS {
                return Err(AuthError::Malformed("too many attributes"));
            }
            if pairs.find(id).is_some() {
                return Err(AuthError::Malformed("duplicate attribute"));
            }
            pairs.0.push((id, value.to_vec()));
            octets = rest;
        }
    }

    /// Encodes the list with its end marker.
    pub(super) fn encode(&self) -> Result<Vec<u8>, AuthError> {
        let mut octets = Vec::new();
        for (AvId(id), value) in
            self.0.iter().map(|(id, value)| (*id, value.as_slice())).chain([(AvId::END, &[][..])])
        {
            let length =
                u16::try_from(value.len()).map_err(|_| AuthError::Malformed("attribute is too long"))?;
            octets.extend(id.to_le_bytes());
            octets.extend(length.to_le_bytes());
            octets.extend(value);
        }
        Ok(octets)
    }

    /// Time of the service (`MsvAvTimestamp`).
    pub(super) fn time(&self) -> Result<Option<FileTime>, AuthError> {
        Ok(self.fixed(AvId::TIME)?.map(FileTime::from_octets))
    }

    /// Returns `true` if the client announces a message integrity code (`MsvAvFlags`, bit 1).
    pub(super) fn announces_mic(&self) -> Result<bool, AuthError> {
        Ok(u32::from_le_bytes(self.fixed(AvId::FLAGS)?.unwrap_or_default()) & MIC_PRESENT != 0)
    }

    /// Target name that the client intends to reach (`MsvAvTargetName`); `None` if it sends none.
    pub(super) fn target_name(&self) -> Result<Option<String>, AuthError> {
        let name =
            self.find(AvId::TARGET_NAME).map(|octets| CharacterSet::Unicode.decode(octets)).transpose()?;
        Ok(name.filter(|name| !name.is_empty()))
    }

    /// Hash of the channel binding (`MsvAvChannelBindings`); sixteen zeros mean none.
    pub(super) fn channel_bindings(&self) -> Result<Option<[u8; 16]>, AuthError> {
        Ok(self.fixed(AvId::CHANNEL_BINDINGS)?.filter(|hash| *hash != [0; 16]))
    }

    pub(super) fn with_name(self, id: AvId, name: &str) -> Self {
        self.with(id, text::utf16(name).to_vec())
    }

    pub(super) fn with_time(self, time: FileTime) -> Self {
        self.with(AvId::TIME, time.to_octets().to_vec())
    }

    pub(super) fn with_mic(self) -> Result<Self, AuthError> {
        let flags = u32::from_le_bytes(self.fixed(AvId::FLAGS)?.unwrap_or_default()) | MIC_PRESENT;
        Ok(self.with(AvId::FLAGS, flags.to_le_bytes().to_vec()))
    }

    /// Sets the client's target name; one copied from the service is discarded.
    pub(super) fn with_target_name(self, name: Option<&str>) -> Self {
        let this = self.without(AvId::TARGET_NAME);
        match name {
            Some(name) => this.with_name(AvId::TARGET_NAME, name),
            None => this,
        }
    }

    /// Sets the client's channel binding; one copied from the service is discarded.
    pub(super) fn with_channel_bindings(self, hash: Option<[u8; 16]>) -> Self {
        let this = self.without(AvId::CHANNEL_BINDINGS);
        match hash {
            Some(hash) => this.with(AvId::CHANNEL_BINDINGS, hash.to_vec()),
            None => this,
        }
    }

    fn with(self, id: AvId, value: Vec<u8>) -> Self {
        let mut this = self.without(id);
        this.0.push((id, value));
        this
    }

    fn without(mut self, id: AvId) -> Self {
        self.0.retain(|(known, _)| *known != id);
        self
    }

    fn find(&self, id: AvId) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, value)| value.as_slice())
    }

    fn fixed<const N: usize>(&self, id: AvId) -> Result<Option<[u8; N]>, AuthError> {
        let Some(value) = self.find(id) else { return Ok(None) };
        value.try_into().map(Some).map_err(|_| AuthError::Malformed("attribute has a wrong length"))
    }
}

/// Splits off the first pair: id, value and remaining bytes.
fn split_pair(octets: &[u8]) -> Option<(AvId, &[u8], &[u8])> {
    let (id, octets) = octets.split_first_chunk::<2>()?;
    let (length, octets) = octets.split_first_chunk::<2>()?;
    let (value, octets) = octets.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((AvId(u16::from_le_bytes(*id)), value, octets))
}

/// Bit of `MsvAvFlags`: the message has an integrity code.
const MIC_PRESENT: u32 = 2;

/// Maximum number of pairs; eleven ids are defined.
const MAX_PAIRS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const NAME_AND_END: &[u8] = b"\x01\0\x02\0A\0\0\0\0\0";

    #[test]
    fn a_list_is_parsed_up_to_its_end() {
        let pairs = AvPairs::decode(&[NAME_AND_END, b"more"].concat()).expect("a list");
        assert_eq!(pairs.find(AvId::NETBIOS_COMPUTER), Some(b"A\0".as_slice()));
        assert_eq!(pairs.encode().expect("short"), NAME_AND_END);
    }

    #[test]
    fn truncated_lists_are_rejected() {
        for end in 0..NAME_AND_END.len() {
            let (part, _) = NAME_AND_END.split_at(end);
            assert!(AvPairs::decode(part).is_err(), "{end}");
        }
    }

    #[test]
    fn duplicate_or_too_many_attributes_are_rejected() {
        assert!(AvPairs::decode(b"\x06\0\x04\0\0\0\0\0\x06\0\x04\0\x02\0\0\0\0\0\0\0").is_err());
        let many: Vec<u8> = (1..=33_u16).flat_map(|id| [id.to_le_bytes(), [0, 0]].concat()).collect();
        assert!(AvPairs::decode(&[many.as_slice(), &[0; 4]].concat()).is_err());
    }

    #[test]
    fn attributes_of_a_wrong_length_are_rejected_when_used() {
        let pairs = AvPairs::decode(b"\x06\0\x01\0\x02\x07\0\0\0\x0A\0\x02\0AA\0\0\0\0").expect("a list");
        assert!(pairs.announces_mic().is_err() && pairs.time().is_err() && pairs.channel_bindings().is_err());
    }

    #[test]
    fn sixteen_zeros_are_no_channel_binding() {
        let with = |hash| AvPairs::default().with_channel_bindings(Some(hash)).channel_bindings();
        assert_eq!(with([0; 16]), Ok(None));
        assert_eq!(with([1; 16]), Ok(Some([1; 16])));
    }

    #[test]
    fn target_name_and_binding_of_the_service_are_discarded() {
        let server =
            AvPairs::default().with_target_name(Some("HTTP/evil")).with_channel_bindings(Some([1; 16]));
        let client = server.with_target_name(None).with_channel_bindings(None);
        assert_eq!(client, AvPairs::default());
    }
}
