//! File transfer plug-in: files of this machine as the resource `urn:telarch:file`.
//!
//! The plug-in runs in a process of the caller's user, so the kernel checks every access to a file. Messages are in
//! `copy_proto`. Each transfer has one open file; its content is moved in pieces, in order, and hashed on the way.
//! Memory and the number of transfers are bounded, and abandoned transfers are closed.

mod beginning;
mod directory;
mod download;
mod entry;
mod error;
mod plugin;
mod registry;
mod transfer;
mod tree;
mod upload;

pub use plugin::FilePlugin;
