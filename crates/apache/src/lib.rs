//! Configuration files of Apache httpd, without I/O.
//!
//! [`Document`] is a lossless tree: every directive knows its bytes, and [`Document::text`] returns what was parsed. The
//! rules are those of Apache's own reader: one directive a line, continued by a backslash at the end of the line, with
//! quoted words and nested sections. [`Closure`] follows `Include` over the files of a caller, and evaluates `Define`,
//! `<IfModule>` and `<IfDefine>`. [`Editor`] changes single directives and keeps every other byte.
//!
//! ```
//! use telarch_apache::{Document, Editor, NewDirective};
//!
//! let document = Document::parse(b"Listen 80\n").unwrap();
//! let mut editor = Editor::new(&document);
//! editor.set_words(&document.directives()[0], &["Listen", "8080"])?;
//! editor.append(None, &NewDirective::simple(&["DocumentRoot", "/srv/my site"])?);
//! assert_eq!(editor.finish(), b"Listen 8080\nDocumentRoot \"/srv/my site\"\n");
//! # Ok::<(), telarch_apache::UnquotableWord>(())
//! ```

mod closure;
mod edit;
mod environment;
mod error;
mod lexer;
mod quote;
mod tree;
mod variables;

pub use closure::{Closure, ClosureFile, IncludeProblem, Visited};
pub use conftext::{Files, full_path, is_pattern, matches, parent};
pub use edit::{Editor, NewDirective};
pub use environment::{BuiltIn, Environment};
pub use error::{SyntaxError, SyntaxProblem, UnquotableWord};
pub use quote::quote;
pub use tree::{Bounds, Directive, Document, Section, Word};
pub use variables::environment_variables;
