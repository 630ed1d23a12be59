//! Reports whether files and folders may have changed, without reading their states (inotify(7)).

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::fs::statfs;
use rustix::io::{Errno, read};

/// Watches of files and folders.
#[derive(Debug)]
pub(super) struct SourceWatch {
    inotify: OwnedFd,
}

/// File systems whose changes are all made through this kernel: ext4, XFS, Btrfs, tmpfs, F2FS, ZFS, and overlays.
const LOCAL: [i64; 7] =
    [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0xF2F5_2010, 0x2FC1_2FC1, 0x794C_7630];
/// Maximum number of watches; the usual limit of a user is 8,192 or more.
const MAX_WATCHES: usize = 4_096;
/// Changes of a file or folder, and of the entries of a folder.
const CHANGES: WatchFlags = WatchFlags::MODIFY.union(WatchFlags::ATTRIB).union(ENTRIES);
/// Changes of the entries of a folder, and of the place of the folder itself.
const ENTRIES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    // A path that is watched for another reason, too, keeps its other changes.
    .union(WatchFlags::MASK_ADD);

impl SourceWatch {
    /// Watches paths, and the entries of the folders that contain them. `None` if the kernel does not report all changes
    /// of a path, or permits no more watches.
    pub(super) fn new<'a>(paths: impl Iterator<Item = &'a str>) -> Option<Self> {
        let watch = Self { inotify: init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()? };
        let (mut folders, mut count) = (BTreeSet::new(), 0_usize);
        for path in paths.map(Path::new) {
            folders.insert(path.parent()?);
            // The folder of a missing file reports its creation.
            if path.exists() {
                watch.add(path, CHANGES)?;
            }
            count = count.saturating_add(1);
            if count > MAX_WATCHES {
                return None;
            }
        }
        folders.into_iter().try_for_each(|folder| watch.add(folder, ENTRIES))?;
        Some(watch)
    }

    fn add(&self, path: &Path, changes: WatchFlags) -> Option<()> {
        #[allow(clippy::useless_conversion)] // It is a smaller number on some architectures.
        let file_system = i64::from(statfs(path).ok()?.f_type);
        if !LOCAL.contains(&file_system) {
            return None;
        }
        add_watch(&self.inotify, path, changes).ok().map(drop)
    }

    /// Reads the changes since the last call, and returns whether there were any.
    pub(super) fn take_changes(&self) -> bool {
        let mut buffer = [0_u8; 4_096];
        let mut has_changes = false;
        loop {
            match read(&self.inotify, &mut buffer) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return has_changes,
                Ok(1..) => has_changes = true,
                // An error must not hide a change.
                _ => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_change_of_a_path_is_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
        fs::write(path("main"), "one").unwrap();
        fs::create_dir(path("sites")).unwrap();
        let paths = ["main", "missing", "sites"].map(path);
        let Some(watch) = SourceWatch::new(paths.iter().map(String::as_str)) else {
            skips::skip!("the folder for temporary files is on a file system that is not watched");
            return;
        };
        assert!(!watch.take_changes());
        for change in ["write", "create", "create below", "replace", "rename", "delete"] {
            match change {
                "write" => fs::write(path("main"), "two"),
                "create" => fs::write(path("missing"), ""),
                "create below" => fs::write(path("sites/new"), ""),
                "replace" => {
                    fs::write(path("new"), "three").and_then(|()| fs::rename(path("new"), path("main")))
                }
                "rename" => fs::rename(path("sites"), path("renamed")),
                _ => fs::remove_file(path("main")),
            }
            .unwrap();
            assert!(watch.take_changes(), "{change}");
            assert!(!watch.take_changes(), "{change}");
        }
        assert!(
            SourceWatch::new(["/proc/self/status"].into_iter()).is_none(),
            "the kernel does not report changes"
        );
    }
}
