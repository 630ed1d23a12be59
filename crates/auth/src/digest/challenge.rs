//! What a service asks for, and the hashes that answer it.

use std::fmt::Write as _;

use md5::Md5;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512_256};
use zeroize::Zeroizing;

use super::{Hashed, push, push_quoted};
use crate::Secret;

/// A challenge of scheme Digest (RFC 7616 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// Whether the algorithm was named; it is left unnamed in the answer then, too.
    named: Named,
    lifetime: Lifetime,
    protection: Protection,
    stale: bool,
    hash_user: bool,
    charset: Charset,
}

/// Why a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// It has no realm or no nonce.
    #[error("the challenge has no {0}")]
    Missing(&'static str),
    /// A parameter is there twice.
    #[error("the parameter {0} is repeated in the challenge")]
    Repeated(&'static str),
    /// A parameter is too long, or contains control characters.
    #[error(
        "the parameter {0} of the challenge is longer than {MAX_PARAMETER} octets or has control characters"
    )]
    Parameter(&'static str),
    /// A hash that is not known here.
    #[error("the service wants the algorithm {0:?}; MD5, SHA-256 and SHA-512-256 are known, each with -sess")]
    Algorithm(String),
    /// Only `auth-int` or unknown ways are offered, or `-sess` without one.
    #[error("the service wants a quality of protection other than auth")]
    Protection,
    /// The name cannot be hashed in one way only.
    #[error("the user name is empty or contains a colon or a control character")]
    UserName,
    /// Method, target or client nonce are too long, too short, or contain control characters.
    #[error("the request cannot be named in a header")]
    Unwritable,
    /// There was no challenge.
    #[error("there is no challenge to answer yet")]
    NotChallenged,
    /// The counter of the nonce has come to its end.
    #[error("the nonce was used as often as it can be")]
    UsedUp,
    /// The answer was not taken.
    #[error("the service refuses the user name or the password")]
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
    Sha512Trunc256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Yes,
    No,
}

/// Whether the key is that of the user or that of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    User,
    /// `-sess`.
    Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// RFC 2069: without counter and client nonce.
    Legacy,
    /// `qop=auth`.
    Auth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Unsaid,
    Utf8,
}

impl Challenge {
    /// Reads names and values, without the quotes around them; what is not known does not count.
    ///
    /// # Errors
    /// [`DigestError`] for a challenge that cannot be answered.
    pub fn parse<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, DigestError> {
        let mut found = [None; NAMES.len()];
        for (name, value) in parameters {
            let known = NAMES.iter().zip(&mut found).find(|(known, _)| known.eq_ignore_ascii_case(name));
            let Some((name, slot)) = known else { continue };
            if value.len() > MAX_PARAMETER || value.chars().any(char::is_control) {
                return Err(DigestError::Parameter(name));
            }
            if slot.replace(value).is_some() {
                return Err(DigestError::Repeated(name));
            }
        }
        let [realm, nonce, opaque, algorithm, qop, stale, userhash, charset] = found;
        let is =
            |value: Option<&str>, word: &str| value.is_some_and(|value| value.eq_ignore_ascii_case(word));
        let (algorithm, lifetime, named) = match algorithm {
            None => (Algorithm::Md5, Lifetime::User, Named::No),
            Some(name) => {
                let (algorithm, lifetime) = Algorithm::parse(name)?;
                (algorithm, lifetime, Named::Yes)
            }
        };
        let protection = match qop {
            None if lifetime == Lifetime::User => Protection::Legacy,
            Some(list) if list.split(',').any(|way| way.trim().eq_ignore_ascii_case("auth")) => {
                Protection::Auth
            }
            _ => return Err(DigestError::Protection),
        };
        Ok(Self {
            realm: realm.ok_or(DigestError::Missing("realm"))?.to_owned(),
            nonce: nonce.filter(|nonce| !nonce.is_empty()).ok_or(DigestError::Missing("nonce"))?.to_owned(),
            opaque: opaque.map(str::to_owned),
            algorithm,
            named,
            lifetime,
            protection,
            stale: is(stale, "true"),
            hash_user: is(userhash, "true"),
            charset: if is(charset, "UTF-8") { Charset::Utf8 } else { Charset::Unsaid },
        })
    }

