//! Squid, a proxy, between our client and the service.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ports::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::apache::digest;
use crate::installed::installed;
use crate::kdc::Realm;
use crate::run::{Collected, tail};
use crate::telarchd::{PASSWORD, USER};

/// A running Squid; dropping it ends exactly the process it started.
pub struct Squid {
    child: Child,
    folder: TempDir,
    port: u16,
}

/// Authentication scheme that Squid requires.
#[derive(Clone, Copy, Debug)]
pub enum Gatekeeper<'r> {
    /// Nothing.
    Nobody,
    /// RFC 7617, with [`USER`] and [`PASSWORD`].
    Basic,
    /// RFC 7616, with the same.
    Digest,
    /// RFC 4559, with a ticket for `HTTP/localhost`.
    Kerberos(&'r Realm),
}

impl Squid {
    /// Starts it; none, and a word about it, where Squid is missing.
    ///
    /// # Panics
    /// When it is there and does not listen.
    #[must_use]
    pub fn start(gatekeeper: Gatekeeper<'_>) -> Option<Self> {
        let Some(program) = installed("squid") else {
            skips::skip!("there is no squid here (./test --install, or Debian: apt-get install squid)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for Squid");
        // As root, Squid runs as another user, which must be able to write its log and read its other files.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("a fresh folder");
        // Somebody else may take a port between the time it is found free and the time Squid asks for it.
        let started = (0..5).find_map(|_| {
            let port = free_port();
            let text = settings(folder.path(), port, gatekeeper);
            fs::write(folder.path().join("squid.conf"), text).expect("a fresh folder");
            start(&program, folder.path(), port).map(|child| (child, port))
        });
        let (child, port) = started.expect("Squid does not listen; its last lines are above");
        Some(Self { child, folder, port })
    }

    /// Returns the value for `https_proxy`, with the host name that a realm knows.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// A line for each request so far: status, method and target.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("requests")).unwrap_or_default();
        // A connection without a request is how it was found to listen.
        text.lines().filter(|line| !line.contains("error:")).map(str::to_owned).collect()
    }

    /// Waits until there are as many requests as that: Squid writes its log when a tunnel has ended.
    ///
    /// # Panics
    /// When there are not in time.
    #[must_use]
    pub fn requests_once_there_are(&self, count: usize) -> Vec<String> {
        let until = Instant::now() + LIMIT;
        loop {
            let requests = self.requests();
            if requests.len() >= count {
                return requests;
            }
            assert!(Instant::now() < until, "{requests:?}");
            std::thread::sleep(Duration::from_millis(10)); // A file tells nobody that it grows.
        }
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        // SIGTERM, because its helper processes would survive SIGKILL.
        if kill_process(Pid::from_child(&self.child), Signal::TERM).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn settings(folder: &Path, port: u16, gatekeeper: Gatekeeper<'_>) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    let write = |name: &str, text: &str, mode: u32| {
        fs::write(folder.join(name), text).expect("a fresh folder");
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).expect("a fresh file");
    };
    let asking = match gatekeeper {
        Gatekeeper::Nobody => String::new(),
        Gatekeeper::Basic => {
            // Format in which Squid passes credentials to its helpers.
            let password = PASSWORD.replace('<', "%3C").replace('>', "%3E");
            let judge = format!(
                "#!/bin/sh\nwhile read -r user password; do\n  [ \"$user $password\" = '{USER} {password}' ] && echo OK || echo ERR\ndone\n"
            );
            write("judge", &judge, 0o755);
            format!("auth_param basic program {}\nauth_param basic realm proxy\n", path("judge"))
        }
        Gatekeeper::Digest => {
            let key = digest("md5sum", &format!("{USER}:proxy:{PASSWORD}"));
            write("passwords", &format!("{USER}:proxy:{key}\n"), 0o644);
            format!(
                "auth_param digest program {HELPERS}/digest_file_auth -c {}\nauth_param digest realm proxy\n",
                path("passwords")
            )
        }
        Gatekeeper::Kerberos(realm) => {
            // Other users cannot access the directory of the realm.
            for (from, name) in [(realm.keytab(), "keytab"), (realm.path("krb5.conf"), "krb5.conf")] {
                fs::copy(from, folder.join(name)).expect("a file of the realm");
                fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o644))
                    .expect("a fresh file");
            }
            format!(
                "auth_param negotiate program {HELPERS}/negotiate_kerberos_auth -k {} -s HTTP/localhost\n\
                 auth_param negotiate keep_alive on\n",
                path("keytab")
            )
        }
    };
    let rule = match gatekeeper {
        Gatekeeper::Nobody => "http_access allow all\n",
        _ => "acl known proxy_auth REQUIRED\nhttp_access allow known\n",
    };
    format!(
        "http_port 127.0.0.1:{port}\npid_filename none\ncache deny all\ncache_log {cache_log}\n\
         logformat asked %>Hs %rm %ru\naccess_log stdio:{requests} asked\nbuffered_logs off\n\
         coredump_dir {folder}\nshutdown_lifetime 0 seconds\nvisible_hostname squid\nworkers 1\npinger_enable off\n\
         {asking}acl machine dst 127.0.0.1/32 ::1/128\nhttp_access deny !machine\n{rule}http_access deny all\n",
        cache_log = path("cache.log"),
        requests = path("requests"),
        folder = folder.display(),
    )
}

/// A Squid that listens; none if it ended before.
fn start(program: &Path, folder: &Path, port: u16) -> Option<Child> {
    let mut command = Command::new(program);
    command.arg("-N").arg("-f").arg(folder.join("squid.conf")).arg("-d1");
    command.env("KRB5_CONFIG", folder.join("krb5.conf")).env("KRB5RCACHENAME", "none:");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("squid can be started");
    let stderr = Collected::from(child.stderr.take().expect("it was asked for"), ());
    let until = Instant::now() + LIMIT;
    while Instant::now() < until {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Some(child);
        }
        if let Ok(Some(status)) = child.try_wait() {
            eprintln!("squid ended with {status}: {}", tail(&stderr.so_far()));
            return None;
        }
        std::thread::sleep(Duration::from_millis(10)); // Nothing tells that it listens but a connection.
    }
    let _ = child.kill();
    let _ = child.wait();
    eprintln!("squid did not listen: {}", tail(&stderr.so_far()));
    None
}

/// Directory of Squid's helpers on Debian.
const HELPERS: &str = "/usr/lib/squid";
/// Squid that takes longer to start hangs.
const LIMIT: Duration = Duration::from_secs(60);
