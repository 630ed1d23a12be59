//! Privileged operations of the broker for users whose identity it has verified.

use std::error::Error;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::SystemTime;

use accounts::{SignIn, UnixUsers};
use auth::certificate_mapping::{Mapping, MappingChange};
use auth::{Identity, Secret};
use broker::{
    CertificateRequest, DenialKind, Denied, MappingRequestError, Notice, PrivilegedOperations, SettingsError,
};
use config::{Store, StoreError, Thumbprint};
use plugin_config::ConfigPlugin;
use plugin_eventlog::EventLogPlugin;
use plugin_file::FilePlugin;
use plugin_powershell::PowerShellPlugin;
use plugin_shell::ShellPlugin;
use plugin_wmi::WmiPlugin;
use quickconfig::{MachineRequest, MachineResponse, Opening};
use sddl::{AccessMask, Sid, Token};
use service::{Certificates, Principals as _, Resource};
use tokio::sync::mpsc;

use super::hosts::{HostRequest, Hosts};
use super::user::UserIds;
use super::{run_as, user};
use crate::log::one_line;
use crate::persistent::principals::Principals;
use crate::quick_config::QuickConfig;
use crate::sign_in_state::SignInState;

/// Implementation of the privileged operations.
pub(super) struct MachineOperations {
    pub(super) sign_in: Arc<SignIn>,
    pub(super) principals: Arc<Principals>,
    pub(super) users: UnixUsers,
    pub(super) store: Arc<Store>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) quick_config: QuickConfig,
    pub(super) sign_in_state: SignInState,
    pub(super) hosts: Arc<Hosts>,
    pub(super) notices: mpsc::Sender<Notice>,
}

impl MachineOperations {
    /// Requires a right to one of the resources.
    ///
    /// The gateway checks the right to the specific resource, but could be compromised. This check therefore
    /// requires that the user has the right anywhere in these resources.
    fn require_access(
        &self,
        identity: &Identity,
        token: &Token,
        desired: AccessMask,
        resources: &[Resource],
    ) -> Result<(), Denied> {
        self.require_any_access(identity, token, &[(desired, resources)])
    }

    /// Requires one of several rights; the last one is named in the denial.
    fn require_any_access(
        &self,
        identity: &Identity,
        token: &Token,
        alternatives: &[(AccessMask, &[Resource])],
    ) -> Result<(), Denied> {
        let state = self.store.state();
        let is_granted = alternatives.iter().any(|(desired, resources)| {
            let mut guards = resources.iter().flat_map(|resource| state.access.at_or_below(resource.uri));
            guards.any(|guard| guard.access_check(token, *desired).is_granted())
        });
        if is_granted {
            return Ok(());
        }
        let desired = alternatives.last().map_or(AccessMask::GENERIC_EXECUTE, |(desired, _)| *desired);
        let account = identity.account();
        tracing::warn!(%account, right = %desired, "Access denied: no security descriptor grants the right");
        let reason = format!(
            "access is denied: no security descriptor grants {account} the right {desired} for this operation\n  \
             an administrator can grant it: winrm configSDDL default"
        );
        Err(Denied::new(DenialKind::Access, reason))
    }
}

impl MachineOperations {
    fn find_user(&self, name: &str) -> Result<Option<UserIds>, Denied> {
        user::find(&self.users, name).map_err(|error| {
            tracing::error!(%error, "Cannot read the users of this machine");
            let reason = "cannot read the users of this machine; see the log of the service";
            Denied::new(DenialKind::Failed, reason)
        })
    }

    /// Returns a connection to a host whose process runs as `account`.
    fn connect(&self, account: &str, request: HostRequest<'_>) -> Result<OwnedFd, Denied> {
        self.hosts.connect(request).map_err(|error| {
            tracing::error!(account, %error, "Cannot start a host");
            let (kind, reason) = match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    (DenialKind::Access, format!("access is denied: PAM refuses a session for {account}"))
                }
                _ => (
                    DenialKind::Failed,
                    format!("cannot start a process for {account}; see the log of the service"),
                ),
            };
            Denied::new(kind, reason)
        })
    }

    fn listens_at(&self, opening: &Opening) -> bool {
        let transport = match opening.transport {
            quickconfig::Transport::Http => config::Transport::Http,
            quickconfig::Transport::Https => config::Transport::Https,
        };
        let state = self.store.state();
        let listeners = state.listeners.in_force(&state.config.service);
        listeners.iter().any(|listener| {
            let is_enabled = listener.enabled && listener.transport == transport;
            is_enabled && listener.port.number() == opening.port.get()
        })
    }
}

