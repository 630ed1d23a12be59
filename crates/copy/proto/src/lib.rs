//! Messages of the resource `urn:telarch:file`, for both ends.
//!
//! A transfer copies one file. Create opens it, Send and Receive move its content in pieces with an offset, the method
//! [`FINISH`] verifies the SHA-256 of the content and completes the copy, and Delete abandons it. A piece with the same
//! offset may be sent or requested again, so that a request whose response was lost can be repeated.
//!
//! Enumerate lists the entries below a directory. The methods [`PACK`] and [`UNPACK`] move many small files at once.

mod content;
mod entry;
mod fields;
mod path;
mod transfer;
mod tree;

pub use content::{ContentDigest, hash_exactly, hex, resumable_key};
pub use entry::{Entry, EntryKind};
pub use path::{RelativePath, decode_path, encode_path};
pub use transfer::{Begun, Download, Finish, Finished, OpenTransfer, Opened, Upload};
pub use tree::{LARGEST_PACKED, MOST_ENTRIES, Pack, PackedEntry, TreeEntry, Unpack, Unpacked};

/// URI of the resource, and namespace of its elements.
pub const RESOURCE: &str = "urn:telarch:file";
/// Action of the method that completes a transfer.
pub const FINISH: &str = "urn:telarch:file/Finish";
/// Action of the method that reads small files.
pub const PACK: &str = "urn:telarch:file/Pack";
/// Action of the method that writes small files and directories.
pub const UNPACK: &str = "urn:telarch:file/Unpack";
/// Selector that identifies a transfer.
pub const TRANSFER_ID: &str = "TransferId";
/// Selector with a path, for Get and Enumerate.
pub const PATH: &str = "Path";
/// Option with the position of a piece in the file, in bytes.
pub const OFFSET: &str = "Offset";
/// Option with the maximum length of a requested piece, in bytes.
pub const LENGTH: &str = "Length";
/// Name of the stream with the content.
pub const DATA: &str = "data";
