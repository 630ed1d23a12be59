//! Control groups of version 2 (cgroups(7)), as folders.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

/// A control group of version 2, below the place where this machine has them mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlGroup {
    /// Where the hierarchy is mounted.
    root: PathBuf,
    path: PathBuf,
}

/// Which limits the kernel enforces for a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enforced {
    /// `memory.max`.
    pub memory: bool,
    /// `pids.max`.
    pub tasks: bool,
}

impl ControlGroup {
    /// Returns the group that this process is in; `None` where version 2 is not mounted.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        // The one line of version 2 has hierarchy 0 and no controllers (cgroups(7), "/proc/pid/cgroup").
        let own = membership.lines().find_map(|line| line.strip_prefix("0::"))?;
        mounts.lines().filter_map(Mount::parse).find_map(|mount| mount.find(Path::new(own)))
    }

    /// The group of a folder below a mount point.
    #[must_use]
    pub fn at(root: &Path, path: &Path) -> Self {
        Self { root: root.to_owned(), path: path.to_owned() }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the group above; `None` for the root of the hierarchy.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let parent = self.path.parent().filter(|parent| parent.starts_with(&self.root))?;
        (self.path != self.root).then(|| Self::at(&self.root, parent))
    }

    /// A group below, which may not exist.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self::at(&self.root, &self.path.join(name))
    }

    /// Makes a group below, which must not exist.
    ///
    /// # Errors
    /// The system's.
    pub fn make(&self, name: &str) -> io::Result<Self> {
        let child = self.child(name);
        fs::create_dir(&child.path)?;
        Ok(child)
    }

    /// Switches on the controllers of memory and tasks for the groups below, as far as there are any here.
    ///
    /// # Errors
    /// The system's.
    pub fn control_children(&self) -> io::Result<()> {
        let available = fs::read_to_string(self.path.join("cgroup.controllers")).unwrap_or_default();
        let wanted = available.split_whitespace().filter(|name| ["memory", "pids"].contains(name));
        let wanted: Vec<String> = wanted.map(|name| format!("+{name}")).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        fs::write(self.path.join("cgroup.subtree_control"), wanted.join(" "))
    }

    /// Returns whether groups below have both controllers.
    #[must_use]
    pub fn controls_children(&self) -> bool {
        let on = fs::read_to_string(self.path.join("cgroup.subtree_control")).unwrap_or_default();
        ["memory", "pids"].iter().all(|wanted| on.split_whitespace().any(|name| name == *wanted))
    }

    /// Limits memory in bytes and the number of processes and threads; `None` is no limit. Returns which of them the kernel
    /// enforces, because a hierarchy may lack a controller.
    ///
    /// # Errors
    /// The system's.
    pub fn limit(&self, memory: Option<u64>, tasks: Option<u64>) -> io::Result<Enforced> {
        let shown = |limit: Option<u64>| limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
        let enforced = Enforced {
            memory: self.write_if_there("memory.max", &shown(memory))?,
            tasks: self.write_if_there("pids.max", &shown(tasks))?,
        };
        // Swapping would turn the limit into a delay. Kernels without swap lack the file.
        let _ = self.write_if_there("memory.swap.max", if memory.is_some() { "0" } else { "max" });
        Ok(enforced)
    }

    /// Returns the processes in it.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        let list = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        list.lines().filter_map(|line| Pid::from_raw(line.trim().parse().ok()?)).collect()
    }

    /// Moves a process into it.
    ///
    /// # Errors
    /// The system's.
    pub fn take_in(&self, process: Pid) -> io::Result<()> {
        write(&self.path.join("cgroup.procs"), &process.as_raw_nonzero().to_string())
    }

    /// Kills every process in it and in the groups below (`cgroup.kill`, since Linux 5.14; before that one by one).
    pub fn kill(&self) {
        if write(&self.path.join("cgroup.kill"), "1").is_err() {
            for process in self.processes() {
                // The number was read a moment ago, and numbers are not given again so soon.
                let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            }
        }
    }

    /// Removes it.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] while there are processes or groups in it.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_dir(&self.path)
    }

    fn write_if_there(&self, file: &str, value: &str) -> io::Result<bool> {
        match write(&self.path.join(file), value) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Writes to a file that exists: the kernel makes those of a group.
fn write(file: &Path, value: &str) -> io::Result<()> {
    use std::io::Write as _;
    fs::OpenOptions::new().write(true).truncate(true).open(file)?.write_all(value.as_bytes())
}

/// A place where the hierarchy, or a part of it, is mounted.
struct Mount {
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Reads a line of proc_pid_mountinfo(5); `None` for other file systems.
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        if right.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = left.split(' ').skip(3);
        Some(Self { root: unescaped(fields.next()?), point: unescaped(fields.next()?) })
    }

    /// Returns the group of this path, if it can be reached here.
    fn find(&self, path: &Path) -> Option<ControlGroup> {
        let below = path.strip_prefix(&self.root).ok()?;
        let path = if below.as_os_str().is_empty() { self.point.clone() } else { self.point.join(below) };
        Some(ControlGroup { root: self.point.clone(), path })
    }
}

