//! The engine of WMI, with the classes of this machine and those who serve them.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use cim::{DateTime, Namespace, Schema};
use linux::Machine;
use plugin_wmi::WmiPlugin;
use wmi::Engine;

/// The plug-in for the instances of this machine.
pub(crate) fn plugin() -> Result<WmiPlugin, Box<dyn Error>> {
    let machine = Arc::new(Machine::this());
    let mut engine = Engine::builder(machine.host_name(), offset(&machine));
    let providers = linux::providers(&machine);
    let served = providers.iter().flat_map(|provider| provider.classes()).map(|(namespace, _)| namespace);
    let others = NAMESPACES.into_iter().map(Namespace::parse).collect::<Result<Vec<_>, _>>()?;
    for namespace in served.chain(others).collect::<BTreeSet<_>>() {
        engine = engine.namespace(Schema::of(namespace));
    }
    for provider in providers {
        engine = engine.provider(provider);
    }
    Ok(WmiPlugin::new(engine.build()?))
}

/// The namespaces there are besides those of providers.
const NAMESPACES: [&str; 1] = ["root/interop"];

/// How far the clocks are east of Greenwich, in minutes.
fn offset(machine: &Machine) -> i16 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    match i64::try_from(now.as_micros()).ok().and_then(|now| machine.timestamp(now)) {
        Some(DateTime::Timestamp(now)) => now.offset(),
        _ => 0,
    }
}
