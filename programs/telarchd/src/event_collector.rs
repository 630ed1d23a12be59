//! Collector of forwarded events: files and settings.

mod opening;

use std::error::Error;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use broker::{CollectorFile, CollectorFiles};
use client::{ClientCertificate, ClientKeytab, TlsPolicy};
use config::{Config, Paths};
use eventing::{
    Collector, CollectorError, CollectorParts, DatabaseSettings, DestinationSettings, Format, IdentityCheck,
    Layout, OpenedPasswords, OutputSettings, Rotation, SourcePasswords, StoreSettings, SubscriptionFolder,
    Subscriptions,
};
use files::{Access, FolderRules, TrustedFile};
use plugin_events::{Authorities, EventsPlugin};
use puller::{MachineCredentials, Puller, PullerParts};
use service::{ClientCertificates, EventEndpoint};
use zeroize::Zeroizing;

use self::opening::{Opened, Opening, OpeningParts};
use crate::arguments::CollectorOptions;
use crate::log::one_line;

/// Opens the collector of the ephemeral service. Without a database, bookmarks are in the temporary state directory. Must
/// be called within the runtime.
pub(crate) async fn open_ephemeral(
    options: &CollectorOptions,
    config: &Config,
    state: &Path,
) -> Result<EphemeralCollector, Box<dyn Error>> {
    let store = options.store.as_deref().map(read_store).transpose()?;
    let store = store.as_ref().map(|file| (Path::new(&file.path), file.content.as_slice()));
    let collector = Collector::open(CollectorParts {
        store: StoreSettings::of_service(state, store)?,
        outputs: vec![OutputSettings::to_file(&options.events)?],
        destinations: Vec::new(),
        spool: state.join("spool"),
        total_limit: None,
        quarantine: match options.events.as_os_str() == "-" {
            true => state.join("quarantine"),
            false => quarantine_beside(&options.events),
        },
        subscriptions: Subscriptions::read(&options.subscriptions)?,
        identity: IdentityCheck::Mark,
    });
    let collector = Arc::new(collector.await?);
    let (authorities, certificates) = match &options.client_authority {
        Some(path) => (Authorities::read(path)?, ClientCertificates::Required),
        None => (Authorities::default(), ClientCertificates::Unused),
    };
    let tls = trust_in_sources(&authorities);
    let settings = &config.event_collector;
    let keytab = read_machine_file(settings.machine_keytab.path(), "EventCollector.MachineKeytab")?;
    let certificate =
        read_machine_file(settings.machine_certificate.path(), "EventCollector.MachineCertificate")?;
    let machine = machine_credentials(&keytab, &certificate)?;
    let puller = Puller::new(puller_parts(&collector, config, tls, machine));
    puller.follow();
    let plugin = EventsPlugin::new(certificates);
    plugin.begin(collector, authorities);
    Ok(EphemeralCollector { endpoint: Arc::new(plugin), puller })
}

/// Collector of the ephemeral service.
pub(crate) struct EphemeralCollector {
    pub(crate) endpoint: Arc<dyn EventEndpoint>,
    /// Connections to sources, until it is dropped.
    pub(crate) puller: Puller,
}

/// Returns the credentials in files of the administrator, each with at most one element.
fn machine_credentials(
    keytab: &[CollectorFile],
    certificate: &[CollectorFile],
) -> Result<MachineCredentials, Box<dyn Error>> {
    let keytab = keytab.first().map(|file| ClientKeytab::in_memory(Path::new(&file.path), &file.content));
    let certificate =
        certificate.first().map(|file| ClientCertificate::from_pem(Path::new(&file.path), &file.content));
    Ok(MachineCredentials { keytab: keytab.transpose()?, certificate: certificate.transpose()? })
}

fn puller_parts(
    collector: &Arc<Collector>,
    config: &Config,
    tls: TlsPolicy,
    machine: MachineCredentials,
) -> PullerParts {
    let maximum = config.event_collector.max_connected_sources.get();
    PullerParts {
        collector: Arc::clone(collector),
        client: config.client.clone(),
        max_connections: usize::try_from(maximum).unwrap_or(usize::MAX),
        turn: puller::TURN,
        delivery_url: delivery_url(config),
        presets_push: config.event_collector.delivery_url.url().is_some(),
        tls,
        machine,
    }
}

/// Returns the URL of this collector for sources that push: that of the settings, or the usual port of HTTPS at the name of
/// this machine.
fn delivery_url(config: &Config) -> String {
    match config.event_collector.delivery_url.url() {
        Some(url) => {
            let scheme = if url.has_tls { "https" } else { "http" };
            format!("{scheme}://{}{}", url.authority, url.path)
        }
        None => {
            let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
            format!("https://{machine}:5986/wsman")
        }
    }
}

