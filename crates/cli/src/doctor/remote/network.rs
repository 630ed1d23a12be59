//! Checks without credentials: name, port, TLS, Identify and authentication schemes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use client::{Error, Handshake, PresentedCertificate, ProbeResponse, TlsError, Transport, Violation};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wsman::identify::Identity;

use super::{RemoteTarget, seconds, sign_in};
use crate::connection::Verification;
use crate::doctor::finding::Outcome;
use crate::doctor::runner::{CheckRunner, Limit};
use crate::doctor::{Check, units};
use crate::failure::Kind;

/// Checks name, port and TLS.
pub(super) async fn reach(target: &RemoteTarget<'_>, runner: &mut CheckRunner<'_>) -> io::Result<()> {
    let endpoint = target.endpoint();
    let late = Outcome::fail(Kind::Connect, format!("DNS lookup of {} timed out", endpoint.host()))
        .fix("check the name servers in /etc/resolv.conf, or use the IP address");
    let limit = Limit { after: Duration::from_secs(10), late };
    match target.anonymous.session.proxy() {
        Some(proxy) => {
            let why = format!("the proxy {} resolves the name and connects to the host", proxy.address());
            runner.skip(Check::Name, &[], &why)?;
            runner.skip(Check::Port, &[], &why)?;
        }
        None => {
            let addresses = runner.run(Check::Name, &[], limit, name(target)).await?.unwrap_or_default();
            let limit = Limit { late: timed_out(target), ..seconds(5 * MOST_ADDRESSES) };
            runner.run(Check::Port, &[Check::Name], limit, port(target, &addresses)).await?;
        }
    }
    if endpoint.transport() == Transport::Http {
        return runner.skip(Check::Tls, &[Check::Port], "the endpoint uses HTTP");
    }
    let late = Outcome::fail(Kind::Connect, "the TLS handshake timed out").fix(check_process(target));
    let limit = Limit { after: Duration::from_secs(10), late };
    runner.run(Check::Tls, &[Check::Port], limit, tls(target)).await.map(drop)
}

/// Sends Identify without credentials.
pub(super) async fn identify(
    target: &RemoteTarget<'_>,
    runner: &mut CheckRunner<'_>,
) -> io::Result<Option<Identity>> {
    let late = Outcome::fail(Kind::Connect, "the service accepts connections but does not respond")
        .fix(check_process(target))
        .fix("a middlebox may accept the connection and drop the data");
    let limit = Limit { after: Duration::from_secs(10), late };
    runner.run(Check::Identify, &[Check::Port, Check::Tls], limit, product(target)).await
}

/// Checks which authentication schemes the service offers.
pub(super) async fn greet(
    target: &RemoteTarget<'_>,
    runner: &mut CheckRunner<'_>,
) -> io::Result<Option<ProbeResponse>> {
    let work = async {
        match target.anonymous.session.probe().await {
            Ok(greeting) => (schemes(target, &greeting), Some(greeting)),
            Err(error) => (target.outcome(error), None),
        }
    };
    runner.run(Check::Schemes, &[Check::Identify], seconds(10), work).await
}

fn check_process(target: &RemoteTarget<'_>) -> String {
    let (host, port) = (target.host(), target.endpoint().port());
    format!(
        "the service may hang, or another program may use the port: on {host}, run ss -ltnp and check port {port}"
    )
}

async fn name(target: &RemoteTarget<'_>) -> (Outcome, Option<Vec<SocketAddr>>) {
    let endpoint = target.endpoint();
    match endpoint.addresses().await {
        Err(error) => (target.outcome(error), None),
        Ok(addresses) => {
            let mut all: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            all.dedup();
            let seen = match endpoint.host().parse::<IpAddr>() {
                Ok(_) => format!(
                    "{} is an IP address; Kerberos and most certificates require a host name",
                    endpoint.host()
                ),
                Err(_) => format!("{} resolves to {}", endpoint.host(), all.join(", ")),
            };
            (Outcome::pass(seen), Some(addresses))
        }
    }
}

/// Result of connecting to one address.
enum Connect {
    Accepted(Duration),
    Failed(io::Error),
    TimedOut,
}

async fn connect(address: SocketAddr, limit: Duration) -> Connect {
    let begun = Instant::now();
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Connect::Accepted(begun.elapsed()),
        Ok(Err(error)) => Connect::Failed(error),
        Err(_) => Connect::TimedOut,
    }
}

