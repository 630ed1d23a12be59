//! The processes of this machine, and which of them belong to a shell.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open, pidfd_send_signal};

/// What the processes of one shell have in their environment, so that those which left their process group are
/// found again. A program that is started with another environment (`env -i`, `sudo`) is lost to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    /// The variable.
    pub(crate) const NAME: &'static str = "TELARCH_SHELL";

    /// A mark that nothing else has; the identifier of the shell is not enough, for a client may choose it again.
    pub(crate) fn new(unique: String) -> Self {
        Self(unique)
    }

    /// The variable's value.
    pub(crate) fn value(&self) -> &str {
        &self.0
    }
}

/// A process that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: Pid,
    /// The number of its group.
    group: u32,
    /// When it was started, in clock ticks since the machine was.
    pub(crate) started: u64,
    mark: Option<Mark>,
}

impl Process {
    /// The process of this number, unless it has ended (proc_pid_stat(5)).
    pub(crate) fn of(id: Pid) -> Option<Self> {
        Self::read(Path::new(PROC).join(id.as_raw_nonzero().to_string()).as_path(), id)
    }

    fn read(folder: &Path, id: Pid) -> Option<Self> {
        let stat = fs::read(folder.join("stat")).ok()?;
        // The name of the program is in brackets and may hold anything.
        let end = stat.iter().rposition(|&byte| byte == b')')?;
        let mut fields = str::from_utf8(stat.get(end..)?).ok()?.split(' ').skip(1);
        let state = fields.next()?;
        let group = fields.nth(1)?.parse().ok()?;
        let started = fields.nth(16)?.trim().parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Self { id, group, started, mark: None })
    }

    /// How much memory it has that nobody shares, in bytes: what `RLIMIT_DATA` counts (proc_pid_status(5)).
    pub(crate) fn data(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("{PROC}/{}/status", self.id.as_raw_nonzero())).ok()?;
        let size = status.lines().find_map(|line| line.strip_prefix("VmData:"))?;
        size.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    /// Kills this very process: not one that has got its number since.
    pub(crate) fn kill(&self) {
        let killed = pidfd_open(self.id, PidfdFlags::empty()).and_then(|process| {
            let is_it = Self::of(self.id).is_some_and(|found| found.started == self.started);
            if is_it { pidfd_send_signal(process, Signal::KILL) } else { Ok(()) }
        });
        if let Err(error) = killed {
            // Most likely it has ended by itself.
            tracing::debug!(process = self.id.as_raw_nonzero(), %error, "A process of a shell could not be killed");
        }
    }
}

/// All processes that could be seen at about the same time.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(Vec<Process>);

impl Snapshot {
    /// Reads `/proc`, which takes some 10 µs a process.
    pub(crate) fn take() -> Self {
        Self::of(Path::new(PROC)).unwrap_or_else(|error| {
            tracing::warn!(%error, "The processes of shells cannot be counted");
            Self::default()
        })
    }

    fn of(root: &Path) -> io::Result<Self> {
        let me = geteuid();
        let read = |entry: fs::DirEntry| {
            let id = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            let folder = entry.path();
            let mut process = Process::read(&folder, id)?;
            // Others' environments cannot be read, and to try costs as much as to read.
            if me.is_root() || entry.metadata().is_ok_and(|told| told.uid() == me.as_raw()) {
                process.mark = mark_in(&folder.join("environ"));
            }
            Some(process)
        };
        Ok(Self(fs::read_dir(root)?.flatten().take(MOST).filter_map(read).collect()))
    }

    /// Those in one of the groups, and those with the mark.
    pub(crate) fn members(&self, groups: &[u32], mark: Option<&Mark>) -> Vec<Process> {
        let is_marked = |process: &Process| mark.is_some() && process.mark.as_ref() == mark;
        let belongs = |process: &&Process| groups.contains(&process.group) || is_marked(process);
        self.0.iter().filter(belongs).cloned().collect()
    }
}

