//! Hashes, which is all that RMCP+ proves anything with.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
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

/// A key, with all that is the same for every message worked out once: a session has thousands of them.
#[derive(Clone)]
pub(crate) enum MacKey {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
}

/// The code of a message: as many octets as the hash has, and zeros behind them.
pub(crate) type Code = Zeroizing<[u8; 32]>;

impl Hash {
    /// A key is never longer than a block: what is beyond is not looked at.
    pub(crate) fn key(self, key: &[u8]) -> MacKey {
        let mut block = Zeroizing::new([0_u8; 64]);
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        match self {
            Self::Md5 => MacKey::Md5(Hmac::new((&*block).into())),
            Self::Sha1 => MacKey::Sha1(Hmac::new((&*block).into())),
            Self::Sha256 => MacKey::Sha256(Hmac::new((&*block).into())),
        }
    }

    /// HMAC over parts that follow each other.
    pub(crate) fn mac(self, key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        let octets = match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        };
        Zeroizing::new(self.key(key).code(parts).iter().take(octets).copied().collect())
    }
}

impl MacKey {
    /// HMAC over parts that follow each other.
    pub(crate) fn code(&self, parts: &[&[u8]]) -> Code {
        let mut code = Code::default();
        macro_rules! over {
            ($keyed:expr) => {{
                let mut mac = $keyed.clone();
                parts.iter().for_each(|part| mac.update(part));
                code.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
            }};
        }
        match self {
            Self::Md5(keyed) => over!(keyed),
            Self::Sha1(keyed) => over!(keyed),
            Self::Sha256(keyed) => over!(keyed),
        }
        code
    }
}

/// MD5 without a key, over parts that follow each other.
pub(crate) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}
