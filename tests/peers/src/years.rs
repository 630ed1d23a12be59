//! Clients in Python of earlier years, and those that Debian packages.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::holder::Holder;
use crate::python::{clean, environment, package_folder};
use crate::run::{run, tail};

/// Releases of the clients that were current together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Packages of Debian, for the system's own Python.
    Debian,
    /// End of a year: an environment of its own, as `tests/peers/years/YEAR.txt` describes it.
    Year(u16),
    /// The environment of all other tests.
    Current,
}

/// One sign-in with a client of a release.
#[derive(Clone, Debug)]
pub struct YearSignIn {
    /// `pywinrm` or `pypsrp`.
    pub client: &'static str,
    /// Address of the service.
    pub url: String,
    /// Scheme, as the client calls it.
    pub scheme: &'static str,
    /// Message encryption, as the client calls it.
    pub encryption: &'static str,
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// Files of a client certificate and its key, for the scheme `certificate`.
    pub certificate: Option<[PathBuf; 2]>,
}

impl YearSignIn {
    /// Signs in with the certificate of a holder instead of a password.
    #[must_use]
    pub fn with_certificate(self, holder: &Holder) -> Self {
        Self { certificate: Some([holder.certificate(), holder.key()]), ..self }
    }
}

impl Release {
    /// Returns why the clients cannot be used on this machine; `None` if they can.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        let python = self.python();
        if !python.exists() {
            return Some(format!(
                "{} is missing\n  install the peers with: ./test --install",
                python.display()
            ));
        }
        let modules = match self {
            Self::Debian => "winrm, requests_ntlm",
            _ => "winrm, pypsrp, requests_credssp, requests_ntlm",
        };
        let ended = run(self.command().args(["-c", &format!("import {modules}")]), b"", LIMIT);
        let last = String::from_utf8_lossy(&ended.stderr).lines().last().map(str::to_owned);
        (ended.code != 0)
            .then(|| format!("{} cannot import {modules}: {}", python.display(), last.unwrap_or_default()))
    }

    /// Lets the clients sign in one after the other and run two commands each. Returns `ok`, or why not, for each.
    ///
    /// # Panics
    /// If the script fails.
    #[must_use]
    pub fn sign_in(self, sign_ins: &[YearSignIn]) -> Vec<String> {
        let request = sign_ins.iter().map(|sign_in| {
            let [certificate, key] = match &sign_in.certificate {
                Some(files) => files.each_ref().map(|file| json!(file)),
                None => [Value::Null, Value::Null],
            };
            json!({
                "client": sign_in.client, "url": sign_in.url, "scheme": sign_in.scheme,
                "encryption": sign_in.encryption, "user": sign_in.user, "password": sign_in.password,
                "certificate": certificate, "key": key,
            })
        });
        let request = Value::Array(request.collect()).to_string();
        let mut command = self.command();
        command.arg(package_folder().join("python/years.py"));
        let ended = run(&mut command, request.as_bytes(), LIMIT);
        assert_eq!(ended.code, 0, "years.py failed: {}", tail(&ended.stderr));
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    }

    fn python(self) -> PathBuf {
        match self {
            Self::Debian => PathBuf::from("/usr/bin/python3"),
            Self::Year(year) => environment().join(format!("years/{year}/bin/python")),
            Self::Current => environment().join("bin/python"),
        }
    }

    fn command(self) -> Command {
        let mut command = Command::new(self.python());
        command.args(["-B", "-E", "-s"]);
        // Clients before 2023 take MD4 from OpenSSL, which has disabled it since.
        command.env("OPENSSL_CONF", package_folder().join("python/legacy-openssl.cnf"));
        clean(&mut command);
        command
    }
}

/// For all sign-ins of one release, on a machine that does other things as well.
const LIMIT: Duration = Duration::from_secs(180);
