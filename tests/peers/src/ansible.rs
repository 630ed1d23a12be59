//! Ansible, through its own connection plug-ins.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::kdc::REALM;
use crate::python::{environment_program, python, served_pem};
use crate::run::{Run, run};
use crate::telarchd::{PASSWORD, Telarchd, USER, built_program};
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
        let port = port_of(&self.url);
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

/// Runs a playbook over our connection plug-in on two hosts, which are `service` over HTTPS and over sealed HTTP. The
/// variable `files` of the playbook is an empty folder.
///
/// # Panics
///
/// When Ansible or our package is not installed, or does not end in time.
#[must_use]
pub fn playbook_over_telarch(service: &Telarchd, tasks: &Value, password: &str) -> Run {
    let home = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for its files");
    let pem = home.path().join("served.pem");
    fs::write(&pem, served_pem(service.https())).expect("a fresh file");
    let files = home.path().join("files");
    fs::create_dir(&files).expect("a fresh folder");
    let host = |url: &str, more: Value| {
        let mut host = json!({
            "ansible_connection": "telarch",
            "ansible_host": "127.0.0.1",
            "ansible_port": port_of(url),
            "ansible_user": USER,
            "ansible_password": password,
            "ansible_python_interpreter": python().get_program().to_str(),
            "ansible_remote_tmp": home.path().join("remote"),
            "files": files,
        });
        let variables = host.as_object_mut().expect("written as one above");
        variables.extend(more.as_object().cloned().into_iter().flatten());
        host
    };
    let inventory = json!({"all": {"hosts": {
        "over_https": host(service.https(), json!({"ansible_telarch_ca": pem})),
        "over_http": host(
            service.http(),
            json!({
                "ansible_telarch_scheme": "http",
                "ansible_telarch_auth": "negotiate",
                "ansible_telarch_trust_host": true,
            }),
        ),
    }}});
    let play = json!([{"hosts": "all", "gather_facts": false, "tasks": tasks}]);
    for (name, content) in [("inventory.json", &inventory), ("play.json", &play)] {
        fs::write(home.path().join(name), content.to_string()).expect("a fresh file");
    }
    let mut ansible = environment_program("ansible-playbook");
    ansible.args(["--inventory", "inventory.json", "play.json"]);
    run(prepared(&mut ansible, home.path()), b"", LIMIT)
}

/// The inventory of a host that `winrm hosts` has saved, and how Ansible used it.
#[derive(Clone, Debug)]
pub struct SavedInventory {
    /// Inventory as `ansible-inventory` understood it.
    pub inventory: Value,
    /// Result of the module `ping` on all hosts of the inventory.
    pub ping: Run,
}

/// Saves `service` over sealed HTTP as `saved1` with `winrm hosts`, and gives Ansible the inventory `telarch-inventory`.
///
/// # Panics
///
/// When a program is missing, fails, or does not end in time.
#[must_use]
pub fn ping_saved_host(service: &Telarchd) -> SavedInventory {
    let home = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for its files");
    let hosts = home.path().join("hosts.toml");
    let mut save = Command::new(built_program("winrm"));
    save.args(["hosts", "saved1", &format!("-r:{}", service.http()), &format!("-u:{USER}"), "-a:negotiate"]);
    let saved = run(save.env("TELARCH_HOSTS", &hosts), b"", LIMIT);
    assert_eq!(saved.code, 0, "{saved:?}");
    let inventory = environment_program("telarch-inventory").get_program().to_owned();
    let mut list = environment_program("ansible-inventory");
    list.arg("--inventory").arg(&inventory).arg("--list");
    let listed = run(prepared(&mut list, home.path()).env("TELARCH_HOSTS", &hosts), b"", LIMIT);
    assert_eq!(listed.code, 0, "{listed:?}");
    let variables = json!({
        "ansible_password": PASSWORD,
        "ansible_telarch_trust_host": true,
        "ansible_python_interpreter": python().get_program().to_str(),
        "ansible_remote_tmp": home.path().join("remote"),
    });
    let mut ping = environment_program("ansible");
    ping.arg("--inventory").arg(&inventory).args(["telarch", "--module-name", "ansible.builtin.ping"]);
    ping.args(["--extra-vars", &variables.to_string()]);
    let ping = run(prepared(&mut ping, home.path()).env("TELARCH_HOSTS", &hosts), b"", LIMIT);
    SavedInventory {
        inventory: serde_json::from_slice(&listed.stdout)
            .unwrap_or_else(|error| panic!("{error}: {listed:?}")),
        ping,
    }
}

/// Sets the home of a program of Ansible, and its language.
fn in_home<'c>(ansible: &'c mut Command, home: &Path) -> &'c mut Command {
    ansible.env("ANSIBLE_HOME", home).env("HOME", home).env("ANSIBLE_NOCOLOR", "1");
    // Ansible does not start with another locale.
    ansible.env("LC_ALL", "C.UTF-8").current_dir(home)
}

/// Sets the home, the language, and our connection plug-in of a program of Ansible.
fn prepared<'c>(ansible: &'c mut Command, home: &Path) -> &'c mut Command {
    let plugins = "import telarch.ansible; print(telarch.ansible.connection_plugins())";
    let plugins = run(python().args(["-c", plugins]).current_dir(home), b"", LIMIT);
    assert_eq!(plugins.code, 0, "{plugins:?}");
    ansible.env("ANSIBLE_CONNECTION_PLUGINS", String::from_utf8_lossy(&plugins.stdout).trim());
    in_home(ansible, home)
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
    let ended = run(in_home(&mut ansible, home.path()), b"", LIMIT);
    (ended.code, names.iter().map(|name| Outcome::read(&results.join(name), &ended)).collect())
}

fn port_of(url: &str) -> u16 {
    let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next());
    port.and_then(|port| port.parse().ok()).expect("the service announces its port")
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
