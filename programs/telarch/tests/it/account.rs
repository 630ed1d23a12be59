//! `telarch account`, with passwords from standard input.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use accounts::FileAccounts;
use auth::{AuthError, PasswordVerifier as _, Secret};

use super::{account, run, telarch};

fn sign_in(path: &Path, user: &str, password: &str) -> Result<String, AuthError> {
    let accounts = FileAccounts::open(path).unwrap();
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    accounts.verify(user, &Secret::new(password.to_owned()), from).map(|account| account.name)
}

#[test]
fn an_account_is_added_listed_changed_disabled_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let shown = path.display();

    let added = account(&path, &["add", "Alice", "--password-stdin", "--comment", "on call"], "pass word\n");
    assert_eq!((added.code, added.errors.as_str()), (0, ""));
    assert_eq!(added.out, format!("added Alice to {shown} as an administrator\n"));
    let added = account(&path, &["add", "bob", "--password-stdin"], "other\r\nignored\n");
    assert_eq!(added.out, format!("added bob to {shown} as a user\n"));
    assert_eq!(sign_in(&path, "alice", "pass word").as_deref(), Ok("Alice"));
    assert_eq!(sign_in(&path, "bob", "other").as_deref(), Ok("bob"));
    assert_eq!(sign_in(&path, "bob", "pass word"), Err(AuthError::WrongPassword));
    assert!(!fs::read_to_string(&path).unwrap().contains("pass word"));

    let changed = account(&path, &["set-password", "alice", "--password-stdin"], "new");
    assert_eq!((changed.code, changed.errors.as_str()), (0, ""));
    assert_eq!(sign_in(&path, "Alice", "new").as_deref(), Ok("Alice"));
    assert_eq!(sign_in(&path, "Alice", "pass word"), Err(AuthError::WrongPassword));

    assert_eq!(account(&path, &["disable", "alice"], "").code, 0);
    assert_eq!(sign_in(&path, "Alice", "new"), Err(AuthError::NotAllowed));

    let table = account(&path, &["list"], "");
    let rows: Vec<Vec<&str>> = table.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "STATE", "ROLE", "PROOF", "ORIGIN", "PASSWORD", "SET", "COMMENT"]);
    assert_eq!(rows[1][..5], ["Alice", "disabled", "admin", "password", "service"]);
    assert_eq!((&rows[1][7..], rows.len()), (&["on", "call"][..], 3));
    assert_eq!(rows[2][..5], ["bob", "enabled", "user", "password", "service"]);
    let json: serde_json::Value =
        serde_json::from_str(&account(&path, &["list", "--format", "json"], "").out).unwrap();
    assert_eq!(
        (&json[0]["name"], &json[0]["enabled"], &json[0]["admin"]),
        (&"Alice".into(), &false.into(), &true.into())
    );
    assert_eq!((&json[1]["rid"], &json[1]["comment"]), (&3_000_000_001_u32.into(), &"".into()));
    assert!(json[1]["password_set"].as_u64().unwrap() > 1_700_000_000);
    assert!(!table.out.contains("argon2") && !json.to_string().contains("argon2"));

    assert_eq!(account(&path, &["enable", "alice"], "").code, 0);
    assert!(sign_in(&path, "Alice", "new").is_ok());
    assert_eq!(account(&path, &["remove", "ALICE"], "").code, 0);
    assert_eq!(sign_in(&path, "Alice", "new"), Err(AuthError::WrongPassword));
    // A new account of the same name has another SID.
    assert_eq!(account(&path, &["add", "alice", "--password-stdin", "--admin"], "new").code, 0);
    let json = account(&path, &["list", "--format=json"], "").out;
    assert!(json.contains("3000000002") && !json.contains("3000000000"), "{json}");
}

