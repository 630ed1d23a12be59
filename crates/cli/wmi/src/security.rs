//! `telarch wmi security`: the access rights of a namespace.

mod dialogue;
mod names;

use std::io::Write as _;

use cim::{Instance, Namespace, ObjectPath, Value};
use sddl::{AccessKind, AceFlags, Principal, SecurityDescriptor};
use wmi::Rights;

use self::names::{Directory, Names};
use super::arguments::SecurityRequest;
use super::local::{LocalWmi, failed};
use super::rights_change::{RightsChange, is_inherited, is_protected, own_part, resolved, with_list};
use super::source::Source;
use cli_command::Failure;

pub(super) fn run(
    source: &Source,
    namespace: Option<Namespace>,
    request: SecurityRequest,
) -> Result<String, Failure> {
    let namespace = namespace.unwrap_or_else(|| source.namespace().clone());
    let directory = Directory::of(source)?;
    match request {
        SecurityRequest::Show => {}
        SecurityRequest::Edit => {
            let before = editable(&read(source, &namespace)?, &directory, &namespace)?;
            match dialogue::run(&before, &namespace, &directory)? {
                Some(after) => write(source, &namespace, encoded(&after)?)?,
                None => {
                    writeln!(
                        cli_command::output::errors(),
                        "telarch: the rights in {namespace} were not changed"
                    )?;
                    return Ok(String::new());
                }
            }
        }
        SecurityRequest::Replace(sddl) => {
            let parsed = SecurityDescriptor::parse(&sddl).and_then(|one| one.encode(None));
            let bytes = parsed.map_err(|error| {
                Failure::failed(error, "expected a form such as D:(A;CI;CCDCWP;;;S-1-5-21-...)")
            })?;
            write(source, &namespace, bytes)?;
        }
        SecurityRequest::Change { names, change } => {
            let before = read(source, &namespace)?;
            let after = changed(&before, &directory, &names, change, &namespace)?;
            if after != before {
                write(source, &namespace, encoded(&after)?)?;
            }
        }
    }
    let descriptor = read(source, &namespace)?;
    Ok(shown(&namespace, &descriptor, &directory.names_in(&descriptor)))
}

/// Returns the effective descriptor of a namespace.
fn read(source: &Source, namespace: &Namespace) -> Result<SecurityDescriptor, Failure> {
    match source {
        Source::Remote(remote) => remote.descriptor(namespace),
        Source::Local(local) => {
            local.engine().schema(namespace).map_err(failed)?;
            Ok(SecurityDescriptor::clone(&local.engine().descriptor(namespace)))
        }
    }
}

fn write(source: &Source, namespace: &Namespace, bytes: Vec<u8>) -> Result<(), Failure> {
    match source {
        Source::Remote(remote) => remote.set_descriptor(namespace, &bytes),
        Source::Local(local) => {
            local.engine().schema(namespace).map_err(failed)?;
            set(local, namespace, bytes)
        }
    }
}

fn encoded(descriptor: &SecurityDescriptor) -> Result<Vec<u8>, Failure> {
    descriptor.encode(None).map_err(|error| Failure::Failed(error.to_string()))
}

/// Returns a descriptor whose list of rights can be changed, with SIDs in place of aliases that depend on the machine.
fn editable(
    before: &SecurityDescriptor,
    directory: &Directory<'_>,
    namespace: &Namespace,
) -> Result<SecurityDescriptor, Failure> {
    if before.dacl().is_none() {
        return Err(Failure::failed(
            format!("{namespace} has no list of rights, so that everyone has all rights"),
            &format!("set one first: telarch wmi security {namespace} SDDL"),
        ));
    }
    Ok(directory.machine().map_or_else(|| before.clone(), |machine| resolved(before, machine)))
}

/// Returns a descriptor after a change for each of the users and groups.
fn changed(
    before: &SecurityDescriptor,
    directory: &Directory<'_>,
    names: &[String],
    change: RightsChange,
    namespace: &Namespace,
) -> Result<SecurityDescriptor, Failure> {
    let mut after = editable(before, directory, namespace)?;
    for name in names {
        let sid = directory.find(name)?;
        let mut is_changed = false;
        after = with_list(&after, |dacl| is_changed = change.apply(dacl, sid));
        if let (RightsChange::Remove { .. }, false) = (change, is_changed) {
            return Err(not_removed(&after, Principal::Sid(sid), name, namespace));
        }
    }
    Ok(after)
}

fn not_removed(
    descriptor: &SecurityDescriptor,
    principal: Principal,
    name: &str,
    namespace: &Namespace,
) -> Failure {
    let problem = format!("cannot remove rights of {name}: {namespace} has no such entry of its own");
    let mut aces = descriptor.dacl().into_iter().flat_map(|dacl| &dacl.aces);
    let is_inherited = aces.any(|ace| ace.principal == principal && ace.flags.contains(AceFlags::INHERITED));
    match namespace.parent() {
        Some(parent) if is_inherited => {
            Failure::failed(problem, &format!("its rights are inherited; see telarch wmi security {parent}"))
        }
        _ => Failure::Failed(problem),
    }
}

