//! `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use locks::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Machine;
use crate::listing::of_path;

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Major and minor device number; for file systems without a device, a number assigned by the kernel.
    pub device: (u32, u32),
    /// Directory of the file system that is mounted.
    pub root: String,
    /// Mount point.
    pub place: String,
    /// File system type, such as `ext4`.
    pub kind: String,
    /// Source, such as `/dev/sda1` or `server:/export`.
    pub source: String,
    options: String,
}

/// Cached visible mounts, read again when the kernel reports a change.
#[derive(Debug, Default)]
pub struct MountTable(Mutex<Option<(File, Arc<[Mount]>)>>);

impl MountTable {
    /// Returns the visible mounts.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn of(&self, machine: &Machine) -> io::Result<Arc<[Mount]>> {
        // Changes of other files are not reported.
        if !machine.is_this() {
            return mounts(machine).map(Into::into);
        }
        let mut known = self.0.lock();
        if let Some((_, mounts)) = known.as_ref().filter(|(file, _)| is_unchanged(file)) {
            return Ok(Arc::clone(mounts));
        }
        // The kernel reports a change only once per open file.
        *known = None;
        let (file, text) = machine.file_with_text(FILE).map_err(|error| of_path(FILE, &error))?;
        let (_, mounts) = known.insert((file, Mount::parse(&text).into()));
        Ok(Arc::clone(mounts))
    }
}

/// Returns whether the kernel has reported no change since the file was opened (proc_pid_mounts(5)).
fn is_unchanged(file: &File) -> bool {
    let mut polled = [PollFd::new(file, PollFlags::PRI)];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0)
}

impl Mount {
    /// Returns whether an option of the mount or of the file system is set.
    pub fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|known| known == option)
    }

    /// Returns whether an option starts with `beginning`.
    pub fn has_any(&self, beginning: &str) -> bool {
        self.options.split(',').any(|known| known.starts_with(beginning))
    }

    /// Returns the value of an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.split(',').find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    fn parse(text: &str) -> Vec<Self> {
        // Of several mounts at one mount point, only the last is visible.
        let mut seen = HashSet::new();
        let mut mounts: Vec<Self> = text
            .lines()
            .rev()
            .filter_map(Self::line)
            .filter(|mount| seen.insert(mount.place.clone()))
            .collect();
        mounts.reverse();
        mounts
    }

    fn line(line: &str) -> Option<Self> {
        let (mount, source) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(2);
        let (major, minor) = fields.next()?.split_once(':')?;
        let (root, place, options) = (fields.next()?, fields.next()?, fields.next()?);
        let mut of_file_system = source.split(' ');
        let (kind, source) = (of_file_system.next()?, of_file_system.next()?);
        Some(Self {
            device: (major.parse().ok()?, minor.parse().ok()?),
            root: unescaped(root),
            place: unescaped(place),
            kind: kind.to_owned(),
            source: unescaped(source),
            options: format!("{options},{}", of_file_system.next().unwrap_or_default()),
        })
    }
}

/// Visible mounts for columns of all rows of a query, read on first use; none if the kernel does not report them.
#[derive(Debug, Default)]
pub struct Mounts(OnceCell<Found>);

/// Mounts, with indexes.
#[derive(Debug, Default)]
struct Found {
    all: Arc<[Mount]>,
    by_place: HashMap<String, usize>,
    by_device: HashMap<(u32, u32), Vec<usize>>,
}

impl Mounts {
    /// Returns the mounts of a device, in mount order.
    pub fn of_device(&self, machine: &Machine, device: (u32, u32)) -> impl Iterator<Item = &Mount> {
        let found = self.found(machine);
        let numbers = found.by_device.get(&device).into_iter().flatten();
        numbers.filter_map(|number| found.all.get(*number))
    }

    /// Returns the mount that contains a file with this absolute path.
    pub fn holding(&self, machine: &Machine, file: &Path) -> Option<&Mount> {
        file.ancestors().find_map(|place| self.at(machine, place.to_str()?))
    }

    /// Returns the mount at the first of these mount points that is used.
    pub fn first_at(&self, machine: &Machine, places: &[&str]) -> Option<&Mount> {
        places.iter().find_map(|place| self.at(machine, place))
    }

    fn at(&self, machine: &Machine, place: &str) -> Option<&Mount> {
        let found = self.found(machine);
        found.all.get(*found.by_place.get(place)?)
    }

    fn found(&self, machine: &Machine) -> &Found {
        self.0.get_or_init(|| {
            let mut found = Found { all: machine.mounts().unwrap_or_default(), ..Found::default() };
            for (number, mount) in found.all.iter().enumerate() {
                found.by_place.insert(mount.place.clone(), number);
                found.by_device.entry(mount.device).or_default().push(number);
            }
            found
        })
    }
}

/// Returns the visible mounts, in mount order.
///
/// # Errors
/// Errors of the operating system.
pub fn mounts(machine: &Machine) -> io::Result<Vec<Mount>> {
    Ok(Mount::parse(&machine.text(FILE).map_err(|error| of_path(FILE, &error))?))
}

/// Returns the device mounted at the first of these mount points that is used.
pub fn device_of(mounts: &[Mount], places: &[&str]) -> Option<String> {
    places
        .iter()
        .find_map(|place| mounts.iter().find(|mount| mount.place == **place))
        .map(|mount| mount.source.clone())
}

/// Decodes a field in which the kernel has written spaces and backslashes as octal numbers.
pub fn unescaped(field: &str) -> String {
    let mut octets = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, after @ ..] = rest {
        let number =
            after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match number.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

const FILE: &str = "proc/self/mountinfo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_mounts_are_not_listed() {
        let mounts = Mount::parse(
            "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
             23 22 8:2 / /srv ro - xfs /dev/sda2 rw,usrquota\n\
             broken\n\
             24 22 0:50 /x /srv rw - nfs4 server:/a\\040b rw\n",
        );
        let places: Vec<_> = mounts.iter().map(|mount| (&*mount.place, &*mount.source)).collect();
        assert_eq!(places, [("/", "/dev/sda1"), ("/srv", "server:/a b")]);
        assert!(mounts.first().is_some_and(|root| root.has("errors=remount-ro") && root.has_any("errors=")));
    }

    #[test]
    fn blanks_in_mount_points_are_octal_escapes() {
        assert_eq!(unescaped("/mnt/a\\040b\\134c"), "/mnt/a b\\c");
        assert_eq!(unescaped("a\\04"), "a\\04");
    }
}
