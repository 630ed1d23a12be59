//! Waits for the kernel: until there is something with a descriptor, or until a file is another one.
//!
//! The runtime can wait for any descriptor, but trusts that it stays what it is; the promise is made here, once
//! ([`watch`]), so that nobody else needs `unsafe` for it.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! let mut changes = telarch_readiness::FileChanges::of(["/etc/passwd", "/etc/group"])?;
//! changes.next().await?;
//! println!("somebody has come or gone");
//! # Ok(())
//! # }
//! ```

mod descriptor;
mod file;

pub use descriptor::{Held, watch};
pub use file::FileChanges;
