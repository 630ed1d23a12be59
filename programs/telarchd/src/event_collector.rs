//! Collector of forwarded events: files and settings.

use std::error::Error;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Config, Paths};
use eventing::{
    Collector, CollectorParts, Format, IdentityCheck, Layout, OutputSettings, Rotation, Subscriptions,
};
use plugin_events::{Authorities, EventsPlugin};
use service::{ClientCertificates, EventEndpoint};

use crate::arguments::CollectorOptions;
use crate::log::one_line;

/// Opens the collector of the ephemeral service. Bookmarks are in the temporary state directory.
pub(crate) fn open_ephemeral(
    options: &CollectorOptions,
    state: &Path,
) -> Result<Arc<dyn EventEndpoint>, Box<dyn Error>> {
    let collector = Collector::open(CollectorParts {
        store: state.join("events.sqlite"),
        outputs: vec![OutputSettings::to_file(&options.events)?],
        quarantine: quarantine_beside(&options.events),
        subscriptions: Subscriptions::read(&options.subscriptions)?,
        identity: IdentityCheck::Mark,
    })?;
    let (authorities, certificates) = match &options.client_authority {
        Some(path) => (Authorities::read(path)?, ClientCertificates::Required),
        None => (Authorities::default(), ClientCertificates::Unused),
    };
    Ok(Arc::new(EventsPlugin::new(Arc::new(collector), authorities, certificates)))
}

/// Returns the folder for events that cannot be stored: `FILE.quarantine`.
fn quarantine_beside(events: &Path) -> PathBuf {
    let mut name = events.as_os_str().to_owned();
    name.push(".quarantine");
    PathBuf::from(name)
}

/// Collector of a configured service.
pub(crate) struct PersistentCollector {
    collector: Arc<Collector>,
    plugin: EventsPlugin,
    subscriptions: PathBuf,
}

/// Opens the collector if the settings enable it.
pub(crate) fn open(config: &Config, paths: &Paths) -> Result<Option<PersistentCollector>, Box<dyn Error>> {
    let settings = &config.event_collector;
    if !settings.enabled {
        return Ok(None);
    }
    let state = paths.state.join("events");
    DirBuilder::new().recursive(true).mode(0o700).create(&state)?;
    let rotation = Rotation { size: settings.max_file_sizekb.bytes(), files: settings.max_files.get() };
    let output = |format| OutputSettings {
        layout: Layout::PerSource(state.join("sources")),
        format,
        rotation: Some(rotation),
    };
    let mut outputs = vec![output(Format::Json)];
    if settings.raw_xml {
        outputs.push(output(Format::Xml));
    }
    let subscriptions = paths.event_subscriptions.clone();
    let collector = Arc::new(Collector::open(CollectorParts {
        store: state.join("events.sqlite"),
        outputs,
        quarantine: state.join("quarantine"),
        subscriptions: Subscriptions::read_folder(&subscriptions)?,
        identity: match &settings.identity_check {
            config::IdentityCheck::Mark => IdentityCheck::Mark,
            config::IdentityCheck::Reject => IdentityCheck::Reject,
            config::IdentityCheck::Relays(names) => IdentityCheck::Relays(names.clone()),
        },
    })?);
    let authorities = Authorities::read_folder(&paths.event_authorities)?;
    let certificates = match authorities.is_empty() {
        true => ClientCertificates::Unused,
        false => ClientCertificates::Requested,
    };
    tracing::info!(
        subscriptions = %subscriptions.display(), store = %state.display(),
        "Collecting forwarded events"
    );
    let plugin = EventsPlugin::new(Arc::clone(&collector), authorities, certificates);
    Ok(Some(PersistentCollector { collector, plugin, subscriptions }))
}

impl PersistentCollector {
    /// Returns the collector as a part of the service.
    pub(crate) fn endpoint(&self) -> Arc<dyn EventEndpoint> {
        Arc::new(self.plugin.clone())
    }

    /// Reads the subscriptions again. If one of them is invalid, all previous ones stay in force.
    pub(crate) fn reload(&self) {
        let read = Subscriptions::read_folder(&self.subscriptions);
        if let Err(error) = read.and_then(|subscriptions| self.collector.set_subscriptions(subscriptions)) {
            tracing::error!(
                error = one_line(&error),
                "Cannot reload the event subscriptions; keeping the previous ones"
            );
        }
    }
}
