//! The PAM of this machine, with service files of the tests; `/etc` is not changed.
//!
//! Requires libpam0g and libpam-modules, which every Debian has.

use std::fs;
use std::path::Path;

use auth::account_file::EnabledState;
use auth::{AuthError, PasswordVerifier as _};
use telarch_accounts::{AnyOf, FileAccounts, IfMissing, Pam, PamError, update};
use tempfile::TempDir;

use super::{Error, HERE, add, hash, secret, sign_in};

/// Writes a service `winrm` with these lines; `None` if PAM or one of the modules is missing.
fn service(lines: &str) -> Option<(Pam, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let lines = lines.replace("FOLDER", &folder.path().display().to_string());
    let missing = lines.split_whitespace().find(|word| word.ends_with(".so") && !has_module(word));
    if let Some(module) = missing {
        skips::skip!("PAM module {module} is missing (Debian: apt-get install libpam-modules)");
        return None;
    }
    fs::write(folder.path().join("winrm"), lines).unwrap();
    match Pam::load_from(folder.path(), "winrm") {
        Ok(pam) => Some((pam, folder)),
        Err(error) => {
            assert!(matches!(error, PamError::Missing { .. } | PamError::Symbol { .. }), "{error}");
            skips::skip!("{error}");
            None
        }
    }
}

fn has_module(name: &str) -> bool {
    let folders = |root: &str| fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let several = ["/lib", "/usr/lib"].into_iter().flat_map(folders);
    let all = several.chain(["/lib", "/lib64", "/usr/lib", "/usr/lib64"].map(Into::into));
    all.into_iter().any(|folder| folder.join("security").join(name).exists())
}

/// A script decides: PAM passes it the password and the items of the transaction.
const BY_SCRIPT: &str =
    "auth required pam_exec.so quiet expose_authtok /bin/sh FOLDER/judge\naccount required pam_permit.so\n";

fn write_judge(folder: &Path, script: &str) {
    fs::write(folder.join("judge"), script).unwrap();
}

#[test]
fn pam_receives_password_user_and_remote_host() {
    let Some((pam, folder)) = service(BY_SCRIPT) else { return };
    write_judge(
        folder.path(),
        "read_all=$(tr '\\000' '\\n')\n\
         [ \"$read_all\" = 'pass wörd' ] && [ \"$PAM_USER\" = nobody ] && [ \"$PAM_SERVICE\" = winrm ] &&\n\
         [ \"$PAM_RHOST\" = 192.0.2.7 ] && [ \"$PAM_TTY\" = winrm ] && [ \"$PAM_TYPE\" = auth ]",
    );
    let ask = |user: &str, password: &str, from: [u8; 4]| {
        pam.verify(user, &secret(password), from.into()).map(|account| account.name)
    };
    assert_eq!(ask("nobody", "pass wörd", [192, 0, 2, 7]).as_deref(), Ok("nobody"));
    assert_eq!(ask("nobody", "pass word", [192, 0, 2, 7]), Err(AuthError::WrongPassword));
    assert_eq!(ask("nobody", "pass wörd\0", [192, 0, 2, 7]), Err(AuthError::WrongPassword));
    assert_eq!(ask("nobody", "", [192, 0, 2, 7]), Err(AuthError::WrongPassword));
    assert_eq!(ask("Nobody", "pass wörd", [192, 0, 2, 7]), Err(AuthError::WrongPassword));
    assert_eq!(ask("nobody", "pass wörd", [192, 0, 2, 8]), Err(AuthError::WrongPassword));
}

#[test]
fn module_results_map_to_errors() {
    use AuthError::{NotAllowed, Unavailable, WrongPassword};
    for (auth, account, verdict) in [
        ("success", "success", Ok("nobody".to_owned())),
        ("auth_err", "success", Err(WrongPassword)),
        ("user_unknown", "success", Err(WrongPassword)),
        ("maxtries", "success", Err(WrongPassword)),
        ("perm_denied", "success", Err(WrongPassword)),
        ("acct_expired", "success", Err(WrongPassword)),
        ("authinfo_unavail", "success", Err(Unavailable)),
        ("cred_insufficient", "success", Err(Unavailable)),
        ("success", "acct_expired", Err(NotAllowed)),
        ("success", "new_authtok_reqd", Err(NotAllowed)),
        ("success", "perm_denied", Err(NotAllowed)),
        ("success", "auth_err", Err(NotAllowed)),
        ("success", "authinfo_unavail", Err(Unavailable)),
    ] {
        let lines =
            format!("auth required pam_debug.so auth={auth}\naccount required pam_debug.so acct={account}\n");
        let Some((pam, _folder)) = service(&lines) else { return };
        assert_eq!(sign_in(&pam, "nobody", "any"), verdict, "{auth}, {account}");
    }
}

