//! The entries below a directory. Symbolic links are not followed.

use std::ffi::OsString;
use std::fs::{self, Metadata, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

/// Iterator over the entries below a directory: a directory comes before its entries.
#[derive(Debug)]
pub struct Walk {
    root: PathBuf,
    /// Open directories, with their paths below the root.
    open: Vec<(PathBuf, ReadDir)>,
}

/// Entry below a directory.
#[derive(Debug)]
pub struct Walked {
    /// Path below the root.
    pub path: PathBuf,
    /// Metadata of the entry; of a symbolic link those of the link.
    pub metadata: Metadata,
}

/// Error for one entry or directory; the others follow.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct WalkError {
    /// Path of the entry.
    pub path: PathBuf,
    /// Error of the system call.
    pub source: io::Error,
}

impl Walk {
    /// Opens a directory.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { root: root.to_owned(), open: vec![(PathBuf::new(), fs::read_dir(root)?)] })
    }

    fn entry(&mut self, path: PathBuf) -> Result<Walked, WalkError> {
        let whole = self.root.join(&path);
        let metadata =
            fs::symlink_metadata(&whole).map_err(|source| WalkError { path: whole.clone(), source })?;
        if metadata.is_dir() {
            if self.open.len() >= DEEPEST {
                return Err(WalkError {
                    path: whole,
                    source: io::Error::other("directories are nested too deeply"),
                });
            }
            let entries = fs::read_dir(&whole).map_err(|source| WalkError { path: whole, source })?;
            self.open.push((path.clone(), entries));
        }
        Ok(Walked { path, metadata })
    }
}

impl Iterator for Walk {
    type Item = Result<Walked, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (folder, entries) = self.open.last_mut()?;
            let (folder, next) = (folder.clone(), entries.next());
            match next {
                Some(Ok(entry)) => {
                    let name: OsString = entry.file_name();
                    return Some(self.entry(folder.join(name)));
                }
                Some(Err(source)) => {
                    self.open.pop();
                    return Some(Err(WalkError { path: self.root.join(folder), source }));
                }
                None => drop(self.open.pop()),
            }
        }
    }
}

/// Maximum nesting of directories, each of which has an open descriptor.
const DEEPEST: usize = 128;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn entries_are_found_without_following_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/c"), "x").unwrap();
        symlink("..", root.join("a/loop")).unwrap();
        let walked: Vec<_> = Walk::new(root).unwrap().map(Result::unwrap).collect();
        let mut paths: Vec<_> = walked.iter().map(|entry| entry.path.to_str().unwrap()).collect();
        assert!(paths.iter().position(|path| *path == "a") < paths.iter().position(|path| *path == "a/b"));
        paths.sort_unstable();
        assert_eq!(paths, ["a", "a/b", "a/b/c", "a/loop"]);
        assert!(Walk::new(&root.join("a/b/c")).is_err());
    }
}
