//! `telarch account`: NTLM sign-in and import.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use accounts::HostKey;
use auth::account_file::{EnabledState, Record};
use auth::ntlm::NtHash;
use auth::{PasswordVerifier as _, Secret};
use tempfile::TempDir;

use super::{Ran, account};

/// A temporary accounts file and its state directory, which is created on demand.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn accounts(&self) -> PathBuf {
        self.0.path().join("accounts")
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("lib/state")
    }

    fn run(&self, arguments: &[&str], input: &str) -> Ran {
        self.run_with(&self.state(), arguments, input)
    }

    fn run_with(&self, state: &Path, arguments: &[&str], input: &str) -> Ran {
        account(&self.accounts(), &[arguments, &["--state", state.to_str().unwrap()]].concat(), input)
    }

    fn record(&self, name: &str) -> Record {
        accounts::read(&self.accounts()).unwrap().find(name).unwrap().clone()
    }

    /// Decrypts the NT hash of an account with the key of the state directory.
    fn nt_hash(&self, name: &str) -> Option<[u8; 16]> {
        let (record, key) = (self.record(name), HostKey::load(&self.state()).unwrap().unwrap());
        key.open_nt_hash(&record.nt_hash?, &record.name, record.rid).map(|hash| *hash.expose())
    }

    fn accepts(&self, user: &str, password: &str) -> bool {
        let file = accounts::FileAccounts::open(self.accounts()).unwrap();
        let from = std::net::Ipv4Addr::LOCALHOST.into();
        file.verify(user, &Secret::new(password.to_owned()), from).is_ok()
    }
}

fn hash_of(password: &str) -> Option<[u8; 16]> {
    Some(*NtHash::of_password(&Secret::new(password.to_owned())).expose())
}

#[test]
fn ntlm_sign_in_is_allowed_by_option_and_lasts_until_revoked() {
    let place = Place::new();
    assert_eq!(place.run(&["add", "Alice", "--password-stdin"], "first").code, 0);
    assert!(place.record("alice").nt_hash.is_none() && !place.state().exists());
    let set = |arguments: &[&str], password: &str| {
        let ran = place.run(&[&["set-password", "alice", "--password-stdin"], arguments].concat(), password);
        assert_eq!((ran.code, ran.errors.as_str()), (0, ""), "{arguments:?}");
        ran.out
    };
    assert!(!set(&[], "second").contains("NTLM"));
    assert!(place.record("alice").nt_hash.is_none());

    let notice = set(&["--ntlm"], "third");
    assert!(notice.contains("alice can sign in with NTLM; its NT hash is stored"), "{notice}");
    assert!(notice.contains("lib/state/host-key is as powerful as the password"), "{notice}");
    assert_eq!(place.nt_hash("alice"), hash_of("third"));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(place.state()), mode(place.state().join("host-key"))), (0o700, 0o600));

    // A change of the password keeps NTLM sign-in.
    assert!(set(&[], "fourth").contains("NTLM"));
    assert_eq!(place.nt_hash("alice"), hash_of("fourth"));
    assert!(place.accepts("alice", "fourth"));
    assert!(set(&["--no-ntlm"], "fifth").contains("alice can no longer sign in with NTLM"));
    assert!(place.record("alice").nt_hash.is_none() && place.accepts("alice", "fifth"));

    let added = place.run(&["add", "bob", "--ntlm", "--password-stdin"], "s3cret");
    assert!(added.out.contains("as a user\nbob can sign in with NTLM"), "{}", added.out);
    assert_eq!(place.nt_hash("bob"), hash_of("s3cret"));
    let text = fs::read_to_string(place.accounts()).unwrap();
    let digits: String = hash_of("s3cret").unwrap().iter().map(|octet| format!("{octet:02x}")).collect();
    assert!(!text.to_lowercase().contains(&digits) && !text.contains("s3cret"), "{text}");

    let rows = place.run(&["list"], "").out;
    let row = |name: &str| rows.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("bob").contains(" password, ntlm ") && !row("Alice").contains("ntlm"), "{rows}");
    let json: serde_json::Value =
        serde_json::from_str(&place.run(&["list", "--format=json"], "").out).unwrap();
    assert_eq!((&json[0]["ntlm"], &json[1]["ntlm"]), (&false.into(), &true.into()));
    assert!(!json.to_string().contains("aes-256"), "{json}");
}

