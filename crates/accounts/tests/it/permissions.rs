//! Account files with wrong permissions, links, and leftovers of killed writers.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use auth::account_file::{MAX_OCTETS, PasswordHash};
use telarch_accounts::{AccountsError, FileAccounts, IfMissing, read, update};
use tempfile::TempDir;

use super::{CHEAP_HASH, Error, add};

fn cheap() -> PasswordHash {
    PasswordHash::parse(CHEAP_HASH).unwrap()
}

fn with_account() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    add(&path, "alice", cheap()).unwrap();
    (folder, path)
}

fn change(path: &Path) -> Result<(), Error> {
    add(path, "bob", cheap()).map(|_| ())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_new_file_has_mode_0600_and_no_leftovers() {
    let (folder, path) = with_account();
    change(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["accounts"]);
}

#[test]
fn a_file_with_access_for_others_is_rejected() {
    let (_folder, path) = with_account();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o666] {
        set_mode(&path, mode);
        let error = FileAccounts::open(&path).unwrap_err();
        assert!(matches!(error, AccountsError::Exposed { mode: found, .. } if found == mode), "{error}");
        assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
        let error = change(&path).unwrap_err();
        assert!(matches!(error, Error::Accounts(AccountsError::Exposed { .. })), "{error}");
    }
    set_mode(&path, 0o400);
    assert_eq!(read(&path).unwrap().records().count(), 1);
}

#[test]
fn a_file_of_another_user_is_rejected() {
    let (_folder, path) = with_account();
    if chown(&path, Some(12_345), None).is_err() {
        skips::skip!("changing the owner of a file requires root");
        return;
    }
    let error = FileAccounts::open(&path).unwrap_err();
    assert!(matches!(error, AccountsError::Foreign { owner: 12_345, .. }), "{error}");
    let error = change(&path).unwrap_err();
    assert!(matches!(error, Error::Accounts(AccountsError::Foreign { .. })), "{error}");
}

#[test]
fn non_files_are_rejected_without_blocking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let missing = read(&path).unwrap_err();
    assert!(matches!(missing, AccountsError::Missing { .. }), "{missing}");
    assert!(missing.to_string().contains("telarch account add"), "{missing}");
    let missing = update(&path, IfMissing::Fail, |_| Ok::<_, Error>(())).unwrap_err();
    assert!(matches!(missing, Error::Accounts(AccountsError::Missing { .. })), "{missing}");
    assert!(!path.exists(), "a failed change created the file");

    let nowhere = add(&folder.path().join("none/accounts"), "alice", cheap()).unwrap_err();
    assert!(nowhere.to_string().starts_with("cannot find the directory of "), "{nowhere}");
    fs::create_dir(&path).unwrap();
    assert!(matches!(read(&path).unwrap_err(), AccountsError::NotAFile { .. }));
    fs::remove_dir(&path).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(&path).status().unwrap();
    assert!(fifo.success());
    assert!(matches!(read(&path).unwrap_err(), AccountsError::NotAFile { .. }));
    assert!(matches!(change(&path).unwrap_err(), Error::Accounts(AccountsError::NotAFile { .. })));
}

#[test]
fn errors_name_file_and_line_and_change_nothing() {
    let (_folder, path) = with_account();
    let wrong = fs::read_to_string(&path).unwrap() + "bob:secret\n";
    fs::write(&path, &wrong).unwrap();
    let error = change(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}, line 3: expected 6 fields", path.display())), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), wrong);

    fs::write(&path, vec![b'#'; MAX_OCTETS + 1]).unwrap();
    assert!(matches!(read(&path).unwrap_err(), AccountsError::TooLarge { .. }));
    fs::write(&path, b"# \xFF\n").unwrap();
    assert!(matches!(read(&path).unwrap_err(), AccountsError::Disk { action: "read", .. }));
}

#[test]
fn an_update_follows_a_symbolic_link() {
    let (folder, path) = with_account();
    let link = folder.path().join("link");
    symlink("accounts", &link).unwrap();
    change(&link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read(&path).unwrap().records().count(), 2);
}

#[test]
fn an_update_without_changes_does_not_write() {
    let (_folder, path) = with_account();
    let before = fs::metadata(&path).unwrap();
    update(&path, IfMissing::Fail, |_| Ok::<_, Error>(())).unwrap();
    let refused = update(&path, IfMissing::Fail, |file| {
        file.remove("alice")?;
        Ok::<_, Error>(file.remove("alice")?)
    });
    assert_eq!(refused.unwrap_err().to_string(), "no account named alice");
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()));
}

#[test]
fn a_leftover_temporary_file_is_replaced() {
    let (folder, path) = with_account();
    let left = folder.path().join(".accounts.new");
    fs::write(&left, "half").unwrap();
    change(&path).unwrap();
    assert!(!left.exists());
    // A link in its place would redirect the write.
    let victim = folder.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    symlink(&victim, &left).unwrap();
    add(&path, "carol", cheap()).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
}
