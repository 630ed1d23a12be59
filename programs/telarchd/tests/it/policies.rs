//! Policies that are added, changed and removed while the service is running.

use std::fs;
use std::net::TcpStream;
use std::process::Stdio;

use config::{RegistryPol, RegistryRecord};
use ports::free_ports;
use wsman::namespace;

use crate::http_connection::{Connection, is_open};
use crate::message;
use crate::service_process::{BASIC_OVER_HTTP, Telarchd, is_root, listener, loopback, set_mode};

const SERVICE: &str = r"Software\Policies\Microsoft\Windows\WinRM\Service";
const WINRS: &str = r"Software\Policies\Microsoft\Windows\WinRM\Service\WinRS";

/// Starts a service with a listener; returns its port.
fn start() -> (Telarchd, u16) {
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    (Telarchd::start(&[BASIC_OVER_HTTP, &http].concat()), port)
}

impl Telarchd {
    /// Installs a policy file.
    fn put_policy(&self, name: &str, contents: impl AsRef<[u8]>) {
        let folder = self.file("policy.d");
        fs::create_dir_all(&folder).unwrap();
        set_mode(&folder, 0o755);
        // The file is complete when it appears.
        let beside = self.file(name);
        fs::write(&beside, contents).unwrap();
        set_mode(&beside, 0o644);
        fs::rename(beside, folder.join(name)).unwrap();
    }

    fn remove_policy(&self, name: &str) {
        fs::remove_file(self.file("policy.d").join(name)).unwrap();
    }

    /// Waits until the serving process has this number of policies; each call in a test must use another number.
    fn governed(&self, count: usize) {
        let event = if is_root() { "Policies applied" } else { "Policies are in force" };
        self.wait_for_log(&[event, &format!("policies={count}")]);
    }
}

fn pol(records: &[RegistryRecord]) -> Vec<u8> {
    RegistryPol { records: records.to_vec() }.encode()
}

#[test]
fn a_policy_is_shown_and_cannot_be_overridden() {
    let (telarchd, port) = start();
    let mut connection = Connection::open(loopback(port));
    assert!(!connection.ask("/wsman", &message::settings()).body.contains("Source="));

    let quotas = [RegistryRecord::of_number(WINRS, "MaxShellsPerUser", 1)];
    telarchd.put_policy("10-domain.pol", pol(&quotas));
    telarchd.governed(1);
    let shown = connection.ask("/wsman", &message::settings()).body;
    assert!(shown.contains("<cfg:MaxShellsPerUser Source=\"GPO\">1</cfg:MaxShellsPerUser>"), "{shown}");
    let refused = connection.ask("/wsman", &message::put_winrs("MaxShellsPerUser", "2"));
    assert!(refused.body.contains("2150858890"), "{refused:?}");
    assert_eq!(connection.ask("/wsman", &message::put_winrs("MaxShellsPerUser", "1")).status, 200);
    assert_eq!(connection.ask("/wsman", &message::put_winrs("MaxProcessesPerShell", "7")).status, 200);
    assert_eq!(connection.ask("/wsman", &message::create_shell()).status, 200);
    assert_ne!(
        connection.ask("/wsman", &message::create_shell()).status,
        200,
        "policy allows one shell only"
    );

    telarchd.remove_policy("10-domain.pol");
    telarchd.put_policy("20.toml", "Service.MaxConnections = 17\nMaxTimeoutms = 70000\n");
    telarchd.governed(2);
    let shown = connection.ask("/wsman", &message::settings()).body;
    assert!(shown.contains("<cfg:MaxShellsPerUser>30</cfg:MaxShellsPerUser>"), "{shown}");
    assert!(shown.contains("<cfg:MaxConnections Source=\"GPO\">17</cfg:MaxConnections>"), "{shown}");
    let file = fs::read_to_string(telarchd.file("config.toml")).unwrap();
    assert!(file.contains("MaxProcessesPerShell = 7") && !file.contains("MaxShellsPerUser"), "{file}");
}

#[test]
fn a_scheme_forbidden_by_policy_is_refused() {
    let (telarchd, port) = start();
    assert_eq!(Connection::open(loopback(port)).ask("/wsman", &message::settings()).status, 200);
    telarchd.put_policy("10.pol", pol(&[RegistryRecord::of_number(SERVICE, "AllowBasic", 0)]));
    telarchd.governed(1);
    let refused = Connection::open(loopback(port)).ask("/wsman", &message::settings());
    assert_eq!(refused.status, 401, "{refused:?}");
}

