//! The registry value `RemoteRestrictions`: base64 of a serialized property bag of .NET, little-endian.
//!
//! `FF 01`, then a bag with two entries: 1, whether unlisted clients are allowed; 2, a bag with one entry per rule, which
//! is a bag with the address, the mask and whether these clients are allowed.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{MAX_RULES, Mode, Network, Restrictions, RestrictionsError, Rule, prefix_of_mask};

/// Parses the value.
pub(super) fn parse(value: &str) -> Result<Restrictions, RestrictionsError> {
    if value.len() > MAX_LENGTH {
        return Err(RestrictionsError::Blob("it is too long"));
    }
    let bytes = STANDARD.decode(value.trim()).map_err(|_| RestrictionsError::Blob("it is not base64"))?;
    let mut reader = Reader(&bytes);
    if reader.take::<2>()? != HEADER {
        return Err(RestrictionsError::Blob("its header is not FF 01"));
    }
    reader.bag(2)?;
    reader.key(1)?;
    let mut restrictions = Restrictions::new(reader.mode()?);
    reader.key(2)?;
    for number in 0..reader.any_bag()? {
        reader.key(number)?;
        reader.bag(3)?;
        reader.key(1)?;
        let address = reader.address()?;
        reader.key(2)?;
        let mask = reader.address()?;
        reader.key(3)?;
        let mode = reader.mode()?;
        let network = prefix_of_mask(mask)
            .and_then(|prefix| Network::new(address.into(), prefix))
            .ok_or(RestrictionsError::Blob("a mask is not contiguous"))?;
        restrictions.add(Rule { mode, network })?;
    }
    if reader.0.is_empty() { Ok(restrictions) } else { Err(RestrictionsError::Blob("bytes follow its end")) }
}

/// Returns the value.
pub(super) fn write(restrictions: &Restrictions) -> Result<String, RestrictionsError> {
    let mut bytes = HEADER.to_vec();
    write_bag(&mut bytes, 2);
    write_number(&mut bytes, 1);
    bytes.push(byte_of(restrictions.unlisted()));
    write_number(&mut bytes, 2);
    // At most MAX_RULES.
    write_bag(&mut bytes, u32::try_from(restrictions.rules().len()).unwrap_or(0));
    for (number, rule) in (0_u32..).zip(restrictions.rules()) {
        let (address, mask) = rule.network.ipv4().ok_or(RestrictionsError::NotIpv4(*rule))?;
        write_number(&mut bytes, number);
        write_bag(&mut bytes, 3);
        for (key, address) in [(1, address), (2, mask)] {
            write_number(&mut bytes, key);
            bytes.extend([ARRAY, 4]);
            bytes.extend(address.octets().into_iter().flat_map(|byte| [BYTE, byte]));
        }
        write_number(&mut bytes, 3);
        bytes.push(byte_of(rule.mode));
    }
    Ok(STANDARD.encode(bytes))
}

fn write_bag(bytes: &mut Vec<u8>, entries: u32) {
    bytes.push(BAG);
    write_number(bytes, entries);
}

fn write_number(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend(number.to_le_bytes());
}

fn byte_of(mode: Mode) -> u8 {
    match mode {
        Mode::Allow => TRUE,
        Mode::Deny => FALSE,
    }
}

/// Unread bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RestrictionsError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(RestrictionsError::Blob("it is truncated"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn any_bag(&mut self) -> Result<u32, RestrictionsError> {
        match self.take()? {
            [BAG] => Ok(u32::from_le_bytes(self.take()?)),
            _ => Err(RestrictionsError::Blob("a property bag is missing")),
        }
    }

    fn bag(&mut self, entries: u32) -> Result<(), RestrictionsError> {
        match self.any_bag()? {
            found if found == entries => Ok(()),
            _ => Err(RestrictionsError::Blob("a property bag has another number of entries")),
        }
    }

    fn key(&mut self, key: u32) -> Result<(), RestrictionsError> {
        match u32::from_le_bytes(self.take()?) {
            found if found == key => Ok(()),
            _ => Err(RestrictionsError::Blob("the keys are in another order")),
        }
    }

    fn mode(&mut self) -> Result<Mode, RestrictionsError> {
        match self.take()? {
            [TRUE] => Ok(Mode::Allow),
            [FALSE] => Ok(Mode::Deny),
            _ => Err(RestrictionsError::Blob("a truth value is missing")),
        }
    }

    fn address(&mut self) -> Result<Ipv4Addr, RestrictionsError> {
        match self.take()? {
            [ARRAY, 4, BYTE, a, BYTE, b, BYTE, c, BYTE, d] => Ok(Ipv4Addr::new(a, b, c, d)),
            _ => Err(RestrictionsError::Blob("an IPv4 address is missing")),
        }
    }
}

const HEADER: [u8; 2] = [0xFF, 0x01];
const BAG: u8 = 0x19;
const TRUE: u8 = 0x67;
const FALSE: u8 = 0x68;
const ARRAY: u8 = 0x2E;
const BYTE: u8 = 0x03;

/// Maximum length of the value; a rule has 39 bytes, which base64 extends by a third.
const MAX_LENGTH: usize = 64 + MAX_RULES * 56;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_windows_are_read_and_written() {
        // The default of Windows, and a value that a public hardening script writes.
        for (value, text) in [
            ("/wEZAgAAAAEAAABnAgAAABkAAAAA", "allow"),
            (
                "/wEZAgAAAAEAAABoAgAAABkBAAAAAAAAABkDAAAAAQAAAC4EAwoDAAMAAwACAAAALgQD/wMAAwADAAMAAABn",
                "deny, allow 10.0.0.0/8",
            ),
        ] {
            let restrictions = parse(value).unwrap();
            assert_eq!(restrictions.to_string(), text);
            assert_eq!(write(&restrictions).unwrap(), value);
            assert_eq!(value.parse(), Ok(restrictions));
        }
    }

    #[test]
    fn malformed_values_and_ipv6_rules_are_rejected() {
        let good = "/wEZAgAAAAEAAABoAgAAABkBAAAAAAAAABkDAAAAAQAAAC4EAwoDAAMAAwACAAAALgQD/wMAAwADAAMAAABn";
        let bytes = STANDARD.decode(good).unwrap();
        for length in 0..bytes.len() {
            assert!(parse(&STANDARD.encode(bytes.get(..length).unwrap())).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 0x80;
            }
            // A changed address is a valid value; everything else is not.
            if let Ok(restrictions) = parse(&STANDARD.encode(&changed)) {
                assert!(write(&restrictions).is_ok(), "{at}");
            }
        }
        assert!(parse(&"A".repeat(100_000)).is_err() && parse("§").is_err());
        let ipv6: Restrictions = "deny, allow fd00::/8".parse().unwrap();
        assert!(write(&ipv6).unwrap_err().to_string().contains("allow fd00::/8"));
    }
}
