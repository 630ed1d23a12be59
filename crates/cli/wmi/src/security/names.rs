//! Names of users and groups, and their SIDs.

use std::collections::BTreeMap;

use accounts::{FileAccounts, LocalPrincipals, MachineSid, ServiceScope, UnixUsers};
use cli::format::harmless;
use cli::winrm::principals::LookupKey;
use cli_command::Failure;
use config::Paths;
use sddl::{DomainSid, Principal, SecurityDescriptor, Sid};

use crate::local::LocalWmi;
use crate::remote::RemoteWmi;
use crate::source::Source;

/// The users and groups of a machine.
pub(super) enum Directory<'s> {
    Local {
        principals: LocalPrincipals,
        /// `None` until the service has run once; then only SIDs that do not depend on the machine are known.
        machine: Option<DomainSid>,
    },
    Remote(&'s RemoteWmi),
}

/// Names of the SIDs in a descriptor.
#[derive(Default)]
pub(super) struct Names(BTreeMap<Sid, String>);

impl<'s> Directory<'s> {
    pub(super) fn of(source: &'s Source) -> Result<Self, Failure> {
        match source {
            Source::Remote(remote) => Ok(Self::Remote(remote)),
            Source::Local(local) => Self::of_this_machine(local),
        }
    }

    fn of_this_machine(local: &LocalWmi) -> Result<Self, Failure> {
        // The service keeps its SID beside the repository.
        let machine = MachineSid::find(local.directory()).map_err(failed)?;
        let me = rustix::process::geteuid();
        let scope =
            if me.is_root() { ServiceScope::Machine } else { ServiceScope::OneUser { uid: me.as_raw() } };
        let accounts = Paths::of_this_process().and_then(|paths| FileAccounts::open(&paths.accounts).ok());
        Ok(Self::Local {
            principals: LocalPrincipals::new(scope, UnixUsers::of_this_machine(), accounts),
            machine: machine.map(MachineSid::domain),
        })
    }

    /// The prefix of the SIDs of this machine; `None` for another machine.
    pub(super) fn machine(&self) -> Option<DomainSid> {
        match self {
            Self::Local { machine, .. } => *machine,
            Self::Remote(_) => None,
        }
    }

    /// Resolves an alias, a SID, a well-known name, or the name of a user or group of the machine.
    pub(super) fn find(&self, name: &str) -> Result<Sid, Failure> {
        match Principal::parse(name).ok().or_else(|| Principal::named(name)) {
            Some(Principal::Sid(sid)) => return Ok(sid),
            Some(Principal::Relative(relative)) => {
                if let Some(sid) = self.machine().and_then(|machine| relative.resolve(machine, None)) {
                    return Ok(sid);
                }
            }
            None => {}
        }
        match self {
            Self::Local { principals, machine: Some(machine) } => {
                principals.sid_of(name, *machine).ok_or_else(|| unknown(name, "this machine"))
            }
            Self::Local { machine: None, .. } => Err(Failure::failed(
                format!(
                    "cannot resolve \"{name}\": this machine has no SID yet, because its service has not run"
                ),
                "start telarchd once, or give a SID",
            )),
            Self::Remote(remote) => {
                let found = remote.look_up(LookupKey::Name, &[name.to_owned()])?;
                let first = found.first().map(|principal| principal.sid);
                first.ok_or_else(|| unknown(name, remote.host()))
            }
        }
    }

    /// Returns the names of those SIDs in a descriptor that are not well known. SIDs without a name are omitted.
    pub(super) fn names_in(&self, descriptor: &SecurityDescriptor) -> Names {
        let principals = descriptor.dacl().into_iter().flat_map(|dacl| &dacl.aces).map(|ace| ace.principal);
        self.names_of(principals.filter_map(|principal| match principal {
            Principal::Sid(sid) => Some(sid),
            Principal::Relative(_) => None,
        }))
    }

    fn names_of(&self, sids: impl Iterator<Item = Sid>) -> Names {
        let unnamed = sids.filter(|sid| sid.name().is_none()).take(MOST);
        match self {
            Self::Local { principals, machine: Some(machine) } => {
                Names(unnamed.filter_map(|sid| Some((sid, principals.name_of(sid, *machine)?))).collect())
            }
            Self::Local { machine: None, .. } => Names::default(),
            Self::Remote(remote) => {
                let texts: Vec<String> = unnamed.map(|sid| sid.numeric().to_string()).collect();
                if texts.is_empty() {
                    return Names::default();
                }
                // Windows has no such lookup; its SIDs are shown as numbers.
                let found = remote.look_up(LookupKey::Sid, &texts).unwrap_or_default();
                Names(found.into_iter().map(|principal| (principal.sid, principal.name)).collect())
            }
        }
    }
}

impl Names {
    /// Adds the name of a SID, if it has one.
    pub(super) fn add(&mut self, sid: Sid, directory: &Directory<'_>) {
        self.0.extend(directory.names_of(std::iter::once(sid)).0);
    }

    /// Returns name and SID for display.
    pub(super) fn describe(&self, principal: Principal) -> String {
        let name = match principal {
            Principal::Sid(sid) => self.0.get(&sid),
            Principal::Relative(_) => None,
        };
        name.map_or_else(|| principal.describe(), |name| format!("{} ({principal})", harmless(name)))
    }
}

fn unknown(name: &str, machine: &str) -> Failure {
    Failure::failed(
        format!("unknown user or group \"{name}\" on {machine}"),
        "give a user, a group, a well-known name such as \"Authenticated Users\", an alias such as AU, or a SID",
    )
}

fn failed(error: accounts::AccountsError) -> Failure {
    Failure::Failed(error.to_string())
}

/// Maximum number of SIDs in one lookup.
const MOST: usize = 200;
