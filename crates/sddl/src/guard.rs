use std::{fmt, ops::Deref};

use crate::{AclFlags, Dacl, SddlError, SecurityDescriptor};

/// The default of the setting `RootSDDL`: administrators may do all, interactive users may read.
///
/// Records every failure, and every success of writing and executing.
pub const ROOT_SDDL: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";

/// The default for the shell and PowerShell plug-ins: administrators and Remote Management Users may do all.
///
/// Records the same as [`ROOT_SDDL`].
pub const SHELL_SDDL: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;RM)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";

/// A descriptor that may guard a resource: it has a DACL.
///
/// To Windows a missing DACL means everyone and a DACL without an entry means nobody.
/// A resource that nobody thought about must not be open to everyone, so the first cannot be a guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// INVARIANT: `descriptor.dacl()` is some.
    descriptor: SecurityDescriptor,
}

impl Guard {
    /// # Errors
    /// [`SddlError::NoDacl`] if it has none.
    pub fn new(descriptor: SecurityDescriptor) -> Result<Self, SddlError> {
        if descriptor.dacl().is_none() {
            return Err(SddlError::NoDacl);
        }
        Ok(Self { descriptor })
    }

    /// Parses SDDL that has a DACL.
    ///
    /// # Errors
    /// Those of [`SecurityDescriptor::parse`], and [`SddlError::NoDacl`].
    pub fn parse(text: &str) -> Result<Self, SddlError> {
        Self::new(SecurityDescriptor::parse(text)?)
    }

    /// A descriptor that gives nothing to anybody.
    #[must_use]
    pub const fn nobody() -> Self {
        let dacl = Dacl { flags: AclFlags::PROTECTED, aces: Vec::new() };
        Self { descriptor: SecurityDescriptor::of_dacl(dacl) }
    }

    /// The descriptor itself.
    #[must_use]
    pub fn into_descriptor(self) -> SecurityDescriptor {
        self.descriptor
    }
}

impl Deref for Guard {
    type Target = SecurityDescriptor;

    fn deref(&self) -> &SecurityDescriptor {
        &self.descriptor
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.descriptor.fmt(formatter)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_without_a_dacl_guards_nothing() {
        for text in ["", "O:BA", "O:BAG:BA", "O:BAG:BAS:(AU;FA;GA;;;WD)", "S:"] {
            assert!(SecurityDescriptor::parse(text).is_ok(), "{text}");
            assert_eq!(Guard::parse(text), Err(SddlError::NoDacl), "{text}");
        }
    }

    #[test]
    fn nobody_is_an_empty_list() {
        assert_eq!(Guard::nobody().to_string(), "D:P");
    }

    #[test]
    fn an_empty_dacl_is_a_guard() {
        for text in ["D:", "D:P", "O:BAD:S:"] {
            assert_eq!(Guard::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn no_access_control_is_no_guard() {
        assert_eq!(Guard::parse("D:NO_ACCESS_CONTROL"), Err(SddlError::NoAccessControl { at: 2 }));
        assert_eq!(Guard::parse("D:PNO_ACCESS_CONTROL"), Err(SddlError::NoAccessControl { at: 3 }));
        assert_eq!(Guard::parse("D:S:NO_ACCESS_CONTROL"), Err(SddlError::NoAccessControl { at: 4 }));
    }
}
