//! Entries of the descriptors of a service, in words.

use sddl::{AccessKind, AccessMask, Ace, AceFlags, Dacl, Guard, Principal, SecurityDescriptor};

use super::names::Names;
use crate::winrm::descriptor_dialogue::{EntryRules, FlagsChoice};

/// Rules for `RootSDDL` and the entries of plug-ins.
pub(super) struct ServiceRules {
    /// Name of the descriptor.
    pub(super) title: String,
    pub(super) names: Names,
}

impl EntryRules for ServiceRules {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn describe(&self, principal: Principal) -> String {
        self.names.describe(principal)
    }

    fn rights_hint(&self) -> &'static str {
        "read, write, execute, all"
    }

    fn rights_in_words(&self, rights: AccessMask) -> String {
        words(rights)
    }

    fn parse_rights(&self, typed: &str) -> Result<AccessMask, String> {
        rights(typed).ok_or_else(|| "Enter one or more rights, for example: read execute".to_owned())
    }

    fn remarks(&self, ace: &Ace<AccessKind>, _: &Dacl) -> Vec<&'static str> {
        let is_inherit_only = ace.flags.contains(AceFlags::INHERIT_ONLY);
        is_inherit_only.then_some("child objects only").into_iter().collect()
    }

    fn flags_choice(&self) -> Option<FlagsChoice> {
        None
    }

    fn refusal(&self, _: &Ace<AccessKind>, _: &Dacl) -> Option<String> {
        None
    }

    fn insert(&self, dacl: &mut Dacl, ace: Ace<AccessKind>) {
        match ace.kind {
            AccessKind::Denied => dacl.aces.insert(0, ace),
            AccessKind::Allowed => dacl.aces.push(ace),
        }
    }

    fn text(&self, descriptor: &SecurityDescriptor) -> String {
        descriptor.to_string()
    }

    fn parse_text(&self, text: &str, _: &SecurityDescriptor) -> Result<SecurityDescriptor, String> {
        Guard::parse(text).map(Guard::into_descriptor).map_err(|error| error.to_string())
    }
}

/// Returns rights as text: the generic rights that MS-WSMV uses as words, other rights in SDDL notation.
fn words(rights: AccessMask) -> String {
    let rights = rights.collapsed();
    if rights.contains(AccessMask::GENERIC_ALL) {
        return "all".to_owned();
    }
    let named = NAMED.iter().filter(|(_, right)| rights.contains(*right));
    let mut words: Vec<String> = named.map(|(word, _)| (*word).to_owned()).collect();
    let rest = NAMED.iter().fold(rights, |rest, (_, right)| rest.without(*right));
    if !rest.is_empty() {
        words.push(rest.to_string());
    }
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn rights(typed: &str) -> Option<AccessMask> {
    let mut all = AccessMask::NONE;
    for word in typed.split([' ', ',']).filter(|word| !word.is_empty()) {
        let named = NAMED.iter().find(|(own, _)| own.eq_ignore_ascii_case(word)).map(|(_, right)| *right);
        let whole = word.eq_ignore_ascii_case("all").then_some(AccessMask::GENERIC_ALL);
        all |= named.or(whole).or_else(|| AccessMask::parse(word).ok())?;
    }
    (!all.is_empty()).then_some(all)
}

/// Words for the generic rights.
const NAMED: [(&str, AccessMask); 3] = [
    ("read", AccessMask::GENERIC_READ),
    ("write", AccessMask::GENERIC_WRITE),
    ("execute", AccessMask::GENERIC_EXECUTE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_converted_to_words_and_back() {
        for (sddl, shown) in [
            ("GA", "all"),
            ("GR", "read"),
            ("GXGWGR", "read, write, execute"),
            ("GRCC", "read, CC"),
            ("", "none"),
            ("SDRCWDWOGXGWGR", "all"),
        ] {
            assert_eq!(words(AccessMask::parse(sddl).expect("rights")), shown, "{sddl}");
        }
        for (typed, sddl) in [
            ("read", Some("GR")),
            ("READ, execute", Some("GXGR")),
            ("all", Some("GA")),
            ("GW", Some("GW")),
            ("reed", None),
            ("read reed", None),
            ("", None),
        ] {
            assert_eq!(rights(typed).map(|rights| rights.to_string()).as_deref(), sddl, "{typed}");
        }
    }
}
