//! Files that another user has created, linked or can change: they are refused at once with a reason.
//!
//! All cases are tested as root, if root runs the tests, and as an ordinary user.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::PATIENCE;
use crate::service_process::{GATEWAY_USER, Telarchd, is_root, listener};

/// A user ID that does not exist on the machine.
const STRANGER: u32 = 54_321;
/// User ID of the attacker.
const MALLORY: u32 = 54_322;

/// A folder with valid files of one user, who starts the service.
struct Place {
    folder: tempfile::TempDir,
    uid: u32,
}

/// Modification of a file.
#[derive(Clone, Copy, Debug)]
enum Trick {
    Mode(u32),
    /// Writable for a group other than the user's own.
    Group,
    GivenAway,
    LinkToGivenAway,
    Link,
    Fifo,
    Directory,
    File,
}

impl Place {
    fn of(uid: u32) -> Self {
        let folder = tempfile::Builder::new().prefix("telarchd-it-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let place = Self { folder, uid };
        let program = place.path("telarchd");
        fs::hard_link(env!("CARGO_BIN_EXE_telarchd"), &program)
            .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_telarchd"), &program).map(drop))
            .unwrap();
        fs::create_dir(place.path("files")).unwrap();
        for name in ["config.toml", "accounts", "state/machine-sid", "state/audit.jsonl"] {
            let text = if name.ends_with("sid") { "S-1-5-21-1-2-3\n" } else { "" };
            let path = place.file(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            place.own(&path, 0o600);
        }
        place.own(&place.file("state"), 0o700);
        place.own(&place.file(""), 0o755);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path("files").join(name)
    }

    fn own(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        if is_root() {
            chown(path, Some(self.uid), Some(self.uid)).unwrap();
        }
    }

    /// Tampers with a file; `None` if only root could do it.
    fn tamper(&self, name: &str, trick: Trick) -> Option<()> {
        let path = self.file(name);
        let remove = || {
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        };
        match trick {
            Trick::Mode(mode) => self.own(&path, mode),
            Trick::Group if is_root() => {
                chown(&path, None, Some(MALLORY)).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
            }
            Trick::GivenAway if is_root() => give_away(&path),
            Trick::LinkToGivenAway if is_root() => {
                let elsewhere = self.path("elsewhere");
                fs::rename(&path, &elsewhere).unwrap();
                give_away(&elsewhere);
                symlink(&elsewhere, &path).unwrap();
            }
            Trick::Group | Trick::GivenAway | Trick::LinkToGivenAway => return None,
            Trick::Link => {
                remove();
                symlink(self.victim(), &path).unwrap();
            }
            Trick::Fifo => {
                remove();
                assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
                self.own(&path, 0o600);
            }
            Trick::Directory => {
                remove();
                fs::create_dir(&path).unwrap();
                self.own(&path, 0o700);
            }
            Trick::File => {
                remove();
                fs::write(&path, "").unwrap();
                self.own(&path, 0o600);
            }
        }
        Some(())
    }

    /// Returns a file of the same user that must not be written.
    fn victim(&self) -> PathBuf {
        let path = self.path("victim");
        if !path.exists() {
            fs::write(&path, VICTIM).unwrap();
            self.own(&path, 0o600);
        }
        path
    }

    fn command(&self) -> Command {
        let mut command = if is_root() && self.uid != 0 {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.uid));
            command.args(["--clear-groups", "--"]).arg(self.path("telarchd"));
            command
        } else {
            Command::new(self.path("telarchd"))
        };
        command.arg("--config").arg(self.file("config.toml")).arg("--state").arg(self.file("state"));
        command.arg("--accounts").arg(self.file("accounts")).args(["--gateway-user", GATEWAY_USER]);
        command.env_remove("NOTIFY_SOCKET").current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Starts the service and returns its error message; an error if it starts or hangs instead.
    fn refusal(&self) -> Result<String, &'static str> {
        let mut child = self.command().spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let (said, says) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            let _ = said.send(text);
        });
        let begin = Instant::now();
        // Either the process ends or its socket appears; no event covers both.
        let socket = self.file("state/local.sock");
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(!status.success(), "it ended successfully");
                return Ok(says.recv().unwrap());
            }
            let is_listening = std::os::unix::net::UnixStream::connect(&socket).is_ok();
            if is_listening || begin.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                return Err(if is_listening { "the service has started" } else { "the service hangs" });
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// Changes the owner of a file. It stays readable, so that the refusal is not due to missing rights.
fn give_away(path: &Path) {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chown(path, Some(MALLORY), Some(MALLORY)).unwrap();
}

const VICTIM: &str = "not for writing\n";

/// Returns the users that start the service.
fn users() -> Vec<u32> {
    if !is_root() {
        skips::skip_part!("only root can start the service as another user and give files away");
        return vec![rustix::process::geteuid().as_raw()];
    }
    vec![0, STRANGER]
}

#[test]
fn files_in_order_are_accepted_from_root_and_ordinary_users() {
    for uid in users() {
        assert_eq!(Place::of(uid).refusal(), Err("the service has started"), "{uid}");
    }
}

