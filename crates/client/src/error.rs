//! Everything that can go wrong with an operation, and Windows' number for it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use auth::AuthError;
use auth::choice::{ClientScheme as Scheme, Ntlm, Refusal};
use kerberos::KerberosError;
use wsman::{Fault, ResponseError, code};

use crate::local::Unreached;
use crate::proxy::ProxyError;
use crate::tls::TlsError;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting of the session, or an argument, that cannot be meant.
    #[error("{setting}: {reason}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The session may not send this unencrypted. Nothing has left this process.
    #[error(
        "refused to send {what} to {endpoint} unencrypted: use https, or allow it \
         (-unencrypted, Client/AllowUnencrypted)"
    )]
    Refused {
        /// What would have been readable on the way.
        what: Exposed,
        /// To whom.
        endpoint: String,
    },
    /// There is no way to sign in that is allowed. Nothing has left this process.
    #[error("refused to sign in to {endpoint}: {refusal}")]
    NoWayIn {
        /// To whom.
        endpoint: String,
        /// Each way that was considered, and what stands in its way.
        refusal: Refusal,
    },
    /// The name of the host is unknown.
    #[error("cannot find the host {host}: {source}")]
    NotResolved {
        /// The name.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// Nobody accepts connections there.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The proxy on the way does not lead to the service.
    #[error("the proxy {proxy} does not let it through: {reason}")]
    Proxy {
        /// Host and port of the proxy.
        proxy: String,
        /// Why.
        #[source]
        reason: ProxyError,
    },
    /// Nobody answered in time.
    #[error(
        "cannot connect to {address}: no answer within {after:?}, \
         so a firewall may be in the way or the host may be down"
    )]
    ConnectTimedOut {
        /// Host and port.
        address: String,
        /// How long was waited.
        after: Duration,
    },
    /// Nobody listens on any Unix socket where a service of this machine could be.
    #[error("no service of this machine listens{}", tried_of(tried))]
    NoLocalService {
        /// The sockets, in the order in which they were tried.
        tried: Vec<Unreached>,
    },
    /// Somebody listens there who could be anybody. Nothing was sent.
    #[error(
        "refused to speak to {}: the user who listens there ({owner}) is neither root nor the one who asks ({user})",
        path.display()
    )]
    ForeignSocket {
        /// The socket.
        path: PathBuf,
        /// The number of the user who listens.
        owner: u32,
        /// The number of the user of this process.
        user: u32,
    },
    /// The connection cannot be secured.
    #[error("cannot secure the connection to {host}: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        #[source]
        reason: TlsError,
    },
    /// The service does not accept who is asking.
    #[error("{}", refusal_of(offered, *tried, user.as_deref()))]
    AuthenticationFailed {
        /// The schemes the service offers.
        offered: Vec<String>,
        /// The scheme that was tried, if any was.
        tried: Option<Scheme>,
        /// Whose name was given.
        user: Option<String>,
    },
    /// Signing in failed on this side: there is nothing to sign in with, or what the service sent is not what was to
    /// be expected. The first line says what is wrong; the next, what to do.
    #[error("cannot sign in to {peer} with {scheme}: {reason}")]
    SignIn {
        /// The scheme that was tried.
        scheme: Scheme,
        /// The service.
        peer: String,
        /// What sort of failure it is.
        cause: SignInCause,
        /// What is wrong, and what to do.
        reason: String,
        /// Whether NTLM was left out because it would not prove who the host is.
        ntlm: Ntlm,
    },
    /// The service answered with nothing but a status.
    #[error("the service answered HTTP {status}{}", meaning_of(*status))]
    Http {
        /// The status.
        status: u16,
    },
    /// The service, or something before it, answered with a status and something that is no message of the
    /// protocol.
    #[error("the service answered HTTP {status}{}; what came with it is {seen}", meaning_of(*status))]
    NoMessage {
        /// The status.
        status: u16,
        /// What came instead.
        seen: Seen,
    },
    /// The service says that it could not.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Too much time has passed.
    #[error("{what} within {after:?}")]
    TimedOut {
        /// What was waited for.
        what: Waiting,
        /// How long.
        after: Duration,
    },
    /// The connection broke while an operation was under way; whether it was done is not known.
    #[error("the connection to {address} broke {when}: {source}")]
    Disconnected {
        /// Host and port.
        address: String,
        /// How far the operation had come.
        when: Progress,
        /// What the system says.
        source: io::Error,
    },
    /// What the service sent is not what the protocol allows.
    #[error("the answer of {address} is not acceptable: {violation}")]
    Protocol {
        /// Host and port.
        address: String,
        /// What is wrong with it.
        #[source]
        violation: Violation,
    },
    /// A command printed more than was to be gathered; it was ended.
    #[error("the command printed more than {limit} octets: read its output piece by piece instead")]
    OutputTooLarge {
        /// The limit.
        limit: usize,
    },
}

