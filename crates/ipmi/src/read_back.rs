//! Comparison of a changed setting with the value that the controller returns afterwards.

use std::fmt::Display;

use crate::IpmiError;

impl IpmiError {
    /// Creates the error for a change of `what` that the controller confirmed and did not make.
    #[must_use]
    pub fn unchanged(what: &'static str, wanted: impl Display, found: impl Display) -> Self {
        Self::Unchanged { what, wanted: wanted.to_string(), found: found.to_string() }
    }
}

/// Returns [`IpmiError::Unchanged`] with both values unless the value read back is the wanted one.
pub(crate) fn verify<T: PartialEq + Display>(
    what: &'static str,
    wanted: &T,
    found: &T,
) -> Result<(), IpmiError> {
    if wanted == found { Ok(()) } else { Err(IpmiError::unchanged(what, wanted, found)) }
}

/// Returns the text of a value that a controller may not have.
pub(crate) fn or_nothing(value: Option<impl Display>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}
