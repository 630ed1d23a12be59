//! Processes, with values read from `/proc` when they are needed (proc_pid(5)).

pub mod connector;
pub mod mapping;
pub mod stat;

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::sync::LazyLock;

use crate::Machine;
use crate::folder::Folder;
pub use crate::folder::{number_from, numbers};
use crate::system::OperatingSystem;
use stat::{Counters, Stat, Status};

/// Data shared by all processes of a query.
#[derive(Debug)]
pub struct Scene {
    /// Open folder `/proc`.
    proc: Folder,
    system: OnceCell<OperatingSystem>,
    version: OnceCell<Option<String>>,
    boot: OnceCell<Option<i64>>,
    has_sessions: OnceCell<bool>,
    counts_descriptors: OnceCell<bool>,
}

impl Scene {
    /// Creates the data of a new query.
    ///
    /// # Errors
    /// Errors of the operating system if `/proc` cannot be opened.
    pub fn of(machine: &Machine) -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            proc: machine.folder("proc")?,
            system: OnceCell::new(),
            version: OnceCell::new(),
            boot: OnceCell::new(),
            has_sessions: OnceCell::new(),
            counts_descriptors: OnceCell::new(),
        }))
    }

    /// Returns the numbers of all current processes, ascending.
    pub fn numbers(&self) -> io::Result<Vec<u32>> {
        numbers(&self.proc, ".")
    }

    /// Opens the folder of the process with this number; for the number of a thread, that of its process.
    pub fn folder(&self, number: u32) -> io::Result<Folder> {
        self.proc.folder(&number.to_string())
    }

    /// Returns the running operating system.
    pub fn system(&self, machine: &Machine) -> &OperatingSystem {
        self.system.get_or_init(|| OperatingSystem::of(machine))
    }

    /// Returns the version of the kernel.
    pub fn version(&self, machine: &Machine) -> Option<String> {
        self.version.get_or_init(|| machine.kernel_version()).clone()
    }

    /// Returns whether there are sessions; logind keeps a file for each (sd_get_sessions(3)).
    fn has_sessions(&self, machine: &Machine) -> bool {
        *self
            .has_sessions
            .get_or_init(|| machine.names("run/systemd/sessions").is_ok_and(|names| !names.is_empty()))
    }

    /// Returns whether the size of a folder of descriptors is their number, as since Linux 6.2. Tested with
    /// this process, which has open descriptors.
    fn counts_descriptors(&self) -> bool {
        *self.counts_descriptors.get_or_init(|| self.proc.size("self/fd").is_ok_and(|size| size > 0))
    }

    /// Converts clock ticks since the start of the kernel to microseconds since 1970.
    pub fn moment(&self, machine: &Machine, ticks: u64) -> Option<i64> {
        let boot = (*self.boot.get_or_init(|| machine.boot_time()))?;
        let since = stat::ticks_to_100ns(ticks) / 10;
        boot.checked_mul(1_000_000)?.checked_add(i64::try_from(since).ok()?)
    }
}

/// A process that existed when it was looked up. Values that can no longer be read are NULL.
#[derive(Debug)]
pub struct Process {
    /// Data shared with the other processes of the query.
    pub scene: Rc<Scene>,
    /// Process ID.
    pub number: u32,
    folder: OnceCell<Folder>,
    stat: OnceCell<io::Result<Stat>>,
    program: OnceCell<Option<String>>,
    status: OnceCell<Status>,
    counters: OnceCell<Counters>,
}

/// Amount of data that a query needs of each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Only the path of the program, and nothing else if that is readable.
    Program,
    /// Several files.
    Files,
}

impl Process {
    /// Finds a process by number; `None` if the number is unused or that of a thread of another process.
    ///
    /// # Errors
    /// Errors of the operating system, except that the process has ended or is hidden.
    pub fn find(scene: &Rc<Scene>, number: u32) -> io::Result<Option<Self>> {
        let row = Self::listed(scene, number, Reads::Files);
        let is_process = !row.stat().is_follower && row.still_exists()?;
        Ok(is_process.then_some(row))
    }

