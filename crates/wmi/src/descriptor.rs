//! Security descriptors as CIM objects: `__SecurityDescriptor`, `__ACE` and `__Trustee`, or the corresponding
//! Win32 classes.

use cim::{Instance, Schema, Status, Value};
use sddl::{
    AccessKind, AccessMask, Ace, AceFlags, Acl, AclFlags, AuditKind, Principal, RelativeSid,
    SecurityDescriptor, Sid, Token,
};

use crate::ProviderError;

/// Classes of the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `__SecurityDescriptor`, `__ACE` and `__Trustee`; the owner is an ACE.
    System,
    /// `Win32_SecurityDescriptor`, `Win32_ACE` and `Win32_Trustee`; the owner is a trustee.
    Win32,
}

/// Mapping between SIDs and account names.
pub trait Accounts {
    /// Returns the SID of an alias of the machine or its domain.
    fn resolve(&self, alias: RelativeSid) -> Option<Sid>;

    /// Returns domain and name of an account, or `None` if it is unknown.
    fn account(&self, sid: Sid) -> Option<(Option<String>, String)> {
        let name = sid.name()?;
        let parts = name.split_once('\\').map(|(domain, name)| (Some(domain.to_owned()), name.to_owned()));
        Some(parts.unwrap_or_else(|| (None, name.to_owned())))
    }

    /// Returns the account with this name, in the given domain or in any.
    fn named(&self, _domain: Option<&str>, name: &str) -> Option<Principal> {
        Principal::named(name)
    }
}

/// Resolves well-known accounts, and the aliases of the token's machine.
impl Accounts for Option<&Token> {
    fn resolve(&self, alias: RelativeSid) -> Option<Sid> {
        self.and_then(|token| token.resolve(alias))
    }
}

impl Form {
    fn classes(self) -> [&'static str; 3] {
        match self {
            Self::System => ["__SecurityDescriptor", "__ACE", "__Trustee"],
            Self::Win32 => ["Win32_SecurityDescriptor", "Win32_ACE", "Win32_Trustee"],
        }
    }
}

/// Returns the descriptor as an object, with account names.
///
/// # Errors
/// If the schema lacks one of the classes.
pub fn write(
    schema: &Schema,
    form: Form,
    descriptor: &SecurityDescriptor,
    accounts: &dyn Accounts,
) -> Result<Value, ProviderError> {
    let [of_descriptor, of_entry, of_trustee] = form.classes();
    let trustee = |principal: Principal| -> Result<Value, ProviderError> {
        let sid = match principal {
            Principal::Sid(sid) => Some(sid),
            Principal::Relative(relative) => accounts.resolve(relative),
        };
        let mut object = Instance::new(schema.require(of_trustee)?);
        if let Some(sid) = sid {
            let octets = sid.encode();
            object = object
                .with("SidLength", u32::try_from(octets.len()).unwrap_or_default())?
                .with("SID", octets)?
                .with("SIDString", sid.numeric().to_string())?;
        }
        if let Some((domain, name)) = sid.and_then(|sid| accounts.account(sid)) {
            object = object.with("Name", name)?.with("Domain", domain)?;
        }
        Ok(Value::Object(object.into()))
    };
    let entry = |code: u32, flags: AceFlags, rights: AccessMask, principal| -> Result<Value, ProviderError> {
        let object = Instance::new(schema.require(of_entry)?)
            .with("AccessMask", rights.bits())?
            .with("AceFlags", u32::from(flags.bits()))?
            .with("AceType", code)?
            .with("Trustee", trustee(principal)?)?;
        Ok(Value::Object(object.into()))
    };
    let owner = |principal: Option<Principal>| match (principal, form) {
        (None, _) => Ok(Value::Null),
        // In this form the owner is an ACE whose trustee is the account.
        (Some(principal), Form::System) => entry(0, AceFlags::NONE, AccessMask::NONE, principal),
        (Some(principal), Form::Win32) => trustee(principal),
    };
    let dacl = descriptor.dacl().map(|dacl| {
        let aces = dacl.aces.iter();
        aces.map(|ace| entry(access_code(ace.kind), ace.flags, ace.rights, ace.principal))
            .collect::<Result<Vec<_>, _>>()
    });
    let sacl = descriptor.sacl().map(|sacl| {
        let aces = sacl.aces.iter();
        aces.map(|ace| entry(audit_code(ace.kind), ace.flags, ace.rights, ace.principal))
            .collect::<Result<Vec<_>, _>>()
    });
    let object = Instance::new(schema.require(of_descriptor)?)
        .with("ControlFlags", u32::from(descriptor.control()))?
        .with("Owner", owner(descriptor.owner())?)?
        .with("Group", owner(descriptor.group())?)?
        .with("DACL", dacl.transpose()?)?
        .with("SACL", sacl.transpose()?)?;
    Ok(Value::Object(object.into()))
}

