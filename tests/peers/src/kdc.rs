//! A Kerberos realm of one's own: MIT's KDC on a free port of the loopback interface, with everything in a temporary
//! folder.
//!
//! MIT Kerberos finds its realm by variables of the process, so whoever is to belong to it is a process with
//! [`Realm::environment`]; [`in_realm`] makes one of a test.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ports::free_port;
use tempfile::TempDir;

use crate::installed::installed;
use crate::run::{Collected, Run, run, tail};
use crate::telarchd::{PASSWORD, USER};

/// The name of every realm here.
pub const REALM: &str = "TELARCH.TEST";

/// A running KDC; dropping it ends exactly the process it started.
pub struct Kdc {
    child: Child,
    /// Log of the KDC.
    log: Collected,
    realm: Realm,
    _folder: TempDir,
}

/// Principals, keytabs and settings of a realm, all as paths.
///
/// From the beginning there are the user [`USER`] with the password [`PASSWORD`], the
/// same with the instance `admin`, `robot` with a key in [`client_keytab`](Self::client_keytab), and the services
/// `HTTP`, `WSMAN` and `host` of `localhost` with their keys in [`keytab`](Self::keytab).
#[derive(Clone, Debug)]
pub struct Realm {
    folder: PathBuf,
}

/// The encryption types of a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// RFC 3962, which every Windows has.
    AesSha1,
    /// RFC 8009.
    AesSha2,
}

/// Runs `body` in a process that belongs to a new realm: the test `name`, as the test program lists it, is started
/// again there. Without MIT's programs, it says so and does nothing.
///
/// # Panics
/// When the realm cannot be made, when there is no such test, or when it fails there.
pub fn in_realm(name: &str, keys: Keys, body: impl FnOnce(&Realm)) {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return body(&Realm { folder: folder.into() });
    }
    let Some(kdc) = Kdc::start(keys) else { return };
    let program = std::env::current_exe().expect("a test program knows its own path");
    let mut again = Command::new(program);
    again.args(["--exact", name, "--nocapture", "--test-threads=1"]).envs(kdc.realm().environment());
    again.env(FOLDER_VARIABLE, &kdc.realm().folder);
    let ended = run(&mut again, b"", TEST_LIMIT);
    let (stdout, stderr) = (tail(&ended.stdout), tail(&ended.stderr));
    let log = tail(&kdc.log.so_far());
    assert_eq!(ended.code, 0, "in a process of the realm:\n{stdout}\n{stderr}\nLog of the KDC:\n{log}");
    assert!(stdout.contains("1 passed"), "{name} is not the name of this test:\n{stdout}");
    eprint!("{stderr}");
}

impl Kdc {
    /// Makes a realm and starts its KDC; none, and a word about it, where MIT's programs are missing.
    ///
    /// # Panics
    /// When they are there and do not do what they should.
    #[must_use]
    pub fn start(keys: Keys) -> Option<Self> {
        let missing = PROGRAMS.iter().find(|name| installed(name).is_none());
        if let Some(name) = missing {
            skips::skip!(
                "there is no {name} here (./test --install, or Debian: apt-get install krb5-kdc krb5-admin-server krb5-user)"
            );
            return None;
        }
        let folder =
            tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for the realm");
        let realm = Realm { folder: folder.path().to_owned() };
        realm.write_settings(0, keys);
        realm.write_principals();
        // Somebody else may take a port between the time it is found free and the time the KDC asks for it.
        let started = (0..5).find_map(|_| realm.start_kdc(keys));
        let (child, log) = started.expect("a KDC does not listen; its last lines are above");
        Some(Self { child, log, realm, _folder: folder })
    }

    /// The realm it serves.
    #[must_use]
    pub fn realm(&self) -> &Realm {
        &self.realm
    }
}

impl Drop for Kdc {
    fn drop(&mut self) {
        // Harmless when it has ended already, and either way it is reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Realm {
    /// The variables that make a process belong to the realm: with the keys of its services, with its own cache of
    /// tickets, empty until [`kinit`](Self::kinit), and without any client's keytab.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 6] {
        let path = |name: &str| self.path(name).display().to_string();
        [
            ("KRB5_CONFIG", path("krb5.conf")),
            ("KRB5_KDC_PROFILE", path("kdc.conf")),
            ("KRB5_KTNAME", path("services.keytab")),
            ("KRB5_CLIENT_KTNAME", path("none.keytab")),
            ("KRB5CCNAME", format!("FILE:{}", path("tickets"))),
            ("KRB5RCACHENAME", format!("file2:{}", path("replays"))),
        ]
    }

    /// The keys of the services.
    #[must_use]
    pub fn keytab(&self) -> PathBuf {
        self.path("services.keytab")
    }

    /// The key of `robot`.
    #[must_use]
    pub fn client_keytab(&self) -> PathBuf {
        self.path("robot.keytab")
    }

