//! Errors of client operations and the Windows error numbers for them.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use auth::AuthError;
use auth::choice::{ClientScheme as Scheme, Ntlm, Obstacle, Refusal};
use kerberos::KerberosError;
use wsman::{Fault, ResponseError, code};

use crate::local::UnreachableSocket;
use crate::proxy::ProxyError;
use crate::tls::TlsError;

/// Error of an operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An invalid session setting or argument.
    #[error("{setting}: {reason}")]
    Setting {
        /// Name of the setting or argument.
        setting: &'static str,
        /// Description of the error and the valid values.
        reason: String,
    },
    /// The session may not send this unencrypted. Nothing was sent.
    #[error(
        "refused to send {what} to {endpoint} unencrypted: use https, or allow it \
         (-unencrypted, Client/AllowUnencrypted)"
    )]
    Refused {
        /// Data that would have been readable on the network.
        what: Exposed,
        /// The service.
        endpoint: String,
    },
    /// No authentication scheme is both possible and allowed. Nothing was sent.
    #[error("no usable authentication scheme for {endpoint}: {refusal}")]
    NoAllowedScheme {
        /// The service.
        endpoint: String,
        /// Each scheme that was considered, with the obstacle.
        refusal: Refusal,
    },
    /// The host name cannot be resolved.
    #[error("cannot resolve the host {host}: {source}")]
    NotResolved {
        /// The host name.
        host: String,
        /// Error of the resolver.
        source: io::Error,
    },
    /// The connection was refused.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The proxy does not connect to the service.
    #[error("cannot connect through the proxy {proxy}: {reason}")]
    Proxy {
        /// Host and port of the proxy.
        proxy: String,
        /// The reason.
        #[source]
        reason: ProxyError,
    },
    /// The connection was not established in time.
    #[error(
        "cannot connect to {address}: no response within {after:?}; \
         a firewall may drop the packets, or the host may be down"
    )]
    ConnectTimedOut {
        /// Host and port.
        address: String,
        /// Time limit.
        after: Duration,
    },
    /// No service listens on any of the Unix sockets.
    #[error("no local service is running{}", format_tried(tried))]
    NoLocalService {
        /// The sockets, in the order in which they were tried.
        tried: Vec<UnreachableSocket>,
    },
    /// The listener on the Unix socket belongs to another user. Nothing was sent.
    #[error(
        "refused to connect to {}: it belongs to the user {owner}, who is neither root nor the current user ({user})",
        path.display()
    )]
    ForeignSocket {
        /// Path of the socket.
        path: PathBuf,
        /// User ID of the listener.
        owner: u32,
        /// User ID of this process.
        user: u32,
    },
    /// TLS failed.
    #[error("cannot establish a TLS connection to {host}: {reason}")]
    Tls {
        /// Host name or address.
        host: String,
        /// The reason.
        #[source]
        reason: TlsError,
    },
    /// The service rejected the credentials, or requires some.
    #[error("{}{}", describe_rejection(offered, *tried, user.as_deref()), list_others(others))]
    AuthenticationFailed {
        /// Schemes that the service offers.
        offered: Vec<String>,
        /// Scheme that was tried, if any.
        tried: Option<Scheme>,
        /// User name that was sent.
        user: Option<String>,
        /// Other schemes of an automatic choice: tried before, or not allowed.
        others: Vec<OtherScheme>,
    },
    /// Authentication failed on the client: there are no credentials, or a token from the service is invalid. The
    /// first line of the reason says why; the following lines say what to do.
    #[error("cannot sign in to {peer} with {scheme}: {reason}")]
    SignIn {
        /// Scheme that was tried.
        scheme: Scheme,
        /// The service: host and port.
        peer: String,
        /// Category of the failure.
        cause: SignInCause,
        /// The reason, and what to do.
        reason: String,
        /// Whether NTLM was excluded because it does not prove the identity of the host.
        ntlm: Ntlm,
    },
    /// The service responded with an HTTP status and no body.
    #[error("the service returned HTTP {status}{}", explain_status(*status))]
    Http {
        /// HTTP status.
        status: u16,
    },
    /// The service, or a proxy in front of it, responded with an HTTP status and a body that is not a WS-Management
    /// message.
    #[error("the service returned HTTP {status}{}; the body is {body}", explain_status(*status))]
    NoMessage {
        /// HTTP status.
        status: u16,
        /// Description of the body.
        body: UnexpectedBody,
    },
    /// The service returned a fault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A time limit was exceeded.
    #[error("{what} within {after:?}")]
    TimedOut {
        /// The limit that was exceeded.
        what: Waiting,
        /// Duration of the limit.
        after: Duration,
    },
    /// The connection was closed during an operation; the operation may or may not have been completed.
    #[error("the connection to {address} was closed {when}: {source}")]
    Disconnected {
        /// Host and port.
        address: String,
        /// Progress of the request.
        when: Progress,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The response violates HTTP or WS-Management.
    #[error("invalid response from {address}: {violation}")]
    Protocol {
        /// Host and port.
        address: String,
        /// The violation.
        #[source]
        violation: Violation,
    },
    /// A command printed more than the limit; it was terminated.
    #[error("the output of the command exceeds {limit} bytes: read it piece by piece instead")]
    OutputTooLarge {
        /// Limit in bytes.
        limit: usize,
    },
    /// A message of PowerShell remoting is invalid, or not allowed in the state of its runspace pool.
    #[error("PowerShell remoting: {0}")]
    PowerShell(#[from] psrp::PsrpError),
    /// The runspace pool cannot be used: the service has closed it, or it is disconnected.
    #[error("the runspace pool cannot be used: {reason}")]
    PoolUnusable {
        /// Reason.
        reason: String,
    },
}

/// Data that would be readable on the network.
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

/// Scheme of an automatic choice that did not lead to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtherScheme {
    /// The scheme was tried.
    Tried {
        /// The scheme.
        scheme: Scheme,
        /// Reason of the failure, one line.
        reason: String,
    },
    /// The scheme is not allowed, so it was not tried.
    Omitted {
        /// The scheme.
        scheme: Scheme,
        /// Reason why it is not allowed.
        obstacle: Obstacle,
    },
}

