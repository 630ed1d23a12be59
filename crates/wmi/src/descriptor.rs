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
    let writer = DescriptorWriter { schema, form, accounts };
    let dacl = descriptor.dacl().map(|dacl| {
        let aces = dacl.aces.iter();
        aces.map(|ace| writer.entry(ace.kind.code(), ace.flags, ace.rights, ace.principal))
            .collect::<Result<Vec<_>, _>>()
    });
    let sacl = descriptor.sacl().map(|sacl| {
        let aces = sacl.aces.iter();
        aces.map(|ace| writer.entry(ace.kind.code(), ace.flags, ace.rights, ace.principal))
            .collect::<Result<Vec<_>, _>>()
    });
    let [class, ..] = form.classes();
    let object = Instance::new(schema.require(class)?)
        .with("ControlFlags", u32::from(descriptor.control()))?
        .with("Owner", writer.owner(descriptor.owner())?)?
        .with("Group", writer.owner(descriptor.group())?)?
        .with("DACL", dacl.transpose()?)?
        .with("SACL", sacl.transpose()?)?;
    Ok(Value::Object(object.into()))
}

/// Writer of the parts of a descriptor.
struct DescriptorWriter<'w> {
    schema: &'w Schema,
    form: Form,
    accounts: &'w dyn Accounts,
}

impl DescriptorWriter<'_> {
    fn trustee(&self, principal: Principal) -> Result<Value, ProviderError> {
        let sid = match principal {
            Principal::Sid(sid) => Some(sid),
            Principal::Relative(relative) => self.accounts.resolve(relative),
        };
        let [_, _, class] = self.form.classes();
        let mut object = Instance::new(self.schema.require(class)?);
        if let Some(sid) = sid {
            let octets = sid.encode();
            object = object
                .with("SidLength", u32::try_from(octets.len()).unwrap_or_default())?
                .with("SID", octets)?
                .with("SIDString", sid.numeric().to_string())?;
        }
        if let Some((domain, name)) = sid.and_then(|sid| self.accounts.account(sid)) {
            object = object.with("Name", name)?.with("Domain", domain)?;
        }
        Ok(Value::Object(object.into()))
    }

    fn entry(
        &self,
        code: u8,
        flags: AceFlags,
        rights: AccessMask,
        principal: Principal,
    ) -> Result<Value, ProviderError> {
        let [_, class, _] = self.form.classes();
        let object = Instance::new(self.schema.require(class)?)
            .with("AccessMask", rights.bits())?
            .with("AceFlags", u32::from(flags.bits()))?
            .with("AceType", u32::from(code))?
            .with("Trustee", self.trustee(principal)?)?;
        Ok(Value::Object(object.into()))
    }

    /// Writes owner or group. In the system form it is an ACE whose trustee is the account.
    fn owner(&self, principal: Option<Principal>) -> Result<Value, ProviderError> {
        match (principal, self.form) {
            (None, _) => Ok(Value::Null),
            (Some(principal), Form::System) => self.entry(0, AceFlags::NONE, AccessMask::NONE, principal),
            (Some(principal), Form::Win32) => self.trustee(principal),
        }
    }
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
    let has_dacl = number(object, "ControlFlags").is_some_and(|control| control & DACL_PRESENT != 0);
    let dacl = list(object, "DACL", access_kind, AclFlags::of_dacl(control), accounts)?;
    if has_dacl && dacl.is_none() {
        return Err(wrong(
            "ControlFlags indicates a DACL, but DACL is NULL, which would grant everyone access",
        ));
    }
    let sacl = list(object, "SACL", audit_kind, AclFlags::of_sacl(control), accounts)?;
    // An empty SACL audits nothing and is the same as none.
    let sacl = sacl.filter(|sacl| !sacl.aces.is_empty());
    let (owner, group) = (owner(object, "Owner", accounts)?, owner(object, "Group", accounts)?);
    SecurityDescriptor::new(owner, group, dacl, sacl).map_err(|error| refused(&error))
}

/// Reads owner or group, which is a trustee or an ACE with a trustee.
fn owner(object: &Instance, name: &str, accounts: &dyn Accounts) -> Result<Option<Principal>, ProviderError> {
    match object.value(name) {
        Some(Value::Object(entry)) => match entry.value("Trustee") {
            Some(Value::Object(trustee)) => principal(trustee, accounts).map(Some),
            _ => principal(entry, accounts).map(Some),
        },
        _ => Ok(None),
    }
}

fn access_kind(code: Option<u8>) -> Result<AccessKind, ProviderError> {
    let kind = code.and_then(AccessKind::from_code);
    kind.ok_or_else(|| wrong("the AceType of a DACL entry must be 0 (allow) or 1 (deny)"))
}

fn audit_kind(code: Option<u8>) -> Result<AuditKind, ProviderError> {
    let kind = code.and_then(AuditKind::from_code);
    kind.ok_or_else(|| wrong("the AceType of a SACL entry must be 2 (audit) or 3 (alarm)"))
}

/// Reads one of the lists; `None` if the property is NULL.
fn list<Kind>(
    object: &Instance,
    name: &str,
    kind: impl Fn(Option<u8>) -> Result<Kind, ProviderError>,
    flags: AclFlags,
    accounts: &dyn Accounts,
) -> Result<Option<Acl<Kind>>, ProviderError> {
    let Some(Value::Array(entries)) = object.value(name) else { return Ok(None) };
    let aces = entries.iter().map(|entry| match entry {
        Value::Object(entry) => ace(entry, &kind, accounts),
        _ => Err(wrong("DACL and SACL must contain ACE objects")),
    });
    Ok(Some(Acl { flags, aces: aces.collect::<Result<_, _>>()? }))
}

fn ace<Kind>(
    object: &Instance,
    kind: impl Fn(Option<u8>) -> Result<Kind, ProviderError>,
    accounts: &dyn Accounts,
) -> Result<Ace<Kind>, ProviderError> {
    let kind = kind(number(object, "AceType").and_then(|code| u8::try_from(code).ok()))?;
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
    if let Some(sid) = text(trustee, "SIDString") {
        return Principal::parse(sid).map_err(|error| refused(&error));
    }
    if let Some(octets) = octets(trustee.value("SID")).filter(|octets| !octets.is_empty()) {
        return Sid::decode(&octets).map(Principal::Sid).map_err(|error| refused(&error));
    }
    let Some(name) = text(trustee, "Name") else {
        return Err(wrong("a Trustee requires SID, SIDString or Name"));
    };
    accounts.named(text(trustee, "Domain"), name).ok_or_else(|| {
        ProviderError::failed(Status::NotFound, format!("unknown account '{name}' in a Trustee"))
    })
}

/// Returns a property as non-empty text.
fn text<'i>(object: &'i Instance, name: &str) -> Option<&'i str> {
    object.value(name).and_then(Value::as_str).filter(|text| !text.is_empty())
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

const DACL_PRESENT: u32 = 0x0004;

/// Converts an error of a security descriptor.
pub(crate) fn refused(error: &sddl::SddlError) -> ProviderError {
    wrong(&error.to_string())
}

pub(crate) fn wrong(problem: &str) -> ProviderError {
    ProviderError::failed(Status::InvalidParameter, problem)
}
