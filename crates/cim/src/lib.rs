//! The Common Information Model as in WMI: classes, instances and paths, their XML and MOF forms, and WQL. No I/O and no
//! clock; all input is bounded.
//!
//! | Subject | Items | Specification |
//! |---|---|---|
//! | values and types | [`Value`], [`Type`], [`DateTime`] | DSP0004 5.2 |
//! | classes with inheritance | [`Class`], [`Schema`] | DSP0004 5.1, MS-WMI |
//! | instances | [`Instance`], [`Column`], [`ColumnSet`] | |
//! | object paths | [`ObjectPath`] | MS-WMI, CIM path, DSP0207 |
//! | class URIs | [`uri::ClassUri`] | MS-WSMV 3.1.4.1.1, DSP0227 6.1 |
//! | instances in messages | [`wscim`] | DSP0230 |
//! | classes in messages | [`cimxml`] | DSP0201, DSP0227 15 |
//! | classes and instances in files | [`mof`] | DSP0004 annex A |
//! | queries | [`wql`] | MS-WMI, WQL |
//! | errors | [`Error`], [`Status`] | MS-WMI, WBEMSTATUS |
//!
//! ```
//! use telarch_cim::{Instance, Namespace, Origin, Schema, wql};
//!
//! let schema = Schema::of(Namespace::cimv2());
//! let class = schema.require("win32_process")?;
//! let row = Instance::new(class.clone()).with("Handle", "4242")?.with("Name", "sshd")?;
//!
//! let wql::Query::Select(select) = wql::parse("SELECT Name FROM Win32_Process WHERE Handle = 4242")? else {
//!     unreachable!("the query begins with SELECT")
//! };
//! let origin = Origin { server: "node7".to_owned(), namespace: schema.namespace().clone(), offset: 0 };
//! let predicate = wql::Predicate::bind(&select, &class, &origin)?;
//! assert!(predicate.evaluate(&row));
//! assert_eq!(predicate.pinned(class.keys()).map(|keys| keys.len()), Some(1), "one row is enough");
//! # Ok::<(), telarch_cim::Error>(())
//! ```
//!
//! Not included: SOAP, and the sources of instances.
#![deny(clippy::as_conversions, clippy::expect_used)]

pub mod cimxml;
mod class;
mod column;
mod datetime;
mod declared_instance;
mod error;
mod instance;
pub mod mof;
mod name;
mod object_path;
mod qualifier;
mod schema;
mod status;
mod system;
pub mod uri;
mod value;
pub mod wql;
pub mod wscim;

pub use class::{Class, ClassDeclaration, Method, Operation, Parameter, Property};
pub use column::{Column, ColumnSet};
pub use datetime::{DateTime, Interval, Partial, Timestamp};
pub use error::Error;
pub use instance::Instance;
pub use name::{Name, Namespace};
pub use object_path::{Identity, KeyValue, ObjectPath};
pub use qualifier::{Flavors, Propagation, Qualifier, Qualifiers};
pub use schema::Schema;
pub use status::Status;
pub use system::{Origin, SystemProperty};
pub use value::{CimType, Shape, Type, Value};
