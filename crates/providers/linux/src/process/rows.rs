//! Where the values of processes come from.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;

use crate::Machine;
use crate::folder::Folder;
use crate::system::operating_system;
use crate::table::{Push, failure};
use wmi::ProviderError;

use super::stat::{Counters, Stat, Status};

/// What all processes of one question share.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    system: OnceCell<String>,
    version: OnceCell<Option<String>>,
    boot: OnceCell<Option<i64>>,
    has_sessions: OnceCell<bool>,
}

impl Scene {
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
    pub(crate) folder: Folder,
    pub(crate) stat: Stat,
    program: OnceCell<Option<String>>,
    status: OnceCell<Status>,
    counters: OnceCell<Counters>,
}

impl Row {
    /// The process of a number; `None` if there is none, or only a thread of another.
    ///
    /// # Errors
    /// What the kernel says, except that it is gone or hidden.
    pub(crate) fn find(machine: &Machine, scene: &Rc<Scene>, number: u32) -> io::Result<Option<Self>> {
        let found = machine.folder(format!("proc/{number}")).and_then(|folder| {
            let stat = Stat::parse(folder.octets("stat")?);
            Ok(stat.filter(|stat| !stat.is_follower).map(|stat| (folder, stat)))
        });
        match found {
            Ok(found) => Ok(found.map(|(folder, stat)| Self {
                scene: Rc::clone(scene),
                number,
                folder,
                stat,
                program: OnceCell::new(),
                status: OnceCell::new(),
                counters: OnceCell::new(),
            })),
            Err(error) if is_unseen(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The file that is run; `None` for threads of the kernel and for what the kernel does not tell this user.
    pub(crate) fn program(&self) -> Option<&str> {
        let path = || {
            if !self.has_memory() {
                return None;
            }
            let path = self.folder.link("exe").ok()?;
            Some(path.strip_suffix(" (deleted)").map_or(path.clone(), str::to_owned))
        };
        self.program.get_or_init(path).as_deref()
    }

    /// The name of that file, and what the process calls itself if there is none.
    pub(crate) fn name(&self) -> String {
        let file = self.program().and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty());
        file.unwrap_or(&self.stat.name).to_owned()
    }

    /// Whether it has memory: threads of the kernel have none, nor has what has ended, and so neither a file that is
    /// run nor arguments.
    fn has_memory(&self) -> bool {
        self.stat.virtual_size > 0
    }

    /// Its arguments, with a NUL behind each; `None` if it has none.
    pub(crate) fn arguments(&self) -> Option<String> {
        if self.has_memory() { self.folder.text("cmdline").ok() } else { None }
    }

    /// What `status` tells of its memory.
    pub(crate) fn memory(&self) -> Option<&Status> {
        self.has_memory().then(|| self.status())
    }

    /// What is in `status`.
    pub(crate) fn status(&self) -> &Status {
        let read = || self.folder.text("status").map(|text| Status::parse(&text)).unwrap_or_default();
        self.status.get_or_init(read)
    }

    /// What is in `io`, which the kernel tells the owner of the process only.
    pub(crate) fn counters(&self) -> &Counters {
        let read = || self.folder.text("io").map(|text| Counters::parse(&text)).unwrap_or_default();
        self.counters.get_or_init(read)
    }

    /// How many descriptors it has open; `None` if the kernel does not tell this user.
    pub(crate) fn descriptors(&self) -> Option<u32> {
        // Since Linux 6.2 the size of the folder is their number.
        let size = self.folder.size("fd").ok().filter(|size| *size > 0);
        let count = || u64::try_from(self.folder.names("fd").ok()?.len()).ok();
        u32::try_from(size.or_else(count)?).ok()
    }

    /// Octets that are its own.
    pub(crate) fn private_memory(&self) -> Option<u64> {
        // The same number is in both: `statm` costs less, and what was read already nothing.
        if let Some(octets) = self.status.get().and_then(|status| status.anonymous) {
            return Some(octets);
        }
        let text = self.folder.text("statm").ok()?;
        let mut fields = text.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
        let (resident, shared) = (fields.nth(1)??, fields.next()??);
        resident.saturating_sub(shared).checked_mul(page_size())
    }

    /// The session of logind in whose control group it is.
    pub(crate) fn session(&self, machine: &Machine) -> Option<String> {
        if !self.scene.has_sessions(machine) {
            return None;
        }
        let text = self.folder.text("cgroup").ok()?;
        let scope = text.lines().find_map(|line| line.split_once("/session-"))?.1;
        let name = scope.split_once(".scope")?.0;
        (!name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric())).then(|| name.to_owned())
    }
}

/// Gives away the processes of some numbers, or all there are; those that end meanwhile are left out.
pub(crate) fn each(
    machine: &Machine,
    numbers: Option<Vec<u32>>,
    push: &mut Push<'_, Row>,
) -> Result<(), ProviderError> {
    let numbers = match numbers {
        Some(numbers) => numbers,
        None => self::numbers(machine).map_err(failure)?,
    };
    let scene = Rc::new(Scene::default());
    for number in numbers {
        if let Some(row) = Row::find(machine, &scene, number).map_err(failure)? {
            push(row)?;
        }
    }
    Ok(())
}

/// The numbers of all processes there are now, ascending.
pub(crate) fn numbers(machine: &Machine) -> io::Result<Vec<u32>> {
    let names = machine.names("proc")?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.to_str().and_then(number_from)).collect();
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
