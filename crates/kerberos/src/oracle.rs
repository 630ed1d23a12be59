//! What must hold for any octets at all; fuzz targets and the corpus test call these.

use crate::message_token::MessageToken;
use crate::{Principal, Spn};

/// A principal that is read is written so that it reads back the same.
///
/// # Panics
/// When the promise is broken; that is its purpose.
#[allow(clippy::expect_used)]
pub fn principal(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(principal) = Principal::parse(text) else { return };
    let again = Principal::parse(&principal.to_string()).expect("what we write, we read");
    assert_eq!(again, principal);
    assert_eq!(principal.single_name().is_some(), principal.components().len() == 1);
}

/// The name of a service that is read is written as it was.
///
/// # Panics
/// When the promise is broken; that is its purpose.
#[allow(clippy::expect_used)]
pub fn service_principal_name(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(spn) = Spn::parse(text) else { return };
    let again = Spn::parse(&spn.to_string()).expect("what we write, we read");
    assert_eq!(again, spn);
}

/// The head of a protected message is read without a panic, and only if it is all there.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn message_token(octets: &[u8]) {
    if MessageToken::parse(octets).is_some() {
        assert!(octets.len() >= 16);
    }
}