    /// Creates the row of a process from the kernel's list, which contains only the first thread of each
    /// process.
    ///
    /// Callers must check [`Process::still_exists`] after reading.
    fn listed(scene: &Rc<Scene>, number: u32, reads: Reads) -> Self {
        let row = Self {
            scene: Rc::clone(scene),
            number,
            folder: OnceCell::new(),
            stat: OnceCell::new(),
            program: OnceCell::new(),
            status: OnceCell::new(),
            counters: OnceCell::new(),
        };
        if reads == Reads::Files {
            // The result does not matter: if the folder cannot be opened, the files inside cannot be either.
            let _ = row.folder();
        }
        row
    }

    /// Returns whether the process could be read; `false` if it had ended or is hidden.
    ///
    /// # Errors
    /// Other errors of the operating system.
    pub fn still_exists(&self) -> io::Result<bool> {
        if self.stat.get().is_none() && self.program().is_some() {
            return Ok(true);
        }
        match self.read_stat() {
            Ok(_) => Ok(true),
            Err(error) if is_unseen(error) => Ok(false),
            Err(error) => Err(error.raw_os_error().map_or(error.kind().into(), io::Error::from_raw_os_error)),
        }
    }

    /// Returns the contents of `stat`; the default if the process has ended.
    pub fn stat(&self) -> &Stat {
        static NOTHING: LazyLock<Stat> = LazyLock::new(Stat::default);
        self.read_stat().as_ref().unwrap_or(&NOTHING)
    }

