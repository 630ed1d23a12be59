//! Passwords as they are kept: Argon2id (RFC 9106) in the notation of PHC strings.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::record::{beginning, decimal};
use crate::Secret;

/// What is kept instead of a password: `$argon2id$v=19$m=19456,t=2,p=1$SALT$OUTPUT`.
///
/// Comparing takes the memory and the time the string asks for, within bounds: at most 64 MiB, 10 passes
/// and 4 lanes.
#[derive(Clone)]
pub struct PasswordHash {
    params: Params,
    /// INVARIANT: 8 to 64 octets.
    salt: Vec<u8>,
    /// INVARIANT: 16 to 64 octets.
    output: Vec<u8>,
}

/// Why a text is not a hash that passwords can be compared with. The text itself is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Another way of hashing, or none.
    #[error(
        "the password is hashed with {scheme:?} instead of argon2id\n  give the account a password with telarch account set-password"
    )]
    Scheme {
        /// What stands between the first two dollar signs, cut short.
        scheme: String,
    },
    /// Not `$argon2id$v=19$m=…,t=…,p=…$…$…`.
    #[error(
        "the password is not a whole PHC string of argon2id, version 19\n  give the account a password with telarch account set-password"
    )]
    Malformed,
    /// Numbers that would take too much memory or time, or too little to be a hash.
    #[error(
        "the password asks argon2id for m={memory},t={passes},p={lanes}\n  at most m={MAX_MEMORY},t={MAX_PASSES},p={MAX_LANES} is allowed, and m not below 8 times p"
    )]
    Costs {
        /// In KiB.
        memory: u32,
        /// How often the memory is gone through.
        passes: u32,
        /// How many threads could work at it.
        lanes: u32,
    },
}

impl PasswordHash {
    /// Hashes a password: 19 MiB of memory and two passes, some 35 ms.
    ///
    /// The salt is random and of this password only.
    #[must_use]
    pub fn make(password: &NewPassword, salt: [u8; 16]) -> Self {
        let params = Params::DEFAULT;
        let output = derive(&params, password.0.expose(), &salt, OUTPUT_OCTETS);
        Self { params, salt: salt.to_vec(), output: output.to_vec() }
    }

    /// A hash that costs what those of [`make`](Self::make) cost and that no password has: what is compared
    /// with for an account that does not exist.
    #[must_use]
    pub fn decoy() -> Self {
        Self { params: Params::DEFAULT, salt: vec![0; 16], output: vec![0; OUTPUT_OCTETS] }
    }

    /// Reads a PHC string.
    ///
    /// # Errors
    /// [`HashError`].
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let mut parts = text.split('$');
        let scheme = match (parts.next(), parts.next()) {
            (Some(""), Some(scheme)) => scheme,
            _ => "",
        };
        if scheme != SCHEME {
            return Err(HashError::Scheme { scheme: beginning(scheme) });
        }
        let rest: Vec<&str> = parts.collect();
        let ["v=19", costs, salt, output] = rest.as_slice() else { return Err(HashError::Malformed) };
        let params = parse_costs(costs)?;
        let salt = decode(salt, 8).ok_or(HashError::Malformed)?;
        let output = decode(output, 16).ok_or(HashError::Malformed)?;
        Ok(Self { params, salt, output })
    }

    /// Whether this was made from the password. How long it takes tells nothing about the answer.
    #[must_use]
    pub fn verify(&self, password: &Secret) -> bool {
        derive(&self.params, password.expose(), &self.salt, self.output.len()).ct_eq(&self.output).into()
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { params, salt, output } = self;
        let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
        let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
        write!(f, "${SCHEME}$v=19$m={m},t={t},p={p}${salt}${output}")
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A password that an account may be given: 1 to 256 octets in one line.
#[derive(Clone, Debug)]
pub struct NewPassword(Secret);

/// Why an account cannot be given a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordRuleError {
    /// Nothing.
    #[error("the password is empty")]
    Empty,
    /// More than clients and PAM modules carry.
    #[error("the password is longer than {MAX_PASSWORD_OCTETS} octets")]
    TooLong,
    /// Something that ends a line or a text elsewhere.
    #[error("the password contains a line break or a NUL character")]
    NotOneLine,
}

impl NewPassword {
    /// Takes a secret for a password.
    ///
    /// # Errors
    /// [`PasswordRuleError`].
    pub fn new(secret: Secret) -> Result<Self, PasswordRuleError> {
        let text = secret.expose();
        if text.is_empty() {
            return Err(PasswordRuleError::Empty);
        }
        if text.len() > MAX_PASSWORD_OCTETS {
            return Err(PasswordRuleError::TooLong);
        }
        if text.contains(['\0', '\n', '\r']) {
            return Err(PasswordRuleError::NotOneLine);
        }
        Ok(Self(secret))
    }
}

