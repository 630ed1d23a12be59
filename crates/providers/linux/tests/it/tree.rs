//! Trees of files that represent a machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use telarch_provider_linux::Machine;
use tempfile::TempDir;

/// A machine that consists of files.
pub(crate) struct Tree(TempDir);

impl Tree {
    pub(crate) fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.file("proc/sys/kernel/hostname", "node7.example.com\n")
    }

    /// Adds a file.
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Adds files of one line each to a folder.
    pub(crate) fn lines<const N: usize>(self, folder: &str, lines: [(&str, &str); N]) -> Self {
        lines
            .into_iter()
            .fold(self, |tree, (name, line)| tree.file(&format!("{folder}/{name}"), format!("{line}\n")))
    }

    /// Adds a link.
    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    /// Adds a device of the kernel that is listed in a class of `/sys`.
    pub(crate) fn device(self, class: &str, folder: &str) -> Self {
        let name = Path::new(folder).file_name().unwrap().to_str().unwrap();
        fs::create_dir_all(self.0.path().join("sys").join(folder)).unwrap();
        self.link(&format!("sys/class/{class}/{name}"), &format!("../../{folder}"))
    }

    /// Adds a block device with a number.
    pub(crate) fn block(self, folder: &str, number: &str, sectors: u64) -> Self {
        let tree =
            self.device("block", folder).link(&format!("sys/dev/block/{number}"), &format!("../../{folder}"));
        tree.lines(&format!("sys/{folder}"), [("dev", number), ("size", &sectors.to_string())])
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn machine(&self) -> Arc<Machine> {
        Arc::new(Machine::at(self.0.path()))
    }

    /// Returns the machine, and the files it consists of.
    pub(crate) fn machine_kept(self) -> (Self, Arc<Machine>) {
        let machine = self.machine();
        (self, machine)
    }
}
