//! Argon2id (RFC 9106) as PHC strings.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::HashError;
use crate::Secret;
use crate::account_file::field_text::decimal;

/// An Argon2id hash: `$argon2id$v=19$m=19456,t=2,p=1$SALT$OUTPUT`.
#[derive(Clone)]
pub(super) struct Argon2id {
    params: Params,
    /// INVARIANT: 8 to 64 bytes.
    salt: Vec<u8>,
    /// INVARIANT: 16 to 64 bytes.
    output: Vec<u8>,
}

impl Argon2id {
    pub(super) fn make(password: &Secret, salt: [u8; 16]) -> Self {
        let params = Params::DEFAULT;
        let output = derive(&params, password.expose(), &salt, OUTPUT_OCTETS);
        Self { params, salt: salt.to_vec(), output: output.to_vec() }
    }

    pub(super) fn decoy() -> Self {
        Self { params: Params::DEFAULT, salt: vec![0; 16], output: vec![0; OUTPUT_OCTETS] }
    }

    /// Parses the text after the algorithm name.
    pub(super) fn parse(rest: &str) -> Result<Self, HashError> {
        let fields: Vec<&str> = rest.split('$').collect();
        let ["v=19", costs, salt, output] = fields.as_slice() else { return Err(HashError::Malformed) };
        let params = parse_costs(costs)?;
        let salt = decode(salt, 8).ok_or(HashError::Malformed)?;
        let output = decode(output, 16).ok_or(HashError::Malformed)?;
        Ok(Self { params, salt, output })
    }

    pub(super) fn verify(&self, password: &Secret) -> bool {
        derive(&self.params, password.expose(), &self.salt, self.output.len()).ct_eq(&self.output).into()
    }
}

impl fmt::Display for Argon2id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { params, salt, output } = self;
        let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
        let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
        write!(f, "${SCHEME}$v=19$m={m},t={t},p={p}${salt}${output}")
    }
}

fn derive(params: &Params, password: &str, salt: &[u8], octets: usize) -> Zeroizing<Vec<u8>> {
    let mut output = Zeroizing::new(vec![0; octets]);
    let mut memory = Zeroizing::new(vec![Block::default(); params.block_count()]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let (password, blocks) = (password.as_bytes(), memory.as_mut_slice());
    if argon2.hash_password_into_with_memory(password, salt, &mut output, blocks).is_err() {
        // The invariants keep lengths and costs within the limits of Argon2. If it failed nevertheless, an empty output
        // would match no stored hash.
        output.clear();
    }
    output
}

fn parse_costs(text: &str) -> Result<Params, HashError> {
    let mut costs = text
        .split(',')
        .zip(["m=", "t=", "p="])
        .map(|(cost, name)| decimal(cost.strip_prefix(name)?).and_then(|number| u32::try_from(number).ok()));
    let (Some(Some(memory)), Some(Some(passes)), Some(Some(lanes))) =
        (costs.next(), costs.next(), costs.next())
    else {
        return Err(HashError::Malformed);
    };
    if text.split(',').count() != 3 {
        return Err(HashError::Malformed);
    }
    let is_bounded = memory <= MAX_MEMORY && passes <= MAX_PASSES && lanes <= MAX_LANES;
    let params = if is_bounded { Params::new(memory, passes, lanes, None).ok() } else { None };
    params.ok_or(HashError::Costs { memory, passes, lanes })
}

fn decode(text: &str, least: usize) -> Option<Vec<u8>> {
    let octets = STANDARD_NO_PAD.decode(text).ok()?;
    (least..=64).contains(&octets.len()).then_some(octets)
}

pub(super) const SCHEME: &str = "argon2id";
const OUTPUT_OCTETS: usize = 32;
/// Maximum memory in KiB.
pub(super) const MAX_MEMORY: u32 = 65_536;
pub(super) const MAX_PASSES: u32 = 10;
pub(super) const MAX_LANES: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoy_has_default_costs_and_matches_no_password() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let (decoy, made) = (Argon2id::decoy(), Argon2id::make(&secret("x"), [1; 16]));
        assert!(!decoy.verify(&secret("")));
        assert_eq!(decoy.params.m_cost(), made.params.m_cost());
        assert_eq!(decoy.params.t_cost(), made.params.t_cost());
        assert_eq!(decoy.params.p_cost(), made.params.p_cost());
    }
}
