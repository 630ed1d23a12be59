//! FFI to MIT Kerberos, loaded at run time; the only module of this crate with foreign code.
//!
//! Linking to it would restrict the program to machines that have it, and the crates that wrap it need its headers at
//! build time. About twenty functions of the interface are needed (RFC 2744, and the extensions in
//! `gssapi/gssapi_ext.h`).
//!
//! Safety rests on these assumptions: the declarations in [`symbols`] are those of MIT's headers on Linux, and every
//! library called `libgssapi_krb5.so.2` or `libkrb5.so.3` keeps to them. Names and credentials may be used from any
//! thread; a context has one owner at a time, but may be moved to another.
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

/// MIT Kerberos, as installed on this machine.
///
/// It reads `krb5.conf` and variables such as `KRB5_CONFIG` itself. It is never unloaded.
#[derive(Debug)]
pub struct Library {
    gss: Gss,
    /// Functions that export the keys of a context, if available.
    gss_krb5: Option<GssKrb5>,
    krb5: Krb5,
}

/// Error of a library function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Name of the function.
    pub(crate) function: &'static str,
    /// Major status (RFC 2744).
    pub(crate) major: u32,
    /// Minor status (RFC 2744): an error number of Kerberos (`krb5.h`).
    pub(crate) minor: i32,
    /// Message of the library, without control characters.
    pub(crate) text: String,
}

impl Library {
    /// Loads the library.
    ///
    /// # Errors
    /// [`KerberosError::Missing`] if MIT Kerberos is not installed, [`KerberosError::Symbol`] if it is too old.
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

    /// Returns the supplementary bits (RFC 2744 3.9.1) of a successful call, for example that more tokens are needed.
    fn outcome(&self, function: &'static str, major: u32, minor: u32) -> Result<u32, Failure> {
        if major & ERROR_BITS == 0 {
            return Ok(major & !ERROR_BITS);
        }
        Err(self.failure(function, major, minor))
    }

    /// Creates an error with the library's message. Must be called in the same thread as the failed function, because
    /// the library stores its messages per thread.
    fn failure(&self, function: &'static str, major: u32, minor: u32) -> Failure {
        let minor = if minor == MAPPED_ZERO { 0 } else { minor };
        let details = if minor == 0 { Vec::new() } else { self.messages(minor, MECHANISM_CODE) };
        // The general message often says only that a specific one exists.
        let messages = if details.is_empty() { self.messages(major & ERROR_BITS, GSS_CODE) } else { details };
        Failure { function, major, minor: minor.cast_signed(), text: messages.join(": ") }
    }

    fn messages(&self, status: u32, kind: c_int) -> Vec<String> {
        const MAX: usize = 8;
        let mechanism = oid(KERBEROS);
        let mut messages = Vec::new();
        let mut more = 0;
        while messages.len() < MAX {
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
            messages.push(readable(text.octets()));
            if more == 0 {
                break;
            }
        }
        messages
    }
}

/// Returns an object identifier for one call; the library copies what it needs.
fn oid(octets: &'static [u8]) -> Oid {
    // The identifiers here have about ten bytes.
    let length = u32::try_from(octets.len()).unwrap_or_default();
    Oid { length, elements: octets.as_ptr().cast_mut().cast() }
}

/// Makes a library message safe for logs and terminals; it may contain names chosen by a peer.
fn readable(octets: &[u8]) -> String {
    const MAX: usize = 512;
    let text = String::from_utf8_lossy(octets);
    text.chars().take(MAX).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Calling and routine errors (RFC 2744 3.9.1); the remaining bits are supplementary.
pub(crate) const ERROR_BITS: u32 = 0xFFFF_0000;
/// Number that the library substitutes for minor status 0 of the first mechanism that reports it together with an
/// error.
const MAPPED_ZERO: u32 = 100_001;
const GSS_CODE: c_int = 1;
const MECHANISM_CODE: c_int = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_for_a_missing_library_names_its_package() {
        let error = Library::load_as(c"libgssapi_krb5.so.none", c"libkrb5.so.3")
            .expect_err("the library does not exist");
        let text = error.to_string();
        assert!(text.contains("libgssapi_krb5.so.none"), "{text}");
        assert!(text.contains("apt-get install libgssapi-krb5-2"), "{text}");
    }

    #[test]
    fn another_library_is_rejected() {
        let error = Library::load_as(c"libc.so.6", c"libkrb5.so.3").expect_err("another library");
        if matches!(error, KerberosError::Missing { .. }) {
            skips::skip!("libc.so.6 is not available");
            return;
        }
        let expected = KerberosError::Symbol { library: "libc.so.6", symbol: "gss_accept_sec_context" };
        assert_eq!(error, expected);
    }

    #[test]
    fn library_messages_are_sanitised() {
        assert_eq!(readable(b"a\nb\x1b[0m\xff"), "a\u{FFFD}b\u{FFFD}[0m\u{FFFD}");
        assert_eq!(readable(&[b'x'; 9_999]).len(), 512);
    }
}
