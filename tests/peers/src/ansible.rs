//! Ansible, through its own connection plug-ins.

use std::time::Duration;

use serde_json::json;

use crate::python::environment_program;
use crate::run::{Run, run};
use crate::telarchd::{PASSWORD, Telarchd, USER};
use crate::way_in::WayIn;

/// The `ansible` program with an inventory of one host.
pub struct Ansible {
    url: String,
    way: WayIn,
    password: String,
}

impl Ansible {
    /// Signs in to `service` by `way`.
    #[must_use]
    pub fn against(service: &Telarchd, way: WayIn) -> Self {
        Self { url: service.url(way).to_owned(), way, password: PASSWORD.to_owned() }
    }

    /// Signs in with another password.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        Self { password: password.to_owned(), ..self }
    }

    /// Runs one command with the module `raw`, over the connection plug-in `winrm`.
    ///
    /// # Panics
    ///
    /// When Ansible is not installed or does not end in time.
    #[must_use]
    pub fn raw(&self, command: &str) -> Run {
        let home =
            tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for its files");
        let inventory = home.path().join("inventory.json");
        std::fs::write(&inventory, self.inventory().to_string()).expect("a fresh file");
        let mut ansible = environment_program("ansible");
        ansible.arg("all").arg("--inventory").arg(&inventory);
        ansible.args(["--module-name", "ansible.builtin.raw", "--args", command]);
        ansible.env("ANSIBLE_HOME", home.path()).env("HOME", home.path()).env("ANSIBLE_NOCOLOR", "1");
        // It refuses to start under any other locale.
        ansible.env("LC_ALL", "C.UTF-8").current_dir(home.path());
        run(&mut ansible, b"", LIMIT)
    }

    fn inventory(&self) -> serde_json::Value {
        let port = self.url.rsplit(':').next().and_then(|rest| rest.split('/').next());
        let port: u16 = port.and_then(|port| port.parse().ok()).expect("the service announces its port");
        json!({"all": {"hosts": {"peer": {
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_user": USER,
            "ansible_password": self.password,
            "ansible_connection": "winrm",
            "ansible_shell_type": "powershell",
            "ansible_winrm_scheme": if self.way.is_tls() { "https" } else { "http" },
            "ansible_winrm_transport": "basic",
            "ansible_winrm_server_cert_validation": "ignore",
        }}}})
    }
}

/// It takes about a second on an idle machine; one that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(90);
