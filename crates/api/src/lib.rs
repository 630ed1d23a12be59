//! Scripting API of Telarch: the functions of `WSMan.Automation` on Windows, for Rust.
//!
//! | COM | Rust |
//! |---|---|
//! | `IWSMan`, `IWSManEx` | [`Wsman`] |
//! | `IWSManConnectionOptions` | [`ConnectionOptions`] |
//! | `IWSManSession` | [`Session`] |
//! | `IWSManResourceLocator` | [`ResourceLocator`] |
//! | `IWSManEnumerator` | [`Enumerator`] |
//! | `SessionFlag…`, `EnumerationFlag…`, `Proxy…` | [`SessionFlags`], [`EnumerationFlags`], [`ProxyAccess`], [`ProxyAuthentication`] |
//! | `Error` | [`Error`], with the fault, its cause and advice |
//!
//! In addition to COM: events ([`Session::subscribe`]), remote shells ([`Session::run`], [`Shell`]), PowerShell
//! remoting ([`Session::runspace_pool`], [`remoting`]), many machines at once ([`Fleet`]) and file transfer
//! ([`Session::copy`], [`Session::fetch`]).
//!
//! ```no_run
//! use telarch::{ConnectionOptions, EnumerationFlags, Error, Filter, SessionFlags, Wsman};
//!
//! # async fn example() -> Result<(), Error> {
//! let options = ConnectionOptions::new().credentials("CORP\\ann", "a secret");
//! let session = Wsman::new().create_session("https://node7:5986", SessionFlags::USE_NEGOTIATE, options)?;
//!
//! let query = Filter::wql("select Name from Win32_Service where State = 'Stopped'");
//! let mut services = session.enumerate("wmicimv2/*", Some(query), EnumerationFlags::RETURN_OBJECT).await?;
//! while let Some(service) = services.next().await {
//!     println!("{}", service?.value("Name").unwrap_or_default());
//! }
//!
//! match session.get("winrm/config/listener?Address=*+Transport=HTTP").await {
//!     Ok(listener) => print!("{}", listener.to_text()),
//!     Err(Error::Denied(why)) => eprintln!("{}; {}", why.message(), why.fix().join("; ")),
//!     Err(error) => return Err(error),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! All functions are asynchronous and need tokio; [`blocking`] has synchronous ones. Request bodies are XML texts,
//! response bodies are [`Resource`]s.
//!
//! Not included: the security descriptor editor (`IWSManInternal`), which is `winrm configSDDL`.

mod automation;
pub mod blocking;
mod connection_options;
mod enumerator;
mod error;
mod error_context;
mod files;
mod flags;
mod fleet;
mod partial_results;
mod powershell;
mod proxy;
pub mod remoting;
mod resource;
mod resource_locator;
mod session;
mod shell;
mod subscription;

pub use automation::Wsman;
pub use client::{
    CommandOptions, CommandResult, Console, Interpreter, Output, Profile, Scheme, ShellOptions,
};
pub use connection_options::ConnectionOptions;
pub use enumerator::{Enumerator, Filter};
pub use error::{Error, FailureDetails};
pub use flags::{EnumerationFlags, ProxyAccess, ProxyAuthentication, SessionFlags};
pub use fleet::{Fleet, FleetError, FleetStop, FleetSummary};
pub use partial_results::{Omission, PartialResults};
pub use powershell::clean_clixml;
pub use resource::Resource;
pub use resource_locator::{MustComply, ResourceLocator};
pub use session::Session;
pub use shell::{Command, Controls, Shell};
pub use subscription::{Occurrence, Subscription};
pub use wsman::shell::SignalCode;
pub use wsman::{Detail as FaultDetail, EndpointReference, Fault};
