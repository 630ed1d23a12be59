//! Checks of the local socket, the listeners and their certificates.

use std::time::{Duration, SystemTime};

use client::{Endpoint, Session, TlsError, TlsPolicy};
use config::{Hostname, Listener, Transport};

use super::LocalService;
use super::ports::{ListeningSocket, all};
use crate::connection::{Connection, Delegation, Target};
use crate::doctor::finding::Outcome;
use crate::doctor::units;
use crate::failure::Kind;
use crate::session::RemoteService;
use crate::settings::ClientSettings;

/// Checks the Unix socket with an Identify request.
pub(super) async fn socket(service: &LocalService) -> (Outcome, Option<()>) {
    let connection = Connection { target: Target::Local(service.sockets.clone()), ..Connection::default() };
    let service = match RemoteService::new(
        connection,
        &ClientSettings::new(config::Client::default()),
        Delegation::Refused,
    ) {
        Ok(service) => service,
        Err(failure) => return Outcome::from(&failure).without_data(),
    };
    match service.session.identify().await {
        Ok(identified) => Outcome::pass(identified.identity.to_string()).without_data(),
        Err(error) => Outcome::from(&service.failure(error)).without_data(),
    }
}

/// Checks that every listener accepts connections.
pub(super) async fn listeners(listeners: &[Listener]) -> (Outcome, Option<()>) {
    let sockets = all();
    let mut seen = Vec::new();
    for listener in listeners {
        let (key, port) = (listener.key(), listener.port.number());
        if !sockets.iter().any(|socket| socket.is_for(listener)) {
            let seen = format!("the service is running, but listener {key} is not listening on port {port}");
            return Outcome::fail(Kind::Connect, seen)
                .fix("see the log for the reason: journalctl -u telarchd, or the output of the program")
                .fix("check that the machine has the address of the listener, and the address filters")
                .without_data();
        }
        seen.push(format!("{key} on port {port}"));
    }
    match seen.as_slice() {
        [] => Outcome::skip("no listener is enabled").without_data(),
        all => Outcome::pass(all.join(", ")).without_data(),
    }
}

/// Checks the certificate of every HTTPS listener with a TLS handshake.
pub(super) async fn certificates(listeners: &[Listener]) -> (Outcome, Option<()>) {
    let sockets = all();
    let mut seen = Vec::new();
    let mut soon = None;
    for listener in listeners.iter().filter(|listener| listener.transport == Transport::Https) {
        let Some(socket) = sockets.iter().find(|socket| socket.is_for(listener)) else { continue };
        let key = listener.key();
        match handshake(socket).await {
            Err(reason) => {
                return Outcome::fail(
                    Kind::Connect,
                    format!("TLS handshake with listener {key} failed: {reason}"),
                )
                .fix("see the log for the reason: journalctl -u telarchd")
                .without_data();
            }
            Ok((certificate, verdict)) => {
                let command =
                    format!("winrm set winrm/config/listener?{key} -set:CertificateThumbprint=THUMBPRINT");
                let until = units::time_text(certificate.not_after);
                let problem = match verdict {
                    Err(TlsError::Expired) => Some(format!("expired on {until}")),
                    Err(TlsError::NotYetValid) => Some(format!(
                        "is not valid before {}; check the clock",
                        units::time_text(certificate.not_before)
                    )),
                    Err(TlsError::WrongPurpose) => Some("is not valid for server authentication".to_owned()),
                    Err(error) => Some(format!("is not accepted: {error}")),
                    Ok(()) => name_mismatch(&listener.hostname, &certificate.names),
                };
                if let Some(problem) = problem {
                    let seen = format!(
                        "the certificate of listener {key} {problem} (thumbprint {})",
                        certificate.thumbprint
                    );
                    return Outcome::fail(Kind::Connect, seen)
                        .fix(format!(
                            "put a valid certificate and its key in the certificates directory next to the configuration file, then: {command}"
                        ))
                        .without_data();
                }
                let left = certificate.not_after.duration_since(SystemTime::now()).unwrap_or_default();
                if left < SOON {
                    soon = Some((
                        format!(
                            "the certificate of listener {key} expires in {}",
                            units::duration_text(left)
                        ),
                        command,
                    ));
                }
                seen.push(format!("{key}: for {}, valid until {until}", certificate.names.join(", ")));
            }
        }
    }
    match (soon, seen.as_slice()) {
        (Some((seen, fix)), _) => {
            Outcome::warn(seen).fix(format!("renew the certificate before it expires: {fix}")).without_data()
        }
        (None, []) => Outcome::skip("no HTTPS listener is enabled").without_data(),
        (None, all) => Outcome::pass(all.join("; ")).without_data(),
    }
}

/// Performs a TLS handshake and returns the certificate with the result of its verification, except issuer and name.
async fn handshake(
    socket: &ListeningSocket,
) -> Result<(client::PresentedCertificate, Result<(), TlsError>), String> {
    let address = socket.connect_address().to_string();
    let endpoint = Endpoint::new(client::Transport::Https, &address, socket.port, Endpoint::PATH)
        .map_err(|error| error.to_string())?;
    let policy = TlsPolicy::new().skip_ca().skip_name();
    let session = Session::builder(endpoint).tls(policy).connect_timeout(HANDSHAKE).build();
    let handshake =
        session.map_err(|error| error.to_string())?.handshake().await.map_err(|error| error.to_string())?;
    match (handshake.certificate, handshake.verdict) {
        (Some(certificate), verdict) => Ok((certificate, verdict)),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(())) => Err("the listener sent no certificate".to_owned()),
    }
}

/// Returns a description of the mismatch if the certificate does not contain the Hostname of the listener.
fn name_mismatch(hostname: &Hostname, names: &[String]) -> Option<String> {
    let hostname = hostname.to_string();
    if matches!(hostname.as_str(), "" | "*") || names.iter().any(|name| matches(name, &hostname)) {
        return None;
    }
    Some(format!("is for {}, not for the Hostname {hostname} of the listener", names.join(", ")))
}

/// Returns whether a certificate name, which may begin with a wildcard label, matches a host name (RFC 6125, 6.4.3).
fn matches(name: &str, hostname: &str) -> bool {
    let by_wildcard = name.strip_prefix("*.").is_some_and(|domain| {
        hostname.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain))
    });
    name.eq_ignore_ascii_case(hostname) || by_wildcard
}

const HANDSHAKE: Duration = Duration::from_secs(5);
/// Remaining lifetime of a certificate below which a warning is reported.
const SOON: Duration = Duration::from_secs(30 * 86_400);
