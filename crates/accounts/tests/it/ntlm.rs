//! NTLM handshakes of our client with accounts of a real file.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use auth::account_file::{AccountName, EnabledState, LinuxPassword, Rid, UnixTime};
use auth::ntlm::{HostNames, Initiator, InitiatorFresh, Login, NtHash, NtlmVerifier, Sealing};
use auth::spnego::{self, NegTokenResp, Offer};
use auth::{
    AuthError, Authenticator as _, Binding, Handshake, Identity, Initiator as _, Oid, Peer, Scheme, Step,
};
use telarch_accounts::{
    AnyNtlm, AnyOf, Attempts, FileAccounts, FileNtlm, HostKey, IfMissing, LinuxUsers, LockoutPolicy, SignIn,
    random, update,
};
use tempfile::TempDir;

use super::{CHEAP_HASH, Error, HERE, add, hash, secret};

/// A machine called `node7` with the account `Alice`, whose password is `s3cret`, and `bob`, who has no NT hash.
pub(crate) struct Machine {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) accounts: FileAccounts,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        let hash = auth::account_file::PasswordHash::parse(CHEAP_HASH).unwrap();
        let rid = add(&path, "Alice", hash.clone()).unwrap();
        add(&path, "bob", hash).unwrap();
        let accounts = FileAccounts::open(&path).unwrap();
        let machine = Self { folder, path, accounts };
        machine.set_hash("Alice", rid);
        machine
    }

    pub(crate) fn names() -> HostNames {
        HostNames::of_host("node7.lab.example")
    }

    fn key(&self) -> HostKey {
        HostKey::load_or_create(self.folder.path()).unwrap()
    }

    /// Seals the hash of `s3cret` for a name and a RID, and stores it with Alice.
    fn set_hash(&self, sealed_for: &str, rid: Rid) {
        let hash = NtHash::of_password(&secret("s3cret"));
        let sealed = self.key().seal_nt_hash(&hash, &AccountName::parse(sealed_for).unwrap(), rid).unwrap();
        self.change(|file| file.set_nt_hash("alice", Some(sealed)));
    }

    fn change(
        &self,
        change: impl FnOnce(&mut auth::account_file::AccountFile) -> Result<(), auth::account_file::ChangeError>,
    ) {
        update(&self.path, IfMissing::Fail, |file| Ok::<_, Error>(change(file)?)).unwrap();
        self.accounts.reload().unwrap();
    }

    pub(crate) fn verifier(&self) -> Arc<FileNtlm> {
        Arc::new(FileNtlm::new(self.accounts.clone(), self.key(), Self::names()))
    }

    pub(crate) fn sign_in(&self) -> SignIn {
        offering(self.verifier(), &self.accounts)
    }
}

/// Returns the authenticator of a service with these accounts.
pub(crate) fn offering(verifier: Arc<dyn NtlmVerifier>, accounts: &FileAccounts) -> SignIn {
    let passwords = Arc::new(AnyOf::new(vec![Box::new(accounts.clone())]));
    let attempts = Arc::new(Attempts::new(LockoutPolicy::default()));
    SignIn::new(passwords).counted(attempts).with_ntlm(verifier, Machine::names())
}

/// Runs a handshake, then seals a message that the service opens.
pub(crate) fn ntlm(
    sign_in: &SignIn,
    from: IpAddr,
    domain: &str,
    user: &str,
    password: &str,
) -> Result<Identity, AuthError> {
    let peer = Peer { address: from, binding: Binding::default() };
    let mut service = Handshake::begin(Scheme::Negotiate, sign_in, &peer)?;
    let hash = NtHash::of_password(&secret(password));
    let login = Login { domain: domain.to_owned(), user: user.to_owned(), hash };
    let session_key = random::<16>().unwrap().into();
    let fresh = InitiatorFresh { challenge: random().unwrap(), session_key, now: SystemTime::now() };
    let mut client = Initiator::new(login, Sealing::Required, fresh);
    let Step::Continue(negotiate) = client.step(None).unwrap() else { panic!("no first token") };
    let Step::Continue(challenge) = service.step(&negotiate)? else { panic!("no challenge") };
    let Step::Done { token, outcome: mut initiated } = client.step(Some(&challenge)).unwrap() else {
        panic!("no response")
    };
    let Step::Done { outcome: mut established, .. } = service.step(&token.unwrap())? else {
        panic!("the handshake did not complete")
    };
    let mut message = b"message".to_vec();
    let header = initiated.context.seal(&mut message).unwrap();
    established.context.unseal(&header, &mut message).unwrap();
    assert_eq!(message, b"message", "the two ends have different keys");
    let how = (established.identity.scheme(), established.identity.mechanism());
    assert_eq!(how, (Scheme::Negotiate, Some(&Oid::NTLM)));
    Ok(established.identity)
}

