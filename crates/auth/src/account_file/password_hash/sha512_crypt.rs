//! SHA-512-crypt, the usual password hash of Linux before yescrypt (crypt(5)).

use std::fmt;

use sha_crypt::{Params, sha512_crypt};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{HashError, Speed, crypt_base64};
use crate::Secret;
use crate::account_file::field_text::decimal;

/// A SHA-512-crypt hash: `$6$SALT$OUTPUT` or `$6$rounds=656000$SALT$OUTPUT`.
#[derive(Clone)]
pub(super) struct Sha512Crypt {
    /// INVARIANT: [`MIN_ROUNDS`] to [`MAX_ROUNDS`].
    rounds: u32,
    /// Text after the algorithm name, as written.
    text: String,
    /// INVARIANT: 1 to 16 characters of the crypt alphabet.
    salt: String,
    /// Output in the byte order of the hash function.
    output: [u8; OUTPUT_OCTETS],
}

impl Sha512Crypt {
    /// Parses the text after the algorithm name.
    pub(super) fn parse(rest: &str) -> Result<Self, HashError> {
        let fields: Vec<&str> = rest.split('$').collect();
        let (rounds, salt, output) = match fields.as_slice() {
            [salt, output] => (DEFAULT_ROUNDS, salt, output),
            [rounds, salt, output] => (parse_rounds(rounds)?, salt, output),
            _ => return Err(HashError::Malformed),
        };
        let is_salt =
            (1..=16).contains(&salt.len()) && salt.bytes().all(|c| crypt_base64::value(c).is_some());
        let output = crypt_base64::decode(output).and_then(|mixed| unmix(&mixed));
        let (true, Some(output)) = (is_salt, output) else { return Err(HashError::Malformed) };
        Ok(Self { rounds, text: rest.to_owned(), salt: (*salt).to_owned(), output })
    }

    pub(super) fn verify(&self, password: &Secret) -> bool {
        // The invariant is within the limits of the function.
        let Ok(params) = Params::new(self.rounds) else { return false };
        let output = Zeroizing::new(sha512_crypt(password.expose().as_bytes(), self.salt.as_bytes(), params));
        output.ct_eq(&self.output).into()
    }

    pub(super) fn speed(&self) -> Speed {
        if self.rounds < SLOW_ROUNDS { Speed::Fast } else { Speed::Slow }
    }
}

impl fmt::Display for Sha512Crypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${SCHEME}${}", self.text)
    }
}

fn parse_rounds(text: &str) -> Result<u32, HashError> {
    let rounds = text.strip_prefix("rounds=").and_then(decimal).and_then(|rounds| u32::try_from(rounds).ok());
    let rounds = rounds.ok_or(HashError::Malformed)?;
    if (MIN_ROUNDS..=MAX_ROUNDS).contains(&rounds) { Ok(rounds) } else { Err(HashError::Rounds { rounds }) }
}

/// Restores the byte order of the output: the text contains groups of one byte from each third of the output, each
/// group beginning with the next third, and the last byte alone.
fn unmix(mixed: &[u8]) -> Option<[u8; OUTPUT_OCTETS]> {
    let (groups, [last]) = mixed.as_chunks::<3>() else { return None };
    if groups.len() != THIRD {
        return None;
    }
    let mut output = [0; OUTPUT_OCTETS];
    for (at, group) in groups.iter().enumerate() {
        // The first character of a group is the least significant one, so the bytes are reversed.
        for (octet, third) in group.iter().rev().zip(at..) {
            *output.get_mut(third % 3 * THIRD + at)? = *octet;
        }
    }
    *output.last_mut()? = *last;
    Some(output)
}

pub(super) const SCHEME: &str = "6";
pub(super) const MIN_ROUNDS: u32 = 1_000;
/// Maximum number of rounds, about one second.
pub(super) const MAX_ROUNDS: u32 = 1_000_000;
const DEFAULT_ROUNDS: u32 = 5_000;
/// Number of rounds that takes about as long as Argon2id.
const SLOW_ROUNDS: u32 = 40_000;
const OUTPUT_OCTETS: usize = 64;
const THIRD: usize = 21;
