//! Events reported by Linux.
//!
//! | Class | Source |
//! |---|---|
//! | `Win32_ProcessStartTrace`, `Win32_ProcessStopTrace` | process connector (netlink), if this process may listen to it; otherwise `/proc`, polled twice a second |
//! | `Win32_ThreadStartTrace`, `Win32_ThreadStopTrace` | process connector |
//! | `Win32_ComputerShutdownEvent`, `Win32_PowerManagementEvent` | signals of logind, before the machine stops, before it sleeps, and when it is awake again |
//! | changes of `Win32_Service` | signals of systemd, which trigger a comparison |
//! | `Win32_VolumeChangeEvent` | poll notifications of `/proc/self/mountinfo`, which also trigger a comparison of logical disks |
//! | `Win32_DeviceChangeEvent`, `Win32_SystemConfigurationChangeEvent` | device events of the kernel (netlink), before udev repeats them |
//! | creation and deletion of disks, partitions, volumes and bus devices | device events of the kernel and udev, which trigger a comparison |
//! | changes of `Win32_NetworkAdapter` and its configuration | links, addresses and routes (netlink), and `/etc/resolv.conf` (inotify) |
//! | changes of `Win32_UserAccount`, `Win32_Group`, `Win32_GroupUser` | `/etc/passwd`, `/etc/group` and `/etc/shadow` (inotify) |
//! | changes of `CIM_DataFile` and `Win32_Directory` in a folder | the folder (inotify) |
//! | new records of `Win32_NTLogEvent` | journalctl, which follows the journal (`log`) |
//! | changes of keys and values | the files from which the registry is read (`registry`) |
//! | changes of `Win32_LocalTime` and `Win32_UTCTime` | a timer at each full second |
//!
//! Without subscriptions nothing listens and no timer runs.

mod clock;
mod devices;
mod files;
mod hints;
mod kernel;
mod mounts;
mod network;
mod process_info;
mod processes;
mod signals;
mod table;
mod threads;

use std::sync::Arc;

use cim::{Instance, Name, Namespace};
use wmi::{EventSource, Provider, ProviderError, Scan, Sink, Watch};

use crate::Machine;

pub(crate) use clock::Seconds;
use devices::{DeviceChanges, Kind as Devices};
pub(crate) use files::{WatchedFolders, of_accounts};
pub(crate) use hints::{BLOCK_DEVICES, BUSES, of_devices, of_volumes};
use mounts::MountChanges;
pub(crate) use mounts::of_mounted;
pub(crate) use network::of_network;
use processes::{Kind, ProcessTrace};
pub(crate) use signals::UnitChanges;
use signals::{Shutdown, Sleep};
use threads::ThreadTrace;

/// Provider of the event classes of a machine.
pub(crate) struct Events {
    machine: Arc<Machine>,
}

const START: &str = "Win32_ProcessStartTrace";
const STOP: &str = "Win32_ProcessStopTrace";
const THREAD_START: &str = "Win32_ThreadStartTrace";
const THREAD_STOP: &str = "Win32_ThreadStopTrace";
const POWER: &str = "Win32_PowerManagementEvent";
const SHUTDOWN: &str = "Win32_ComputerShutdownEvent";
const VOLUME: &str = "Win32_VolumeChangeEvent";
const DEVICE: &str = "Win32_DeviceChangeEvent";
const CONFIGURATION: &str = "Win32_SystemConfigurationChangeEvent";

impl Events {
    pub(crate) fn of(machine: &Arc<Machine>) -> Arc<dyn Provider> {
        Arc::new(Self { machine: Arc::clone(machine) })
    }
}

impl Provider for Events {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        [START, STOP, THREAD_START, THREAD_STOP, VOLUME, SHUTDOWN, POWER, DEVICE, CONFIGURATION]
            .into_iter()
            .filter_map(|name| Some((Namespace::cimv2(), Name::parse(name).ok()?)))
            .collect()
    }

    fn enumerate(&self, _scan: &Scan, _rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        // Events can only be subscribed to; past events are not stored.
        Err(ProviderError::NotCapable)
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        let class = Arc::clone(watch.class);
        Ok(match class.name().as_str() {
            START => Some(Box::new(ProcessTrace::open(&self.machine, class, Kind::Start))),
            STOP => Some(Box::new(ProcessTrace::open(&self.machine, class, Kind::Stop))),
            VOLUME => {
                let changes = MountChanges::open(&self.machine).map_err(|error| mounts::failed(&error))?;
                Some(Box::new(mounts::VolumeChanges::new(changes, class)))
            }
            DEVICE => Some(Box::new(DeviceChanges::open(class, Devices::Device)?)),
            CONFIGURATION => Some(Box::new(DeviceChanges::open(class, Devices::Configuration)?)),
            THREAD_START => Some(Box::new(ThreadTrace::open(class, Kind::Start)?)),
            THREAD_STOP => Some(Box::new(ThreadTrace::open(class, Kind::Stop)?)),
            SHUTDOWN => Some(Box::new(Shutdown::new(&self.machine, class))),
            POWER => Some(Box::new(Sleep::new(&self.machine, class))),
            _ => None,
        })
    }
}

/// Returns an instance with these values.
fn instance(
    class: &Arc<cim::Class>,
    values: impl IntoIterator<Item = (&'static str, cim::Value)>,
) -> Result<Instance, ProviderError> {
    Ok(values
        .into_iter()
        .try_fold(Instance::new(class.clone()), |event: Instance, (name, value): (&str, cim::Value)| {
            event.with(name, value)
        })?)
}
