//! Parts of configuration files that several web servers have in common, without I/O.
//!
//! [`matches()`] and [`expand`] find the files that a pattern includes, over the [`Files`] of a caller. [`TextEdits`]
//! replaces ranges of a text and keeps every other byte.

mod edits;
mod files;
mod glob;
mod path;

pub use edits::TextEdits;
pub use files::{Files, expand};
pub use glob::{is_pattern, matches};
pub use path::{full_path, parent};