/// Returns the rules for certificates of sources to which the collector connects: the authorities of this system, and
/// those of event sources.
fn trust_in_sources(authorities: &Authorities) -> TlsPolicy {
    TlsPolicy::new().authorities(authorities.certificates())
}

/// Returns the folder for events that cannot be stored: `FILE.quarantine`.
fn quarantine_beside(events: &Path) -> PathBuf {
    let mut name = events.as_os_str().to_owned();
    name.push(".quarantine");
    PathBuf::from(name)
}

/// Collector of a configured service.
pub(crate) struct PersistentCollector {
    plugin: EventsPlugin,
    opening: Opening,
}

/// Returns the folder of the collector in a state directory.
pub(crate) fn folder_in(state: &Path) -> PathBuf {
    state.join("events")
}

/// Opens the collector if the settings enable it.
pub(crate) async fn open(
    config: &Config,
    paths: &Paths,
) -> Result<Option<PersistentCollector>, Box<dyn Error>> {
    let settings = &config.event_collector;
    if !settings.enabled {
        return Ok(None);
    }
    let folder = folder_in(&paths.state);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    PersistentCollector::open(config, &folder, read_files(paths, settings)?).await.map(Some)
}

/// Reads the files of the administrator that the collector uses.
pub(crate) fn read_files(
    paths: &Paths,
    settings: &config::EventCollector,
) -> Result<CollectorFiles, Box<dyn Error>> {
    Ok(CollectorFiles {
        subscriptions: read_subscriptions(paths)?,
        authorities: read_files_of(&paths.event_authorities, "pem", Access::Read)?,
        // They may contain credentials.
        outputs: read_files_of(&paths.event_outputs, "toml", Access::Nothing)?,
        store: read_private(&paths.event_store, DatabaseSettings::MAX_FILE)?.into_iter().collect(),
        keytab: read_machine_file(settings.machine_keytab.path(), "EventCollector.MachineKeytab")?,
        certificate: read_machine_file(
            settings.machine_certificate.path(),
            "EventCollector.MachineCertificate",
        )?,
        passwords: SourcePasswords::of_state(&paths.state).export()?,
    })
}

/// Reads a file with a secret, if there is one.
fn read_private(path: &Path, most: usize) -> Result<Option<CollectorFile>, Box<dyn Error>> {
    let content = TrustedFile::private(path).read(most).map_err(|error| error.with_advice())?;
    Ok(content.map(|content| collector_file(path, content)))
}

/// Reads the file with the settings of a database.
fn read_store(path: &Path) -> Result<CollectorFile, Box<dyn Error>> {
    let file = read_private(path, DatabaseSettings::MAX_FILE)?;
    file.ok_or_else(|| format!("there is no {}\n  correct --event-store", path.display()).into())
}

/// Reads the file with credentials of this machine that a setting names.
fn read_machine_file(path: Option<&Path>, setting: &str) -> Result<Vec<CollectorFile>, Box<dyn Error>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let Some(file) = read_private(path, MAX_FILE)? else {
        return Err(format!("there is no {}\n  correct {setting}", path.display()).into());
    };
    Ok(vec![file])
}

/// Reads the files of subscriptions.
pub(crate) fn read_subscriptions(paths: &Paths) -> Result<Vec<CollectorFile>, Box<dyn Error>> {
    let passwords = SourcePasswords::of_state(&paths.state);
    let files = SubscriptionFolder::new(&paths.event_subscriptions, passwords).read()?;
    Ok(files.into_iter().map(|(path, content)| collector_file(&path, content)).collect())
}

/// Reads the files of the administrator with this extension.
fn read_files_of(
    folder: &Path,
    extension: &'static str,
    access: Access,
) -> Result<Vec<CollectorFile>, Box<dyn Error>> {
    let rules = FolderRules { extension, access, max_files: MAX_FILES, max_size: MAX_FILE };
    let files = files::read_folder(folder, rules).map_err(|error| error.with_advice())?;
    Ok(files.into_iter().map(|(path, content)| collector_file(&path, content)).collect())
}

fn collector_file(path: &Path, content: Vec<u8>) -> CollectorFile {
    CollectorFile { path: path.display().to_string(), content: Zeroizing::new(content) }
}

fn parse_subscriptions(files: Vec<CollectorFile>, passwords: &[u8]) -> Result<Subscriptions, CollectorError> {
    let files = files.into_iter().map(|file| (PathBuf::from(file.path), file.content.to_vec()));
    Subscriptions::with_passwords(files, OpenedPasswords::parse(passwords)?)
}

