//! Command lines of `winrm` and `winrs`, and terminal input and output shared with `telarch`.
//!
//! A program passes its arguments to [`winrm::parse`] or [`winrs::parse`] and gets a typed command back.
//! It prints results with a [`Format`] and errors with a [`Failure`].
//!
//! ```
//! use telarch_cli::winrm::{self, Invocation, Operation};
//!
//! let arguments = ["get", "winrm/config/listener?Address=*+Transport=HTTP", "-r:server7"];
//! let Invocation::Run(command) = winrm::parse(&arguments.map(str::to_owned))? else { panic!("help") };
//! let Operation::Get { locator, .. } = command.operation else { panic!("another operation") };
//! assert_eq!(locator.resource_uri(), "http://schemas.microsoft.com/wbem/wsman/1/config/listener");
//! assert_eq!(command.connection.target.host(), "server7");
//! # Ok::<(), telarch_cli::Error>(())
//! ```
//!
//! One table describes the switches and another the operations. The parsers, help ([`help`]), man pages
//! ([`man`]) and completion scripts ([`completion`]) are generated from them.
//!
//! [`winrm::run`] and [`winrs::run`] execute a command with the client; [`doctor::run`] diagnoses connection
//! problems.
//!
//! The protocol is implemented by the client. The standard streams and the exit status belong to the programs.

pub mod body;
pub mod completion;
pub mod connection;
pub mod doctor;
mod error;
pub mod explain;
pub mod help;
pub mod host_list;
pub mod hosts;
pub mod input;
mod installed;
pub mod man;
pub mod missing_source;
pub mod program;
mod proxy;
pub mod remote;
pub mod screen;
pub mod secret;
mod session;
pub mod settings;
mod sign_in_analysis;
mod switch;
pub mod terminal;
mod trace;
pub mod winrm;
pub mod winrs;

pub use switch::{Keyword, edit_distance, keywords, nearest};
use wording::markup;
pub use wording::terminal::HarmlessWriter;
pub use wording::{codes, endpoint, failure, format, locator};

pub use error::Error;
pub use failure::Failure;
pub use format::Format;
pub use hosts::SavedHosts;
pub use screen::Screen;
pub use settings::ClientSettings;
