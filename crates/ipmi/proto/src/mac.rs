//! Keyed hashes, which is all that RMCP+ proves anything with.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A hash that suites name; each works on blocks of 64 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha256,
}

impl Hash {
    /// HMAC over parts that follow each other. A key is never longer than a block: what is beyond is not looked at.
    pub(crate) fn mac(self, key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        let mut block = Zeroizing::new([0_u8; 64]);
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        macro_rules! over {
            ($hash:ty) => {{
                let mut mac = Hmac::<$hash>::new((&*block).into());
                parts.iter().for_each(|part| mac.update(part));
                Zeroizing::new(mac.finalize().into_bytes().to_vec())
            }};
        }
        match self {
            Self::Md5 => over!(Md5),
            Self::Sha1 => over!(Sha1),
            Self::Sha256 => over!(Sha256),
        }
    }
}