impl PrivilegedOperations for MachineOperations {
    fn max_connections(&self) -> usize {
        usize::try_from(self.store.snapshot().connections.max_open.get()).unwrap_or(usize::MAX)
    }

    fn token(&self, identity: &Identity) -> Option<Token> {
        self.principals.token_of(identity)
    }

    fn on_sign_in(&self, identity: &Identity) {
        let name = &identity.account().name;
        if !self.hosts.has(name) {
            return;
        }
        match user::find(&self.users, name) {
            Ok(numbers) => {
                let token = self.principals.token(identity.account());
                self.hosts.renew(name, numbers.as_ref(), token.as_ref());
            }
            Err(error) => tracing::error!(%error, "Cannot read the users of this machine"),
        }
    }

    fn host(&self, identity: &Identity, token: &Token) -> Result<OwnedFd, Denied> {
        // Users with any right to shells or instances, which hosts serve.
        let alternatives: [(AccessMask, &[Resource]); 7] = [
            (AccessMask::GENERIC_READ, &WmiPlugin::RESOURCES),
            (AccessMask::GENERIC_WRITE, &WmiPlugin::RESOURCES),
            (AccessMask::GENERIC_EXECUTE, &WmiPlugin::RESOURCES),
            (AccessMask::GENERIC_EXECUTE, &ShellPlugin::RESOURCES),
            (AccessMask::GENERIC_EXECUTE, &PowerShellPlugin::RESOURCES),
            (AccessMask::GENERIC_EXECUTE, &FilePlugin::RESOURCES),
            (AccessMask::GENERIC_READ, &EventLogPlugin::RESOURCES),
        ];
        self.require_any_access(identity, token, &alternatives)?;
        let name = &identity.account().name;
        let Some(numbers) = self.find_user(name)? else {
            let reason = format!(
                "{name} has an account, but is not a user of this machine, so no process can run as {name}"
            );
            return Err(Denied::new(DenialKind::Access, reason));
        };
        // The host serves all sessions of the account, independent of their authentication scheme.
        let token = self.principals.token(identity.account()).unwrap_or_else(|| token.clone());
        self.connect(name, HostRequest { caller: name, token: &token, numbers: &numbers, run_as: None })
    }

    fn run_as_host(&self, identity: &Identity, token: &Token, endpoint: &str) -> Result<OwnedFd, Denied> {
        let state = self.store.state();
        let run_as = run_as::authorize(&state, token, endpoint)?;
        let Some(numbers) = self.find_user(&run_as.account)? else {
            let reason = format!(
                "the endpoint {endpoint} runs as {0}, but {0} is not a user of this machine; check RunAsUser in the settings file",
                run_as.account
            );
            return Err(Denied::new(DenialKind::Failed, reason));
        };
        let caller = &identity.account().name;
        let request = HostRequest { caller, token, numbers: &numbers, run_as: Some(&run_as) };
        let connection = self.connect(&run_as.account, request)?;
        // Settings that were changed while the host was starting.
        let now = self.store.state();
        if !Arc::ptr_eq(&now, &state) {
            self.hosts.end_outdated(&now);
        }
        Ok(connection)
    }

    fn run_as_hosts(&self, identity: &Identity, token: &Token) -> Vec<String> {
        let state = self.store.state();
        let mut endpoints = self.hosts.endpoints_of(&identity.account().name, token.user());
        endpoints.retain(|endpoint| run_as::authorize(&state, token, endpoint).is_ok());
        endpoints
    }

