//! The scripting API of Telarch: everything that `WSMan.Automation` offers to scripts on Windows, for Rust.
//!
//! | COM | here |
//! |---|---|
//! | `IWSMan`, `IWSManEx` | [`Wsman`] |
//! | `IWSManConnectionOptions` | [`ConnectionOptions`] |
//! | `IWSManSession` | [`Session`] |
//! | `IWSManResourceLocator` | [`ResourceLocator`] |
//! | `IWSManEnumerator` | [`Enumerator`] |
//! | `SessionFlag…`, `EnumerationFlag…`, `Proxy…` | [`SessionFlags`], [`EnumerationFlags`], [`ProxyAccess`], [`ProxyAuthentication`] |
//! | `Error` | [`Error`], with the fault, its cause and what to do |
//!
//! And what COM has not: events ([`Session::subscribe`]), remote shells ([`Session::run`], [`Shell`]) and files
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
//! Everything is asynchronous on tokio; [`blocking`] waits. Bodies go in as XML and come out as [`Resource`].
//!
//! Left out on purpose: the dialogue that edits security descriptors (`IWSManInternal`), which is `winrm configSDDL`.

mod automation;
pub mod blocking;
mod connection_options;
mod enumerator;
mod error;
mod files;
mod flags;
mod powershell;
mod proxy;
mod resource;
mod resource_locator;
mod session;
mod shell;
mod subscription;

pub use automation::Wsman;
pub use client::{CommandOptions, Console, Finished, Interpreter, Output, Profile, Scheme, ShellOptions};
pub use connection_options::ConnectionOptions;
pub use enumerator::{Enumerator, Filter};
pub use error::{Error, Failed};
pub use flags::{EnumerationFlags, ProxyAccess, ProxyAuthentication, SessionFlags};
pub use powershell::clean_clixml;
pub use resource::Resource;
pub use resource_locator::{MustComply, ResourceLocator};
pub use session::Session;
pub use shell::{Command, Controls, Shell};
pub use subscription::{Occurrence, Subscription};
pub use wsman::shell::SignalCode;
pub use wsman::{Detail as FaultDetail, EndpointReference, Fault};