    /// The default cache of tickets.
    #[must_use]
    pub fn tickets(&self) -> PathBuf {
        self.path("tickets")
    }

    /// A file of the realm.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Gets a ticket for [`USER`] into the default cache; `options` are those of kinit(1).
    ///
    /// # Panics
    /// When it is refused.
    pub fn kinit(&self, options: &[&str]) {
        self.kinit_as(USER, options);
    }

    /// Adds another user with the same password.
    ///
    /// # Panics
    /// When it is refused.
    pub fn kinit_as(&self, user: &str, options: &[&str]) {
        let mut kinit = self.command("kinit");
        let ended = run(kinit.args(options).arg(user), format!("{PASSWORD}\n").as_bytes(), LIMIT);
        assert_eq!(ended.code, 0, "kinit: {ended:?}");
    }

    /// Lets these rules say which name a principal has here, each a value of `auth_to_local` in krb5.conf(5).
    ///
    /// # Panics
    /// When the settings cannot be written.
    pub fn auth_to_local(&self, rules: &[&str]) {
        let text = fs::read_to_string(self.path("krb5.conf")).expect("it was written");
        let rules: String = rules.iter().map(|rule| format!("    auth_to_local = {rule}\n")).collect();
        let realm = format!("  {REALM} = {{\n");
        assert!(text.contains(&realm), "{text}");
        fs::write(self.path("krb5.conf"), text.replace(&realm, &(realm.clone() + &rules)))
            .expect("it was writable");
    }

