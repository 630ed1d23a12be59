//! winbind, simulated by a script that answers as `ntlm_auth` does, and the real one where Samba is installed.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::ntlm::NtlmVerifier as _;
use auth::{AuthError, VerifierCost};
use rustix::process::{Pid, Signal, kill_process_group};
use telarch_accounts::{AnyNtlm, Winbind, WinbindScope};
use tempfile::TempDir;

use super::HERE;
use super::ntlm::{Machine, ntlm, offering};

/// Writes a program with this script. Each start adds a line to the file `starts`, and each input line is added to
/// `requested`.
fn program(script: &str) -> (PathBuf, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ntlm_auth");
    let here = folder.path().display();
    let text = format!("#!/bin/sh\ncd {here}\necho \"$*\" >> starts\n{script}\n");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (path, folder)
}

fn lines(folder: &TempDir, name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Reads and stores one request.
const READ: &str = "while read -r line; do echo \"$line\" >> asked; [ \"$line\" = . ] && break; done";
const YES: &str = "printf 'Authenticated: Yes\\nUser-Session-Key: 00112233445566778899AABBCCDDEEFF\\n.\\n'";
/// Ends with two markers, as Samba 4.17 does.
const NO: &str = "printf 'Authenticated: No\\nAuthentication-Error: Wrong Password\\n.\\n.\\n'";

fn winbind(program: &Path) -> Winbind {
    Winbind::new(program, WinbindScope::Domains, Machine::names())
}

fn ask(winbind: &Winbind, domain: &str, user: &str) -> Result<String, AuthError> {
    winbind.verify(domain, user, &[1; 8], &[2; 60]).map(|verified| verified.account.name)
}

#[test]
fn one_process_answers_all_requests() {
    let script = format!(
        "while :; do user=; {}; case $user in *bm8=*) {NO};; *) {YES};; esac; done",
        READ.replace("echo", "user=$user$line; echo")
    );
    let (path, folder) = program(&script);
    let winbind = winbind(&path);
    assert_eq!(winbind.cost(), VerifierCost::Slow);
    assert_eq!(ask(&winbind, "CORP", "Ann").as_deref(), Ok("CORP\\ann"));
    assert_eq!(ask(&winbind, "CORP", "no"), Err(AuthError::WrongPassword));
    assert_eq!(ask(&winbind, "corp", "ann").as_deref(), Ok("CORP\\ann"));
    assert_eq!(lines(&folder, "starts"), ["--helper-protocol=ntlm-server-1"]);
    let requested = lines(&folder, "asked");
    assert_eq!(requested.iter().filter(|line| *line == ".").count(), 3);
    assert_eq!(
        requested[..6],
        [
            "NT-Domain:: Q09SUA==",
            "Username:: QW5u",
            "LANMAN-Challenge: 0101010101010101",
            &format!("NT-Response: {}", "02".repeat(60)),
            "Request-User-Session-Key: Yes",
            "."
        ]
    );
    // winbind is not asked about local accounts and invalid names.
    for (domain, user) in [("", "ann"), ("NODE7", "ann"), ("CORP", "ann\n."), ("CO\rRP", "ann"), ("CORP", "")]
    {
        assert_eq!(ask(&winbind, domain, user), Err(AuthError::WrongPassword), "{domain:?} {user:?}");
    }
    assert_eq!(lines(&folder, "asked").len(), requested.len());
}

#[test]
fn a_hanging_program_is_killed_and_restarted_after_a_delay() {
    let (path, folder) = program(&format!("{READ}; echo $$ > pid; exec sleep 600"));
    // Killed before it has written its PID, the program is started again with more time.
    let timed_out = [500, 5_000, 60_000].map(Duration::from_millis).into_iter().find_map(|timeout| {
        let winbind = winbind(&path).timeout(timeout);
        let start = Instant::now();
        assert_eq!(ask(&winbind, "CORP", "ann"), Err(AuthError::Unavailable));
        assert!(start.elapsed() >= timeout);
        let pid = fs::read_to_string(folder.path().join("pid")).ok().filter(|pid| pid.ends_with('\n'))?;
        Some((winbind, pid, start + timeout))
    });
    let (winbind, pid, end) = timed_out.expect("the program starts in time");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the program is still running");
    // During the restart delay, which is at least a second, requests fail without a start.
    let before = lines(&folder, "starts").len();
    for _ in 0..20 {
        assert_eq!(ask(&winbind, "CORP", "ann"), Err(AuthError::Unavailable));
    }
    let started = lines(&folder, "starts").len() - before;
    assert!(u64::try_from(started).unwrap() <= end.elapsed().as_secs(), "{started} in {:?}", end.elapsed());
}

#[test]
fn an_exited_program_is_restarted_without_an_error() {
    // The program exits after one answer, and creates a file when it does.
    let (path, folder) = program(&format!("{READ}; {YES}; echo x >> ended"));
    let winbind = winbind(&path);
    assert_eq!(ask(&winbind, "CORP", "ann").as_deref(), Ok("CORP\\ann"));
    let mut verdicts = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while lines(&folder, "starts").len() < 2 && Instant::now() < deadline {
        verdicts.push(ask(&winbind, "CORP", "ann"));
        std::thread::yield_now();
    }
    assert_eq!(verdicts.last(), Some(&Ok("CORP\\ann".to_owned())));
}

#[test]
fn malformed_answers_reject_the_sign_in() {
    for answer in [
        "printf 'Authenticated: Yes\\n.\\n'",
        "printf '.\\n.\\n'; exit 0",
        "printf 'BH\\n.\\n'",
        "printf 'Authenticated: No\\n.\\nAuthenticated: Yes\\nUser-Session-Key: 00112233445566778899AABBCCDDEEFF\\n.\\n'",
        "head -c 40000 /dev/zero",
        "exit 0",
        "printf 'Authenticated: Yes\\nUser-Session-Key: 00000000000000000000000000000000\\n.\\n'",
    ] {
        let (path, _folder) = program(&format!("{READ}; {answer}"));
        // Waiting for more output would take until the timeout.
        let winbind = winbind(&path).timeout(Duration::from_secs(24 * 60 * 60));
        assert_eq!(ask(&winbind, "CORP", "ann"), Err(AuthError::Unavailable), "{answer}");
    }
    let winbind = winbind(Path::new("/nonexistent/ntlm_auth"));
    assert_eq!(ask(&winbind, "CORP", "ann"), Err(AuthError::Unavailable));
}

#[test]
fn file_accounts_sign_in_while_winbind_is_unavailable() {
    let machine = Machine::new();
    let broken = Winbind::new("/nonexistent/ntlm_auth", WinbindScope::Everyone, Machine::names());
    let any = AnyNtlm::new(vec![machine.verifier(), Arc::new(broken)], Arc::new(machine.accounts.clone()));
    let sign_in = offering(Arc::new(any), &machine.accounts);
    assert!(ntlm(&sign_in, HERE, "", "alice", "s3cret").is_ok());
    assert_eq!(ntlm(&sign_in, HERE, "", "alice", "other").err(), Some(AuthError::WrongPassword));
    // There was no verdict on this password, so nothing is locked.
    assert_eq!(ntlm(&sign_in, HERE, "CORP", "ann", "s3cret").err(), Some(AuthError::Unavailable));
}

/// A winbind of its own, of a Samba without a domain that has the user `games` of this machine. In its mount namespace
/// its directory is mounted at `/run/samba`, because the path of its socket is fixed.
struct Samba {
    folder: TempDir,
    daemon: Child,
}

impl Samba {
    /// Returns `None` if Samba or the necessary privileges are missing.
    fn start() -> Option<Self> {
        let programs = ["/usr/sbin/winbindd", "/usr/bin/ntlm_auth", "/usr/bin/smbpasswd", "/usr/bin/nsenter"];
        let may = Command::new("unshare").args(["-m", "test", "-d", "/run/samba"]).status();
        if programs.iter().any(|path| !Path::new(path).exists()) || !may.is_ok_and(|status| status.success())
        {
            skips::skip!("requires root and Samba (Debian: apt-get install winbind samba-common-bin)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut config = "[global]\nnetbios name = NODE7\nworkgroup = LAB\nserver role = standalone server\n\
             ntlm auth = ntlmv2-only\ninterfaces = lo\nbind interfaces only = yes\n"
            .to_owned();
        for (setting, name) in [
            ("private dir", "private"),
            ("lock directory", "lock"),
            ("state directory", "state"),
            ("cache directory", "cache"),
            ("pid directory", "pid"),
            ("ncalrpc dir", "ncalrpc"),
        ] {
            fs::create_dir(path(name)).unwrap();
            config.push_str(&format!("{setting} = {}\n", path(name).display()));
        }
        config.push_str(&format!("passdb backend = tdbsam:{}\n", path("passdb.tdb").display()));
        config.push_str(&format!("log file = {}\n", path("log").display()));
        fs::write(path("smb.conf"), config).unwrap();
        fs::create_dir_all(path("run/winbindd")).unwrap();
        for name in ["run", "run/winbindd"] {
            fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }

        let mut add = Command::new("smbpasswd");
        add.arg("-c").arg(path("smb.conf")).args(["-a", "-s", "games"]);
        let mut added = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        added.stdin.take().unwrap().write_all(b"s3cret\ns3cret\n").unwrap();
        assert!(added.wait().unwrap().success());

        let mut start = Command::new("unshare");
        start.args(["-m", "sh", "-c"]);
        start.arg("mount --bind \"$0\" /run/samba && exec winbindd -F --no-process-group -s \"$1\"");
        start.arg(path("run")).arg(path("smb.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        let samba = Self { daemon: start.process_group(0).spawn().unwrap(), folder };
        let deadline = Instant::now() + Duration::from_secs(60);
        // winbindd does not report when it is ready.
        while !samba.folder.path().join("run/winbindd/pipe").exists() {
            assert!(Instant::now() < deadline, "winbind did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(samba)
    }

    /// Returns a program that asks this winbind.
    fn program(&self) -> PathBuf {
        let (path, config) = (self.folder.path().join("ntlm_auth"), self.folder.path().join("smb.conf"));
        let (pid, config) = (self.daemon.id(), config.display());
        let text =
            format!("#!/bin/sh\nexec nsenter -t {pid} -m /usr/bin/ntlm_auth --configfile={config} \"$@\"\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.daemon), Signal::TERM);
        let _ = self.daemon.wait();
    }
}

#[test]
fn samba_accounts_sign_in_and_session_keys_match() {
    let Some(samba) = Samba::start() else { return };
    let machine = Machine::new();
    // On a busy machine, the first answer of winbind takes longer than the default timeout.
    let winbind = Winbind::new(samba.program(), WinbindScope::Everyone, Machine::names());
    let winbind = Arc::new(winbind.timeout(Duration::from_secs(24 * 60 * 60)));
    let any = AnyNtlm::new(vec![machine.verifier(), winbind], Arc::new(machine.accounts.clone()));
    let sign_in = offering(Arc::new(any), &machine.accounts);
    let ask = |domain: &str, user: &str, password: &str| {
        ntlm(&sign_in, HERE, domain, user, password).map(|identity| identity.account().name.clone())
    };
    for (domain, user) in [("", "games"), ("NODE7", "games"), ("NODE7", "Games")] {
        assert_eq!(ask(domain, user, "s3cret").as_deref(), Ok("games"), "{domain}\\{user}");
    }
    assert_eq!(ask("", "alice", "s3cret").as_deref(), Ok("Alice"));
    for (domain, user, password) in
        [("", "games", "S3cret"), ("", "no-such-user", "s3cret"), ("CORP", "games", "s3cret")]
    {
        assert_eq!(ask(domain, user, password), Err(AuthError::WrongPassword), "{domain}\\{user}");
    }
    // The refused sign-ins have no effect on later ones.
    assert_eq!(ask("", "games", "s3cret").as_deref(), Ok("games"));
}
