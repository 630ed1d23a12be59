//! All known controllers: those of the file and that of this machine.

use std::sync::Arc;

use ipmi::Endpoint;
use locks::Mutex;
use zeroize::Zeroizing;

use crate::controller::{Access, Controller};
use crate::hosts::{Entry, HostFile, HostFileError, Version};
use crate::source::driver;
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
    loaded: Mutex<Loaded>,
}

/// Whether the controller of this machine is accessed through its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnController {
    /// The controller is accessed if its driver is loaded.
    Used,
    /// Only the controllers of the file are accessed.
    Ignored,
}

#[derive(Debug, Default)]
struct Loaded {
    version: Option<Version>,
    controllers: Vec<(Entry, Arc<Controller>)>,
}

impl Controllers {
    /// Creates the list for a file, on a machine with this name.
    pub(crate) fn new(machine: &str, file: HostFile, policy: OwnController) -> Self {
        let endpoint = Endpoint::new();
        let access = Access::Driver(file.source().cloned());
        let own = Controller::new(machine.into(), access, endpoint.clone());
        Self { file, own, policy, endpoint, loaded: Mutex::default() }
    }

    /// Returns all controllers: that of this machine first, then those of the file in order.
    pub(crate) fn all(&self) -> Result<Vec<Arc<Controller>>, HardwareError> {
        let mut loaded = self.loaded.lock();
        if loaded.version != Some(self.file.version()) {
            self.load(&mut loaded)?;
        }
        let listed = loaded.controllers.iter().map(|(_, controller)| controller);
        // A controller in the file with the name of this machine takes its place.
        let is_replaced = listed.clone().any(|one| one.name().eq_ignore_ascii_case(self.own.name()));
        let is_used = self.policy == OwnController::Used && !is_replaced && driver().is_some();
        let own = is_used.then_some(&self.own);
        Ok(own.into_iter().chain(listed).cloned().collect())
    }

    /// Returns the controllers loaded so far, without reading the file.
    pub(crate) fn loaded(&self) -> Vec<Arc<Controller>> {
        let loaded = self.loaded.lock();
        loaded.controllers.iter().map(|(_, controller)| controller).chain([&self.own]).cloned().collect()
    }

    /// Removes and returns all loaded controllers.
    pub(crate) fn forget(&self) -> Vec<Arc<Controller>> {
        let mut loaded = self.loaded.lock();
        let known = std::mem::take(&mut *loaded).controllers;
        known.into_iter().map(|(_, controller)| controller).chain([self.own.clone()]).collect()
    }

    fn load(&self, loaded: &mut Loaded) -> Result<(), HostFileError> {
        let read = self.file.entries();
        if matches!(read, Err(HostFileError::AccessDenied)) {
            // The caller was allowed to read them before; their passwords must not be kept any longer.
            *loaded = Loaded::default();
        }
        let (entries, version) = read?;
        let before = std::mem::take(&mut loaded.controllers);
        for entry in entries {
            let same =
                before.iter().find(|(known, _)| *known == entry).map(|(_, controller)| controller.clone());
            let controller = same.unwrap_or_else(|| {
                let access = self.file.login(&entry).map_or(Access::Undecryptable, |login| {
                    Access::Lan(entry.host.address.clone(), login, entry.host.level)
                });
                Controller::new(entry.host.name.as_str().into(), access, self.endpoint.clone())
            });
            loaded.controllers.push((entry, controller));
        }
        loaded.version = Some(version);
        Ok(())
    }

    /// Returns the user name for a controller; `None` for the controller of this machine.
    pub(crate) fn user(&self, controller: &Controller) -> Option<String> {
        let loaded = self.loaded.lock();
        let known = loaded.controllers.iter().find(|(_, known)| known.name() == controller.name());
        known.map(|(entry, _)| entry.host.user.clone())
    }

    /// Requires that a new password of a controller could be stored.
    ///
    /// # Errors
    /// If only root may change the file.
    pub(crate) fn require_writable(&self) -> Result<(), HardwareError> {
        match self.file.source() {
            Some(_) => Err(HostFileError::ReadOnly.into()),
            None => Ok(()),
        }
    }

    /// Stores the new password of a controller.
    pub(crate) fn store_password(
        &self,
        controller: &Controller,
        password: &str,
    ) -> Result<(), HardwareError> {
        let name: HostName = controller.name().parse()?;
        let (entries, _) = self.file.entries()?;
        let entry = entries.iter().find(|entry| entry.host.name == name);
        let found = entry.and_then(|entry| Some((entry, self.file.secrets(entry)?.group_key)));
        let (entry, group_key) = found.ok_or_else(|| HostFileError::Unknown(name.clone()))?;
        let password = Zeroizing::new(password.as_bytes().to_vec());
        self.file.add(&entry.host, &Secrets { password, group_key })?;
        Ok(())
    }
}
