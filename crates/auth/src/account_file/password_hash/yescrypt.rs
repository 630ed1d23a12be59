//! yescrypt, the default password hash of Debian and related distributions since 2021 (crypt(5)).

use std::fmt;

use subtle::ConstantTimeEq as _;
use yescrypt::{Mode, Params, yescrypt};
use zeroize::Zeroizing;

use super::{HashError, Speed, crypt_base64};
use crate::Secret;

/// A yescrypt hash: `$y$j9T$SALT$OUTPUT`.
#[derive(Clone)]
pub(super) struct Yescrypt {
    /// INVARIANT: at most [`MAX_MEMORY`], one lane and one pass.
    params: Params,
    /// Text after the algorithm name, as written.
    text: String,
    /// INVARIANT: 1 to 64 bytes.
    salt: Vec<u8>,
    output: [u8; OUTPUT_OCTETS],
}

impl Yescrypt {
    /// Parses the text after the algorithm name.
    pub(super) fn parse(rest: &str) -> Result<Self, HashError> {
        let fields: Vec<&str> = rest.split('$').collect();
        let [params, salt, output] = fields.as_slice() else { return Err(HashError::Malformed) };
        let params = parse_params(params)?;
        let salt = crypt_base64::decode(salt).filter(|salt| (1..=64).contains(&salt.len()));
        let output = crypt_base64::decode(output).and_then(|output| output.try_into().ok());
        let (Some(salt), Some(output)) = (salt, output) else { return Err(HashError::Malformed) };
        Ok(Self { params, text: rest.to_owned(), salt, output })
    }

    pub(super) fn verify(&self, password: &Secret) -> bool {
        let mut output = Zeroizing::new([0; OUTPUT_OCTETS]);
        let derived = yescrypt(password.expose().as_bytes(), &self.salt, &self.params, output.as_mut_slice());
        derived.is_ok() & bool::from(output.ct_eq(&self.output))
    }

    pub(super) fn speed(&self) -> Speed {
        if memory(&self.params).is_some_and(|memory| memory < SLOW_MEMORY) {
            Speed::Fast
        } else {
            Speed::Slow
        }
    }
}

impl fmt::Display for Yescrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${SCHEME}${}", self.text)
    }
}

/// Parses the parameters: `j` for the native mode, the binary logarithm of N, and r.
///
/// Further numbers would request lanes, passes, upgrades or a ROM, which are not in use, and some of them have no bound
/// that could be checked here.
fn parse_params(text: &str) -> Result<Params, HashError> {
    // Longer texts would request too much.
    if text.len() > MAX_PARAMS || !text.bytes().all(|character| crypt_base64::value(character).is_some()) {
        return Err(HashError::Malformed);
    }
    let params: Params = match text.parse() {
        Ok(params) => params,
        Err(yescrypt::Error::Params) => return Err(HashError::YescryptCosts),
        Err(_) => return Err(HashError::Malformed),
    };
    let is_usual = Params::new(Mode::Rw, params.n(), params.r(), 1) == Ok(params);
    if !is_usual || memory(&params).is_none_or(|memory| memory > MAX_MEMORY) {
        return Err(HashError::YescryptCosts);
    }
    if params.to_string() == text { Ok(params) } else { Err(HashError::Malformed) }
}

/// Returns the required memory in bytes; `None` on overflow.
fn memory(params: &Params) -> Option<u64> {
    params.n().checked_mul(u64::from(params.r()))?.checked_mul(128)
}

pub(super) const SCHEME: &str = "y";
/// Maximum memory in bytes.
pub(super) const MAX_MEMORY: u64 = 64 << 20;
const SLOW_MEMORY: u64 = 16 << 20;
const OUTPUT_OCTETS: usize = 32;
const MAX_PARAMS: usize = 6;
