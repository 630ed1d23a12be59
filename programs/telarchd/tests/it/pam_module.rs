//! The PAM module `pam_telarch`, loaded by the libpam of this machine from service files of the tests.
//!
//! A user of the machine signs in to libpam with pam_unix and this module, as at a console, and then to the service
//! with NTLM. `/etc/pam.d` is not changed.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use accounts::{IfMissing, LinuxUsers, NtHashState};
use auth::account_file::{EnabledState, Record};
use client::Authentication;
use ports::free_ports;

use crate::ntlm::{HTTP_ONLY_SEALED, offered, open_shell};
use crate::separated::OPEN_TO_USERS;
use crate::service_process::{PASSWORD, Telarchd, listener};
use crate::test_user::TestUser;

/// A service, a user of the machine, and PAM services with the module.
struct Machine {
    telarchd: Telarchd,
    port: u16,
    user: TestUser,
}

impl Machine {
    /// Starts the service; `None` if the test lacks the rights or programs.
    fn start() -> Option<Self> {
        if Command::new(PYTHON).arg("--version").output().is_err() {
            skips::skip!("{PYTHON} is missing, which calls libpam");
            return None;
        }
        let user = TestUser::create()?;
        let [port] = free_ports();
        let listener = listener("IP:127.0.0.1", "HTTP", port, "");
        let telarchd = Telarchd::start(&[HTTP_ONLY_SEALED, OPEN_TO_USERS, &listener].concat());
        fs::create_dir(telarchd.file("pam.d")).unwrap();
        let machine = Self { telarchd, port, user };
        machine.configure("");
        Some(machine)
    }

    /// Writes the PAM service `login` with the module and these additional arguments.
    fn configure(&self, more: &str) {
        let module = module();
        let (accounts, state) = (self.telarchd.file("accounts"), self.telarchd.state());
        let module =
            format!("{} accounts={} state={} {more}", module.display(), accounts.display(), state.display());
        // Without a delay after a wrong password.
        let lines = format!(
            "auth required pam_unix.so nodelay\nauth optional {module}\naccount required pam_unix.so\n\
             password required pam_unix.so yescrypt\npassword optional {module}\n"
        );
        fs::write(self.telarchd.file("pam.d").join("login"), lines).unwrap();
    }

    fn pam(&self, action: &str, password: &str) -> Output {
        let mut python = Command::new(PYTHON);
        python.args(["-c", CALLER]).arg(self.telarchd.file("pam.d")).args([action, &self.user.name]);
        let mut python =
            python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        write!(python.stdin.take().unwrap(), "{password}").unwrap();
        python.wait_with_output().unwrap()
    }

    /// Signs in to libpam; returns whether PAM accepts the password.
    fn sign_in_locally(&self, password: &str) -> bool {
        let shown = self.pam("authenticate", password);
        assert!(shown.stderr.is_empty(), "{}", String::from_utf8_lossy(&shown.stderr));
        shown.status.success()
    }

    /// Changes the password through libpam, as passwd(1) does for root.
    fn change_password(&self, password: &str) {
        let shown = self.pam("chauthtok", password);
        assert!(shown.status.success(), "{shown:?}");
    }

    /// Signs in to the service with NTLM, with the current account file.
    fn has_ntlm(&self, password: &str) -> bool {
        self.telarchd.reload();
        open_shell(self.port, Authentication::Negotiate, &self.user.name, password).is_ok()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = Command::new(program).args(arguments).arg(&self.user.name).status().unwrap();
        assert!(status.success(), "{program} {arguments:?}");
    }

    fn record(&self) -> Option<Record> {
        accounts::read(&self.telarchd.file("accounts")).unwrap().find(&self.user.name).cloned()
    }

    fn accounts(&self) -> String {
        fs::read_to_string(self.telarchd.file("accounts")).unwrap()
    }
}

/// Returns the module, which Cargo builds beside the test programs.
fn module() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let module = test.parent().map(|folder| folder.join("libpam_telarch.so")).unwrap();
    assert!(module.is_file(), "{} is missing", module.display());
    module
}

#[test]
fn a_local_sign_in_enables_ntlm_which_follows_the_password() {
    let Some(machine) = Machine::start() else { return };
    assert!(!offered(machine.port).contains(&"Negotiate".to_owned()), "no account could sign in with it");
    let before = machine.accounts();
    assert!(!machine.sign_in_locally("wrong"));
    assert_eq!(machine.accounts(), before, "a wrong password has changed the file");

    assert!(machine.sign_in_locally(PASSWORD));
    assert!(machine.record().unwrap().password.is_never(), "the account has a password of its own");
    assert!(machine.has_ntlm(PASSWORD));
    assert!(offered(machine.port).contains(&"Negotiate".to_owned()));
    assert!(!machine.has_ntlm("wrong"));
    let stored = machine.accounts();
    assert!(machine.sign_in_locally(PASSWORD));
    assert_eq!(machine.accounts(), stored, "the hash was current");

    machine.change_password("new secret 1");
    assert!(machine.has_ntlm("new secret 1"));
    assert!(!machine.has_ntlm(PASSWORD), "the old password still signs in");
}

