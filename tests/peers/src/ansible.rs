//! Ansible, through its own connection plug-ins.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::kdc::REALM;
use crate::python::environment_program;
use crate::run::{Run, run};
use crate::telarchd::{PASSWORD, Telarchd, USER};
use crate::way_in::WayIn;

/// The `ansible` program with an inventory of one host.
pub struct Ansible {
    url: String,
    way: WayIn,
    connection: Connection,
    password: String,
}

/// Connection plug-in of Ansible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// `winrm`, which is pywinrm and the command shell.
    Winrm,
    /// `psrp`, which is pypsrp and PowerShell remoting.
    Psrp,
}

/// Ansible's report about one command on one host.
#[derive(Clone, Debug)]
pub struct Report {
    /// The exit code of `ansible` itself: 0 is success, 2 a command that failed, 4 a host that cannot be reached.
    pub code: i32,
    /// How far it came.
    pub outcome: Outcome,
}

/// How far Ansible came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command ran to its end.
    Ran(Run),
    /// The command did not run; the text gives the reason.
    Unreachable(String),
    /// The command did not run for a reason that Ansible does not attribute to the host; the text gives it.
    Failed(String),
}

impl Ansible {
    /// Signs in to `service` by `way`.
    #[must_use]
    pub fn against(service: &Telarchd, way: WayIn, connection: Connection) -> Self {
        let url = service.url(way).to_owned();
        Self { url, way, connection, password: PASSWORD.to_owned() }
    }

    /// Signs in with another password.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        Self { password: password.to_owned(), ..self }
    }

    /// Runs one command with the module `raw`.
    ///
    /// # Panics
    ///
    /// When Ansible is not installed, does not end in time, or ends without having tried.
    #[must_use]
    pub fn raw(&self, command: &str) -> Report {
        let (code, outcomes) = raw(&[self], command);
        let outcome = outcomes.into_iter().next().expect("one for each host");
        Report { code, outcome }
    }

    /// Runs one command on several hosts at once, all of them this service.
    ///
    /// # Panics
    ///
    /// As [`Ansible::raw`].
    #[must_use]
    pub fn raw_on_all(hosts: &[Self], command: &str) -> Vec<Outcome> {
        raw(&hosts.iter().collect::<Vec<_>>(), command).1
    }

    fn variables(&self) -> Value {
        let port = self.url.rsplit(':').next().and_then(|rest| rest.split('/').next());
        let port: u16 = port.and_then(|port| port.parse().ok()).expect("the service announces its port");
        let scheme = if self.way.is_tls() { "https" } else { "http" };
        let mut host = json!({
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_user": USER,
            "ansible_password": self.password,
            "ansible_shell_type": "powershell",
        });
        let of_connection = match self.connection {
            Connection::Winrm => json!({
                "ansible_connection": "winrm",
                "ansible_winrm_scheme": scheme,
                "ansible_winrm_transport": self.way.scheme(),
                "ansible_winrm_server_cert_validation": "ignore",
            }),
            Connection::Psrp => json!({
                "ansible_connection": "psrp",
                "ansible_psrp_protocol": scheme,
                "ansible_psrp_auth": self.way.scheme(),
                "ansible_psrp_cert_validation": "ignore",
                "ansible_psrp_message_encryption": self.way.encryption(),
                "ansible_psrp_negotiate_service": "HTTP",
            }),
        };
        // No address has a ticket, and kinit has to find the realm of the test.
        let of_kerberos = json!({
            "ansible_host": "localhost",
            "ansible_user": format!("{USER}@{REALM}"),
            "ansible_winrm_kinit_mode": "managed",
            "ansible_winrm_kinit_env_vars": ["KRB5_CONFIG"],
        });
        let of_scheme = if self.way.scheme() == "kerberos" { of_kerberos } else { json!({}) };
        let variables = host.as_object_mut().expect("written as one above");
        for more in [of_connection, of_scheme] {
            variables.extend(more.as_object().cloned().into_iter().flatten());
        }
        host
    }
}

/// Runs one command on every host, each with its own way in; with the exit code of `ansible`.
fn raw(hosts: &[&Ansible], command: &str) -> (i32, Vec<Outcome>) {
    let home = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for its files");
    let names: Vec<String> = (0..hosts.len()).map(|number| format!("peer{number}")).collect();
    let inventory = names.iter().zip(hosts).map(|(name, host)| (name.clone(), host.variables()));
    let inventory = json!({"all": {"hosts": inventory.collect::<Map<String, Value>>()}});
    let inventory_file = home.path().join("inventory.json");
    fs::write(&inventory_file, inventory.to_string()).expect("a fresh file");
    let results = home.path().join("results");
    let mut ansible = environment_program("ansible");
    ansible.arg("all").arg("--inventory").arg(&inventory_file).arg("--tree").arg(&results);
    ansible.args(["--module-name", "ansible.builtin.raw", "--args", command]);
    ansible.env("ANSIBLE_HOME", home.path()).env("HOME", home.path()).env("ANSIBLE_NOCOLOR", "1");
    // Ansible does not start with another locale.
    ansible.env("LC_ALL", "C.UTF-8").current_dir(home.path());
    let ended = run(&mut ansible, b"", LIMIT);
    (ended.code, names.iter().map(|name| Outcome::read(&results.join(name), &ended)).collect())
}

impl Outcome {
    /// Reads the file that Ansible writes for a host; `ended` is shown where there is none.
    fn read(file: &Path, ended: &Run) -> Self {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        let result: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let field = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if result.get("unreachable") == Some(&Value::Bool(true)) {
            return Self::Unreachable(field("msg"));
        }
        let Some(code) = result.get("rc").and_then(Value::as_i64) else { return Self::Failed(field("msg")) };
        Self::Ran(Run {
            stdout: field("stdout").into_bytes(),
            stderr: field("stderr").into_bytes(),
            code: i32::try_from(code).expect("an exit code is a 32-bit number"),
            operation_timeouts: 0,
        })
    }
}

/// Time limit; a run takes about a second on an idle machine.
const LIMIT: Duration = Duration::from_secs(90);
