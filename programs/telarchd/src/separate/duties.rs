//! What the broker does for somebody whose proof it has judged.

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
use plugin_shell::ShellPlugin;
use plugin_wmi::WmiPlugin;
use quickconfig::{Answer, Opening, Wish};
use sddl::{AccessMask, Sid, Token};
use service::{Certificates, Principals as _, Resource};
use tokio::sync::mpsc;

use super::hosts::Hosts;
use super::user;
use crate::persistent::one_line;
use crate::persistent::principals::Principals;
use crate::quick_config::QuickConfig;

/// Everything that takes root's rights.
pub(super) struct Machine {
    pub(super) sign_in: Arc<SignIn>,
    pub(super) principals: Arc<Principals>,
    pub(super) users: UnixUsers,
    pub(super) store: Arc<Store>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) quick_config: QuickConfig,
    pub(super) hosts: Arc<Hosts>,
    pub(super) notices: mpsc::Sender<Notice>,
}

impl Machine {
    /// The gateway decides this as well, and for the very resource; but it may have been taken over. Here it is enough
    /// that somebody has the right somewhere in one of these resources.
    fn may(
        &self,
        identity: &Identity,
        token: &Token,
        desired: AccessMask,
        resources: &[Resource],
    ) -> Result<(), Denied> {
        self.may_any(identity, token, &[(desired, resources)])
    }

    /// The same where one right of several is enough; the last is what is told to be missing.
    fn may_any(
        &self,
        identity: &Identity,
        token: &Token,
        wishes: &[(AccessMask, &[Resource])],
    ) -> Result<(), Denied> {
        let state = self.store.state();
        let is_granted = |(desired, resources): &(AccessMask, &[Resource])| {
            let mut guards = resources.iter().flat_map(|resource| state.access.at_or_below(resource.uri));
            guards.any(|guard| guard.access_check(token, *desired).is_granted())
        };
        if wishes.iter().any(is_granted) {
            return Ok(());
        }
        let desired = wishes.last().map_or(AccessMask::GENERIC_EXECUTE, |(desired, _)| *desired);
        let account = identity.account();
        tracing::warn!(%account, right = %desired, "Refused: no security descriptor gives this right");
        let reason = format!(
            "access is denied: {account} needs the right {desired} here, which RootSDDL of the service does not give"
        );
        Err(Denied::new(DenialKind::Access, reason))
    }
}

impl Machine {
    fn listens_at(&self, opening: &Opening) -> bool {
        let transport = match opening.transport {
            quickconfig::Transport::Http => config::Transport::Http,
            quickconfig::Transport::Https => config::Transport::Https,
        };
        let state = self.store.state();
        let listeners = state.listeners.in_force(&state.config.service);
        let is_it = |own: &config::Listener| own.enabled && own.transport == transport;
        listeners.iter().any(|own| is_it(own) && own.port.number() == opening.port.get())
    }
}

