//! `telarch wmi security`: who may do what in a namespace.

use cim::{Instance, Namespace, ObjectPath, Value};
use sddl::{AccessKind, SecurityDescriptor};
use wmi::Rights;

use super::here::Here;
use super::here::failed;
use super::source::Source;
use cli_command::Failure;

pub(super) fn run(
    source: &Source,
    namespace: Option<Namespace>,
    sddl: Option<&str>,
) -> Result<String, Failure> {
    let namespace = namespace.unwrap_or_else(|| source.namespace().clone());
    let wrong = |error: sddl::SddlError| Failure::failed(error, "write it as D:(A;CI;CCDCWP;;;S-1-5-21-...)");
    let octets = sddl.map(|text| SecurityDescriptor::parse(text).and_then(|one| one.encode(None)));
    let octets = octets.transpose().map_err(wrong)?;
    let descriptor = match source {
        Source::There(there) => {
            octets.map_or(Ok(()), |octets| there.set_descriptor(&namespace, &octets))?;
            there.descriptor(&namespace)?
        }
        Source::Here(here) => {
            here.engine().schema(&namespace).map_err(failed)?;
            octets.map_or(Ok(()), |octets| set(here, &namespace, octets))?;
            SecurityDescriptor::clone(&here.engine().descriptor(&namespace))
        }
    };
    Ok(shown(&namespace, &descriptor))
}

fn set(here: &Here, namespace: &Namespace, octets: Vec<u8>) -> Result<(), Failure> {
    let path = ObjectPath::parse("__SystemSecurity=@").map_err(|error| Failure::Failed(error.to_string()))?;
    let input = |operation: &cim::Operation| {
        let octets = Value::Array(octets.into_iter().map(Value::from).collect());
        Instance::new(operation.input.clone()).with("SD", octets)
    };
    let call = here.engine();
    here.runtime().block_on(call.invoke(here.context(), namespace, &path, "SetSD", input)).map_err(failed)?;
    Ok(())
}

fn shown(namespace: &Namespace, descriptor: &SecurityDescriptor) -> String {
    let mut text = format!("{namespace}\n");
    for ace in descriptor.dacl().into_iter().flat_map(|dacl| &dacl.aces) {
        let rights = Rights::from_bits_truncate(ace.rights.bits());
        let does = match ace.kind {
            AccessKind::Allowed => "may",
            AccessKind::Denied => "must not",
        };
        let inherited = if ace.flags.contains(sddl::AceFlags::INHERITED) { " (inherited)" } else { "" };
        let rights = if rights == Rights::all() { "do everything".to_owned() } else { rights.to_string() };
        text += &format!("  {} {does}: {rights}{inherited}\n", ace.principal.describe());
    }
    text + &format!("  {descriptor}\n")
}
