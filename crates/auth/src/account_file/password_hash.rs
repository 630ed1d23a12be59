//! Password hashes: Argon2id, and the hashes of the shadow file.

mod argon2id;
mod crypt_base64;
mod sha512_crypt;
mod yescrypt;

use std::fmt;

use self::argon2id::Argon2id;
use self::sha512_crypt::Sha512Crypt;
use self::yescrypt::Yescrypt;
use super::field_text::beginning;
use crate::Secret;

/// A password hash.
///
/// | prefix | algorithm | source |
/// |---|---|---|
/// | `$argon2id$` | Argon2id (RFC 9106) as a PHC string | [`make`](Self::make) |
/// | `$y$` | yescrypt in its native mode | current `/etc/shadow` |
/// | `$6$` | SHA-512-crypt | older `/etc/shadow` |
/// | `*` | none: no password is accepted | accounts that sign in by other means |
///
/// Verification uses the memory and time that the hash specifies, within limits: 64 MiB, 10 passes and 4 lanes for
/// Argon2id, 1 000 000 rounds for SHA-512-crypt.
#[derive(Clone)]
pub struct PasswordHash(Kind);

#[derive(Clone)]
enum Kind {
    Argon2id(Argon2id),
    Yescrypt(Yescrypt),
    Sha512Crypt(Sha512Crypt),
    Never,
}

/// Reason why a password hash is rejected. The hash itself is not included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// The hash algorithm is missing or not supported.
    #[error(
        "unsupported password hash \"{scheme}\"; supported are argon2id, y (yescrypt) and 6 (SHA-512)\n  set the password with telarch account set-password"
    )]
    Scheme {
        /// Text between the first two dollar signs, cut to 40 characters.
        scheme: String,
    },
    /// The hash does not have the format of its algorithm.
    #[error("password hash is incomplete or malformed\n  set the password with telarch account set-password")]
    Malformed,
    /// The Argon2id parameters are out of range.
    #[error(
        "argon2id parameters m={memory},t={passes},p={lanes} are out of range\n  the limits are m={},t={},p={}, and m must be at least 8 times p",
        argon2id::MAX_MEMORY,
        argon2id::MAX_PASSES,
        argon2id::MAX_LANES
    )]
    Costs {
        /// Memory in KiB.
        memory: u32,
        /// Number of passes.
        passes: u32,
        /// Number of lanes.
        lanes: u32,
    },
    /// The yescrypt parameters require too much memory, or more than one lane or pass.
    #[error(
        "yescrypt parameters require more than {} MiB, or more than one lane or pass",
        yescrypt::MAX_MEMORY >> 20
    )]
    YescryptCosts,
    /// The number of SHA-512-crypt rounds is out of range.
    #[error(
        "SHA-512-crypt with {rounds} rounds is not allowed; the range is {} to {}",
        sha512_crypt::MIN_ROUNDS,
        sha512_crypt::MAX_ROUNDS
    )]
    Rounds {
        /// Number of rounds.
        rounds: u32,
    },
}

impl PasswordHash {
    /// Hashes a password with Argon2id: 19 MiB of memory and two passes, about 35 ms.
    ///
    /// `salt` must be random and used for this password only.
    #[must_use]
    pub fn make(password: &NewPassword, salt: [u8; 16]) -> Self {
        Self(Kind::Argon2id(Argon2id::make(&password.0, salt)))
    }

    /// Returns a hash that no password matches and that costs as much as those of [`make`](Self::make). It is verified
    /// for accounts that do not exist.
    #[must_use]
    pub fn decoy() -> Self {
        Self(Kind::Argon2id(Argon2id::decoy()))
    }

    /// Returns the hash `*`, which no password matches.
    #[must_use]
    pub fn never() -> Self {
        Self(Kind::Never)
    }

    /// Returns `true` for [`never`](Self::never).
    #[must_use]
    pub fn is_never(&self) -> bool {
        matches!(self.0, Kind::Never)
    }

