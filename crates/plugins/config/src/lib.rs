//! Plug-in for `winrm/config` and the resources below it (MS-WSMV sections 2.2.4.1 onwards and 3.1.4.2 to 3.1.4.8).
//!
//! Sections are read and written as a whole; listeners, plug-ins and certificate mappings are instances. A change is
//! validated, saved in the file and in force before the response is sent.

mod acceptance;
mod certificate_mapping;
mod endpoints;
mod fault;
mod listener;
mod listening;
mod plugins;
mod port;
mod principals;
mod quick_config;
mod resources;
mod restore;
mod section;
mod uri_security;
mod write_access;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use config::{Config, Draft, EndpointName, LISTENER_RESOURCE, PLUGIN_RESOURCE, Paths, Section, Store};
use service::{
    Answer, BoxFuture, Call, Caller, Certificates, ListenerStatus, Plugin, Principals, Resource, ResourceKind,
};
use wsman::{Action, Fault, OptionSet, namespace};

use self::certificate_mapping::Mappings;
pub use self::certificate_mapping::{MappingStore, MappingStoreError};
use self::fault::ChangeError;
pub use self::listening::ListeningOn;
use self::listening::Sockets;
pub use self::quick_config::MachineSetup;
use self::restore::RestoreTarget;

/// Plug-in for `http://schemas.microsoft.com/wbem/wsman/1/config`.
pub struct ConfigPlugin {
    store: Arc<Store>,
    file_writer: Option<Arc<dyn ConfigFileWriter>>,
    sockets: Sockets,
    certificates: Arc<Certificates>,
    /// Certificate mappings; `None` if the service does not accept client certificates.
    mappings: Option<Mappings>,
    principals: Option<Arc<dyn Principals>>,
    /// List of PowerShell endpoints; `None` if the service has none.
    powershell: Option<Arc<dyn EndpointList>>,
    /// Machine for quickconfig; `None` if quickconfig is not supported.
    machine: Option<Arc<dyn MachineSetup>>,
    /// Resources of the service; plug-ins without any of these are not listed.
    served: OnceLock<Vec<Resource>>,
}

/// Writer of the configuration file, for processes that cannot write it themselves.
pub trait ConfigFileWriter: Send + Sync {
    /// Replaces the text of the file for a caller. Blocks.
    ///
    /// # Errors
    /// [`ReplaceError`] if the file has another text than `before`, or the change is rejected.
    fn replace(&self, caller: &Caller, before: &str, after: &str) -> Result<(), ReplaceError>;
}

/// List of the PowerShell endpoints of this machine.
pub trait EndpointList: Send + Sync {
    /// Returns the names of the endpoints that clients can open. Blocks.
    fn names(&self, config: &Config) -> Vec<EndpointName>;
}

/// Error of a [`ConfigFileWriter`].
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The file has this text instead of the expected one.
    #[error("the settings were changed by another request at the same time; retry")]
    Outdated(String),
    /// The change is rejected or failed.
    #[error("{0}")]
    Refused(Fault),
}

/// Maximum number of attempts to apply a change while others change the file at the same time.
const MAX_ATTEMPTS: usize = 3;

/// Resource at or below `winrm/config`.
enum Part {
    Section(Section),
    Listeners,
    CertificateMappings(Mappings),
    Plugins,
    Resources,
    UriSecurity,
}

impl Part {
    /// Returns whether an action can be validated without being carried out.
    fn can_validate(&self, action: &Action) -> bool {
        matches!(self, Self::Section(_) | Self::Listeners | Self::Plugins | Self::CertificateMappings(_))
            && matches!(action, Action::Put | Action::Create | Action::Delete)
    }
}

impl ConfigPlugin {
    /// Resources that the plug-in serves.
    pub const RESOURCES: [Resource; 1] =
        [Resource { uri: namespace::CONFIG, with_children: true, kind: ResourceKind::Instances }];

    /// Returns a plug-in for a service whose sockets do not depend on the configuration.
    ///
    /// Certificates are read from the directory of the configuration file.
    #[must_use]
    pub fn new(store: Arc<Store>, listening_on: ListeningOn) -> Self {
        let folder = store.path().parent().unwrap_or(Path::new("."));
        let beside = Paths::new(store.path(), folder);
        let certificates = Arc::new(Certificates::new(beside.certificates, beside.state));
        Self::build(store, Sockets::Fixed(listening_on), certificates)
    }

    /// Returns a plug-in for a service with configured listeners and these certificates.
    ///
    /// Responses to changes are sent after the listeners have been opened or closed.
    #[must_use]
    pub fn with_listeners(
        store: Arc<Store>,
        listening: ListenerStatus,
        certificates: Arc<Certificates>,
    ) -> Self {
        Self::build(store, Sockets::Configured(listening), certificates)
    }

    /// Saves changes through another process.
    #[must_use]
    pub fn with_file_writer(self, writer: Arc<dyn ConfigFileWriter>) -> Self {
        Self { file_writer: Some(writer), ..self }
    }

