//! The error type of the crate.

use std::sync::Arc;
use std::time::Duration;

use client::Error;
use eventing::{CollectorError, PullFailure};
use winevent::Subscription;
use winevent::subscription::{CredentialsType, DeliveryMode};
use wsman::code;

use crate::back_off::PauseBounds;

/// Reason why the events of a source cannot be pulled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    /// The subscription has no password for the source.
    #[error("user name and password of the source are missing")]
    NoCredentials,
    /// The settings name no credentials of this machine that the transport can use.
    #[error("the collector has no credentials of this machine for the credentials type LocalMachine")]
    NoMachineCredentials,
    /// The address or the resource is not valid.
    #[error("{0}")]
    Invalid(String),
    /// The request has failed.
    #[error("{0}")]
    Client(#[from] Error),
    /// The source did not finish its response in time.
    #[error("the source did not finish its response within {} seconds", .0.as_secs())]
    Slow(Duration),
    /// The source has ended the subscription.
    #[error("the source has ended the subscription")]
    Ended,
    /// The source has ended the subscription with this reason.
    #[error("the source has ended the subscription: {0}")]
    EndedBySource(String),
    /// The address of this collector is not valid.
    #[error("the address of this collector for sources that push is not usable: {0}")]
    Address(String),
    /// The source has subscribed, but has delivered nothing, not even a heartbeat, to this address.
    #[error("the source accepted the subscription, but has sent nothing to {0}")]
    NotReached(String),
    /// The heartbeat of the source is missing.
    #[error("the source has sent nothing for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// The store cannot be used.
    #[error("{0}")]
    Collector(#[from] Arc<CollectorError>),
}

impl PullError {
    /// Returns the failure as it is shown for the source.
    pub(crate) fn failure(
        &self,
        subscription: &Subscription,
        address: &str,
        mode: DeliveryMode,
        retry_in: Duration,
    ) -> PullFailure {
        let reason = self.to_string().replace('\n', "; ");
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let advice = self.advice(subscription, address);
        let action = match mode {
            DeliveryMode::Pull => "pull from",
            DeliveryMode::Push => "receive events of",
        };
        PullFailure {
            message: format!("cannot {action} {address}: {reason}; {advice}"),
            code: self.code(),
            retry_in,
        }
    }

    /// Returns the bounds of the pause before the next attempt.
    pub(crate) fn pause_bounds(&self) -> PauseBounds {
        match self {
            Self::Client(Error::AuthenticationFailed { .. } | Error::SignIn { .. }) => PauseBounds::SIGN_IN,
            _ => PauseBounds::USUAL,
        }
    }

    /// Returns whether the source has rejected the bookmark of a request.
    pub(crate) fn is_invalid_bookmark(&self) -> bool {
        matches!(self, Self::Client(Error::Fault(fault)) if fault.code() == code::INVALID_BOOKMARK)
    }

    /// Returns whether the subscription is gone at the source, so that a new one is the remedy.
    pub(crate) fn is_end(&self) -> bool {
        match self {
            Self::Ended | Self::EndedBySource(_) => true,
            Self::Client(Error::Fault(fault)) => fault.code() == code::INVALID_ENUMERATION_CONTEXT,
            _ => false,
        }
    }

    fn code(&self) -> Option<u32> {
        match self {
            Self::Client(error) => error.code(),
            Self::NoCredentials | Self::NoMachineCredentials => Some(code::LOGON_FAILURE),
            Self::Slow(_) | Self::NotReached(_) | Self::Silent(_) => Some(code::NETWORK_TIMED_OUT),
            _ => None,
        }
    }

    /// Returns what to do.
    fn advice(&self, subscription: &Subscription, address: &str) -> String {
        let id = subscription.id.as_str();
        let sign_in = format!(
            "set the user and the password with wecutil ss \"{id}\" /esa:{address} /un:USER /up:*, or the common ones with \
             /cun and /cup"
        );
        match self {
            Self::NoCredentials => sign_in,
            Self::NoMachineCredentials => format!(
                "set EventCollector.MachineKeytab, or EventCollector.MachineCertificate and wecutil ss \"{id}\" /tn:https"
            ),
            Self::Client(Error::AuthenticationFailed { .. } | Error::SignIn { .. })
                if subscription.credentials == CredentialsType::LocalMachine =>
            {
                "check that the source knows the principal in EventCollector.MachineKeytab, or the certificate in \
                 EventCollector.MachineCertificate"
                    .to_owned()
            }
            Self::Client(Error::AuthenticationFailed { .. } | Error::SignIn { .. }) => {
                format!("check the account on the source, or {sign_in}")
            }
            Self::Client(Error::Refused { .. } | Error::NoAllowedScheme { .. }) => {
                format!("use wecutil ss \"{id}\" /tn:https, or add {address} to Client.TrustedHosts")
            }
            Self::Client(
                Error::NotResolved { .. }
                | Error::Connect { .. }
                | Error::ConnectTimedOut { .. }
                | Error::Disconnected { .. },
            ) => "check the address, that the WinRM service of the source runs and listens on this port, and its firewall"
                .to_owned(),
            Self::Client(Error::Tls { .. }) => {
                "add the authority of the source's certificate to certificates/event-authorities".to_owned()
            }
            Self::Client(Error::Fault(fault)) => match fault.code() {
                code::ACCESS_DENIED | code::WMI_ACCESS_DENIED | code::PROVIDER_ACCESS_DENIED => {
                    "add the account to the group Event Log Readers on the source".to_owned()
                }
                code::CANNOT_PROCESS_FILTER => format!("correct the query with wecutil ss \"{id}\" /q:QUERY"),
                _ => "see the log of the source".to_owned(),
            },
            Self::Invalid(_) => format!("correct the subscription with wecutil ss \"{id}\""),
            Self::Address(_) => format!(
                "correct EventCollector.DeliveryUrl, or the host name with wecutil ss \"{id}\" /hn:NAME"
            ),
            Self::NotReached(_) => {
                "check that the source can connect to this address, and trusts the authority of its certificate; on a \
                 Telarch source see EventForwarding.PushAuthorities and its log"
                    .to_owned()
            }
            Self::Silent(_) => "see the log of the source; the collector subscribes again".to_owned(),
            Self::Ended | Self::EndedBySource(_) => "the collector subscribes again".to_owned(),
            Self::Collector(_) => "see the log of telarchd; events stay on the source".to_owned(),
            Self::Client(_) | Self::Slow(_) => "see the log of the source".to_owned(),
        }
    }
}
