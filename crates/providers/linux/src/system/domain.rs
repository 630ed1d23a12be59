//! Membership of the machine in a domain or workgroup.

use std::collections::HashMap;

use cim::{Instance, Value};
use linux::bus::{BusError, Object};
use zbus::{Connection, OwnedObjectPath, Variant};

use super::power::{DONE, INVALID_PARAMETER, NOT_SUPPORTED, code};
use crate::Machine;
use crate::table::nonempty_text_in;

/// Membership of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// Member of the domain with this name.
    Domain(String),
    /// Member of no domain, with the name of its workgroup.
    Workgroup(String),
}

impl Membership {
    /// Reads the membership from Samba or realmd; a machine without a Kerberos keytab is not a member of a
    /// domain.
    pub(crate) fn of(machine: &Machine) -> Self {
        let samba = machine.text("etc/samba/smb.conf").unwrap_or_default();
        let has_keys = machine.path("etc/krb5.keytab").exists();
        let domain = has_keys
            .then(|| {
                ({
                    let is_member = setting_of(&samba, "security")
                        .is_some_and(|security| security.eq_ignore_ascii_case("ads"));
                    setting_of(&samba, "realm").filter(|_| is_member).map(|realm| realm.to_ascii_lowercase())
                })
                .or_else(|| by_realmd(machine))
            })
            .flatten();
        match domain {
            Some(domain) => Self::Domain(domain),
            None => {
                Self::Workgroup(setting_of(&samba, "workgroup").unwrap_or_else(|| "WORKGROUP".to_owned()))
            }
        }
    }

    pub(crate) fn is_member(&self) -> bool {
        matches!(self, Self::Domain(_))
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Domain(name) | Self::Workgroup(name) => name,
        }
    }
}

/// Returns a setting of the global section of smb.conf(5), whose names ignore case and blanks.
fn setting_of(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let mut section = "global".to_owned();
    let mut found = None;
    for line in lines {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_ascii_lowercase();
        } else if let Some((key, value)) = line.split_once('=')
            && section == "global"
            && key.trim().eq_ignore_ascii_case(name)
            && !value.trim().is_empty()
        {
            found = Some(value.trim().to_owned());
        }
    }
    found
}

/// Implements `JoinDomainOrWorkgroup`: realmd joins the domain with the given account. Returns the code of
/// the method.
pub(super) fn join(machine: &Machine, input: &Instance) -> u32 {
    let options = input.value("FJoinOptions").and_then(Value::as_integer).unwrap_or_default();
    let Some(domain) = nonempty_text_in(input, "Name") else { return INVALID_PARAMETER };
    // Without this bit the name is that of a workgroup, which cannot be joined here.
    if options & JOIN_DOMAIN == 0 {
        return NOT_SUPPORTED;
    }
    let (Some(user), Some(password)) =
        (nonempty_text_in(input, "UserName"), nonempty_text_in(input, "Password"))
    else {
        return INVALID_PARAMETER;
    };
    let joined = machine.bus().wait(async |bus| {
        let nothing: HashMap<&str, Variant<'_>> = HashMap::new();
        let (_, found): (i32, Vec<OwnedObjectPath>) =
            REALMD.ask(&bus, "Discover", &(domain, nothing)).await?;
        let Some(path) = found.first() else { return Ok(NO_SUCH_DOMAIN) };
        let mut options = HashMap::new();
        if let Some(unit) = nonempty_text_in(input, "AccountOU") {
            options.insert("computer-ou", Variant::from(unit));
        }
        let credentials = credentials(user, password);
        membership(path.as_str()).call(&bus, "Join", &(credentials, options)).await?;
        Ok(DONE)
    });
    joined.unwrap_or_else(|error| refusal(&error))
}

/// Implements `UnjoinDomainOrWorkgroup`; returns the code of the method.
pub(super) fn leave(machine: &Machine, input: &Instance) -> u32 {
    let left = machine.bus().wait(async |bus| {
        let Some(path) = configured(&bus).await?.map(|(path, _)| path) else { return Ok(NOT_JOINED) };
        let nothing: HashMap<&str, Variant<'_>> = HashMap::new();
        let credentials = match (nonempty_text_in(input, "UserName"), nonempty_text_in(input, "Password")) {
            (Some(user), Some(password)) => credentials(user, password),
            // Without credentials, the account of the machine remains in the domain.
            _ => ("automatic", "none", Variant::from("")),
        };
        membership(&path).call(&bus, "Leave", &(credentials, nothing)).await?;
        Ok(DONE)
    });
    left.unwrap_or_else(|error| refusal(&error))
}

/// Returns credentials in the form of realmd: their type, their owner, and the value.
fn credentials<'a>(user: &'a str, password: &'a str) -> (&'static str, &'static str, Variant<'a>) {
    // Windows writes DOMAIN\user or user@domain.
    let user = user.rsplit('\\').next().unwrap_or(user);
    let user = user.split('@').next().unwrap_or(user);
    ("password", "administrator", Variant::from((user, password)))
}

fn membership(path: &str) -> Object<'_> {
    Object { path, interface: "org.freedesktop.realmd.KerberosMembership", ..REALMD }
}

fn refusal(error: &BusError) -> u32 {
    let BusError::Refused { name, .. } = error else { return code(error) };
    match name.rsplit('.').next() {
        Some("AuthenticationFailed") => LOGON_FAILURE,
        Some("AlreadyConfigured") => ALREADY_JOINED,
        Some("NotConfigured") => NOT_JOINED,
        _ => code(error),
    }
}

/// Returns path and name of the first realm that the machine has joined.
async fn configured(bus: &Connection) -> Result<Option<(String, Option<String>)>, BusError> {
    for path in REALMD.properties(bus).await?.texts("Realms") {
        let realm = Object { path: &path, interface: "org.freedesktop.realmd.Realm", ..REALMD };
        let details = realm.properties(bus).await?;
        if details.text("Configured").is_some() {
            let name = details.text("Name").map(str::to_owned);
            return Ok(Some((path, name)));
        }
    }
    Ok(None)
}

/// Returns the first realm that the machine has joined according to realmd.
fn by_realmd(machine: &Machine) -> Option<String> {
    machine.bus().wait(async |bus| configured(&bus).await).ok().flatten()?.1
}

/// Service that manages domain membership (realmd's D-Bus interface, version 0.1).
const REALMD: Object<'_> = Object {
    service: "org.freedesktop.realmd",
    path: "/org/freedesktop/realmd",
    interface: "org.freedesktop.realmd.Provider",
};

/// Bit of `FJoinOptions` for a domain (`NETSETUP_JOIN_DOMAIN`).
const JOIN_DOMAIN: i128 = 1;

const LOGON_FAILURE: u32 = 1_326;
const NO_SUCH_DOMAIN: u32 = 1_355;
const ALREADY_JOINED: u32 = 2_691;
const NOT_JOINED: u32 = 2_692;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_samba_are_those_of_the_global_section() {
        let text = "; x\n[global]\n  Workgroup = OFFICE\n#realm = A\nrealm=EXAMPLE.ORG\n[share]\nrealm = B\n";
        assert_eq!(setting_of(text, "workgroup").as_deref(), Some("OFFICE"));
        assert_eq!(setting_of(text, "realm").as_deref(), Some("EXAMPLE.ORG"));
        assert_eq!(setting_of(text, "security"), None);
    }
}
