//! Configuration files of nginx, without I/O.
//!
//! [`Document`] is a lossless tree: every directive knows its bytes, and [`Document::text`] returns what was parsed. The
//! rules are those of nginx's own reader, including its limit of 4096 bytes for a word or a comment, so that both accept
//! the same texts and report the same lines. [`Closure`] follows `include` over the files of a caller. [`Editor`] changes
//! single directives and keeps every other byte.
//!
//! ```
//! use telarch_nginx::{Document, Editor, NewDirective};
//!
//! let document = Document::parse(b"listen 80; # public\n").unwrap();
//! let mut editor = Editor::new(&document);
//! editor.set_words(&document.directives()[0], &["listen", "8080"]);
//! editor.append(None, &NewDirective::simple(&["root", "/srv/my site"]));
//! assert_eq!(editor.finish(), b"listen 8080; # public\nroot \"/srv/my site\";\n");
//! ```

mod closure;
mod edit;
mod error;
mod lexer;
mod lua;
mod quote;
mod tree;

pub use closure::{Closure, ClosureFile, IncludeProblem, Visited};
pub use conftext::{Files, full_path, is_pattern, matches, parent};
pub use edit::{Editor, NewDirective};
pub use error::{SyntaxError, SyntaxProblem};
pub use quote::quote;
pub use tree::{Block, Bounds, Directive, Document, Word};