/// What would be readable on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exposed {
    /// The password of the user, and all messages.
    Password,
    /// All messages.
    Messages,
}

impl std::fmt::Display for Exposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password => "a password",
            Self::Messages => "messages",
        })
    }
}

/// Why signing in failed before the service had its say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignInCause {
    /// The realm does not take the password.
    WrongPassword,
    /// The realm does not know the user.
    UnknownUser,
    /// The account is locked, disabled or expired.
    NotAllowed,
    /// There is no ticket to sign in with.
    NoTicket,
    /// The ticket was good once.
    TicketExpired,
    /// The clocks are too far apart.
    ClockSkew,
    /// The realm does not know the service.
    UnknownService,
    /// No KDC answers.
    KdcUnreachable,
    /// Kerberos is not installed here, or not set up.
    NoKerberos,
    /// What answers has not proven that it is the service.
    ServiceUnproven,
    /// A ticket was to be handed on and cannot be.
    NotDelegated,
    /// The service refuses with a status of its own.
    Refused,
    /// Anything else.
    Other,
}

impl SignInCause {
    pub(crate) fn of_kerberos(error: &KerberosError) -> Self {
        use KerberosError as E;
        match error {
            E::WrongPassword { .. } => Self::WrongPassword,
            E::UnknownClient { .. } => Self::UnknownUser,
            E::NotAllowed { .. } => Self::NotAllowed,
            E::NoTicket { .. } => Self::NoTicket,
            E::TicketExpired { .. } => Self::TicketExpired,
            E::ClockSkew { .. } => Self::ClockSkew,
            E::UnknownServer { .. } | E::NotAnSpn(_) => Self::UnknownService,
            E::KdcUnreachable { .. } => Self::KdcUnreachable,
            E::Missing { .. } | E::Symbol { .. } | E::Configuration { .. } => Self::NoKerberos,
            E::ServiceUnproven { .. } => Self::ServiceUnproven,
            _ => Self::Other,
        }
    }

    /// The number that Windows' client gives (winerror.h, `SEC_E_…`).
    fn code(self) -> u32 {
        match self {
            Self::NoTicket => 0x8009_030E,
            Self::TicketExpired => 0x8009_0317,
            Self::ClockSkew => 0x8009_0324,
            Self::UnknownService => 0x8009_0303,
            Self::KdcUnreachable => 0x8009_0311,
            Self::NoKerberos => 0x8009_0305,
            Self::ServiceUnproven => 0x8009_0322,
            Self::NotDelegated => 0x8009_0345,
            Self::NotAllowed => 1327,
            Self::WrongPassword | Self::UnknownUser | Self::Refused | Self::Other => code::LOGON_FAILURE,
        }
    }
}

impl From<&AuthError> for SignInCause {
    fn from(error: &AuthError) -> Self {
        match error {
            // So says the service; what a realm says comes as an error of Kerberos.
            AuthError::WrongPassword | AuthError::Refused(_) => Self::Refused,
            AuthError::NotAllowed => Self::NotAllowed,
            AuthError::ClockSkew => Self::ClockSkew,
            AuthError::Unproven => Self::ServiceUnproven,
            _ => Self::Other,
        }
    }
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// The connection was silent.
    Silence,
    /// The whole operation.
    Total,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Silence => "nothing came from the service",
            Self::Total => "the operation did not end",
        })
    }
}

/// How far a request had come when its connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It was not sent completely, so that the service cannot have begun.
    Sending,
    /// It was sent, and nothing has come back.
    Waiting,
    /// A part of the answer was there.
    Receiving,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sending => "before the request was sent",
            Self::Waiting => "before an answer came",
            Self::Receiving => "in the middle of the answer",
        })
    }
}

