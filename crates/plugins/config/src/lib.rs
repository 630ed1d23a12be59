//! `winrm/config` and what is below it as resources (MS-WSMV 2.2.4.1 onwards and 3.1.4.2 to 3.1.4.8).
//!
//! Sections are read and written as a whole, listeners and mappings of client certificates are instances.
//! A change is judged before it is made, in the file before it is answered, and in force when it is.

mod acceptance;
mod certificate_mapping;
mod fault;
mod listener;
mod listening;
mod plugins;
mod port;
mod principals;
mod quick_config;
mod restore;
mod section;
mod vacant;
mod write_right;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use config::{Draft, LISTENER_RESOURCE, PLUGIN_RESOURCE, Paths, Section, Store};
use service::{
    Answer, BoxFuture, Call, Caller, Certificates, ListenerStatus, Plugin, Principals, Resource, ResourceKind,
};
use wsman::{Fault, OptionSet, namespace};

use self::certificate_mapping::Mappings;
pub use self::certificate_mapping::{MappingKeeper, NotMapped};
use self::fault::ChangeError;
pub use self::listening::ListeningOn;
use self::listening::Sockets;
pub use self::quick_config::MachineKeeper;
use self::restore::Restored;
use self::vacant::Vacant;

/// The plug-in for `http://schemas.microsoft.com/wbem/wsman/1/config`.
pub struct ConfigPlugin {
    store: Arc<Store>,
    keeper: Option<Arc<dyn FileKeeper>>,
    sockets: Sockets,
    certificates: Arc<Certificates>,
    /// None where client certificates lead nowhere.
    mappings: Option<Mappings>,
    principals: Option<Arc<dyn Principals>>,
    /// None where quickconfig has nothing to set up.
    machine: Option<Arc<dyn MachineKeeper>>,
    /// What the service answers for: other plug-ins are not shown.
    served: OnceLock<Vec<Resource>>,
}

/// Replaces the file of the settings, where this process may not.
pub trait FileKeeper: Send + Sync {
    /// Replaces one text by another for a caller, or says why not. Waits.
    ///
    /// # Errors
    /// [`NotReplaced`].
    fn replace(&self, caller: &Caller, before: &str, after: &str) -> Result<(), NotReplaced>;
}

/// Why the file of the settings stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum NotReplaced {
    /// It is no longer what the change was made to, but this.
    #[error("the settings were changed at the same time")]
    Outdated(String),
    /// The keeper does not want to, or cannot.
    #[error("{0}")]
    Refused(Fault),
}

/// Times a change is drawn up again because somebody else was faster.
const MOST_ATTEMPTS: usize = 3;

/// What a URI below `winrm/config` is.
enum Part {
    Section(Section),
    Listeners,
    CertificateMappings(Mappings),
    Plugins,
    Vacant(&'static Vacant),
}

impl ConfigPlugin {
    /// What it answers for.
    pub const RESOURCES: [Resource; 1] =
        [Resource { uri: namespace::CONFIG, with_children: true, kind: ResourceKind::Instances }];

    /// A plug-in for a service whose sockets do not depend on the configuration.
    ///
    /// Certificates that listeners name are looked for beside the file of the settings.
    #[must_use]
    pub fn new(store: Arc<Store>, listening_on: ListeningOn) -> Self {
        let folder = store.path().parent().unwrap_or(Path::new("."));
        let beside = Paths::new(store.path(), folder);
        let certificates = Arc::new(Certificates::new(beside.certificates, beside.state));
        Self::of(store, Sockets::Fixed(listening_on), certificates)
    }

    /// A plug-in for a service that listens as it is configured, with these certificates.
    ///
    /// Its answers to changes come once the listeners have followed.
    #[must_use]
    pub fn with_listeners(
        store: Arc<Store>,
        listening: ListenerStatus,
        certificates: Arc<Certificates>,
    ) -> Self {
        Self::of(store, Sockets::Configured(listening), certificates)
    }

    /// Has changes made by another process, which keeps the file.
    #[must_use]
    pub fn kept_by(self, keeper: Arc<dyn FileKeeper>) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// The same, and it tells those who write security descriptors which SIDs the users and groups of this machine
    /// have.
    #[must_use]
    pub fn with_principals(self, principals: Arc<dyn Principals>) -> Self {
        Self { principals: Some(principals), ..self }
    }

