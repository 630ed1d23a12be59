//! Mount and unmount events: the kernel signals changes of `/proc/self/mountinfo` (proc_pid_mounts(5)).

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use cim::{Class, Instance, Status, Value};
use linux::mounts;
use readiness::watch;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use wmi::{BoxFuture, Changes, EventSource, Happening, ProviderError, Watch};

use super::instance;
use crate::Machine;

/// Event source for changes of mounts.
pub(crate) struct MountChanges {
    machine: Arc<Machine>,
    file: AsyncFd<OwnedFd>,
}

/// Returns a source that reports mounts and unmounts. `None` if modifications are requested, because changes
/// of free space are not reported.
///
/// # Errors
/// None: without a source polling is used.
pub(crate) fn of_mounted(
    machine: &Arc<Machine>,
    watch: &Watch<'_>,
) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
    if watch.changes.contains(Changes::MODIFICATION) {
        return Ok(None);
    }
    let source = MountChanges::open(machine).ok();
    Ok(source.map(|source| Box::new(source) as Box<dyn EventSource>))
}

impl MountChanges {
    /// Starts to watch.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub(crate) fn open(machine: &Arc<Machine>) -> io::Result<Self> {
        let file = File::open(machine.path("proc/self/mountinfo"))?;
        // The file is always readable; a change is signalled as priority data.
        let file = watch(file.into(), Interest::PRIORITY)?;
        Ok(Self { machine: Arc::clone(machine), file })
    }

    async fn changed(&mut self) -> io::Result<()> {
        let mut ready = self.file.ready_mut(Interest::PRIORITY).await?;
        ready.clear_ready();
        Ok(())
    }

    /// Returns mount points and sources.
    fn mounted(&self) -> io::Result<BTreeSet<(String, String)>> {
        let mounts = mounts::mounts(&self.machine)?;
        Ok(mounts.into_iter().map(|mount| (mount.place, mount.source)).collect())
    }
}

/// Reports possible changes of instances that are mounted file systems.
impl EventSource for MountChanges {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            self.changed().await.map_err(|error| failed(&error))?;
            Ok(Happening::Changed)
        })
    }
}

/// Event source of `Win32_VolumeChangeEvent`: volumes that were mounted and unmounted.
pub(super) struct VolumeChanges {
    changes: MountChanges,
    class: Arc<Class>,
    mounted: BTreeSet<(String, String)>,
    ready: VecDeque<Instance>,
}

/// Values of `EventType`.
const ARRIVAL: u16 = 2;
const REMOVAL: u16 = 3;

impl VolumeChanges {
    pub(super) fn new(changes: MountChanges, class: Arc<Class>) -> Self {
        let mounted = changes.mounted().unwrap_or_default();
        Self { changes, class, mounted, ready: VecDeque::new() }
    }

    async fn hear(&mut self) -> Result<(), ProviderError> {
        self.changes.changed().await.map_err(|error| failed(&error))?;
        let now = self.changes.mounted().map_err(|error| failed(&error))?;
        let gone = self.mounted.difference(&now).map(|mount| (REMOVAL, mount));
        let come = now.difference(&self.mounted).map(|mount| (ARRIVAL, mount));
        for (kind, (place, _)) in gone.chain(come) {
            let values = [("EventType", Value::Uint16(kind)), ("DriveName", Value::text(place.as_str()))];
            self.ready.push_back(instance(&self.class, values)?);
        }
        self.mounted = now;
        Ok(())
    }
}

impl EventSource for VolumeChanges {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                if let Some(event) = self.ready.pop_front() {
                    return Ok(Happening::Event(event));
                }
                self.hear().await?;
            }
        })
    }
}

pub(super) fn failed(error: &io::Error) -> ProviderError {
    ProviderError::failed(Status::Failed, format!("cannot receive mount events: {error}"))
}