#[test]
fn a_file_that_other_users_could_have_changed_is_refused() {
    use Trick::{Directory, Fifo, File, GivenAway, Group, Link, LinkToGivenAway, Mode};
    let tricks: [(&str, Trick, &str); 33] = [
        ("config.toml", Mode(0o646), "is writable by all users: run chmod o-w"),
        ("config.toml", GivenAway, "is owned by user 54322: run chown root"),
        ("config.toml", LinkToGivenAway, "is owned by user 54322: run chown root"),
        ("config.toml", Fifo, "not a regular file"),
        ("config.toml", Directory, "not a regular file"),
        (
            "accounts",
            Mode(0o604),
            "other users can read or change it\n  check its content, then run: chmod 600",
        ),
        ("accounts", Mode(0o640), "other users can read or change it"),
        ("accounts", Mode(0o620), "other users can read or change it"),
        ("accounts", Mode(0o602), "other users can read or change it"),
        ("accounts", Group, "other users can read or change it"),
        ("accounts", GivenAway, "belongs to user 54322, who could change who may sign in"),
        ("accounts", LinkToGivenAway, "belongs to user 54322"),
        ("accounts", Fifo, "is not a regular file"),
        ("accounts", Directory, "is not a regular file"),
        (
            "state/machine-sid",
            Mode(0o602),
            "other users can change it\n  check its content, then run: chmod go-w",
        ),
        ("state/machine-sid", Group, "other users can change it"),
        ("state/machine-sid", GivenAway, "belongs to user 54322"),
        ("state/machine-sid", LinkToGivenAway, "belongs to user 54322"),
        ("state/machine-sid", Fifo, "is not a regular file"),
        ("state/machine-sid", Directory, "is not a regular file"),
        ("state/audit.jsonl", Mode(0o602), "can be changed by other users; run chmod go-w"),
        ("state/audit.jsonl", Group, "can be changed by other users; run chmod go-w"),
        ("state/audit.jsonl", GivenAway, ""),
        ("state/audit.jsonl", Link, "audit files must not be symbolic links"),
        ("state/audit.jsonl", Fifo, "not a regular file"),
        ("state/audit.jsonl", Directory, "not a regular file"),
        ("state", Mode(0o702), "can be changed by other users\n  check its content, then run chmod 700"),
        ("state", Group, "can be changed by other users"),
        ("state", GivenAway, ""),
        ("state", File, "state"),
        ("state/local.sock", Link, "exists and is not a socket"),
        ("state/local.sock", File, "exists and is not a socket"),
        ("state/local.sock", Directory, "exists and is not a socket"),
    ];
    let mut tried = 0;
    for uid in users() {
        for (name, trick, expected) in tricks {
            let place = Place::of(uid);
            let victim = place.victim();
            if place.tamper(name, trick).is_none() {
                continue;
            }
            let refusal = place.refusal();
            let said = refusal.unwrap_or_else(|what| panic!("{uid}, {name}, {trick:?}: {what}"));
            let said = said
                .lines()
                .skip_while(|line| !line.starts_with("telarchd: "))
                .collect::<Vec<_>>()
                .join("\n");
            assert!(said.contains(expected), "{uid}, {name}, {trick:?}: {said}");
            // The target of a link is named instead.
            let is_named = said.contains(name) || said.contains("/elsewhere ");
            assert!(is_named, "{uid}, {name}, {trick:?}: the file is not named: {said}");
            assert_eq!(fs::read_to_string(&victim).unwrap(), VICTIM, "{name}, {trick:?}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn root_refuses_group_writable_files_and_users_accept_their_own_group() {
    if !is_root() {
        skips::skip!("only root can give files to groups and users");
        return;
    }
    let place = Place::of(0);
    place.tamper("config.toml", Trick::Group).unwrap();
    let said = place.refusal().unwrap();
    assert!(said.contains("is writable by group 54322: run chmod g-w"), "{said}");
    let place = Place::of(STRANGER);
    place.own(&place.file("config.toml"), 0o664);
    assert_eq!(place.refusal(), Err("the service has started"));
}

#[test]
fn links_in_place_of_temporary_files_are_replaced_not_followed() {
    for uid in users() {
        let place = Place::of(uid);
        fs::remove_file(place.file("state/machine-sid")).unwrap();
        let victim = place.victim();
        for name in ["state/local.new", ".config.toml.new", ".accounts.new"] {
            symlink(&victim, place.file(name)).unwrap();
        }
        assert_eq!(place.refusal(), Err("the service has started"), "{uid}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), VICTIM);
        assert!(fs::symlink_metadata(place.file("state/machine-sid")).unwrap().is_file());
    }
}

#[test]
fn a_certificate_that_is_a_fifo_does_not_block_the_service() {
    let thumbprint = "0123456789ABCDEF0123456789ABCDEF01234567";
    let certificate = format!("CertificateThumbprint = \"{thumbprint}\"");
    let telarchd = Telarchd::new(&listener("IP:127.0.0.1", "HTTPS", 45_986, &certificate));
    let path = telarchd.file("certificates").join(format!("{thumbprint}.pem"));
    assert!(Command::new("mkfifo").arg("-m").arg("600").arg(&path).status().unwrap().success());
    let output = telarchd.command().arg("--check").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("not a regular file of at most 1 MiB"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn files_that_become_insecure_are_refused_on_reload() {
    let telarchd = Telarchd::start("");
    let set_mode = |name: &str, mode| {
        fs::set_permissions(telarchd.file(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode("config.toml", 0o666);
    set_mode("accounts", 0o666);
    set_mode("state/audit.jsonl", 0o666);
    telarchd.reload();
    telarchd.wait_for_log(&["Cannot reload the settings", "is writable by all users"]);
    telarchd.wait_for_log(&["Cannot reload the account file", "other users can read or change it"]);
    telarchd.wait_for_log(&["Cannot reopen the audit file", "can be changed by other users"]);
}