#[test]
fn the_policy_s_listener_follows_the_policy_and_cannot_be_deleted() {
    let (telarchd, port) = start();
    let [own] = free_ports();
    // Windows policies cannot set the port.
    telarchd.put_policy("05.toml", format!("Service.DefaultPorts.HTTP = {own}\n"));
    let policy = [
        RegistryRecord::of_number(SERVICE, "AllowAutoConfig", 1),
        RegistryRecord::of_text(SERVICE, "IPv4Filter", "127.0.0.1"),
        RegistryRecord::of_text(SERVICE, "IPv6Filter", ""),
    ];
    telarchd.put_policy("10.pol", pol(&policy));
    telarchd.wait_for_notification_matching(|message| {
        message.starts_with("STATUS=")
            && [port, own].iter().all(|port| message.contains(&format!("127.0.0.1:{port}")))
    });
    let mut connection = Connection::open(loopback(own));
    let shown = connection.ask("/wsman", &message::listener("Get", "*", "HTTP"));
    assert!(shown.body.contains("<cfg:Listener") && shown.body.contains("Source=\"GPO\""), "{shown:?}");
    assert!(shown.body.contains("<cfg:ListeningOn>127.0.0.1</cfg:ListeningOn>"), "{shown:?}");
    for verb in ["Delete", "Create"] {
        let refused = connection.ask("/wsman", &message::listener(verb, "*", "HTTP"));
        assert!(refused.body.contains("2150858890"), "{verb}: {refused:?}");
    }

    telarchd.remove_policy("10.pol");
    telarchd.wait_for_notification_matching(|message| {
        message.starts_with("STATUS=") && !message.contains(&format!(":{own}"))
    });
    assert!(!is_open(loopback(own)) && is_open(loopback(port)));
}

#[test]
fn a_policy_that_forbids_remote_access_keeps_local_access() {
    let (telarchd, port) = start();
    let mut connection = Connection::open(loopback(port));
    assert!(connection.finds("/wsman"));
    telarchd.put_policy("10.pol", pol(&[RegistryRecord::of_number(SERVICE, "AllowAutoConfig", 0)]));
    telarchd.wait_for_notification("STATUS=listening for local programs only");
    assert!(!is_open(loopback(port)));
    let mut here = Connection::open_local(&telarchd.state().join("local.sock"));
    let shown = here.ask_unnamed("/wsman", &message::settings());
    let expected = "<cfg:AllowRemoteAccess Source=\"GPO\">false</cfg:AllowRemoteAccess>";
    assert!(shown.body.contains(expected), "{shown:?}");
}

#[test]
fn an_invalid_policy_keeps_the_previous_ones_and_prevents_a_start() {
    let (mut telarchd, port) = start();
    telarchd.put_policy("10.toml", "Service.MaxConnections = 17\n");
    telarchd.governed(1);
    telarchd.put_policy("20.pol", b"PReg\x01\0\0\0[\0");
    telarchd.wait_for_log(&["Cannot reload the policies", "20.pol, record 1"]);
    let shows = |connection: &mut Connection<TcpStream>| {
        let shown = connection.ask("/wsman", &message::settings()).body;
        shown.contains("<cfg:MaxConnections Source=\"GPO\">17</cfg:MaxConnections>")
    };
    assert!(shows(&mut Connection::open(loopback(port))));
    telarchd.reload();
    assert!(shows(&mut Connection::open(loopback(port))));

    let checked = telarchd.command().arg("--check").output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        !checked.status.success() && said.contains("error: Registry.pol is truncated or damaged"),
        "{said}"
    );
    telarchd.end();
    let started = telarchd.command().stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(!started.status.success() && said.contains("20.pol, record 1"), "{said}");
    assert!(said.contains("fix or remove the file"), "{said}");
}

#[test]
fn a_policy_that_everyone_could_have_written_is_refused() {
    let (telarchd, port) = start();
    telarchd.put_policy("10.toml", "Service.MaxConnections = 17\n");
    telarchd.governed(1);
    telarchd.put_policy("20.toml", "Service.MaxConnections = 18\n");
    set_mode(&telarchd.file("policy.d/20.toml"), 0o666);
    telarchd.wait_for_log(&["Cannot reload the policies", "20.toml is writable by all users"]);
    let checked = telarchd.command().arg("--check").output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(!checked.status.success() && said.contains("20.toml is writable by all users"), "{said}");
    let mut connection = Connection::open(loopback(port));
    let shown = connection.ask("/wsman", &message::settings()).body;
    assert!(shown.contains("MaxConnections Source=\"GPO\">1"), "{shown}");
    set_mode(&telarchd.file("policy.d/20.toml"), 0o644);
    telarchd.put_policy("30.toml", "MaxTimeoutms = 70000\n");
    telarchd.governed(2);
    let shown = connection.ask("/wsman", &message::settings()).body;
    assert!(shown.contains("<cfg:MaxConnections Source=\"GPO\">18</cfg:MaxConnections>"), "{shown}");
}

#[test]
fn a_restarted_gateway_uses_the_last_valid_policies() {
    if !is_root() {
        skips::skip!("only the service of root has a gateway");
        return;
    }
    let (telarchd, port) = start();
    telarchd.put_policy("10.toml", "Service.MaxConnections = 17\n");
    telarchd.governed(1);
    telarchd.put_policy("20.toml", "= broken");
    telarchd.wait_for_log(&["Cannot reload the policies"]);
    let gateway = telarchd.serving_pid();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(gateway).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    telarchd.wait_for_notification("READY=1");
    let shown = Connection::open(loopback(port)).ask("/wsman", &message::settings()).body;
    assert!(shown.contains("<cfg:MaxConnections Source=\"GPO\">17</cfg:MaxConnections>"), "{shown}");
    assert!(shown.contains(namespace::CONFIG), "{shown}");
}
