//! WMI classes and instances as resources (MS-WSMV 3.1.4.1.1 and 3.1.4.2 to 3.1.4.8; DSP0227).
//!
//! A resource is a class in a namespace. Its instances can be read, changed, created, deleted and enumerated,
//! and their methods can be called. Requests go to a [`wmi::Engine`], and [`cim::wscim`] writes the results
//! as XML. This is the only crate that knows messages, engine and XML form.
//!
//! | Topic | File |
//! |---|---|
//! | Class, instance and namespace of a request | `target.rs` |
//! | Requested form of the response | `form.rs` |
//! | Get, Put, Create, Delete | `transfer.rs`; fragments of instances in `fragment.rs` |
//! | Enumerate and its filters | `enumerate.rs`, `filter.rs`, `items.rs` |
//! | Method calls | `invoke.rs` |
//! | Class definitions | `class_schema.rs` |
//! | Errors and faults | `error.rs`, `fault.rs` |
//!
//! Not part of this crate: the instances, which come from providers; and access control, which is that of the
//! service, of the engine and of the kernel.

mod class_schema;
mod enumerate;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod error;
mod fault;
mod filter;
mod form;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod fragment;
mod invoke;
mod items;
mod plugin;
mod request;
mod subscribe;
mod target;
mod transfer;

pub use plugin::WmiPlugin;

/// Fragments of instances, for `fuzz/oracles`.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use crate::fragment::Part;
}
