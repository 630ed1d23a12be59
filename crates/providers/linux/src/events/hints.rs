//! Event sources for instances that are devices: events of the kernel, and of udev once it has processed
//! them.

use std::io;
use std::sync::Arc;

use cim::Status;
use linux::network::multicast::{Groups, Notification};
use wmi::{BoxFuture, Changes, EventSource, Happening, ProviderError, Watch};

use super::kernel::Multicast;
use super::mounts::of_mounted;
use crate::Machine;

/// Event source for devices of some subsystems.
struct DeviceHints {
    kernel: Multicast,
    subsystems: &'static [&'static str],
}

/// Returns a source that reports devices added or removed in some subsystems. `None` if modifications are
/// requested, which are not reported, or in a user namespace, to which the kernel does not report devices;
/// polling is used then.
pub(crate) fn of_devices(
    machine: &Arc<Machine>,
    watch: &Watch<'_>,
    subsystems: &'static [&'static str],
) -> Option<Box<dyn EventSource>> {
    if watch.changes.contains(Changes::MODIFICATION) || !machine.is_this() || !is_in_first_namespace(machine)
    {
        return None;
    }
    let kernel = Multicast::open(Groups::DevicesAndUdev);
    let kernel =
        kernel.inspect_err(|error| tracing::debug!(%error, "Device events are not available")).ok()?;
    Some(Box::new(DeviceHints { kernel, subsystems }))
}

/// Returns a source that reports mounted file systems and file systems on devices that were added or removed.
/// Only udev notices that a file system was created on an existing device; without udev polling is used.
///
/// # Errors
/// None, as for [`of_mounted`].
pub(crate) fn of_volumes(
    machine: &Arc<Machine>,
    watch: &Watch<'_>,
) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
    if !machine.path("run/udev/control").exists() {
        return Ok(None);
    }
    let both = of_mounted(machine, watch)?.zip(of_devices(machine, watch, BLOCK_DEVICES));
    Ok(both.map(|(mounts, devices)| Box::new(Either(mounts, devices)) as Box<dyn EventSource>))
}

/// Subsystems of disks and partitions.
pub(crate) const BLOCK_DEVICES: &[&str] = &["block"];

/// Subsystems of hot-pluggable devices.
pub(crate) const BUSES: &[&str] = &["usb", "pci"];

/// Returns whether this process is in the initial user namespace.
fn is_in_first_namespace(machine: &Machine) -> bool {
    let map = machine.text("proc/self/uid_map").unwrap_or_default();
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

impl DeviceHints {
    fn concerns(&self, notification: &Notification) -> bool {
        let Notification::Message(message) = notification else { return true };
        // Fields are terminated by NUL; messages of udev have a binary header before them.
        let fields = message.split(|octet| *octet == 0);
        let subsystems = fields.filter_map(|field| field.strip_prefix(b"SUBSYSTEM="));
        subsystems.into_iter().any(|own| self.subsystems.iter().any(|wanted| wanted.as_bytes() == own))
    }
}

impl EventSource for DeviceHints {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                let notification = self.kernel.next().await.map_err(|error| failed(&error))?;
                if self.concerns(&notification) {
                    return Ok(Happening::Changed);
                }
            }
        })
    }
}

fn failed(error: &io::Error) -> ProviderError {
    ProviderError::failed(Status::Failed, format!("cannot receive device events: {error}"))
}

/// Combination of two sources.
struct Either(Box<dyn EventSource>, Box<dyn EventSource>);

impl EventSource for Either {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            tokio::select! {
                notification = self.0.next() => notification,
                notification = self.1.next() => notification,
            }
        })
    }
}