fn mark_in(environ: &Path) -> Option<Mark> {
    let mut bytes = Vec::new();
    File::open(environ).ok()?.take(LONGEST_ENVIRONMENT).read_to_end(&mut bytes).ok()?;
    let value = |variable: &[u8]| {
        let value = variable.strip_prefix(Mark::NAME.as_bytes())?.strip_prefix(b"=")?;
        Some(Mark(str::from_utf8(value).ok()?.to_owned()))
    };
    bytes.split(|&byte| byte == 0).find_map(value)
}

const PROC: &str = "/proc";
/// The kernel's own limit for the number of processes is no lower on large machines, but then nobody counts.
const MOST: usize = 100_000;
/// As much as the kernel lets a program have with the usual limit of its stack (execve(2)).
const LONGEST_ENVIRONMENT: u64 = 2 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process that waits until its input ends.
    fn waiting(mark: &Mark) -> Child {
        let mut command = Command::new("/bin/cat");
        command.stdin(Stdio::piped()).process_group(0).env(Mark::NAME, mark.value());
        command.spawn().unwrap()
    }

    fn ids(processes: &[Process]) -> Vec<u32> {
        processes.iter().map(|process| process.id.as_raw_nonzero().get().unsigned_abs()).collect()
    }

    #[test]
    fn a_process_is_found_by_its_group_and_by_its_mark() {
        let (one, other) = (Mark::new("one".to_owned()), Mark::new("other".to_owned()));
        let (mut first, mut second) = (waiting(&one), waiting(&one));
        let snapshot = Snapshot::take();
        assert_eq!(ids(&snapshot.members(&[first.id()], None)), [first.id()]);
        assert_eq!(ids(&snapshot.members(&[first.id()], Some(&other))), [first.id()]);
        let mut both = ids(&snapshot.members(&[], Some(&one)));
        both.sort_unstable();
        let mut expected = [first.id(), second.id()];
        expected.sort_unstable();
        assert_eq!(both, expected);
        assert_eq!(snapshot.members(&[], None), []);
        drop((first.stdin.take(), second.stdin.take()));
        for child in [&mut first, &mut second] {
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_process_is_killed_and_one_that_only_has_its_number_is_not() {
        let mark = Mark::new("killed".to_owned());
        let mut child = waiting(&mark);
        let found = Snapshot::take().members(&[], Some(&mark)).pop().unwrap();
        Process { started: found.started + 1, ..found.clone() }.kill();
        assert!(child.try_wait().unwrap().is_none());
        found.kill();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        found.kill();
    }

    #[test]
    fn a_zombie_is_no_process_any_more() {
        let mark = Mark::new("zombie".to_owned());
        let mut child = waiting(&mark);
        let id = Pid::from_child(&child);
        drop(child.stdin.take());
        while Process::of(id).is_some() {
            std::thread::yield_now();
        }
        assert_eq!(Snapshot::take().members(&[child.id()], Some(&mark)), []);
        child.wait().unwrap();
    }

    #[test]
    fn the_name_of_a_program_may_look_like_anything() {
        let root = tempfile::tempdir().unwrap();
        let process = |id: &str, stat: &str| {
            fs::create_dir(root.path().join(id)).unwrap();
            fs::write(root.path().join(id).join("stat"), stat).unwrap();
            fs::write(root.path().join(id).join("environ"), "A=1\0TELARCH_SHELL=m\0").unwrap();
        };
        process("7", "7 (a) Z 1 ) b) S 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 5 6\n");
        process("8", "8 (gone) Z 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 5 6\n");
        process("9", "9 (cut) S 1 42");
        process("self", "");
        let found = Snapshot::of(root.path()).unwrap().members(&[42], None);
        assert_eq!(ids(&found), [7]);
        let found = found.first().unwrap();
        assert_eq!((found.started, found.mark.as_ref().unwrap().value()), (4711, "m"));
    }
}