fn from_here(sign_in: &SignIn, domain: &str, user: &str, password: &str) -> Result<String, AuthError> {
    ntlm(sign_in, HERE, domain, user, password).map(|identity| identity.account().name.clone())
}

#[test]
fn all_spellings_of_a_local_account_sign_in() {
    let machine = Machine::new();
    let sign_in = machine.sign_in();
    for (domain, user) in [
        ("", "Alice"),
        ("", "ALICE"),
        (".", "alice"),
        ("NODE7", "alice"),
        ("node7.lab.example", "alice"),
        ("", "alice@node7"),
        ("WORKGROUP", "alice"),
        ("localhost", "alice"),
    ] {
        assert_eq!(from_here(&sign_in, domain, user, "s3cret").as_deref(), Ok("Alice"), "{domain}\\{user}");
    }
    // At most one guess per account, otherwise the account would be locked.
    for (domain, user, password) in [
        ("", "alice", "S3cret"),
        ("CORP", "alice", "s3cret"),
        ("", "alice@corp.example", "s3cret"),
        ("", "bob", "s3cret"),
        ("", "nobody", "s3cret"),
    ] {
        let verdict = from_here(&sign_in, domain, user, password);
        assert_eq!(verdict, Err(AuthError::WrongPassword), "{domain}\\{user}");
    }
}

#[test]
fn basic_accepts_the_names_that_ntlm_accepts() {
    let machine = Machine::new();
    machine.change(|file| file.set_password("alice", hash("s3cret"), UnixTime::new(0)));
    let sign_in = machine.sign_in().on_host(Machine::names());
    let password = |user: &str| sign_in.password(user, &secret("s3cret"), HERE).map(|account| account.name);
    for user in [
        "Alice",
        "ALICE",
        r".\alice",
        r"NODE7\alice",
        r"node7.lab.example\alice",
        "alice@node7",
        r"WORKGROUP\alice",
    ] {
        assert_eq!(password(user).as_deref(), Ok("Alice"), "{user}");
    }
    for user in [r"CORP\alice", "alice@corp.example", r"node7\corp\alice"] {
        assert_eq!(password(user), Err(AuthError::WrongPassword), "{user}");
    }
}

#[test]
fn only_the_right_password_reveals_a_disabled_account() {
    let machine = Machine::new();
    let sign_in = machine.sign_in();
    // Another account must be able to use NTLM, otherwise it would not be offered.
    let hash = NtHash::of_password(&secret("other"));
    let rid = machine.accounts.find("bob").unwrap().unwrap().rid;
    let sealed = machine.key().seal_nt_hash(&hash, &AccountName::parse("bob").unwrap(), rid).unwrap();
    machine.change(|file| file.set_nt_hash("bob", Some(sealed)));
    machine.change(|file| file.set_state("alice", EnabledState::Disabled));
    assert_eq!(from_here(&sign_in, "", "alice", "other"), Err(AuthError::WrongPassword));
    assert_eq!(from_here(&sign_in, "", "alice", "s3cret"), Err(AuthError::NotAllowed));
    assert_eq!(from_here(&sign_in, "", "bob", "other").as_deref(), Ok("bob"));
}

#[test]
fn a_hash_sealed_for_another_account_or_machine_is_rejected() {
    let machine = Machine::new();
    let sign_in = machine.sign_in();
    for (sealed_for, number, verdict) in [
        ("bob", 3_000_000_000, Err(AuthError::WrongPassword)),
        ("alice", 3_000_000_001, Err(AuthError::WrongPassword)),
        ("alice", 3_000_000_000, Ok("Alice".to_owned())),
    ] {
        machine.set_hash(sealed_for, Rid::new(number).unwrap());
        assert_eq!(from_here(&sign_in, "", "alice", "s3cret"), verdict, "{sealed_for} {number}");
    }
    fs::remove_file(machine.folder.path().join("host-key")).unwrap();
    assert_eq!(from_here(&machine.sign_in(), "", "alice", "s3cret"), Err(AuthError::WrongPassword));
}