fn derive(params: &Params, password: &str, salt: &[u8], octets: usize) -> Zeroizing<Vec<u8>> {
    let mut output = Zeroizing::new(vec![0; octets]);
    let mut memory = Zeroizing::new(vec![Block::default(); params.block_count()]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let (password, blocks) = (password.as_bytes(), memory.as_mut_slice());
    if argon2.hash_password_into_with_memory(password, salt, &mut output, blocks).is_err() {
        // Lengths and costs are within Argon2's limits by type. Should it ever refuse them all the same, an
        // output of no octets equals nothing that is kept.
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

const SCHEME: &str = "argon2id";
const OUTPUT_OCTETS: usize = 32;
const MAX_PASSWORD_OCTETS: usize = 256;
/// In KiB.
const MAX_MEMORY: u32 = 65_536;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 4;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// From the reference implementation's own tests: version 19, `password`, `somesalt`, t=2, m=256, p=1.
    const REFERENCE: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn only_the_password_that_was_hashed_is_right() {
        let reference = PasswordHash::parse(REFERENCE).unwrap();
        assert_eq!(reference.to_string(), REFERENCE);
        assert!(reference.verify(&secret("password")));

        let made = PasswordHash::make(&NewPassword::new(secret("grün 1")).unwrap(), [7; 16]);
        assert!(made.to_string().starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"));
        let read = PasswordHash::parse(&made.to_string()).unwrap();
        for (password, is_right) in
            [("grün 1", true), ("grün 1\0", false), ("Grün 1", false), ("", false), ("grün 12", false)]
        {
            assert_eq!(read.verify(&secret(password)), is_right, "{password:?}");
        }
    }

    #[test]
    fn the_decoy_has_no_password_and_costs_as_much_as_others() {
        let (decoy, made) = (PasswordHash::decoy(), PasswordHash::make(&NewPassword(secret("x")), [1; 16]));
        assert!(!decoy.verify(&secret("")));
        assert_eq!(decoy.params.m_cost(), made.params.m_cost());
        assert_eq!(decoy.params.t_cost(), made.params.t_cost());
        assert_eq!(decoy.params.p_cost(), made.params.p_cost());
    }

    #[test]
    fn hashes_of_other_kinds_and_costs_are_refused() {
        let scheme = |scheme: &str| HashError::Scheme { scheme: scheme.to_owned() };
        let costs = |memory, passes, lanes| HashError::Costs { memory, passes, lanes };
        let with = |from: &str, to: &str| REFERENCE.replace(from, to);
        for (text, error) in [
            (String::new(), scheme("")),
            ("password".to_owned(), scheme("")),
            ("$y$j9T$salt$hash".to_owned(), scheme("y")),
            (with("argon2id", "argon2i"), scheme("argon2i")),
            (with("v=19", "v=16"), HashError::Malformed),
            (with("m=256,t=2,p=1", "t=2,m=256,p=1"), HashError::Malformed),
            (with("p=1", "p=1,data=x"), HashError::Malformed),
            (with(",p=1", ""), HashError::Malformed),
            (with("m=256", "m=0256"), HashError::Malformed),
            (with("m=256", "m=4294967296"), HashError::Malformed),
            (with("c29tZXNhbHQ", "c29tZXNhbHQ="), HashError::Malformed),
            (with("c29tZXNhbHQ", "c29t"), HashError::Malformed),
            (format!("{REFERENCE}$"), HashError::Malformed),
            (with("i/4", "i/5"), HashError::Malformed),
            (with("m=256", "m=65537"), costs(65_537, 2, 1)),
            (with("t=2", "t=11"), costs(256, 11, 1)),
            (with("t=2", "t=0"), costs(256, 0, 1)),
            (with("p=1", "p=5"), costs(256, 2, 5)),
            (with("m=256,t=2,p=1", "m=8,t=2,p=2"), costs(8, 2, 2)),
        ] {
            assert_eq!(PasswordHash::parse(&text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn passwords_follow_the_rules() {
        let rule = |text: &str| NewPassword::new(secret(text)).err();
        assert_eq!(rule(" "), None);
        assert_eq!(rule(&"x".repeat(256)), None);
        assert_eq!(rule(&"x".repeat(257)), Some(PasswordRuleError::TooLong));
        assert_eq!(rule(""), Some(PasswordRuleError::Empty));
        for text in ["a\0", "a\nb", "a\r"] {
            assert_eq!(rule(text), Some(PasswordRuleError::NotOneLine), "{text:?}");
        }
    }
}
