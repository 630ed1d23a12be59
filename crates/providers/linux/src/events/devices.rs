//! `Win32_DeviceChangeEvent` and `Win32_SystemConfigurationChangeEvent`: device events of the kernel
//! (`kobject_uevent`; `ACTION` in udev(7)).

use std::io;
use std::sync::Arc;

use cim::{Class, Status, Value};
use linux::network::multicast::{Groups, Notification};
use wmi::{BoxFuture, EventSource, Happening, ProviderError};

use super::instance;
use super::kernel::Multicast;

/// Event class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A device was added or removed.
    Device,
    /// The devices changed in any way.
    Configuration,
}

/// Values of `EventType`.
const CHANGED: u16 = 1;
const ARRIVAL: u16 = 2;
const REMOVAL: u16 = 3;

/// Event source for devices.
pub(super) struct DeviceChanges {
    kernel: Multicast,
    class: Arc<Class>,
    kind: Kind,
}

impl DeviceChanges {
    /// Starts to listen.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub(super) fn open(class: Arc<Class>, kind: Kind) -> Result<Self, ProviderError> {
        let kernel = Multicast::open(Groups::Devices).map_err(|error| failed(&error))?;
        Ok(Self { kernel, class, kind })
    }
}

impl EventSource for DeviceChanges {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                let notification = self.kernel.next().await.map_err(|error| failed(&error))?;
                if let Some(kind) = event_type(&notification, self.kind) {
                    let values = [("EventType", Value::Uint16(kind))];
                    return Ok(Happening::Event(instance(&self.class, values)?));
                }
            }
        })
    }
}

/// Returns the event type for a message, or `None`.
fn event_type(notification: &Notification, kind: Kind) -> Option<u16> {
    let Notification::Message(message) = notification else {
        return (kind == Kind::Configuration).then_some(CHANGED);
    };
    // Format: `ACTION@PATH`, followed by fields terminated by NUL.
    let action = message.split(|octet| *octet == b'@').next().unwrap_or_default();
    match (action, kind) {
        (b"add", Kind::Device) => Some(ARRIVAL),
        (b"remove", Kind::Device) => Some(REMOVAL),
        (b"add" | b"remove" | b"change" | b"move" | b"online" | b"offline", Kind::Configuration) => {
            Some(CHANGED)
        }
        _ => None,
    }
}

fn failed(error: &io::Error) -> ProviderError {
    ProviderError::failed(Status::Failed, format!("cannot receive device events: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_events_are_arrivals_removals_or_configuration_changes() {
        let notification = |text: &str| Notification::Message(text.as_bytes().to_vec());
        for (message, device, configuration) in [
            ("add@/devices/virtual/net/x\0ACTION=add\0", Some(ARRIVAL), Some(CHANGED)),
            ("remove@/devices/virtual/net/x\0", Some(REMOVAL), Some(CHANGED)),
            ("change@/devices/pci0000:00\0", None, Some(CHANGED)),
            ("bind@/devices/x\0", None, None),
            ("", None, None),
        ] {
            let found =
                [Kind::Device, Kind::Configuration].map(|kind| event_type(&notification(message), kind));
            assert_eq!(found, [device, configuration], "{message}");
        }
        assert_eq!(event_type(&Notification::Lost, Kind::Configuration), Some(CHANGED));
    }
}