fn set(local: &LocalWmi, namespace: &Namespace, bytes: Vec<u8>) -> Result<(), Failure> {
    let path = ObjectPath::parse("__SystemSecurity=@").map_err(|error| Failure::Failed(error.to_string()))?;
    let input = |operation: &cim::Operation| {
        let bytes = Value::Array(bytes.into_iter().map(Value::from).collect());
        Instance::new(operation.input.clone()).with("SD", bytes)
    };
    let call = local.engine();
    local
        .runtime()
        .block_on(call.invoke(local.context(), namespace, &path, "SetSD", input))
        .map_err(failed)?;
    Ok(())
}

/// Entry as it is shown.
struct ShownEntry {
    kind: AccessKind,
    principal: Principal,
    rights: Rights,
    is_inherit_only: bool,
    /// Remarks in parentheses.
    remarks: Vec<&'static str>,
}

/// Returns the entries of a namespace, each of them once, and the descriptor without inherited entries.
fn shown(namespace: &Namespace, descriptor: &SecurityDescriptor, names: &Names) -> String {
    let mut text = format!("{namespace}\n");
    for entry in entries(descriptor) {
        let access = match entry.kind {
            AccessKind::Allowed => "allowed",
            AccessKind::Denied => "denied",
        };
        let rights = rights_in_words(entry.rights);
        let remarks = entry.remarks.join(", ");
        let remarks = if remarks.is_empty() { remarks } else { format!(" ({remarks})") };
        text += &format!("  {} {access}: {rights}{remarks}\n", names.describe(entry.principal));
    }
    text + &format!("  {}\n", own_part(descriptor))
}

fn rights_in_words(rights: Rights) -> String {
    if rights == Rights::all() { "full control".to_owned() } else { rights.to_string() }
}

fn entries(descriptor: &SecurityDescriptor) -> Vec<ShownEntry> {
    let mut entries: Vec<ShownEntry> = Vec::new();
    let Some(dacl) = descriptor.dacl() else { return entries };
    for ace in &dacl.aces {
        let is_inherited = is_inherited(ace, is_protected(dacl));
        let entry = ShownEntry {
            kind: ace.kind,
            principal: ace.principal,
            rights: Rights::from_bits_truncate(ace.rights.bits()),
            is_inherit_only: ace.flags.contains(AceFlags::INHERIT_ONLY),
            remarks: remarks(ace.flags, is_inherited),
        };
        match entries.iter_mut().find(|earlier| earlier.is_same(&entry)) {
            // An inherited entry that repeats one of the namespace itself.
            Some(earlier) if is_inherited => {
                if !earlier.remarks.iter().any(|remark| remark.contains("inherited")) {
                    earlier.remarks.push("also inherited");
                }
            }
            Some(earlier) if earlier.remarks == entry.remarks => {}
            _ => entries.push(entry),
        }
    }
    entries
}

impl ShownEntry {
    fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.principal == other.principal
            && self.rights == other.rights
            && self.is_inherit_only == other.is_inherit_only
    }
}

fn remarks(flags: AceFlags, is_inherited: bool) -> Vec<&'static str> {
    let reach = match (flags.contains(AceFlags::INHERIT_ONLY), flags.contains(AceFlags::CONTAINER_INHERIT)) {
        (true, _) => Some("child namespaces only"),
        (false, true) => None,
        (false, false) => Some("this namespace only"),
    };
    is_inherited.then_some("inherited").into_iter().chain(reach).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_shown_once() {
        let sddl = "D:(D;;DC;;;BG)(A;CI;CCDCRP;;;AU)(A;CI;CC;;;AU)(A;CIID;CCDCLCSWRPWPDTLORCWD;;;BA)(A;CIID;CCDCRP;;;AU)";
        let descriptor = SecurityDescriptor::parse(sddl).unwrap();
        let shown = shown(&Namespace::cimv2(), &descriptor, &Names::default());
        let expected = [
            "root/cimv2",
            "  BUILTIN\\Guests (BG) denied: METHOD_EXECUTE (this namespace only)",
            "  NT AUTHORITY\\Authenticated Users (AU) allowed: ENABLE, METHOD_EXECUTE, WRITE_PROVIDER (also inherited)",
            "  NT AUTHORITY\\Authenticated Users (AU) allowed: ENABLE",
            "  BUILTIN\\Administrators (BA) allowed: full control (inherited)",
            "  D:(D;;DC;;;BG)(A;CI;CCDCRP;;;AU)(A;CI;CC;;;AU)",
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
    }
}