    /// With the machine that quickconfig is to set up.
    #[must_use]
    pub fn with_machine(self, machine: Arc<dyn MachineKeeper>) -> Self {
        Self { machine: Some(machine), ..self }
    }

    /// With mappings of client certificates.
    #[must_use]
    pub fn with_certificate_mappings(self, keeper: Arc<dyn MappingKeeper>) -> Self {
        Self { mappings: Some(Mappings(keeper)), ..self }
    }

    fn of(store: Arc<Store>, sockets: Sockets, certificates: Arc<Certificates>) -> Self {
        Self {
            store,
            keeper: None,
            sockets,
            certificates,
            principals: None,
            machine: None,
            mappings: None,
            served: OnceLock::new(),
        }
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        let part = self.part(&call)?;
        if call.request.head().fragment.is_some() {
            return Err(fault::no_fragments());
        }
        call.request.head().options.require_known(&[OptionSet::SOURCES])?;
        match part {
            Part::Section(Section::Service) if principals::is_asked(&call) => principals::answer(self, &call),
            Part::Section(Section::Config) if restore::is_asked(&call) => {
                restore::answer(self, Restored::Settings, &call).await
            }
            Part::Plugins if restore::is_asked(&call) => {
                restore::answer(self, Restored::Plugins, &call).await
            }
            Part::Section(section) => match (section, quick_config::Stage::asked(&call)) {
                (Section::Service, Some(stage)) => quick_config::answer(self, stage, call).await,
                _ => section::answer(self, section, call).await,
            },
            Part::Listeners => listener::answer(self, call).await,
            Part::CertificateMappings(mappings) => mappings.answer(call).await,
            Part::Plugins => plugins::answer(self, call).await,
            Part::Vacant(vacant) => vacant.answer(&call),
        }
    }

    fn part(&self, call: &Call) -> Result<Part, Fault> {
        let uri = call.request.require_resource()?;
        if let Some(section) = Section::of_resource(uri.as_str()) {
            return Ok(Part::Section(section));
        }
        if *uri == *LISTENER_RESOURCE {
            return Ok(Part::Listeners);
        }
        if *uri == *PLUGIN_RESOURCE {
            return Ok(Part::Plugins);
        }
        let path = uri.below(namespace::CONFIG).map(str::to_ascii_lowercase);
        match (path.as_deref(), &self.mappings) {
            (Some("/winrs/customremoteshell"), _) => Err(fault::no_custom_shells()),
            (Some("/service/certmapping"), Some(mappings)) => Ok(Part::CertificateMappings(mappings.clone())),
            (Some(path), _) => vacant::find(path).map(Part::Vacant).ok_or_else(|| fault::no_such_part(uri)),
            (None, _) => Err(fault::no_such_part(uri)),
        }
    }

    /// Makes a change if the listeners can be as it wants them, on a thread that may wait for the disk.
    async fn change<T: Send + 'static>(
        &self,
        call: &Call,
        change: impl Fn(&mut Draft) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, Fault> {
        let (store, certificates) = (Arc::clone(&self.store), Arc::clone(&self.certificates));
        let (keeper, caller) = (self.keeper.clone(), Arc::clone(&call.caller));
        let changing = move || {
            let mut made = None;
            let mut draw_up = |draft: &mut Draft| {
                let before = draft.clone();
                made = Some(change(draft)?);
                acceptance::judge(&before, draft, &certificates)?;
                Ok::<_, ChangeError>(())
            };
            let Some(keeper) = keeper else {
                store.update(draw_up)?;
                return made.ok_or(ChangeError::Interrupted);
            };
            for _ in 0..MOST_ATTEMPTS {
                let replace = |before: &str, after: &str| Ok(keeper.replace(&caller, before, after)?);
                match store.update_through(&mut draw_up, replace) {
                    Err(ChangeError::Kept(NotReplaced::Outdated(text))) => {
                        store.adopt(&text)?;
                    }
                    done => {
                        done?;
                        return made.ok_or(ChangeError::Interrupted);
                    }
                }
            }
            Err(ChangeError::Interrupted)
        };
        let changed = tokio::task::spawn_blocking(changing).await.unwrap_or(Err(ChangeError::Interrupted))?;
        self.sockets.follow(&self.store).await;
        Ok(changed)
    }
}

impl Plugin for ConfigPlugin {
    fn resources(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn set_all_resources(&self, all: &[Resource]) {
        // A plug-in is in one catalog.
        let _ = self.served.set(all.to_vec());
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }
}
