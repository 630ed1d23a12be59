use std::env;
use std::path::{Path, PathBuf};

/// Returns a folder of recorded traffic, for example `wsman/wmi`; `None` without it, and then the test is recorded as
/// skipped.
///
/// Recordings of other projects are not part of this repository. They are searched for in the folder that
/// `TELARCH_FIXTURES` names, or else in `shared/fixtures` next to the repository.
///
/// # Panics
/// When `TELARCH_SKIPS` names a file that cannot be written.
#[must_use]
pub fn recordings(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let folder = env::var_os("TELARCH_FIXTURES").map_or_else(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    crate::skip!("there are no recordings in {}; TELARCH_FIXTURES names another folder", folder.display());
    None
}
