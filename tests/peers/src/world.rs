//! A machine of one's own for a test: a network with nothing but loopback, `/etc`, `/var` and `/run` that are gone
//! afterwards, and on its bus the systemd, the firewalld and the ufw of this machine.

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::python::environment_program;
use crate::run::{Run, run};
use crate::telarchd::built_program;

/// Environment of a test; every process started in it ends with it.
#[derive(Default)]
pub struct World {
    started: RefCell<Vec<Child>>,
    turn: RefCell<Option<File>>,
}

/// Runs `body` in a process that has a machine of its own: the test `name`, as the test program lists it, is started
/// again there. Where that cannot be, it says so and does nothing; `needed` are programs without which it makes no
/// sense.
///
/// # Panics
/// When the machine cannot be made, when there is no such test, or when it fails there.
pub fn in_world(name: &str, needed: &[&str], body: impl FnOnce(&World)) {
    if let Some(world) = World::here() {
        return body(&world);
    }
    again_apart(name, |test| apart(test, needed));
}

/// Runs `body` with a mount and network namespace only: no bus, and the `/etc`, `/var` and `/run` of the machine.
///
/// # Panics
/// As [`in_world`].
pub fn in_bare_world(name: &str, needed: &[&str], body: impl FnOnce()) {
    if std::env::var_os(INSIDE_BARE).is_some() {
        return body();
    }
    again_apart(name, |test| {
        let mut command = namespaces(test, needed, &["unshare", "mount"], "true")?;
        command.env(INSIDE_BARE, "1");
        Ok(command)
    });
}

/// Starts a test of this program again in namespaces, or says why it is skipped.
fn again_apart(name: &str, namespaces: impl FnOnce(&Path) -> Result<Command, String>) {
    let test = std::env::current_exe().expect("a test program knows its own path");
    let mut again = match namespaces(&test) {
        Ok(command) => command,
        Err(reason) => return skips::skip!("{reason}"),
    };
    again.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    let ended = run(&mut again, b"", LONGEST_TEST);
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.code, 0, "on a machine of its own:\n{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "{name} is not the name of this test:\n{stdout}");
    eprint!("{stderr}");
}

/// A command that runs a program in namespaces of its own, where [`World::here`] makes a machine of them.
///
/// # Errors
/// Why there can be none, and what to do about it.
pub fn apart(program: &Path, needed: &[&str]) -> Result<Command, String> {
    let trial = "mount -t tmpfs none /run && mkdir /run/u /run/w && \
                 mount -t overlay none -o lowerdir=/etc,upperdir=/run/u,workdir=/run/w /etc";
    let mut command =
        namespaces(program, needed, &["unshare", "mount", "ip", "dbus-daemon", "gdbus"], trial)?;
    command
        .env(INSIDE, "1")
        .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={BUS}"))
        .env("HOME", "/run/home");
    command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_STATE_HOME");
    Ok(command)
}

