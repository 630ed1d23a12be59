//! What must hold for any octets at all; fuzz targets and the corpus test call these.

use crate::basic::{Login, authorization};

/// A login that is read is written so that it reads back the same.
///
/// # Panics
/// When the promise is broken; that is its purpose.
#[allow(clippy::expect_used)]
pub fn login(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(login) = Login::parse(text) else { return };
    let value = authorization(&login.user, &login.password);
    let again =
        Login::parse(value.strip_prefix("Basic ").unwrap_or_default()).expect("what we write, we read");
    assert_eq!(again.user, login.user);
    assert!(again.password.matches(&login.password));
}
