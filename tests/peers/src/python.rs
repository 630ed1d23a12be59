//! The Python environment that `./test --install` makes, and the scripts that run in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::holder::Holder;
use crate::remote::Refusal;
use crate::run::{run, tail};
use crate::telarchd::{PASSWORD, Telarchd, USER};
use crate::way_in::WayIn;

/// Target and credentials of a Python client.
pub(crate) struct Login {
    url: String,
    way: WayIn,
    user: String,
    password: String,
    /// The files of the certificate and its key.
    certificate: Option<[PathBuf; 2]>,
}

impl Login {
    pub(crate) fn new(service: &Telarchd, way: WayIn) -> Self {
        Self::of(USER, service.url(way), way)
    }

    /// Returns the same target for another user.
    pub(crate) fn of(user: &str, url: &str, way: WayIn) -> Self {
        let (url, user, password) = (url.to_owned(), user.to_owned(), PASSWORD.to_owned());
        Self { url, way, user, password, certificate: None }
    }

    pub(crate) fn with_password(self, password: &str) -> Self {
        Self { password: password.to_owned(), ..self }
    }

    pub(crate) fn with_certificate(self, holder: &Holder) -> Self {
        Self { certificate: Some([holder.certificate(), holder.key()]), ..self }
    }

    /// Runs a script of `tests/peers/python` and returns what it answers.
    pub(crate) fn ask(&self, script: &str, action: &str, arguments: Value) -> Result<Value, Refusal> {
        let [answer] = self.ask_in_turn(script, [(action, arguments)]);
        answer
    }

    /// Runs a script once for several actions and returns what it answers to each.
    pub(crate) fn ask_in_turn<const N: usize>(
        &self,
        script: &str,
        steps: [(&str, Value); N],
    ) -> [Result<Value, Refusal>; N] {
        let actions = steps.each_ref().map(|(action, _)| *action);
        let request = json!({
            "steps": steps.map(|(action, arguments)| json!({"action": action, "arguments": arguments})).to_vec(),
            "login": {
                "url": self.url, "transport": self.way.scheme(), "encryption": self.way.encryption(),
                "user": self.user, "password": self.password,
                "certificate": self.certificate.as_ref().map(|files| files.each_ref().map(|file| json!(file))),
            },
        });
        let ended = run(&mut script_command(script), request.to_string().as_bytes(), LIMIT);
        assert_eq!(ended.code, 0, "{script} {actions:?} failed: {}", tail(&ended.stderr));
        let answers: Vec<Value> =
            serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        let answers: Vec<_> = answers.into_iter().map(read_answer).collect();
        answers.try_into().unwrap_or_else(|_| panic!("not one answer for each step: {ended:?}"))
    }
}

/// The SHA-1 thumbprint of the certificate that the TLS listener at `url` shows, in upper-case hexadecimal digits.
///
/// # Panics
///
/// When no certificate can be had.
#[must_use]
pub fn served_thumbprint(url: &str) -> String {
    served_certificate(url, "thumbprint").trim_end().to_owned()
}

/// The certificate that the TLS listener at `url` shows, as PEM: for clients that must trust it before they connect.
///
/// # Panics
///
/// When no certificate can be had.
#[must_use]
pub fn served_pem(url: &str) -> String {
    served_certificate(url, "pem")
}

fn served_certificate(url: &str, form: &str) -> String {
    let ended = run(script_command("certificate.py").args([url, form]), b"", LIMIT);
    assert_eq!(ended.code, 0, "certificate.py failed: {}", tail(&ended.stderr));
    ended.text().0.to_owned()
}

/// A program of the Python environment, such as `ansible`.
///
/// # Panics
///
/// When it is not installed.
pub(crate) fn environment_program(name: &str) -> Command {
    let program = environment().join("bin").join(name);
    assert!(program.exists(), "{} is missing\n  install the peers with: ./test --install", program.display());
    let mut command = Command::new(program);
    clean(&mut command);
    command
}

/// Removes the proxies and authorities of the caller, so that nothing stands between a peer on loopback and its
/// service.
pub(crate) fn clean(command: &mut Command) {
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    for name in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(name);
    }
}

/// Python itself: `-E` and `-s` keep the caller's Python settings out, `-B` writes nothing beside the scripts.
pub(crate) fn python() -> Command {
    let mut command = environment_program("python");
    command.args(["-B", "-E", "-s"]);
    command
}

/// Why the environment cannot import these modules; none if it can.
pub(crate) fn missing_modules(names: &str) -> Option<String> {
    let ended = run(python().args(["-c", &format!("import {names}")]), b"", LIMIT);
    let complaint = String::from_utf8_lossy(&ended.stderr).lines().last().map(str::to_owned);
    (ended.code != 0).then(|| complaint.unwrap_or_default())
}

/// A script of `tests/peers/python`.
pub(crate) fn script_command(script: &str) -> Command {
    let mut command = python();
    command.arg(package_folder().join("python").join(script));
    command
}

fn read_answer(mut answer: Value) -> Result<Value, Refusal> {
    if let Some(refused) = answer.get("refused") {
        let text = |name: &str| refused.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Err(Refusal {
            exception: text("exception"),
            fault_code: refused.get("fault_code").and_then(Value::as_u64),
            message: text("message"),
        });
    }
    Ok(answer.get_mut("answer").map(Value::take).expect("the scripts write an answer or a refusal"))
}

/// Returns the directory of the installed peers: `TELARCH_PEERS`, or `.peers` at the root of the checkout.
pub(crate) fn environment() -> PathBuf {
    let folder = std::env::var_os("TELARCH_PEERS");
    let folder = folder.map_or_else(|| package_folder().join("../../.peers"), PathBuf::from);
    std::path::absolute(folder).expect("a current folder")
}

pub(crate) fn package_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A script that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(180);
