//! Access to the files and the bus of a machine.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, fstatfs, openat};
use rustix::time::{ClockId, clock_gettime};
use sddl::{DomainSid, Sid};

use crate::bus::{Address, Bus};
use crate::folder::{Folder, into_text};
use crate::mounts::{Mount, MountTable};
use crate::package::{Package, Packages};

/// A machine: this one, or a directory tree that imitates one.
#[derive(Debug)]
pub struct Machine {
    root: PathBuf,
    opened: Arc<AtomicU64>,
    octets_read: AtomicU64,
    bus: Bus,
    sid: Option<DomainSid>,
    packages: Packages,
    mounts: MountTable,
}

impl Machine {
    /// Maximum number of bytes read from a file; files of the kernel are shorter.
    pub const MAX_FILE: u64 = crate::folder::MAX_FILE;

    /// Returns this machine.
    #[must_use]
    pub fn this() -> Self {
        Self { bus: Bus::new(Address::System), ..Self::at("/") }
    }

    /// Returns a machine whose `/proc`, `/sys`, `/etc`, `/usr` and `/var` are below a directory, without a
    /// bus.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            opened: Arc::default(),
            octets_read: AtomicU64::new(0),
            bus: Bus::new(Address::Nowhere),
            sid: None,
            packages: Packages::default(),
            mounts: MountTable::default(),
        }
    }

    /// Returns the visible mounts in mount order.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn mounts(&self) -> io::Result<Arc<[Mount]>> {
        self.mounts.of(self)
    }

    /// Returns the installed packages.
    ///
    /// # Errors
    /// The reason why the package database could not be read.
    pub fn packages(&self) -> io::Result<Arc<Vec<Package>>> {
        self.packages.of(self)
    }

    /// Sets the machine SID, from which the SIDs of users and groups are derived; without it they have none.
    #[must_use]
    pub fn with_sid(self, sid: DomainSid) -> Self {
        Self { sid: Some(sid), ..self }
    }

    /// Returns the machine SID.
    pub fn sid(&self) -> Option<DomainSid> {
        self.sid
    }

    /// Sets the address of the bus, such as `unix:path=/run/dbus/system_bus_socket`.
    #[must_use]
    pub fn with_bus(self, address: impl Into<String>) -> Self {
        Self { bus: Bus::new(Address::At(address.into())), ..self }
    }

    /// Sets the time limit of bus calls.
    #[cfg(test)]
    pub fn with_patience(self, patience: std::time::Duration) -> Self {
        Self { bus: self.bus.with_patience(patience), ..self }
    }

    /// Returns the bus of systemd and other services.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Returns whether it is this machine, not a directory tree.
    pub fn is_this(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Returns the path of a file of the machine; `path` may begin with a slash.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Returns the number of files and directories opened so far.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Returns the number of bytes read so far from whole files.
    #[must_use]
    pub fn octets_read(&self) -> u64 {
        self.octets_read.load(Ordering::Relaxed)
    }

    /// Returns the content of a file, up to [`Machine::MAX_FILE`].
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn octets(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        self.octets_up_to(path, Self::MAX_FILE)
    }

    /// Returns the content of a file, up to `limit` bytes.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn octets_up_to(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
        self.read(&self.file(path)?, limit)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn file(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        File::open(self.path(path))
    }

    /// Opens a file and returns it together with its text.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn file_with_text(&self, path: impl AsRef<Path>) -> io::Result<(File, String)> {
        let file = self.file(path)?;
        let text = into_text(self.read(&file, Self::MAX_FILE)?);
        Ok((file, text))
    }

    /// Returns the content of a file as text, with U+FFFD for invalid UTF-8.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn text(&self, path: impl AsRef<Path>) -> io::Result<String> {
        self.octets(path).map(into_text)
    }

    /// Returns the text of a file in a directory writable by untrusted users. They could place there a pipe,
    /// which would block forever, or a link to a device that acts when opened, or to a kernel file that acts
    /// when read; `/proc/kmsg`, for example, returns each message to only one reader.
    ///
    /// # Errors
    /// Errors of the operating system; [`io::ErrorKind::InvalidInput`] if it is not a regular file;
    /// [`io::ErrorKind::WouldBlock`] if another process holds a lease on it.
    pub fn text_of_others(&self, path: impl AsRef<Path>) -> io::Result<String> {
        self.text_of_others_up_to(path, Self::MAX_FILE)
    }

    /// Returns the text of such a file, up to `limit` bytes.
    ///
    /// # Errors
    /// As for [`Machine::text_of_others`].
    pub fn text_of_others_up_to(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<String> {
        self.octets_of_others_up_to(path, limit).map(into_text)
    }

    /// Returns the bytes of such a file.
    ///
    /// # Errors
    /// As for [`Machine::text_of_others`].
    pub fn octets_of_others(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        self.octets_of_others_up_to(path, Self::MAX_FILE)
    }

    fn octets_of_others_up_to(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.file_of_others(path)?;
        // Reading only up to the length protects against kernel files, whose content is not part of their
        // length.
        let length = file.metadata()?.len();
        self.read(&file, limit.min(length))
    }

    /// Opens a regular file in such a directory for reading.
    ///
    /// # Errors
    /// As for [`Machine::text_of_others`].
    pub fn file_of_others(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        // `O_PATH` finds the file without opening it; afterwards it cannot be replaced.
        let found = openat(CWD, self.path(path), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let is_of_kernel = u32::try_from(fstatfs(&found)?.f_type).is_ok_and(|kind| KERNEL.contains(&kind));
        if is_of_kernel || !FileType::from_raw_mode(fstat(&found)?.st_mode).is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut reading = File::options();
        // The owner could hold a lease on the file, which would block the open for up to a minute (fcntl(2),
        // F_SETLEASE).
        let reading = reading.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        reading.open(format!("/proc/self/fd/{}", found.as_raw_fd()))
    }

    fn read(&self, file: &File, limit: u64) -> io::Result<Vec<u8>> {
        // Without this capacity, most files would be read in ten pieces.
        let mut octets = Vec::with_capacity(4096);
        file.take(limit).read_to_end(&mut octets)?;
        self.octets_read.fetch_add(u64::try_from(octets.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(octets)
    }

    /// Returns the line of a file of `/sys` or `/proc/sys`; `None` if the file does not exist or is empty.
    #[must_use]
    pub fn line(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = self.text(path).ok()?;
        let line = text.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// Returns the number in a file; `None` if there is no valid number.
    #[must_use]
    pub fn number<N: std::str::FromStr>(&self, path: impl AsRef<Path>) -> Option<N> {
        self.line(path)?.parse().ok()
    }

    /// Opens a directory, whose files are then read without looking up its path again: they stay those of the
    /// same process.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn folder(&self, path: impl AsRef<Path>) -> io::Result<Folder> {
        Folder::open(&self.path(path), &self.opened)
    }

    /// Returns the names in a directory, in no particular order.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn names(&self, path: impl AsRef<Path>) -> io::Result<Vec<OsString>> {
        self.names_up_to(path, usize::MAX)
    }

    /// Returns at most `most` names in a directory that others can fill.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn names_up_to(&self, path: impl AsRef<Path>, most: usize) -> io::Result<Vec<OsString>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let entries = fs::read_dir(self.path(path))?.take(most);
        Ok(entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect())
    }

    /// Returns the host name without its domain.
    #[must_use]
    pub fn host_name(&self) -> String {
        let name = if self.is_this() {
            rustix::system::uname().nodename().to_string_lossy().into_owned()
        } else {
            self.line("proc/sys/kernel/hostname").unwrap_or_default()
        };
        name.split('.').next().unwrap_or_default().to_owned()
    }

    /// Returns the kernel release without the suffix of the distribution.
    pub fn kernel_version(&self) -> Option<String> {
        let release = if self.is_this() {
            rustix::system::uname().release().to_string_lossy().into_owned()
        } else {
            self.line("proc/sys/kernel/osrelease")?
        };
        let end = release.find(|character: char| !character.is_ascii_digit() && character != '.');
        let numbers = release.get(..end.unwrap_or(release.len()))?.trim_end_matches('.');
        (!numbers.is_empty()).then(|| numbers.to_owned())
    }

    /// Returns the boot time, in seconds since 1970.
    pub fn boot_time(&self) -> Option<i64> {
        if let Some(second) = self.is_this().then(boot_second).flatten() {
            return Some(second);
        }
        // Slower: to generate this file the kernel sums the counters of all processors.
        let text = self.text("proc/stat").ok()?;
        text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    }

    /// Returns the SID of the user with this uid.
    pub fn user_sid(&self, uid: u32) -> Option<Sid> {
        self.sid.map(|machine| sddl::linux::user_sid(uid, machine))
    }

    /// Returns the SID of the group with this gid.
    pub fn group_sid(&self, gid: u32) -> Option<Sid> {
        self.sid.map(|machine| sddl::linux::group_sid(gid, machine))
    }
}

/// File systems of the kernel, in which reading may have effects (`linux/magic.h`): `proc`, `sysfs`,
/// `debugfs`, `tracefs`, `securityfs`, `configfs`, `cgroup`, `cgroup2`, `bpf`, `pstore`, `efivarfs`,
/// `selinuxfs`, `smackfs`, `binfmt_misc`, `fusectl`, `rpc_pipefs`, `nfsd` and `nsfs`.
const KERNEL: [u32; 18] = [
    0x9fa0,
    0x6265_6572,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0x6265_6570,
    0x0027_e0eb,
    0x6367_7270,
    0xcafe_4a11,
    0x6165_676c,
    0xde5e_81e4,
    0xf97c_ff8c,
    0x4341_5d53,
    0x4249_4e4d,
    0x6573_5543,
    0x6759_6969,
    0x6e66_7364,
    0x6e73_6673,
];

/// Returns the second of the boot, computed from the difference of two clocks (`btime` of proc_stat(5));
/// `None` if it could be either of two seconds.
fn boot_second() -> Option<i64> {
    let (before, now, after) =
        (nanoseconds(ClockId::Boottime)?, nanoseconds(ClockId::Realtime)?, nanoseconds(ClockId::Boottime)?);
    let [latest, earliest] =
        [before, after].map(|running| now.checked_sub(running).map(|boot| boot.div_euclid(1_000_000_000)));
    latest.filter(|_| latest == earliest)
}

fn nanoseconds(clock: ClockId) -> Option<i64> {
    let time = clock_gettime(clock);
    time.tv_sec.checked_mul(1_000_000_000)?.checked_add(time.tv_nsec)
}

/// Returns the current time in microseconds since 1970.
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_matches_proc_stat() {
        let text = fs::read_to_string("/proc/stat").expect("a kernel");
        let line = text.lines().find_map(|line| line.strip_prefix("btime ")).expect("a line");
        let reported: i64 = line.parse().expect("a number");
        // Clock corrections may move the boot time across a second.
        let found = Machine::this().boot_time().expect("a time");
        assert!((found - reported).abs() <= 1, "{found} is not {reported}");
    }

    #[test]
    fn only_regular_files_are_opened_in_directories_of_others() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "text\n").expect("there is room");
        let kernel = [("kernel", "/proc/kmsg"), ("settings", "/sys/kernel/mm")];
        for (link, target) in
            [("link", "file"), ("device", "/dev/zero"), ("gone", "nowhere")].into_iter().chain(kernel)
        {
            std::os::unix::fs::symlink(target, path(link)).expect("there is room");
        }
        rustix::fs::mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("there is room");
        let machine = Machine::at(folder.path());
        assert_eq!(machine.text_of_others("file").expect("a file"), "text\n");
        assert_eq!(machine.text_of_others("link").expect("a file"), "text\n");
        for name in ["pipe", "device", "gone", "kernel", "settings/transparent_hugepage/enabled", ""] {
            assert!(machine.text_of_others(name).is_err(), "{name}");
        }
    }

    #[test]
    fn leased_file_does_not_block_reading() {
        use std::io::BufRead as _;
        use std::process::{Command, Stdio};
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("file");
        fs::write(&path, "text\n").expect("there is room");
        let hold = "import fcntl, os, signal, sys\n\
                    signal.signal(signal.SIGIO, signal.SIG_IGN)\n\
                    fcntl.fcntl(os.open(sys.argv[1], os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
                    print('held', flush=True)\n\
                    sys.stdin.read()\n";
        let mut holder = Command::new("python3");
        holder.args(["-c", hold]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = holder.spawn().expect("there is python3");
        let mut said = String::new();
        let output = holder.stdout.take().expect("a pipe");
        io::BufReader::new(output).read_line(&mut said).expect("text");
        assert_eq!(said, "held\n");
        let refused = Machine::at(folder.path()).text_of_others("file").map_err(|error| error.kind());
        assert_eq!(refused, Err(io::ErrorKind::WouldBlock));
        drop(holder.stdin.take());
        holder.wait().expect("it ends");
    }
}