    /// The one to answer of several: that with the strongest hash, and the first of equals.
    #[must_use]
    pub fn strongest(offered: impl IntoIterator<Item = Self>) -> Option<Self> {
        offered.into_iter().reduce(|best, next| if next.algorithm > best.algorithm { next } else { best })
    }

    pub(super) fn stale(&self) -> bool {
        self.stale
    }

    pub(super) fn realm(&self) -> &str {
        &self.realm
    }

    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    pub(super) fn opaque(&self) -> Option<&str> {
        self.opaque.as_deref()
    }

    pub(super) fn protection(&self) -> Protection {
        self.protection
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The algorithm in the spelling of RFC 7616, if the challenge named one.
    pub(super) fn named_algorithm(&self) -> Option<&'static str> {
        let name = match (self.algorithm, self.lifetime) {
            (Algorithm::Md5, Lifetime::User) => "MD5",
            (Algorithm::Md5, Lifetime::Session) => "MD5-sess",
            (Algorithm::Sha256, Lifetime::User) => "SHA-256",
            (Algorithm::Sha256, Lifetime::Session) => "SHA-256-sess",
            (Algorithm::Sha512Trunc256, Lifetime::User) => "SHA-512-256",
            (Algorithm::Sha512Trunc256, Lifetime::Session) => "SHA-512-256-sess",
        };
        (self.named == Named::Yes).then_some(name)
    }

    /// The hash of A1 (RFC 7616 3.4.2).
    pub(super) fn key(&self, user: &str, password: &Secret, cnonce: &str) -> Hashed {
        let key = self.algorithm.hash(&[user, &self.realm, password.expose()]);
        match self.lifetime {
            Lifetime::User => key,
            Lifetime::Session => self.algorithm.hash(&[&key, &self.nonce, cnonce]),
        }
    }

    /// The user as the challenge wants it named (RFC 7616 3.4, 3.4.4).
    pub(super) fn push_user(&self, value: &mut String, user: &str) {
        if self.hash_user {
            push_quoted(value, "username=", &self.algorithm.hash(&[user, &self.realm]));
            push(value, &[", userhash=true"]);
        } else if !user.is_ascii() && self.charset == Charset::Utf8 {
            value.push_str("username*=UTF-8''");
            push_percent_encoded(value, user);
        } else {
            push_quoted(value, "username=", user);
        }
    }
}

impl Algorithm {
    fn parse(name: &str) -> Result<(Self, Lifetime), DigestError> {
        let (hash, lifetime) =
            match name.len().checked_sub(SESSION.len()).and_then(|at| name.split_at_checked(at)) {
                Some((hash, end)) if end.eq_ignore_ascii_case(SESSION) => (hash, Lifetime::Session),
                _ => (name, Lifetime::User),
            };
        let known = [("MD5", Self::Md5), ("SHA-256", Self::Sha256), ("SHA-512-256", Self::Sha512Trunc256)];
        let found = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(hash));
        let unknown = || DigestError::Algorithm(name.chars().take(40).collect());
        found.map(|(_, algorithm)| (algorithm, lifetime)).ok_or_else(unknown)
    }

    /// The hash of texts with colons between them.
    pub(super) fn hash(self, texts: &[&str]) -> Hashed {
        match self {
            Self::Md5 => hexadecimal::<Md5>(texts),
            Self::Sha256 => hexadecimal::<Sha256>(texts),
            Self::Sha512Trunc256 => hexadecimal::<Sha512_256>(texts),
        }
    }
}

fn hexadecimal<D: Digest>(texts: &[&str]) -> Hashed {
    let mut hash = D::new();
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(text.as_bytes());
    }
    let octets = hash.finalize();
    let mut digits = Zeroizing::new(String::with_capacity(octets.len() * 2));
    for octet in &octets {
        // Writing to a string does not fail.
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

/// RFC 5987 3.2.1: everything but letters, digits and a few signs.
fn push_percent_encoded(value: &mut String, text: &str) {
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&octet) {
            value.push(char::from(octet));
        } else {
            let _ = write!(value, "%{octet:02X}");
        }
    }
}

const NAMES: [&str; 8] = ["realm", "nonce", "opaque", "algorithm", "qop", "stale", "userhash", "charset"];
const SESSION: &str = "-sess";
const MAX_PARAMETER: usize = 1_024;
