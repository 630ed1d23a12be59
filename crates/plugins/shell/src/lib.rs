//! Remote shell: runs commands of WS-Management clients on this machine.
//!
//! A [`Command`] is started from a [`CommandSpec`], reads input, delivers output in pieces that fit into a reply, is
//! signalled and closed. It is independent of XML and requests. [`ShellPlugin`] is the layer above, which maps the
//! messages of MS-WSMV 3.1.4 to shells and commands.
//!
//! ```no_run
//! # use std::{sync::Arc, time::Duration};
//! # use shells::ProcessLimiter;
//! # use telarch_plugin_shell::*;
//! # async fn run() -> Result<(), CommandError> {
//! let command = Command::spawn(&CommandSpec {
//!     line: CommandLine::Shell {
//!         program: "/bin/sh".into(),
//!         startup: Startup::NoProfile,
//!         line: "echo hello".into(),
//!     },
//!     environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
//!     directory: "/".into(),
//!     code_page: CodePage::UTF_8,
//!     limiter: Arc::new(ProcessLimiter::unlimited()),
//! })?;
//! let delivery = command.receive(100_000, StreamSet::Both, Duration::from_secs(60)).await?;
//! for (stream, bytes) in delivery.chunks() {
//!     // Write the chunk to the reply.
//! #   let _ = (stream, bytes);
//! }
//! // After the reply was sent:
//! delivery.commit();
//! command.close().await;
//! # Ok(()) }
//! ```

mod codepage;
mod command;
mod error;
mod plugin;

pub use self::codepage::{CodePage, PageDecoder, PageEncoder};
pub use self::command::{
    Command, CommandLine, CommandSpec, CommandState, CommitResult, Delivery, Release, Signal, Startup, Stdin,
    Stream, StreamSet, without_outer_quotes,
};
pub use self::error::CommandError;
pub use self::plugin::{ShellListing, ShellPlugin};
