//! WMI of this machine for the service, by the object manager.

use std::path::Path;

use accounts::MachineSid;
use cimom::ObjectManager;
use cli_command::Failure;
use cli_command::paths::{IfMissing, repository};
use hardware::HostFile;
use management_web::LocalWmi;
use repository::Repository;
use sddl::DomainSid;
use tokio::runtime::Handle;
use wmi::Engine;

use crate::locations::failed;

/// Classes and instances that were added to those of the providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddedClasses {
    /// None.
    None,
    /// Those of the machine's service, or of the user's service.
    OfService,
}

/// WMI of this machine.
pub(crate) struct MachineWmi {
    manager: ObjectManager,
    machine: DomainSid,
}

impl MachineWmi {
    /// Opens WMI of this machine, whose private files are in a state directory. The engine is created on first use.
    pub(crate) fn open(state: &Path, added: AddedClasses) -> Result<Self, Failure> {
        let path = match added {
            AddedClasses::None => None,
            AddedClasses::OfService => Some(repository(IfMissing::Leave)?),
        };
        // A repository whose directory does not exist is empty.
        let path = path.filter(|path| path.parent().is_some_and(Path::exists));
        let repository = match path {
            Some(path) => Repository::open(&path).map_err(failed)?,
            None => Repository::in_memory(),
        };
        let of_user = Some(state.to_owned());
        let hosts = HostFile::of_state(state);
        let machine = MachineSid::find(state).map_err(failed)?.map_or(UNKNOWN_MACHINE, MachineSid::domain);
        let manager = ObjectManager::new(state, of_user, hosts, repository, Handle::current());
        Ok(Self { manager, machine })
    }
}

impl LocalWmi for MachineWmi {
    fn engine(&self) -> Result<Engine, wmi::Error> {
        Ok(self.manager.engine()?.engine())
    }

    fn machine_sid(&self) -> DomainSid {
        self.machine
    }
}

/// SID of a machine without an identifier, which no entry of a descriptor names.
const UNKNOWN_MACHINE: DomainSid = DomainSid::new([0; 3]);
