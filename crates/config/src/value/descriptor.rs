use std::fmt;
use std::sync::Arc;

use sddl::{
    AccessKind, AccessMask, Ace, AceFlags, DomainSid, Guard, SecurityDescriptor, Sid, linux, well_known,
};

use super::{Kind, Value};
use crate::Reason;

/// Who may use the service or a part of it: a security descriptor with the text it was given as.
#[derive(Clone)]
pub struct Descriptor {
    /// Kept letter for letter, because clients compare what they read with what they wrote.
    text: Arc<str>,
    guard: Arc<Guard>,
}

impl Descriptor {
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

    /// The same, and Remote Management Users may do all that it does not refuse them.
    pub(crate) fn and_remote_management_users(&self) -> Self {
        self.and_all_for(well_known::REMOTE_MANAGEMENT_USERS)
    }

    /// The usual one for WMI: administrators and the members of `WinRMRemoteWMIUsers__`, a group of the machine.
    pub(crate) fn of_wmi(machine: Option<DomainSid>) -> Self {
        let administrators = Self::constant(ADMINISTRATORS_ONLY);
        match machine {
            Some(machine) => administrators.and_all_for(machine.account(linux::REMOTE_WMI_USERS)),
            None => administrators,
        }
    }

    /// With one more entry behind the others, which gives a SID all rights; without it if there is no room for one.
    #[must_use]
    pub fn and_all_for(&self, sid: Sid) -> Self {
        self.with_dacl(|aces| aces.push(all_for(sid)))
    }

    /// Without the entries that give a SID all rights.
    #[must_use]
    pub fn without_all_for(&self, sid: Sid) -> Self {
        self.with_dacl(|aces| aces.retain(|ace| *ace != all_for(sid)))
    }

    fn with_dacl(&self, change: impl FnOnce(&mut Vec<Ace<AccessKind>>)) -> Self {
        let with_entry = || {
            let mut dacl = self.guard.dacl()?.clone();
            change(&mut dacl.aces);
            let (owner, group) = (self.guard.owner(), self.guard.group());
            let sacl = self.guard.sacl().cloned();
            Guard::new(SecurityDescriptor::new(owner, group, Some(dacl), sacl).ok()?).ok()
        };
        with_entry().map_or_else(
            || self.clone(),
            |guard| Self { text: guard.to_string().into(), guard: guard.into() },
        )
    }

    /// A descriptor of a preset, which tests parse.
    pub(crate) fn constant(text: &'static str) -> Self {
        Self::parse(text).expect("the descriptor of a preset is right")
    }
}

fn all_for(sid: Sid) -> Ace<AccessKind> {
    let (kind, flags, rights) = (AccessKind::Allowed, AceFlags::NONE, AccessMask::GENERIC_ALL);
    Ace { kind, flags, rights, principal: sid.into() }
}

/// As [`sddl::ROOT_SDDL`], for administrators alone.
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

    fn show(&self) -> String {
        self.text.to_string()
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_would_let_everyone_in_is_refused() {
        for wrong in ["", "O:NSG:BA", "nonsense", "D:NO_ACCESS_CONTROL"] {
            assert!(matches!(Descriptor::parse(wrong), Err(Reason::Sddl(_))), "{wrong:?}");
        }
        assert_eq!(Descriptor::parse(sddl::ROOT_SDDL), Ok(Descriptor::default()));
    }

    #[test]
    fn the_text_is_kept_as_it_was_given() {
        let text = "O:NSG:BAD:P(A;;GA;;;BA)S:P(AU;SA;GWGX;;;WD)";
        assert_eq!(Descriptor::parse(text).unwrap().show(), text);
    }
}