#[test]
fn accounts_with_the_password_of_a_linux_user_are_shown_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let hash = "$aes-256-gcm$AQEBAQEBAQEBAQEB$//////////////////////////////////////////8$linux$1000$AQEBAQEBAQEBAQEBAQEBAQ";
    fs::write(&path, format!("no-such-user:3000000000::1763719754:*::{hash}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let table = account(&path, &["list"], "").out;
    // Only root can read the passwords of the machine.
    let (origin, current) = match rustix::process::geteuid().is_root() {
        true => ("linux, no user", serde_json::Value::from(false)),
        false => ("linux", serde_json::Value::Null),
    };
    assert!(table.contains(&format!("enabled  user  ntlm   {origin}  ")), "{table}");
    let json = account(&path, &["list", "--format", "json"], "").out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json[0]["origin"], &json[0]["current"]), (&"linux".into(), &current));
    let set_password = ["set-password", "no-such-user", "--no-ntlm", "--password-stdin"];
    assert_eq!(account(&path, &set_password, "new").code, 0);
    assert!(account(&path, &["list"], "").out.contains("password  service"));
    assert_eq!(account(&path, &["remove", "no-such-user"], "").code, 0);
}

#[test]
fn an_account_is_shown_with_its_schemes_groups_and_access() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let settings = "Service.Auth.Basic = true\n[Groups]\nAdministrators = [\"root\"]\n\
                    [[Listener]]\nAddress = \"*\"\nTransport = \"HTTPS\"\n";
    fs::write(folder.path().join("config.toml"), settings).unwrap();
    let add = ["add", "clerk-7", "--password-stdin", "--comment", "night shift"];
    assert_eq!(account(&path, &add, "x").code, 0);
    let shown = account(&path, &["show", "clerk-7"], "").out;
    for line in [
        "  usable           yes",
        "  accounts file    enabled, admin, RID 3000000000",
        "    origin         service",
        "    comment        night shift",
        "  Linux user       none",
        "    yes  password of the accounts file, with Basic",
        "    no   no NTLM: the accounts file has no NT hash of the account",
    ] {
        assert!(shown.lines().any(|own| own == line), "{line}\n{shown}");
    }
    // The role in the file counts only for the service of one user.
    let is_root = rustix::process::geteuid().is_root();
    let expected = match is_root {
        true => "config  read (Get, Enumerate): denied: no group of the account has the right",
        false => "config  read (Get, Enumerate): granted through BUILTIN\\Administrators",
    };
    assert!(shown.contains(expected), "{expected}\n{shown}");
    let json = account(&path, &["show", "clerk-7", "--format", "json"], "").out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["usable"], &json["file"]["enabled"]), (&true.into(), &true.into()));
    assert_eq!((&json["linux"], &json["schemes"][0]["works"]), (&serde_json::Value::Null, &true.into()));
    assert_eq!(json["access"][0]["granted"], !is_root);

    let state = folder.path().display().to_string();
    let lock = |until: &str| {
        let record = format!("{{\"event\":\"lock\",\"account\":\"clerk-7\",\"until\":\"{until}\"}}\n");
        fs::write(folder.path().join("audit.jsonl"), record).unwrap();
        account(&path, &["show", "Clerk-7", "--state", &state], "").out
    };
    let locked =
        "  locked           until 2100-03-01 00:00Z, or a restart of the service: too many failed sign-ins";
    assert!(lock("4107542400").lines().any(|line| line == locked), "{}", lock("4107542400"));
    assert!(!lock("1763719754").contains("locked"), "a lock that has ended is not shown");

    assert_eq!(account(&path, &["disable", "clerk-7"], "").code, 0);
    let shown = account(&path, &["show", "clerk-7"], "").out;
    assert!(shown.contains("  usable           no\n  accounts file    disabled, admin"), "{shown}");
    let unknown = account(&path, &["show", "no-such-user"], "");
    assert!(unknown.code == 1 && unknown.errors.contains("no account no-such-user: "), "{}", unknown.errors);

    let shown = account(&path, &["show", "root"], "").out;
    assert!(shown.contains("  accounts file    no entry\n  Linux user       UID 0\n"), "{shown}");
    if is_root {
        let group = "BUILTIN\\Administrators (S-1-5-32-544), through the local group root";
        assert!(shown.contains(group), "{shown}");
        assert!(
            shown.contains("    config  execute (methods): granted through BUILTIN\\Administrators"),
            "{shown}"
        );
    }
}

#[test]
fn the_first_account_need_not_be_an_administrator() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let added = account(&path, &["add", "alice", "--password-stdin", "--no-admin"], "x");
    assert!(added.out.ends_with(" as a user\n"), "{}", added.out);
}

