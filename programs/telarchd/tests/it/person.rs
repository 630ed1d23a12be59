//! Users of this machine that are there for one test.

use std::io::Write as _;
use std::process::{Command, Stdio};

use client::{Authentication, Credentials, Endpoint, Finished, Secret, Session, ShellOptions, TlsPolicy};

use crate::running::PASSWORD;

/// A user with a home and a password that PAM knows; gone with everything it runs when dropped.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) uid: u32,
    group: String,
}

impl Person {
    /// None where nobody can be made.
    pub(crate) fn make() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skips::skip!("it takes root to make users");
            return None;
        }
        let random: [u8; 4] = accounts::random().unwrap();
        let suffix = format!("{:08x}", u32::from_ne_bytes(random));
        let (name, group) = (format!("tel{suffix}"), format!("tgr{suffix}"));
        let mut person = Self { name, uid: 0, group };
        if Command::new("groupadd").arg(&person.group).status().is_err() {
            skips::skip!("groupadd and useradd are not installed");
            return None;
        }
        done("useradd", &["--create-home", "--shell", "/bin/sh", "--groups", &person.group, &person.name]);
        let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        writeln!(chpasswd.stdin.take().unwrap(), "{}:{PASSWORD}", person.name).unwrap();
        assert!(chpasswd.wait().unwrap().success(), "chpasswd");
        let users = accounts::UnixUsers::of_this_machine();
        person.uid = users.find(&person.name).unwrap().unwrap().uid;
        Some(person)
    }

    /// The second group.
    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    /// A session with a service that listens on HTTPS.
    pub(crate) fn session(&self, port: u16) -> Session {
        let endpoint = Endpoint::parse(&format!("https://127.0.0.1:{port}/wsman")).unwrap();
        let credentials = Credentials { user: self.name.clone(), password: Secret::new(PASSWORD.into()) };
        let session = Session::builder(endpoint).credentials(credentials);
        session
            .authentication(Authentication::Basic)
            .tls(TlsPolicy::new().skip_ca().skip_name())
            .build()
            .unwrap()
    }

    /// Runs a command line in a shell of its own; nothing is read from its input.
    pub(crate) async fn run(&self, port: u16, line: &str) -> Result<String, client::Error> {
        let shell = self.session(port).shell(ShellOptions::default()).await?;
        let Finished { stdout, stderr, .. } = shell.run(line).await?;
        shell.close().await?;
        Ok(String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = Command::new("pkill").args(["-KILL", "-U", &self.name]).status();
        let _ =
            Command::new("userdel").args(["--force", "--remove", &self.name]).stderr(Stdio::null()).status();
        let _ = Command::new("groupdel").arg(&self.group).stderr(Stdio::null()).status();
    }
}

fn done(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
}