#[test]
fn the_hash_of_a_linux_user_is_used_while_the_shadow_file_has_its_password() {
    let machine = Machine::new();
    let shadow = |lines: &str| fs::write(machine.folder.path().join("shadow"), lines).unwrap();
    fs::write(machine.folder.path().join("passwd"), "Alice:x:1000:100::/:/bin/sh\n").unwrap();
    let password = LinuxPassword::new("Alice", 1000, "$y$hash");
    let rid = machine.accounts.find("alice").unwrap().unwrap().rid;
    let hash = NtHash::of_password(&secret("linux"));
    let name = AccountName::parse("Alice").unwrap();
    let sealed = machine.key().seal_linux_nt_hash(&hash, &name, rid, password).unwrap();
    machine.change(|file| file.set_nt_hash("alice", Some(sealed)));
    let verifier = FileNtlm::new(machine.accounts.clone(), machine.key(), Machine::names());
    let verifier = verifier.with_linux_users(LinuxUsers::in_directory(machine.folder.path()));
    let sign_in = offering(Arc::new(verifier), &machine.accounts);
    for (lines, verdict) in [
        ("Alice:$y$hash:19999:0:99999:7:::\n", Ok("Alice".to_owned())),
        ("Alice:$y$other:19999:0:99999:7:::\n", Err(AuthError::WrongPassword)),
        ("Alice:!$y$hash:19999:0:99999:7:::\n", Err(AuthError::WrongPassword)),
        ("alice:$y$hash:19999:0:99999:7:::\n", Err(AuthError::WrongPassword)),
        ("", Err(AuthError::WrongPassword)),
        ("Alice:$y$hash:19999:0:99999:7::1:\n", Err(AuthError::NotAllowed)),
        ("Alice:$y$hash:::::::\n", Ok("Alice".to_owned())),
    ] {
        shadow(lines);
        assert_eq!(from_here(&sign_in, "", "alice", "linux"), verdict, "{lines}");
    }
    fs::remove_file(machine.folder.path().join("shadow")).unwrap();
    assert_eq!(from_here(&sign_in, "", "alice", "linux"), Err(AuthError::WrongPassword));
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

#[test]
fn failures_are_counted_over_all_schemes() {
    let machine = Machine::new();
    let sign_in = machine.sign_in();
    for at in 0..5 {
        assert!(ntlm(&sign_in, address(at), "", "alice", "guess").is_err());
        assert!(sign_in.password("ALICE", &secret("guess"), address(100 + at)).is_err());
    }
    let verdict = ntlm(&sign_in, address(50), "NODE7", "alice", "s3cret").map(|_| ());
    assert!(verdict.is_err(), "ten guesses did not lock the account");
}

/// Returns a client that knows Alice's password.
fn alice() -> Initiator {
    let hash = NtHash::of_password(&secret("s3cret"));
    let login = Login { domain: String::new(), user: "alice".to_owned(), hash };
    let session_key = random::<16>().unwrap().into();
    let fresh = InitiatorFresh { challenge: random().unwrap(), session_key, now: SystemTime::now() };
    Initiator::new(login, Sealing::Required, fresh)
}

/// Runs a handshake in which an intermediary changes the client's last token.
fn last_token_changed(
    sign_in: &SignIn,
    mut client: impl auth::Initiator,
    change: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Result<(), AuthError> {
    let peer = Peer { address: HERE, binding: Binding::default() };
    let mut service = Handshake::begin(Scheme::Negotiate, sign_in, &peer)?;
    let Ok(Step::Continue(mut token)) = client.step(None) else { panic!("no first token") };
    loop {
        let Step::Continue(answer) = service.step(&token)? else {
            panic!("the handshake completed too early")
        };
        let (next, is_last) = match client.step(Some(&answer)) {
            Ok(Step::Continue(next)) => (next, answer.windows(8).any(|part| part == b"NTLMSSP\0")),
            Ok(Step::Done { token, .. }) => (token.unwrap(), true),
            Err(error) => panic!("{error}"),
        };
        token = next;
        if is_last {
            return service.step(&change(token)).map(|step| assert!(matches!(step, Step::Done { .. })));
        }
    }
}

#[test]
fn a_relayed_response_removes_no_failures() {
    for (is_changed, locks) in [(false, false), (true, true)] {
        let machine = Machine::new();
        let sign_in = machine.sign_in();
        for _ in 0..9 {
            assert!(sign_in.password("alice", &secret("guess"), HERE).is_err());
        }
        let verdict = last_token_changed(&sign_in, alice(), |mut token| {
            // A position inside the message integrity code (MS-NLMP 2.2.1.3).
            token[80] ^= u8::from(is_changed);
            token
        });
        assert_eq!(verdict, if is_changed { Err(AuthError::Unproven) } else { Ok(()) });
        assert!(sign_in.password("alice", &secret("guess"), HERE).is_err());
        let elsewhere = IpAddr::from([192, 0, 2, 1]);
        let verdict = ntlm(&sign_in, elsewhere, "", "alice", "s3cret").map(|_| ());
        assert_eq!(verdict.is_err(), locks, "a relayed response removed the failures: {verdict:?}");
    }
}

#[test]
fn ntlm_without_mech_list_mic_removes_no_failures() {
    let machine = Machine::new();
    let sign_in = machine.sign_in();
    for _ in 0..9 {
        assert!(sign_in.password("alice", &secret("guess"), HERE).is_err());
    }
    // Kerberos is not available here, so both ends must sign the list.
    let offers =
        [Oid::KERBEROS, Oid::NTLM].map(|oid| Offer { oids: vec![oid], initiator: Box::new(alice()) });
    let client = spnego::Initiator::new(offers.into());
    let verdict = last_token_changed(&sign_in, client, |token| {
        NegTokenResp { mech_list_mic: None, ..NegTokenResp::decode(&token).unwrap() }.encode()
    });
    assert!(matches!(verdict, Err(AuthError::Downgraded(_))), "{verdict:?}");
    assert!(sign_in.password("alice", &secret("guess"), HERE).is_err());
    let verdict = ntlm(&sign_in, IpAddr::from([192, 0, 2, 1]), "", "alice", "s3cret").map(|_| ());
    assert!(verdict.is_err(), "an incomplete sign-in removed the failures");
}

#[test]
fn ntlm_is_offered_while_an_account_can_use_it() {
    let machine = Machine::new();
    let sign_in = machine.sign_in();
    let offered = || sign_in.supports(Scheme::Negotiate);
    assert!(offered() && sign_in.supports(Scheme::Basic));
    machine.change(|file| file.set_state("alice", EnabledState::Disabled));
    assert!(!offered(), "the only account that could use it is disabled");
    machine.change(|file| file.set_state("alice", EnabledState::Enabled));
    assert!(offered());
    let password = auth::account_file::PasswordHash::parse(CHEAP_HASH).unwrap();
    machine.change(|file| file.set_password("alice", password, UnixTime::new(1)));
    assert!(!offered(), "the hash of an old password was kept");
    assert!(matches!(from_here(&sign_in, "", "alice", "s3cret"), Err(AuthError::NoMechanism)));
    fs::write(&machine.path, "half a reco").unwrap();
    assert!(machine.accounts.reload().is_err());
    assert!(!offered(), "the account file is unreadable");
}

#[test]
fn a_disabled_account_is_rejected_from_other_sources_too() {
    let machine = Machine::new();
    let everybody = auth::AccountList::parse("bob:s3cret\nann:s3cret\n").unwrap().on_host(Machine::names());
    let sources: Vec<Arc<dyn NtlmVerifier>> = vec![machine.verifier(), Arc::new(everybody)];
    let any = Arc::new(AnyNtlm::new(sources, Arc::new(machine.accounts.clone())));
    let sign_in = offering(any, &machine.accounts);
    for (user, password, verdict) in [
        ("alice", "s3cret", Ok("Alice")),
        ("bob", "s3cret", Ok("bob")),
        ("ann", "s3cret", Ok("ann")),
        ("ann", "other", Err(AuthError::WrongPassword)),
    ] {
        assert_eq!(from_here(&sign_in, "", user, password), verdict.map(str::to_owned), "{user}");
    }
    machine.change(|file| file.set_state("bob", EnabledState::Disabled));
    assert_eq!(from_here(&sign_in, "", "bob", "s3cret"), Err(AuthError::NotAllowed));
    machine.change(|file| file.set_state("alice", EnabledState::Disabled));
    assert!(sign_in.supports(Scheme::Negotiate), "another source still has accounts");
}
