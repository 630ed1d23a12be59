//! Conversion of client errors and received faults into failures of a program.

use client::{
    Error, Obstacle, OtherScheme, Progress, ProxyError, Refusal, Scheme, SignInCause, TlsError, Violation,
};
use wsman::Fault;

use super::{Failure, Hint, Kind, Source, markup};
use crate::codes::Code;
use crate::format::harmless;

impl Failure {
    /// Converts an error of the client; `host` is the host as it was addressed.
    #[must_use]
    pub fn from_client(error: &Error, host: &str) -> Self {
        if let Error::Tls { reason: reason @ TlsError::Authorities { .. }, .. } = error {
            return Self::here(Kind::Usage, reason.to_string()).at(host);
        }
        match error {
            Error::NoAllowedScheme { refusal, endpoint } => return no_way_in(refusal, endpoint, host),
            Error::SignIn { .. } => return not_signed_in(error, host),
            _ => {}
        }
        let Some(code) = error.code().map(Code) else {
            return match error {
                Error::Fault(fault) => Self::from_fault(fault, host),
                Error::PowerShell(_) | Error::PoolUnusable { .. } => {
                    Self::here(Kind::Fault, error.to_string()).at(host)
                }
                error => Self::here(Kind::Usage, error.to_string()).at(host),
            };
        };
        let failure = Self::fault(code, host, &error.to_string());
        match error {
            Error::NoLocalService { .. } => failure.at_local_service().with_hint(&Hint::NO_LOCAL_SERVICE),
            Error::ForeignSocket { .. } => failure.at_local_service().with_hint(&Hint::FOREIGN_SERVICE),
            Error::Fault(fault) => Self::from_fault(fault, host),
            Error::NotResolved { source, .. } => {
                failure.of_kind(Kind::Connect).because(system_message(source))
            }
            Error::Connect { source, .. } => failure.of_kind(Kind::Connect).because(system_message(source)),
            Error::Disconnected { source, when, .. } => {
                let failure = failure
                    .with_hint(&Hint::DISCONNECTED)
                    .because(format!("{}, {when}", system_message(source)));
                match when {
                    Progress::Sending => failure,
                    _ => failure.advise("the operation may have been completed: check before you repeat it"),
                }
            }
            Error::Proxy { reason, .. } => failure.with_hint(match reason {
                ProxyError::Unreachable(_) => &Hint::PROXY_UNREACHABLE,
                ProxyError::Refused { .. } => &Hint::PROXY_AUTHENTICATION,
                _ => &Hint::PROXY_FAILED,
            }),
            Error::ConnectTimedOut { .. } => failure.of_kind(Kind::Connect),
            Error::TimedOut { .. } => failure.of_kind(Kind::Timeout),
            Error::Tls { reason: TlsError::NotTls | TlsError::Broken(_), .. } => {
                failure.with_hint(&Hint::NOT_TLS)
            }
            Error::Tls { reason, .. } => failure.with_hint(match reason {
                TlsError::Untrusted => &Hint::CERTIFICATE_UNTRUSTED,
                TlsError::WrongName { .. } => &Hint::CERTIFICATE_WRONG_NAME,
                TlsError::Expired => &Hint::CERTIFICATE_EXPIRED,
                TlsError::NotYetValid => &Hint::CERTIFICATE_NOT_YET_VALID,
                TlsError::WrongPurpose => &Hint::CERTIFICATE_WRONG_PURPOSE,
                _ => &Hint::CERTIFICATE_INVALID,
            }),
            Error::AuthenticationFailed { offered, tried, others, .. } => {
                let message = error.to_string();
                let first = message.lines().next().unwrap_or_default();
                refused(Self::fault(code, host, first), offered, *tried, others)
            }
            Error::Http { status: 401 } => failure.of_kind(Kind::Authentication),
            Error::Http { status: 500 } | Error::NoMessage { status: 500, .. } => {
                failure.with_hint(&Hint::NO_REASON)
            }
            Error::Http { .. } | Error::NoMessage { .. } if Hint::find(code).is_none() => {
                failure.with_hint(&Hint::NOT_WSMAN)
            }
            Error::Protocol { violation: Violation::TooLarge { .. }, .. } => failure,
            Error::Protocol { violation: Violation::NotHttp, .. } => failure.with_hint(&Hint::NOT_HTTP),
            Error::Protocol { .. } => failure.with_hint(&Hint::PROTOCOL_VIOLATION),
            _ => failure,
        }
    }

    fn from_fault(fault: &Fault, host: &str) -> Self {
        let code = Code(fault.code());
        let machine = fault.machine().unwrap_or(host);
        let provider = fault.provider().filter(|provider| !provider.text.is_empty());
        let (message, advice) = split_advice(provider.map_or(fault.reason(), |provider| &provider.text));
        let markup = markup(code, machine, |writer| {
            match provider {
                Some(provider) => {
                    writer.start("f:ProviderFault").attribute("provider", &provider.provider);
                    writer.attribute("path", &provider.path).text(&message).end();
                }
                None => {
                    writer.text(&message);
                }
            };
        });
        // The service itself was reached, even if it cannot reach a resource.
        let kind = match Kind::of_code(code) {
            Kind::Connect => Kind::Fault,
            kind => kind,
        };
        let mut failure = Self::new(kind, Source::Fault { code, message, markup }).at(host);
        // The service knows the reason better than a general hint.
        failure.0.service_advice = advice;
        match fault.subcode().qualified_name() {
            Some(subcode) => failure.with_subcode(&subcode),
            None => failure,
        }
    }
}

