//! Debian's PostgreSQL in a temporary directory, started and killed by a test.
//!
//! The server listens on a Unix socket only, and with [`PostgresServer::with_tls`] on a port of the loopback interface.
//! It refuses to run as root, so that a test of root starts it as an unprivileged user.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A server with its files. It is ended when this is dropped.
pub struct PostgresServer {
    folder: TempDir,
    programs: PathBuf,
    child: Option<Child>,
    /// Port and authority of connections with TLS.
    tls: Option<(u16, String)>,
}

impl PostgresServer {
    /// Starts a server with the empty database `telarch`, which the user `telarch` owns. Records a skip and returns `None`
    /// if PostgreSQL is missing.
    ///
    /// # Panics
    /// If the server does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(false)
    }

    /// Starts a server that accepts only a password and TLS on its port: see [`url`](Self::url).
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with_tls() -> Option<Self> {
        Self::start_with(true)
    }

    fn start_with(has_tls: bool) -> Option<Self> {
        let Some(programs) = programs() else {
            skips::skip!("PostgreSQL is missing; install it: apt-get install postgresql");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("permissions");
        let mut server = Self { folder, programs, child: None, tls: None };
        for name in ["data", "socket"] {
            let path = server.path(name);
            fs::create_dir(&path).expect("a directory");
            server.give_away(&path);
        }
        let mut command = server.command("initdb");
        command.args([
            "--username=telarch",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
        ]);
        let output = command.arg(server.path("data")).output().expect("initdb");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if has_tls {
            server.prepare_tls();
        }
        server.run();
        server.execute_in("postgres", "CREATE DATABASE telarch");
        if has_tls {
            server.execute(&format!("ALTER ROLE telarch PASSWORD '{PASSWORD}'"));
        }
        Some(server)
    }

    /// Starts the server again after [`kill`](Self::kill), with the same files.
    ///
    /// # Panics
    /// If the server does not start.
    pub fn run(&mut self) {
        let log = fs::OpenOptions::new().append(true).create(true).open(self.path("log")).expect("a log");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.path("data")).arg("-k").arg(self.path("socket"));
        // Only processes are killed, not the machine.
        command.args(["-c", "fsync=off"]);
        match &self.tls {
            None => command.args(["-c", "listen_addresses="]),
            Some((port, _)) => {
                command.args(["-c", "listen_addresses=127.0.0.1", "-c", "ssl=on"]);
                command.arg("-c").arg(format!("port={port}"))
            }
        };
        command.stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().expect("postgres");
        let until = Instant::now() + PATIENCE;
        while !self.is_ready() {
            let ended = child.try_wait().expect("a status");
            assert!(ended.is_none() && Instant::now() < until, "{ended:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(child);
    }

    /// Ends the server and its sessions at once, as in a crash.
    ///
    /// # Panics
    /// If the process cannot be ended.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGKILL would leave the sessions running for a moment.
            kill_process(Pid::from_child(&child), Signal::QUIT).expect("a process");
            child.wait().expect("a status");
        }
    }

    /// Address of the database: of the port with TLS if it has one, and otherwise of the Unix socket.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.tls {
            Some((port, _)) => format!("postgresql://telarch@localhost:{port}/telarch?sslmode=verify-full"),
            None => self.socket_url(),
        }
    }

    /// Settings of a collector with this database.
    #[must_use]
    pub fn settings(&self) -> String {
        match &self.tls {
            None => format!("Url = \"{}\"\n", self.url()),
            Some((_, authority)) => format!(
                "Url = \"{}\"\nPassword = \"{PASSWORD}\"\nCertificateAuthority = '''\n{authority}'''\n",
                self.url()
            ),
        }
    }

    /// Executes statements with `psql`, and returns the rows: a line each, with `|` between the columns.
    ///
    /// # Panics
    /// If a statement fails.
    pub fn execute(&self, sql: &str) -> String {
        self.execute_in("telarch", sql)
    }

    /// Makes all changes of a table wait until the server is killed.
    ///
    /// # Panics
    /// If the table cannot be locked.
    #[must_use]
    pub fn lock_table(&self, table: &str) -> TableLock {
        let lock = format!("BEGIN; LOCK TABLE {table} IN SHARE MODE; SELECT pg_sleep(86400)");
        let mut command = self.psql("telarch", &lock);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("psql");
        self.wait_for_row(&format!(
            "SELECT 1 FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'ShareLock' AND granted"
        ));
        TableLock(child)
    }

    /// Waits until a change of a table waits for a lock.
    ///
    /// # Panics
    /// If none does.
    pub fn wait_for_blocked_change(&self, table: &str) {
        self.wait_for_row(&format!(
            "SELECT 1 FROM pg_locks WHERE relation = '{table}'::regclass AND NOT granted LIMIT 1"
        ));
    }

    fn wait_for_row(&self, sql: &str) {
        let until = Instant::now() + PATIENCE;
        while self.execute(sql).is_empty() {
            assert!(Instant::now() < until, "no row: {sql}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Log of the server.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn execute_in(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, sql).output().expect("psql");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Returns the command that executes statements.
    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut command = self.command("psql");
        command.args([
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "telarch",
        ]);
        command.arg("-h").arg(self.path("socket")).arg("-p").arg(self.port().to_string());
        command.args(["-d", database, "-c", sql]);
        command
    }

    fn is_ready(&self) -> bool {
        let mut command = self.command("pg_isready");
        command.arg("-h").arg(self.path("socket")).arg("-p").arg(self.port().to_string());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn socket_url(&self) -> String {
        format!("postgresql://telarch@/telarch?host={}&port={}", self.path("socket").display(), self.port())
    }

    fn port(&self) -> u16 {
        self.tls.as_ref().map_or(5_432, |(port, _)| *port)
    }

    /// Writes certificates, and lets only users with a password connect to the port.
    fn prepare_tls(&mut self) {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let authority = rcgen::CertifiedIssuer::self_signed(parameters, key).expect("an authority");
        let server_key = rcgen::KeyPair::generate().expect("a key");
        let server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let server = server.signed_by(&server_key, &authority).expect("a certificate");
        let data = self.path("data");
        for (name, text) in [("server.crt", server.pem()), ("server.key", server_key.serialize_pem())] {
            fs::write(data.join(name), text).expect("a file");
            fs::set_permissions(data.join(name), Permissions::from_mode(0o600)).expect("permissions");
            self.give_away(&data.join(name));
        }
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), rules).expect("a file");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        self.tls = Some((port.port(), authority.pem()));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the command of a program of PostgreSQL.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir("/").env("LC_ALL", "C");
        if rustix::process::geteuid().is_root() {
            command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        }
        command
    }

    /// Changes the owner of a file to the user of the server.
    fn give_away(&self, path: &Path) {
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).expect("an owner");
        }
    }
}

/// Client that holds the lock of a table. Dropping it ends the client.
#[derive(Debug)]
pub struct TableLock(Child);

impl Drop for TableLock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process(Pid::from_child(&child), Signal::QUIT);
            let _ = child.wait();
        }
    }
}

/// Returns the directory of the programs, which Debian does not add to the search path.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.sort();
    let search = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&search));
    found.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("psql").exists())
}

/// Password of the user with TLS.
const PASSWORD: &str = "geheim";
/// User and group that own no other files.
const UNPRIVILEGED: u32 = 65_534;
/// Time limit for a server that does not start.
const PATIENCE: Duration = Duration::from_secs(120);
