//! A fresh Debian system for tests of the packages, and the packages themselves.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use crate::python::environment;
use crate::run::{Run, run};
use crate::telarchd::built_program;
use crate::world::in_bare_world;

/// A Debian system in a directory, with its own network and mounts. It disappears with the test process.
pub struct Debian {
    /// Service started by [`Debian::start_service`].
    service: Option<Child>,
    /// Processes of systemd, started by [`Debian::boot`].
    systemd: Option<Child>,
}

impl Debian {
    /// Runs `body` with a fresh Debian system, in a process with mounts and a network of its own. `name` is the name
    /// of the test as the test program lists it. The test is skipped without root or without the image.
    ///
    /// # Panics
    /// If the system cannot be unpacked, or if the test fails in it.
    pub fn in_fresh(name: &str, body: impl FnOnce(&mut Self)) {
        let image = image();
        if !image.exists() {
            return skips::skip!(
                "{} is missing; it takes root and mmdebstrap: ./test --install",
                image.display()
            );
        }
        in_bare_world(name, &["chroot", "ip", "tar", "dpkg-deb"], || {
            succeed(Command::new("ip").args(["link", "set", "lo", "up"]));
            succeed(Command::new("mount").args(["-t", "tmpfs", "none", ROOT]));
            succeed(Command::new("tar").args(["-x", "--numeric-owner", "-C", ROOT, "-f"]).arg(&image));
            succeed(Command::new("mount").args(["-t", "proc", "none", &format!("{ROOT}/proc")]));
            let terminals = format!("{ROOT}/dev/pts");
            fs::create_dir_all(&terminals).expect("a folder");
            succeed(Command::new("mount").args([
                "-t",
                "devpts",
                "-o",
                "newinstance,ptmxmode=0666",
                "none",
                &terminals,
            ]));
            succeed(Command::new("ln").args(["-sf", "pts/ptmx", &format!("{ROOT}/dev/ptmx")]));
            body(&mut Self { service: None, systemd: None });
        });
    }

