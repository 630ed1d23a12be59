//! Waiting for readiness of descriptors and for changes of files.
//!
//! The runtime can wait for any descriptor, but requires that it stays open and unchanged. [`watch`]
//! guarantees that, so that no other crate needs `unsafe` for it.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! let mut changes = telarch_readiness::FileChanges::of(["/etc/passwd", "/etc/group"])?;
//! changes.next().await?;
//! println!("an account was added, changed or removed");
//! # Ok(())
//! # }
//! ```

mod descriptor;
mod file;

pub use descriptor::{Held, watch};
pub use file::FileChanges;
