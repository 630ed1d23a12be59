//! Failures of the client, and faults it received, as failures of a program.

use client::{Error, Progress, Scheme, TlsError, Violation};
use wsman::Fault;

use super::{Failure, Hint, Kind, Told, markup};
use crate::codes::Code;

impl Failure {
    /// What the client could not do; `host` is the one that was addressed.
    #[must_use]
    pub fn from_client(error: Error, host: &str) -> Self {
        if let Error::Tls { reason: reason @ TlsError::Authorities { .. }, .. } = &error {
            return Self::here(Kind::Usage, reason.to_string()).at(host);
        }
        let Some(code) = error.code().map(Code) else {
            return match error {
                Error::Fault(fault) => Self::from_fault(&fault, host),
                error => Self::here(Kind::Usage, error.to_string()).at(host),
            };
        };
        let failure = Self::fault(code, host, &error.to_string());
        match error {
            Error::NoLocalService { .. } => failure.here_on_this_machine().with_hint(&Hint::NOT_STARTED),
            Error::ForeignSocket { .. } => failure.here_on_this_machine().with_hint(&Hint::FOREIGN),
            Error::Fault(fault) => Self::from_fault(&fault, host),
            Error::NotResolved { source, .. } => failure.of_kind(Kind::Connect).because(told(&source)),
            Error::Connect { source, .. } => failure.of_kind(Kind::Connect).because(told(&source)),
            Error::Disconnected { source, when, .. } => {
                let failure = failure.with_hint(&Hint::BROKEN).because(format!("{}, {when}", told(&source)));
                match when {
                    Progress::Sending => failure,
                    _ => failure
                        .advise("whether the operation was done is not known: look before trying again"),
                }
            }
            Error::ConnectTimedOut { .. } => failure.of_kind(Kind::Connect),
            Error::TimedOut { .. } => failure.of_kind(Kind::Timeout),
            Error::Tls { reason: TlsError::NotTls | TlsError::Broken(_), .. } => {
                failure.with_hint(&Hint::NOT_TLS)
            }
            Error::Tls { reason: TlsError::Untrusted | TlsError::WrongName { .. }, .. } => {
                failure.of_kind(Kind::Connect)
            }
            Error::Tls { .. } => failure.with_hint(&Hint::CERTIFICATE),
            Error::AuthenticationFailed { offered, tried, .. } => refused(failure, &offered, tried),
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

/// A login that was refused: with the scheme that is wanted, with another, or for want of any.
fn refused(failure: Failure, offered: &[String], tried: Option<Scheme>) -> Failure {
    let is_offered = |scheme| offered.iter().any(|name| Scheme::from_name(name) == Some(scheme));
    let failure = match tried {
        Some(tried) if is_offered(tried) => failure.of_kind(Kind::Authentication),
        Some(Scheme::Certificate) => return failure.with_hint(&Hint::NOT_MAPPED),
        None if is_offered(Scheme::Basic) => failure.with_hint(&Hint::NO_CREDENTIALS),
        _ => failure.with_hint(&Hint::NOT_OFFERED),
    };
    let tried = tried.map_or_else(|| "none".to_owned(), |scheme| scheme.to_string());
    let offered = if offered.is_empty() { "no scheme".to_owned() } else { offered.join(", ") };
    failure.advise(format!("it offers {offered}; {tried} was tried"))
}

/// The words of the system without its number: `connection refused`.
fn told(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