impl PrivilegedOperations for Machine {
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
            Ok(Some(numbers)) => {
                let token = self.principals.token(identity.account());
                self.hosts.renew(name, &numbers, token.as_ref());
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "The users of this machine cannot be read"),
        }
    }

    fn host(&self, identity: &Identity, token: &Token) -> Result<OwnedFd, Denied> {
        // Whoever may do anything that a host does, with shells or with instances.
        let wishes: [(AccessMask, &[Resource]); 4] = [
            (AccessMask::GENERIC_READ, &WmiPlugin::RESOURCES),
            (AccessMask::GENERIC_WRITE, &WmiPlugin::RESOURCES),
            (AccessMask::GENERIC_EXECUTE, &WmiPlugin::RESOURCES),
            (AccessMask::GENERIC_EXECUTE, &ShellPlugin::RESOURCES),
        ];
        self.may_any(identity, token, &wishes)?;
        let name = &identity.account().name;
        let found = user::find(&self.users, name).map_err(|error| {
            tracing::error!(%error, "The users of this machine cannot be read");
            Denied::new(DenialKind::Failed, "the users of this machine cannot be read: the log says why")
        })?;
        let Some(numbers) = found else {
            let reason = format!(
                "{name} has an account, but is no user of this machine: there is nobody to do this as"
            );
            return Err(Denied::new(DenialKind::Access, reason));
        };
        // The host works for whoever has this account, however the first of them has proven it.
        let token = self.principals.token(identity.account()).unwrap_or_else(|| token.clone());
        self.hosts.connect(name, &numbers, &token).map_err(|error| {
            tracing::error!(account = %name, %error, "A host cannot be started");
            let (kind, reason) = match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    (DenialKind::Access, format!("access is denied: this machine does not let {name} in"))
                }
                _ => (DenialKind::Failed, format!("no process can be started for {name}: the log says why")),
            };
            Denied::new(kind, reason)
        })
    }

    fn change_settings(
        &self,
        identity: &Identity,
        token: &Token,
        before: &str,
        after: &str,
    ) -> Result<(), SettingsError> {
        self.may(identity, token, AccessMask::GENERIC_WRITE, &ConfigPlugin::RESOURCES)
            .map_err(SettingsError::Denied)?;
        match self.store.replace(before, after) {
            Ok(_) => {
                tracing::info!(account = %identity.account(), "The settings were changed");
                Ok(())
            }
            Err(StoreError::Changed { .. }) => {
                // Somebody has edited the file: what is in it holds from now on, if it can.
                match self.store.reload() {
                    Ok(_) => Err(SettingsError::Outdated(self.store.text())),
                    Err(error) => Err(failed(&error)),
                }
            }
            Err(error) => Err(failed(&error)),
        }
    }

    fn mappings(&self, identity: &Identity, token: &Token) -> Result<Vec<Mapping>, MappingRequestError> {
        self.may(identity, token, AccessMask::GENERIC_READ, &ConfigPlugin::RESOURCES)
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
        self.may(identity, token, AccessMask::GENERIC_WRITE, &ConfigPlugin::RESOURCES)
            .map_err(MappingRequestError::Denied)?;
        let keys = change.keys().clone();
        self.sign_in.change_mapping(change, from).map_err(MappingRequestError::Change)?;
        tracing::info!(account = %identity.account(), mapping = %keys, "A certificate mapping was changed");
        Ok(())
    }

    fn certificate(&self, wish: &CertificateRequest) -> Result<Secret, Denied> {
        let failed = |error: &dyn Error| Denied::new(DenialKind::Failed, error.to_string());
        let pem = match wish {
            CertificateRequest::ByThumbprint(text) => {
                let thumbprint = Thumbprint::parse(text).map_err(|error| failed(&error))?;
                self.certificates.pem(thumbprint)
            }
            CertificateRequest::SelfSigned(names) => self.certificates.own_pem(names, SystemTime::now()),
        };
        pem.map(|mut pem| Secret::new(std::mem::take(&mut *pem))).map_err(|error| failed(&error))
    }

    fn quick_config(&self, identity: &Identity, token: &Token, wish: &Wish) -> Result<Answer, Denied> {
        let desired = match wish {
            Wish::Survey(_) => AccessMask::GENERIC_EXECUTE,
            _ => AccessMask::GENERIC_WRITE,
        };
        self.may(identity, token, desired, &ConfigPlugin::RESOURCES)?;
        if let Wish::Open(opening) = wish
            && !self.listens_at(opening)
        {
            let reason = "the firewall is opened for listeners of this service only, and there is none";
            return Err(Denied::new(DenialKind::Access, reason));
        }
        if !matches!(wish, Wish::Survey(_)) {
            tracing::info!(account = %identity.account(), ?wish, "quickconfig");
        }
        self.quick_config.ask(wish).map_err(|error| Denied::new(DenialKind::Failed, error))
    }

    fn sid_of(&self, name: &str) -> Option<Sid> {
        self.principals.sid_of(name)
    }

    fn name_of(&self, sid: Sid) -> Option<String> {
        self.principals.name_of(sid)
    }

    fn on_notice(&self, notice: Notice) {
        // A gateway that says more than the service manager can be told must not fill the memory of the broker.
        let _ = self.notices.try_send(notice);
    }
}

fn failed(error: &StoreError) -> SettingsError {
    SettingsError::Denied(Denied::new(DenialKind::Failed, one_line(error)))
}
