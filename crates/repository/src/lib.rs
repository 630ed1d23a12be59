//! The repository of WMI: namespaces, classes and instances that were added to those of the system, and who may do
//! what in a namespace.
//!
//! A [`Repository`] is one file, and the file is a text of MOF: it can be read, compared and copied, is written whole
//! or not at all, and read again once it has changed. Without a file it is gone with the process.
//! A [`Compiler`] reads texts of MOF as `mofcomp` does; what they say is done to [`Contents`], all of it or nothing.
//! A [`LivingEngine`] is an engine of WMI that knows what is in the repository now.
//!
//! ```
//! use telarch_repository::{Compiler, Repository};
//!
//! let repository = Repository::in_memory();
//! let mut compiler = Compiler::new(cim::Namespace::cimv2());
//! compiler.text("site.mof".as_ref(), "class Site { [key] string Name; };\ninstance of Site { Name = \"Oslo\"; };")?;
//! let report = repository.update(|contents| compiler.apply(contents))?;
//! assert_eq!((report.classes, report.instances), (1, 1));
//! # Ok::<(), telarch_repository::Error>(())
//! ```
//!
//! Left out on purpose: classes that come with the system, which are never in the repository; and who may change it,
//! which is a matter of the namespace for callers of the engine, and of the file for everybody else.

#![forbid(unsafe_code)]

mod compiler;
mod contents;
mod error;
mod file;
mod living;
pub mod oracle;
mod provider;
mod text;

pub use compiler::{ClassFlags, Compiler, Report};
pub use contents::{Change, Contents, Existing, Stored};
pub use error::{Error, Place, Problem};
pub use file::{Changes, Repository};
pub use living::LivingEngine;
