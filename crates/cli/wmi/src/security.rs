//! `telarch wmi security`: the access rights of a namespace.

use cim::{Instance, Namespace, ObjectPath, Value};
use sddl::{AccessKind, SecurityDescriptor};
use wmi::Rights;

use super::local::{LocalWmi, failed};
use super::source::Source;
use cli_command::Failure;

pub(super) fn run(
    source: &Source,
    namespace: Option<Namespace>,
    sddl: Option<&str>,
) -> Result<String, Failure> {
    let namespace = namespace.unwrap_or_else(|| source.namespace().clone());
    let bytes = sddl.map(|text| SecurityDescriptor::parse(text).and_then(|one| one.encode(None)));
    let bytes = bytes.transpose();
    let bytes = bytes
        .map_err(|error| Failure::failed(error, "expected a form such as D:(A;CI;CCDCWP;;;S-1-5-21-...)"))?;
    let descriptor = match source {
        Source::Remote(remote) => {
            bytes.map_or(Ok(()), |bytes| remote.set_descriptor(&namespace, &bytes))?;
            remote.descriptor(&namespace)?
        }
        Source::Local(local) => {
            local.engine().schema(&namespace).map_err(failed)?;
            bytes.map_or(Ok(()), |bytes| set(local, &namespace, bytes))?;
            SecurityDescriptor::clone(&local.engine().descriptor(&namespace))
        }
    };
    Ok(shown(&namespace, &descriptor))
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

fn shown(namespace: &Namespace, descriptor: &SecurityDescriptor) -> String {
    let mut text = format!("{namespace}\n");
    for ace in descriptor.dacl().into_iter().flat_map(|dacl| &dacl.aces) {
        let rights = Rights::from_bits_truncate(ace.rights.bits());
        let access = match ace.kind {
            AccessKind::Allowed => "allowed",
            AccessKind::Denied => "denied",
        };
        let inherited = if ace.flags.contains(sddl::AceFlags::INHERITED) { " (inherited)" } else { "" };
        let rights = if rights == Rights::all() { "full control".to_owned() } else { rights.to_string() };
        text += &format!("  {} {access}: {rights}{inherited}\n", ace.principal.describe());
    }
    text + &format!("  {descriptor}\n")
}
