//! State of the service.

use std::sync::Arc;

use eventlog::local::LogPaths;
use limits::{KeyedLimit, Origin};
use linux::Machine;
use management::{
    ApiKeys, Audit, Delegation, DeploymentRules, Directory, ManagementError, Permissions, RequestLog,
    Sessions, Settings, Staging, SystemAccounts, Timestamp, Uploads, Users,
};
use management_terminal::TerminalSource;
use serde_json::json;
use webserver::WebServer;

use crate::client_checks::ClientChecks;
use crate::machines::{Connector, Machines};
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::site_list::SiteList;
use crate::terminals::Terminals;
use crate::wmi::{LocalWmi, Wmi};

/// The service: everything that requests read and change.
pub struct Console {
    pub(crate) settings: Settings,
    pub(crate) users: Users,
    pub(crate) permissions: Permissions,
    pub(crate) delegation: Delegation,
    pub(crate) deployment_rules: DeploymentRules,
    /// Archives that are being uploaded.
    pub(crate) uploads: Uploads,
    pub(crate) system: Option<SystemAccounts>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) api_keys: ApiKeys,
    pub(crate) audit: Arc<Audit>,
    pub(crate) terminals: Arc<Terminals>,
    pub(crate) request_log: Option<RequestLog>,
    pub(crate) web: Option<Arc<dyn WebServer>>,
    pub(crate) site_list: SiteList,
    pub(crate) wmi: Wmi,
    pub(crate) wsman: Option<config::Paths>,
    /// Other machines.
    pub(crate) machines: Arc<Machines>,
    pub(crate) logs: LogPaths,
    /// Requests of each user that read logs.
    pub(crate) log_readers: KeyedLimit<String>,
    /// Sign-ins of each source that are being verified.
    pub(crate) signing_in: KeyedLimit<Origin>,
    pub(crate) machine: Machine,
    pub(crate) metrics: Metrics,
    pub(crate) checks: ClientChecks,
    pub(crate) fingerprint: String,
    pub(crate) started: Timestamp,
    pub(crate) staging: Option<Arc<Staging>>,
    pub(crate) directory: Directory,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Parts of the service that its caller chooses.
pub struct ConsoleParts {
    /// Files of the service.
    pub directory: Directory,
    /// Settings, which do not change while the service runs.
    pub settings: Settings,
    /// The managed web server.
    pub web: Option<Arc<dyn WebServer>>,
    /// Accounts of the operating system, if they may sign in.
    pub system: Option<SystemAccounts>,
    /// Sessions, which a new start of the service with other settings keeps.
    pub sessions: Arc<Sessions>,
    /// Settings that administrators stage; `None` if the service cannot start again by itself.
    pub staging: Option<Arc<Staging>>,
    /// WMI of this machine.
    pub wmi: Option<Arc<dyn LocalWmi>>,
    /// Files of the machine's WS-Management service.
    pub wsman: Option<config::Paths>,
    /// Terminals; `None` if the service has none.
    pub terminals: Option<Arc<dyn TerminalSource>>,
    /// Connections to other machines; `None` if they are not possible.
    pub connector: Option<Arc<dyn Connector>>,
    /// Local logs of this machine.
    pub logs: LogPaths,
    /// Names and addresses of the certificate.
    pub host_names: Vec<String>,
    /// SHA-256 fingerprint of the certificate.
    pub fingerprint: String,
}

impl std::fmt::Debug for ConsoleParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleParts").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Console {
    /// Opens the files of the service.
    ///
    /// # Errors
    /// [`ManagementError`] with the file and the reason.
    pub fn open(parts: ConsoleParts) -> Result<Self, ManagementError> {
        let ConsoleParts { directory, settings, web, system, sessions, staging, .. } = parts;
        let ConsoleParts { wmi, wsman, terminals, connector, logs, host_names, fingerprint, .. } = parts;
        let log_directory = settings.logging_directory.clone().unwrap_or_else(|| directory.request_log());
        let audit = Arc::new(Audit::open(directory.audit())?);
        let terminals = Terminals::new(terminals, Arc::clone(&sessions), Arc::clone(&audit));
        Ok(Self {
            users: Users::open(directory.users())?,
            permissions: Permissions::open(directory.permissions())?,
            delegation: Delegation::open(directory.delegation())?,
            deployment_rules: DeploymentRules::open(directory.deployment_rules())?,
            uploads: Uploads::new(directory.uploads()),
            system,
            sessions,
            api_keys: ApiKeys::open(directory.api_keys())?,
            audit,
            terminals: Arc::new(terminals),
            request_log: settings.enable_logging.then(|| RequestLog::new(log_directory)),
            web,
            site_list: SiteList::default(),
            wmi: Wmi::new(wmi),
            wsman,
            machines: Arc::new(Machines::open(directory.machines(), connector)?),
            logs,
            log_readers: KeyedLimit::new(),
            signing_in: KeyedLimit::new(),
            machine: Machine::this(),
            metrics: Metrics::default(),
            checks: ClientChecks::new(&settings, host_names),
            fingerprint,
            started: Timestamp::now(),
            staging,
            directory,
            settings,
        })
    }

    /// The manager users.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// Permissions of users.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Returns the managed web server.
    pub(crate) fn web(&self) -> Result<&Arc<dyn WebServer>, Problem> {
        let missing = "no web server is managed; start the service with --nginx DIRECTORY, --apache DIRECTORY or --caddy ADDRESS";
        self.web.as_ref().ok_or_else(|| Problem::new(404, "no-web-server", missing))
    }

    /// Returns the state of the service for its page.
    pub(crate) fn service_state(&self) -> serde_json::Value {
        let settings: serde_json::Map<_, _> =
            Settings::names().iter().map(|name| ((*name).to_owned(), self.settings.json(name))).collect();
        json!({
            "state": "running",
            "started": self.started.to_string(),
            "can_be_staged": self.staging.is_some(),
            "settings": settings,
            "remote_restrictions_registry": self.settings.remote_restrictions.to_registry().ok(),
            "certificate_sha256": self.fingerprint,
            "log_directory": self.request_log.as_ref().map(|log| log.directory().to_string_lossy().into_owned()),
        })
    }
}
