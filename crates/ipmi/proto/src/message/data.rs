//! Data of messages.

use std::fmt;
use std::ops::Deref;

use zeroize::Zeroize;

/// Data of a request or response. Up to 30 bytes, the usual case, are stored inline: a scan has tens of
/// thousands of messages.
#[derive(Clone)]
pub struct Data(Octets);

#[derive(Clone)]
enum Octets {
    Few { octets: [u8; FEW], count: u8 },
    Many(Vec<u8>),
}

impl Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Octets::Few { octets, count } => octets.get(..usize::from(*count)).unwrap_or_default(),
            Octets::Many(octets) => octets,
        }
    }
}

impl From<&[u8]> for Data {
    fn from(data: &[u8]) -> Self {
        let mut octets = [0; FEW];
        match (octets.get_mut(..data.len()), u8::try_from(data.len())) {
            (Some(few), Ok(count)) => {
                few.copy_from_slice(data);
                Self(Octets::Few { octets, count })
            }
            _ => Self(Octets::Many(data.to_vec())),
        }
    }
}

/// Keeps the allocation, so that no copy of a secret is left behind.
impl From<Vec<u8>> for Data {
    fn from(octets: Vec<u8>) -> Self {
        Self(Octets::Many(octets))
    }
}

impl Default for Data {
    fn default() -> Self {
        Self(Octets::Few { octets: [0; FEW], count: 0 })
    }
}

impl Zeroize for Data {
    fn zeroize(&mut self) {
        match &mut self.0 {
            Octets::Few { octets, count } => {
                octets.zeroize();
                count.zeroize();
            }
            Octets::Many(octets) => octets.zeroize(),
        }
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Data {}

impl<O: AsRef<[u8]>> PartialEq<O> for Data {
    fn eq(&self, other: &O) -> bool {
        **self == *other.as_ref()
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Inline capacity in bytes; with the length it fits into four words.
const FEW: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_data_compare_equal() {
        let octets: Vec<u8> = (1..=40).collect();
        for count in 0..octets.len() {
            let some = &octets[..count];
            let mut data = Data::from(some);
            assert_eq!(data, Data::from(some.to_vec()));
            assert_eq!((&*data, format!("{data:?}")), (some, format!("{some:?}")));
            data.zeroize();
            assert!(data.is_empty());
        }
        assert!(size_of::<Data>() <= 32);
    }
}