impl std::fmt::Display for OtherScheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tried { scheme, reason } => write!(f, "{scheme}: {reason}"),
            Self::Omitted { scheme, obstacle } => write!(f, "{scheme} was not tried: {obstacle}"),
        }
    }
}

/// Category of an authentication failure on the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignInCause {
    /// The realm rejected the password.
    WrongPassword,
    /// The realm does not know the user.
    UnknownUser,
    /// The account is locked, disabled or expired.
    NotAllowed,
    /// There is no Kerberos ticket.
    NoTicket,
    /// The Kerberos ticket has expired.
    TicketExpired,
    /// The clock skew exceeds the limit of the realm.
    ClockSkew,
    /// The KDC does not know the service principal name.
    UnknownService,
    /// No KDC responds.
    KdcUnreachable,
    /// Kerberos is not installed or not configured on this machine.
    NoKerberos,
    /// The server did not prove its identity.
    ServiceUnproven,
    /// Delegation was required, but the ticket cannot be delegated.
    NotDelegated,
    /// The service rejected the credentials with a status of its own, inside CredSSP.
    Refused,
    /// Client and service have no mechanism of Negotiate in common.
    NoMechanism,
    /// Any other failure.
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

    /// Returns the error number of the Windows client (winerror.h, `SEC_E_…`).
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
            Self::WrongPassword | Self::UnknownUser | Self::Refused | Self::NoMechanism | Self::Other => {
                code::LOGON_FAILURE
            }
        }
    }
}

impl From<&AuthError> for SignInCause {
    fn from(error: &AuthError) -> Self {
        match error {
            // These come from the service; an error of the realm is a `KerberosError`.
            AuthError::WrongPassword | AuthError::Refused(_) => Self::Refused,
            AuthError::NotAllowed => Self::NotAllowed,
            AuthError::ClockSkew => Self::ClockSkew,
            AuthError::Unproven => Self::ServiceUnproven,
            AuthError::NoMechanism => Self::NoMechanism,
            _ => Self::Other,
        }
    }
}

/// Time limit that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// The service sent nothing for too long.
    Silence,
    /// The operation as a whole took too long.
    Total,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Silence => "no data from the service",
            Self::Total => "the operation did not complete",
        })
    }
}