/// What came instead of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// What it says that it is, such as `text/html`; empty if it says nothing.
    pub media_type: String,
    /// Its size.
    pub octets: usize,
    /// Its first words, without control characters.
    pub beginning: String,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let media_type = if self.media_type.is_empty() { "of no type" } else { &self.media_type };
        let octets = if self.octets == 1 { "octet" } else { "octets" };
        write!(f, "{} {octets} {media_type} ({:?})", self.octets, self.beginning)
    }
}

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// What came does not begin like HTTP/1.1.
    #[error("it does not answer in HTTP: the port may be one for https")]
    NotHttp,
    /// The head is not one of HTTP/1.1.
    #[error(transparent)]
    Head(http::HeadError),
    /// The body is not chunked as the head says.
    #[error(transparent)]
    Chunks(#[from] http::ChunkError),
    /// The connection ends in the middle of signing in, which belongs to the connection.
    #[error("it closes the connection while it asks who is there: a proxy on the way may do that")]
    ClosedDuringSignIn,
    /// Something comes before it was asked for.
    #[error("it says something before it was asked")]
    Unasked,
    /// A message came that anybody on the way could have written.
    #[error("it answers a sealed message with HTTP {status} and an unsealed one")]
    NotSealed {
        /// The status.
        status: u16,
    },
    /// A message is not what the service has sealed.
    #[error(transparent)]
    Sealed(#[from] auth::sealed_body::SealedBodyError),
    /// The body is larger than this session accepts.
    #[error("its body is larger than {limit} octets: ask for less at once, or raise answer_limit")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// More interim responses than anyone needs.
    #[error("too many interim responses")]
    Interim,
    /// The body is not text.
    #[error(transparent)]
    Encoding(#[from] xml::EncodingError),
    /// The body is not an answer to the request.
    #[error(transparent)]
    Message(ResponseError),
    /// There is no body, although the status says that all is well.
    #[error("it is empty")]
    Empty,
    /// The body is an answer, but a part of it cannot be read.
    #[error("{at}: {reason}")]
    Body {
        /// The names of the elements on the way to the part: `s:Envelope/s:Body/rsp:ReceiveResponse`.
        at: String,
        /// Why.
        reason: String,
    },
    /// The body is an answer that lacks what the operation needs.
    #[error("{at} lacks {what}")]
    Lacking {
        /// The names of the elements on the way to where it should be.
        at: String,
        /// What is missing.
        what: &'static str,
    },
}

impl From<http::HeadError> for Violation {
    fn from(error: http::HeadError) -> Self {
        match error {
            http::HeadError::NotHttp => Self::NotHttp,
            error => Self::Head(error),
        }
    }
}

impl Error {
    /// Windows' number for the failure: of the fault, or what its own client would give.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        Some(match self {
            Self::Fault(fault) => return Some(fault.code()).filter(|code| *code != 0),
            Self::Setting { .. } | Self::OutputTooLarge { .. } => return None,
            Self::Refused { .. } => code::UNENCRYPTED_DISABLED,
            Self::NoWayIn { refusal, .. } => return refusal.code(),
            Self::SignIn { cause, .. } => cause.code(),
            Self::NotResolved { .. } => code::NAME_NOT_RESOLVED,
            Self::Connect { .. } | Self::NoLocalService { .. } => code::CANNOT_CONNECT,
            Self::ForeignSocket { .. } => code::ACCESS_DENIED,
            Self::ConnectTimedOut { .. } | Self::TimedOut { .. } => code::NETWORK_TIMED_OUT,
            Self::Tls { .. } => SECURE_FAILURE,
            Self::AuthenticationFailed { .. } => code::LOGON_FAILURE,
            Self::Http { status } | Self::NoMessage { status, .. } => match status {
                301 | 302 | 307 | 308 => REDIRECTED,
                401 | 403 => code::ACCESS_DENIED,
                404 => code::HTTP_NOT_FOUND,
                413 => code::HTTP_TOO_LARGE,
                503 => code::HTTP_UNAVAILABLE,
                _ => code::HTTP_ERROR,
            },
            Self::Disconnected { .. } | Self::Proxy { .. } => code::HTTP_ERROR,
            Self::Protocol { violation, .. } => match violation {
                Violation::TooLarge { .. } => code::MAX_ENVELOPE_SIZE,
                Violation::Message(_) | Violation::Encoding(_) => code::INVALID_XML,
                Violation::Body { .. } | Violation::Lacking { .. } => code::SCHEMA_VALIDATION_ERROR,
                _ => code::HTTP_ERROR,
            },
        })
    }

    /// Whether the service had nothing to say within OperationTimeout: ask again.
    #[must_use]
    pub fn is_operation_timeout(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.code() == code::TIMED_OUT)
    }

    /// Whether something behind the service was too slow: an enumeration is worth asking for again, a few times.
    pub(crate) fn is_slow_provider(&self) -> bool {
        matches!(self, Self::Fault(fault) if matches!(fault.code(), TIMEOUT | TIMEOUT_RESULT))
    }

    /// Whether the shell or command has ended, or never was.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Fault(fault)
            if matches!(fault.code(), code::UNEXPECTED_SELECTORS | code::OPERATION_ABORTED))
    }
}

