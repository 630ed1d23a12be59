//! The only place of this crate that leaves Rust: MIT Kerberos, found while the program runs.
//!
//! Linking to it would tie the program to machines that have it, and the crates that wrap it need its headers to be
//! built. Of the interface (RFC 2744, and the extensions in `gssapi/gssapi_ext.h`) some twenty functions are needed.
//!
//! What must be right for the rest to be safe: the declarations in [`symbols`] are those of MIT's headers on Linux,
//! and whatever calls itself `libgssapi_krb5.so.2` and `libkrb5.so.3` keeps to them. Of the values behind pointers,
//! names and credentials may be used from any thread; a context belongs to one owner at a time, who may hand it on.
#![allow(unsafe_code)]

mod buffer;
mod configuration;
mod credential;
mod lucid;
mod name;
mod security;
mod symbols;

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use self::buffer::Owned;
pub(crate) use self::credential::{Credential, Stored, Usage};
pub(crate) use self::lucid::Keys;
pub(crate) use self::name::{Name, NameForm};
pub(crate) use self::security::{MessageFailure, Progress, RawContext, Request};
use self::symbols::{Gss, GssKrb5, Krb5, Oid};
use crate::{KERBEROS, KerberosError};

/// MIT Kerberos as it is installed on this machine.
///
/// It reads `krb5.conf`, and variables such as `KRB5_CONFIG`, by itself. It is never unloaded.
#[derive(Debug)]
pub struct Library {
    gss: Gss,
    /// What gives the keys of a context away, where it is there.
    gss_krb5: Option<GssKrb5>,
    krb5: Krb5,
}

/// What a function of the library said when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Its name.
    pub(crate) function: &'static str,
    /// What RFC 2744 calls the major status.
    pub(crate) major: u32,
    /// What it calls the minor status: here an error number of Kerberos (`krb5.h`).
    pub(crate) minor: i32,
    /// The words of the library, free of control characters.
    pub(crate) text: String,
}

impl Library {
    /// Finds the library.
    ///
    /// # Errors
    /// [`KerberosError::Missing`] where MIT Kerberos is not installed, [`KerberosError::Symbol`] where it is too old.
    pub fn load() -> Result<Arc<Self>, KerberosError> {
        Self::load_as(c"libgssapi_krb5.so.2", c"libkrb5.so.3")
    }

    fn load_as(gss: &'static CStr, krb5: &'static CStr) -> Result<Arc<Self>, KerberosError> {
        Ok(Arc::new(Self {
            gss: Gss::load(gss)?,
            gss_krb5: GssKrb5::load(gss).ok(),
            krb5: Krb5::load(krb5)?,
        }))
    }

    /// Whether a function succeeded; its supplementary bits (RFC 2744 3.9.1), such as that more is to come.
    fn outcome(&self, function: &'static str, major: u32, minor: u32) -> Result<u32, Failure> {
        if major & ERROR_BITS == 0 {
            return Ok(major & !ERROR_BITS);
        }
        Err(self.failure(function, major, minor))
    }

    /// Must follow the failed call in the same thread: that is where the library keeps its words.
    fn failure(&self, function: &'static str, major: u32, minor: u32) -> Failure {
        let minor = if minor == ZERO_IN_DISGUISE { 0 } else { minor };
        let details = if minor == 0 { Vec::new() } else { self.words(minor, MECHANISM_CODE) };
        // The general words say less than the particular ones; often only that there are particular ones.
        let words = if details.is_empty() { self.words(major & ERROR_BITS, GSS_CODE) } else { details };
        Failure { function, major, minor: minor.cast_signed(), text: words.join(": ") }
    }

    fn words(&self, status: u32, kind: c_int) -> Vec<String> {
        const MOST: usize = 8;
        let mechanism = oid(KERBEROS);
        let mut words = Vec::new();
        let mut more = 0;
        while words.len() < MOST {
            let mut text = Owned::empty(self);
            let mut minor = 0;
            // SAFETY: all pointers are to values of this frame; the text is released with `text`.
            let major = unsafe {
                (self.gss.gss_display_status)(
                    &raw mut minor,
                    status,
                    kind,
                    &raw const mechanism,
                    &raw mut more,
                    text.out(),
                )
            };
            if major & ERROR_BITS != 0 {
                break;
            }
            words.push(readable(text.octets()));
            if more == 0 {
                break;
            }
        }
        words
    }
}

/// An object identifier for the length of a call; the library copies what it keeps.
fn oid(octets: &'static [u8]) -> Oid {
    // The identifiers here have about ten octets.
    let length = u32::try_from(octets.len()).unwrap_or_default();
    Oid { length, elements: octets.as_ptr().cast_mut().cast() }
}

/// Words of the library, which may contain names that a peer chose, for a log and a terminal.
fn readable(octets: &[u8]) -> String {
    const MOST: usize = 512;
    let text = String::from_utf8_lossy(octets);
    text.chars().take(MOST).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Calling and routine errors (RFC 2744 3.9.1); the rest are the supplementary bits.
pub(crate) const ERROR_BITS: u32 = 0xFFFF_0000;
/// What the library makes of the minor status zero of the first mechanism that reports one beside an error.
const ZERO_IN_DISGUISE: u32 = 100_001;
const GSS_CODE: c_int = 1;
const MECHANISM_CODE: c_int = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named_with_the_package_that_has_it() {
        let error =
            Library::load_as(c"libgssapi_krb5.so.none", c"libkrb5.so.3").expect_err("it is not there");
        let text = error.to_string();
        assert!(text.contains("libgssapi_krb5.so.none"), "{text}");
        assert!(text.contains("apt-get install libgssapi-krb5-2"), "{text}");
    }

    #[test]
    fn another_library_is_not_mistaken_for_it() {
        let error = Library::load_as(c"libc.so.6", c"libkrb5.so.3").expect_err("it is another");
        if matches!(error, KerberosError::Missing { .. }) {
            skips::skip!("there is no libc.so.6 here");
            return;
        }
        let expected = KerberosError::Symbol { library: "libc.so.6", symbol: "gss_accept_sec_context" };
        assert_eq!(error, expected);
    }

    #[test]
    fn words_of_the_library_cannot_break_a_line() {
        assert_eq!(readable(b"a\nb\x1b[0m\xff"), "a\u{FFFD}b\u{FFFD}[0m\u{FFFD}");
        assert_eq!(readable(&[b'x'; 9_999]).len(), 512);
    }
}
