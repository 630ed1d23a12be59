//! The service of a machine under test: started by root, for users of the machine.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::kdc::{REALM, Realm};
use crate::pwsh::Pwsh;
use crate::pypsrp::Pypsrp;
use crate::python::Login;
use crate::pywinrm::Pywinrm;
use crate::run::{Run, run};
use crate::telarchd::{PASSWORD, USER, built_program};
use crate::way_in::WayIn;

/// A running `telarchd` of root with one user, whose processes are separated; both are gone when it is dropped.
///
/// The user has a name of its own and the password [`PASSWORD`], by which PAM knows it. In a realm the principal of
/// [`USER`] is this user.
pub struct Machine {
    service: Child,
    person: Person,
    /// Other users, for [`Proof::RunAs`].
    others: Vec<Person>,
    url: String,
    folder: TempDir,
}

/// A user of this machine who is there for a while.
struct Person(String);

/// Credentials of the user of a machine, besides the password that PAM verifies.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// Nothing; the service listens for HTTPS.
    Password,
    /// As `Nothing`, and PowerShell remoting uses this program.
    PowerShell(&'a Pwsh),
    /// As `PowerShell`, with an endpoint `Backup` that runs as [`Machine::account`]. [`Machine::user`] and
    /// [`Machine::second`] may use it, [`Machine::stranger`] may use other endpoints only.
    RunAs(&'a Pwsh),
    /// As `Nothing`, and the user is a member of the Windows group with this key in the table `[Groups]`.
    MemberOf(&'a str),
    /// A client certificate, which the user may map to its account; the service listens for HTTPS.
    Certificate,
    /// NTLM, also inside CredSSP: there is an NT hash. The service listens for HTTP.
    NtHash,
    /// A ticket. The service listens for HTTP.
    Ticket(&'a Realm),
}

impl Machine {
    /// Starts a service, or skips the test and returns `None` without root.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(proof: Proof<'_>) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skips::skip!("it takes root to serve a machine");
            return None;
        }
        let person = Person::make();
        let others: Vec<Person> = match proof {
            Proof::RunAs(_) => (0..3).map(|_| Person::make()).collect(),
            _ => Vec::new(),
        };
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        let (transport, rights) = match proof {
            Proof::Password | Proof::MemberOf(_) | Proof::PowerShell(_) | Proof::RunAs(_) => {
                ("HTTPS", "GRGX")
            }
            Proof::Certificate => ("HTTPS", "GA"),
            Proof::NtHash | Proof::Ticket(_) => ("HTTP", "GRGX"),
        };
        let config = format!(
            "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;BA)(A;;{rights};;;AU)\"\nService.Auth.Basic = true\n\
             Service.Auth.CredSSP = true\nService.Auth.Certificate = true\nClient.AllowUnencrypted = true\n\
             [[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"{transport}\"\nPort = {}\n",
            free.port()
        );
        let groups = match proof {
            // A group without other members.
            Proof::MemberOf(group) => format!("[Groups]\n{group} = [\"{}\"]\n", person.0),
            Proof::PowerShell(pwsh) => {
                format!("[PowerShell]\nProgram = {:?}\n", pwsh.program().display().to_string())
            }
            Proof::RunAs(pwsh) => run_as(pwsh, folder.path(), &person, &others),
            _ => String::new(),
        };
        let config = config + &groups;
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).expect("a file");
        write("config.toml", &config);
        write("principals", &format!("{USER}@{REALM} {}\n", person.0));
        let manager = UnixDatagram::bind(path("notify")).expect("a socket");
        let mut command = Command::new(built_program("telarchd"));
        command.arg("--config").arg(path("config.toml")).arg("--state").arg(path("state"));
        command.args(["--gateway-user", "nobody"]).env("NOTIFY_SOCKET", path("notify"));
        match proof {
            Proof::Password
            | Proof::MemberOf(_)
            | Proof::Certificate
            | Proof::PowerShell(_)
            | Proof::RunAs(_) => {}
            Proof::NtHash => keep_nt_hash(&person, folder.path()),
            Proof::Ticket(realm) => _ = command.envs(realm.environment()),
        }
        let service = command.stdin(Stdio::null()).spawn().expect("telarchd");
        let url = format!("{}://localhost:{}/wsman", transport.to_ascii_lowercase(), free.port());
        let machine = Self { service, person, others, url, folder };
        until_ready(&manager);
        Some(machine)
    }

    /// The name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.person.0
    }

    /// Returns the account of the endpoint of [`Proof::RunAs`].
    ///
    /// # Panics
    /// For another proof.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.others.first().expect("Proof::RunAs").0
    }

    /// Returns the second user of the endpoint of [`Proof::RunAs`].
    ///
    /// # Panics
    /// For another proof.
    #[must_use]
    pub fn second(&self) -> &str {
        &self.others.get(1).expect("Proof::RunAs").0
    }

    /// Returns a user without access to the endpoint of [`Proof::RunAs`].
    ///
    /// # Panics
    /// For another proof.
    #[must_use]
    pub fn stranger(&self) -> &str {
        &self.others.get(2).expect("Proof::RunAs").0
    }

    /// Returns pypsrp, which signs in as another user.
    #[must_use]
    pub fn pypsrp_of(&self, user: &str, way: WayIn) -> Pypsrp {
        Pypsrp(Login::of(user, &self.url, way))
    }

    /// Writes a policy file, which the service reads at once.
    ///
    /// # Panics
    /// If that fails.
    pub fn set_policy(&self, text: &str) {
        let folder = self.folder.path().join("policy.d");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("10-test.toml"), text).expect("a file");
    }

    /// Returns the URL of the service.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of its state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Returns the path of its socket for programs of this machine.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.state().join("local.sock")
    }

    /// pywinrm, which signs in as the user.
    #[must_use]
    pub fn pywinrm(&self, way: WayIn) -> Pywinrm {
        Pywinrm(Login::of(self.user(), &self.url, way))
    }

    /// pypsrp, which signs in as the user.
    #[must_use]
    pub fn pypsrp(&self, way: WayIn) -> Pypsrp {
        Pypsrp(Login::of(self.user(), &self.url, way))
    }

    /// Has `winrs` sign in by Kerberos with the ticket that is there, and run a command line.
    ///
    /// # Panics
    /// When it is not built.
    #[must_use]
    pub fn winrs(&self, realm: &Realm, switches: &[&str], line: &str) -> Run {
        let mut winrs = Command::new(built_program("winrs"));
        winrs.arg(format!("-r:{}", self.url)).args(switches).arg(line).envs(realm.environment());
        run(&mut winrs, b"", LIMIT)
    }
}

