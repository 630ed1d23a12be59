use std::fmt;
use std::sync::Arc;

use sddl::Guard;

use super::{Kind, Value};
use crate::Reason;

/// Who may use the service: a security descriptor with the text it was given as.
#[derive(Clone)]
pub struct RootSddl {
    /// Kept letter for letter, because clients compare what they read with what they wrote.
    text: Arc<str>,
    guard: Arc<Guard>,
}

impl RootSddl {
    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, ready for access checks.
    #[must_use]
    pub fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// A descriptor of a preset, which tests parse.
    pub(crate) fn constant(text: &'static str) -> Self {
        Self::parse(text).expect("the descriptor of a preset is right")
    }
}

impl Default for RootSddl {
    fn default() -> Self {
        Self::constant(sddl::ROOT_SDDL)
    }
}

impl Value for RootSddl {
    const KIND: Kind = Kind::Text { expected: "a security descriptor with a DACL" };

    fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        let guard = Guard::parse(text).map_err(Reason::Sddl)?;
        Ok(Self { text: text.into(), guard: Arc::new(guard) })
    }

    fn show(&self) -> String {
        self.text.to_string()
    }
}

impl PartialEq for RootSddl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RootSddl {}

impl fmt::Display for RootSddl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for RootSddl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, formatter)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_would_let_everyone_in_is_refused() {
        for wrong in ["", "O:NSG:BA", "nonsense", "D:NO_ACCESS_CONTROL"] {
            assert!(matches!(RootSddl::parse(wrong), Err(Reason::Sddl(_))), "{wrong:?}");
        }
        assert_eq!(RootSddl::parse(sddl::ROOT_SDDL), Ok(RootSddl::default()));
    }

    #[test]
    fn the_text_is_kept_as_it_was_given() {
        let text = "O:NSG:BAD:P(A;;GA;;;BA)S:P(AU;SA;GWGX;;;WD)";
        assert_eq!(RootSddl::parse(text).unwrap().show(), text);
    }
}
