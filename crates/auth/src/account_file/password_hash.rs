//! Passwords as they are kept: Argon2id, or as the machine's own shadow file has them.

mod argon2id;
mod crypt_base64;
mod sha512_crypt;
mod yescrypt;

use std::fmt;

use self::argon2id::Argon2id;
use self::sha512_crypt::Sha512Crypt;
use self::yescrypt::Yescrypt;
use super::record::beginning;
use crate::Secret;

/// What is kept instead of a password.
///
/// | begins with | what it is | where it comes from |
/// |---|---|---|
/// | `$argon2id$` | Argon2id (RFC 9106) as a PHC string | [`make`](Self::make) |
/// | `$y$` | yescrypt in its own mode | `/etc/shadow` of today |
/// | `$6$` | SHA-512-crypt | `/etc/shadow` of before |
/// | `*` | nothing: no password is right | an account that signs in otherwise |
///
/// Comparing takes the memory and the time the text asks for, within bounds: 64 MiB at most, 10 passes and 4 lanes
/// for Argon2id, 1 000 000 rounds for SHA-512-crypt.
#[derive(Clone)]
pub struct PasswordHash(Kind);

#[derive(Clone)]
enum Kind {
    Argon2id(Argon2id),
    Yescrypt(Yescrypt),
    Sha512Crypt(Sha512Crypt),
    Never,
}

/// Why a text is not a hash that passwords can be compared with. The text itself is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Another way of hashing, or none.
    #[error(
        "the password is hashed with {scheme:?} instead of argon2id, y (yescrypt) or 6 (SHA-512)\n  give the account a password with telarch account set-password"
    )]
    Scheme {
        /// What stands between the first two dollar signs, cut short.
        scheme: String,
    },
    /// Not in the form that its scheme has.
    #[error(
        "the hash of the password is not whole, or in a form that is not known\n  give the account a password with telarch account set-password"
    )]
    Malformed,
    /// Numbers that would take too much memory or time, or too little to be a hash.
    #[error(
        "the password asks argon2id for m={memory},t={passes},p={lanes}\n  at most m={},t={},p={} is allowed, and m not below 8 times p",
        argon2id::MAX_MEMORY,
        argon2id::MAX_PASSES,
        argon2id::MAX_LANES
    )]
    Costs {
        /// In KiB.
        memory: u32,
        /// How often the memory is gone through.
        passes: u32,
        /// How many threads could work at it.
        lanes: u32,
    },
    /// More memory than is given, more than one lane, or more passes than the usual one.
    #[error(
        "the password asks yescrypt for more than {} MiB, or for lanes or passes that are not known here",
        yescrypt::MAX_MEMORY >> 20
    )]
    YescryptCosts,
    /// Too many rounds, or too few to be a hash.
    #[error(
        "the password asks SHA-512-crypt for {rounds} rounds; {} to {} are allowed",
        sha512_crypt::MIN_ROUNDS,
        sha512_crypt::MAX_ROUNDS
    )]
    Rounds {
        /// How many.
        rounds: u32,
    },
}

impl PasswordHash {
    /// Hashes a password with Argon2id: 19 MiB of memory and two passes, some 35 ms.
    ///
    /// The salt is random and of this password only.
    #[must_use]
    pub fn make(password: &NewPassword, salt: [u8; 16]) -> Self {
        Self(Kind::Argon2id(Argon2id::make(&password.0, salt)))
    }

    /// A hash that costs what those of [`make`](Self::make) cost and that no password has: what is compared
    /// with for an account that does not exist.
    #[must_use]
    pub fn decoy() -> Self {
        Self(Kind::Argon2id(Argon2id::decoy()))
    }

    /// What an account has that cannot sign in with a password compared here: `*`.
    #[must_use]
    pub fn never() -> Self {
        Self(Kind::Never)
    }