    /// Runs a line of the shell as root of the system.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn shell(&self, line: &str) -> Run {
        run(&mut self.command(&["sh", "-c", line]), b"", LIMIT)
    }

    /// Runs a line of the shell, which must succeed, and returns its output.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn output(&self, line: &str) -> String {
        let ended = self.shell(line);
        assert_eq!(ended.code, 0, "{line}: {ended:?}");
        String::from_utf8(ended.stdout).expect("text")
    }

    /// Runs a script of the shell as `user`, in the home directory.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn script(&self, user: &str, script: &str) -> Run {
        let words = ["su", "-s", "/bin/bash", "-", user, "-c", script];
        run(&mut self.command(&words), b"", LIMIT)
    }

    /// Installs or upgrades packages, without a network.
    ///
    /// # Panics
    /// If dpkg reports an error.
    pub fn install(&self, packages: &[&Path]) {
        let mut line = "DEBIAN_FRONTEND=noninteractive dpkg -i".to_owned();
        for package in packages {
            let name = package.file_name().and_then(|name| name.to_str()).expect("a plain name");
            fs::copy(package, format!("{ROOT}/tmp/{name}")).expect("a copy");
            line.push_str(&format!(" /tmp/{name}"));
        }
        let _ = self.output(&format!("{line} && rm /tmp/*.deb"));
    }

    /// Shows a directory of this machine, read-only.
    ///
    /// # Panics
    /// If it cannot be mounted.
    pub fn show(&self, outside: &Path, inside: &str) {
        let folder = self.path(inside);
        fs::create_dir_all(&folder).expect("a folder");
        let _ = succeed(Command::new("mount").args(["--bind", "-o", "ro"]).arg(outside).arg(folder));
    }

    /// Starts the installed service with its installed configuration and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn start_service(&mut self) {
        let manager = UnixDatagram::bind(self.path(NOTIFICATIONS)).expect("a socket");
        manager.set_read_timeout(Some(LIMIT)).expect("a limit");
        let mut command = self.command(&["telarchd"]);
        command.env("NOTIFY_SOCKET", NOTIFICATIONS).stdin(Stdio::null());
        self.service = Some(command.spawn().expect("it is installed"));
        let mut message = [0; 4_096];
        while manager.recv(&mut message).is_ok() {
            if message.starts_with(b"READY=1") {
                return;
            }
        }
        panic!("the service does not become ready");
    }

    /// Starts the systemd of the system, as process 1 of a PID namespace with a control group of its own. Returns
    /// `false`, with the reason on standard error, if this machine does not allow it.
    ///
    /// # Panics
    /// If systemd starts but does not finish booting.
    #[must_use]
    pub fn boot(&mut self) -> bool {
        // It ends with this process, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--ipc", "--uts"]);
        command.args(["sh", "-c", BOOT, "boot", ROOT]);
        command.arg(control_group()).stdin(Stdio::null()).stdout(Stdio::null());
        self.systemd = Some(command.spawn().expect("unshare"));
        let until = Instant::now() + LIMIT;
        while self.systemd.as_mut().is_some_and(|systemd| matches!(systemd.try_wait(), Ok(None))) {
            let state = self.shell("systemctl is-system-running 2>/dev/null");
            if matches!(state.text().0.trim(), "running" | "degraded") {
                return true;
            }
            assert!(Instant::now() < until, "systemd does not finish booting: {state:?}");
            sleep(Duration::from_millis(100));
        }
        false
    }

    /// Stops the service.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop_service(&mut self) {
        if let Some(mut service) = self.service.take() {
            kill_process(Pid::from_child(&service), Signal::TERM).expect("it is ours and not reaped");
            service.wait().expect("its end");
            let _ = fs::remove_file(self.path(NOTIFICATIONS));
        }
    }

    /// Returns the paths of all files and directories, without those of /proc and of dpkg.
    ///
    /// # Panics
    /// If they cannot be listed.
    #[must_use]
    pub fn files(&self) -> BTreeSet<String> {
        let listed = self.output(
            "find / -xdev \\( -path /proc -o -path /tmp -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \\
             -o -path /etc/.pwd.lock \\) -prune -o -print",
        );
        listed.lines().map(str::to_owned).collect()
    }

    /// Returns the path of a file of the system as seen from outside.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("{ROOT}{inside}"))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = match self.systemd.as_ref().and_then(first_child) {
            // systemd answers reliably to processes of its own namespace only.
            Some(process) => {
                let mut command = Command::new("nsenter");
                command.args(["--target", &process, "--pid", "chroot"]);
                command
            }
            None => Command::new("chroot"),
        };
        command.arg(ROOT).args(words).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", "/root").env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        self.stop_service();
        if let Some(mut systemd) = self.systemd.take() {
            let _ = systemd.kill();
            let _ = systemd.wait();
            let _ = run(
                Command::new("sh").args(["-c", REMOVE_GROUP, "remove", ROOT, &control_group()]),
                b"",
                LIMIT,
            );
        }
        let own = fs::read_link("/proc/self/ns/mnt").ok();
        // A user of the system may have left a process in the background.
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let link = |name: &str| fs::read_link(process.path().join(name)).ok();
            // Other tests run at the same time, in namespaces of their own.
            let is_ours = own.is_some()
                && link("ns/mnt") == own
                && link("root").is_some_and(|root| root == Path::new(ROOT));
            if let (Some(id), true) = (id, is_ours) {
                let _ = kill_process(id, Signal::KILL);
            }
        }
    }
}

/// Packages of the programs of this build, in two versions.
pub struct Packages {
    /// Packages of the clients and of the service.
    pub current: [PathBuf; 2],
    /// Package of the PAM module.
    pub pam: PathBuf,
    /// The packages of the clients and of the service with a higher version.
    pub next: [PathBuf; 2],
    /// Built programs without symbols.
    pub programs: PathBuf,
}

impl Packages {
    /// Builds the packages, unless an earlier test has built them of the same programs.
    ///
    /// # Panics
    /// If they cannot be built.
    #[must_use]
    pub fn built() -> Self {
        let folder = built_program("telarchd").with_file_name("packages");
        fs::create_dir_all(&folder).expect("a folder");
        let lock = File::create(folder.join("lock")).expect("a file");
        lock.lock().expect("a lock");
        let [pam] = of_version(&folder, ["libpam-telarch"], "0.1.0-1");
        let packages = Self {
            current: of_version(&folder, BOTH, "0.1.0-1"),
            pam,
            next: of_version(&folder, BOTH, "0.1.0-2"),
            programs: folder.join("programs"),
        };
        if packages.is_outdated() {
            packages.build(&folder);
        }
        packages
    }

    fn is_outdated(&self) -> bool {
        let sources = PROGRAMS.map(built_program).into_iter().chain([built_pam_module()]);
        let sources = sources.chain(files_below(&repository().join("packaging")));
        let newest = sources.map(|path| modified(&path).expect("a built program")).max();
        let oldest =
            self.current.iter().chain(&self.next).chain([&self.pam]).map(|path| modified(path)).min();
        oldest.flatten() < newest
    }

