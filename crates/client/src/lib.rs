//! WS-Management from the client's side: one [`Session`] for one service.
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
//! [`Session::local`] reaches the service of this machine over its Unix socket, where the kernel says who asks.
//!
//! What a session promises:
//!
//! * Nothing leaves the process readable for others unless [`Unencrypted::Allowed`] says so.
//! * Over HTTP nothing but Kerberos is tried with a host that is not this machine, unless [`HostTrust::Listed`] says
//!   that it needs no proof.
//! * Whatever a service sends is bounded before it is looked at, in size and in time.
//! * A request is sent twice only where that does no harm.
//! * A slow command is not a failed one: what has nothing to say yet is asked again.
//!
//! Left out on purpose: short forms of addresses and resources, and texts for people beyond one sentence
//! an error; they belong to `wording`.

mod affinity;
mod authentication;
mod client_certificate;
mod connection;
mod endpoint;
mod enumeration;
mod error;
mod greeting;
mod handshake;
mod identify;
mod local;
mod locator;
mod patience;
mod pool;
mod proxy;
mod random;
mod realm;
mod route;
mod session;
mod shell;
mod subscription;
mod tls;
mod trace;
mod transfer;

pub use auth::choice::{ClientScheme as Scheme, Obstacle, Refusal, Sealing, Trust as HostTrust};
pub use auth::{Secret, ServiceClass, ServicePrincipalName, SpnError};
pub use authentication::{Authentication, Credentials, Delegation, ServiceName, SpnPort, Unencrypted};
pub use client_certificate::{ClientCertificate, ClientCertificateError};
pub use endpoint::{Endpoint, EndpointError, Transport};
pub use enumeration::{EnumerateOptions, Enumerator, Item};
pub use error::{Error, Exposed, Progress, Seen, SignInCause, Violation, Waiting};
pub use greeting::Greeting;
pub use handshake::{Handshake, ShownCertificate};
pub use identify::Identified;
pub use local::Unreached;
pub use locator::Locator;
pub use proxy::{Proxy, ProxyAddressError, ProxyAuthentication, ProxyError};
pub use realm::{RealmAnswer, ServiceTicket};
pub use session::{Posted, Session, SessionBuilder};
pub use shell::{
    Command, CommandOptions, Console, Finished, Interpreter, Output, Profile, Shell, ShellOptions, Signaller,
    Stdin,
};
pub use subscription::{Occurrence, Subscription};
pub use tls::{Thumbprint, ThumbprintError, TlsError, TlsPolicy};
pub use trace::{Direction, Trace, Traced};
pub use transfer::Created;