/// Progress of a request when its connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The request was not sent completely, so the service cannot have processed it.
    Sending,
    /// The request was sent; no response was received.
    Waiting,
    /// A part of the response was received.
    Receiving,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sending => "before the request was sent",
            Self::Waiting => "before the response arrived",
            Self::Receiving => "during the response",
        })
    }
}

/// Body of an HTTP response that is not a WS-Management message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnexpectedBody {
    /// Media type, such as `text/html`; empty if the response has none.
    pub media_type: String,
    /// Size in bytes.
    pub octets: usize,
    /// Beginning of the body, at most 80 characters, without control characters.
    pub beginning: String,
}

impl std::fmt::Display for UnexpectedBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let media_type = if self.media_type.is_empty() { "of unknown type" } else { &self.media_type };
        let unit = if self.octets == 1 { "byte" } else { "bytes" };
        write!(f, "{} {unit} {media_type} (\"{}\")", self.octets, self.beginning)
    }
}

/// Violation of HTTP or WS-Management in a response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The response does not begin like HTTP/1.1.
    #[error("the server does not speak HTTP: the port may be for https")]
    NotHttp,
    /// The response head is invalid.
    #[error(transparent)]
    Head(http::HeadError),
    /// The chunked transfer coding is invalid.
    #[error(transparent)]
    Chunks(#[from] http::ChunkError),
    /// The connection was closed during an authentication scheme that authenticates the connection.
    #[error("the connection was closed during authentication: a proxy may have closed it")]
    ClosedDuringSignIn,
    /// Data arrived before a request was sent.
    #[error("unexpected data before the request")]
    Unsolicited,
    /// The response to an encrypted message is not encrypted, so it could be forged.
    #[error("unencrypted response (HTTP {status}) to an encrypted message")]
    NotSealed {
        /// HTTP status.
        status: u16,
    },
    /// The encrypted message cannot be decrypted.
    #[error(transparent)]
    Sealed(#[from] auth::sealed_body::SealedBodyError),
    /// The body exceeds the session's limit.
    #[error("the body exceeds {limit} bytes: request less at a time, or increase answer_limit")]
    TooLarge {
        /// Limit in bytes.
        limit: usize,
    },
    /// The service sent too many interim responses (HTTP 1xx).
    #[error("too many interim responses")]
    Interim,
    /// The body is not valid text.
    #[error(transparent)]
    Encoding(#[from] xml::EncodingError),
    /// The body is not a response to the request.
    #[error(transparent)]
    Message(ResponseError),
    /// The body is empty although the status reports success.
    #[error("the body is empty")]
    Empty,
    /// A part of the response is invalid.
    #[error("{at}: {reason}")]
    Body {
        /// Path of the element: `s:Envelope/s:Body/rsp:ReceiveResponse`.
        at: String,
        /// The reason.
        reason: String,
    },
    /// An element that the operation needs is missing.
    #[error("{what} is missing in {at}")]
    Missing {
        /// Path of the parent element.
        at: String,
        /// Description of the missing element.
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
    /// Returns the Windows error number: the fault's, or the one that the Windows client returns for this error.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        Some(match self {
            Self::Fault(fault) => return Some(fault.code()).filter(|code| *code != 0),
            Self::Setting { .. }
            | Self::OutputTooLarge { .. }
            | Self::PowerShell(_)
            | Self::PoolUnusable { .. } => return None,
            Self::Refused { .. } => code::UNENCRYPTED_DISABLED,
            Self::NoAllowedScheme { refusal, .. } => return refusal.code(),
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
                Violation::Body { .. } | Violation::Missing { .. } => code::SCHEMA_VALIDATION_ERROR,
                _ => code::HTTP_ERROR,
            },
        })
    }

    /// Returns whether the service had nothing to report within OperationTimeout, so that the request can be repeated.
    #[must_use]
    pub fn is_operation_timeout(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.code() == code::TIMED_OUT)
    }

    /// Returns whether a provider behind the service was too slow; an enumeration is repeated a few times then.
    pub(crate) fn is_slow_provider(&self) -> bool {
        matches!(self, Self::Fault(fault) if matches!(fault.code(), TIMEOUT | TIMEOUT_RESULT))
    }

    /// Returns whether the shell or command has ended or does not exist.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Fault(fault)
            if matches!(fault.code(), code::UNEXPECTED_SELECTORS | code::OPERATION_ABORTED))
    }
}

