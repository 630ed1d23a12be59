use std::{fmt, ops::Deref};

use crate::{AclFlags, Dacl, SddlError, SecurityDescriptor};

/// Default of the setting `RootSDDL`: administrators have full access, interactive users may read.
///
/// All failures are audited, and all successful write and execute accesses.
pub const ROOT_SDDL: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";

/// Default for the shell and PowerShell plug-ins: administrators and Remote Management Users have full
/// access.
///
/// Audits the same as [`ROOT_SDDL`].
pub const SHELL_SDDL: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;RM)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";

/// A security descriptor that has a DACL and can therefore protect a resource.
///
/// On Windows, an absent DACL grants access to everyone, and an empty DACL denies everyone.
/// A resource whose access was never configured must not be open to everyone, so a descriptor without DACL
/// cannot be a guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// INVARIANT: `descriptor.dacl()` is `Some`.
    descriptor: SecurityDescriptor,
}

impl Guard {
    /// # Errors
    /// [`SddlError::NoDacl`] if the descriptor has no DACL.
    pub fn new(descriptor: SecurityDescriptor) -> Result<Self, SddlError> {
        if descriptor.dacl().is_none() {
            return Err(SddlError::NoDacl);
        }
        Ok(Self { descriptor })
    }

    /// Parses SDDL that has a DACL.
    ///
    /// # Errors
    /// Errors of [`SecurityDescriptor::parse`], and [`SddlError::NoDacl`].
    pub fn parse(text: &str) -> Result<Self, SddlError> {
        Self::new(SecurityDescriptor::parse(text)?)
    }

    /// Returns a descriptor with an empty DACL, which denies everyone.
    #[must_use]
    pub const fn deny_all() -> Self {
        let dacl = Dacl { flags: AclFlags::PROTECTED, aces: Vec::new() };
        Self { descriptor: SecurityDescriptor::of_dacl(dacl) }
    }

    /// Returns the descriptor.
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
    fn an_empty_list_grants_no_access() {
        assert_eq!(Guard::deny_all().to_string(), "D:P");
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
