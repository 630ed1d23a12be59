//! Shares of Samba and of the kernel's NFS server.

pub mod access;
pub mod client;
pub mod nfs;
pub mod samba;

use crate::listing::Listing;
use crate::{Error, Machine};
use access::Entry;

/// A share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Name of the share; for NFS its path, which cannot be a name of Samba.
    pub name: String,
    /// Path of the shared directory; empty for a printer or pipes.
    pub path: String,
    /// Comment of the administrator or user.
    pub remark: String,
    /// Type of the share.
    pub kind: Kind,
    /// Maximum number of concurrent users; 0 for no limit.
    pub limit: u32,
    /// Origin of the share.
    pub origin: Origin,
}

/// Type of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Folder,
    /// A printer.
    Printer,
    /// `IPC$`, which every Samba server has.
    Pipes,
}

/// Origin of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Configuration of Samba.
    Configuration {
        /// Whether clients can only read.
        is_read_only: bool,
    },
    /// User shares of `net usershare`.
    Users(Vec<Entry>),
    /// `/etc/exports`.
    Nfs,
}

impl Share {
    /// Returns all shares of a machine.
    ///
    /// The failure is that of the configuration of Samba or of a file of exports.
    pub fn all(machine: &Machine) -> Listing<Self> {
        let mut shares = Listing::default();
        match samba::shares(machine) {
            Ok(of_samba) => shares.append(of_samba),
            Err(error) => shares.fail(error),
        }
        shares.append(nfs::exports(machine));
        shares
    }

    /// Returns the share with this name.
    ///
    /// # Errors
    /// If no share was found and some could not be read.
    pub fn find(machine: &Machine, name: &str) -> Result<Option<Self>, Error> {
        Self::all(machine).find(|share| share.has_name(name))
    }

    /// Returns whether the share has this name; upper and lower case are equal.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        self.name.chars().flat_map(char::to_uppercase).eq(name.chars().flat_map(char::to_uppercase))
    }
}