    fn read_stat(&self) -> &io::Result<Stat> {
        self.stat.get_or_init(|| {
            let stat = self.folder()?.read("stat", Stat::parse)?;
            stat.ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn folder(&self) -> io::Result<&Folder> {
        match self.folder.get() {
            Some(folder) => Ok(folder),
            None => {
                let folder = self.scene.folder(self.number)?;
                Ok(self.folder.get_or_init(|| folder))
            }
        }
    }

    /// Returns the path of the program; `None` for kernel threads, and if the kernel does not show it to this
    /// user.
    pub fn program(&self) -> Option<&str> {
        self.program.get_or_init(|| self.read_program()).as_deref()
    }

    fn read_program(&self) -> Option<String> {
        let path = match self.folder.get() {
            Some(_) if self.stat.get().is_some() && !self.has_memory() => return None,
            Some(folder) => folder.link("exe"),
            // Opening the folder would cost as much as reading the link.
            None => self.scene.proc.link(&format!("{}/exe", self.number)),
        };
        let mut path = path.ok()?;
        if let Some(removed) = path.strip_suffix(" (deleted)") {
            path.truncate(removed.len());
        }
        Some(path)
    }

    /// Returns the name of the program file or, if that is unknown, the name in `stat`.
    ///
    /// Even a short name in `stat` may differ from that of the file: it may be the name of a script instead
    /// of its interpreter, of the link by which the program was started, or one that the process has chosen.
    pub fn name(&self) -> String {
        let file = self.program().and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty());
        file.unwrap_or_else(|| &self.stat().name).to_owned()
    }

    /// Returns whether the process has memory. Kernel threads and ended processes have no memory, and
    /// therefore no program file and no arguments.
    fn has_memory(&self) -> bool {
        self.stat().virtual_size > 0
    }

    /// Returns the arguments, each followed by a NUL, up to `MAX_ARGUMENTS` bytes; `None` for processes
    /// without memory.
    pub fn arguments(&self) -> Option<String> {
        if !self.has_memory() {
            return None;
        }
        self.folder().ok()?.text_up_to("cmdline", MAX_ARGUMENTS).ok()
    }

    /// Returns the contents of another file of the process; `None` if this user may not read it.
    pub fn text(&self, name: &str) -> Option<String> {
        self.folder().ok()?.text(name).ok()
    }

    /// Returns the contents of `status`; `None` for processes without memory.
    pub fn memory(&self) -> Option<&Status> {
        self.has_memory().then(|| self.status())
    }

    /// Returns the contents of `status`.
    pub fn status(&self) -> &Status {
        let read =
            || self.folder().and_then(|folder| folder.read("status", Status::parse)).unwrap_or_default();
        self.status.get_or_init(read)
    }

    /// Returns the contents of `io`, which only the owner of the process may read.
    pub fn counters(&self) -> &Counters {
        self.counters.get_or_init(|| {
            self.folder().and_then(|folder| folder.read("io", Counters::parse)).unwrap_or_default()
        })
    }

    /// Returns the number of open descriptors; `None` if this user may not read it.
    pub fn descriptors(&self) -> Option<u32> {
        let folder = self.folder().ok()?;
        if self.scene.counts_descriptors() {
            return u32::try_from(folder.size("fd").ok()?).ok();
        }
        let mut count = 0;
        folder.each_name("fd", |_| count += 1).ok()?;
        Some(count)
    }

    /// Returns the private memory in bytes.
    pub fn private_memory(&self) -> Option<u64> {
        if !self.has_memory() {
            return Some(0);
        }
        // Both files contain this number; reading `statm` is cheaper, and a value already read costs nothing.
        if let Some(octets) = self.status.get().and_then(|status| status.anonymous) {
            return Some(octets);
        }
        let text = self.text("statm")?;
        let mut fields = text.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
        let (resident, shared) = (fields.nth(1)??, fields.next()??);
        resident.saturating_sub(shared).checked_mul(page_size())
    }

    /// Returns the logind session of the process, taken from its control group.
    pub fn session(&self, machine: &Machine) -> Option<String> {
        if !self.scene.has_sessions(machine) {
            return None;
        }
        let text = self.text("cgroup")?;
        let scope = text.lines().find_map(|line| line.split_once("/session-"))?.1;
        let name = scope.split_once(".scope")?.0;
        (!name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric())).then(|| name.to_owned())
    }
}

/// Finds a process by number, outside of a larger query; `None` if it does not exist.
///
/// # Errors
/// Errors of the operating system, except that the process has ended or is hidden.
pub fn find(machine: &Machine, number: u32) -> io::Result<Option<Process>> {
    Process::find(&Scene::of(machine)?, number)
}

/// Returns all processes, each read when its turn comes. Processes that end meanwhile are left out.
///
/// # Errors
/// Errors of the operating system.
pub fn all(machine: &Machine) -> io::Result<impl Iterator<Item = io::Result<Process>>> {
    let scene = Scene::of(machine)?;
    let numbers = scene.numbers()?;
    Ok(numbers.into_iter().filter_map(move |number| Process::find(&scene, number).transpose()))
}

/// Returns the processes with these numbers. Processes that end meanwhile are left out.
///
/// # Errors
/// Errors of the operating system.
pub fn numbered(
    machine: &Machine,
    numbers: Vec<u32>,
) -> io::Result<impl Iterator<Item = io::Result<Process>>> {
    let scene = Scene::of(machine)?;
    Ok(numbers.into_iter().filter_map(move |number| Process::find(&scene, number).transpose()))
}

/// Returns all processes, before anything is read of them.
///
/// Callers must check [`Process::still_exists`] after reading.
///
/// # Errors
/// Errors of the operating system.
pub fn listed(machine: &Machine, reads: Reads) -> io::Result<impl Iterator<Item = Process>> {
    let scene = Scene::of(machine)?;
    let numbers = scene.numbers()?;
    Ok(numbers.into_iter().map(move |number| Process::listed(&scene, number, reads)))
}

/// Returns whether a process has ended, or is hidden from this user (`hidepid` of proc(5)): its number is
/// listed, but nothing else can be read.
pub fn is_unseen(error: &io::Error) -> bool {
    let code = rustix::io::Errno::from_io_error(error);
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
        || code == Some(rustix::io::Errno::SRCH)
}

/// Maximum length of arguments in bytes: more than fits into a message, and enough for typical Java
/// processes. The limit is needed because a process can declare any memory as its arguments (prctl(2),
/// `PR_SET_MM`), and a large number of processes could have very long ones.
const MAX_ARGUMENTS: usize = 128 << 10;

/// Returns the size of a memory page in bytes.
pub fn page_size() -> u64 {
    rustix::param::page_size().try_into().unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn ended_or_hidden_process_is_not_an_error() {
        for errno in [Errno::NOENT, Errno::SRCH, Errno::PERM, Errno::ACCESS] {
            assert!(is_unseen(&errno.into()), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::IO, Errno::NOMEM] {
            assert!(!is_unseen(&errno.into()), "{errno}");
        }
    }
}
