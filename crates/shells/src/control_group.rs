//! Control groups of version 2 (cgroups(7)), addressed by their directories.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

/// A control group of version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlGroup {
    /// Mount point of the hierarchy.
    root: PathBuf,
    path: PathBuf,
}

/// Limits that the kernel enforces for a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnforcedLimits {
    /// `memory.max`.
    pub memory: bool,
    /// `pids.max`.
    pub tasks: bool,
}

impl ControlGroup {
    /// Returns the group of this process; `None` if version 2 is not mounted.
    #[must_use]
    pub fn current() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        // The only line of version 2 has hierarchy 0 and no controllers (cgroups(7), "/proc/pid/cgroup").
        let own = membership.lines().find_map(|line| line.strip_prefix("0::"))?;
        mounts.lines().filter_map(Mount::parse).find_map(|mount| mount.find(Path::new(own)))
    }

    /// Returns the group of the directory `path` below the mount point `root`.
    #[must_use]
    pub fn at(root: &Path, path: &Path) -> Self {
        Self { root: root.to_owned(), path: path.to_owned() }
    }

    /// Returns the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the parent group; `None` for the root of the hierarchy.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let parent = self.path.parent().filter(|parent| parent.starts_with(&self.root))?;
        (self.path != self.root).then(|| Self::at(&self.root, parent))
    }

    /// Returns the child group of this name, which may not exist.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self::at(&self.root, &self.path.join(name))
    }

    /// Creates a child group, which must not exist.
    ///
    /// # Errors
    /// I/O errors.
    pub fn create_child(&self, name: &str) -> io::Result<Self> {
        let child = self.child(name);
        fs::create_dir(&child.path)?;
        Ok(child)
    }

    /// Enables the memory and pids controllers for child groups, if the group has them.
    ///
    /// # Errors
    /// I/O errors.
    pub fn enable_controllers(&self) -> io::Result<()> {
        let available = fs::read_to_string(self.path.join("cgroup.controllers")).unwrap_or_default();
        let wanted = available.split_whitespace().filter(|name| ["memory", "pids"].contains(name));
        let wanted: Vec<String> = wanted.map(|name| format!("+{name}")).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        fs::write(self.path.join("cgroup.subtree_control"), wanted.join(" "))
    }

    /// Returns whether both controllers are enabled for child groups.
    #[must_use]
    pub fn has_controllers(&self) -> bool {
        let on = fs::read_to_string(self.path.join("cgroup.subtree_control")).unwrap_or_default();
        ["memory", "pids"].iter().all(|wanted| on.split_whitespace().any(|name| name == *wanted))
    }

    /// Limits memory in bytes and the number of processes and threads; `None` for no limit. Returns the limits that the
    /// kernel enforces, because a hierarchy may lack a controller.
    ///
    /// # Errors
    /// I/O errors.
    pub fn set_limits(&self, memory: Option<u64>, tasks: Option<u64>) -> io::Result<EnforcedLimits> {
        fn text(limit: Option<u64>) -> String {
            limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string())
        }
        let enforced = EnforcedLimits {
            memory: self.write_existing("memory.max", &text(memory))?,
            tasks: self.write_existing("pids.max", &text(tasks))?,
        };
        // With swap the limit would slow processes down instead of ending them. Kernels without swap lack the file.
        let _ = self.write_existing("memory.swap.max", if memory.is_some() { "0" } else { "max" });
        Ok(enforced)
    }

    /// Returns the processes in the group.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        let list = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        list.lines().filter_map(|line| Pid::from_raw(line.trim().parse().ok()?)).collect()
    }

    /// Moves a process into the group.
    ///
    /// # Errors
    /// I/O errors.
    pub fn add_process(&self, process: Pid) -> io::Result<()> {
        write(&self.path.join("cgroup.procs"), &process.as_raw_nonzero().to_string())
    }

    /// Kills every process in the group and its child groups (`cgroup.kill`, Linux 5.14; one by one on older kernels).
    pub fn kill(&self) {
        if write(&self.path.join("cgroup.kill"), "1").is_err() {
            for process in self.processes() {
                // The ID was read a moment ago, and the kernel does not reuse IDs that fast.
                let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            }
        }
    }

    /// Removes the group.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if it contains processes or groups.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_dir(&self.path)
    }

    fn write_existing(&self, file: &str, value: &str) -> io::Result<bool> {
        match write(&self.path.join(file), value) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Writes to an existing file; only the kernel creates files in a group.
fn write(file: &Path, value: &str) -> io::Result<()> {
    use std::io::Write as _;
    fs::OpenOptions::new().write(true).truncate(true).open(file)?.write_all(value.as_bytes())
}

/// Mount point of the hierarchy or of a part of it.
struct Mount {
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Parses a line of proc_pid_mountinfo(5); `None` for other file systems.
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        if right.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = left.split(' ').skip(3);
        Some(Self { root: unescape(fields.next()?), point: unescape(fields.next()?) })
    }

    /// Returns the group with this path if it is visible below the mount point.
    fn find(&self, path: &Path) -> Option<ControlGroup> {
        let below = path.strip_prefix(&self.root).ok()?;
        let path = if below.as_os_str().is_empty() { self.point.clone() } else { self.point.join(below) };
        Some(ControlGroup { root: self.point.clone(), path })
    }
}

