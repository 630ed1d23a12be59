//! The engine of WMI, with the classes of this machine and those who serve them.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cim::{DateTime, Namespace, Schema};
use config::Paths;
use hardware::{EventLogs, Hardware, HostFile, OwnController};
use linux::Machine;
use plugin_wmi::WmiPlugin;
use service::Plugin;
use tokio::runtime::Handle;
use wmi::Engine;

/// The plug-ins for the instances of this machine, and of the controllers that a directory of state knows.
pub(crate) fn plugins(state: &Path) -> Result<[Arc<dyn Plugin>; 2], Box<dyn Error>> {
    let of_user = Paths::of_user(|name| std::env::var_os(name)).map(|paths| paths.state);
    // A service that keeps nothing for the machine keeps nothing in anybody's home either.
    let of_user = if state == Paths::of_machine().state { of_user } else { Some(state.to_owned()) };
    let machine = Arc::new(Machine::this().keeping(state, of_user));
    let mut engine = Engine::builder(machine.host_name(), offset(&machine));
    let mut providers = linux::providers(&machine);
    let hardware = Hardware::new(
        machine.host_name(),
        HostFile::of_state(state),
        OwnController::Asked,
        Handle::current(),
    );
    providers.push(Arc::new(hardware.clone()));
    let served = providers.iter().flat_map(|provider| provider.classes()).map(|(namespace, _)| namespace);
    let others = NAMESPACES.into_iter().map(Namespace::parse).collect::<Result<Vec<_>, _>>()?;
    for namespace in served.chain(others).collect::<BTreeSet<_>>() {
        engine = engine.namespace(Schema::of(namespace));
    }
    for provider in providers {
        engine = engine.provider(provider);
    }
    Ok([Arc::new(WmiPlugin::new(engine.build()?)), Arc::new(EventLogs::new(hardware))])
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
