//! Tests of the client against the service: both in one process, connected over loopback sockets.
//!
//! A [`Loopback`] is a complete service with free ports, accounts, a configuration in a temporary folder and all
//! plug-ins, and it creates sessions. The tests in `tests/it` have one module per topic.
//!
//! ```no_run
//! use telarch_loopback::{Loopback, User};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let service = Loopback::start_with(&[("Winrs.MaxShellsPerUser", "1")]).await;
//! let shell = service.session(User::Ada).shell(Default::default()).await?;
//! assert_eq!(shell.run("exit 3").await?.exit_code, 3);
//! service.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! All functions panic on errors, since only tests use them.

mod certificate;
mod certificate_holder;
mod loopback;
mod process;
mod proxy;
mod user;

pub use certificate::SelfSigned;
pub use certificate_holder::CertificateHolder;
pub use loopback::{Loopback, TIMEOUT};
pub use process::Process;
pub use proxy::CuttingProxy;
pub use user::User;