/// Decodes octal escapes of blanks and line feeds, such as `\040`.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let code =
            others.get(..3).and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        match code.filter(|_| first == b'\\') {
            Some(code) => {
                bytes.push(code);
                rest = others.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_at_its_mount_point() {
        fn parse(line: &str) -> Option<(PathBuf, PathBuf)> {
            Mount::parse(line).map(|mount| (mount.root, mount.point))
        }
        fn pair(root: &str, point: &str) -> Option<(PathBuf, PathBuf)> {
            Some((root.into(), point.into()))
        }
        let hybrid = "42 32 0:39 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw";
        assert_eq!(parse(hybrid), pair("/", "/sys/fs/cgroup/unified"));
        assert_eq!(parse("42 32 0:39 /a\\040b /c\\134d rw - cgroup2 none rw"), pair("/a b", "/c\\d"));
        assert_eq!(parse("35 32 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"), None);
        assert_eq!(parse("nonsense"), None);
        let part = Mount::parse("1 1 0:1 /machine /sys/fs/cgroup rw - cgroup2 none rw").unwrap();
        for (path, expected) in
            [("/machine/x", Some("/sys/fs/cgroup/x")), ("/machine", Some("/sys/fs/cgroup")), ("/other", None)]
        {
            let found = part.find(Path::new(path)).map(|group| group.path);
            assert_eq!(found.as_deref(), expected.map(Path::new), "{path}");
        }
    }

    #[test]
    fn the_parent_of_a_group_is_never_above_the_mount_point() {
        let root = Path::new("/sys/fs/cgroup");
        let group = ControlGroup::at(root, &root.join("a/b"));
        let above = group.parent().and_then(|a| a.parent()).unwrap();
        assert_eq!((above.path(), above.parent()), (root, None));
    }

    #[test]
    fn limits_are_written_if_the_kernel_has_the_controller() {
        let root = tempfile::tempdir().unwrap();
        let group = ControlGroup::at(root.path(), root.path()).create_child("x").unwrap();
        assert_eq!(group.set_limits(Some(1), Some(2)).unwrap(), EnforcedLimits::default());
        for file in ["memory.max", "pids.max"] {
            fs::write(group.path().join(file), "max").unwrap();
        }
        assert_eq!(group.set_limits(Some(1), None).unwrap(), EnforcedLimits { memory: true, tasks: true });
        for (file, expected) in [("memory.max", "1"), ("pids.max", "max")] {
            assert_eq!(fs::read_to_string(group.path().join(file)).unwrap(), expected);
        }
    }

    #[test]
    fn only_available_controllers_are_enabled() {
        let root = tempfile::tempdir().unwrap();
        let group = ControlGroup::at(root.path(), root.path());
        let control = root.path().join("cgroup.subtree_control");
        group.enable_controllers().unwrap();
        assert!(!control.exists() && !group.has_controllers());
        fs::write(root.path().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        group.enable_controllers().unwrap();
        assert_eq!(fs::read_to_string(&control).unwrap(), "+memory +pids");
        fs::write(&control, "memory pids\n").unwrap();
        assert!(group.has_controllers());
    }
}
