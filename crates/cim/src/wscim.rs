//! Instances as XML (DSP0230), in exactly the form of Windows.
//!
//! - Properties are sorted by name without regard to case.
//! - NULL is `<p:X xsi:nil="true"/>`; a NULL array is omitted unless the client requests precise arrays.
//! - The elements of an array repeat the property's element.
//! - Each instance has the name and the namespace of its own class, also in an enumeration of a superclass.
//! - A projection is a `w:XmlFragment` with elements without a namespace.
//!
//! References use the prefixes `a` and `w`, which the envelope declares.

mod layout;
mod reader;
mod reference;
mod rows;
mod writer;

pub use layout::Layout;
pub use reader::{Read, Reader};
pub use rows::{Rows, Selection};
pub use writer::{NullArrays, PropertyTypes, Writer};

/// Namespace of time elements and types, prefix `cim` (DSP0230).
pub const COMMON: &str = "http://schemas.dmtf.org/wbem/wscim/1/common";
/// Namespace of the attributes `nil` and `type`, prefix `xsi`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Namespace of WS-Management, prefix `w`.
pub(crate) const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd";
/// Namespace of WS-Addressing of August 2004, prefix `a`.
pub(crate) const ADDRESSING: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// Namespace of Microsoft's extensions, for `IsNullArray`.
pub(crate) const MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd";

/// Maximum nesting depth of embedded instances.
pub const MAX_DEPTH: usize = 8;
