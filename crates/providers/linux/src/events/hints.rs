//! When to look at instances that are devices: the kernel says that one has come or gone, and udev that it knows it.

use std::io;
use std::sync::Arc;

use cim::Status;
use wmi::{BoxFuture, Changes, EventSource, Happening, ProviderError, Watch};

use super::mounts::of_mounted;
use super::multicast::{Multicast, Told};
use crate::Machine;

/// Devices of some subsystems.
struct DeviceHints {
    kernel: Multicast,
    subsystems: &'static [&'static str],
}

/// Says when devices of some subsystems may have come or gone. What else of them changes nobody tells; nor does the
/// kernel tell of devices in a user namespace. Then they are looked at.
pub(crate) fn of_devices(
    machine: &Arc<Machine>,
    watch: &Watch<'_>,
    subsystems: &'static [&'static str],
) -> Option<Box<dyn EventSource>> {
    if watch.changes.contains(Changes::MODIFICATION) || !machine.is_this() || !is_in_first_namespace(machine)
    {
        return None;
    }
    let kernel = Multicast::of_devices_and_udev();
    let kernel =
        kernel.inspect_err(|error| tracing::debug!(%error, "The kernel does not tell of devices")).ok()?;
    Some(Box::new(DeviceHints { kernel, subsystems }))
}

/// Says when file systems may have come or gone: mounted ones, and those on devices. That one was made on a device
/// which was there before only udev notices; without it they are looked at.
///
/// # Errors
/// None, as [`of_mounted`].
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

/// Disks, and their parts.
pub(crate) const BLOCK_DEVICES: &[&str] = &["block"];

/// The buses of devices that can be plugged.
pub(crate) const BUSES: &[&str] = &["usb", "pci"];

/// Users are numbered as the kernel numbers them.
fn is_in_first_namespace(machine: &Machine) -> bool {
    let map = machine.text("proc/self/uid_map").unwrap_or_default();
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

impl DeviceHints {
    fn concerns(&self, told: &Told) -> bool {
        let Told::Message(message) = told else { return true };
        // Fields with a NUL behind each; a header of octets comes before those of udev.
        let fields = message.split(|octet| *octet == 0);
        let subsystems = fields.filter_map(|field| field.strip_prefix(b"SUBSYSTEM="));
        subsystems.into_iter().any(|own| self.subsystems.iter().any(|wanted| wanted.as_bytes() == own))
    }
}

impl EventSource for DeviceHints {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                let told = self.kernel.next().await.map_err(|error| failed(&error))?;
                if self.concerns(&told) {
                    return Ok(Happening::Changed);
                }
            }
        })
    }
}

fn failed(error: &io::Error) -> ProviderError {
    ProviderError::failed(Status::Failed, format!("the kernel does not tell of devices: {error}"))
}

/// Two who say when to look.
struct Either(Box<dyn EventSource>, Box<dyn EventSource>);

impl EventSource for Either {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            tokio::select! {
                told = self.0.next() => told,
                told = self.1.next() => told,
            }
        })
    }
}