impl Error {
    /// Returns whether the connection failed before the response began, so that a request for output can be repeated.
    pub(crate) fn is_connection_loss(&self) -> bool {
        match self {
            Self::Disconnected { when, .. } => *when != Progress::Receiving,
            Self::Connect { .. } | Self::ConnectTimedOut { .. } => true,
            _ => false,
        }
    }
}

/// `ERROR_TIMEOUT` (winerror.h).
const TIMEOUT: u32 = 1_460;
/// `ERROR_TIMEOUT` as an HRESULT.
const TIMEOUT_RESULT: u32 = 0x8007_05B4;
/// `ERROR_WINHTTP_SECURE_FAILURE`: any TLS failure of the Windows client.
const SECURE_FAILURE: u32 = 12_175;
/// `ERROR_WSMAN_REDIRECT_REQUESTED`: the service redirects its clients.
const REDIRECTED: u32 = 2_150_859_161;

fn format_tried(tried: &[UnreachableSocket]) -> String {
    let tried: Vec<String> = tried.iter().map(ToString::to_string).collect();
    if tried.is_empty() { String::new() } else { format!(": {}", tried.join("; ")) }
}

fn describe_rejection(offered: &[String], tried: Option<Scheme>, user: Option<&str>) -> String {
    let name = user.map(|user| format!(" {user}")).unwrap_or_default();
    let list = offered.join(", ");
    let Some(tried) = tried else {
        if offered.is_empty() {
            return "the service requires authentication but offers no scheme".to_owned();
        }
        return format!("the service requires authentication: provide credentials (it offers {list})");
    };
    if tried == Scheme::Certificate {
        // Services do not list this scheme in `WWW-Authenticate`.
        "the service rejected the client certificate".to_owned()
    } else if offered.is_empty() {
        format!("the service rejected{name} and offers no authentication scheme")
    } else if offered.iter().any(|scheme| Scheme::from_challenge(scheme) == Some(tried)) {
        format!("the service rejected{name} with {tried}: check name and password")
    } else {
        format!("the service does not offer {tried}: use one of {list}")
    }
}

/// Formats one line per scheme, after the first line of an error.
fn list_others(others: &[OtherScheme]) -> String {
    others.iter().map(|other| format!("\n  {other}")).collect()
}

fn explain_status(status: u16) -> &'static str {
    match status {
        301 | 302 | 307 | 308 => ", a redirect; redirects are not followed, so use the address it leads to",
        403 => ": access denied",
        404 => ": no such path; check the URL prefix",
        413 => ": the request exceeds the service's MaxEnvelopeSizekb",
        // Windows sends no more than this in response to a message that should have been encrypted.
        500 => {
            " without a fault; Windows does this for unencrypted messages \
             if Service/AllowUnencrypted is false"
        }
        503 => ": the service is stopping or has too many connections",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_number_of_the_windows_client() {
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
    fn a_rejection_distinguishes_the_scheme_from_the_password() {
        let refused = |offered: &[&str], tried, user: Option<&str>| {
            let offered = offered.iter().map(|scheme| (*scheme).to_owned()).collect();
            let user = user.map(str::to_owned);
            Error::AuthenticationFailed { offered, tried, user, others: Vec::new() }.to_string()
        };
        assert_eq!(
            refused(&["Negotiate", "basic"], Some(Scheme::Basic), Some("ann")),
            "the service rejected ann with Basic: check name and password"
        );
        assert_eq!(
            refused(&["Negotiate", "Kerberos"], Some(Scheme::Basic), Some("ann")),
            "the service does not offer Basic: use one of Negotiate, Kerberos"
        );
        assert_eq!(
            refused(&["Negotiate"], None, None),
            "the service requires authentication: provide credentials (it offers Negotiate)"
        );
        assert_eq!(refused(&[], None, None), "the service requires authentication but offers no scheme");
    }
}
