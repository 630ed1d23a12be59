//! XML as WS-Management uses it: namespaces, no DTD, no processing instructions, everything bounded.
//!
//! [`Document::parse`] parses a whole message into one flat tree that owns its text; values borrow from that
//! text unless a reference has to be resolved.
//! [`PullReader`] reads the usual part of XML without a tree.
//! [`Writer`] writes elements into one buffer and escapes text, so that text from outside cannot become
//! markup.
//!
//! ```
//! use telarch_xml::{Bounds, Document, Writer};
//!
//! let mut writer = Writer::new();
//! writer.start("s:Envelope").namespace("s", "urn:example").text("a < b").end();
//! let document = Document::parse(writer.finish(), &Bounds::default())?;
//! assert_eq!(document.root().namespace(), "urn:example");
//! assert_eq!(document.root().text(), "a < b");
//! # Ok::<(), telarch_xml::ReadError>(())
//! ```
//!
//! Deliberately not supported: DTDs and the entities they define, external references of any kind, schema
//! validation, and mixed content beyond plain text.
#![deny(clippy::as_conversions, clippy::expect_used)]

mod character;
mod document;
mod encoding;
mod error;
mod pull;
mod reader;
mod reference;
mod writer;

pub use document::{Attribute, Document, Element, ElementId};
pub use encoding::{Encoding, EncodingError};
pub use error::{ReadError, Reason};
pub use pull::{PullReader, PullText, Token, Unusual};
pub use reader::Bounds;
pub use writer::{Fragment, Name, NameError, Writer};
