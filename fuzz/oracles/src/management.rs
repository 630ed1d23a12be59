//! Settings of the Web Management Service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use management::Restrictions;

/// Checks any bytes as the registry value `RemoteRestrictions`, in binary form and as its Base64 text, and as the text
/// form of address rules.
///
/// Rules that can be parsed are the same when they are written and parsed again, in both forms.
///
/// # Panics
/// If this property does not hold.
pub fn restrictions(data: &[u8]) {
    repeat(&STANDARD.encode(data));
    if let Ok(text) = std::str::from_utf8(data) {
        repeat(text);
    }
}

fn repeat(text: &str) {
    if let Ok(rules) = Restrictions::from_registry(text) {
        // Rules of the registry value are for IPv4, which it can hold.
        assert_eq!(Restrictions::from_registry(&rules.to_registry().unwrap()), Ok(rules));
    }
    if let Ok(rules) = text.parse::<Restrictions>() {
        assert_eq!(rules.to_string().parse(), Ok(rules));
    }
}
