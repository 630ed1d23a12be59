//! Changes of files and directories.

pub mod change;