    /// Resolves SIDs of local users and groups for clients that edit security descriptors.
    #[must_use]
    pub fn with_principals(self, principals: Arc<dyn Principals>) -> Self {
        Self { principals: Some(principals), ..self }
    }

    /// Lists PowerShell endpoints as plug-ins.
    #[must_use]
    pub fn with_endpoints(self, endpoints: Arc<dyn EndpointList>) -> Self {
        Self { powershell: Some(endpoints), ..self }
    }

    /// Sets the machine that quickconfig configures.
    #[must_use]
    pub fn with_machine(self, machine: Arc<dyn MachineSetup>) -> Self {
        Self { machine: Some(machine), ..self }
    }

    /// Sets the store of certificate mappings.
    #[must_use]
    pub fn with_certificate_mappings(self, keeper: Arc<dyn MappingStore>) -> Self {
        Self { mappings: Some(Mappings(keeper)), ..self }
    }

    fn build(store: Arc<Store>, sockets: Sockets, certificates: Arc<Certificates>) -> Self {
        Self {
            store,
            file_writer: None,
            sockets,
            certificates,
            principals: None,
            powershell: None,
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
        let options = &call.request.head().options;
        options.require_known(&[OptionSet::SOURCES, OptionSet::VALIDATE_ONLY])?;
        if options.contains(OptionSet::VALIDATE_ONLY) && !part.can_validate(&call.request.head().action) {
            return Err(fault::cannot_validate());
        }
        match part {
            Part::Section(Section::Service) if principals::is_requested(&call) => {
                principals::answer(self, &call)
            }
            Part::Section(Section::Config) if restore::is_requested(&call) => {
                restore::answer(self, RestoreTarget::Settings, &call).await
            }
            Part::Plugins if restore::is_requested(&call) => {
                restore::answer(self, RestoreTarget::Plugins, &call).await
            }
            Part::Section(section) => match (section, quick_config::Stage::requested(&call)) {
                (Section::Service, Some(stage)) => quick_config::answer(self, stage, call).await,
                _ => section::answer(self, section, call).await,
            },
            Part::Listeners => listener::answer(self, call).await,
            Part::CertificateMappings(mappings) => mappings.answer(call).await,
            Part::Plugins => plugins::answer(self, call).await,
            Part::Resources => resources::answer(self, &call),
            Part::UriSecurity => uri_security::answer(&call),
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
            (Some("/resource"), _) => Ok(Part::Resources),
            (Some("/service/security"), _) => Ok(Part::UriSecurity),
            (Some(_), _) => Err(fault::no_such_part(uri)),
            (None, _) => Err(fault::no_such_part(uri)),
        }
    }

    /// Validates and applies a change on a thread that may wait for the disk, then waits for the listeners.
    async fn change<T: Send + 'static>(
        &self,
        call: &Call,
        change: impl Fn(&mut Draft) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, Fault> {
        let (store, certificates) = (Arc::clone(&self.store), Arc::clone(&self.certificates));
        let (writer, caller) = (self.file_writer.clone(), Arc::clone(&call.caller));
        let validates_only = call.request.head().options.contains(OptionSet::VALIDATE_ONLY);
        let changing = move || {
            let mut result = None;
            let mut checked = |draft: &mut Draft| {
                let before = draft.clone();
                result = Some(change(draft)?);
                acceptance::check(&before, draft, &certificates)?;
                // The error keeps the store from applying the change.
                if validates_only { Err(ChangeError::ValidatedOnly) } else { Ok(()) }
            };
            let outcome = match writer {
                None => store.update(checked).map(drop),
                Some(writer) => update_through(&store, &*writer, &caller, &mut checked),
            };
            match outcome {
                Ok(()) | Err(ChangeError::ValidatedOnly) => result.ok_or(ChangeError::Interrupted),
                Err(error) => Err(error),
            }
        };
        let result = tokio::task::spawn_blocking(changing).await.unwrap_or(Err(ChangeError::Interrupted))?;
        if !validates_only {
            self.sockets.follow(&self.store).await;
        }
        Ok(result)
    }
}

/// Applies a change through another process; repeats it if the file was changed at the same time.
fn update_through(
    store: &Store,
    writer: &dyn ConfigFileWriter,
    caller: &Caller,
    change: &mut impl FnMut(&mut Draft) -> Result<(), ChangeError>,
) -> Result<(), ChangeError> {
    for _ in 0..MAX_ATTEMPTS {
        let replaced =
            store.update_through(&mut *change, |before, after| Ok(writer.replace(caller, before, after)?));
        match replaced {
            Err(ChangeError::File(ReplaceError::Outdated(text))) => {
                store.adopt(&text)?;
            }
            other => return other.map(drop),
        }
    }
    Err(ChangeError::Interrupted)
}

impl Plugin for ConfigPlugin {
    fn resources(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn set_all_resources(&self, all: &[Resource]) {
        // A plug-in belongs to one catalog, so the value is set only once.
        let _ = self.served.set(all.to_vec());
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }
}