/// Time for the end of the connections to sources.
const END_TIME: Duration = Duration::from_secs(1);
/// Maximum number of files in a folder of the collector.
const MAX_FILES: usize = 1_000;
/// Maximum size of a file of the administrator in bytes.
const MAX_FILE: usize = 4 << 20;

impl PersistentCollector {
    /// Opens the collector, whose folder exists, or prepares to open it when its database is available.
    pub(crate) async fn open(
        config: &Config,
        folder: &Path,
        files: CollectorFiles,
    ) -> Result<Self, Box<dyn Error>> {
        let settings = &config.event_collector;
        let rotation = Rotation { size: settings.max_file_sizekb.bytes(), files: settings.max_files.get() };
        let output = |format| OutputSettings {
            layout: Layout::PerSource(folder.join("sources")),
            format,
            rotation: Some(rotation),
        };
        let mut outputs = vec![output(Format::Json)];
        if settings.raw_xml {
            outputs.push(output(Format::Xml));
        }
        let destinations = files.outputs.iter();
        let destinations =
            destinations.map(|file| DestinationSettings::parse(Path::new(&file.path), &file.content));
        let total = u64::from(settings.max_total_mb.get());
        let store = files.store.first().map(|file| (Path::new(&file.path), file.content.as_slice()));
        let collector = CollectorParts {
            store: StoreSettings::of_service(folder, store)?,
            outputs,
            destinations: destinations.collect::<Result<_, _>>()?,
            spool: folder.join("spool"),
            total_limit: (total > 0).then_some(total << 20),
            quarantine: folder.join("quarantine"),
            subscriptions: parse_subscriptions(files.subscriptions, &files.passwords)?,
            identity: match &settings.identity_check {
                config::IdentityCheck::Mark => IdentityCheck::Mark,
                config::IdentityCheck::Reject => IdentityCheck::Reject,
                config::IdentityCheck::Relays(names) => IdentityCheck::Relays(names.clone()),
            },
        };
        let authorities =
            files.authorities.iter().map(|file| (Path::new(&file.path), file.content.as_slice()));
        let authorities = Authorities::parse(authorities)?;
        let certificates = match authorities.is_empty() {
            true => ClientCertificates::Unused,
            false => ClientCertificates::Requested,
        };
        let tls = trust_in_sources(&authorities);
        let plugin = EventsPlugin::new(certificates);
        let (config, receiver) = (config.clone(), plugin.clone());
        let machine = machine_credentials(&files.keytab, &files.certificate)?;
        let parts = OpeningParts { collector, config, authorities, tls, machine, plugin: receiver };
        Ok(Self { opening: Opening::begin(parts).await?, plugin })
    }

    /// Connects to the sources of collector-initiated subscriptions. Must be called within the runtime.
    pub(crate) fn begin_pulling(&self) {
        self.opening.begin_pulling();
    }

    /// Ends the connections to sources, and waits a moment for them.
    pub(crate) async fn end(&self) {
        if let Some(Opened { puller, .. }) = self.opening.opened() {
            let _ = tokio::time::timeout(END_TIME, puller.end()).await;
        }
    }

    /// Returns the collector as a part of the service.
    pub(crate) fn endpoint(&self) -> Arc<dyn EventEndpoint> {
        Arc::new(self.plugin.clone())
    }

    /// Returns the collector for a gateway in another process.
    pub(crate) fn plugin(&self) -> EventsPlugin {
        self.plugin.clone()
    }

    /// Reads the subscriptions again. If one of them is invalid, all previous ones stay in force.
    pub(crate) async fn reload(&self, paths: &Paths) {
        let passwords = SourcePasswords::of_state(&paths.state).export();
        match read_subscriptions(paths).and_then(|files| Ok((files, passwords?))) {
            Ok((files, passwords)) => self.set_subscriptions(files, &passwords).await,
            Err(error) => tracing::error!(
                error = one_line(&*error),
                "Cannot reload the event subscriptions; keeping the previous ones"
            ),
        }
    }

    /// Replaces the subscriptions. If one of them is invalid, all previous ones stay in force.
    pub(crate) async fn set_subscriptions(&self, files: Vec<CollectorFile>, passwords: &[u8]) {
        let set = match parse_subscriptions(files, passwords) {
            Ok(subscriptions) => self.opening.set_subscriptions(subscriptions).await,
            Err(error) => Err(error),
        };
        match set {
            Ok(()) => tracing::debug!("Event subscriptions loaded"),
            Err(error) => tracing::error!(
                error = one_line(&error),
                "Cannot reload the event subscriptions; keeping the previous ones"
            ),
        }
    }
}