    /// Parses a hash.
    ///
    /// # Errors
    /// [`HashError`] if it is malformed or its parameters are out of range.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        if text == NEVER {
            return Ok(Self::never());
        }
        let (scheme, rest) = match text.strip_prefix('$') {
            Some(text) => text.split_once('$').unwrap_or((text, "")),
            None => ("", ""),
        };
        match scheme {
            argon2id::SCHEME => Argon2id::parse(rest).map(Kind::Argon2id).map(Self),
            yescrypt::SCHEME => Yescrypt::parse(rest).map(Kind::Yescrypt).map(Self),
            sha512_crypt::SCHEME => Sha512Crypt::parse(rest).map(Kind::Sha512Crypt).map(Self),
            other => Err(HashError::Scheme { scheme: beginning(other) }),
        }
    }

    /// Returns `true` if this is the hash of the password. The duration does not depend on the result.
    ///
    /// Hashes that are much faster than the [`decoy`](Self::decoy) additionally verify the decoy, so that their
    /// accounts cannot be distinguished from missing ones.
    #[must_use]
    pub fn verify(&self, password: &Secret) -> bool {
        let (is_right, speed) = match &self.0 {
            Kind::Argon2id(hash) => (hash.verify(password), Speed::Slow),
            // The cost of some of these grows with the square of the password length.
            _ if password.expose().len() > MAX_PASSWORD_LENGTH => (false, Speed::Fast),
            Kind::Yescrypt(hash) => (hash.verify(password), hash.speed()),
            Kind::Sha512Crypt(hash) => (hash.verify(password), hash.speed()),
            Kind::Never => (false, Speed::Fast),
        };
        if speed == Speed::Fast {
            let _ = Argon2id::decoy().verify(password);
        }
        is_right
    }
}

/// Verification time, compared with the decoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speed {
    Fast,
    Slow,
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Argon2id(hash) => hash.fmt(f),
            Kind::Yescrypt(hash) => hash.fmt(f),
            Kind::Sha512Crypt(hash) => hash.fmt(f),
            Kind::Never => f.write_str(NEVER),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A password that can be set: 1 to 256 bytes in one line.
#[derive(Clone, Debug)]
pub struct NewPassword(Secret);

/// Reason why a password cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordRuleError {
    /// The password is empty.
    #[error("password is empty")]
    Empty,
    /// The password is longer than clients and PAM modules support.
    #[error("password exceeds {MAX_PASSWORD_LENGTH} bytes")]
    TooLong,
    /// The password contains a line break or a NUL character.
    #[error("password contains a line break or a NUL character")]
    NotOneLine,
}

impl NewPassword {
    /// Checks the rules for passwords.
    ///
    /// # Errors
    /// [`PasswordRuleError`] if the password violates a rule.
    pub fn new(secret: Secret) -> Result<Self, PasswordRuleError> {
        let text = secret.expose();
        if text.is_empty() {
            return Err(PasswordRuleError::Empty);
        }
        if text.len() > MAX_PASSWORD_LENGTH {
            return Err(PasswordRuleError::TooLong);
        }
        if text.contains(['\0', '\n', '\r']) {
            return Err(PasswordRuleError::NotOneLine);
        }
        Ok(Self(secret))
    }

