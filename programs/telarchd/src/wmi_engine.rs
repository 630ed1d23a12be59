//! The engine of WMI, with the classes of this machine and those who serve them.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use accounts::MachineSid;
use cim::{Namespace, Schema};
use config::{Paths, State};
use consumers::{Carrier, Commands, Whose};
use hardware::{EventLogs, Hardware, HardwareKeeper, HostFile, OwnController};
use linux::Machine;
use plugin_wmi::WmiPlugin;
use repository::{LivingEngine, Repository};
use service::Plugin;
use tokio::runtime::Handle;
use tokio::sync::watch;
use wmi::Engine;

/// WMI of this machine.
pub(crate) struct Wmi {
    engine: LivingEngine,
    hardware: Hardware,
}

impl Wmi {
    /// The plug-ins for its instances and the logs of controllers.
    pub(crate) fn plugins(&self) -> [Arc<dyn Plugin>; 2] {
        let engine = self.engine.clone();
        let logs = EventLogs::new(self.hardware.clone());
        [Arc::new(WmiPlugin::living(move || Some(engine.engine()))), Arc::new(logs)]
    }

    /// Carries out permanent subscriptions while the settings say so.
    pub(crate) async fn carry_out(self, mut states: watch::Receiver<Arc<State>>) {
        loop {
            let wmi = states.borrow_and_update().config.wmi.clone();
            let carried = async {
                match wmi.permanent_subscriptions {
                    true => self.carrier(Whose::Everybody, commands(&wmi)).run().await,
                    false => std::future::pending().await,
                }
            };
            let other = async {
                while states.changed().await.is_ok() {
                    if states.borrow_and_update().config.wmi != wmi {
                        return;
                    }
                }
                // They stay as they are.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = carried => {}
                () = other => {}
            }
        }
    }

    /// Carries out permanent subscriptions.
    pub(crate) fn carrier(&self, whose: Whose, commands: Commands) -> Carrier {
        Carrier { engine: self.engine.clone(), whose, commands, words: linux::words }
    }
}

/// What the settings say about programs.
pub(crate) fn commands(wmi: &config::Wmi) -> Commands {
    if wmi.command_line_consumers { Commands::Run } else { Commands::Refused }
}

/// WMI of this machine, of the controllers that a directory of state knows, and of what was added there. Where somebody
/// else keeps the controllers, a process without the rights of root asks for them.
pub(crate) fn open(state: &Path, keeper: Option<Arc<dyn HardwareKeeper>>) -> Result<Wmi, Box<dyn Error>> {
    let of_user = Paths::of_user(|name| std::env::var_os(name)).map(|paths| paths.state);
    let of_machine = Paths::of_machine();
    // A service that keeps nothing for the machine keeps nothing in anybody's home either.
    let of_user = if state == of_machine.state { of_user } else { Some(state.to_owned()) };
    let mut machine = Machine::this().keeping(state, of_user);
    match MachineSid::load(state) {
        Ok(Some(sid)) => machine = machine.with_sid(sid.domain()),
        Ok(None) => {}
        // Shells do without it, and so does nearly all of WMI.
        Err(error) => {
            tracing::warn!(%error, "The SID of the machine cannot be read: those of accounts are not told");
        }
    }
    let machine = Arc::new(machine);
    let mut providers = linux::providers(&machine);
    let hosts = HostFile::of_state(state);
    let hosts = match keeper {
        Some(keeper) => hosts.kept_by(keeper),
        None => hosts,
    };
    let hardware = Hardware::new(machine.host_name(), hosts, OwnController::Asked, Handle::current());
    providers.push(Arc::new(hardware.clone()));
    let others = NAMESPACES.into_iter().map(Namespace::parse).collect::<Result<Vec<_>, _>>()?;
    let begin = move || {
        let engine =
            Engine::builder(machine.host_name(), machine.offset()).providers(providers.iter().cloned());
        others.iter().cloned().map(Schema::of).fold(engine, wmi::EngineBuilder::namespace)
    };
    let added = Paths::new(&of_machine.config, state).repository;
    let (repository, wrong) = Repository::open_or_closed(&added);
    if let Some(error) = wrong {
        tracing::error!(%error, "The repository of WMI cannot be read: nobody may use WMI until it can");
    }
    Ok(Wmi { engine: LivingEngine::new(Arc::new(repository), begin)?, hardware })
}

/// The namespaces there are besides those of providers.
const NAMESPACES: [&str; 1] = ["root/interop"];
