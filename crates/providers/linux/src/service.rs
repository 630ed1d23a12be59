//! Services, which are units of systemd (org.freedesktop.systemd1(5)).

use std::sync::Arc;

use crate::Machine;
use crate::bus::Object;
use crate::table::Binding;

/// The classes of services.
pub(crate) fn bindings(_machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![]
}

pub(crate) const SYSTEMD: &str = "org.freedesktop.systemd1";

/// Who knows the units of the machine.
pub(crate) const MANAGER: Object<'_> = Object {
    service: SYSTEMD,
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};
