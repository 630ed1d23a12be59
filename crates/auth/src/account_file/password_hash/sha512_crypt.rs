//! SHA-512-crypt, as most Linux machines kept passwords before yescrypt (crypt(5)).

use std::fmt;

use sha_crypt::{Params, sha512_crypt};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{HashError, Speed, crypt_base64};
use crate::Secret;
use crate::account_file::record::decimal;

/// `$6$SALT$OUTPUT` or `$6$rounds=656000$SALT$OUTPUT`.
#[derive(Clone)]
pub(super) struct Sha512Crypt {
    /// INVARIANT: [`MIN_ROUNDS`] to [`MAX_ROUNDS`].
    rounds: u32,
    /// What follows the scheme, as it was written.
    text: String,
    /// INVARIANT: 1 to 16 characters of the alphabet.
    salt: String,
    /// In the order in which the hash function gives them.
    output: [u8; OUTPUT_OCTETS],
}

impl Sha512Crypt {
    /// Reads what follows the scheme.
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
        // The bounds are within those of the function.
        let Ok(params) = Params::new(self.rounds) else { return false };
        let output = Zeroizing::new(sha512_crypt(password.expose().as_bytes(), self.salt.as_bytes(), params));
        output.ct_eq(&self.output).into()
    }

    pub(super) fn speed(&self) -> Speed {
        if self.rounds < USUAL_ROUNDS { Speed::Quick } else { Speed::AsUsual }
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

/// Puts the octets back where they were: the text has them in groups from three thirds of the output, each group
/// beginning in the next third, and the last octet alone.
fn unmix(mixed: &[u8]) -> Option<[u8; OUTPUT_OCTETS]> {
    let (groups, [last]) = mixed.as_chunks::<3>() else { return None };
    if groups.len() != THIRD {
        return None;
    }
    let mut output = [0; OUTPUT_OCTETS];
    for (at, group) in groups.iter().enumerate() {
        // The first character of a group is the least significant: the octet that the function names last.
        for (octet, third) in group.iter().rev().zip(at..) {
            *output.get_mut(third % 3 * THIRD + at)? = *octet;
        }
    }
    *output.last_mut()? = *last;
    Some(output)
}

pub(super) const SCHEME: &str = "6";
pub(super) const MIN_ROUNDS: u32 = 1_000;
/// About a second.
pub(super) const MAX_ROUNDS: u32 = 1_000_000;
const DEFAULT_ROUNDS: u32 = 5_000;
/// From here on it takes about as long as Argon2id.
const USUAL_ROUNDS: u32 = 40_000;
const OUTPUT_OCTETS: usize = 64;
const THIRD: usize = 21;
