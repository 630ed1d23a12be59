//! Failures of the client, and faults it received, as failures of a program.

use client::Error;
use wsman::Fault;

use super::{Failure, Kind, Told, markup};
use crate::codes::Code;

impl Failure {
    /// What the client could not do; `host` is the one that was addressed.
    #[must_use]
    pub fn from_client(error: Error, host: &str) -> Self {
        let Some(code) = error.code().map(Code) else {
            return match error {
                Error::Fault(fault) => Self::from_fault(&fault, host),
                error => Self::here(Kind::Usage, error.to_string()).at(host),
            };
        };
        let failure = Self::fault(code, host, &error.to_string());
        match error {
            Error::Fault(fault) => Self::from_fault(&fault, host),
            Error::NotResolved { source, .. } => failure.of_kind(Kind::Connect).because(told(&source)),
            Error::Connect { source, .. } => failure.of_kind(Kind::Connect).because(told(&source)),
            Error::Disconnected { source, when, .. } => {
                failure.of_kind(Kind::Connect).because(format!("{}, {when}", told(&source)))
            }
            Error::ConnectTimedOut { .. } => failure.of_kind(Kind::Connect),
            Error::TimedOut { .. } => failure.of_kind(Kind::Timeout),
            Error::Tls { .. } => failure.of_kind(Kind::Connect),
            Error::AuthenticationFailed { offered, tried, .. } => {
                let tried = tried.map_or_else(|| "none".to_owned(), |scheme| scheme.to_string());
                let offered = if offered.is_empty() { "no scheme".to_owned() } else { offered.join(", ") };
                failure
                    .of_kind(Kind::Authentication)
                    .advise(format!("it offers {offered}; {tried} was tried"))
            }
            Error::Http { status: 401 } => failure.of_kind(Kind::Authentication),
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
        match fault.subcode().name() {
            "" => failure,
            subcode => failure.with_subcode(subcode),
        }
    }
}

/// The words of the system without its number: `connection refused`.
fn told(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
