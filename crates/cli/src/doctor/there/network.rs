//! From the name of the host to what answers there, without saying who asks.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use client::{Error, Handshake, PresentedCertificate, ProbeResponse, TlsError, Transport, Violation};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wsman::identify::Identity;

use super::{Patient, seconds, sign_in};
use crate::connection::Verification;
use crate::doctor::finding::Outcome;
use crate::doctor::round::{Limit, Round};
use crate::doctor::{Check, words};
use crate::failure::Kind;

/// Name, port and TLS.
pub(super) async fn reach(patient: &Patient<'_>, round: &mut Round<'_>) -> io::Result<()> {
    let endpoint = patient.endpoint();
    let late = Outcome::fail(
        Kind::Connect,
        format!("nobody says in time what the address of {} is", endpoint.host()),
    )
    .fix("the servers of names do not answer: /etc/resolv.conf says which are asked; or use the address");
    let limit = Limit { after: Duration::from_secs(10), late };
    match patient.anonymous.session.proxy() {
        Some(proxy) => {
            let why = format!("the proxy {} looks for the host, and connects to it", proxy.address());
            round.skip(Check::Name, &[], &why)?;
            round.skip(Check::Port, &[], &why)?;
        }
        None => {
            let addresses = round.look(Check::Name, &[], limit, name(patient)).await?.unwrap_or_default();
            let limit = Limit { late: silent(patient), ..seconds(5 * MOST_ADDRESSES) };
            round.look(Check::Port, &[Check::Name], limit, port(patient, &addresses)).await?;
        }
    }
    if endpoint.transport() == Transport::Http {
        return round.skip(Check::Tls, &[Check::Port], "this is HTTP");
    }
    let late =
        Outcome::fail(Kind::Connect, "connections are accepted, and nothing answers the handshake of TLS")
            .fix(hangs(patient));
    let limit = Limit { after: Duration::from_secs(10), late };
    round.look(Check::Tls, &[Check::Port], limit, tls(patient)).await.map(drop)
}

/// Who answers, by its own word.
pub(super) async fn identify(patient: &Patient<'_>, round: &mut Round<'_>) -> io::Result<Option<Identity>> {
    let late = Outcome::fail(Kind::Connect, "connections are accepted, and no answer comes")
        .fix(hangs(patient))
        .fix("a middlebox may accept connections in its name and drop what is sent");
    let limit = Limit { after: Duration::from_secs(10), late };
    round.look(Check::Identify, &[Check::Port, Check::Tls], limit, who(patient)).await
}

/// By which schemes it lets one sign in.
pub(super) async fn greet(patient: &Patient<'_>, round: &mut Round<'_>) -> io::Result<Option<ProbeResponse>> {
    let looking = async {
        match patient.anonymous.session.probe().await {
            Ok(greeting) => (schemes(patient, &greeting), Some(greeting)),
            Err(error) => (patient.outcome(error), None),
        }
    };
    round.look(Check::Schemes, &[Check::Identify], seconds(10), looking).await
}

fn hangs(patient: &Patient<'_>) -> String {
    let (host, port) = (patient.host(), patient.endpoint().port());
    format!(
        "the service hangs, or it is another one: on {host}, ss -ltnp tells which program has port {port}"
    )
}

async fn name(patient: &Patient<'_>) -> (Outcome, Option<Vec<SocketAddr>>) {
    let endpoint = patient.endpoint();
    match endpoint.addresses().await {
        Err(error) => (patient.outcome(error), None),
        Ok(addresses) => {
            let mut all: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            all.dedup();
            let seen = match endpoint.host().parse::<IpAddr>() {
                Ok(_) => format!(
                    "{} is an address: Kerberos, and most certificates, know names only",
                    endpoint.host()
                ),
                Err(_) => format!("{} is {}", endpoint.host(), all.join(", ")),
            };
            (Outcome::pass(seen), Some(addresses))
        }
    }
}

/// What became of one address.
enum Knock {
    Accepted(Duration),
    Refused(io::Error),
    Silent,
}

async fn knock(address: SocketAddr, limit: Duration) -> Knock {
    let begun = Instant::now();
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Knock::Accepted(begun.elapsed()),
        Ok(Err(error)) => Knock::Refused(error),
        Err(_) => Knock::Silent,
    }
}