/// Reads the descriptor from an object of either form; without a DACL if the property is NULL.
///
/// `ControlFlags` determines inheritance flags only; the presence of lists follows from their entries.
///
/// # Errors
/// The first problem found; [`Status::NotFound`] for an unknown account.
pub fn read(object: &Instance, accounts: &dyn Accounts) -> Result<SecurityDescriptor, ProviderError> {
    let control = number(object, "ControlFlags").unwrap_or_default();
    let control = u16::try_from(control).map_err(|_| wrong("ControlFlags has more than 16 bits"))?;
    let access = |code| match code {
        Some(0) => Ok(AccessKind::Allowed),
        Some(1) => Ok(AccessKind::Denied),
        _ => Err(wrong("the AceType of an entry must be 0, which allows, or 1, which denies")),
    };
    let audit = |code| match code {
        Some(2) => Ok(AuditKind::Audit),
        Some(3) => Ok(AuditKind::Alarm),
        _ => Err(wrong("the AceType of an entry of SACL must be 2, which audits, or 3, which alarms")),
    };
    let dacl_is_told = number(object, "ControlFlags").is_some_and(|control| control & DACL_PRESENT != 0);
    let dacl = list(object, "DACL", access, AclFlags::of_dacl(control), accounts)?;
    if dacl_is_told && dacl.is_none() {
        return Err(wrong("ControlFlags tells of a DACL that is not there, which would let everyone in"));
    }
    let sacl = list(object, "SACL", audit, AclFlags::of_sacl(control), accounts)?;
    let owner = |name| match object.value(name) {
        Some(Value::Object(entry)) => match entry.value("Trustee") {
            Some(Value::Object(trustee)) => principal(trustee, accounts).map(Some),
            _ => principal(entry, accounts).map(Some),
        },
        _ => Ok(None),
    };
    // An empty SACL audits nothing and is the same as none.
    let sacl = sacl.filter(|sacl| !sacl.aces.is_empty());
    SecurityDescriptor::new(owner("Owner")?, owner("Group")?, dacl, sacl).map_err(|error| refused(&error))
}

/// Reads one of the lists; `None` if the property is NULL.
fn list<Kind>(
    object: &Instance,
    name: &str,
    kind: impl Fn(Option<u32>) -> Result<Kind, ProviderError>,
    flags: AclFlags,
    accounts: &dyn Accounts,
) -> Result<Option<Acl<Kind>>, ProviderError> {
    let Some(Value::Array(entries)) = object.value(name) else { return Ok(None) };
    let aces = entries.iter().map(|entry| match entry {
        Value::Object(entry) => ace(entry, &kind, accounts),
        _ => Err(wrong("DACL and SACL must hold entries")),
    });
    Ok(Some(Acl { flags, aces: aces.collect::<Result<_, _>>()? }))
}

fn ace<Kind>(
    object: &Instance,
    kind: impl Fn(Option<u32>) -> Result<Kind, ProviderError>,
    accounts: &dyn Accounts,
) -> Result<Ace<Kind>, ProviderError> {
    let kind = kind(number(object, "AceType"))?;
    let rights = number(object, "AccessMask").ok_or_else(|| wrong("an entry has no AccessMask"))?;
    let flags = u8::try_from(number(object, "AceFlags").unwrap_or_default()).ok();
    let flags = flags.and_then(AceFlags::from_bits).ok_or_else(|| wrong("an entry has unknown AceFlags"))?;
    let Some(Value::Object(trustee)) = object.value("Trustee") else {
        return Err(wrong("an entry has no Trustee"));
    };
    Ok(Ace { kind, flags, rights: AccessMask::from_bits(rights), principal: principal(trustee, accounts)? })
}

/// Reads a trustee from its SID, in text or binary form, or from its name.
fn principal(trustee: &Instance, accounts: &dyn Accounts) -> Result<Principal, ProviderError> {
    let text = |name| trustee.value(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(sid) = text("SIDString") {
        return Principal::parse(sid).map_err(|error| refused(&error));
    }
    if let Some(octets) = octets(trustee.value("SID")).filter(|octets| !octets.is_empty()) {
        return Sid::decode(&octets).map(Principal::Sid).map_err(|error| refused(&error));
    }
    let Some(name) = text("Name") else { return Err(wrong("a Trustee needs its SID or SIDString")) };
    let unknown =
        || ProviderError::failed(Status::NotFound, format!("there is no account {name:?} for a Trustee"));
    accounts.named(text("Domain"), name).ok_or_else(unknown)
}

/// Returns an array of bytes; `None` if the value is not one.
#[must_use]
pub fn octets(value: Option<&Value>) -> Option<Vec<u8>> {
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

/// Converts an error of a security descriptor.
pub(crate) fn refused(error: &sddl::SddlError) -> ProviderError {
    wrong(&error.to_string())
}

pub(crate) fn wrong(problem: &str) -> ProviderError {
    ProviderError::failed(Status::InvalidParameter, problem)
}