    /// Runs a program of MIT Kerberos in the realm, which must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub fn run(&self, name: &str, arguments: &[&str]) -> Run {
        let ended = run(self.command(name).args(arguments), b"", LIMIT);
        assert_eq!(ended.code, 0, "{name} {arguments:?}: {ended:?}");
        ended
    }

    /// Asks kadmin(1) for something, which must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub fn kadmin(&self, query: &str) {
        let ended = self.run("kadmin.local", &["-q", query]);
        // kadmin exits with 0 even if a command fails.
        let complaint = String::from_utf8_lossy(&ended.stderr)
            .lines()
            .find(|line| line.contains(" while "))
            .map(str::to_owned);
        assert_eq!(complaint, None, "kadmin.local {query}");
    }

    /// Makes every KDC of the realm unreachable.
    ///
    /// # Panics
    /// When the settings cannot be written.
    pub fn lose_kdc(&self) {
        let text = fs::read_to_string(self.path("krb5.conf")).expect("it was written");
        let lost: Vec<String> = text
            .lines()
            .map(|line| {
                let is_kdc = line.trim_start().starts_with("kdc = ");
                if is_kdc { format!("    kdc = 127.0.0.1:{}", free_port()) } else { line.to_owned() }
            })
            .collect();
        fs::write(self.path("krb5.conf"), lost.join("\n")).expect("it was writable");
    }

    /// Shifts the clock of processes that use the default ticket cache by `seconds`.
    ///
    /// The library keeps in the cache how far the clock of the KDC is from its own (the field `DeltaTime` of the
    /// ccache file format, version 4).
    ///
    /// # Panics
    /// When there is no such field.
    pub fn skew_tickets(&self, seconds: i32) {
        let mut octets = fs::read(self.tickets()).expect("kinit has written it");
        let (head, _) = octets.split_first_chunk_mut::<12>().expect("more than a header");
        let [version @ .., _, _, _, _] = *head;
        assert_eq!(version, [5, 4, 0, 12, 0, 1, 0, 8], "a cache with a DeltaTime");
        head[8..].copy_from_slice(&seconds.to_be_bytes());
        fs::write(self.tickets(), octets).expect("it was writable");
    }

    /// Makes the tickets of the default cache older by two days: what was good for less has expired.
    ///
    /// The times of a ticket stand in the cache beside it: when the user signed in, from when and until when it is
    /// good (ccache file format, version 4).
    ///
    /// # Panics
    /// When there are no such times.
    #[allow(clippy::indexing_slicing)] // In a test a wrong index is a failure like any other.
    pub fn age_tickets(&self) {
        const DAY: u32 = 86_400;
        let mut octets = fs::read(self.tickets()).expect("kinit has written it");
        let number = |octets: &[u8]| octets.first_chunk().map_or(0, |four| u32::from_be_bytes(*four));
        let mut aged = 0;
        for at in 0..octets.len().saturating_sub(12) {
            let [signed_in, from, until] = [at, at + 4, at + 8].map(|at| number(&octets[at..]));
            if signed_in > 1_000_000_000 && from == signed_in && (from..=from + DAY).contains(&until) {
                for (at, time) in [(at, signed_in), (at + 4, from), (at + 8, until)] {
                    octets[at..at + 4].copy_from_slice(&(time - 2 * DAY).to_be_bytes());
                }
                aged += 1;
            }
        }
        assert!(aged > 0, "no ticket in the cache");
        fs::write(self.tickets(), octets).expect("it was writable");
    }

    fn command(&self, name: &str) -> Command {
        let path = installed(name)
            .unwrap_or_else(|| panic!("{name} is missing\n  install the peers with: ./test --install"));
        let mut command = Command::new(path);
        command.envs(self.environment()).env("LC_ALL", "C.UTF-8");
        command
    }

    fn write_settings(&self, port: u16, keys: Keys) {
        let (short, long) = keys.names();
        let folder = self.folder.display();
        let krb5 = format!(
            "[libdefaults]\n    default_realm = {REALM}\n    dns_lookup_kdc = false\n    dns_lookup_realm = false\n    \
             dns_canonicalize_hostname = false\n    rdns = false\n    udp_preference_limit = 1\n    \
             permitted_enctypes = {long}\n    forwardable = true\n\
             [realms]\n  {REALM} = {{\n    kdc = 127.0.0.1:{port}\n  }}\n\
             [domain_realm]\n    localhost = {REALM}\n    .telarch.test = {REALM}\n"
        );
        let kdc = format!(
            "[realms]\n  {REALM} = {{\n    kdc_listen = \"\"\n    kdc_tcp_listen = 127.0.0.1:{port}\n    \
             database_name = {folder}/principals\n    key_stash_file = {folder}/stash\n    acl_file = {folder}/acl\n    \
             supported_enctypes = {short}\n    max_life = 24h\n    max_renewable_life = 48h\n  }}\n\
             [logging]\n    kdc = STDERR\n    admin_server = STDERR\n    default = STDERR\n"
        );
        fs::write(self.path("krb5.conf"), &krb5).expect("a fresh folder");
        // The KDC reads its settings again while it runs, so that changes for clients must not apply to it.
        fs::write(self.path(KDC_SETTINGS), krb5).expect("a fresh folder");
        fs::write(self.path("kdc.conf"), kdc).expect("a fresh folder");
    }

    fn write_principals(&self) {
        self.run("kdb5_util", &["create", "-s", "-P", "the key of all keys", "-r", REALM]);
        let queries = [
            format!("addprinc -pw \"{PASSWORD}\" {USER}"),
            format!("addprinc -pw \"{PASSWORD}\" {USER}/admin"),
            "addprinc -randkey robot".to_owned(),
            "addprinc -randkey HTTP/localhost".to_owned(),
            "addprinc -randkey WSMAN/localhost".to_owned(),
            "addprinc -randkey host/localhost".to_owned(),
            format!(
                "ktadd -norandkey -k {} HTTP/localhost WSMAN/localhost host/localhost",
                self.keytab().display()
            ),
            format!("ktadd -norandkey -k {} robot", self.client_keytab().display()),
        ];
        let ended = run(&mut self.command("kadmin.local"), queries.join("\n").as_bytes(), LIMIT);
        assert_eq!(ended.code, 0, "kadmin.local: {ended:?}");
        assert!(self.keytab().exists() && self.client_keytab().exists(), "kadmin.local: {ended:?}");
    }

    /// A KDC that listens; none if it does not want the port.
    fn start_kdc(&self, keys: Keys) -> Option<(Child, Collected)> {
        self.write_settings(free_port(), keys);
        let mut command = self.command("krb5kdc");
        command.env("KRB5_CONFIG", self.path(KDC_SETTINGS));
        command.arg("-n").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stderr = Collected::from(child.stderr.take().expect("it was asked for"), ());
        let until = Instant::now() + LIMIT;
        let listens = stderr.wait_until(until, |lines| {
            let lines = String::from_utf8_lossy(lines);
            let failed = lines.contains("rror setting up network");
            (failed || lines.contains("commencing operation")).then_some(!failed)
        });
        if listens == Some(true) {
            return Some((child, stderr));
        }
        eprintln!("krb5kdc does not listen, its last lines:\n{}", tail(&stderr.so_far()));
        let _ = child.kill();
        let _ = child.wait();
        None
    }
}

impl Keys {
    /// For principals, with the kind of salt, and for tickets.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::AesSha1 => (
                "aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal",
                "aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96",
            ),
            Self::AesSha2 => (
                "aes256-cts-hmac-sha384-192:normal aes128-cts-hmac-sha256-128:normal",
                "aes256-cts-hmac-sha384-192 aes128-cts-hmac-sha256-128",
            ),
        }
    }
}

const PROGRAMS: [&str; 4] = ["krb5kdc", "kdb5_util", "kadmin.local", "kinit"];

/// Variable with the directory of the realm, for processes that belong to it.
const FOLDER_VARIABLE: &str = "TELARCH_TEST_REALM";

/// A program of MIT Kerberos that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Longer than anything in a test waits.
const TEST_LIMIT: Duration = Duration::from_secs(600);

/// Settings of the KDC in the folder of a realm.
const KDC_SETTINGS: &str = "krb5-of-kdc.conf";
