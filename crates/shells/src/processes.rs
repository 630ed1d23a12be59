//! Processes of this machine, and their assignment to shells.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, Uid, geteuid, pidfd_open, pidfd_send_signal};

/// Unique value in the environment of a shell's processes, by which those that left their process group are found. A
/// program that is started with another environment (`env -i`, `sudo`) is not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    /// Name of the environment variable.
    pub const NAME: &'static str = "TELARCH_SHELL";

    /// Creates a mark. `unique` must not be the identifier of the shell, because a client may choose that one again.
    #[must_use]
    pub fn new(unique: String) -> Self {
        Self(unique)
    }

    /// Returns the value of the environment variable.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.0
    }
}

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process ID.
    pub id: Pid,
    /// Process group ID.
    group: u32,
    /// Start time in clock ticks since boot.
    pub started: u64,
    mark: Option<Mark>,
    is_kernel_thread: bool,
}

impl Process {
    /// Returns the process with this ID, unless it has ended (proc_pid_stat(5)).
    #[must_use]
    pub fn of(id: Pid) -> Option<Self> {
        Self::read(Path::new(PROC).join(id.as_raw_nonzero().to_string()).as_path(), id)
    }

    fn read(folder: &Path, id: Pid) -> Option<Self> {
        let stat = fs::read(folder.join("stat")).ok()?;
        // The program name in parentheses may contain any character.
        let end = stat.iter().rposition(|&byte| byte == b')')?;
        let mut fields = str::from_utf8(stat.get(end..)?).ok()?.split(' ').skip(1);
        let state = fields.next()?;
        let group = fields.nth(1)?.parse().ok()?;
        let flags: u32 = fields.nth(3)?.parse().ok()?;
        let started = fields.nth(12)?.trim().parse().ok()?;
        let is_kernel_thread = flags & KERNEL_THREAD != 0;
        (!matches!(state, "Z" | "X")).then_some(Self { id, group, started, mark: None, is_kernel_thread })
    }

    /// Returns the size of private data in bytes, which `RLIMIT_DATA` limits (proc_pid_status(5)).
    #[must_use]
    pub fn data(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("{PROC}/{}/status", self.id.as_raw_nonzero())).ok()?;
        let size = status.lines().find_map(|line| line.strip_prefix("VmData:"))?;
        size.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    /// Kills this process, but not a later one with the same ID.
    pub fn kill(&self) {
        let killed = pidfd_open(self.id, PidfdFlags::empty()).and_then(|process| {
            let is_same = Self::of(self.id).is_some_and(|found| found.started == self.started);
            if is_same { pidfd_send_signal(process, Signal::KILL) } else { Ok(()) }
        });
        if let Err(error) = killed {
            // The process has most likely ended.
            tracing::debug!(process = self.id.as_raw_nonzero(), %error, "Cannot kill a process of a shell");
        }
    }
}

/// Visible processes at one time.
#[derive(Debug, Default)]
pub struct Snapshot(Vec<Process>);

impl Snapshot {
    /// Reads `/proc`, which takes some 10 µs per process.
    #[must_use]
    pub fn take() -> Self {
        Self::of(Path::new(PROC)).unwrap_or_else(|error| {
            tracing::warn!(%error, "Cannot list the processes of shells");
            Self::default()
        })
    }

    fn of(root: &Path) -> io::Result<Self> {
        let user = geteuid();
        let (mut processes, mut starting) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(root)?.flatten().take(MAX_PROCESSES) {
            match Self::read(&entry, user) {
                Some(Entry::Process(process)) => processes.push(process),
                Some(Entry::Starting) => starting.push(entry),
                None => {}
            }
        }
        for _ in 0..MAX_STARTING_READS {
            if starting.is_empty() {
                break;
            }
            std::thread::sleep(STARTING_PAUSE);
            starting.retain(|entry| match Self::read(entry, user) {
                Some(Entry::Process(process)) => {
                    processes.push(process);
                    false
                }
                Some(Entry::Starting) => true,
                None => false,
            });
        }
        Ok(Self(processes))
    }