/// Blanks and line feeds are written as three octal digits after a backslash.
fn unescaped(field: &str) -> PathBuf {
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_hierarchy_is_found_where_it_is_mounted() {
        let parse = |line: &str| Mount::parse(line).map(|mount| (mount.root, mount.point));
        let pair = |root: &str, point: &str| Some((PathBuf::from(root), PathBuf::from(point)));
        let hybrid = "42 32 0:39 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw";
        assert_eq!(parse(hybrid), pair("/", "/sys/fs/cgroup/unified"));
        assert_eq!(parse("42 32 0:39 /a\\040b /c\\134d rw - cgroup2 none rw"), pair("/a b", "/c\\d"));
        assert_eq!(parse("35 32 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"), None);
        assert_eq!(parse("nonsense"), None);
        let part = Mount::parse("1 1 0:1 /machine /sys/fs/cgroup rw - cgroup2 none rw").unwrap();
        let found = |path: &str| part.find(Path::new(path)).map(|group| group.path);
        assert_eq!(found("/machine/x"), Some("/sys/fs/cgroup/x".into()));
        assert_eq!(found("/machine"), Some("/sys/fs/cgroup".into()));
        assert_eq!(found("/other"), None);
    }

    #[test]
    fn the_parent_of_a_group_is_never_above_the_mount_point() {
        let root = Path::new("/sys/fs/cgroup");
        let group = ControlGroup::at(root, &root.join("a/b"));
        let above = group.parent().and_then(|a| a.parent()).unwrap();
        assert_eq!((above.path(), above.parent()), (root, None));
    }

    #[test]
    fn limits_are_written_where_the_kernel_has_the_controller() {
        let root = tempfile::tempdir().unwrap();
        let group = ControlGroup::at(root.path(), root.path()).make("x").unwrap();
        assert_eq!(group.limit(Some(1), Some(2)).unwrap(), Enforced::default());
        for file in ["memory.max", "pids.max"] {
            fs::write(group.path().join(file), "max").unwrap();
        }
        assert_eq!(group.limit(Some(1), None).unwrap(), Enforced { memory: true, tasks: true });
        let read = |file| fs::read_to_string(group.path().join(file)).unwrap();
        assert_eq!((read("memory.max"), read("pids.max")), ("1".to_owned(), "max".to_owned()));
    }

    #[test]
    fn only_controllers_that_there_are_can_be_switched_on() {
        let root = tempfile::tempdir().unwrap();
        let group = ControlGroup::at(root.path(), root.path());
        let control = root.path().join("cgroup.subtree_control");
        group.control_children().unwrap();
        assert!(!control.exists() && !group.controls_children());
        fs::write(root.path().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        group.control_children().unwrap();
        assert_eq!(fs::read_to_string(&control).unwrap(), "+memory +pids");
        fs::write(&control, "memory pids\n").unwrap();
        assert!(group.controls_children());
    }
}