    fn build(&self, folder: &Path) {
        // Debug builds are large, so symbols are removed once only.
        fs::create_dir_all(&self.programs).expect("a folder");
        for program in PROGRAMS {
            let stripped = self.programs.join(program);
            succeed(Command::new("strip").arg("-o").arg(stripped).arg(built_program(program)));
        }
        let module = built_pam_module();
        let stripped = self.programs.join(module.file_name().expect("a name"));
        succeed(Command::new("strip").args(["--strip-unneeded", "-o"]).arg(stripped).arg(module));
        for version in ["0.1.0-1", "0.1.0-2"] {
            succeed(self.builder(folder).args(["--version", version, "--compress", "none"]));
        }
    }

    /// Returns the command that builds packages of the programs into a folder.
    ///
    /// The time in the packages is fixed. Otherwise it is that of the last commit, and packages of an earlier commit
    /// with the same programs would differ.
    #[must_use]
    pub fn builder(&self, folder: &Path) -> Command {
        let mut build = Command::new(repository().join("packaging/build"));
        build.env("SOURCE_DATE_EPOCH", "1780272000");
        build.arg("--programs").arg(&self.programs).arg("--output").arg(folder);
        build
    }
}

/// Runs a command that has to succeed, and returns its output.
///
/// # Panics
/// If it fails.
pub fn succeed(command: &mut Command) -> String {
    let ended = run(command, b"", LIMIT);
    assert_eq!(ended.code, 0, "{command:?}: {ended:?}");
    String::from_utf8(ended.stdout).expect("text")
}

/// Returns the root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    fs::canonicalize(path).expect("the repository")
}

/// Image of the system, made by `./test --install`.
fn image() -> PathBuf {
    environment().join("debian.tar")
}

fn of_version<const N: usize>(folder: &Path, names: [&str; N], version: &str) -> [PathBuf; N] {
    let listed = Command::new("dpkg").arg("--print-architecture").output();
    let architecture = listed.map(|shown| String::from_utf8_lossy(&shown.stdout).trim().to_owned());
    let architecture = architecture.unwrap_or_default();
    names.map(|name| folder.join(format!("{name}_{version}_{architecture}.deb")))
}

/// Returns the PAM module, which Cargo builds for the tests of telarchd, beside the test programs.
///
/// # Panics
/// If it has not been built.
fn built_pam_module() -> PathBuf {
    let module = built_program("telarchd").with_file_name("deps").join("libpam_telarch.so");
    assert!(
        module.is_file(),
        "{} is missing\n  build it with: cargo test --no-run -p telarchd",
        module.display()
    );
    module
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    listed.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|data| data.modified()).ok()
}

/// Returns the number of the first process that `process` has started.
fn first_child(process: &Child) -> Option<String> {
    let id = process.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split_whitespace().next().map(str::to_owned)
}

/// Name of the control group of systemd.
fn control_group() -> String {
    format!("telarch-test-{}", std::process::id())
}

/// Starts systemd: `$1` is the directory of the system, `$2` the control group.
const BOOT: &str = "\
    set -e
    umount $1/proc; mount -t proc none $1/proc
    mount -t sysfs none $1/sys
    mount -t tmpfs none $1/run
    mount -t cgroup2 none $1/sys/fs/cgroup
    mkdir $1/sys/fs/cgroup/$2
    echo $$ >$1/sys/fs/cgroup/$2/cgroup.procs
    umount $1/sys/fs/cgroup
    exec unshare --cgroup sh -c 'mount -t cgroup2 none $1/sys/fs/cgroup
        exec chroot $1 env -i PATH=/usr/sbin:/usr/bin container=test /lib/systemd/systemd' boot $1";

/// Removes the control groups that systemd has left: `$1` is the directory of the system, `$2` the control group.
const REMOVE_GROUP: &str = "\
    mount -t cgroup2 none $1/mnt && cd $1/mnt
    for i in $(seq 100); do
        find $2 -depth -type d -exec rmdir {} + 2>/dev/null
        [ -d $2 ] || break
        sleep 0.1
    done";

/// Packages of the clients and of the service.
const BOTH: [&str; 2] = ["telarch-client", "telarch"];
const PROGRAMS: [&str; 7] =
    ["telarchd", "telarch-forwarder", "wecutil", "wevtutil", "winrm", "winrs", "telarch"];
/// A directory of every Linux machine, over which the system is mounted.
const ROOT: &str = "/mnt";
/// Socket for the message of the service that it is ready.
const NOTIFICATIONS: &str = "/run/notify";
const LIMIT: Duration = Duration::from_secs(120);
