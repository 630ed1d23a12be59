//! Attributes with a number and a value: what a service says of itself, and a client of its response
//! (MS-NLMP 2.2.2.1).

use super::file_time::FileTime;
use super::text;
use crate::AuthError;

/// A list of attributes, in the order in which they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AvPairs(
    /// INVARIANT: at most [`MOST_PAIRS`], no number twice, and none of them [`AvId::END`].
    Vec<(AvId, Vec<u8>)>,
);

/// The number of an attribute.
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
    /// Reads up to the end of the list; what follows does not belong to it.
    pub(super) fn decode(mut octets: &[u8]) -> Result<Self, AuthError> {
        let mut pairs = Self::default();
        loop {
            let (id, value, rest) =
                split_pair(octets).ok_or(AuthError::Malformed("an attribute is cut short"))?;
            if id == AvId::END {
                return Ok(pairs);
            }
            if pairs.0.len() == MOST_PAIRS {
                return Err(AuthError::Malformed("there are too many attributes"));
            }
            if pairs.find(id).is_some() {
                return Err(AuthError::Malformed("an attribute is there twice"));
            }
            pairs.0.push((id, value.to_vec()));
            octets = rest;
        }
    }

    /// The list with its end.
    pub(super) fn encode(&self) -> Result<Vec<u8>, AuthError> {
        let mut octets = Vec::new();
        for (AvId(id), value) in
            self.0.iter().map(|(id, value)| (*id, value.as_slice())).chain([(AvId::END, &[][..])])
        {
            let length =
                u16::try_from(value.len()).map_err(|_| AuthError::Malformed("an attribute is too long"))?;
            octets.extend(id.to_le_bytes());
            octets.extend(length.to_le_bytes());
            octets.extend(value);
        }
        Ok(octets)
    }

    /// The time at the service (`MsvAvTimestamp`).
    pub(super) fn time(&self) -> Result<Option<FileTime>, AuthError> {
        Ok(self.fixed(AvId::TIME)?.map(FileTime::from_octets))
    }

    /// Whether the client says that its message has an integrity code (`MsvAvFlags`, bit 1).
    pub(super) fn has_mic(&self) -> Result<bool, AuthError> {
        Ok(u32::from_le_bytes(self.fixed(AvId::FLAGS)?.unwrap_or_default()) & MIC_PRESENT != 0)
    }

    /// What the client takes the service for (`MsvAvTargetName`); none if it does not say.
    pub(super) fn target_name(&self) -> Result<Option<String>, AuthError> {
        let name = self.find(AvId::TARGET_NAME).map(text::name).transpose()?;
        Ok(name.filter(|name| !name.is_empty()))
    }

    /// The hash of the channel binding (`MsvAvChannelBindings`); sixteen zeros mean that there is none.
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

    /// As the client says it; what the service may have said does not count.
    pub(super) fn with_target_name(self, name: Option<&str>) -> Self {
        let this = self.without(AvId::TARGET_NAME);
        match name {
            Some(name) => this.with_name(AvId::TARGET_NAME, name),
            None => this,
        }
    }

    /// As the client says it; what the service may have said does not count.
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
        let wrong = |_| AuthError::Malformed("an attribute has a wrong length");
        self.find(id).map(|value| value.try_into().map_err(wrong)).transpose()
    }
}

/// Number, value, and what follows.
fn split_pair(octets: &[u8]) -> Option<(AvId, &[u8], &[u8])> {
    let (id, octets) = octets.split_first_chunk::<2>()?;
    let (length, octets) = octets.split_first_chunk::<2>()?;
    let (value, octets) = octets.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((AvId(u16::from_le_bytes(*id)), value, octets))
}

/// `MsvAvFlags`: the message has an integrity code.
const MIC_PRESENT: u32 = 2;

/// Eleven have a meaning.
const MOST_PAIRS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const NAME_AND_END: &[u8] = b"\x01\0\x02\0A\0\0\0\0\0";

    #[test]
    fn a_list_is_read_up_to_its_end() {
        let pairs = AvPairs::decode(&[NAME_AND_END, b"more"].concat()).expect("a list");
        assert_eq!(pairs.find(AvId::NETBIOS_COMPUTER), Some(b"A\0".as_slice()));
        assert_eq!(pairs.encode().expect("short"), NAME_AND_END);
    }

    #[test]
    fn a_list_without_an_end_is_refused_wherever_it_stops() {
        for end in 0..NAME_AND_END.len() {
            let (part, _) = NAME_AND_END.split_at(end);
            assert!(AvPairs::decode(part).is_err(), "{end}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        assert!(AvPairs::decode(b"\x06\0\x04\0\0\0\0\0\x06\0\x04\0\x02\0\0\0\0\0\0\0").is_err());
        let many: Vec<u8> = (1..=33_u16).flat_map(|id| [id.to_le_bytes(), [0, 0]].concat()).collect();
        assert!(AvPairs::decode(&[many.as_slice(), &[0; 4]].concat()).is_err());
    }

    #[test]
    fn attributes_of_a_wrong_length_are_refused_when_they_matter() {
        let pairs = AvPairs::decode(b"\x06\0\x01\0\x02\x07\0\0\0\x0A\0\x02\0AA\0\0\0\0").expect("a list");
        assert!(pairs.has_mic().is_err() && pairs.time().is_err() && pairs.channel_bindings().is_err());
    }

    #[test]
    fn sixteen_zeros_are_no_channel_binding() {
        let with = |hash| AvPairs::default().with_channel_bindings(Some(hash)).channel_bindings();
        assert_eq!(with([0; 16]), Ok(None));
        assert_eq!(with([1; 16]), Ok(Some([1; 16])));
    }

    #[test]
    fn a_client_does_not_repeat_what_a_service_says_in_its_place() {
        let server =
            AvPairs::default().with_target_name(Some("HTTP/evil")).with_channel_bindings(Some([1; 16]));
        let client = server.with_target_name(None).with_channel_bindings(None);
        assert_eq!(client, AvPairs::default());
    }
}
