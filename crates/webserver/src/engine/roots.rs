//! Directories in which files may be changed.
//!
//! A process with more rights than the owners of these directories must not be led elsewhere by a symbolic link that is
//! replaced between a check and a write. So the folder of a file is opened below its root without following links, and the
//! file is then named relative to the open folder.

use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::error::WebServerError;

/// Directories in which files may be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roots(
    /// Without symbolic links; empty for no restriction.
    Vec<PathBuf>,
);

/// A file that may be written, named through its open folder if roots restrict the changes.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Target {
    /// Path for system calls.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Roots {
    /// Names existing directories; none permits all files.
    pub(crate) fn open(roots: &[PathBuf]) -> Result<Self, WebServerError> {
        let roots =
            roots.iter().map(|root| fs::canonicalize(root).map_err(WebServerError::disk("open", root)));
        roots.collect::<Result<_, _>>().map(Self)
    }

    /// Opens the folder of a file for a change. Links in the path of an existing folder are resolved first.
    ///
    /// # Errors
    /// If the file is outside all roots, or a folder cannot be opened.
    pub(crate) fn target(&self, file: &Path) -> Result<Target, WebServerError> {
        if self.0.is_empty() {
            return Ok(Target { path: file.to_owned(), _folder: None });
        }
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            return Err(self.outside(file));
        };
        let folder = fs::canonicalize(folder).map_err(WebServerError::disk("open", folder))?;
        let inside = self.0.iter().find_map(|root| Some((root, folder.strip_prefix(root).ok()?)));
        let (root, below) = inside.ok_or_else(|| self.outside(file))?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags | OFlags::NOFOLLOW, Mode::empty());
        let root = root.map_err(|errno| WebServerError::disk("open", &folder)(errno.into()))?;
        let opened = if below.as_os_str().is_empty() {
            root
        } else {
            let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            openat2(&root, below, flags, Mode::empty(), how)
                .map_err(|errno| WebServerError::disk("open", &folder)(errno.into()))?
        };
        let path = Path::new("/proc/self/fd").join(opened.as_raw_fd().to_string()).join(name);
        Ok(Target { path, _folder: Some(opened) })
    }

    /// Requires that the nearest existing folder above a new folder is inside a root.
    pub(crate) fn require_inside(&self, folder: &Path) -> Result<(), WebServerError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let existing = folder.ancestors().find_map(|folder| fs::canonicalize(folder).ok());
        let is_inside = existing.is_some_and(|folder| self.0.iter().any(|root| folder.starts_with(root)));
        if is_inside { Ok(()) } else { Err(self.outside(folder)) }
    }

    fn outside(&self, file: &Path) -> WebServerError {
        let roots: Vec<String> = self.0.iter().map(|root| root.display().to_string()).collect();
        WebServerError::Outside { file: file.display().to_string(), roots: roots.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_outside_the_roots_are_refused_however_they_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["root/sites", "other"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        symlink(at("other"), at("root/link")).unwrap();
        let roots = Roots::open(&[at("root")]).unwrap();
        for name in ["other/x.conf", "root/link/x.conf", "root/../other/x.conf", "root2"] {
            let refused = roots.target(&at(name)).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|text| text.contains("outside")), "{name}");
        }
        let target = roots.target(&at("root/sites/x.conf")).unwrap();
        // The folder is replaced by a link after the check.
        fs::rename(at("root/sites"), at("root/moved")).unwrap();
        symlink(at("other"), at("root/sites")).unwrap();
        fs::write(target.path(), "text").unwrap();
        assert!(!at("other/x.conf").exists() && at("root/moved/x.conf").exists());
        assert!(roots.require_inside(&at("root/new/folder")).is_ok());
        assert!(
            roots.require_inside(&at("root/link/new")).is_err() && roots.require_inside(&at("new")).is_err()
        );
    }
}
