//! Password verification with a real file and real hashing.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use auth::PasswordVerifier as _;
use auth::account_file::{AccountFile, EnabledState};
use auth::{AuthError, VerifierCost};
use rustix::time::{ClockId, clock_gettime};
use telarch_accounts::{
    AnyOf, Attempts, FileAccounts, IfMissing, LocalPrincipals, Lockout, LockoutPolicy, ServiceScope,
    UnixUsers, update,
};

use super::{CHEAP_HASH, Error, HERE, add, hash, secret, sign_in};

#[test]
fn still_admits_until_the_account_is_disabled_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    add(&path, "root", hash("own")).unwrap();
    let file = FileAccounts::open(&path).unwrap();
    let any = AnyOf::new(vec![Box::new(file.clone())]);
    let account = auth::Account { name: sign_in(&any, "root", "own").unwrap() };
    let change = |change: &dyn Fn(&mut AccountFile) -> Result<(), Error>| {
        update(&path, IfMissing::Fail, |file| change(file)).unwrap();
        file.reload().unwrap();
        any.still_admits(&account, HERE)
    };
    assert_eq!(any.still_admits(&account, HERE), Ok(()));
    let to = |state| move |file: &mut AccountFile| Ok(file.set_state("root", state)?);
    assert_eq!(change(&to(EnabledState::Disabled)), Err(AuthError::NotAllowed));
    assert_eq!(change(&to(EnabledState::Enabled)), Ok(()));
    assert_eq!(change(&|file| Ok(file.remove("root").map(drop)?)), Err(AuthError::NotAllowed));
}

#[test]
fn only_the_right_password_of_an_enabled_account_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    add(&path, "Alice", hash("pass wörd")).unwrap();
    add(&path, "bob", hash("other")).unwrap();
    let accounts = FileAccounts::open(&path).unwrap();
    assert_eq!(accounts.cost(), VerifierCost::Slow);
    assert_eq!(accounts.path(), path);

    assert_eq!(sign_in(&accounts, "alice", "pass wörd").as_deref(), Ok("Alice"));
    for (user, password) in
        [("Alice", "other"), ("Alice", ""), ("bob", "pass wörd"), ("eve", "other"), ("", "")]
    {
        assert_eq!(sign_in(&accounts, user, password), Err(AuthError::WrongPassword), "{user} {password}");
    }

    let disable = |state| {
        update(&path, IfMissing::Fail, |file| Ok::<_, Error>(file.set_state("ALICE", state)?)).unwrap();
        accounts.reload().unwrap();
    };
    disable(EnabledState::Disabled);
    assert_eq!(sign_in(&accounts, "Alice", "pass wörd"), Err(AuthError::NotAllowed));
    let wrong = sign_in(&accounts, "Alice", "other");
    assert_eq!(wrong, Err(AuthError::WrongPassword), "a wrong password reveals that the account is disabled");
    disable(EnabledState::Enabled);
    assert!(sign_in(&accounts, "Alice", "pass wörd").is_ok());

    update(&path, IfMissing::Fail, |file| Ok::<_, Error>(file.remove("alice")?)).unwrap();
    accounts.reload().unwrap();
    assert_eq!(sign_in(&accounts, "Alice", "pass wörd"), Err(AuthError::WrongPassword));
}

#[test]
fn unknown_names_take_as_long_as_wrong_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    add(&path, "alice", hash("right")).unwrap();
    let accounts = FileAccounts::open(&path).unwrap();
    let quickest = |user: &str| {
        let measure = |_| {
            let start = computed();
            assert!(sign_in(&accounts, user, "wrong").is_err());
            computed() - start
        };
        (0..5).map(measure).min().unwrap()
    };
    let (known, unknown) = (quickest("alice"), quickest("nobody"));
    assert!(unknown > known / 3 && unknown < known * 3, "known {known:?}, unknown {unknown:?}");
}

/// Returns the CPU time of this thread, which does not depend on the load of the machine.
fn computed() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap())
}

#[test]
fn more_sign_ins_than_processors_are_all_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    add(&path, "alice", hash("right")).unwrap();
    let accounts = FileAccounts::open(&path).unwrap();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..12).map(|_| scope.spawn(|| sign_in(&accounts, "alice", "right"))).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap().as_deref(), Ok("alice"));
        }
    });
}

#[test]
fn a_locked_account_stays_locked_for_the_right_password() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    add(&path, "alice", hash("right")).unwrap();
    let mut policy = LockoutPolicy::default();
    policy.failures = 2;
    let attempts = Arc::new(Attempts::new(policy));
    let lockout = Lockout::new(FileAccounts::open(&path).unwrap(), attempts);
    let start = Instant::now();
    let ask = |user: &str, password: &str, seconds| {
        let now = start + Duration::from_secs(seconds);
        lockout.verify_at(user, &secret(password), super::HERE, now).map(|account| account.name)
    };
    assert_eq!(ask("alice", "wrong", 0), Err(AuthError::WrongPassword));
    assert_eq!(ask("ALICE", "wrong", 1), Err(AuthError::WrongPassword));
    assert_eq!(ask("alice", "right", 2), Err(AuthError::NotAllowed));
    assert_eq!(ask("alice", "right", 1 + 15 * 60).as_deref(), Ok("alice"));
}

#[test]
fn a_disabled_account_has_no_logon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    add(&path, "alice", auth::account_file::PasswordHash::parse(CHEAP_HASH).unwrap()).unwrap();
    for file in ["passwd", "group"] {
        std::fs::write(folder.path().join(file), "").unwrap();
    }
    let accounts = FileAccounts::open(&path).unwrap();
    let users = UnixUsers::in_directory(folder.path());
    let principals = LocalPrincipals::new(ServiceScope::OneUser { uid: 1 }, users, Some(accounts.clone()));
    assert!(principals.logon("alice").is_some());
    let by_ticket = || kerberos::Accounts::find(&principals, "alice").map(|found| found.is_some());
    assert_eq!(by_ticket(), Ok(true));
    update(&path, IfMissing::Fail, |file| Ok::<_, Error>(file.set_state("alice", EnabledState::Disabled)?))
        .unwrap();
    accounts.reload().unwrap();
    assert!(principals.logon("alice").is_none());
    assert_eq!(by_ticket(), Err(AuthError::NotAllowed), "a disabled account must not look unknown");
}