/// `ERROR_TIMEOUT` (winerror.h).
const TIMEOUT: u32 = 1_460;
/// The same as an HRESULT.
const TIMEOUT_RESULT: u32 = 0x8007_05B4;
/// WinHTTP's number for any failure of TLS, which Windows' client passes on.
const SECURE_FAILURE: u32 = 12_175;
/// The service answered with a redirect (`ERROR_WSMAN_REDIRECT_REQUESTED`).
const REDIRECTED: u32 = 2_150_859_161;

fn tried_of(tried: &[Unreached]) -> String {
    let tried: Vec<String> = tried.iter().map(ToString::to_string).collect();
    if tried.is_empty() { String::new() } else { format!(": {}", tried.join("; ")) }
}

fn refusal_of(offered: &[String], tried: Option<Scheme>, user: Option<&str>) -> String {
    let who = user.map(|user| format!(" {user}")).unwrap_or_default();
    let list = offered.join(", ");
    let Some(tried) = tried else {
        if offered.is_empty() {
            return "the service asks who is there, and offers no scheme to sign in with".to_owned();
        }
        return format!("the service asks who is there: give credentials (it offers {list})");
    };
    if tried == Scheme::Certificate {
        // It is never offered, so that nothing can be told from what is.
        "the service does not accept the client certificate".to_owned()
    } else if offered.is_empty() {
        format!("the service does not accept{who} and offers no scheme to sign in with")
    } else if offered.iter().any(|scheme| Scheme::from_challenge(scheme) == Some(tried)) {
        format!("the service does not accept{who} with {tried}: check name and password")
    } else {
        format!("the service does not offer {tried}: use one of {list}")
    }
}

fn meaning_of(status: u16) -> &'static str {
    match status {
        301 | 302 | 307 | 308 => ", a redirect, which is not followed: use the address it leads to",
        403 => ": access denied",
        404 => ": there is no such path, so check the prefix of the address",
        413 => ": the request is larger than its MaxEnvelopeSizekb allows",
        // Windows says nothing more to a message that should have been sealed.
        500 => {
            " without a fault, as Windows does to messages that are not sealed \
             while Service/AllowUnencrypted is false"
        }
        503 => ": it is stopping, or has too many connections",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_number_that_windows_gives_it() {
        for (status, number) in [
            (400, 2_150_859_121),
            (403, 5),
            (404, 2_150_859_027),
            (413, 2_150_859_025),
            (503, 2_150_859_026),
            (302, 2_150_859_161),
            (500, 2_150_859_121),
        ] {
            assert_eq!(Error::Http { status }.code(), Some(number), "{status}");
        }
    }

    #[test]
    fn a_refusal_says_whether_the_scheme_or_the_password_was_wrong() {
        let refused = |offered: &[&str], tried, user: Option<&str>| {
            let offered = offered.iter().map(|scheme| (*scheme).to_owned()).collect();
            Error::AuthenticationFailed { offered, tried, user: user.map(str::to_owned) }.to_string()
        };
        assert_eq!(
            refused(&["Negotiate", "basic"], Some(Scheme::Basic), Some("ann")),
            "the service does not accept ann with Basic: check name and password"
        );
        assert_eq!(
            refused(&["Negotiate", "Kerberos"], Some(Scheme::Basic), Some("ann")),
            "the service does not offer Basic: use one of Negotiate, Kerberos"
        );
        assert_eq!(
            refused(&["Negotiate"], None, None),
            "the service asks who is there: give credentials (it offers Negotiate)"
        );
        assert_eq!(
            refused(&[], None, None),
            "the service asks who is there, and offers no scheme to sign in with"
        );
    }
}
