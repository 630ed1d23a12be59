//! `Win32_SecurityDescriptorHelper`: converts descriptors between text, binary and object form.

use std::sync::Arc;

use cim::{Instance, Status, Value};
use sddl::{SddlError, SecurityDescriptor, Token, well_known};
use wmi::{MethodCall, ProviderError, descriptor};

use crate::Machine;
use crate::account::identity::AccountDirectory;
use crate::table::{Fill, Table};

/// Class with methods only.
pub(super) struct SecurityDescriptorHelper;

impl Table for SecurityDescriptorHelper {
    type Row = ();

    const CLASS: &'static str = "Win32_SecurityDescriptorHelper";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[];

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let (from, to) =
            call.operation.method.name.as_str().split_once("To").ok_or(ProviderError::NotCapable)?;
        let output = Instance::new(call.operation.output.clone());
        let written =
            given(machine, from, call.input).and_then(|descriptor| written(machine, to, &descriptor));
        match written {
            Ok((name, value)) => Ok(output.with(name, value)?.with("ReturnValue", 0_u32)?),
            Err(code) => Ok(output.with("ReturnValue", code)?),
        }
    }
}

/// Reads the descriptor from the input; on failure returns the Windows error code.
fn given(machine: &Machine, form: &str, input: &Instance) -> Result<SecurityDescriptor, u32> {
    match form {
        "SDDL" => {
            let text = input.value("SDDL").and_then(Value::as_str).ok_or(INVALID_PARAMETER)?;
            SecurityDescriptor::parse(text).map_err(|error| code(&error))
        }
        "BinarySD" => {
            let octets = descriptor::octets(input.value("BinarySD")).ok_or(INVALID_PARAMETER)?;
            SecurityDescriptor::decode(&octets).map_err(|error| code(&error))
        }
        _ => {
            let Some(Value::Object(object)) = input.value("Descriptor") else {
                return Err(INVALID_PARAMETER);
            };
            descriptor::read(object, &AccountDirectory::of(machine)).map_err(|error| match error {
                ProviderError::Failed { status: Status::NotFound, .. } => NONE_MAPPED,
                _ => INVALID_SECURITY_DESCRIPTOR,
            })
        }
    }
}

/// Writes the descriptor in the requested form; returns the name and value of the output parameter.
fn written(
    machine: &Machine,
    form: &str,
    descriptor: &SecurityDescriptor,
) -> Result<(&'static str, Value), u32> {
    match form {
        "SDDL" => Ok(("SDDL", descriptor.to_string().into())),
        "BinarySD" => {
            // The token resolves aliases that are relative to the machine's SID.
            let token = machine.sid().map(|machine| Token::new(well_known::EVERYONE, [], machine));
            let octets = descriptor.encode(token.as_ref()).map_err(|error| code(&error))?;
            Ok(("BinarySD", octets.into()))
        }
        _ => {
            let object = super::object(machine, descriptor).map_err(|_| INVALID_SECURITY_DESCRIPTOR)?;
            Ok(("Descriptor", object))
        }
    }
}

/// Returns the Windows error code for an invalid descriptor (MS-ERREF 2.2).
fn code(error: &SddlError) -> u32 {
    match error {
        SddlError::UnknownAlias { .. } | SddlError::RelativeAlias { .. } => NONE_MAPPED,
        SddlError::UnknownRight { .. }
        | SddlError::UnknownAceFlag { .. }
        | SddlError::UnsupportedAceType { .. }
        | SddlError::AceTypeInWrongAcl { .. }
        | SddlError::ObjectGuid { .. }
        | SddlError::NoAccessControl { .. }
        | SddlError::TooManyAces => INVALID_ACL,
        SddlError::SidRevision { .. }
        | SddlError::SidLength { .. }
        | SddlError::SubAuthorityCount { .. }
        | SddlError::AuthorityTooLarge { .. } => INVALID_SID,
        SddlError::Binary { .. } => INVALID_SECURITY_DESCRIPTOR,
        _ => INVALID_PARAMETER,
    }
}

/// `ERROR_INVALID_PARAMETER`
const INVALID_PARAMETER: u32 = 87;
/// `ERROR_NONE_MAPPED`
const NONE_MAPPED: u32 = 1332;
/// `ERROR_INVALID_ACL`
const INVALID_ACL: u32 = 1336;
/// `ERROR_INVALID_SID`
const INVALID_SID: u32 = 1337;
/// `ERROR_INVALID_SECURITY_DESCR`
const INVALID_SECURITY_DESCRIPTOR: u32 = 1338;
