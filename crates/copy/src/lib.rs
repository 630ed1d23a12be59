//! Copies files between this machine and a machine with WinRM.
//!
//! A [`Copier`] chooses a carrier: the file resource of Telarch's service, scripts of PowerShell remoting, or commands of
//! the remote shell, which are `sh` on Linux and Windows PowerShell on Windows. Each carrier gives the same guarantees:
//!
//! * A file is written under a temporary name next to its target, and renamed once it is complete and its SHA-256 is
//!   that of the source. Until then, an existing file is unchanged.
//! * After an error the temporary file is removed, unless the copy can be [resumed](CopyOptions::resume).
//! * The memory of a copy does not depend on the size of the file.
//! * Names are data: no shell interprets them, and no name of the remote machine leads out of the local destination.

mod content;
mod copier;
mod error;
mod file_by_file;
mod local;
mod local_tree;
mod native;
mod options;
mod progress;
mod remote_path;
mod remoting;
mod shell;
mod tree;

pub use copier::{CarrierChoice, Copier};
pub use error::CopyError;
pub use local_tree::CopiedTree;
pub use options::{Copied, CopyOptions};
pub use progress::{NoProgress, Progress};
pub use remote_path::RemotePath;
pub use shell::command_line;
