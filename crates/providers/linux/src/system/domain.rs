//! To which domain or workgroup the machine belongs.

use crate::Machine;
use crate::bus::Object;

/// Where the machine belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// It is a member of a domain.
    Domain(String),
    /// It stands for itself.
    Workgroup(String),
}

impl Membership {
    /// What realmd or Samba say; a machine without keys of its own is member of nothing.
    pub(crate) fn of(machine: &Machine) -> Self {
        let samba = machine.text("etc/samba/smb.conf").unwrap_or_default();
        let setting = |name: &str| setting_of(&samba, name);
        let has_keys = machine.path("etc/krb5.keytab").exists();
        let by_samba = || {
            let is_member = setting("security").is_some_and(|security| security.eq_ignore_ascii_case("ads"));
            setting("realm").filter(|_| is_member).map(|realm| realm.to_ascii_lowercase())
        };
        let domain = has_keys.then(|| by_samba().or_else(|| by_realmd(machine))).flatten();
        match domain {
            Some(domain) => Self::Domain(domain),
            None => Self::Workgroup(setting("workgroup").unwrap_or_else(|| "WORKGROUP".to_owned())),
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

/// A setting of the global section of smb.conf(5), whose names know neither case nor blanks.
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

/// The first realm that realmd says the machine has joined.
fn by_realmd(machine: &Machine) -> Option<String> {
    let provider = Object {
        service: "org.freedesktop.realmd",
        path: "/org/freedesktop/realmd",
        interface: "org.freedesktop.realmd.Provider",
    };
    let asked = machine.bus().wait(async |bus| {
        for path in provider.properties(&bus).await?.texts("Realms") {
            let realm = Object { path: &path, interface: "org.freedesktop.realmd.Realm", ..provider };
            let details = realm.properties(&bus).await?;
            if details.text("Configured").is_some() {
                return Ok(details.text("Name").map(str::to_owned));
            }
        }
        Ok(None)
    });
    asked.ok().flatten()
}

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