/// A command that runs a program with mounts and a network of its own, in which a trial succeeds.
fn namespaces(program: &Path, needed: &[&str], also: &[&str], trial: &str) -> Result<Command, String> {
    if let Some(missing) = needed.iter().chain(also).find(|name| self::program(name).is_none()) {
        return Err(format!("there is no {missing} here (./test --install, or your package manager)"));
    }
    let tried = Command::new("unshare").args(["--net", "--mount", "sh", "-c", trial]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return Err(
            "the kernel gives this user no network and no mounts of its own: run it as root".to_owned()
        );
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount"]).arg(program);
    Ok(command)
}

impl World {
    /// The machine of this process, if [`apart`] has started it.
    ///
    /// # Panics
    /// When it cannot be furnished.
    #[must_use]
    pub fn here() -> Option<Self> {
        std::env::var_os(INSIDE)?;
        let world = Self::default();
        world.furnish();
        Some(world)
    }

    fn furnish(&self) {
        done(Command::new("mount").args(["-t", "tmpfs", "none", "/run"]));
        fs::create_dir("/run/home").expect("a home");
        for folder in ["etc", "var"] {
            let parts = ["upper", "work"].map(|part| format!("/run/over/{folder}/{part}"));
            parts.iter().for_each(|part| fs::create_dir_all(part).expect("a folder"));
            let [upper, work] = parts;
            let options = format!("lowerdir=/{folder},upperdir={upper},workdir={work}");
            done(Command::new("mount").args([
                "-t",
                "overlay",
                "none",
                "-o",
                &options,
                &format!("/{folder}"),
            ]));
        }
        done(Command::new("ip").args(["link", "set", "lo", "up"]));
        fs::create_dir_all("/run/user/0").expect("a folder");
        fs::write("/run/bus.conf", BUS_SETTINGS).expect("a file");
        self.start(Command::new("dbus-daemon").args(["--config-file=/run/bus.conf", "--nofork"]));
        waits_for("the bus", || Path::new(BUS).exists());
    }

    /// Starts a program that ends with the world.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self, command: &mut Command) -> u32 {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it is installed");
        let id = child.id();
        self.started.borrow_mut().push(child);
        id
    }

    /// Starts a systemd that knows the unit of the service with this text; it is a manager of units like the one of
    /// the machine. It brings its own bus, so it has to be started before whatever else is on the bus of this world.
    /// Two of them would end each other's programs, because they have the same control groups: one waits for the other.
    ///
    /// # Panics
    /// When it does not start.
    pub fn systemd(&self, unit: &str) {
        let turn = File::create(std::env::temp_dir().join("telarch-tests-systemd")).expect("a file");
        turn.lock().expect("a lock");
        *self.turn.borrow_mut() = Some(turn);
        // systemd checks for this directory to find out whether it runs in a container without systemd.
        fs::create_dir_all("/run/systemd/system").expect("a folder");
        let folder = PathBuf::from("/run/home/.config/systemd/user");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("telarchd.service"), unit).expect("a file");
        self.end();
        let _ = fs::remove_file(BUS);
        let mut systemd = Command::new("/lib/systemd/systemd");
        systemd.arg("--user").env("XDG_RUNTIME_DIR", "/run/user/0").stderr(Stdio::null());
        self.start(&mut systemd);
        waits_for("the bus of systemd", || Path::new(BUS).exists());
        self.comes("org.freedesktop.systemd1");
        let own = Path::new("/run/systemd/private");
        let _ = fs::remove_file(own);
        std::os::unix::fs::symlink("/run/user/0/systemd/private", own).expect("a link");
    }

    /// Starts firewalld, with the rules it ships.
    ///
    /// # Panics
    /// When it does not start.
    pub fn firewalld(&self) {
        self.start(Command::new("firewalld").args(["--nofork", "--nopid"]).stderr(Stdio::null()));
        self.comes("org.fedoraproject.FirewallD1");
        // The name is taken before the rules are there.
        waits_for("firewalld", || self.shell("firewall-cmd --state").code == 0);
    }

    /// Starts our service of the machine and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    pub fn service(&self, program: &Path, arguments: &[&str]) {
        let manager = UnixDatagram::bind("/run/notify").expect("a socket");
        manager.set_read_timeout(Some(LONGEST_STEP)).expect("a limit");
        self.start(Command::new(program).args(arguments).env("NOTIFY_SOCKET", "/run/notify"));
        let mut message = [0; 4_096];
        while manager.recv(&mut message).is_ok() {
            if message.starts_with(b"READY=1") {
                return;
            }
        }
        panic!("the service does not get ready");
    }

    /// Starts a mock of a service of the bus (python-dbusmock).
    ///
    /// # Panics
    /// When it does not start.
    pub fn mock(&self, name: &str, path: &str, interface: &str) {
        self.start(
            Command::new("/usr/bin/python3").args(["-m", "dbusmock", "--system", name, path, interface]),
        );
        self.comes(name);
    }

    /// Starts a mock of a service of the bus that python-dbusmock knows itself.
    ///
    /// # Panics
    /// When it does not start.
    pub fn known_mock(&self, template: &str, name: &str) {
        let arguments = ["-m", "dbusmock", "--system", "--template", template];
        self.start(Command::new("/usr/bin/python3").args(arguments));
        self.comes(name);
    }

    /// Gives an object of a mock a method, whose code is Python.
    ///
    /// # Panics
    /// When there is no such mock.
    pub fn method(&self, name: &str, path: &str, method: [&str; 5]) {
        let [interface, method, takes, gives, code] = method;
        let arguments = [interface, method, takes, gives, code].map(|text| format!("{text:?}"));
        let call = "org.freedesktop.DBus.Mock.AddMethod";
        let mut gdbus = Command::new("gdbus");
        gdbus.args(["call", "--system", "--dest", name, "--object-path", path, "--method", call]);
        done(gdbus.args(arguments));
    }

    /// Waits until a service is on the bus.
    ///
    /// # Panics
    /// When it does not come.
    pub fn comes(&self, name: &str) {
        // A bus that just begins closes connections.
        let wait = ["wait", "--system", "--timeout", "5", name];
        waits_for(name, || run(Command::new("gdbus").args(wait), b"", LONGEST_STEP).code == 0);
    }

    /// Runs a command line of the shell to its end.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn shell(&self, line: &str) -> Run {
        run(Command::new("sh").args(["-c", line]), b"", LONGEST_STEP)
    }
}

impl World {
    fn end(&self) {
        for mut child in self.started.borrow_mut().drain(..).rev() {
            let _ = kill_process(Pid::from_child(&child), Signal::TERM);
            let until = Instant::now() + Duration::from_secs(5);
            while child.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < until {
                sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.end();
    }
}

/// The SHA-256 of the certificate at a port of this world, as openssl shows it.
///
/// # Panics
/// When no certificate can be had.
#[must_use]
pub fn served_fingerprint(world: &World, port: u16) -> String {
    let shown = world.shell(&format!(
        "openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
    ));
    let line = String::from_utf8_lossy(&shown.stdout).into_owned();
    line.trim().split_once('=').unwrap_or_else(|| panic!("no certificate: {shown:?}")).1.to_owned()
}

/// A program of this workspace.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn own_program(name: &str) -> PathBuf {
    built_program(name)
}

/// The Python of the peers' environment.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn python_of_peers() -> PathBuf {
    PathBuf::from(environment_program("python").get_program())
}

/// Runs a command that has to succeed.
fn done(command: &mut Command) {
    let ended = run(command, b"", LONGEST_STEP);
    assert_eq!(ended.code, 0, "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

fn waits_for(what: &str, is_there: impl Fn() -> bool) {
    let until = Instant::now() + LONGEST_STEP;
    while !is_there() {
        assert!(Instant::now() < until, "{what} does not come");
        sleep(Duration::from_millis(20));
    }
}

/// Administrative programs are not in the search path of ordinary users.
fn program(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/lib/systemd"];
    folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists())
}

/// The variable that tells a test that it is inside already.
const INSIDE: &str = "TELARCH_WORLD";

/// Variable that marks a process in a bare world.
const INSIDE_BARE: &str = "TELARCH_BARE_WORLD";
const BUS: &str = "/run/user/0/bus";
/// Everybody may do everything on it.
const BUS_SETTINGS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/user/0/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"#;
const LONGEST_STEP: Duration = Duration::from_secs(60);
const LONGEST_TEST: Duration = Duration::from_secs(600);