#[test]
fn a_missing_module_rejects_sign_ins() {
    let lines = "auth required pam_no_such_module.\naccount required pam_permit.so\n";
    let Some((pam, folder)) = service(lines) else { return };
    assert!(sign_in(&pam, "nobody", "any").is_err());
    fs::remove_file(folder.path().join("winrm")).unwrap();
    assert!(sign_in(&pam, "nobody", "any").is_err(), "a missing service file must reject");
}

#[test]
fn the_system_stack_rejects_an_unknown_user() {
    let pam = match Pam::load("telarch-test-without-a-file") {
        Ok(pam) => pam,
        Err(error) => {
            skips::skip!("{error}");
            return;
        }
    };
    // Longer than a Linux user name can be, so no directory service has it either.
    let user = "telarch-no-such-user-".repeat(4);
    assert!(sign_in(&pam, &user, "any").is_err());
}

#[test]
fn an_account_disabled_in_the_file_is_rejected_by_pam_too() {
    let Some((pam, folder)) = service(BY_SCRIPT) else { return };
    write_judge(folder.path(), "[ \"$(tr -d '\\000')\" = unix ]");
    let path = folder.path().join("accounts");
    add(&path, "nobody", hash("own")).unwrap();
    let file = FileAccounts::open(&path).unwrap();
    let any = AnyOf::new(vec![Box::new(file.clone()), Box::new(pam)]);
    assert_eq!(sign_in(&any, "NOBODY", "own").as_deref(), Ok("nobody"));
    assert_eq!(sign_in(&any, "nobody", "unix").as_deref(), Ok("nobody"));
    assert_eq!(sign_in(&any, "root", "unix").as_deref(), Ok("root"));
    assert_eq!(sign_in(&any, "nobody", "other"), Err(AuthError::WrongPassword));

    update(&path, IfMissing::Fail, |file| Ok::<_, Error>(file.set_state("nobody", EnabledState::Disabled)?))
        .unwrap();
    file.reload().unwrap();
    for password in ["own", "unix"] {
        assert_eq!(sign_in(&any, "nobody", password), Err(AuthError::NotAllowed), "{password}");
    }
    assert!(sign_in(&any, "root", "unix").is_ok());
    fs::write(&path, "half a reco").unwrap();
    assert!(file.reload().is_err());
    assert_eq!(
        sign_in(&any, "root", "unix"),
        Err(AuthError::Unavailable),
        "disabled accounts are unknown while the file is unreadable"
    );
}

#[test]
fn pam_account_rules_are_checked_again_without_the_password() {
    let rules = |account| {
        format!("auth required pam_debug.so auth=success\naccount required pam_debug.so acct={account}\n")
    };
    let Some((pam, folder)) = service(&rules("success")) else { return };
    let any = AnyOf::new(vec![Box::new(pam)]);
    let account = auth::Account { name: sign_in(&any, "nobody", "any").unwrap() };
    assert_eq!(any.still_admits(&account, HERE), Ok(()));
    let now = |verdict| fs::write(folder.path().join("winrm"), rules(verdict)).unwrap();
    for (verdict, error) in [
        ("acct_expired", AuthError::NotAllowed),
        ("perm_denied", AuthError::NotAllowed),
        ("authinfo_unavail", AuthError::Unavailable),
    ] {
        now(verdict);
        assert_eq!(any.still_admits(&account, HERE), Err(error), "{verdict}");
    }
    now("success");
    assert_eq!(any.still_admits(&account, HERE), Ok(()));
    assert_eq!(
        any.still_admits(&auth::Account { name: "other".to_owned() }, HERE),
        Ok(()),
        "the account was not verified by PAM"
    );
}
