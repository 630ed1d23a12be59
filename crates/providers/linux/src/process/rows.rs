//! Where the values of processes come from.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::sync::LazyLock;

use crate::Machine;
use crate::folder::Folder;
use crate::system::operating_system;
use crate::table::{Push, failure};
use wmi::ProviderError;

use super::stat::{Counters, Stat, Status};

/// What all processes of one question share.
#[derive(Debug)]
pub(crate) struct Scene {
    /// `/proc`
    proc: Folder,
    system: OnceCell<String>,
    version: OnceCell<Option<String>>,
    boot: OnceCell<Option<i64>>,
    has_sessions: OnceCell<bool>,
    counts_descriptors: OnceCell<bool>,
}

impl Scene {
    /// The scene of a new question.
    ///
    /// # Errors
    /// What the kernel says, if there is no `/proc`.
    pub(crate) fn of(machine: &Machine) -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            proc: machine.folder("proc")?,
            system: OnceCell::new(),
            version: OnceCell::new(),
            boot: OnceCell::new(),
            has_sessions: OnceCell::new(),
            counts_descriptors: OnceCell::new(),
        }))
    }

    /// The numbers of all processes there are now, ascending.
    pub(crate) fn numbers(&self) -> io::Result<Vec<u32>> {
        numbers(&self.proc, ".")
    }

    /// What the kernel shows of the process of a number, or of that whose thread has it.
    pub(crate) fn folder(&self, number: u32) -> io::Result<Folder> {
        self.proc.folder(&number.to_string())
    }

    /// `Win32_OperatingSystem.Name`
    pub(crate) fn system(&self, machine: &Machine) -> String {
        self.system.get_or_init(|| operating_system::name_of(machine)).clone()
    }

    pub(crate) fn version(&self, machine: &Machine) -> Option<String> {
        self.version.get_or_init(|| machine.kernel_version()).clone()
    }

    /// Whether anybody has a session, of which logind keeps a file each (sd_get_sessions(3)).
    fn has_sessions(&self, machine: &Machine) -> bool {
        let look = || machine.names("run/systemd/sessions").is_ok_and(|names| !names.is_empty());
        *self.has_sessions.get_or_init(look)
    }

    /// Whether the size of a folder of descriptors is their number, as it is since Linux 6.2: this process has some.
    fn counts_descriptors(&self) -> bool {
        *self.counts_descriptors.get_or_init(|| self.proc.size("self/fd").is_ok_and(|size| size > 0))
    }

    /// When something began that many ticks after the kernel, in microseconds since 1970.
    pub(crate) fn moment(&self, machine: &Machine, ticks: u64) -> Option<i64> {
        let boot = (*self.boot.get_or_init(|| machine.boot_time()))?;
        let since = super::stat::ticks_to_100ns(ticks) / 10;
        boot.checked_mul(1_000_000)?.checked_add(i64::try_from(since).ok()?)
    }
}

/// A process that was there when it was looked for; what it no longer tells is NULL.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scene: Rc<Scene>,
    pub(crate) number: u32,
    folder: OnceCell<Folder>,
    stat: OnceCell<io::Result<Stat>>,
    program: OnceCell<Option<String>>,
    status: OnceCell<Status>,
    counters: OnceCell<Counters>,
}

/// What will be read of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Where its program is, and nothing else if that is told.
    Program,
    /// Several files, all of the same process.
    Files,
}

impl Row {
    /// The process of a number; `None` if there is none, or only a thread of another.
    ///
    /// # Errors
    /// What the kernel says, except that it is gone or hidden.
    pub(crate) fn find(scene: &Rc<Scene>, number: u32) -> io::Result<Option<Self>> {
        let row = Self::listed(scene, number, Reads::Files);
        let is_process = !row.stat().is_follower && row.is_there()?;
        Ok(is_process.then_some(row))
    }