/// Returns the settings of [`Proof::RunAs`], and creates the session configuration file of the endpoint.
fn run_as(pwsh: &Pwsh, folder: &Path, person: &Person, others: &[Person]) -> String {
    let [account, second, _] = others else { panic!("three other users") };
    let configurations = folder.join("configurations");
    fs::create_dir(&configurations).expect("a folder");
    fs::write(configurations.join("Backup.pssc"), "@{}").expect("a file");
    // The account of the endpoint reads them.
    for folder in [folder, &configurations] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    format!(
        "[Winrs]\nMaxShellsPerUser = 2\n\
         [PowerShell]\nProgram = {:?}\nConfigurations = {:?}\n\
         [Groups]\nRemoteManagementUsers = [{:?}, {:?}]\n\
         [[Plugin]]\nName = \"PowerShell\"\n\
         [[Plugin.Endpoint]]\nName = \"Backup\"\nRunAsUser = {:?}\n\
         [[Plugin.Security]]\nUri = \"http://schemas.microsoft.com/powershell/Backup\"\nSddl = \"D:P(A;;GA;;;RM)\"\n\
         [[Plugin.Security]]\nUri = \"http://schemas.microsoft.com/powershell\"\nSddl = \"D:P(A;;GA;;;AU)\"\n",
        pwsh.program().display().to_string(),
        configurations.display().to_string(),
        person.0,
        second.0,
        account.0,
    )
}

/// Waits until a service has told its manager that it is ready.
pub(crate) fn until_ready(manager: &UnixDatagram) {
    manager.set_read_timeout(Some(LIMIT)).expect("a limit");
    let until = Instant::now() + LIMIT;
    let mut message = [0; 4_096];
    while Instant::now() < until {
        if manager.recv(&mut message).is_ok_and(|length| message.starts_with(b"READY=1") && length == 7) {
            return;
        }
    }
    panic!("telarchd does not get ready");
}

/// Adds the user to the accounts of a service that is not started yet, with an NT hash.
fn keep_nt_hash(person: &Person, folder: &Path) {
    let mut telarch = Command::new(built_program("telarch"));
    telarch.args(["account", "add", &person.0, "--ntlm", "--password-stdin"]);
    telarch.arg("--file").arg(folder.join("accounts")).arg("--state").arg(folder.join("state"));
    let ended = run(&mut telarch, format!("{PASSWORD}\n").as_bytes(), LIMIT);
    assert_eq!(ended.code, 0, "telarch account add: {ended:?}");
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.service), Signal::TERM);
        let _ = self.service.wait();
    }
}

impl Person {
    fn make() -> Self {
        let mut random = [0; 4];
        let filled = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        assert_eq!(filled, Ok(4));
        let person = Self(format!("tel{:08x}", u32::from_ne_bytes(random)));
        let made = Command::new("useradd").args(["--create-home", "--shell", "/bin/sh", &person.0]).status();
        assert!(made.is_ok_and(|status| status.success()), "useradd");
        let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().expect("chpasswd");
        let mut stdin = chpasswd.stdin.take().expect("it was asked for");
        writeln!(stdin, "{}:{PASSWORD}", person.0).expect("it reads");
        drop(stdin);
        assert!(chpasswd.wait().is_ok_and(|status| status.success()), "chpasswd");
        person
    }

    fn home(&self) -> PathBuf {
        Path::new("/home").join(&self.0)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = Command::new("pkill").args(["-KILL", "-U", &self.0]).status();
        let _ = Command::new("userdel").args(["--force", "--remove", &self.0]).stderr(Stdio::null()).status();
        if self.home().exists() {
            eprintln!("{} is still there", self.home().display());
        }
    }
}

/// Whatever takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
