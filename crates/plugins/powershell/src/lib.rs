//! PowerShell remoting: runspace pools of the installed PowerShell for WS-Management clients.
//!
//! A runspace pool is a shell, and a pipeline is a command of it. The service starts `pwsh -s` for each pool, which
//! speaks PowerShell's protocol over its standard streams, and passes fragments on between it and the client
//! ([`PowerShellPlugin`]). It reads only the messages that begin, end or describe pools and pipelines.
//!
//! Layers, from the client to the process:
//! - `plugin` maps the messages of MS-WSMV to pools, and `endpoint` resource URIs to programs,
//! - `pool` is the shell, and `handshake` the state of it that a new client needs,
//! - `process` sends packets to `pwsh` and waits for their acknowledgements,
//! - `output` keeps fragments until the client has received them, and `tracker` finds messages in them,
//! - `lines` finds packets among output of other programs.

mod endpoint;
mod error;
mod fault;
mod handshake;
mod lines;
mod output;
mod plugin;
mod pool;
mod process;
mod tracker;

pub use endpoint::{endpoints, installed};
pub use plugin::PowerShellPlugin;