/// Splits a fault of a Telarch service into the message and its indented lines of advice. Other services send none.
fn split_advice(text: &str) -> (String, Vec<String>) {
    match text.trim().split_once("\n  ") {
        Some((message, advice)) => {
            let lines = advice.lines().take(MOST_ADVICE).map(|line| harmless(line.trim()));
            (message.to_owned(), lines.collect())
        }
        None => (text.trim().to_owned(), Vec::new()),
    }
}

/// Maximum number of lines of advice from a service.
const MOST_ADVICE: usize = 4;

/// Distinguishes a rejected login from a scheme that the service does not offer, and from missing credentials.
fn refused(failure: Failure, offered: &[String], tried: Option<Scheme>, others: &[OtherScheme]) -> Failure {
    let known: Vec<Scheme> = offered.iter().filter_map(|name| Scheme::from_challenge(name)).collect();
    let failure = match tried {
        Some(tried) if known.contains(&tried) => failure.of_kind(Kind::Authentication),
        Some(Scheme::Certificate) => return failure.with_hint(&Hint::CERTIFICATE_NOT_MAPPED),
        None if !known.is_empty() => failure.with_hint(&Hint::NO_CREDENTIALS),
        _ => match known.first() {
            Some(other) => failure.advise(format!("try -authentication:{}", word(*other))),
            None => failure,
        }
        .with_hint(if known.contains(&Scheme::Digest) {
            &Hint::DIGEST_OFFERED
        } else if offered.is_empty() {
            &Hint::NO_SCHEME_OFFERED
        } else {
            &Hint::SCHEME_NOT_OFFERED
        }),
    };
    let earlier = others.iter().filter_map(|other| match other {
        OtherScheme::Tried { scheme, .. } => Some(*scheme),
        _ => None,
    });
    let tried: Vec<String> = earlier.chain(tried).map(|scheme| scheme.to_string()).collect();
    let tried = if tried.is_empty() { "no scheme".to_owned() } else { tried.join(", ") };
    let offered = if offered.is_empty() { "no scheme".to_owned() } else { offered.join(", ") };
    let failure = failure.advise(format!("the service offers {offered}; the client tried {tried}"));
    others.iter().fold(failure, |failure, other| failure.advise(other.to_string()))
}

/// No scheme can be tried: lists the reason for each, and what to do about the first.
fn no_way_in(refusal: &Refusal, endpoint: &str, host: &str) -> Failure {
    let obstacles: Vec<String> = refusal
        .considered()
        .iter()
        .map(|(scheme, obstacle)| format!("{scheme}: {}", reason(*obstacle)))
        .collect();
    let message = format!("no credentials were sent to {endpoint}; {}", obstacles.join("; "));
    let failure = match refusal.code() {
        Some(code) => Failure::fault(Code(code), host, &message),
        None => Failure::here(Kind::Authentication, message).at(host),
    };
    // The advice is about the preferred scheme, which is considered first.
    let first = refusal.considered().first();
    let ways = first.map(|(scheme, obstacle)| ways_out(*scheme, *obstacle)).unwrap_or_default();
    ways.into_iter().fold(failure, Failure::advise)
}

/// The obstacle without its advice, which is printed on separate lines.
fn reason(obstacle: Obstacle) -> String {
    if obstacle == Obstacle::NoKerberos {
        return "not configured on this machine, or the account has no realm".to_owned();
    }
    let text = obstacle.to_string();
    text.split(": ").next().unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
}

fn ways_out(scheme: Scheme, obstacle: Obstacle) -> Vec<String> {
    match obstacle {
        Obstacle::Disabled => {
            vec![format!("enable it: winrm set winrm/config/client/auth -set:{scheme}=true")]
        }
        Obstacle::NotTrusted => [
            "use -usessl or https://, where the certificate proves the identity of the host",
            "or Kerberos, which proves it too: -authentication:kerberos -username:USER@REALM, or kinit",
        ]
        .map(str::to_owned)
        .to_vec(),
        Obstacle::HostUnverified => {
            vec![
                "trust the certificate with -ca:FILE, or send the password anyway: -authentication:basic"
                    .to_owned(),
            ]
        }
        Obstacle::NoPassword => vec!["specify a user: -username:NAME".to_owned()],
        Obstacle::NeedsName => vec![
            "use the host name instead of the address, or set the service principal name: -spn:HTTP/NAME"
                .to_owned(),
            "or use NTLM: -username:NAME".to_owned(),
        ],
        Obstacle::NoTicket | Obstacle::NoKerberos => vec![
            "install MIT Kerberos (Debian: libgssapi-krb5-2) and set default_realm in krb5.conf".to_owned(),
        ],
        _ => Vec::new(),
    }
}

/// The scheme as a value of `-authentication`.
fn word(scheme: Scheme) -> String {
    scheme.to_string().to_lowercase()
}

/// Converts a failed authentication: the first line of the reason is the message, the other lines are advice.
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
        SignInCause::NotAllowed => &Hint::ACCOUNT_RESTRICTED,
        SignInCause::NoTicket => &Hint::NO_TICKET,
        SignInCause::TicketExpired => &Hint::TICKET_EXPIRED,
        SignInCause::ClockSkew => &Hint::CLOCK_SKEW,
        SignInCause::UnknownService => &Hint::UNKNOWN_PRINCIPAL,
        SignInCause::KdcUnreachable => &Hint::KDC_UNREACHABLE,
        SignInCause::NoKerberos => &Hint::NO_KERBEROS,
        SignInCause::ServiceUnproven => &Hint::SERVICE_UNVERIFIED,
        SignInCause::NotDelegated => &Hint::NOT_DELEGATED,
        SignInCause::Refused => &Hint::LOGIN_REFUSED,
        _ => &Hint::SIGN_IN_FAILED,
    })
}

/// The operating system's message without the error number: `connection refused`.
fn system_message(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
