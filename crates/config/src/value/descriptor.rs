use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use sddl::{
    AccessKind, AccessMask, Ace, AceFlags, DomainSid, Guard, SecurityDescriptor, Sid, linux, well_known,
};

use super::{Kind, Value};
use crate::Reason;

/// Security descriptor of the service or of a resource, with its original text.
#[derive(Clone)]
pub struct Descriptor {
    /// Unchanged, because clients compare the text they read with the text they wrote.
    text: Arc<str>,
    guard: Arc<Guard>,
}

impl Descriptor {
    /// Returns the original text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the parsed descriptor for access checks.
    #[must_use]
    pub fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// Returns a copy that also grants full access to Remote Management Users.
    pub(crate) fn with_remote_management_users(&self) -> Self {
        self.with_full_access(well_known::REMOTE_MANAGEMENT_USERS)
    }

    /// Returns the default descriptor of WMI: full access for administrators and for members of
    /// `WinRMRemoteWMIUsers__`, a local group.
    pub(crate) fn default_for_wmi(machine: Option<DomainSid>) -> Self {
        let administrators = Self::constant(ADMINISTRATORS_ONLY);
        match machine {
            Some(machine) => administrators.with_full_access(machine.account(linux::REMOTE_WMI_USERS)),
            None => administrators,
        }
    }

    /// Returns a copy with an additional last entry that grants full access to a SID. If the descriptor would become
    /// too large, the copy has no such entry.
    #[must_use]
    pub fn with_full_access(&self, sid: Sid) -> Self {
        self.with_dacl(|aces| aces.push(full_access(sid)))
    }

    /// Returns a copy without the entries that grant full access to a SID.
    #[must_use]
    pub fn without_full_access(&self, sid: Sid) -> Self {
        self.with_dacl(|aces| aces.retain(|ace| *ace != full_access(sid)))
    }

    fn with_dacl(&self, change: impl FnOnce(&mut Vec<Ace<AccessKind>>)) -> Self {
        self.try_with_dacl(change).unwrap_or_else(|| self.clone())
    }

    fn try_with_dacl(&self, change: impl FnOnce(&mut Vec<Ace<AccessKind>>)) -> Option<Self> {
        let mut dacl = self.guard.dacl()?.clone();
        change(&mut dacl.aces);
        let (owner, group, sacl) = (self.guard.owner(), self.guard.group(), self.guard.sacl().cloned());
        let guard = Guard::new(SecurityDescriptor::new(owner, group, Some(dacl), sacl).ok()?).ok()?;
        Some(Self { text: guard.to_string().into(), guard: guard.into() })
    }

    /// Returns the descriptor of a preset. Tests parse every such text.
    pub(crate) fn constant(text: &'static str) -> Self {
        Self::parse(text).expect("the descriptor of a preset is valid")
    }
}

fn full_access(sid: Sid) -> Ace<AccessKind> {
    let (kind, flags, rights) = (AccessKind::Allowed, AceFlags::NONE, AccessMask::GENERIC_ALL);
    Ace { kind, flags, rights, principal: sid.into() }
}

/// Descriptor like [`sddl::ROOT_SDDL`], for administrators only.
const ADMINISTRATORS_ONLY: &str = "O:NSG:BAD:P(A;;GA;;;BA)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";

impl Default for Descriptor {
    fn default() -> Self {
        Self::constant(sddl::ROOT_SDDL)
    }
}

impl Value for Descriptor {
    const KIND: Kind = Kind::Text { expected: "a security descriptor with a DACL" };

    fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        let guard = Guard::parse(text).map_err(Reason::Sddl)?;
        Ok(Self { text: text.into(), guard: Arc::new(guard) })
    }

    fn show(&self) -> Cow<'_, str> {
        (*self.text).into()
    }
}

impl PartialEq for Descriptor {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Descriptor {}

impl fmt::Display for Descriptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_would_admit_everyone_is_rejected() {
        for wrong in ["", "O:NSG:BA", "nonsense", "D:NO_ACCESS_CONTROL"] {
            assert!(matches!(Descriptor::parse(wrong), Err(Reason::Sddl(_))), "{wrong:?}");
        }
        assert_eq!(Descriptor::parse(sddl::ROOT_SDDL), Ok(Descriptor::default()));
    }

    #[test]
    fn the_original_text_is_kept() {
        let text = "O:NSG:BAD:P(A;;GA;;;BA)S:P(AU;SA;GWGX;;;WD)";
        assert_eq!(Descriptor::parse(text).unwrap().show(), text);
    }
}
