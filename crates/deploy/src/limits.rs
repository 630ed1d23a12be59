//! Limits of archives and sites.

/// Maximum number of files and folders of an archive, and of a site.
pub(crate) const MAX_ENTRIES: usize = 50_000;
/// Maximum size of all files of a site, in bytes.
pub(crate) const MAX_CONTENT: u64 = 2 << 30;
