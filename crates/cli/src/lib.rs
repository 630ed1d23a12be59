//! What the command lines of Telarch share.
//!
//! A program hands its arguments to [`winrm::parse`] or [`winrs::parse`] and gets a typed command back;
//! what the command returns it prints with a [`Format`], and what goes wrong with a [`Failure`].
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
//! One table describes every switch and one every operation; parsers, help ([`help`]), man pages
//! ([`man`]) and completions ([`completion`]) read them.
//!
//! [`winrm::run`] and [`winrs::run`] carry a command out with the client; [`doctor::run`] looks for what is wrong.
//!
//! Left out on purpose: how a service is spoken with, which the client knows, and what a program does with
//! its own streams and its exit status.

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
pub mod man;
pub mod program;
mod proxy;
pub mod screen;
pub mod secret;
mod session;
pub mod settings;
mod switch;
pub mod terminal;
mod trace;
pub mod winrm;
pub mod winrs;

pub use switch::{nearest, slips};
use wording::markup;
pub use wording::terminal::HarmlessWriter;
pub use wording::{codes, endpoint, failure, format, locator};

pub use error::Error;
pub use failure::Failure;
pub use format::Format;
pub use hosts::SavedHosts;
pub use screen::Screen;
pub use settings::ClientSettings;
