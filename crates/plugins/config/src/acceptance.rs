//! Whether listeners can serve as a change wants them, judged before the change is made.
//!
//! Only what the change is about is judged: a certificate that expired last night does not keep anybody from
//! changing a quota. A listener that is not enabled may name a certificate that is still to come.

use std::fmt;
use std::time::SystemTime;

use config::{Draft, Hostname, Listener, ListenerKey, Service, Thumbprint, Transport};
use service::{
    Certificate, CertificateError, CertificateProblem, Certificates, ListenError, PortConflict, check_port,
};

use crate::port;

/// Why a listener cannot be as a change wants it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unacceptable {
    #[error(
        "listener {0}: HTTP uses no certificate: leave CertificateThumbprint empty, or create a listener with Transport=HTTPS"
    )]
    CertificateForHttp(ListenerKey),
    #[error("listener {0}: {1}")]
    Conflict(ListenerKey, PortConflict),
    #[error("listener {0}: {1}")]
    Port(ListenerKey, ListenError),
    #[error("{0}: {1}")]
    NoCertificate(Place, CertificateError),
    #[error("{place}: clients would not accept the certificate {thumbprint}: {unfit}; {}", way_out(*.is_own, .unfit))]
    Unfit { place: Place, thumbprint: Thumbprint, unfit: CertificateProblem, is_own: bool },
}

/// The setting that leads to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Listener(ListenerKey),
    /// `Service/CertificateThumbprint`.
    Service,
}

/// Judges what is different after a change.
pub(crate) fn judge(before: &Draft, after: &Draft, certificates: &Certificates) -> Result<(), Unacceptable> {
    let now = SystemTime::now();
    certificate_of_service(&before.config.service, &after.config.service, certificates, now)?;
    for listener in &after.listeners {
        let before = before.listeners.find(listener.key()).and_then(|old| old.certificate_thumbprint);
        let named = listener.certificate_thumbprint;
        if listener.transport == Transport::Http && named.is_some() && named != before {
            return Err(Unacceptable::CertificateForHttp(listener.key()));
        }
    }
    let (old, new) = (serving(before), serving(after));
    for listener in &new {
        let known = old.iter().find(|known| is_same(known, listener));
        let same_port = known.is_some_and(|known| known.port == listener.port);
        let same_certificate =
            known.is_some_and(|known| known.certificate_thumbprint == listener.certificate_thumbprint);
        let same_name = known.is_some_and(|known| known.hostname == listener.hostname);
        if !(same_port && same_certificate) {
            conflict(listener, &new, &after.config.service)
                .map_err(|conflict| Unacceptable::Conflict(listener.key(), conflict))?;
        }
        if !(same_certificate && same_name) {
            certificate(listener, certificates, now)?;
        }
        if !same_port {
            port::can_be_had(listener, &after.config.service)
                .map_err(|error| Unacceptable::Port(listener.key(), error))?;
        }
    }
    Ok(())
}

/// The listeners that are to be open, each with the certificate that it names or that all of them have.
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

/// A compatibility listener has the key of the one it stands beside.
fn is_same(one: &Listener, other: &Listener) -> bool {
    one.key() == other.key() && one.source == other.source
}

fn conflict(listener: &Listener, all: &[Listener], service: &Service) -> Result<(), PortConflict> {
    check_port(listener, all, service)?;
    // Listeners with the same key are passed over there.
    let beside = all.iter().find(|other| other.key() == listener.key() && other.source != listener.source);
    match beside {
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
) -> Result<(), Unacceptable> {
    let place = Place::Listener(listener.key());
    match (listener.transport, listener.certificate_thumbprint) {
        (Transport::Http, _) => Ok(()),
        (Transport::Https, Some(thumbprint)) => {
            let named = find(thumbprint, place, certificates)?;
            fitting(&named, &listener.hostname, now, place, false)
        }
        // If there is none yet, a fitting one will be made.
        (Transport::Https, None) => match certificates.existing_own() {
            Some(own) => fitting(&own, &listener.hostname, now, place, true),
            None => Ok(()),
        },
    }
}

/// The certificate of listeners that name none must be there also if there is no such listener yet.
fn certificate_of_service(
    before: &Service,
    after: &Service,
    certificates: &Certificates,
    now: SystemTime,
) -> Result<(), Unacceptable> {
    match after.certificate_thumbprint {
        Some(thumbprint) if before.certificate_thumbprint != Some(thumbprint) => {
            let named = find(thumbprint, Place::Service, certificates)?;
            fitting(&named, &Hostname::default(), now, Place::Service, false)
        }
        _ => Ok(()),
    }
}

fn find(
    thumbprint: Thumbprint,
    place: Place,
    certificates: &Certificates,
) -> Result<Certificate, Unacceptable> {
    certificates.find(thumbprint).map_err(|error| Unacceptable::NoCertificate(place, error))
}

fn fitting(
    certificate: &Certificate,
    hostname: &Hostname,
    now: SystemTime,
    place: Place,
    is_own: bool,
) -> Result<(), Unacceptable> {
    let thumbprint = certificate.name();
    certificate.check(hostname, now).map_err(|unfit| Unacceptable::Unfit { place, thumbprint, unfit, is_own })
}

fn way_out(is_own: bool, unfit: &CertificateProblem) -> &'static str {
    match (is_own, unfit) {
        (true, _) => {
            "name another certificate by CertificateThumbprint, or have a new one made: move this one out of the state directory and restart the service"
        }
        (false, CertificateProblem::NameMismatch { .. }) => {
            "set Hostname to one of them, or CertificateThumbprint to a certificate for this name"
        }
        (false, _) => "set CertificateThumbprint to another certificate",
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(key) => write!(formatter, "listener {key}"),
            Self::Service => formatter.write_str("Service/CertificateThumbprint"),
        }
    }
}