    /// The process of a number that the kernel has listed, which it does not for other threads than the first.
    ///
    /// [`Row::is_there`] must be asked when it was read.
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
            // If it cannot be opened, neither can what is in it.
            let _ = row.folder();
        }
        row
    }

    /// Whether what was read was there to be read: `false` if the process has ended before, or is hidden.
    ///
    /// # Errors
    /// What the kernel says, except for these.
    pub(crate) fn is_there(&self) -> io::Result<bool> {
        if self.stat.get().is_none() && self.program().is_some() {
            return Ok(true);
        }
        match self.read_stat() {
            Ok(_) => Ok(true),
            Err(error) if is_unseen(error) => Ok(false),
            Err(error) => Err(error.raw_os_error().map_or(error.kind().into(), io::Error::from_raw_os_error)),
        }
    }

    /// What is in `stat`; of nothing if it is not there any more.
    pub(crate) fn stat(&self) -> &Stat {
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

    /// The file that is run; `None` for threads of the kernel and for what the kernel does not tell this user.
    pub(crate) fn program(&self) -> Option<&str> {
        let path = || {
            let path = match self.folder.get() {
                Some(_) if self.stat.get().is_some() && !self.has_memory() => return None,
                Some(folder) => folder.link("exe"),
                // Opening the folder would cost as much again.
                None => self.scene.proc.link(&format!("{}/exe", self.number)),
            };
            let mut path = path.ok()?;
            if let Some(removed) = path.strip_suffix(" (deleted)") {
                path.truncate(removed.len());
            }
            Some(path)
        };
        self.program.get_or_init(path).as_deref()
    }

    /// The name of that file, and what the process calls itself if there is none.
    ///
    /// Not even a short name of its own tells that of the file: it is the script's, not that of the interpreter, or
    /// the link's by which it was called, or what it has chosen.
    pub(crate) fn name(&self) -> String {
        let file = self.program().and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty());
        file.unwrap_or_else(|| &self.stat().name).to_owned()
    }

    /// Whether it has memory: threads of the kernel have none, nor has what has ended, and so neither a file that is
    /// run nor arguments.
    fn has_memory(&self) -> bool {
        self.stat().virtual_size > 0
    }

    /// Its arguments, with a NUL behind each, as far as anybody is told of them; `None` if it has none.
    pub(crate) fn arguments(&self) -> Option<String> {
        let read = || self.folder().ok()?.text_up_to("cmdline", MAX_ARGUMENTS).ok();
        if self.has_memory() { read() } else { None }
    }

    /// What is in another file of it; `None` if the kernel does not tell this user.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.folder().ok()?.text(name).ok()
    }

    /// What `status` tells of its memory.
    pub(crate) fn memory(&self) -> Option<&Status> {
        self.has_memory().then(|| self.status())
    }

    /// What is in `status`.
    pub(crate) fn status(&self) -> &Status {
        let read =
            || self.folder().and_then(|folder| folder.read("status", Status::parse)).unwrap_or_default();
        self.status.get_or_init(read)
    }

    /// What is in `io`, which the kernel tells the owner of the process only.
    pub(crate) fn counters(&self) -> &Counters {
        let read = || self.folder().and_then(|folder| folder.read("io", Counters::parse)).unwrap_or_default();
        self.counters.get_or_init(read)
    }

    /// How many descriptors it has open; `None` if the kernel does not tell this user.
    pub(crate) fn descriptors(&self) -> Option<u32> {
        let folder = self.folder().ok()?;
        if self.scene.counts_descriptors() {
            return u32::try_from(folder.size("fd").ok()?).ok();
        }
        let mut count = 0;
        folder.each_name("fd", |_| count += 1).ok()?;
        Some(count)
    }

    /// Octets that are its own.
    pub(crate) fn private_memory(&self) -> Option<u64> {
        if !self.has_memory() {
            return Some(0);
        }
        // The same number is in both: `statm` costs less, and what was read already nothing.
        if let Some(octets) = self.status.get().and_then(|status| status.anonymous) {
            return Some(octets);
        }
        let text = self.text("statm")?;
        let mut fields = text.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
        let (resident, shared) = (fields.nth(1)??, fields.next()??);
        resident.saturating_sub(shared).checked_mul(page_size())
    }

    /// The session of logind in whose control group it is.
    pub(crate) fn session(&self, machine: &Machine) -> Option<String> {
        if !self.scene.has_sessions(machine) {
            return None;
        }
        let text = self.text("cgroup")?;
        let scope = text.lines().find_map(|line| line.split_once("/session-"))?.1;
        let name = scope.split_once(".scope")?.0;
        (!name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric())).then(|| name.to_owned())
    }
}