    /// Whether no password is right, as with [`never`](Self::never).
    #[must_use]
    pub fn is_never(&self) -> bool {
        matches!(self.0, Kind::Never)
    }

    /// Reads what is kept.
    ///
    /// # Errors
    /// [`HashError`].
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

    /// Whether this was made from the password. How long it takes tells nothing about the answer.
    ///
    /// Hashes that would be compared much sooner than the [`decoy`](Self::decoy) take as long as that in addition, so
    /// that an account that has one cannot be told from one that does not exist.
    #[must_use]
    pub fn verify(&self, password: &Secret) -> bool {
        let (is_right, speed) = match &self.0 {
            Kind::Argon2id(hash) => (hash.verify(password), Speed::AsUsual),
            // Some of these take time in proportion to the square of the length.
            _ if password.expose().len() > MAX_PASSWORD_OCTETS => (false, Speed::Quick),
            Kind::Yescrypt(hash) => (hash.verify(password), hash.speed()),
            Kind::Sha512Crypt(hash) => (hash.verify(password), hash.speed()),
            Kind::Never => (false, Speed::Quick),
        };
        if speed == Speed::Quick {
            let _ = Argon2id::decoy().verify(password);
        }
        is_right
    }
}

/// How long a comparison takes beside that of a hash that was made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speed {
    Quick,
    AsUsual,
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

    /// The password, for what else is made of it.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

const NEVER: &str = "*";
const MAX_PASSWORD_OCTETS: usize = 256;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
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

    /// Made by crypt(3) of libxcrypt 4.4.33.
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
    fn passwords_of_the_shadow_file_are_recognised() {
        for (password, text) in SHADOW {
            let hash = PasswordHash::parse(text).unwrap();
            assert_eq!(hash.to_string(), text);
            assert!(hash.verify(&secret(password)), "{text}");
            assert!(!hash.verify(&secret(&format!("{password} "))), "{text}");
        }
        let long = PasswordHash::parse(SHADOW[2].1).unwrap();
        assert!(!long.verify(&secret(&"y".repeat(MAX_PASSWORD_OCTETS + 1))));
    }

    #[test]
    fn no_password_is_right_where_there_is_none() {
        let never = PasswordHash::parse("*").unwrap();
        assert_eq!(never.to_string(), "*");
        assert!(never.is_never() && !PasswordHash::decoy().is_never());
        for password in ["", "*", "x"] {
            assert!(!never.verify(&secret(password)));
        }
    }

    #[test]
    fn hashes_of_the_shadow_file_that_are_not_whole_or_ask_too_much_are_refused() {
        let rounds = |rounds: u32| HashError::Rounds { rounds };
        let yescrypt = SHADOW[0].1;
        let sha512 = SHADOW[5].1;
        let with = |text: &str, from: &str, to: &str| text.replacen(from, to, 1);
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
            (with(sha512, "rounds=10000", "rounds=999"), rounds(999)),
            (with(sha512, "rounds=10000", "rounds=1000001"), rounds(1_000_001)),
            (with(sha512, "rounds=10000", "rounds=010000"), HashError::Malformed),
            (with(sha512, "rounds=10000", "rounds=9999999999"), HashError::Malformed),
            (with(sha512, "rounds=10000", "rounds="), HashError::Malformed),
        ] {
            assert_eq!(PasswordHash::parse(&text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn hashes_of_other_kinds_and_costs_are_refused() {
        let scheme = |scheme: &str| HashError::Scheme { scheme: scheme.to_owned() };
        let costs = |memory, passes, lanes| HashError::Costs { memory, passes, lanes };
        let with = |from: &str, to: &str| REFERENCE.replace(from, to);
        for (text, error) in [
            (String::new(), scheme("")),
            ("password".to_owned(), scheme("")),
            ("$1$salt$hash".to_owned(), scheme("1")),
            ("!$6$salt$hash".to_owned(), scheme("")),
            ("**".to_owned(), scheme("")),
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
