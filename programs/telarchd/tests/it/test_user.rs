//! Local users that exist for one test.

use std::io::Write as _;
use std::process::{Command, Stdio};

use client::{
    Authentication, CommandResult, Credentials, Endpoint, Secret, Session, SessionBuilder, ShellOptions,
    TlsPolicy,
};

use crate::service_process::PASSWORD;

/// A user with a home and a password that PAM knows; it is removed with all its processes on drop.
pub(crate) struct TestUser {
    pub(crate) name: String,
    pub(crate) uid: u32,
    group: String,
}

impl TestUser {
    /// Creates a user; `None` if the test lacks the rights or programs.
    pub(crate) fn create() -> Option<Self> {
        Self::create_with(&[])
    }

    /// Creates another account with the same user ID, and its own home, password and groups.
    pub(crate) fn create_with_same_uid(&self) -> Option<Self> {
        Self::create_with(&["--non-unique", "--uid", &self.uid.to_string()])
    }

    fn create_with(more: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skips::skip!("creating users requires root");
            return None;
        }
        let random: [u8; 4] = accounts::random().unwrap();
        let suffix = format!("{:08x}", u32::from_ne_bytes(random));
        let (name, group) = (format!("tel{suffix}"), format!("tgr{suffix}"));
        let mut user = Self { name, uid: 0, group };
        if Command::new("groupadd").arg(&user.group).status().is_err() {
            skips::skip!("groupadd and useradd are not installed");
            return None;
        }
        let usual = ["--create-home", "--shell", "/bin/sh", "--groups", &user.group, &user.name];
        run_checked("useradd", &[more, &usual].concat());
        let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        writeln!(chpasswd.stdin.take().unwrap(), "{}:{PASSWORD}", user.name).unwrap();
        assert!(chpasswd.wait().unwrap().success(), "chpasswd");
        let users = accounts::UnixUsers::of_this_machine();
        user.uid = users.find(&user.name).unwrap().unwrap().uid;
        Some(user)
    }

    /// Returns the user's supplementary group.
    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    /// Opens a session with a service that listens on HTTPS.
    pub(crate) fn session(&self, port: u16) -> Session {
        self.session_with(port, |session| session)
    }

    /// Opens a session with further options.
    pub(crate) fn session_with(
        &self,
        port: u16,
        options: impl FnOnce(SessionBuilder) -> SessionBuilder,
    ) -> Session {
        let endpoint = Endpoint::parse(&format!("https://127.0.0.1:{port}/wsman")).unwrap();
        let credentials = Credentials { user: self.name.clone(), password: Secret::new(PASSWORD.into()) };
        let session = Session::builder(endpoint).credentials(credentials);
        let session =
            session.authentication(Authentication::Basic).tls(TlsPolicy::new().skip_ca().skip_name());
        options(session).build().unwrap()
    }

    /// Runs a command line in a new shell without input.
    pub(crate) async fn run(&self, port: u16, line: &str) -> Result<String, client::Error> {
        let shell = self.session(port).shell(ShellOptions::default()).await?;
        let CommandResult { stdout, stderr, .. } = shell.run(line).await?;
        shell.close().await?;
        Ok(String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }
}

impl Drop for TestUser {
    fn drop(&mut self) {
        let _ = Command::new("pkill").args(["-KILL", "-U", &self.name]).status();
        let _ =
            Command::new("userdel").args(["--force", "--remove", &self.name]).stderr(Stdio::null()).status();
        let _ = Command::new("groupdel").arg(&self.group).stderr(Stdio::null()).status();
    }
}

fn run_checked(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
}