    fn read(entry: &fs::DirEntry, user: Uid) -> Option<Entry> {
        let id = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let directory = entry.path();
        let mut process = Process::read(&directory, id)?;
        // Environments of other users are unreadable, and trying costs as much as reading.
        if user.is_root() || entry.metadata().is_ok_and(|metadata| metadata.uid() == user.as_raw()) {
            let environment = environment_in(&directory.join("environ"));
            if environment.is_empty() && !process.is_kernel_thread && has_no_arguments(&directory) {
                return Some(Entry::Starting);
            }
            process.mark = mark_in(&environment);
        }
        Some(Entry::Process(process))
    }

    /// Returns the processes in one of the groups, and those with the mark.
    #[must_use]
    pub fn members(&self, groups: &[u32], mark: Option<&Mark>) -> Vec<Process> {
        let members = self.0.iter().filter(|process| {
            let is_marked = mark.is_some() && process.mark.as_ref() == mark;
            is_marked || groups.contains(&process.group)
        });
        members.cloned().collect()
    }
}

/// Entry of `/proc`.
enum Entry {
    Process(Process),
    /// A process in execve(2). For a moment, its arguments and its environment read as empty.
    Starting,
}

/// Returns the environment of a process; empty if it cannot be read.
fn environment_in(environ: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = File::open(environ).and_then(|file| file.take(MAX_ENVIRONMENT).read_to_end(&mut bytes));
    if read.is_err() {
        bytes.clear();
    }
    bytes
}

/// Returns whether a process has no arguments, which only one that is being started has.
fn has_no_arguments(directory: &Path) -> bool {
    let mut first = [0];
    File::open(directory.join("cmdline"))
        .and_then(|mut file| file.read(&mut first))
        .is_ok_and(|read| read == 0)
}

fn mark_in(environment: &[u8]) -> Option<Mark> {
    environment.split(|&byte| byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(Mark::NAME.as_bytes())?.strip_prefix(b"=")?;
        Some(Mark(str::from_utf8(value).ok()?.to_owned()))
    })
}

const PROC: &str = "/proc";
/// Maximum number of processes in a snapshot; large machines allow more, but counting them would be too slow.
const MAX_PROCESSES: usize = 100_000;
/// Maximum size of an environment in bytes with the usual stack limit (execve(2)).
const MAX_ENVIRONMENT: u64 = 2 << 20;
/// Flag of kernel threads, which have no arguments and no environment (`PF_KTHREAD`, proc_pid_stat(5)).
const KERNEL_THREAD: u32 = 0x0020_0000;
/// Number of further reads of processes that are being started.
const MAX_STARTING_READS: u32 = 10;
/// Time between two such reads.
const STARTING_PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Starts a process that runs until its input is closed.
    fn waiting(mark: &Mark) -> Child {
        let mut command = Command::new("/bin/cat");
        command.stdin(Stdio::piped()).process_group(0).env(Mark::NAME, mark.value());
        command.spawn().unwrap()
    }

    fn ids(processes: &[Process]) -> Vec<u32> {
        processes.iter().map(|process| process.id.as_raw_nonzero().get().unsigned_abs()).collect()
    }

    #[test]
    fn processes_are_found_by_group_and_by_mark() {
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
    fn a_process_is_found_while_it_starts() {
        for round in 0..50 {
            let mark = Mark::new(format!("start {round}"));
            // The program may still be loading when the call returns.
            let mut child = waiting(&mark);
            assert_eq!(ids(&Snapshot::take().members(&[], Some(&mark))), [child.id()]);
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_later_process_with_the_same_id_is_not_killed() {
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
    fn a_zombie_is_not_a_running_process() {
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
    fn a_program_name_may_contain_any_character() {
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
