//! Descriptors as instances of `__SecurityDescriptor`, `__ACE` and `__Trustee`.

use cim::{Instance, Schema, Value};
use sddl::{
    AccessKind, AccessMask, Ace, AceFlags, AclFlags, AuditKind, Dacl, Principal, SecurityDescriptor, Sid,
    Token,
};

use super::system_security::{refused, wrong};
use crate::ProviderError;

/// The descriptor as an object.
pub(super) fn write(
    schema: &Schema,
    descriptor: &SecurityDescriptor,
    token: Option<&Token>,
) -> Result<Value, ProviderError> {
    let trustee = |principal: Principal| -> Result<Value, ProviderError> {
        let sid = match principal {
            Principal::Sid(sid) => Some(sid),
            Principal::Relative(relative) => token.and_then(|token| token.resolve(relative)),
        };
        let mut object = Instance::new(schema.require("__Trustee")?);
        if let Some(sid) = sid {
            let octets = sid.encode();
            object = object
                .with("SidLength", u32::try_from(octets.len()).unwrap_or_default())?
                .with("SID", Value::Array(octets.into_iter().map(Value::from).collect()))?
                .with("SIDString", sid.numeric().to_string())?;
        }
        let Some(name) = sid.and_then(|sid| sid.name()) else { return Ok(Value::Object(object.into())) };
        let (domain, name) =
            name.split_once('\\').map_or((None, name), |(domain, name)| (Some(domain), name));
        let object = object.with("Name", name)?.with("Domain", domain.map_or(Value::Null, Value::text))?;
        Ok(Value::Object(object.into()))
    };
    let entry = |code: u32, flags: AceFlags, rights: AccessMask, principal| -> Result<Value, ProviderError> {
        let object = Instance::new(schema.require("__ACE")?)
            .with("AccessMask", rights.bits())?
            .with("AceFlags", u32::from(flags.bits()))?
            .with("AceType", code)?
            .with("Trustee", trustee(principal)?)?;
        Ok(Value::Object(object.into()))
    };
    // An owner stands in an entry here, whose trustee says who it is.
    let owner = |principal: Option<Principal>| {
        principal.map_or(Ok(Value::Null), |principal| entry(0, AceFlags::NONE, AccessMask::NONE, principal))
    };
    let dacl = descriptor.dacl().into_iter().flat_map(|dacl| &dacl.aces);
    let dacl = dacl.map(|ace| entry(access_code(ace.kind), ace.flags, ace.rights, ace.principal));
    let sacl = descriptor.sacl().into_iter().flat_map(|sacl| &sacl.aces);
    let sacl = sacl.map(|ace| entry(audit_code(ace.kind), ace.flags, ace.rights, ace.principal));
    let is_protected = descriptor.dacl().is_some_and(|dacl| dacl.flags.contains(AclFlags::PROTECTED));
    let control = SELF_RELATIVE | DACL_PRESENT | if is_protected { DACL_PROTECTED } else { 0 };
    let object = Instance::new(schema.require("__SecurityDescriptor")?)
        .with("ControlFlags", control)?
        .with("Owner", owner(descriptor.owner())?)?
        .with("Group", owner(descriptor.group())?)?
        .with("DACL", Value::Array(dacl.collect::<Result<_, _>>()?))?
        .with("SACL", Value::Array(sacl.collect::<Result<_, _>>()?))?;
    Ok(Value::Object(object.into()))
}

/// The descriptor of an object; also one of the Win32 classes, whose properties have the same names.
///
/// Its SACL is not taken: nothing is recorded by it here.
pub(super) fn read(object: &Instance) -> Result<SecurityDescriptor, ProviderError> {
    let control = number(object, "ControlFlags").unwrap_or(DACL_PRESENT);
    let Some(Value::Array(entries)) = object.value("DACL") else {
        return Err(wrong("a descriptor without DACL would let everyone in: give it entries"));
    };
    let aces = entries.iter().map(|entry| match entry {
        Value::Object(entry) => ace(entry),
        _ => Err(wrong("DACL must hold instances of __ACE")),
    });
    let flags = if control & DACL_PROTECTED == 0 { AclFlags::NONE } else { AclFlags::PROTECTED };
    let dacl = Dacl { flags, aces: aces.collect::<Result<_, _>>()? };
    let owner = |name| match object.value(name) {
        Some(Value::Object(entry)) => match entry.value("Trustee") {
            Some(Value::Object(trustee)) => principal(trustee).map(Some),
            _ => principal(entry).map(Some),
        },
        _ => Ok(None),
    };
    SecurityDescriptor::new(owner("Owner")?, owner("Group")?, Some(dacl), None)
        .map_err(|error| refused(&error))
}

fn ace(object: &Instance) -> Result<Ace<AccessKind>, ProviderError> {
    let kind = match number(object, "AceType") {
        Some(0) => AccessKind::Allowed,
        Some(1) => AccessKind::Denied,
        _ => return Err(wrong("the AceType of an entry must be 0, which allows, or 1, which denies")),
    };
    let rights = number(object, "AccessMask").ok_or_else(|| wrong("an entry has no AccessMask"))?;
    let flags = u8::try_from(number(object, "AceFlags").unwrap_or_default()).ok();
    let flags = flags.and_then(AceFlags::from_bits).ok_or_else(|| wrong("an entry has unknown AceFlags"))?;
    let Some(Value::Object(trustee)) = object.value("Trustee") else {
        return Err(wrong("an entry has no Trustee"));
    };
    Ok(Ace { kind, flags, rights: AccessMask::from_bits(rights), principal: principal(trustee)? })
}

/// Who it is: by its SID, as numbers or octets, or by a name that is the same on all machines.
fn principal(trustee: &Instance) -> Result<Principal, ProviderError> {
    if let Some(Value::String(text)) = trustee.value("SIDString")
        && !text.is_empty()
    {
        return Principal::parse(text).map_err(|error| refused(&error));
    }
    if let Some(octets) = octets(trustee.value("SID")) {
        return Sid::decode(&octets).map(Principal::Sid).map_err(|error| refused(&error));
    }
    let name = trustee.value("Name").and_then(Value::as_str).unwrap_or_default();
    Principal::named(name).ok_or_else(|| wrong("a Trustee needs its SID or SIDString"))
}

pub(super) fn octets(value: Option<&Value>) -> Option<Vec<u8>> {
    let Some(Value::Array(values)) = value else { return None };
    values.iter().map(|value| u8::try_from(value.as_integer()?).ok()).collect()
}

fn number(object: &Instance, name: &str) -> Option<u32> {
    u32::try_from(object.value(name)?.as_integer()?).ok()
}

fn access_code(kind: AccessKind) -> u32 {
    match kind {
        AccessKind::Allowed => 0,
        AccessKind::Denied => 1,
    }
}

fn audit_code(kind: AuditKind) -> u32 {
    match kind {
        AuditKind::Audit => 2,
        AuditKind::Alarm => 3,
    }
}

const DACL_PRESENT: u32 = 0x0004;
const DACL_PROTECTED: u32 = 0x1000;
const SELF_RELATIVE: u32 = 0x8000;
