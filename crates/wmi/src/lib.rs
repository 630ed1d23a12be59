//! The engine of WMI: who asks for instances gets them here, who has them serves them here.
//!
//! A [`Provider`] serves instances of some classes; the [`Engine`] finds the providers of a query, tells each what
//! is wanted of its rows, looks rows up by key where the query pins them, and passes the rest on as they come:
//! at most [`Limits::rows_ahead`] rows are in memory, and a provider waits until somebody wants more.
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
//! [`Engine::subscribe`] tells of what happens: changes of instances are found by looking again, unless a provider
//! has a source of its own ([`Provider::watch`]).
//!
//! Who may do what in a namespace is decided here ([`Rights`], [`Engine::admit`]); who may reach a namespace at all
//! is the service's matter, and what a provider can do for somebody the kernel's.
//!
//! Left out on purpose: messages and their XML, which are the plug-in's.

mod association;
mod change;
pub mod descriptor;
mod engine;
mod error;
mod event;
mod lineage;
mod namespaces;
pub mod oracle;
mod plan;
mod provider;
mod registration;
mod rows;
mod scan;
mod security;
mod table;

pub use engine::{Engine, EngineBuilder, Limits, Outcome};
pub use error::{Error, ProviderError};
pub use event::{BoxFuture, Changes, EventSource, Events, Happening, Occurrence, Telling, Watch};
pub use lineage::Watchman;
pub use provider::{Context, Lookup, MethodCall, Provider, Storage, Target};
pub use rows::Rows;
pub use scan::{Scan, Sink};
pub use security::{Descriptors, InMemory, ROOT_NAMESPACE_SDDL, Rights};
