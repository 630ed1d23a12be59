//! Challenges of the Digest scheme and the hashes of their responses.

use std::fmt::Write as _;

use md5::Md5;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::digest::Digest;
use sha2::{Sha256, Sha512_256};
use zeroize::Zeroizing;

use super::{Hashed, push, push_quoted};
use crate::Secret;

/// A challenge of the Digest scheme (RFC 7616 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// Whether the challenge named its algorithm; if not, the response does not name it either.
    named: Named,
    lifetime: Lifetime,
    protection: Protection,
    stale: bool,
    hash_user: bool,
    charset: Charset,
}

/// Reason why a challenge cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// Realm or nonce is missing.
    #[error("digest challenge has no {0}")]
    Missing(&'static str),
    /// A parameter occurs twice.
    #[error("digest challenge repeats parameter {0}")]
    Repeated(&'static str),
    /// A parameter is too long or contains control characters.
    #[error(
        "parameter {0} of the digest challenge exceeds {MAX_PARAMETER} bytes or contains control characters"
    )]
    Parameter(&'static str),
    /// The hash algorithm is not supported.
    #[error(
        "unsupported digest algorithm \"{0}\"; supported are MD5, SHA-256 and SHA-512-256, each also with -sess"
    )]
    Algorithm(String),
    /// Only `auth-int` or unknown protections are offered, or `-sess` without any.
    #[error("unsupported digest protection: the service does not offer qop=auth")]
    Protection,
    /// The user name cannot be hashed unambiguously.
    #[error("user name is empty or contains a colon or a control character")]
    UserName,
    /// Method, target or client nonce is too long, too short, or contains control characters.
    #[error("method, target or client nonce of the request cannot be sent in a digest header")]
    Unwritable,
    /// No challenge was received.
    #[error("no digest challenge received yet")]
    NotChallenged,
    /// The counter of the nonce has reached its maximum.
    #[error("digest nonce was used 2^32 times")]
    UsedUp,
    /// The service rejected the response.
    #[error("user name or password rejected by the service")]
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

/// Scope of the key: the user, or one session (`-sess`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    User,
    /// Algorithm with the suffix `-sess`.
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
    Unspecified,
    Utf8,
}

impl Challenge {
    /// Parses parameter names and unquoted values; unknown parameters are ignored.
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
            stale: is_word(stale, "true"),
            hash_user: is_word(userhash, "true"),
            charset: if is_word(charset, "UTF-8") { Charset::Utf8 } else { Charset::Unspecified },
        })
    }

    /// Selects the challenge to answer: the one with the strongest hash, the first among equals.
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

    /// Name of the algorithm as in RFC 7616, if the challenge named one.
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

    /// Returns the hash of A1 (RFC 7616 3.4.2).
    pub(super) fn key(&self, user: &str, password: &Secret, cnonce: &str) -> Hashed {
        let key = self.algorithm.hash(&[user, &self.realm, password.expose()]);
        match self.lifetime {
            Lifetime::User => key,
            Lifetime::Session => self.algorithm.hash(&[&key, &self.nonce, cnonce]),
        }
    }

    /// Appends the user name in the form that the challenge asks for (RFC 7616 3.4, 3.4.4).
    pub(super) fn push_user(&self, value: &mut String, user: &str) {
        if self.hash_user {
            push_quoted(value, "username=", &self.algorithm.hash(&[user, &self.realm]));
            push(value, &[", userhash=true"]);
        } else if !user.is_ascii() && self.charset == Charset::Utf8 {
            value.push_str("username*=UTF-8''");
            value.extend(utf8_percent_encode(user, EXTENDED_VALUE));
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
        found
            .map(|(_, algorithm)| (algorithm, lifetime))
            .ok_or_else(|| DigestError::Algorithm(name.chars().take(40).collect()))
    }

    /// Hashes texts joined by colons.
    pub(super) fn hash(self, texts: &[&str]) -> Hashed {
        match self {
            Self::Md5 => hexadecimal::<Md5>(texts),
            Self::Sha256 => hexadecimal::<Sha256>(texts),
            Self::Sha512Trunc256 => hexadecimal::<Sha512_256>(texts),
        }
    }
}

fn is_word(value: Option<&str>, word: &str) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case(word))
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
        // Writing to a `String` cannot fail.
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

/// Characters that an extended parameter encodes: all but `attr-char` (RFC 5987 3.2.1).
const EXTENDED_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');
const NAMES: [&str; 8] = ["realm", "nonce", "opaque", "algorithm", "qop", "stale", "userhash", "charset"];
const SESSION: &str = "-sess";
const MAX_PARAMETER: usize = 1_024;
