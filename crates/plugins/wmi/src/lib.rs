//! The classes and instances of WMI as resources (MS-WSMV 3.1.4.1.1 and 3.1.4.2 to 3.1.4.8; DSP0227).
//!
//! A resource is a class of a namespace; its instances are read, changed, made, removed and listed, and their methods
//! called. What is asked goes to a [`wmi::Engine`], what it gives becomes XML by [`cim::wscim`]: this crate joins the
//! two with messages, and is the only one that knows all three.
//!
//! | What is asked | Where |
//! |---|---|
//! | about which class, instance, namespace | `place.rs` |
//! | in which form the answer is wanted | `form.rs` |
//! | Get, Put, Create, Delete | `transfer.rs`, parts of instances in `fragment.rs` |
//! | Enumerate, with its filters | `enumerate.rs`, `filter.rs`, `items.rs` |
//! | a method | `invoke.rs` |
//! | a class itself | `class_schema.rs` |
//! | and what may go wrong | `error.rs`, `fault.rs` |
//!
//! Left out on purpose: which instances there are, which is the providers'; and who may do what, which is that of the
//! service, of the engine and of the kernel.

mod class_schema;
mod enumerate;
mod error;
mod fault;
mod filter;
mod form;
mod fragment;
mod invoke;
mod items;
pub mod oracle;
mod place;
mod plugin;
mod subscribe;
mod transfer;

pub use plugin::WmiPlugin;
