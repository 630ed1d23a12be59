//! WMI engine: connects clients that query instances with providers that serve them.
//!
//! A [`Provider`] serves instances of some classes. The [`Engine`] finds the providers of a query, passes
//! each the required columns and conditions, looks rows up by key if the query determines the keys, and
//! streams all other rows: at most [`Limits::rows_ahead`] rows are in memory, and a provider blocks until the
//! consumer reads more.
//!
//! ```no_run
//! # async fn example(engine: telarch_wmi::Engine) -> Result<(), telarch_wmi::Error> {
//! let context = telarch_wmi::Context::of_this_process("alice");
//! let namespace = cim::Namespace::cimv2();
//! let mut rows = engine.query(&context, &namespace, "SELECT Name FROM Win32_Process WHERE ProcessId = 4")?;
//! while let Some(row) = rows.next().await {
//!     println!("{:?}", row?.value("Name"));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Engine::subscribe`] delivers events: changes of instances are found by polling, unless a provider has an
//! event source ([`Provider::watch`]).
//!
//! Access to namespaces is checked here ([`Rights`], [`Engine::admit`]). The service decides who can reach
//! WMI at all, and the kernel what a provider can do for a caller.
//!
//! Not part of this crate: messages and their XML, which belong to the plug-in.

mod association;
mod change;
pub mod descriptor;
mod engine;
mod error;
mod event;
mod generations;
mod namespaces;
mod omission;
mod plan;
mod provider;
mod registration;
mod rows;
mod scan;
mod security;
mod table;

pub use engine::{Engine, EngineBuilder, Limits, Outcome};
pub use error::{Error, ProviderError};
pub use event::{BoxFuture, Changes, EventSource, Events, Happening, Occurrence, ReportMode, Watch};
pub use generations::Refresher;
pub use omission::Omission;
pub use provider::{Context, Lookup, MethodCall, Provider, Storage, Target};
pub use rows::Rows;
pub use scan::{Scan, Sink};
pub use security::{Descriptors, InMemory, ROOT_NAMESPACE_SDDL, Rights};