#[test]
fn a_hash_is_not_used_after_changes_behind_the_module() {
    let Some(machine) = Machine::start() else { return };
    assert!(machine.sign_in_locally(PASSWORD) && machine.has_ntlm(PASSWORD));

    machine.run("usermod", &["--lock"]);
    assert!(!machine.has_ntlm(PASSWORD), "a locked user signs in");
    machine.run("usermod", &["--unlock"]);
    assert!(machine.has_ntlm(PASSWORD));
    machine.run("usermod", &["--expiredate", "1970-01-02"]);
    assert!(!machine.has_ntlm(PASSWORD), "a user whose account has expired signs in");
    machine.run("usermod", &["--expiredate", ""]);
    assert!(machine.has_ntlm(PASSWORD));

    machine.run("usermod", &["--password", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"]);
    assert!(!machine.has_ntlm(PASSWORD), "the previous password still signs in");
    assert!(!machine.has_ntlm("Hello world!"), "the new password was never given to PAM");
    machine.telarchd.wait_for_log(&["NTLM sign-in failed", "changed or locked after its NT hash was stored"]);
    assert!(machine.sign_in_locally("Hello world!"));
    assert!(machine.has_ntlm("Hello world!"));

    let record = machine.record().unwrap();
    let state = || {
        let password = record.linux_password().unwrap();
        let now = std::time::SystemTime::now();
        LinuxUsers::of_this_machine().state_of(&record.name, password, now).unwrap()
    };
    assert_eq!(state(), NtHashState::Current);
    machine.run("userdel", &["--force"]);
    assert_eq!(state(), NtHashState::NoUser);
    assert!(!machine.has_ntlm("Hello world!"), "a deleted user signs in");
}

#[test]
fn the_module_leaves_out_whom_it_should_and_never_blocks_a_sign_in() {
    let Some(machine) = Machine::start() else { return };
    let before = machine.accounts();
    for arguments in ["min_uid=4294967295", "group=root", "unknown", "state=/nonexistent/telarch"] {
        machine.configure(arguments);
        assert!(machine.sign_in_locally(PASSWORD), "{arguments}");
        assert_eq!(machine.accounts(), before, "{arguments}");
    }
    machine.configure("");
    let accounts = machine.telarchd.file("accounts");
    fs::write(&accounts, "half a reco").unwrap();
    assert!(machine.sign_in_locally(PASSWORD), "an unreadable account file");
    machine.change_password("new secret 1");
    fs::write(&accounts, &before).unwrap();

    assert!(machine.sign_in_locally("new secret 1"));
    accounts::update(&accounts, IfMissing::Fail, |file| {
        let disabled = file.set_state(&machine.user.name, EnabledState::Disabled);
        disabled.map_err(|error| error.to_string().into())
    })
    .map_err(|error: Box<dyn std::error::Error>| error.to_string())
    .unwrap();
    let disabled = machine.accounts();
    machine.change_password("new secret 2");
    assert!(machine.sign_in_locally("new secret 2"));
    assert_eq!(machine.accounts(), disabled, "a disabled account was changed");
    assert!(!machine.has_ntlm("new secret 2") && !machine.has_ntlm("new secret 1"));
}

#[test]
fn the_module_exports_nothing_but_the_functions_of_pam() {
    let Ok(shown) = Command::new("nm").args(["--dynamic", "--defined-only"]).arg(module()).output() else {
        return skips::skip!("nm is missing (Debian: apt-get install binutils)");
    };
    let shown = String::from_utf8(shown.stdout).unwrap();
    let mut names: Vec<&str> = shown.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    names.sort_unstable();
    assert_eq!(names, ["pam_sm_authenticate", "pam_sm_chauthtok", "pam_sm_setcred"]);
    assert!(Path::new(&module()).is_absolute());
}

const PYTHON: &str = "/usr/bin/python3";

/// Calls libpam (pam_start_confdir(3), pam_conv(3)): the words are the directory of service files, the function and the
/// user; every prompt without echo is answered with standard input. The exit status is 1 if PAM refuses.
const CALLER: &str = r#"
import ctypes, ctypes.util, sys

class Message(ctypes.Structure):
    _fields_ = [("style", ctypes.c_int), ("text", ctypes.c_char_p)]

class Response(ctypes.Structure):
    _fields_ = [("text", ctypes.c_void_p), ("unused", ctypes.c_int)]

converse_type = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.POINTER(Message)),
    ctypes.POINTER(ctypes.POINTER(Response)), ctypes.c_void_p)

class Conversation(ctypes.Structure):
    _fields_ = [("converse", converse_type), ("context", ctypes.c_void_p)]

libc = ctypes.CDLL(None)
libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p
libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
libc.strdup.argtypes = [ctypes.c_char_p]
libpam = ctypes.CDLL("libpam.so.0")
password = sys.stdin.buffer.read()
folder, action, user = sys.argv[1:]

@converse_type
def converse(count, messages, responses, context):
    memory = libc.calloc(count, ctypes.sizeof(Response))
    replies = ctypes.cast(memory, ctypes.POINTER(Response))
    for at in range(count):
        if messages[at].contents.style == 1:
            replies[at].text = libc.strdup(password)
    responses[0] = replies
    return 0

handle = ctypes.c_void_p()
conversation = Conversation(converse, None)
code = libpam.pam_start_confdir(
    b"login", user.encode(), ctypes.byref(conversation), folder.encode(), ctypes.byref(handle))
assert code == 0, code
code = getattr(libpam, "pam_" + action)(handle, 0)
if code == 0 and action == "authenticate":
    code = libpam.pam_acct_mgmt(handle, 0)
libpam.pam_end(handle, code)
sys.exit(code != 0)
"#;
