//! All known controllers: those of the file and that of this machine.

use std::sync::{Arc, Mutex, PoisonError};

use ipmi::Endpoint;
use zeroize::Zeroizing;

use crate::controller::{Controller, Way};
use crate::hosts::{Entry, HostFile, HostFileError, Mark};
use crate::keeper::driver;
use crate::{HardwareError, HostName, Secrets};

/// The controllers of a file. Changes of the file are applied at the next request; unchanged controllers keep
/// their sessions.
#[derive(Debug)]
pub(crate) struct Controllers {
    file: HostFile,
    /// Controller of this machine, listed if its driver exists.
    own: Arc<Controller>,
    policy: OwnController,
    endpoint: Endpoint,
    seen: Mutex<Seen>,
}

/// Whether the controller of this machine is accessed through its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnController {
    /// The controller is accessed if its driver is loaded.
    Asked,
    /// Only the controllers of the file are accessed.
    LeftAlone,
}

#[derive(Debug, Default)]
struct Seen {
    mark: Option<Mark>,
    controllers: Vec<(Entry, Arc<Controller>)>,
}

impl Controllers {
    /// Creates the list for a file, on a machine with this name.
    pub(crate) fn new(machine: &str, file: HostFile, policy: OwnController) -> Self {
        let endpoint = Endpoint::new();
        let way = Way::Driver(file.keeper().cloned());
        let own = Controller::new(machine.into(), way, endpoint.clone());
        Self { file, own, policy, endpoint, seen: Mutex::default() }
    }

    /// Returns all controllers: that of this machine first, then those of the file in order.
    pub(crate) fn all(&self) -> Result<Vec<Arc<Controller>>, HardwareError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.mark != Some(self.file.mark()) {
            self.look(&mut seen)?;
        }
        let listed = seen.controllers.iter().map(|(_, controller)| controller);
        // A controller in the file with the name of this machine takes its place.
        let is_listed = || listed.clone().any(|one| one.name().eq_ignore_ascii_case(self.own.name()));
        let is_asked = self.policy == OwnController::Asked && driver().is_some() && !is_listed();
        let own = is_asked.then_some(&self.own);
        Ok(own.into_iter().chain(listed.clone()).cloned().collect())
    }

    /// Returns the controllers loaded so far, without reading the file.
    pub(crate) fn known(&self) -> Vec<Arc<Controller>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.controllers.iter().map(|(_, controller)| controller).chain([&self.own]).cloned().collect()
    }

    /// Removes and returns all loaded controllers.
    pub(crate) fn forget(&self) -> Vec<Arc<Controller>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = std::mem::take(&mut *seen).controllers;
        known.into_iter().map(|(_, controller)| controller).chain([self.own.clone()]).collect()
    }

    fn look(&self, seen: &mut Seen) -> Result<(), HostFileError> {
        let read = self.file.entries();
        if matches!(read, Err(HostFileError::NotYours)) {
            // The caller was allowed to read them before; their passwords must not be kept any longer.
            *seen = Seen::default();
        }
        let (entries, mark) = read?;
        let before = std::mem::take(&mut seen.controllers);
        for entry in entries {
            let same =
                before.iter().find(|(known, _)| *known == entry).map(|(_, controller)| controller.clone());
            let controller = same.unwrap_or_else(|| {
                let way = self.file.login(&entry).map_or(Way::Sealed, |login| {
                    Way::Lan(entry.host.address.clone(), login, entry.host.level)
                });
                Controller::new(entry.host.name.as_str().into(), way, self.endpoint.clone())
            });
            seen.controllers.push((entry, controller));
        }
        seen.mark = Some(mark);
        Ok(())
    }

    /// Returns the user name for a controller; `None` for the controller of this machine.
    pub(crate) fn user(&self, controller: &Controller) -> Option<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.controllers.iter().find(|(_, known)| known.name() == controller.name());
        known.map(|(entry, _)| entry.host.user.clone())
    }

    /// Requires that a new password of a controller could be stored.
    ///
    /// # Errors
    /// If only root may change the file.
    pub(crate) fn demand_change(&self) -> Result<(), HardwareError> {
        match self.file.keeper() {
            Some(_) => Err(HostFileError::NotChanged.into()),
            None => Ok(()),
        }
    }

    /// Stores the new password of a controller.
    pub(crate) fn keep_password(&self, controller: &Controller, password: &str) -> Result<(), HardwareError> {
        let name: HostName = controller.name().parse()?;
        let (entries, _) = self.file.entries()?;
        let unknown = || HostFileError::Unknown(name.clone());
        let entry = entries.iter().find(|entry| entry.host.name == name).ok_or_else(unknown)?;
        let group_key = self.file.secrets(entry).ok_or_else(unknown)?.group_key;
        let password = Zeroizing::new(password.as_bytes().to_vec());
        self.file.add(&entry.host, &Secrets { password, group_key })?;
        Ok(())
    }
}
