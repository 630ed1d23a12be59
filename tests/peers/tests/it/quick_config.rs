//! quickconfig on a machine of its own: with systemd, firewalld and nftables as they are, and with clients of others.

use std::path::Path;

use telarch_peers::{Run, World, in_world, own_program, python_of_peers, served_fingerprint};

/// The unit as it is packaged, but for what this world cannot give it.
fn unit() -> String {
    format!(
        "[Service]\nType=notify\nExecStart={} --gateway-user nobody\nTimeoutStopSec=15\nKillMode=mixed\n\
         Environment=DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/user/0/bus\n\
         [Install]\nWantedBy=default.target\n",
        own_program("telarchd").display()
    )
}

/// Runs `winrm` with an answer to its question. The last stage of quickconfig has tests of its own.
fn winrm(world: &World, arguments: &str, answer: &str) -> Run {
    let is_setup = arguments.starts_with("quickconfig") || arguments.starts_with("qc");
    let accounts = if is_setup && !arguments.contains("-undo") { "-accounts:none" } else { "" };
    let arguments = format!("{arguments} {accounts}");
    world.shell(&format!("printf '%s' '{answer}' | {} {arguments}", own_program("winrm").display()))
}

fn printed(world: &World, line: &str) -> String {
    let run = world.shell(line);
    assert_eq!(run.code, 0, "{line}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("text")
}

const DROPS: &str = "nft add table inet filter; \
    nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'; \
    nft add rule inet filter input ct state established accept";

#[test]
fn one_command_sets_a_machine_up_and_another_restores_it() {
    let name = "quick_config::\
                one_command_sets_a_machine_up_and_another_restores_it";
    in_world(name, &["systemd", "nft", "systemctl"], |world| {
        world.systemd(&unit());
        let _ = printed(world, DROPS);
        let rules = printed(world, "nft list ruleset");
        let state = |what: &str| {
            let shown = world.shell(&format!("XDG_RUNTIME_DIR=/run/user/0 systemctl --user {what} telarchd"));
            String::from_utf8_lossy(&shown.stdout).trim().to_owned()
        };
        let shown = winrm(world, "quickconfig -whatif", "");
        assert!(
            shown.text().0.contains("\n\nStart the WinRM service.\nSet the WinRM service type"),
            "{shown:?}"
        );
        assert_eq!((state("is-active"), state("is-enabled")), ("inactive".to_owned(), "disabled".to_owned()));
        let shown = winrm(world, "quickconfig", "n\n");
        assert_eq!((shown.code, state("is-active").as_str()), (0, "inactive"), "it was declined");

        let shown = winrm(world, "quickconfig", "y\ny\n");
        let expected = "\
WinRM is not set up to receive requests on this machine.
The following changes must be made:

Start the WinRM service.
Set the WinRM service type to delayed auto start.

Make these changes [y/n]? 
WinRM has been updated to receive requests.

WinRM service started.
WinRM service type changed to delayed auto start.
WinRM is not set up to allow remote access to this machine for management.
The following changes must be made:

Create a WinRM listener on HTTP://* to accept WS-Man requests to any IP on this machine.
Enable the WinRM firewall exception.
  TCP port 5985, from anywhere (nftables, chain inet filter input)

Make these changes [y/n]? 
WinRM has been updated for remote management.

Created a WinRM listener on HTTP://* to accept WS-Man requests to any IP on this machine.
WinRM firewall exception enabled.
";
        assert!(shown.text().0.starts_with(expected), "{}", shown.text().0);
        assert_eq!(
            (shown.code, state("is-active"), state("is-enabled")),
            (0, "active".into(), "enabled".into())
        );
        // The loopback network is behind the chain as well.
        let requested =
            printed(world, "curl -s -o /dev/null -w '%{http_code}' -X POST http://127.0.0.2:5985/wsman");
        assert_eq!(requested, "401", "it is there for others");

        let shown = winrm(world, "quickconfig -quiet", "");
        let already = "WinRM service is already running on this machine.\n\
                       WinRM is already set up for remote management on this computer.\n";
        assert_eq!(shown.text(), (already, "", 0));

        let shown = winrm(world, "quickconfig -undo -quiet", "");
        assert!(shown.text().0.contains("The changes made by quickconfig have been undone."), "{shown:?}");
        assert_eq!(shown.code, 0);
        assert_eq!(printed(world, "nft list ruleset"), rules);
        assert!(!printed(world, "cat /etc/telarch/config.toml").contains("Listener"));
        let stopped =
            "for i in $(seq 200); do [ -S /run/telarch/local.sock ] || exit 0; sleep 0.05; done; exit 1";
        let _ = printed(world, stopped);
        assert_eq!(state("is-enabled"), "disabled");
        assert!(!printed(world, "cat /var/lib/telarch/quickconfig.json").contains("number"));
    });
}

#[test]
fn an_https_listener_presents_the_certificate_that_was_printed() {
    let name = "quick_config::an_https_listener_presents_the_certificate_that_was_printed";
    in_world(name, &["openssl"], |world| {
        start(world, "");
        let refused = winrm(world, "quickconfig -quiet -transport:https -strict", "");
        assert_eq!(refused.code, 1);
        assert!(refused.text().1.contains("Error number:  -2144108267 0x80338115"), "{refused:?}");

        let shown = winrm(world, "quickconfig -quiet -transport:https", "");
        assert_eq!(shown.code, 0, "{shown:?}");
        let fingerprint = served_fingerprint(world, 5986);
        let line = format!("Certificate fingerprint (SHA-256): {fingerprint}\n");
        assert!(shown.text().0.contains(&line), "{line}{shown:?}");
        let names = printed(
            world,
            "openssl s_client -connect 127.0.0.1:5986 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName",
        );
        let host = printed(world, "uname -n").trim().to_ascii_lowercase();
        for part in [format!("DNS:{host}"), "DNS:localhost".to_owned(), "IP Address:127.0.0.1".to_owned()] {
            assert!(names.contains(&part), "{part}: {names}");
        }
        assert!(winrm(world, "quickconfig -undo -quiet", "").code == 0);
        assert!(!winrm(world, "enumerate winrm/config/listener", "").text().0.contains("HTTPS"));
    });
}

#[test]
fn a_certificate_of_an_authority_is_preferred_and_suffices_for_strict() {
    let name = "quick_config::a_certificate_of_an_authority_is_preferred_and_suffices_for_strict";
    in_world(name, &["openssl"], |world| {
        let _ = printed(
            world,
            "cd /run && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority \
             -days 30 2>/dev/null && openssl req -newkey rsa:2048 -nodes -keyout own.key -out own.csr \
             -subj \"/CN=$(uname -n)\" 2>/dev/null && printf 'subjectAltName=DNS:%s' \"$(uname -n)\" >ext && \
             openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext \
             -out own.pem 2>/dev/null && mkdir -p /etc/telarch/certificates && \
             t=$(openssl x509 -in own.pem -noout -fingerprint -sha1 | cut -d= -f2 | tr -d :) && \
             cat own.pem own.key > /etc/telarch/certificates/$t.pem && chmod 600 /etc/telarch/certificates/$t.pem",
        );
        start(world, "");
        let shown = winrm(world, "quickconfig -quiet -transport:https -strict", "");
        assert_eq!(shown.code, 0, "{shown:?}");
        let given = printed(world, "openssl x509 -in /run/own.pem -noout -fingerprint -sha256 | cut -d= -f2");
        assert_eq!(served_fingerprint(world, 5986), given.trim());
    });
}

#[test]
fn the_public_zone_of_firewalld_is_changed_only_on_request() {
    let name = "quick_config::the_public_zone_of_firewalld_is_changed_only_on_request";
    in_world(name, &["firewalld", "nft"], |world| {
        world.firewalld();
        let _ = printed(
            world,
            "ip link add v0 type veth peer name v1 && ip addr add 192.0.2.1/24 dev v0 && ip link set v0 up",
        );
        start(world, "");
        let refused = winrm(world, "quickconfig -quiet", "");
        assert_eq!(refused.code, 1);
        assert!(refused.text().1.contains("Error number:  -2144108183 0x80338169"), "{refused:?}");
        assert!(
            winrm(world, "enumerate winrm/config/listener", "").text().0.is_empty(),
            "nothing was changed"
        );

        let shown = winrm(world, "quickconfig -quiet -zone:internal", "");
        assert!(shown.text().0.contains("firewalld, zone internal, service wsman\n"), "{shown:?}");
        for when in ["", "--permanent"] {
            let _ = printed(world, &format!("firewall-cmd {when} --zone=internal --query-service=wsman"));
        }
        let shown = winrm(world, "quickconfig -force -transport:https", "");
        assert!(shown.text().0.contains("TCP port 5986 from 192.0.2.0/24\n"), "{shown:?}");
        let rules = printed(world, "firewall-cmd --permanent --zone=public --list-rich-rules");
        assert!(rules.contains("source address=\"192.0.2.0/24\" port port=\"5986\""), "{rules}");
        assert_eq!(winrm(world, "quickconfig -undo -quiet", "").code, 0);
        assert_eq!(printed(world, "firewall-cmd --permanent --zone=public --list-rich-rules").trim(), "");
        assert_ne!(world.shell("firewall-cmd --zone=internal --query-service=wsman").code, 0);
    });
}

#[test]
fn settings_under_policy_are_reported_and_not_changed() {
    in_world("quick_config::settings_under_policy_are_reported_and_not_changed", &[], |world| {
        std::fs::create_dir_all("/etc/telarch/policy.d").expect("a folder");
        std::fs::write("/etc/telarch/policy.d/one.toml", "[Policy]\nAllowAutoConfig = false\n")
            .expect("a file");
        start(world, "");
        let shown = winrm(world, "quickconfig -quiet", "");
        assert_eq!(shown.code, 0, "{shown:?}");
        assert!(shown.text().1.starts_with("Error: disabled by policy; nothing was changed.\n"), "{shown:?}");
        assert!(winrm(world, "enumerate winrm/config/listener", "").text().0.is_empty());
    });
}

/// As PowerShell's Set-WSManQuickConfig sends them; the answers go back letter for letter.
const POWERSHELL: &str = r#"
import sys, xml.etree.ElementTree as ET
from pypsrp.wsman import WSMan
from pypsrp.exceptions import WSManFaultError
C = "http://schemas.microsoft.com/wbem/wsman/1/config/service"
def ask(client, action, body):
    try:
        answer = client.invoke(C + "/" + action, C, ET.fromstring(body))
    except WSManFaultError as fault:
        print(action, "fault", fault.code)
        return None
    root = next(element for element in answer.iter() if element.tag.endswith("_OUTPUT"))
    for child in root:
        print(action, child.tag.split("}")[1], (child.text or "").split("\n")[0].strip())
    return root
def enable(root, action):
    return ET.tostring(root.find("{%s}%s_INPUT" % (C, action)), encoding="unicode")
user, password = sys.argv[1:3]
with WSMan("localhost", port=6001, username=user, password=password, ssl=False, auth="basic", encryption="never") as client:
    root = ask(client, "AnalyzeService", '<AnalyzeService_INPUT xmlns="%s"></AnalyzeService_INPUT>' % C)
    root = ask(client, "Analyze", '<Analyze_INPUT xmlns="%s"><Transport>http</Transport></Analyze_INPUT>' % C)
    if root is not None:
        ask(client, "EnableRemoting", enable(root, "EnableRemoting").replace("Listener:HTTP", "Listener:HTTPS"))
        ask(client, "EnableRemoting", enable(root, "EnableRemoting").replace("</", "<!-- --><ns9:x xmlns:ns9='urn:x'/></", 1))
        ask(client, "EnableRemoting", enable(root, "EnableRemoting"))
        ask(client, "Analyze", '<Analyze_INPUT xmlns="%s"><Transport>http</Transport><Force/></Analyze_INPUT>' % C)
"#;

#[test]
fn powershell_sets_a_machine_up_remotely_for_authorized_users_only() {
    let name = "quick_config::powershell_sets_a_machine_up_remotely_for_authorized_users_only";
    in_world(name, &["nft", "useradd"], |world| {
        let _ = printed(world, DROPS);
        let _ = printed(world, "nft insert rule inet filter input tcp dport 6001 accept");
        let _ = printed(
            world,
            "groupadd winrm-admins; for n in ann ben; do useradd -M $n; echo $n:secret | chpasswd; done; \
             usermod -aG winrm-admins ann",
        );
        let _ = printed(
            world,
            &format!("install -D -m644 {}/pam.d/winrm /etc/pam.d/winrm", packaging().display()),
        );
        start(
            world,
            "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;BA)(A;;GRGX;;;AU)\"\nService.Auth.Basic = true\n\
             Service.AllowUnencrypted = true\n[[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"HTTP\"\nPort = 6001\n",
        );
        std::fs::write("/run/client.py", POWERSHELL).expect("a file");
        let ask = |user: &str| {
            printed(world, &format!("{} /run/client.py {user} secret", python_of_peers().display()))
        };
        let shown = ask("ben");
        assert!(shown.contains("Analyze RemotingEnabled false\n"), "who may execute may look: {shown}");
        assert_eq!(shown.matches("EnableRemoting fault 5\n").count(), 3, "{shown}");
        let shown = ask("ann");
        let lines: Vec<&str> = shown.lines().filter(|line| line.starts_with("Enable")).collect();
        assert_eq!(
            lines[..4],
            [
                "EnableRemoting fault 2150858817",
                "EnableRemoting fault 2150858817",
                "EnableRemoting Status succeeded",
                "EnableRemoting Results Created a WinRM listener on HTTP://* to accept WS-Man requests to any IP on this machine.",
            ],
            "{shown}"
        );
        assert!(shown.contains("Analyze RemotingEnabled true"), "{shown}");
        assert!(printed(world, "nft list ruleset").contains("tcp dport 5985 accept comment \"winrm:http\""));
        let journal = printed(world, "cat /var/lib/telarch/quickconfig.json");
        assert!(journal.contains("\"listener\": \"http\"") && journal.contains("\"opened\""), "{journal}");

        let remote = "-remote:http://127.0.0.1:6001 -auth:basic -u:ann -p:secret -unencrypted";
        let _ = printed(
            world,
            "mkdir -p /run/home/.config/telarch && echo 'Client.AllowUnencrypted = true' > /run/home/.config/telarch/config.toml; echo 'Client.TrustedHosts = \"*\"' >> /run/home/.config/telarch/config.toml",
        );
        let shown = winrm(world, &format!("quickconfig -undo -quiet {remote}"), "");
        assert_eq!(shown.code, 0, "{shown:?}");
        assert!(!printed(world, "nft list ruleset").contains("winrm:http"));
    });
}

#[test]
fn the_examples_of_installation_and_configuration_run() {
    let name = "quick_config::the_examples_of_installation_and_configuration_run";
    in_world(name, &["nft"], |world| {
        start(world, "Service.IPv6Filter = \"\"\n");
        let done = |arguments: &str| {
            let run = winrm(world, arguments, "");
            assert_eq!(run.code, 0, "winrm {arguments}: {run:?}");
            run.text().0.to_owned()
        };
        let opens = |address: &str, port: u16| {
            world.shell(&format!("curl -sk -m 5 -o /dev/null -X POST http://{address}:{port}/wsman")).code
                == 0
        };
        assert!(done("enumerate winrm/config/listener").is_empty(), "there is none by default");
        assert!(done("get winrm/config").contains("\n    MaxTimeoutms = 60000\n"));
        assert!(done("qc -quiet").contains("Created a WinRM listener on HTTP://*"));
        assert!(opens("127.0.0.1", 5985));
        let shown = done("set winrm/config/client '@{TrustedHosts=\"[0:0:0:0:0:0:0:0],*.example.com\"}'");
        assert!(shown.contains("TrustedHosts = [0:0:0:0:0:0:0:0],*.example.com"), "{shown}");
        assert!(
            done("quickconfig -transport:https -quiet").contains("Created a WinRM listener on HTTPS://*")
        );
        let listeners = done("enumerate winrm/config/listener");
        assert!(listeners.contains("Port = 5985") && listeners.contains("Port = 5986"), "{listeners}");

        let _ = done("set 'winrm/config/Listener?Address=*+Transport=HTTP' '@{Port=\"8080\"}'");
        assert!(opens("127.0.0.1", 8080) && !opens("127.0.0.1", 5985));
        for address in ["127.0.0.2", "127.0.0.3"] {
            let _ = done(&format!(
                "create 'winrm/config/Listener?Address=IP:{address}+Transport=HTTP' '@{{Port=\"9000\"}}'"
            ));
        }
        assert!(opens("127.0.0.2", 9000) && opens("127.0.0.3", 9000), "both of one port are served");
        assert!(!opens("127.0.0.4", 9000));

        let _ = done(
            "set winrm/config/service '@{EnableCompatibilityHttpListener=\"true\";EnableCompatibilityHttpsListener=\"true\"}'",
        );
        assert!(opens("127.0.0.1", 80));
        let _ = served_fingerprint(world, 443);
        let listeners = done("enumerate winrm/config/listener");
        assert_eq!(listeners.matches("Listener [Source=\"Compatibility\"]").count(), 2, "{listeners}");
        // The rule goes where the listener has gone meanwhile.
        let _ = printed(world, DROPS);
        let shown = done("quickconfig -quiet");
        assert!(shown.contains("TCP port 8080"), "{shown}");
    });
}

/// Starts the service of the machine with these settings, as root without systemd.
#[test]
fn winrs_needs_no_switches_here_for_root_and_members_of_the_groups() {
    let name = "quick_config::winrs_needs_no_switches_here_for_root_and_members_of_the_groups";
    in_world(name, &["useradd", "groupadd", "setpriv"], |world| {
        start(world, "");
        // Other users may not be able to reach the build directory.
        let _ = printed(world, &format!("install -m 755 {} /run/winrs", own_program("winrs").display()));
        let _ = printed(
            world,
            "groupadd --system winrm-users && useradd -m -d /run/wendy -G winrm-users wendy && \
             useradd -m -d /run/nora nora",
        );
        assert_eq!(printed(world, "/run/winrs id -un"), "root\n");
        let as_user = |user: &str| {
            let identity = format!("--reuid={user} --regid={user} --init-groups");
            world.shell(&format!("HOME=/run/{user} setpriv {identity} /run/winrs id -un"))
        };
        assert_eq!(as_user("wendy").text(), ("wendy\n", "", 0));
        let denied = as_user("nora");
        let (stdout, stderr, code) = denied.text();
        assert_eq!((stdout, code), ("", 1), "{denied:?}");
        assert!(stderr.contains("the security entry of plug-in Shell for "), "{stderr}");
        assert!(
            stderr
                .contains("\n  add nora to the group winrm-users or winrm-admins, or grant the right: winrm"),
            "{stderr}"
        );
    });
}

fn start(world: &World, settings: &str) {
    std::fs::create_dir_all("/etc/telarch").expect("a folder");
    std::fs::write("/etc/telarch/config.toml", settings).expect("a file");
    world.service(&own_program("telarchd"), &["--gateway-user", "nobody"]);
}

fn packaging() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging"))
}