async fn port(patient: &Patient<'_>, addresses: &[SocketAddr]) -> (Outcome, Option<()>) {
    let number = patient.endpoint().port();
    let limit = patient.connection.timeout.unwrap_or(KNOCKING).min(KNOCKING);
    let mut refusal = None;
    for address in addresses.iter().take(usize::try_from(MOST_ADDRESSES).unwrap_or_default()) {
        match knock(*address, limit).await {
            Knock::Accepted(after) => {
                let seen = format!("{address} accepts connections, after {}", words::span(after));
                return Outcome::pass(seen).alone();
            }
            Knock::Refused(error) => refusal = Some(error),
            Knock::Silent => {}
        }
    }
    let outcome = match refusal {
        None => silent(patient),
        Some(source) => {
            let address = format!("{}:{number}", patient.host());
            let mut outcome = patient.outcome(Error::Connect { address: address.clone(), source });
            if outcome.seen.contains("refused") {
                outcome.seen = format!("nothing listens at {address}: connections are refused");
            }
            outcome
        }
    };
    let mut outcome = outcome;
    if let Some(other) = other_port(patient, addresses).await {
        outcome = outcome.first_fix(other);
    }
    outcome.alone()
}

/// Nobody says no, nobody says yes.
fn silent(patient: &Patient<'_>) -> Outcome {
    let address = format!("{}:{}", patient.host(), patient.endpoint().port());
    let after = patient.connection.timeout.unwrap_or(KNOCKING).min(KNOCKING);
    let mut outcome = patient.outcome(Error::ConnectTimedOut { address: address.clone(), after });
    outcome.seen = format!(
        "{address} does not answer at all: packets are dropped on the way, or nobody has the address"
    );
    outcome
}

/// Whether the service is probably at another port.
async fn other_port(patient: &Patient<'_>, addresses: &[SocketAddr]) -> Option<String> {
    let own = patient.endpoint().port();
    let first = addresses.first()?;
    for (port, how) in USUAL.iter().filter(|(port, _)| *port != own) {
        let mut address = *first;
        address.set_port(*port);
        if let Knock::Accepted(_) = knock(address, Duration::from_secs(1)).await {
            let endpoint = how.replace("{host}", &patient.host());
            return Some(format!("port {port} accepts connections: winrm doctor {endpoint}"));
        }
    }
    None
}

async fn tls(patient: &Patient<'_>) -> (Outcome, Option<()>) {
    let Handshake { version, certificate, verdict, .. } = match patient.anonymous.session.handshake().await {
        Ok(handshake) => handshake,
        Err(error) => return (patient.outcome(error), None),
    };
    let shown = certificate.as_ref().map(described).unwrap_or_default();
    let outcome = match verdict {
        Err(reason) => refused(patient, reason, certificate.as_ref()),
        Ok(()) => {
            let seen = format!("{}, a certificate {shown}", version.unwrap_or("TLS"));
            match certificate.as_ref().map(|certificate| left(certificate.not_after)) {
                Some(Some(left)) if left < SOON => Outcome::warn(format!("{seen}: it expires in {}", words::span(left)))
                    .fix("renew it before clients refuse it"),
                _ if unchecked(patient) => Outcome::warn(format!("{seen}; not all of it was checked, as the switches say"))
                    .fix("without -skipCAcheck and -skipCNcheck nobody can stand in for the host: -ca:FILE trusts its issuer"),
                _ => Outcome::pass(seen),
            }
        }
    };
    outcome.alone()
}

fn unchecked(patient: &Patient<'_>) -> bool {
    let trust = &patient.connection.trust;
    trust.issuer == Verification::Skipped || trust.name == Verification::Skipped
}

/// What is wrong with TLS, with the certificate that shows it.
fn refused(patient: &Patient<'_>, reason: TlsError, certificate: Option<&PresentedCertificate>) -> Outcome {
    let shown = certificate.map(described).unwrap_or_default();
    let at = |moment: fn(&PresentedCertificate) -> SystemTime| {
        certificate.map(|certificate| words::moment(moment(certificate))).unwrap_or_default()
    };
    let seen = match &reason {
        TlsError::Expired => format!("the certificate expired on {}: {shown}", at(|c| c.not_after)),
        TlsError::NotYetValid => {
            format!("the certificate is not good before {}: {shown}", at(|c| c.not_before))
        }
        TlsError::Untrusted => format!("nobody who is trusted has signed the certificate: {shown}"),
        TlsError::WrongName { .. } => {
            format!("the certificate is not for {}: {shown}", patient.endpoint().host())
        }
        TlsError::WrongPurpose => format!("the certificate is not made for servers: {shown}"),
        other => other.to_string(),
    };
    let host = patient.endpoint().host().to_owned();
    let outcome = patient.outcome(Error::Tls { host, reason });
    Outcome { seen, ..outcome }
}

