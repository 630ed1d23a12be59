//! The remote shell of Telarch: runs the commands of WS-Management clients on this machine.
//!
//! A [`Command`] is one command of a shell: started from a [`CommandSpec`], it takes input, delivers output in pieces
//! of a reply's size, is signalled and closed. It knows nothing of XML and requests.
//! [`ShellPlugin`] is the layer above: it turns the messages of MS-WSMV 3.1.4 into shells and commands and back.
//!
//! ```no_run
//! # use std::{sync::Arc, time::Duration};
//! # use telarch_plugin_shell::*;
//! # async fn run() -> Result<(), CommandError> {
//! let command = Command::spawn(&CommandSpec {
//!     line: CommandLine::Shell {
//!         program: "/bin/sh".into(),
//!         startup: Startup::AsIsUsual,
//!         line: "echo hello".into(),
//!     },
//!     environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
//!     directory: "/".into(),
//!     code_page: CodePage::UTF_8,
//!     enclosure: Arc::new(Enclosure::unlimited()),
//! })?;
//! let delivery = command.receive(100_000, StreamSet::Both, Duration::from_secs(60)).await?;
//! for (stream, bytes) in delivery.chunks() {
//!     // Into the reply.
//! #   let _ = (stream, bytes);
//! }
//! // Once the reply is on its way:
//! delivery.commit();
//! command.close().await;
//! # Ok(()) }
//! ```

mod codepage;
mod command;
mod control_group;
mod error;
mod limits;
pub mod oracle;
mod plugin;
mod processes;

pub use self::codepage::CodePage;
pub use self::command::{
    Command, CommandLine, CommandSpec, CommandState, Committed, Delivery, Release, Signal, Startup, Stdin,
    Stream, StreamSet, without_outer_quotes,
};
pub use self::control_group::{ControlGroup, Enforced};
pub use self::error::CommandError;
pub use self::limits::{Enclosure, Limits, OwnGroups, ShellGroup, ShellGroups};
pub use self::plugin::{ShellPlugin, Surroundings, too_many_users};