async fn port(target: &RemoteTarget<'_>, addresses: &[SocketAddr]) -> (Outcome, Option<()>) {
    let number = target.endpoint().port();
    let limit = target.connection.timeout.unwrap_or(CONNECT_TIMEOUT).min(CONNECT_TIMEOUT);
    let mut refusal = None;
    for address in addresses.iter().take(usize::try_from(MOST_ADDRESSES).unwrap_or_default()) {
        match connect(*address, limit).await {
            Connect::Accepted(after) => {
                let seen = format!("connected to {address} in {}", units::duration_text(after));
                return Outcome::pass(seen).without_data();
            }
            Connect::Failed(error) => refusal = Some(error),
            Connect::TimedOut => {}
        }
    }
    let mut outcome = match refusal {
        None => timed_out(target),
        Some(source) => {
            let address = format!("{}:{number}", target.host());
            let mut outcome = target.outcome(Error::Connect { address: address.clone(), source });
            if outcome.seen.contains("refused") {
                outcome.seen =
                    format!("connection to {address} refused: no service is listening on this port");
            }
            outcome
        }
    };
    if let Some(other) = other_port(target, addresses).await {
        outcome = outcome.first_fix(other);
    }
    outcome.without_data()
}

/// Returns the outcome for addresses that neither accept nor refuse the connection.
fn timed_out(target: &RemoteTarget<'_>) -> Outcome {
    let address = format!("{}:{}", target.host(), target.endpoint().port());
    let after = target.connection.timeout.unwrap_or(CONNECT_TIMEOUT).min(CONNECT_TIMEOUT);
    let mut outcome = target.outcome(Error::ConnectTimedOut { address: address.clone(), after });
    outcome.seen = format!(
        "connection to {address} timed out: a firewall drops the packets, or no machine has the address"
    );
    outcome
}

/// Returns advice if another usual port of WinRM accepts connections.
async fn other_port(target: &RemoteTarget<'_>, addresses: &[SocketAddr]) -> Option<String> {
    let own = target.endpoint().port();
    let first = addresses.first()?;
    for (port, endpoint) in USUAL_ENDPOINTS.iter().filter(|(port, _)| *port != own) {
        let mut address = *first;
        address.set_port(*port);
        if let Connect::Accepted(_) = connect(address, Duration::from_secs(1)).await {
            let endpoint = endpoint.replace("{host}", &target.host());
            return Some(format!("port {port} accepts connections; try winrm doctor {endpoint}"));
        }
    }
    None
}

async fn tls(target: &RemoteTarget<'_>) -> (Outcome, Option<()>) {
    let Handshake { version, certificate, verdict, .. } = match target.anonymous.session.handshake().await {
        Ok(handshake) => handshake,
        Err(error) => return (target.outcome(error), None),
    };
    let shown = certificate.as_ref().map(described).unwrap_or_default();
    let outcome = match verdict {
        Err(reason) => refused(target, reason, certificate.as_ref()),
        Ok(()) => {
            let seen = format!("{}, certificate {shown}", version.unwrap_or("TLS"));
            match certificate.as_ref().map(|certificate| remaining(certificate.not_after)) {
                Some(Some(left)) if left < SOON => {
                    Outcome::warn(format!("{seen}; expires in {}", units::duration_text(left)))
                        .fix("renew the certificate before it expires")
                }
                _ if skips_verification(target) => {
                    Outcome::warn(format!("{seen}; not fully verified because of -skipCAcheck or -skipCNcheck"))
                        .fix("omit these switches, so that no other host can impersonate the service; -ca:FILE trusts its issuer")
                }
                _ => Outcome::pass(seen),
            }
        }
    };
    outcome.without_data()
}

fn skips_verification(target: &RemoteTarget<'_>) -> bool {
    let trust = &target.connection.trust;
    trust.issuer == Verification::Skipped || trust.name == Verification::Skipped
}

/// Returns the outcome of a failed certificate verification.
fn refused(
    target: &RemoteTarget<'_>,
    reason: TlsError,
    certificate: Option<&PresentedCertificate>,
) -> Outcome {
    let shown = certificate.map(described).unwrap_or_default();
    let not_before = certificate.map(|shown| units::time_text(shown.not_before)).unwrap_or_default();
    let not_after = certificate.map(|shown| units::time_text(shown.not_after)).unwrap_or_default();
    let seen = match &reason {
        TlsError::Expired => format!("certificate expired on {not_after}: {shown}"),
        TlsError::NotYetValid => format!("certificate is not valid before {not_before}: {shown}"),
        TlsError::Untrusted => format!("certificate is not signed by a trusted authority: {shown}"),
        TlsError::WrongName { .. } => {
            format!("certificate is not valid for {}: {shown}", target.endpoint().host())
        }
        TlsError::WrongPurpose => format!("certificate is not valid for server authentication: {shown}"),
        other => other.to_string(),
    };
    let host = target.endpoint().host().to_owned();
    let outcome = target.outcome(Error::Tls { host, reason });
    Outcome { seen, ..outcome }
}

