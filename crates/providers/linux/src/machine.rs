//! Where the files of a machine are, and what all classes ask of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use accounts::{UnixUser, UnixUsers};
use cim::{DateTime, Name, Timestamp};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use sddl::{DomainSid, Sid};

use crate::bus::{Address, Bus};
use crate::choices::{Choices, Chosen};
use crate::folder::{Folder, into_text};
use crate::masquerade::{Masquerade, Texts};
use crate::package::{Package, Packages};

/// A machine: this one, or a tree of files that looks like one.
#[derive(Debug)]
pub struct Machine {
    root: PathBuf,
    opened: Arc<AtomicU64>,
    octets_read: AtomicU64,
    bus: Bus,
    sid: Option<DomainSid>,
    masquerade: Masquerade,
    state: PathBuf,
    user_state: Option<PathBuf>,
    packages: Packages,
    drive_aliases: Vec<(String, String)>,
    chosen: Chosen,
}

impl Machine {
    /// How many octets of a file are read; what the kernel tells is shorter.
    pub const MAX_FILE: u64 = 4 << 20;

    /// This machine.
    #[must_use]
    pub fn this() -> Self {
        Self { bus: Bus::new(Address::System), ..Self::at("/") }
    }

    /// A machine whose `/proc`, `/sys`, `/etc`, `/usr` and `/var` are below a folder, and which has no bus.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let state = root.join("var/lib/telarch");
        Self {
            root,
            state,
            user_state: None,
            opened: Arc::default(),
            octets_read: AtomicU64::new(0),
            bus: Bus::new(Address::Nowhere),
            sid: None,
            masquerade: Masquerade::default(),
            packages: Packages::default(),
            drive_aliases: Vec::new(),
            chosen: Chosen::default(),
        }
    }

    /// The same machine, with other folders for what providers keep: of the machine, and of the user they run as.
    #[must_use]
    pub fn keeping(self, state: impl Into<PathBuf>, user_state: Option<PathBuf>) -> Self {
        Self { state: state.into(), user_state, ..self }
    }

    /// Where providers keep what is the machine's.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Where providers keep what is the user's they run as; `None` if nothing is kept.
    #[must_use]
    pub fn user_state(&self) -> Option<&Path> {
        self.user_state.as_deref()
    }

    /// The installed packages.
    ///
    /// # Errors
    /// What kept their database from being read.
    pub(crate) fn packages(&self) -> io::Result<Arc<Vec<Package>>> {
        self.packages.of(self)
    }

    /// How far the clocks are east of Greenwich now, in minutes.
    #[must_use]
    pub fn offset(&self) -> i16 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match i64::try_from(now.as_micros()).ok().and_then(|now| self.timestamp(now)) {
            Some(DateTime::Timestamp(now)) => now.offset(),
            _ => 0,
        }
    }

    /// The machine with another name for the disk that is mounted somewhere, for scripts that ask for `C:`.
    #[must_use]
    pub fn drive_alias(mut self, alias: impl Into<String>, place: impl Into<String>) -> Self {
        self.drive_aliases.push((alias.into(), place.into()));
        self
    }

    /// Other names of disks, with where these are mounted.
    pub(crate) fn drive_aliases(&self) -> Vec<(String, String)> {
        [self.drive_aliases.as_slice(), self.choices().drive_aliases.as_slice()].concat()
    }

    /// What the administrator has chosen.
    pub(crate) fn choices(&self) -> Arc<Choices> {
        self.chosen.of(self)
    }

    /// The machine with the SID below which its users and groups have theirs; without it they have none.
    #[must_use]
    pub fn with_sid(self, sid: DomainSid) -> Self {
        Self { sid: Some(sid), ..self }
    }

    /// The SID below which its users and groups have theirs.
    pub(crate) fn sid(&self) -> Option<DomainSid> {
        self.sid
    }

    /// The machine with the bus at an address, such as `unix:path=/run/dbus/system_bus_socket`.
    #[must_use]
    pub fn with_bus(self, address: impl Into<String>) -> Self {
        Self { bus: Bus::new(Address::At(address.into())), ..self }
    }

    /// What the administrator has given in place of texts of a class.
    pub(crate) fn texts(&self, class: &Name) -> Option<Arc<Texts>> {
        self.masquerade.of(self, class)
    }

    /// The bus on which systemd and its kin are.
    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Whether it is the machine this runs on, and not a tree that looks like one.
    pub(crate) fn is_this(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a file of the machine is; `path` may begin with a slash.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// How many files and folders were opened so far.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// How many octets of whole files were read so far.
    #[must_use]
    pub fn octets_read(&self) -> u64 {
        self.octets_read.load(Ordering::Relaxed)
    }

    /// What is in a file, up to [`Machine::MAX_FILE`].
    ///
    /// # Errors
    /// What the kernel says.
    pub fn octets(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        self.octets_up_to(path, Self::MAX_FILE)
    }

    /// What is in a file, up to so many octets.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn octets_up_to(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
        self.read(self.file(path)?, limit)
    }

    /// A file, open for reading.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn file(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        File::open(self.path(path))
    }

    /// The same as text, with U+FFFD for what is not UTF-8.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn text(&self, path: impl AsRef<Path>) -> io::Result<String> {
        self.octets(path).map(into_text)
    }

    /// The text of a file in a folder where others than the machine's administrator may lay what they like: a pipe, on
    /// which this would wait for ever, or a link to a device that begins to act when it is opened.
    ///
    /// # Errors
    /// What the kernel says, and [`io::ErrorKind::InvalidInput`] for what is no plain file.
    pub(crate) fn text_of_others(&self, path: impl AsRef<Path>) -> io::Result<String> {
        self.text_of_others_up_to(path, Self::MAX_FILE)
    }

    /// The same, up to so many octets.
    ///
    /// # Errors
    /// As [`Machine::text_of_others`].
    pub(crate) fn text_of_others_up_to(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<String> {
        self.octets_of_others_up_to(path, limit).map(into_text)
    }

    /// The octets of such a file.
    ///
    /// # Errors
    /// As [`Machine::text_of_others`].
    pub(crate) fn octets_of_others(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        self.octets_of_others_up_to(path, Self::MAX_FILE)
    }

    fn octets_of_others_up_to(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
        self.read(self.file_of_others(path)?, limit)
    }

    /// A plain file in such a folder, open for reading.
    ///
    /// # Errors
    /// As [`Machine::text_of_others`].
    pub(crate) fn file_of_others(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        // This finds a file without opening it; what it is then cannot be exchanged any more.
        let found = openat(CWD, self.path(path), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        if !FileType::from_raw_mode(fstat(&found)?.st_mode).is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
    }

    fn read(&self, file: File, limit: u64) -> io::Result<Vec<u8>> {
        // Without room to begin with, most files would be read in ten pieces.
        let mut octets = Vec::with_capacity(4096);
        file.take(limit).read_to_end(&mut octets)?;
        self.octets_read.fetch_add(u64::try_from(octets.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(octets)
    }

    /// The one line of a file of `/sys` or `/proc/sys`; `None` if there is no such file, or nothing in it.
    #[must_use]
    pub fn line(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = self.text(path).ok()?;
        let line = text.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// The number in a file; `None` if there is none.
    #[must_use]
    pub fn number<N: std::str::FromStr>(&self, path: impl AsRef<Path>) -> Option<N> {
        self.line(path)?.parse().ok()
    }

    /// A folder whose files are read without looking it up again: what is in it stays that of the same process.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn folder(&self, path: impl AsRef<Path>) -> io::Result<Folder> {
        Folder::open(&self.path(path), &self.opened)
    }

    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn names(&self, path: impl AsRef<Path>) -> io::Result<Vec<OsString>> {
        self.names_up_to(path, usize::MAX)
    }

    /// Some of the names, no more than so many, in a folder that others fill.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn names_up_to(&self, path: impl AsRef<Path>, most: usize) -> io::Result<Vec<OsString>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let entries = fs::read_dir(self.path(path))?.take(most);
        Ok(entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect())
    }

    /// The name of the machine without its domain.
    #[must_use]
    pub fn host_name(&self) -> String {
        let name = if self.is_this() {
            rustix::system::uname().nodename().to_string_lossy().into_owned()
        } else {
            self.line("proc/sys/kernel/hostname").unwrap_or_default()
        };
        name.split('.').next().unwrap_or_default().to_owned()
    }

    /// The numbers of the kernel's release, without what a distribution has added.
    pub(crate) fn kernel_version(&self) -> Option<String> {
        let release = if self.is_this() {
            rustix::system::uname().release().to_string_lossy().into_owned()
        } else {
            self.line("proc/sys/kernel/osrelease")?
        };
        let end = release.find(|character: char| !character.is_ascii_digit() && character != '.');
        let numbers = release.get(..end.unwrap_or(release.len()))?.trim_end_matches('.');
        (!numbers.is_empty()).then(|| numbers.to_owned())
    }

    /// When the kernel was started, in seconds since 1970.
    pub(crate) fn boot_time(&self) -> Option<i64> {
        let text = self.text("proc/stat").ok()?;
        text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    }

    /// The user of a number, if the machine's own files have it.
    pub(crate) fn user(&self, uid: u32) -> Option<UnixUser> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        UnixUsers::below(&self.path("etc")).find_uid(uid).ok().flatten()
    }

    /// The user of a name, if the machine's own files have it.
    pub(crate) fn user_named(&self, name: &str) -> Option<UnixUser> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        UnixUsers::below(&self.path("etc")).find(name).ok().flatten()
    }

    /// The SID of the user of a number.
    pub(crate) fn user_sid(&self, uid: u32) -> Option<Sid> {
        self.sid.map(|machine| sddl::linux::user_sid(uid, machine))
    }

    /// The SID of the group of a number.
    pub(crate) fn group_sid(&self, gid: u32) -> Option<Sid> {
        self.sid.map(|machine| sddl::linux::group_sid(gid, machine))
    }

    /// A point in time, as the clocks of the machine show it.
    #[must_use]
    pub fn timestamp(&self, unix_micros: i64) -> Option<DateTime> {
        let offset = jiff::Timestamp::from_microsecond(unix_micros)
            .map(|timestamp| jiff::tz::TimeZone::system().to_offset(timestamp).seconds() / 60)
            .unwrap_or_default();
        Timestamp::from_unix_micros(unix_micros, i16::try_from(offset).unwrap_or_default())
            .map(DateTime::Timestamp)
    }
}

/// What is in a file, up to so many octets.
/// Microseconds since 1970.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_others_lay_only_plain_files_are_opened() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "text\n").expect("there is room");
        for (link, target) in [("link", "file"), ("device", "/dev/zero"), ("gone", "nowhere")] {
            std::os::unix::fs::symlink(target, path(link)).expect("there is room");
        }
        rustix::fs::mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("there is room");
        let machine = Machine::at(folder.path());
        assert_eq!(machine.text_of_others("file").expect("a file"), "text\n");
        assert_eq!(machine.text_of_others("link").expect("a file"), "text\n");
        for name in ["pipe", "device", "gone", ""] {
            assert!(machine.text_of_others(name).is_err(), "{name}");
        }
    }
}
