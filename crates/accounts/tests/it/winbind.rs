//! winbind, by a script that answers as `ntlm_auth` does, and by the real one where Samba is installed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::ntlm::NtlmVerifier as _;
use auth::{AuthError, VerifierCost};
use telarch_accounts::{AnyNtlm, Winbind, WinbindScope};
use tempfile::TempDir;

use super::HERE;
use super::ntlm::{Machine, ntlm, offering};

/// A program that does what a script says; each start adds a line to the file `starts`, each line it reads goes to
/// `asked`.
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

/// Reads one request, and keeps it.
const READ: &str = "while read -r line; do echo \"$line\" >> asked; [ \"$line\" = . ] && break; done";
const YES: &str = "printf 'Authenticated: Yes\\nUser-Session-Key: 00112233445566778899AABBCCDDEEFF\\n.\\n'";
const NO: &str = "printf 'Authenticated: No\\nAuthentication-Error: Wrong Password\\n.\\n'";

fn winbind(program: &Path) -> Winbind {
    Winbind::new(program, WinbindScope::Domains, Machine::names())
}

fn ask(winbind: &Winbind, domain: &str, user: &str) -> Result<String, AuthError> {
    winbind.verify(domain, user, &[1; 8], &[2; 60]).map(|verified| verified.account.name)
}

#[test]
fn one_process_answers_one_request_after_the_other() {
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
    let asked = lines(&folder, "asked");
    assert_eq!(asked.iter().filter(|line| *line == ".").count(), 3);
    assert_eq!(
        asked[..6],
        [
            "NT-Domain:: Q09SUA==",
            "Username:: QW5u",
            "LANMAN-Challenge: 0101010101010101",
            &format!("NT-Response: {}", "02".repeat(60)),
            "Request-User-Session-Key: Yes",
            "."
        ]
    );
    // Those of this machine are not asked about, nor are names that could be lines.
    for (domain, user) in [("", "ann"), ("NODE7", "ann"), ("CORP", "ann\n."), ("CO\rRP", "ann"), ("CORP", "")]
    {
        assert_eq!(ask(&winbind, domain, user), Err(AuthError::WrongPassword), "{domain:?} {user:?}");
    }
    assert_eq!(lines(&folder, "asked").len(), asked.len());
}

#[test]
fn a_program_that_does_not_answer_is_ended_and_not_started_again_at_once() {
    let (path, folder) = program(&format!("{READ}; echo $$ > pid; exec sleep 600"));
    let winbind = winbind(&path).timeout(Duration::from_millis(500));
    let start = Instant::now();
    assert_eq!(ask(&winbind, "CORP", "ann"), Err(AuthError::Unavailable));
    assert!(start.elapsed() >= Duration::from_millis(500));
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it still runs");
    // While it rests, nobody waits.
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(ask(&winbind, "CORP", "ann"), Err(AuthError::Unavailable));
    }
    assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!(lines(&folder, "starts").len(), 1);
}

#[test]
fn a_program_that_has_ended_is_started_again_before_anybody_is_refused() {
    // One answer, and it ends; the file says that it has.
    let (path, folder) = program(&format!("{READ}; {YES}; echo x >> ended"));
    let winbind = winbind(&path);
    assert_eq!(ask(&winbind, "CORP", "ann").as_deref(), Ok("CORP\\ann"));
    let mut verdicts = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while lines(&folder, "starts").len() < 2 && Instant::now() < deadline {
        verdicts.push(ask(&winbind, "CORP", "ann"));
        std::thread::yield_now();
    }
    assert_eq!(verdicts.last(), Some(&Ok("CORP\\ann".to_owned())));
}

#[test]
fn what_is_no_answer_lets_nobody_in() {
    for answer in [
        "printf 'Authenticated: Yes\\n.\\n'",
        "printf '.\\n'; read -r more",
        "printf 'BH\\n.\\n'",
        "head -c 40000 /dev/zero",
        "exit 0",
        "printf 'Authenticated: Yes\\nUser-Session-Key: 00000000000000000000000000000000\\n.\\n'",
    ] {
        let (path, _folder) = program(&format!("{READ}; {answer}"));
        let winbind = winbind(&path).timeout(Duration::from_secs(5));
        let start = Instant::now();
        assert_eq!(ask(&winbind, "CORP", "ann"), Err(AuthError::Unavailable), "{answer}");
        assert!(start.elapsed() < Duration::from_secs(4), "{answer} is waited for");
    }
    let winbind = winbind(Path::new("/nonexistent/ntlm_auth"));
    assert_eq!(ask(&winbind, "CORP", "ann"), Err(AuthError::Unavailable));
}

#[test]
fn an_account_of_the_file_signs_in_while_winbind_is_out_of_order() {
    let machine = Machine::new();
    let broken = Winbind::new("/nonexistent/ntlm_auth", WinbindScope::Everyone, Machine::names());
    let any = AnyNtlm::new(vec![machine.verifier(), Arc::new(broken)], Arc::new(machine.accounts.clone()));
    let sign_in = offering(Arc::new(any), &machine.accounts);
    assert!(ntlm(&sign_in, HERE, "", "alice", "s3cret").is_ok());
    assert_eq!(ntlm(&sign_in, HERE, "", "alice", "other").err(), Some(AuthError::WrongPassword));
    assert_eq!(ntlm(&sign_in, HERE, "CORP", "ann", "s3cret").err(), Some(AuthError::WrongPassword));
}