    /// Password text, for computing other hashes.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

const NEVER: &str = "*";
const MAX_PASSWORD_LENGTH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// Test vector of the reference implementation: version 19, `password`, `somesalt`, t=2, m=256, p=1.
    const REFERENCE: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn only_the_hashed_password_is_accepted() {
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

    /// Created with crypt(3) of libxcrypt 4.4.33.
    const SHADOW: [(&str, &str); 8] = [
        ("correct horse", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79"),
        ("grün 1", "$y$j9T$LdJMENpBABJJ3hIHjB1Bi.$BeoXzBrtCEcskOzxe4PBXMlTkHijnIZOUAC9qqh1Kr1"),
        ("correct horse", "$y$j75$LdJMENpBABJJ3hIHjB1Bi.$rfA07bT0O97FNWV5Cb8oFDnoGBJLXwSI4w/PIpLfyy2"),
        ("x", "$y$j75$LdJMENpBAB.$5CxcKiny.hlA1.HPnDRiUGZaCHmP2omkRCNGcorYG52"),
        (
            "Hello world!",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        (
            "Hello world!",
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
        ),
        (
            "grün 1",
            "$6$ab$juFsfmfEmCGxTAzlbmaCK70SMQo58PbYYtYDuzeYIHcmZKr5OQOCd4eBzn3Aa7ffxiALFRQiV0WDnqArhoaoV/",
        ),
        (
            "",
            "$6$rounds=1000$./09AZaz$RI4qWLGKgn05Yy3sNt9S0dYYZzZErEV2NSj77tIjAQqmz0i4vIW0WlPGJoJsa.7Hna9PdIItRjYGflCUJv7.o.",
        ),
    ];

    #[test]
    fn shadow_hashes_are_verified() {
        for (password, text) in SHADOW {
            let hash = PasswordHash::parse(text).unwrap();
            assert_eq!(hash.to_string(), text);
            assert!(hash.verify(&secret(password)), "{text}");
            assert!(!hash.verify(&secret(&format!("{password} "))), "{text}");
        }
        let long = PasswordHash::parse(SHADOW[2].1).unwrap();
        assert!(!long.verify(&secret(&"y".repeat(MAX_PASSWORD_LENGTH + 1))));
    }

    #[test]
    fn never_accepts_no_password() {
        let never = PasswordHash::parse("*").unwrap();
        assert_eq!(never.to_string(), "*");
        assert!(never.is_never() && !PasswordHash::decoy().is_never());
        for password in ["", "*", "x"] {
            assert!(!never.verify(&secret(password)));
        }
    }

    fn with(text: &str, from: &str, to: &str) -> String {
        text.replacen(from, to, 1)
    }

    fn reference(from: &str, to: &str) -> String {
        REFERENCE.replace(from, to)
    }

    fn scheme(scheme: &str) -> HashError {
        HashError::Scheme { scheme: scheme.to_owned() }
    }

    fn costs(memory: u32, passes: u32, lanes: u32) -> HashError {
        HashError::Costs { memory, passes, lanes }
    }

    fn rule(text: &str) -> Option<PasswordRuleError> {
        NewPassword::new(secret(text)).err()
    }

    #[test]
    fn malformed_or_expensive_shadow_hashes_are_rejected() {
        let yescrypt = SHADOW[0].1;
        let sha512 = SHADOW[5].1;
        for (text, error) in [
            ("$y$".to_owned(), HashError::Malformed),
            ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1".to_owned(), HashError::Malformed),
            (format!("{yescrypt}$"), HashError::Malformed),
            (format!("{yescrypt}."), HashError::Malformed),
            (with(yescrypt, "U79", "U7"), HashError::Malformed),
            (with(yescrypt, "U79", "U7z"), HashError::Malformed),
            (with(yescrypt, "U79", "U7-"), HashError::Malformed),
            (with(yescrypt, "F5Jx5fExrKuPp53xLKQ..1", ""), HashError::Malformed),
            (with(yescrypt, "F5Jx5fExrKuPp53xLKQ..1", &".".repeat(88)), HashError::Malformed),
            (with(yescrypt, "Q..1", "Q..z"), HashError::Malformed),
            (with(yescrypt, "j9T", ""), HashError::Malformed),
            (with(yescrypt, "j9T", "j"), HashError::Malformed),
            (with(yescrypt, "j9T", "j9"), HashError::Malformed),
            (with(yescrypt, "j9T", "j9T-"), HashError::Malformed),
            (with(yescrypt, "j9T", "j9TD"), HashError::Malformed),
            (with(yescrypt, "j9T", "é9T"), HashError::Malformed),
            (with(yescrypt, "j9T", "jCT"), HashError::YescryptCosts),
            (with(yescrypt, "j9T", "jzzzzzzz"), HashError::Malformed),
            (with(yescrypt, "j9T", "jyT"), HashError::Malformed),
            (with(yescrypt, "j9T", "jfT"), HashError::YescryptCosts),
            (with(yescrypt, "j9T", "/9T"), HashError::YescryptCosts),
            (with(yescrypt, "j9T", ".9T"), HashError::YescryptCosts),
            (with(yescrypt, "j9T", "j95.0"), HashError::YescryptCosts),
            (with(yescrypt, "j9T", "j95/7"), HashError::YescryptCosts),
            ("$6$".to_owned(), HashError::Malformed),
            ("$6$salt$hash".to_owned(), HashError::Malformed),
            (format!("{sha512}$"), HashError::Malformed),
            (with(sha512, "5v.", "5v"), HashError::Malformed),
            (with(sha512, "5v.", "5vz"), HashError::Malformed),
            (with(sha512, "5v.", "5-."), HashError::Malformed),
            (with(sha512, "saltst$", "saltsts$"), HashError::Malformed),
            (with(sha512, "saltstringsaltst", ""), HashError::Malformed),
            (with(sha512, "saltstringsaltst", "salt,"), HashError::Malformed),
            (with(sha512, "rounds=10000", "rounds=999"), HashError::Rounds { rounds: 999 }),
            (with(sha512, "rounds=10000", "rounds=1000001"), HashError::Rounds { rounds: 1_000_001 }),
            (with(sha512, "rounds=10000", "rounds=010000"), HashError::Malformed),
            (with(sha512, "rounds=10000", "rounds=9999999999"), HashError::Malformed),
            (with(sha512, "rounds=10000", "rounds="), HashError::Malformed),
        ] {
            assert_eq!(PasswordHash::parse(&text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn unsupported_algorithms_and_costs_are_rejected() {
        for (text, error) in [
            (String::new(), scheme("")),
            ("password".to_owned(), scheme("")),
            ("$1$salt$hash".to_owned(), scheme("1")),
            ("!$6$salt$hash".to_owned(), scheme("")),
            ("**".to_owned(), scheme("")),
            (reference("argon2id", "argon2i"), scheme("argon2i")),
            (reference("v=19", "v=16"), HashError::Malformed),
            (reference("m=256,t=2,p=1", "t=2,m=256,p=1"), HashError::Malformed),
            (reference("p=1", "p=1,data=x"), HashError::Malformed),
            (reference(",p=1", ""), HashError::Malformed),
            (reference("m=256", "m=0256"), HashError::Malformed),
            (reference("m=256", "m=4294967296"), HashError::Malformed),
            (reference("c29tZXNhbHQ", "c29tZXNhbHQ="), HashError::Malformed),
            (reference("c29tZXNhbHQ", "c29t"), HashError::Malformed),
            (format!("{REFERENCE}$"), HashError::Malformed),
            (reference("i/4", "i/5"), HashError::Malformed),
            (reference("m=256", "m=65537"), costs(65_537, 2, 1)),
            (reference("t=2", "t=11"), costs(256, 11, 1)),
            (reference("t=2", "t=0"), costs(256, 0, 1)),
            (reference("p=1", "p=5"), costs(256, 2, 5)),
            (reference("m=256,t=2,p=1", "m=8,t=2,p=2"), costs(8, 2, 2)),
        ] {
            assert_eq!(PasswordHash::parse(&text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn password_rules_are_enforced() {
        assert_eq!(rule(" "), None);
        assert_eq!(rule(&"x".repeat(256)), None);
        assert_eq!(rule(&"x".repeat(257)), Some(PasswordRuleError::TooLong));
        assert_eq!(rule(""), Some(PasswordRuleError::Empty));
        for text in ["a\0", "a\nb", "a\r"] {
            assert_eq!(rule(text), Some(PasswordRuleError::NotOneLine), "{text:?}");
        }
    }
}
