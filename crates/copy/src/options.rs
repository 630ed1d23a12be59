//! Options and results of copies.

/// Options of a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// Whether the copy has exactly the permissions and the time of modification of the source. Otherwise an existing
    /// file keeps its permissions, and a new one has those of the source without those of the umask.
    pub preserve: bool,
    /// Whether an interrupted copy of the same content is continued, and kept for a later attempt if it fails.
    pub resume: bool,
}

/// Result of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Absolute path of the copy; for a local copy, the path as given.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Bytes that a resumed copy found at the target.
    pub found: u64,
    /// SHA-256, as hexadecimal text.
    pub sha256: String,
}