/// `for node7, 10.0.0.7 by CN=…, thumbprint …`
fn described(certificate: &PresentedCertificate) -> String {
    let names = match certificate.names.as_slice() {
        [] => "no name".to_owned(),
        names => names.join(", "),
    };
    let PresentedCertificate { issuer, thumbprint, not_after, .. } = certificate;
    let until = words::moment(*not_after);
    format!("for {names}, signed by {issuer}, good until {until}, thumbprint {thumbprint}")
}

/// How much of its time is left; none if that is over.
fn left(not_after: SystemTime) -> Option<Duration> {
    not_after.duration_since(SystemTime::now()).ok()
}

async fn who(patient: &Patient<'_>) -> (Outcome, Option<Identity>) {
    match patient.anonymous.session.identify_anonymous().await {
        Ok(identified) => {
            let identity = identified.identity;
            (Outcome::pass(identity.to_string()), Some(identity))
        }
        // Some services tell nobody who they are; what else they say is looked at next.
        Err(Error::AuthenticationFailed { .. }) => {
            (Outcome::warn("it tells only those who sign in who it is"), None)
        }
        Err(error) => {
            let is_tls = matches!(&error, Error::Protocol { violation: Violation::NotHttp, .. });
            let is_redirect =
                matches!(error, Error::Http { status: 300..400 } | Error::NoMessage { status: 300..400, .. });
            let outcome = patient.outcome(error);
            if is_redirect {
                let portal =
                    "a portal that wants everybody to log in may answer in its place: a browser shows it";
                return (outcome.fix(portal), None);
            }
            (if is_tls { speaks_tls(patient, outcome) } else { outcome }, None)
        }
    }
}

/// What does not speak HTTP at a port for HTTP most often speaks TLS.
fn speaks_tls(patient: &Patient<'_>, outcome: Outcome) -> Outcome {
    let endpoint = patient.endpoint();
    let fix = format!("winrm doctor https://{}:{}", patient.host(), endpoint.port());
    outcome.first_fix(format!("ask it in TLS: {fix}"))
}

fn schemes(patient: &Patient<'_>, greeting: &ProbeResponse) -> Outcome {
    let ProbeResponse { status, offered, .. } = greeting;
    if *status != 401 && offered.is_empty() {
        let seen =
            format!("it lets nobody sign in: an empty request without a name is answered by HTTP {status}");
        return Outcome::warn(seen);
    }
    if offered.is_empty() {
        return Outcome::fail(Kind::Authentication, "it asks who is there, and offers no scheme to sign in with")
            .fix(format!("on {}: winrm set winrm/config/service/auth -set:Negotiate=true", patient.host()))
            .fix("Negotiate is offered where somebody could use it: an account with --ntlm, winbind or a keytab; Basic over HTTPS");
    }
    let chosen = patient.chosen().map(sign_in::known_as);
    let is_offered = |scheme| offered.iter().any(|name| client::Scheme::from_challenge(name) == Some(scheme));
    match chosen.filter(|scheme| !is_offered(*scheme)) {
        None => Outcome::pass(format!("it offers {}", offered.join(", "))),
        Some(scheme) => {
            let (offered, tried) = (offered.clone(), Some(scheme));
            patient.outcome(Error::AuthenticationFailed { offered, tried, user: None })
        }
    }
}

/// The ports of WinRM, and how they are asked for.
const USUAL: [(u16, &str); 4] =
    [(5985, "{host}"), (5986, "{host} -usessl"), (443, "https://{host}"), (80, "http://{host}")];

/// How long one address gets to answer.
const KNOCKING: Duration = Duration::from_secs(5);
/// How many addresses of a host are tried.
const MOST_ADDRESSES: u64 = 8;
/// When an expiry is worth a word.
const SOON: Duration = Duration::from_secs(30 * 86_400);
