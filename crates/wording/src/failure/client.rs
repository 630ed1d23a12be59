//! Failures of the client, and faults it received, as failures of a program.

use client::{Error, Obstacle, Progress, ProxyError, Refusal, Scheme, SignInCause, TlsError, Violation};
use wsman::Fault;

use super::{Failure, Hint, Kind, Told, markup};
use crate::codes::Code;

impl Failure {
    /// What the client could not do; `host` is the one that was addressed.
    #[must_use]
    pub fn from_client(error: &Error, host: &str) -> Self {
        if let Error::Tls { reason: reason @ TlsError::Authorities { .. }, .. } = error {
            return Self::here(Kind::Usage, reason.to_string()).at(host);
        }
        match error {
            Error::NoWayIn { refusal, endpoint } => return no_way_in(refusal, endpoint, host),
            Error::SignIn { .. } => return not_signed_in(error, host),
            _ => {}
        }
        let Some(code) = error.code().map(Code) else {
            return match error {
                Error::Fault(fault) => Self::from_fault(fault, host),
                error => Self::here(Kind::Usage, error.to_string()).at(host),
            };
        };
        let failure = Self::fault(code, host, &error.to_string());
        match error {
            Error::NoLocalService { .. } => failure.here_on_this_machine().with_hint(&Hint::NOT_STARTED),
            Error::ForeignSocket { .. } => failure.here_on_this_machine().with_hint(&Hint::FOREIGN),
            Error::Fault(fault) => Self::from_fault(fault, host),
            Error::NotResolved { source, .. } => failure.of_kind(Kind::Connect).because(told(source)),
            Error::Connect { source, .. } => failure.of_kind(Kind::Connect).because(told(source)),
            Error::Disconnected { source, when, .. } => {
                let failure = failure.with_hint(&Hint::BROKEN).because(format!("{}, {when}", told(source)));
                match when {
                    Progress::Sending => failure,
                    _ => failure
                        .advise("whether the operation was done is not known: look before trying again"),
                }
            }
            Error::Proxy { reason, .. } => failure.with_hint(match reason {
                ProxyError::Unreached(_) => &Hint::PROXY_UNREACHED,
                ProxyError::Refused { .. } => &Hint::PROXY_REFUSED,
                _ => &Hint::PROXY_LEADS_NOWHERE,
            }),
            Error::ConnectTimedOut { .. } => failure.of_kind(Kind::Connect),
            Error::TimedOut { .. } => failure.of_kind(Kind::Timeout),
            Error::Tls { reason: TlsError::NotTls | TlsError::Broken(_), .. } => {
                failure.with_hint(&Hint::NOT_TLS)
            }
            Error::Tls { reason, .. } => failure.with_hint(match reason {
                TlsError::Untrusted => &Hint::UNTRUSTED,
                TlsError::WrongName { .. } => &Hint::OTHER_NAME,
                TlsError::Expired => &Hint::EXPIRED,
                TlsError::NotYetValid => &Hint::NOT_YET_VALID,
                TlsError::WrongPurpose => &Hint::WRONG_PURPOSE,
                _ => &Hint::CERTIFICATE,
            }),
            Error::AuthenticationFailed { offered, tried, .. } => refused(failure, offered, *tried),
            Error::Http { status: 401 } => failure.of_kind(Kind::Authentication),
            Error::Http { status: 500 } | Error::NoMessage { status: 500, .. } => {
                failure.with_hint(&Hint::UNEXPLAINED)
            }
            Error::Http { .. } | Error::NoMessage { .. } if Hint::find(code).is_none() => {
                failure.with_hint(&Hint::NO_MESSAGE)
            }
            Error::Protocol { violation: Violation::TooLarge { .. }, .. } => failure,
            Error::Protocol { violation: Violation::NotHttp, .. } => failure.with_hint(&Hint::NOT_HTTP),
            Error::Protocol { .. } => failure.with_hint(&Hint::UNREADABLE),
            _ => failure,
        }
    }

    fn from_fault(fault: &Fault, host: &str) -> Self {
        let code = Code(fault.code());
        let machine = fault.machine().unwrap_or(host);
        let provider = fault.provider().filter(|provider| !provider.text.is_empty());
        let markup = markup(code, machine, |writer| {
            match provider {
                Some(provider) => {
                    writer.start("f:ProviderFault").attribute("provider", &provider.provider);
                    writer.attribute("path", &provider.path).text(&provider.text).end();
                }
                None => {
                    writer.text(fault.reason());
                }
            };
        });
        let message = provider.map_or(fault.reason(), |provider| &provider.text).trim().to_owned();
        // A service that cannot reach a resource has itself been reached.
        let kind = match Kind::of_code(code) {
            Kind::Connect => Kind::Fault,
            kind => kind,
        };
        let failure = Self::new(kind, Told::Fault { code, message, markup }).at(host);
        match fault.subcode().qualified_name() {
            Some(subcode) => failure.with_subcode(&subcode),
            None => failure,
        }
    }
}

