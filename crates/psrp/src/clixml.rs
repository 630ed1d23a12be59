//! CLIXML: objects of PowerShell as XML (MS-PSRP 2.2.5).
//!
//! [`parse`] reads the data of one message, [`write()`] writes it, and [`Document`] is a whole file or output of
//! `powershell.exe`, with several objects in a root element.
//!
//! A value is a tree. Where an object occurs again, also inside itself, [`Value::Reference`] names the object
//! that was written before. Programs that walk a value therefore always end, and its size is bounded by the
//! size of its text. [`Index`] finds the object for a reference.
//!
//! Text that a peer wrote in another form than this crate does, such as with half of a surrogate pair, keeps its
//! form, so that a message that is read and written again does not change.

mod document;
mod escape;
mod index;
mod primitive;
mod reader;
mod scalar;
mod text;
mod value;
mod writer;

pub use document::{Document, Item};
pub use index::Index;
pub use primitive::{Primitive, Progress, SecureString};
pub use reader::{Limits, parse};
pub use scalar::{DateTime, Decimal, TimeSpan, Version};
pub use text::Text;
pub use value::{Content, Object, Property, ReferenceId, TypeNames, Value};
pub use writer::write;
