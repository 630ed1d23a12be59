//! Our client against our service: both in one process, with loopback sockets between them.
//!
//! A [`Loopback`] is a whole service with free ports, accounts, a configuration in a folder of its own and every
//! plug-in; it gives sessions to it.
//! What both ends together must do stands in `tests/it`, one module per topic.
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
//! Everything here panics where something fails: whoever uses it is a test.

mod certificate;
mod holder;
mod loopback;
mod process;
mod proxy;
mod user;

pub use certificate::SelfSigned;
pub use holder::Holder;
pub use loopback::{Loopback, PATIENCE};
pub use process::Process;
pub use proxy::CuttingProxy;
pub use user::User;
