//! Ways to deploy an archive.

/// Treatment of files that the archive does not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are removed.
    Replace,
    /// They are kept.
    Add,
}
