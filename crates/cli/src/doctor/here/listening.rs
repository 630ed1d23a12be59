//! Whether the service is there: on its socket, on the network, and with certificates that clients accept.

use std::time::{Duration, SystemTime};

use client::{Endpoint, Session, TlsError, TlsPolicy};
use config::{Hostname, Listener, Transport};

use super::Place;
use super::ports::{Listening, all};
use crate::connection::{Connection, Delegation, Target};
use crate::doctor::finding::Outcome;
use crate::doctor::words;
use crate::failure::Kind;
use crate::session::Service;
use crate::settings::ClientSettings;

/// Asks the service over its Unix socket who it is.
pub(super) async fn socket(place: &Place) -> (Outcome, Option<()>) {
    let connection = Connection { target: Target::Local(place.sockets.clone()), ..Connection::default() };
    let service = match Service::new(
        connection,
        &ClientSettings::new(config::Client::default()),
        Delegation::Refused,
    ) {
        Ok(service) => service,
        Err(failure) => return Outcome::from(&failure).alone(),
    };
    match service.session.identify().await {
        Ok(identified) => Outcome::pass(identified.identity.to_string()).alone(),
        Err(error) => Outcome::from(&service.failure(error)).alone(),
    }
}

/// Whether each listener listens.
pub(super) async fn listeners(listeners: &[Listener]) -> (Outcome, Option<()>) {
    let listening = all();
    let mut seen = Vec::new();
    for listener in listeners {
        let (key, port) = (listener.key(), listener.port.number());
        if !listening.iter().any(|listening| listening.is_for(listener)) {
            let seen = format!("the service runs, but nobody listens at port {port} of listener {key}");
            return Outcome::fail(Kind::Connect, seen)
                .fix("its log tells why: journalctl -u telarchd, or what it wrote where it was started")
                .fix("an address that the machine has not yet, or an address filter, keeps a listener from listening")
                .alone();
        }
        seen.push(format!("{key} at {port}"));
    }
    match seen.as_slice() {
        [] => Outcome::skip("no listener is enabled").alone(),
        all => Outcome::pass(all.join(", ")).alone(),
    }
}

/// Looks at the certificate of every listener of HTTPS, as a client would.
pub(super) async fn certificates(listeners: &[Listener]) -> (Outcome, Option<()>) {
    let listening = all();
    let mut seen = Vec::new();
    let mut soon = None;
    let secured = listeners.iter().filter(|listener| listener.transport == Transport::Https);
    for listener in secured {
        let Some(there) = listening.iter().find(|listening| listening.is_for(listener)) else { continue };
        let key = listener.key();
        match shown(there).await {
            Err(what) => {
                return Outcome::fail(Kind::Connect, format!("listener {key}: {what}"))
                    .fix("the log of the service tells why: journalctl -u telarchd")
                    .alone();
            }
            Ok((certificate, verdict)) => {
                let named =
                    format!("winrm set winrm/config/listener?{key} -set:CertificateThumbprint=THUMBPRINT");
                let until = words::moment(certificate.not_after);
                let wrong = match verdict {
                    Err(TlsError::Expired) => Some(format!("expired on {until}")),
                    Err(TlsError::NotYetValid) => Some(format!(
                        "is not good before {}: is the clock right?",
                        words::moment(certificate.not_before)
                    )),
                    Err(TlsError::WrongPurpose) => Some("is not made for servers".to_owned()),
                    Err(error) => Some(format!("is not accepted: {error}")),
                    Ok(()) => unnamed(&listener.hostname, &certificate.names),
                };
                if let Some(wrong) = wrong {
                    let seen = format!(
                        "the certificate of listener {key} {wrong} (thumbprint {})",
                        certificate.thumbprint
                    );
                    return Outcome::fail(Kind::Connect, seen)
                        .fix(format!(
                            "put a good one with its key into certificates beside the settings: {named}"
                        ))
                        .alone();
                }
                let left = certificate.not_after.duration_since(SystemTime::now()).unwrap_or_default();
                if left < SOON {
                    soon = Some((
                        format!("the certificate of listener {key} expires in {}", words::span(left)),
                        named,
                    ));
                }
                seen.push(format!("{key}: for {}, good until {until}", certificate.names.join(", ")));
            }
        }
    }
    match (soon, seen.as_slice()) {
        (Some((seen, fix)), _) => {
            Outcome::warn(seen).fix(format!("renew it before clients refuse it: {fix}")).alone()
        }
        (None, []) => Outcome::skip("no listener is of HTTPS").alone(),
        (None, all) => Outcome::pass(all.join("; ")).alone(),
    }
}

/// What a listener shows, and what TLS makes of it apart from who has signed it and the name.
async fn shown(there: &Listening) -> Result<(client::PresentedCertificate, Result<(), TlsError>), String> {
    let address = there.reached_at().to_string();
    let endpoint = Endpoint::new(client::Transport::Https, &address, there.port, Endpoint::PATH)
        .map_err(|error| error.to_string())?;
    let policy = TlsPolicy::new().skip_ca().skip_name();
    let session = Session::builder(endpoint).tls(policy).connect_timeout(HANDSHAKE).build();
    let handshake =
        session.map_err(|error| error.to_string())?.handshake().await.map_err(|error| error.to_string())?;
    match (handshake.certificate, handshake.verdict) {
        (Some(certificate), verdict) => Ok((certificate, verdict)),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(())) => Err("it shows no certificate".to_owned()),
    }
}

/// Whether the certificate lacks the name that the listener says it has.
fn unnamed(hostname: &Hostname, names: &[String]) -> Option<String> {
    let wanted = hostname.to_string();
    let is_named = |name: &String| {
        let matches_wildcard = name.strip_prefix("*.").is_some_and(|domain| {
            wanted.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain))
        });
        name.eq_ignore_ascii_case(&wanted) || matches_wildcard
    };
    let is_said = !matches!(wanted.as_str(), "" | "*");
    (is_said && !names.iter().any(is_named))
        .then(|| format!("is for {}, not for its Hostname {wanted}", names.join(", ")))
}

const HANDSHAKE: Duration = Duration::from_secs(5);
/// When an expiry is worth a word.
const SOON: Duration = Duration::from_secs(30 * 86_400);