/// Returns names, issuer, validity and thumbprint of a certificate.
fn described(certificate: &PresentedCertificate) -> String {
    let names = match certificate.names.as_slice() {
        [] => "no name".to_owned(),
        names => names.join(", "),
    };
    let PresentedCertificate { issuer, thumbprint, not_after, .. } = certificate;
    let until = units::time_text(*not_after);
    format!("for {names}, issued by {issuer}, valid until {until}, thumbprint {thumbprint}")
}

/// Returns the remaining lifetime, or `None` if it has expired.
fn remaining(not_after: SystemTime) -> Option<Duration> {
    not_after.duration_since(SystemTime::now()).ok()
}

async fn product(target: &RemoteTarget<'_>) -> (Outcome, Option<Identity>) {
    match target.anonymous.session.identify_anonymous().await {
        Ok(identified) => {
            let identity = identified.identity;
            (Outcome::pass(identity.to_string()), Some(identity))
        }
        // Some services require authentication for Identify; the next check shows their schemes.
        Err(Error::AuthenticationFailed { .. }) => {
            (Outcome::warn("the service identifies itself only to authenticated clients"), None)
        }
        Err(error) => {
            let is_tls = matches!(&error, Error::Protocol { violation: Violation::NotHttp, .. });
            let is_redirect =
                matches!(error, Error::Http { status: 300..400 } | Error::NoMessage { status: 300..400, .. });
            let outcome = target.outcome(error);
            if is_redirect {
                let portal = "a captive portal may have intercepted the request; open a web page in a browser to log in";
                return (outcome.fix(portal), None);
            }
            (if is_tls { suggest_https(target, outcome) } else { outcome }, None)
        }
    }
}

/// Adds advice to use HTTPS, because a port that does not respond with HTTP most often expects TLS.
fn suggest_https(target: &RemoteTarget<'_>, outcome: Outcome) -> Outcome {
    let endpoint = target.endpoint();
    let fix = format!("winrm doctor https://{}:{}", target.host(), endpoint.port());
    outcome.first_fix(format!("try HTTPS: {fix}"))
}

fn schemes(target: &RemoteTarget<'_>, greeting: &ProbeResponse) -> Outcome {
    let ProbeResponse { status, offered, .. } = greeting;
    if *status != 401 && offered.is_empty() {
        let seen = format!("the service does not request authentication: HTTP {status} for an empty request");
        return Outcome::warn(seen);
    }
    if offered.is_empty() {
        return Outcome::fail(
            Kind::Authentication,
            "the service requires authentication but offers no scheme",
        )
        .fixes(no_scheme_fixes(&target.host()));
    }
    let requested = target.requested_scheme().map(sign_in::client_scheme);
    match requested.filter(|scheme| !sign_in::is_offered(greeting, *scheme)) {
        None => Outcome::pass(format!("offered: {}", offered.join(", "))),
        Some(scheme) => {
            let (offered, tried) = (offered.clone(), Some(scheme));
            target.outcome(Error::AuthenticationFailed { offered, tried, user: None, others: Vec::new() })
        }
    }
}

/// Returns what to do about a service without any scheme. Its settings are not known: a scheme may be disabled, or
/// enabled without an account that can use it.
fn no_scheme_fixes(host: &str) -> Vec<String> {
    vec![
        format!("on {host}, run winrm quickconfig: it lists what each scheme lacks, and makes one usable"),
        format!("or create an account for NTLM: on {host}, telarch account add NAME --ntlm"),
        format!(
            "or, if {host} runs Windows and Negotiate is off: winrm set winrm/config/service/auth -set:Negotiate=true"
        ),
    ]
}

/// Usual ports of WinRM, with the endpoint that selects each port.
const USUAL_ENDPOINTS: [(u16, &str); 4] =
    [(5985, "{host}"), (5986, "{host} -usessl"), (443, "https://{host}"), (80, "http://{host}")];

/// Time limit of a connection to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of addresses to try.
const MOST_ADDRESSES: u64 = 8;
/// Remaining lifetime of a certificate below which a warning is reported.
const SOON: Duration = Duration::from_secs(30 * 86_400);