    fn change_settings(
        &self,
        identity: &Identity,
        token: &Token,
        before: &str,
        after: &str,
    ) -> Result<(), SettingsError> {
        self.require_access(identity, token, AccessMask::GENERIC_WRITE, &ConfigPlugin::RESOURCES)
            .map_err(SettingsError::Denied)?;
        match self.store.replace(before, after) {
            Ok(_) => {
                tracing::info!(account = %identity.account(), "Settings changed");
                Ok(())
            }
            Err(StoreError::Changed { .. }) => {
                // The file was edited. Its content takes effect now if it is valid.
                match self.store.reload() {
                    Ok(_) => Err(SettingsError::Outdated(self.store.text())),
                    Err(error) => Err(failed(&error)),
                }
            }
            Err(error) => Err(failed(&error)),
        }
    }

    fn mappings(&self, identity: &Identity, token: &Token) -> Result<Vec<Mapping>, MappingRequestError> {
        self.require_access(identity, token, AccessMask::GENERIC_READ, &ConfigPlugin::RESOURCES)
            .map_err(MappingRequestError::Denied)?;
        self.sign_in.mappings().map_err(MappingRequestError::Change)
    }

    fn change_mapping(
        &self,
        identity: &Identity,
        token: &Token,
        change: MappingChange,
        from: IpAddr,
    ) -> Result<(), MappingRequestError> {
        self.require_access(identity, token, AccessMask::GENERIC_WRITE, &ConfigPlugin::RESOURCES)
            .map_err(MappingRequestError::Denied)?;
        let keys = change.keys().clone();
        self.sign_in.change_mapping(change, from).map_err(MappingRequestError::Change)?;
        tracing::info!(account = %identity.account(), mapping = %keys, "Certificate mapping changed");
        Ok(())
    }

    fn certificate(&self, request: &CertificateRequest) -> Result<Secret, Denied> {
        fn failed(error: impl Error) -> Denied {
            Denied::new(DenialKind::Failed, error.to_string())
        }
        let pem = match request {
            CertificateRequest::ByThumbprint(text) => {
                let thumbprint = Thumbprint::parse(text).map_err(failed)?;
                self.certificates.pem(thumbprint)
            }
            CertificateRequest::SelfSigned(names) => self.certificates.own_pem(names, SystemTime::now()),
        };
        pem.map(|mut pem| Secret::new(std::mem::take(&mut *pem))).map_err(failed)
    }

    fn quick_config(
        &self,
        identity: &Identity,
        token: &Token,
        request: &MachineRequest,
    ) -> Result<MachineResponse, Denied> {
        let desired = match request {
            MachineRequest::Survey(_) | MachineRequest::SignIn => AccessMask::GENERIC_EXECUTE,
            _ => AccessMask::GENERIC_WRITE,
        };
        self.require_access(identity, token, desired, &ConfigPlugin::RESOURCES)?;
        if *request == MachineRequest::SignIn {
            return Ok(MachineResponse::SignIn(self.sign_in_state.report()));
        }
        if let MachineRequest::Open(opening) = request
            && !self.listens_at(opening)
        {
            let reason =
                "the service has no enabled listener on this port; the firewall is opened for listeners only";
            return Err(Denied::new(DenialKind::Access, reason));
        }
        if !matches!(request, MachineRequest::Survey(_)) {
            tracing::info!(account = %identity.account(), ?request, "quickconfig");
        }
        self.quick_config.run(request).map_err(|error| Denied::new(DenialKind::Failed, error))
    }

    fn sid_of(&self, name: &str) -> Option<Sid> {
        self.principals.sid_of(name)
    }

    fn name_of(&self, sid: Sid) -> Option<String> {
        self.principals.name_of(sid)
    }

    fn endpoints(&self) -> Vec<String> {
        let names = plugin_powershell::endpoints(&self.store.snapshot());
        names.iter().map(ToString::to_string).collect()
    }

    fn on_notice(&self, notice: Notice) {
        // Excess reports are dropped, so that a gateway cannot fill the memory of the broker.
        let _ = self.notices.try_send(notice);
    }
}

fn failed(error: &StoreError) -> SettingsError {
    SettingsError::Denied(Denied::new(DenialKind::Failed, one_line(error)))
}
