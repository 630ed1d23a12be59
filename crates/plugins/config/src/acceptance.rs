//! Checks whether listeners could serve with a changed configuration, before the change is saved.
//!
//! Only changed listeners and certificates are checked: an expired certificate does not prevent a change of a quota.
//! A disabled listener may name a certificate that does not exist yet.

use std::fmt;
use std::time::SystemTime;

use config::{Draft, Hostname, Listener, ListenerKey, Service, Thumbprint, Transport};
use service::{
    Certificate, CertificateError, CertificateProblem, Certificates, ListenError, PortConflict, check_port,
    filters_admit_this_machine,
};

use crate::port;

/// Reason why a listener could not serve with the changed configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptanceError {
    #[error(
        "listener {0}: HTTP uses no certificate; leave CertificateThumbprint empty, or create a listener with Transport=HTTPS"
    )]
    CertificateForHttp(ListenerKey),
    #[error(
        "Service/IPv4Filter and Service/IPv6Filter admit no address of this machine; run ip address to list its addresses"
    )]
    NoAddress,
    #[error("listener {0}: {1}")]
    Conflict(ListenerKey, PortConflict),
    #[error("listener {0}: {1}")]
    Port(ListenerKey, ListenError),
    #[error("{0}: {1}")]
    NoCertificate(CertificateSetting, CertificateError),
    #[error("{setting}: clients would not accept the certificate {thumbprint}: {unfit}; {}", hint(*.is_own, .unfit))]
    Unfit { setting: CertificateSetting, thumbprint: Thumbprint, unfit: CertificateProblem, is_own: bool },
}

/// Setting that names a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CertificateSetting {
    Listener(ListenerKey),
    /// `Service/CertificateThumbprint`.
    Service,
}

/// Checks the differences between two drafts.
pub(crate) fn check(
    before: &Draft,
    after: &Draft,
    certificates: &Certificates,
) -> Result<(), AcceptanceError> {
    let now = SystemTime::now();
    check_filters(&before.config.service, &after.config.service)?;
    certificate_of_service(&before.config.service, &after.config.service, certificates, now)?;
    for listener in &after.listeners {
        let before = before.listeners.find(listener.key()).and_then(|old| old.certificate_thumbprint);
        let named = listener.certificate_thumbprint;
        if listener.transport == Transport::Http && named.is_some() && named != before {
            return Err(AcceptanceError::CertificateForHttp(listener.key()));
        }
    }
    let (old, new) = (serving(before), serving(after));
    for listener in &new {
        let previous = old.iter().find(|old| is_same(old, listener));
        let same_port = previous.is_some_and(|old| old.port == listener.port);
        let same_certificate =
            previous.is_some_and(|old| old.certificate_thumbprint == listener.certificate_thumbprint);
        let same_name = previous.is_some_and(|old| old.hostname == listener.hostname);
        if !(same_port && same_certificate) {
            conflict(listener, &new, &after.config.service)
                .map_err(|conflict| AcceptanceError::Conflict(listener.key(), conflict))?;
        }
        if !(same_certificate && same_name) {
            certificate(listener, certificates, now)?;
        }
        if !same_port {
            port::check_available(listener, &after.config.service)
                .map_err(|error| AcceptanceError::Port(listener.key(), error))?;
        }
    }
    Ok(())
}

/// Checks changed filters: without an address, no client could reach the service to correct them.
fn check_filters(before: &Service, after: &Service) -> Result<(), AcceptanceError> {
    let is_changed = before.ipv4_filter != after.ipv4_filter || before.ipv6_filter != after.ipv6_filter;
    if is_changed && !filters_admit_this_machine(after) { Err(AcceptanceError::NoAddress) } else { Ok(()) }
}

/// Returns the enabled listeners, each with its effective certificate.
fn serving(draft: &Draft) -> Vec<Listener> {
    let service = &draft.config.service;
    let mut serving = draft.listeners.in_force(service);
    serving.retain(|listener| listener.enabled);
    for listener in &mut serving {
        listener.certificate_thumbprint = match listener.transport {
            Transport::Http => None,
            Transport::Https => listener.certificate_thumbprint.or(service.certificate_thumbprint),
        };
    }
    serving
}

/// Returns whether two listeners are the same. A compatibility listener has the same key as the listener it
/// accompanies.
fn is_same(one: &Listener, other: &Listener) -> bool {
    one.key() == other.key() && one.source == other.source
}

fn conflict(listener: &Listener, all: &[Listener], service: &Service) -> Result<(), PortConflict> {
    check_port(listener, all, service)?;
    // `check_port` ignores listeners with the same key.
    let accompanying =
        all.iter().find(|other| other.key() == listener.key() && other.source != listener.source);
    match accompanying {
        Some(other)
            if other.port == listener.port
                && other.certificate_thumbprint != listener.certificate_thumbprint =>
        {
            Err(PortConflict::Certificate { port: listener.port.number(), other: other.key() })
        }
        _ => Ok(()),
    }
}

fn certificate(
    listener: &Listener,
    certificates: &Certificates,
    now: SystemTime,
) -> Result<(), AcceptanceError> {
    let setting = CertificateSetting::Listener(listener.key());
    match (listener.transport, listener.certificate_thumbprint) {
        (Transport::Http, _) => Ok(()),
        (Transport::Https, Some(thumbprint)) => {
            let named = find(thumbprint, setting, certificates)?;
            fitting(&named, &listener.hostname, now, setting, false)
        }
        // If the service has no certificate of its own yet, it will create one with the right name.
        (Transport::Https, None) => match certificates.existing_own() {
            Some(own) => fitting(&own, &listener.hostname, now, setting, true),
            None => Ok(()),
        },
    }
}

/// Checks the certificate of listeners without one of their own, even if there is no such listener yet.
fn certificate_of_service(
    before: &Service,
    after: &Service,
    certificates: &Certificates,
    now: SystemTime,
) -> Result<(), AcceptanceError> {
    match after.certificate_thumbprint {
        Some(thumbprint) if before.certificate_thumbprint != Some(thumbprint) => {
            let named = find(thumbprint, CertificateSetting::Service, certificates)?;
            fitting(&named, &Hostname::default(), now, CertificateSetting::Service, false)
        }
        _ => Ok(()),
    }
}

fn find(
    thumbprint: Thumbprint,
    setting: CertificateSetting,
    certificates: &Certificates,
) -> Result<Certificate, AcceptanceError> {
    certificates.find(thumbprint).map_err(|error| AcceptanceError::NoCertificate(setting, error))
}

fn fitting(
    certificate: &Certificate,
    hostname: &Hostname,
    now: SystemTime,
    setting: CertificateSetting,
    is_own: bool,
) -> Result<(), AcceptanceError> {
    let thumbprint = certificate.thumbprint();
    certificate.check(hostname, now).map_err(|unfit| AcceptanceError::Unfit {
        setting,
        thumbprint,
        unfit,
        is_own,
    })
}

fn hint(is_own: bool, unfit: &CertificateProblem) -> &'static str {
    match (is_own, unfit) {
        (true, _) => {
            "set CertificateThumbprint to another certificate, or move this one out of the state directory and restart the service to create a new one"
        }
        (false, CertificateProblem::NameMismatch { .. }) => {
            "set Hostname to one of these names, or CertificateThumbprint to a certificate for this name"
        }
        (false, _) => "set CertificateThumbprint to another certificate",
    }
}

impl fmt::Display for CertificateSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(key) => write!(formatter, "listener {key}"),
            Self::Service => formatter.write_str("Service/CertificateThumbprint"),
        }
    }
}
