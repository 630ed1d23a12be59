//! WMI repository: namespaces, classes and instances added to the built-in ones, and the security descriptors
//! of namespaces.
//!
//! A [`Repository`] is one file of MOF text: it can be read, compared and copied, is replaced atomically, and
//! is read again when it has changed. Without a file it exists only in memory.
//! A [`Compiler`] reads MOF texts as `mofcomp` does and applies them to [`Contents`], completely or not at
//! all.
//! A [`ReloadingEngine`] is a WMI engine that follows the changes of the repository.
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
//! Not part of this crate: built-in classes, which are never in the repository; and access control, which
//! depends on the namespace for callers of the engine and on the file permissions otherwise.

#![forbid(unsafe_code)]

mod compiler;
mod contents;
mod error;
mod file;
mod provider;
mod reloading;
pub mod text;

pub use compiler::{ClassFlags, Compiler, Report};
pub use contents::{Change, Contents, Existing, Stored};
pub use error::{Error, Place, Problem};
pub use file::{Changes, Repository};
pub use reloading::ReloadingEngine;
