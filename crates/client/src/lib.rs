//! WS-Management client (DSP0226, MS-WSMV): a [`Session`] performs operations on one service.
//!
//! ```no_run
//! use telarch_client::{Credentials, Endpoint, Secret, Session, ShellOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let session = Session::builder(Endpoint::parse("https://node7:5986/wsman")?)
//!     .credentials(Credentials { user: "ann".into(), password: Secret::new("…".into()) })
//!     .build()?;
//! let shell = session.shell(ShellOptions::default()).await?;
//! let finished = shell.run("uname -a").await?;
//! print!("{}", String::from_utf8_lossy(&finished.stdout));
//! shell.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Session::local`] connects to the service of this machine over a Unix socket, where the kernel authenticates the user.
//!
//! Guarantees of a session:
//!
//! * Nothing is sent unencrypted unless [`Unencrypted::Allowed`] is set.
//! * Over HTTP, credentials are sent to a remote host only with Kerberos, which proves the identity of the host,
//!   unless [`HostTrust::Listed`] is set.
//! * Every response is bounded in size and time before it is parsed.
//! * A request is repeated only if that is safe.
//! * A slow command is not an error: the client polls until it has output or ends.
//!
//! Not included: abbreviations of addresses and resources, and error texts longer than a sentence; both are in
//! `wording`.

mod affinity;
mod authentication;
mod client_certificate;
mod client_keytab;
mod connection;
mod endpoint;
mod enumeration;
mod error;
mod fleet;
mod handshake;
mod identify;
mod local;
mod locator;
mod pool;
mod probe;
mod proxy;
mod random;
mod route;
mod session;
mod shell;
mod subscription;
mod ticket;
mod timeouts;
mod tls;
mod trace;
mod transfer;

pub use auth::choice::{ClientScheme as Scheme, Obstacle, Refusal, Sealing, Trust as HostTrust};
pub use auth::{Secret, ServiceClass, ServicePrincipalName, SpnError};
pub use authentication::{Authentication, Credentials, Delegation, ServiceName, SpnPort, Unencrypted};
pub use client_certificate::{ClientCertificate, ClientCertificateError};
pub use client_keytab::{ClientKeytab, ClientKeytabError};
pub use endpoint::{Endpoint, EndpointError, Transport};
pub use enumeration::{EnumerateOptions, Enumerator, Item};
pub use error::{Error, Exposed, OtherScheme, Progress, SignInCause, UnexpectedBody, Violation, Waiting};
pub use fleet::{FleetEvent, FleetHost, FleetLimits, FleetStop, FleetSummary, run_fleet};
pub use handshake::{Handshake, PresentedCertificate};
pub use identify::IdentifyResponse;
pub use local::UnreachableSocket;
pub use locator::Locator;
pub use probe::ProbeResponse;
pub use proxy::{Proxy, ProxyAddressError, ProxyAuthentication, ProxyError};
pub use session::{IllegalCharacters, RawResponse, Retry, Session, SessionBuilder};
pub use shell::{
    Command, CommandOptions, CommandResult, Console, DisconnectedPool, Interpreter, Output, Pipeline,
    PipelineControls, PipelineEvent, PipelineOutcome, PoolOptions, Profile, RunspacePool, Shell,
    ShellOptions, Signaller, Stdin,
};
pub use subscription::{EventPage, Occurrence, PushSubscription, Subscription};
pub use ticket::{ServiceTicket, TicketResult};
pub use tls::{Thumbprint, ThumbprintError, TlsError, TlsPolicy};
pub use trace::{Direction, Trace, TracedMessage};
pub use transfer::CreatedResource;
pub use wsman::Compression;