/// What was tried and is not offered, refused by the service, or wanted by it.
fn refused(failure: Failure, offered: &[String], tried: Option<Scheme>) -> Failure {
    let is_offered = |scheme| offered.iter().any(|name| Scheme::from_challenge(name) == Some(scheme));
    let known: Vec<Scheme> = offered.iter().filter_map(|name| Scheme::from_challenge(name)).collect();
    let failure = match tried {
        Some(tried) if is_offered(tried) => failure.of_kind(Kind::Authentication),
        Some(Scheme::Certificate) => return failure.with_hint(&Hint::NOT_MAPPED),
        None if !known.is_empty() => failure.with_hint(&Hint::NO_CREDENTIALS),
        _ => match known.first() {
            Some(other) => failure.advise(format!("try -authentication:{}", word(*other))),
            None => failure,
        }
        .with_hint(if is_offered(Scheme::Digest) { &Hint::WEB_SERVER } else { &Hint::NOT_OFFERED }),
    };
    let tried = tried.map_or_else(|| "none".to_owned(), |scheme| scheme.to_string());
    let offered = if offered.is_empty() { "no scheme".to_owned() } else { offered.join(", ") };
    failure.advise(format!("it offers {offered}; {tried} was tried"))
}

/// There is nothing to try: each scheme that was considered, and how to clear its way.
fn no_way_in(refusal: &Refusal, endpoint: &str, host: &str) -> Failure {
    let obstacles: Vec<String> = refusal
        .considered()
        .iter()
        .map(|(scheme, obstacle)| format!("{scheme}: {}", reason(*obstacle)))
        .collect();
    let message = format!("nothing was sent to {endpoint}; {}", obstacles.join("; "));
    let failure = match refusal.code() {
        Some(code) => Failure::fault(Code(code), host, &message),
        None => Failure::here(Kind::Authentication, message).at(host),
    };
    // What stands in the way of the preferred scheme is what counts.
    let first = refusal.considered().first();
    let ways = first.map(|(scheme, obstacle)| ways_out(*scheme, *obstacle)).unwrap_or_default();
    ways.into_iter().fold(failure, Failure::advise)
}

/// What is in the way, without what to do about it, which follows on lines of its own.
fn reason(obstacle: Obstacle) -> String {
    if obstacle == Obstacle::NoKerberos {
        return "it is not set up here, or the account is not one of a realm".to_owned();
    }
    let text = obstacle.to_string();
    text.split(": ").next().unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
}

fn ways_out(scheme: Scheme, obstacle: Obstacle) -> Vec<String> {
    match obstacle {
        Obstacle::Disabled => {
            vec![format!("allow it here: winrm set winrm/config/client/auth -set:{scheme}=true")]
        }
        Obstacle::NotTrusted => [
            "use -usessl or https://: the certificate proves who the host is",
            "or Kerberos, which proves it too: -authentication:kerberos -username:USER@REALM, or kinit",
        ]
        .map(str::to_owned)
        .to_vec(),
        Obstacle::NoPassword => vec!["give a user: -username:NAME".to_owned()],
        Obstacle::NeedsName => vec![
            "use the name of the host, or say what Kerberos calls it: -spn:HTTP/NAME".to_owned(),
            "with -username:NAME NTLM would do".to_owned(),
        ],
        Obstacle::NoTicket | Obstacle::NoKerberos => vec![
            "install MIT Kerberos (Debian: libgssapi-krb5-2) and name the realm in krb5.conf (default_realm)"
                .to_owned(),
        ],
        _ => Vec::new(),
    }
}

/// As `-authentication` has it.
fn word(scheme: Scheme) -> String {
    scheme.to_string().to_lowercase()
}

/// A sign-in that ended on this side: the first line of the reason is what happened, the others what to do.
fn not_signed_in(error: &Error, host: &str) -> Failure {
    let text = error.to_string();
    let mut lines = text.lines();
    let code = Code(error.code().unwrap_or_default());
    let failure = Failure::fault(code, host, lines.next().unwrap_or_default());
    let failure = lines.map(str::trim).fold(failure, Failure::advise);
    let Error::SignIn { cause, .. } = error else { return failure };
    failure.with_hint(match cause {
        SignInCause::WrongPassword => &Hint::WRONG_PASSWORD,
        SignInCause::UnknownUser => &Hint::UNKNOWN_USER,
        SignInCause::NotAllowed => &Hint::NOT_ALLOWED,
        SignInCause::NoTicket => &Hint::NO_TICKET,
        SignInCause::TicketExpired => &Hint::TICKET_EXPIRED,
        SignInCause::ClockSkew => &Hint::CLOCK_SKEW,
        SignInCause::UnknownService => &Hint::UNKNOWN_SERVICE,
        SignInCause::KdcUnreachable => &Hint::NO_KDC,
        SignInCause::NoKerberos => &Hint::NO_KERBEROS,
        SignInCause::ServiceUnproven => &Hint::UNPROVEN,
        SignInCause::NotDelegated => &Hint::NOT_DELEGATED,
        SignInCause::Refused => &Hint::REFUSED,
        _ => &Hint::NOT_SIGNED_IN,
    })
}

/// The words of the system without its number: `connection refused`.
fn told(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