/// The process of a number for a question of its own; `None` if there is none.
///
/// # Errors
/// What the kernel says, except that it is gone or hidden.
pub(crate) fn find(machine: &Machine, number: u32) -> io::Result<Option<Row>> {
    Row::find(&Scene::of(machine)?, number)
}

/// All processes there are now, each as it is when its turn comes; those that end meanwhile are left out.
///
/// # Errors
/// What the kernel says.
pub(crate) fn all(machine: &Machine) -> io::Result<impl Iterator<Item = io::Result<Row>>> {
    let scene = Scene::of(machine)?;
    let numbers = scene.numbers()?;
    Ok(numbers.into_iter().filter_map(move |number| Row::find(&scene, number).transpose()))
}

/// Gives away the processes of some numbers, or all there are; those that end meanwhile are left out.
pub(crate) fn each(
    machine: &Machine,
    numbers: Option<Vec<u32>>,
    push: &mut Push<'_, Row>,
) -> Result<(), ProviderError> {
    let Some(numbers) = numbers else {
        return all(machine).map_err(failure)?.try_for_each(|row| push(row.map_err(failure)?));
    };
    let scene = Scene::of(machine).map_err(failure)?;
    let found = numbers.into_iter().filter_map(|number| Row::find(&scene, number).transpose());
    { found }.try_for_each(|row| push(row.map_err(failure)?))
}

/// Gives away all processes there are before anything is read of them.
///
/// [`Row::is_there`] must be asked when they were.
pub(crate) fn listed(machine: &Machine, reads: Reads, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
    let scene = Scene::of(machine).map_err(failure)?;
    scene
        .numbers()
        .map_err(failure)?
        .into_iter()
        .try_for_each(|number| push(Row::listed(&scene, number, reads)))
}

/// The numbers that are names in a folder, ascending.
pub(crate) fn numbers(folder: &Folder, name: &str) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    folder.each_name(name, |name| numbers.extend(name.to_str().ok().and_then(number_from)))?;
    numbers.sort_unstable();
    Ok(numbers)
}

/// The number of a process, written as the kernel writes it.
pub(crate) fn number_from(text: &str) -> Option<u32> {
    let is_canonical = !text.starts_with('0') && text.bytes().all(|octet| octet.is_ascii_digit());
    if is_canonical { text.parse().ok() } else { None }
}

/// Whether a process is gone, or one of those of others that the kernel hides from this user (`hidepid` of proc(5)):
/// its number is in the list, and nothing else can be read.
pub(crate) fn is_unseen(error: &io::Error) -> bool {
    let code = rustix::io::Errno::from_io_error(error);
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
        || code == Some(rustix::io::Errno::SRCH)
}

/// How many octets of arguments are read: more than a message has room for, and enough for what Java is started with.
/// A process can point at any memory as its arguments (prctl(2), `PR_SET_MM`), so that many can have very long ones.
const MAX_ARGUMENTS: usize = 128 << 10;

/// The octets of a page.
pub(crate) fn page_size() -> u64 {
    rustix::param::page_size().try_into().unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_process_that_is_gone_or_hidden_is_no_error() {
        for errno in [Errno::NOENT, Errno::SRCH, Errno::PERM, Errno::ACCESS] {
            assert!(is_unseen(&errno.into()), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::IO, Errno::NOMEM] {
            assert!(!is_unseen(&errno.into()), "{errno}");
        }
    }
}
