//! `telarch wmi security --edit`: the dialogue about the rights in a namespace.

use std::io::{self, IsTerminal as _};

use cim::Namespace;
use cli::failure::Program;
use cli::format::harmless;
use cli::program::Stop;
use cli::winrm::Streams;
use cli::winrm::descriptor_dialogue::{Dialogue, EntryRules, FlagsChoice, Step};
use cli_command::Failure;
use sddl::{AccessKind, AccessMask, Ace, AceFlags, Dacl, Principal, SecurityDescriptor};
use wmi::Rights;

use super::names::{Directory, Names};
use super::{remarks, rights_in_words};
use crate::listing::interrupted_failure;
use crate::rights::{self, USUAL};
use crate::rights_change::{Reach, RightsChange, is_inherited, is_protected, own_part, with_list};

/// Runs the dialogue at the terminal; returns the new descriptor, or `None` if it was not changed.
pub(super) fn run(
    before: &SecurityDescriptor,
    namespace: &Namespace,
    directory: &Directory<'_>,
) -> Result<Option<SecurityDescriptor>, Failure> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(Failure::usage(
            "wmi security: --edit requires a terminal",
            "change single entries with --allow, --deny or --remove, or give the new security descriptor",
        ));
    }
    let (mut input, mut out, mut errors) =
        (io::stdin().lock(), io::stdout().lock(), cli_command::output::errors());
    let mut streams = Streams { out: &mut out, errors: &mut errors, input: &mut input };
    let mut rules = NamespaceRules { namespace, names: directory.names_in(before) };
    let mut dialogue = Dialogue::new(before.clone());
    loop {
        match dialogue.run(&rules, &mut streams).map_err(ended)? {
            Step::LookUp(name) => match directory.find(&name) {
                Ok(sid) => {
                    rules.names.add(sid, directory);
                    dialogue.add(Principal::Sid(sid), &rules, &mut streams).map_err(ended)?;
                }
                Err(failure) => writeln!(streams.out, "{}", harmless(&failure.to_string()))?,
            },
            Step::Write(after) => return Ok(Some(*after)),
            Step::Abandoned => return Ok(None),
        }
    }
}

fn ended(stop: Stop) -> Failure {
    match stop {
        Stop::Failed(failure) => Failure::Failed(failure.summary(Program::Winrm)),
        Stop::Output(error) => error.into(),
        Stop::Interrupted => interrupted_failure(),
    }
}

/// Rules for the descriptor of a namespace.
struct NamespaceRules<'n> {
    namespace: &'n Namespace,
    names: Names,
}

impl EntryRules for NamespaceRules<'_> {
    fn title(&self) -> String {
        self.namespace.to_string()
    }

    fn describe(&self, principal: Principal) -> String {
        self.names.describe(principal)
    }

    fn rights_hint(&self) -> &'static str {
        "enable, methods, full-write, partial-write, provider-write, remote-enable, subscribe, publish, \
         read-security, edit-security, all; Enter for enable, methods, remote-enable"
    }

    fn rights_in_words(&self, rights: AccessMask) -> String {
        rights_in_words(Rights::from_bits_truncate(rights.bits()))
    }

    fn parse_rights(&self, typed: &str) -> Result<AccessMask, String> {
        let rights = if typed.is_empty() { USUAL } else { rights::parse(typed)? };
        Ok(AccessMask::from_bits(rights.bits()))
    }

    fn remarks(&self, ace: &Ace<AccessKind>, dacl: &Dacl) -> Vec<&'static str> {
        remarks(ace.flags, is_inherited(ace, is_protected(dacl)))
    }

    fn flags_choice(&self) -> Option<FlagsChoice> {
        Some(FlagsChoice {
            question: "(t)his namespace only, or (w)ith child namespaces? ",
            answers: [("this", Reach::ThisOnly.flags()), ("with", Reach::WithChildren.flags())],
        })
    }

    fn refusal(&self, ace: &Ace<AccessKind>, dacl: &Dacl) -> Option<String> {
        if !is_inherited(ace, is_protected(dacl)) {
            return None;
        }
        let place = match self.namespace.parent() {
            Some(parent) => format!("; edit it there: telarch wmi security {parent} --edit"),
            None => String::new(),
        };
        Some(format!("This entry is inherited from the parent namespace{place}"))
    }

    /// Changes the entries as `--allow` and `--deny` do.
    fn insert(&self, dacl: &mut Dacl, ace: Ace<AccessKind>) {
        let Principal::Sid(sid) = ace.principal else { return };
        let is_with_children = ace.flags.contains(AceFlags::CONTAINER_INHERIT);
        let reach = if is_with_children { Reach::WithChildren } else { Reach::ThisOnly };
        let rights = Rights::from_bits_truncate(ace.rights.bits());
        RightsChange::Set { kind: ace.kind, rights, reach }.apply(dacl, sid);
    }

    fn text(&self, descriptor: &SecurityDescriptor) -> String {
        own_part(descriptor).to_string()
    }

    /// Parses the entries of the namespace itself; the inherited ones are kept unless the text is protected.
    fn parse_text(&self, text: &str, before: &SecurityDescriptor) -> Result<SecurityDescriptor, String> {
        let parsed = SecurityDescriptor::parse(text).map_err(|error| error.to_string())?;
        parsed.encode(None).map_err(|error| error.to_string())?;
        if parsed.dacl().is_none() {
            return Err("it has no list of rights (D:), so that everyone would have all rights".to_owned());
        }
        Ok(with_list(&parsed, |dacl| {
            if !is_protected(dacl) {
                let inherited = before.dacl().into_iter().flat_map(|dacl| &dacl.aces);
                dacl.aces.extend(inherited.filter(|ace| ace.flags.contains(AceFlags::INHERITED)).copied());
            }
        }))
    }
}