#[test]
fn failures_name_the_reason_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let missing = account(&path, &["list"], "");
    assert_eq!((missing.code, missing.out.as_str()), (1, ""));
    assert!(
        missing.errors.contains("does not exist\n  create it with: telarch account add NAME"),
        "{}",
        missing.errors
    );
    assert!(!path.exists());

    assert_eq!(account(&path, &["add", "alice", "--password-stdin"], "x").code, 0);
    let before = fs::read_to_string(&path).unwrap();
    let long = "x".repeat(257);
    for (arguments, input, part) in [
        (&["add", "ALICE", "--password-stdin"][..], "y", "account alice already exists in "),
        (&["set-password", "bob", "--password-stdin"], "y", "no account named bob in "),
        (&["disable", "bob"], "", "no account named bob in "),
        (&["remove", "bob"], "", "\n  telarch account list"),
        (&["add", "bob", "--password-stdin"], "", "no password in the first line of standard input"),
        (&["add", "bob", "--password-stdin"], "\nsecond line\n", "no password in the first line"),
        (&["add", "bob", "--password-stdin"], "a\0b", "a line break or a NUL character"),
        (&["add", "bob", "--password-stdin"], &long, "exceeds 256 bytes"),
    ] {
        let ran = account(&path, arguments, input);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{arguments:?}");
        assert!(ran.errors.starts_with("telarch: ") && ran.errors.contains(part), "{}", ran.errors);
    }
    let name = account(&path, &["add", "a b"], "");
    assert!(name.code == 2 && name.errors.contains("letters, digits"), "{}", name.errors);
    assert_eq!(fs::read_to_string(&path).unwrap(), before);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = account(&path, &["disable", "alice"], "");
    assert!(exposed.errors.contains(&format!("chmod 600 {}", path.display())), "{}", exposed.errors);
    assert_eq!(exposed.code, 1);
}

#[test]
fn accounts_added_by_concurrent_processes_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let password = folder.path().join("password");
    fs::write(&password, "secret").unwrap();
    let mut children: Vec<_> = (0..8)
        .map(|number| {
            let name = format!("user{number}");
            let mut command = telarch(&["account", "add", &name, "--password-stdin", "--file"]);
            command
                .arg(&path)
                .stdin(fs::File::open(&password).unwrap())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let file = accounts::read(&path).unwrap();
    let rids: std::collections::BTreeSet<_> = file.records().map(|record| record.rid).collect();
    assert_eq!((file.records().count(), rids.len()), (8, 8));
    let administrators =
        file.records().filter(|record| record.role == auth::account_file::Role::Administrator);
    assert_eq!(administrators.count(), 1, "only one of them was the first");
}

#[test]
fn an_ordinary_user_has_an_accounts_file_in_the_home_directory() {
    const NOBODY: u32 = 65_534;
    let home = tempfile::tempdir().unwrap();
    let is_root = chown(home.path(), Some(NOBODY), Some(NOBODY)).is_ok();
    let ask = |arguments: &[&str], variable: &str, value: &Path| {
        let mut command = telarch(arguments);
        command.env_remove("HOME").env_remove("XDG_CONFIG_HOME").env(variable, value).current_dir("/");
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        // The program may be in a directory that other users cannot access.
        let runs = command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).status();
        runs.is_ok().then(|| run(&mut command, "secret"))
    };
    let add = ["account", "add", "alice", "--password-stdin"];
    let Some(added) = ask(&["--version"], "HOME", home.path()).and_then(|_| ask(&add, "HOME", home.path()))
    else {
        skips::skip!("an ordinary user cannot run {}", env!("CARGO_BIN_EXE_telarch"));
        return;
    };
    let path = home.path().join(".config/telarch/accounts");
    assert_eq!(added.code, 0, "{}", added.errors);
    assert_eq!(added.out, format!("added alice to {} as an administrator\n", path.display()));
    let mode = fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    let other = home.path().join("other");
    let listed = ask(&["account", "list"], "XDG_CONFIG_HOME", &other).unwrap();
    assert!(listed.errors.contains(&format!("{}/telarch/accounts", other.display())), "{}", listed.errors);
    assert!(!other.exists(), "listing has created a directory");
    let lost = ask(&["account", "list"], "XDG_CONFIG_HOME", Path::new("relative")).unwrap();
    assert!(lost.code == 1 && lost.errors.contains("--file"), "{}", lost.errors);
}
