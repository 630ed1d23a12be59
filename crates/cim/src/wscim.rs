//! Instances as XML (DSP0230), letter for letter as Windows writes them.
//!
//! - Properties stand in the order of their names without regard to case.
//! - A NULL is `<p:X xsi:nil="true"/>`, a NULL array nothing at all, unless the client asked for more precision.
//! - An array repeats its element.
//! - Each instance bears the name and the namespace of its own class, also among those of its superclass.
//! - A projection is a `w:XmlFragment` with elements of no namespace.
//!
//! References are written with the prefixes `a` and `w`, which the envelope around them declares.

mod layout;
mod reader;
mod reference;
mod writer;

pub use layout::Layout;
pub use reader::{Read, Reader};
pub use writer::{NullArrays, PropertyTypes, Rows, Selection, Writer};

/// Namespace of the elements of times and of the types, prefix `cim` (DSP0230).
pub const COMMON: &str = "http://schemas.dmtf.org/wbem/wscim/1/common";
/// Attributes `nil` and `type`, prefix `xsi`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// WS-Management, prefix `w`.
pub(crate) const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
/// WS-Addressing of August 2004, prefix `a`.
pub(crate) const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// Microsoft's extensions, for `IsNullArray`.
pub(crate) const MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";

/// How deep instances may stand in each other.
pub const MAX_DEPTH: usize = 8;