#[test]
fn a_password_is_not_changed_if_its_hash_has_another_key() {
    let place = Place::new();
    assert_eq!(place.run(&["add", "alice", "--ntlm", "--password-stdin"], "first").code, 0);
    let (elsewhere, before) = (place.0.path().join("elsewhere"), fs::read(place.accounts()).unwrap());
    let set = |more: &[&str]| {
        place.run_with(&elsewhere, &[&["set-password", "alice", "--password-stdin"], more].concat(), "new")
    };
    let refused = set(&[]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    assert!(
        refused.errors.contains("was not encrypted with") && refused.errors.contains("--state"),
        "{}",
        refused.errors
    );
    assert_eq!(fs::read(place.accounts()).unwrap(), before);
    assert_eq!(set(&["--ntlm"]).code, 0);
    assert_eq!(place.nt_hash("alice"), None);
    assert_eq!(set(&["--no-ntlm"]).code, 0);
}

/// `password` and `Password` as NT hashes.
const SMBPASSWD: &str = "\
# pdbedit -L -w
alice:1000:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:8846F7EAEE8FB117AD06BDD830B7586C:[U          ]:LCT-65F2C3A1:
bob:1001:0123456789ABCDEF0123456789ABCDEF:A4F49C406510BDCAB6824EE7C30FD852:[UD         ]:LCT-65F2C3A1:
node7$:1002:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:A4F49C406510BDCAB6824EE7C30FD852:[W          ]:LCT-65F2C3A1:
guest:1003:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:31D6CFE0D16AE931B73C59D7E0C089C0:[NU         ]:LCT-65F2C3A1:
ALICE:1004:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:A4F49C406510BDCAB6824EE7C30FD852:[U          ]:LCT-65F2C3A1:
";

#[test]
fn accounts_of_samba_are_imported_and_skipped_ones_are_reported() {
    let place = Place::new();
    assert_eq!(place.run(&["add", "Bob", "--password-stdin", "--comment", "mine"], "own").code, 0);
    let before = place.record("bob").to_string();
    let ran = place.run(&["import", "--smbpasswd", "-"], SMBPASSWD);
    assert_eq!((ran.code, ran.errors.as_str()), (0, ""));
    let shown = place.accounts().display().to_string();
    assert_eq!(
        ran.out,
        format!(
            "added alice\n\
             skipped bob: it already exists, and --replace was not given\n\
             skipped node7$: machine account\n\
             skipped guest: no password is required to sign in\n\
             skipped ALICE: it is listed twice\n\
             {shown}: added 1, replaced 0, skipped 4\n"
        )
    );
    assert_eq!(place.nt_hash("alice"), hash_of("password"));
    assert_eq!(place.record("alice").changed.seconds(), 0x65F2_C3A1);
    assert_eq!(place.record("bob").to_string(), before);
    assert!(!place.accepts("alice", "password") && !place.accepts("alice", "*"));
    let rows = place.run(&["list"], "").out;
    assert!(rows.lines().any(|row| row.starts_with("alice") && row.contains(" user   ntlm ")), "{rows}");

    let ran = place.run(&["import", "--replace", "--smbpasswd", "-"], SMBPASSWD);
    assert!(ran.out.contains("replaced alice\nreplaced bob, disabled\n"), "{}", ran.out);
    let bob = place.record("bob");
    assert_eq!((bob.name.as_str(), bob.comment.as_str(), bob.state), ("Bob", "mine", EnabledState::Disabled));
    assert_eq!(place.nt_hash("bob"), hash_of("Password"));
    assert!(!place.accepts("bob", "own"), "the password that was replaced still holds");
    // An account that is disabled here stays disabled after an import.
    assert_eq!(place.run(&["disable", "alice"], "").code, 0);
    assert_eq!(place.run(&["import", "--replace", "--smbpasswd", "-"], SMBPASSWD).code, 0);
    assert_eq!(place.record("alice").state, EnabledState::Disabled);
}

#[test]
fn users_of_a_machine_are_imported_with_their_passwords() {
    let place = Place::new();
    let yescrypt = "$y$j75$LdJMENpBABJJ3hIHjB1Bi.$rfA07bT0O97FNWV5Cb8oFDnoGBJLXwSI4w/PIpLfyy2";
    let rest = ":19800:0:99999:7:::";
    let text = format!(
        "root:*{rest}\nalice:{yescrypt}{rest}\nbob:!{yescrypt}{rest}\ncarol:$1$salt$J5T8Q2VYVJ9sQ1wqv0dXE.{rest}\n\
         dave:{yescrypt}:19800:0:99999:7::19801:\n"
    );
    let shadow = place.0.path().join("shadow");
    fs::write(&shadow, text).unwrap();
    let ran = place.run(&["import", "--shadow", shadow.to_str().unwrap()], "");
    assert_eq!((ran.code, ran.errors.as_str()), (0, ""));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[1..3], ["added alice", "added bob, disabled"]);
    assert_eq!(lines[4], "added dave, disabled");
    assert!(lines[0].starts_with("skipped root: no password was ever set"), "{}", lines[0]);
    assert!(lines[3].starts_with("skipped carol: unsupported password hash \"1\""), "{}", lines[3]);
    assert!(lines[5].ends_with("added 3, replaced 0, skipped 2") && lines.len() == 6);
    assert!(place.accepts("alice", "correct horse") && !place.accepts("bob", "correct horse"));
    assert_eq!(place.record("alice").changed.seconds(), 19_800 * 86_400);
    assert!(!place.state().exists(), "there is nothing to seal");
    let rows = place.run(&["list"], "").out;
    assert!(!rows.contains("admin"), "an imported account is an administrator: {rows}");
}

#[test]
fn an_invalid_list_is_not_imported_in_part() {
    let place = Place::new();
    let wrong = format!("{SMBPASSWD}eve:1005:nonsense\n");
    let ran = place.run(&["import", "--smbpasswd", "-"], &wrong);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.errors.contains("standard input, line 7: it is not NAME:UID"), "{}", ran.errors);
    assert!(ran.errors.ends_with("nothing was imported\n") && !place.accounts().exists());
    let missing = place.run(&["import", "--shadow", "/nonexistent/shadow"], "");
    assert!(missing.errors.contains("cannot read /nonexistent/shadow"), "{}", missing.errors);
}
