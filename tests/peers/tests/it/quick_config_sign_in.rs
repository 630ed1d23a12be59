//! The last stage of quickconfig: users of other machines can sign in afterwards, and every tool says whether they can.

use std::path::Path;

use telarch_peers::{Kdc, Keys, REALM, Run, World, in_world, own_program, python_of_peers};

/// Runs a command with pywinrm, and prints its exit code and output.
const PYWINRM: &str = r#"
import sys, winrm
url, user, password, transport = sys.argv[1:5]
session = winrm.Session(url, auth=(user, password), transport=transport, server_cert_validation="ignore")
done = session.run_cmd("id", ["-un"])
print(done.status_code, done.std_out.decode().strip(), done.std_err.decode().strip())
"#;

const PASSWORD: &str = "correct-horse-7";

/// Creates the gateway's user and the administrator ann, whose Linux password is `password`, if any. No other user has
/// a password, and the machine has no keys for Kerberos.
fn furnish(world: &World, password: Option<&str>) {
    let password = password.map(|password| format!("; echo ann:{password} | chpasswd")).unwrap_or_default();
    let pam = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/pam.d/winrm"));
    let _ = printed(
        world,
        &format!(
            "rm -rf /etc/krb5.keytab /etc/telarch /var/lib/telarch; sed -i 's/^\\([^:]*\\):[^:]*:/\\1:*:/' /etc/shadow; \
             id telarch >/dev/null 2>&1 || useradd --system telarch; groupadd winrm-admins; \
             useradd -M -d / -G winrm-admins ann{password}; install -D -m644 {} /etc/pam.d/winrm",
            pam.display()
        ),
    );
    std::fs::write("/run/client.py", PYWINRM).expect("a file");
}

fn printed(world: &World, line: &str) -> String {
    let run = world.shell(line);
    assert_eq!(run.code, 0, "{line}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("text")
}

fn winrm(world: &World, arguments: &str, answer: &str) -> Run {
    let winrm = own_program("winrm");
    world.shell(&format!("printf '{answer}' | TELARCH_PASSWORD={PASSWORD} {} {arguments}", winrm.display()))
}

fn start(world: &World, settings: &str) {
    std::fs::create_dir_all("/etc/telarch").expect("a folder");
    std::fs::write("/etc/telarch/config.toml", settings).expect("a file");
    world.service(&own_program("telarchd"), &[]);
}

/// Runs `id -un` as ann with pywinrm.
fn id_of_ann(world: &World, url: &str, transport: &str) -> String {
    let python = python_of_peers();
    let line = format!("{} /run/client.py {url} ann {PASSWORD} {transport}", python.display());
    printed(world, &line).trim().to_owned()
}

#[test]
fn an_account_that_quickconfig_creates_signs_in_with_pywinrm() {
    let name = "quick_config_sign_in::an_account_that_quickconfig_creates_signs_in_with_pywinrm";
    in_world(name, &["useradd", "groupadd"], |world| {
        furnish(world, None);
        start(world, "");
        let shown = winrm(world, "quickconfig", "y\\n1\\nann\\n");
        let (out, errors, code) = shown.text();
        assert_eq!((errors, code), ("", 0), "{shown:?}");
        for part in [
            "No user can sign in over the network yet.",
            "  1  an account of the service with its own password (NTLM, over HTTP and HTTPS)\n\nChoose 1, or n",
            "added ann to /etc/telarch/accounts",
            "  Negotiate    yes NTLM: accounts of the service with an NT hash: 1\n",
            "tried: ann signed in at http://127.0.0.1:5985/wsman\n",
            "  Basic        off\n",
        ] {
            assert!(out.contains(part), "{part}\n{out}");
        }
        assert_eq!(id_of_ann(world, "http://127.0.0.1:5985/wsman", "ntlm"), "0 ann");

        let again = winrm(world, "quickconfig -quiet", "");
        assert_eq!(again.code, 0, "{again:?}");
        assert!(again.text().0.contains("offered at http://127.0.0.1:5985/wsman\n"), "{again:?}");
        assert!(
            !printed(world, "cat /etc/telarch/config.toml").contains("Basic"),
            "no second scheme is enabled"
        );
    });
}

#[test]
fn quiet_enables_basic_over_https_only_and_pywinrm_signs_in() {
    let name = "quick_config_sign_in::quiet_enables_basic_over_https_only_and_pywinrm_signs_in";
    in_world(name, &["useradd", "groupadd", "chpasswd", "curl"], |world| {
        furnish(world, Some(PASSWORD));
        start(world, "");
        let shown = winrm(world, "quickconfig -quiet", "");
        let (out, errors, code) = shown.text();
        assert_eq!((errors, code), ("", 0), "{shown:?}");
        for part in [
            "Created a WinRM listener on HTTPS://*",
            "Basic authentication is enabled, over HTTPS only.\n",
            "  Basic        yes users of this machine, verified by PAM; HTTPS only\n",
            "offered at https://127.0.0.1:5986/wsman\n",
            "  winrm quickconfig -quiet -account:USER ",
        ] {
            assert!(out.contains(part), "{part}\n{out}");
        }
        let shown = winrm(world, "quickconfig -quiet -account:ann", "");
        assert_eq!(shown.code, 0, "{shown:?}");
        let tried = "tried: ann signed in at https://127.0.0.1:5986/wsman\n";
        assert!(shown.text().0.contains(tried), "{shown:?}");
        assert_eq!(id_of_ann(world, "https://127.0.0.1:5986/wsman", "basic"), "0 ann");
        let offered = printed(world, "curl -s -o /dev/null -D - -X POST http://127.0.0.1:5985/wsman");
        assert!(offered.contains("401") && !offered.contains("Basic"), "{offered}");

        let refused = winrm(world, "set winrm/config/service -set:AllowUnencrypted=true", "");
        assert_eq!(refused.code, 0, "{refused:?}");
        let refused = winrm(world, "quickconfig -accounts:basic -quiet", "");
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.text().1.contains("AllowUnencrypted is true"), "{refused:?}");
    });
}

#[test]
fn a_service_without_a_usable_scheme_is_an_error_everywhere() {
    let name = "quick_config_sign_in::a_service_without_a_usable_scheme_is_an_error_everywhere";
    in_world(name, &["useradd", "groupadd"], |world| {
        furnish(world, None);
        start(world, "");
        let fix = "telarch account add NAME --ntlm";
        for (arguments, answer) in [("quickconfig -quiet", ""), ("quickconfig", "n\\n")] {
            let shown = winrm(world, arguments, answer);
            assert_eq!(shown.code, 1, "{shown:?}");
            let errors = shown.text().1;
            assert!(errors.starts_with("Error: no user can sign in over the network.\n"), "{shown:?}");
            assert!(errors.contains(fix), "{shown:?}");
        }
        let shown = winrm(world, "get winrm/config/service/auth", "");
        assert_eq!(shown.code, 0);
        assert!(shown.text().0.contains("Negotiate = true"), "{shown:?}");
        let note = "winrm: note: no authentication scheme is usable";
        assert!(shown.text().1.starts_with(note) && shown.text().1.contains(fix), "{shown:?}");

        let checked = world.shell(&format!("{} --check", own_program("telarchd").display()));
        assert!(checked.code == 1 && checked.text().0.contains(fix), "{checked:?}");
        let access = printed(world, &format!("{} access show ann", own_program("telarch").display()));
        assert!(access.contains("denied over the network: no authentication scheme"), "{access}");
        let doctor = winrm(world, "doctor", "");
        assert_eq!(doctor.code, 1, "{doctor:?}");
        assert!(doctor.text().0.contains("no authentication scheme is usable"), "{doctor:?}");
        let doctor = winrm(world, "doctor 127.0.0.1 -u:ann", "");
        assert!(doctor.text().0.contains("on 127.0.0.1, run winrm quickconfig"), "{doctor:?}");
        assert!(winrm(world, "quickconfig -quiet -accounts:none", "").code == 0);
    });
}

#[test]
fn without_systemd_and_a_running_service_everything_is_prepared() {
    let name = "quick_config_sign_in::without_systemd_and_a_running_service_everything_is_prepared";
    in_world(name, &["useradd", "groupadd"], |world| {
        furnish(world, None);
        let start = format!("with:\n  {}\n", own_program("telarchd").display());
        let shown = winrm(world, "quickconfig -whatif", "");
        let (out, errors, code) = shown.text();
        assert_eq!((errors, code), ("", 0), "{shown:?}");
        for part in [
            "Start the WinRM service.\n",
            "Note: systemd does not run on this machine, so the service runs only until quickconfig ends.",
            "Create a WinRM listener on HTTP://*",
            "Note: No firewall filters incoming connections on this machine",
            &start,
        ] {
            assert!(out.contains(part), "{part}\n{out}");
        }
        for made in ["/etc/telarch", "/var/lib/telarch", "/run/telarch"] {
            assert!(!Path::new(made).exists(), "{made} was created by a preview");
        }

        let shown = winrm(world, "quickconfig -quiet -accounts:ntlm -account:ann", "");
        let (out, errors, code) = shown.text();
        assert_eq!((errors, code), ("", 0), "{shown:?}");
        for part in [
            "WinRM service started.\n",
            "Created a WinRM listener on HTTP://*",
            "tried: ann signed in at http://127.0.0.1:5985/wsman\n",
            "The WinRM service has been stopped again. Start it as root ",
            &start,
        ] {
            assert!(out.contains(part), "{part}\n{out}");
        }
        assert!(world.shell("ss -ltn | grep -q :5985").code != 0, "nothing is left running");
        world.service(&own_program("telarchd"), &[]);
        assert_eq!(id_of_ann(world, "http://127.0.0.1:5985/wsman", "ntlm"), "0 ann");
    });
}

#[test]
fn a_ticket_of_the_realm_proves_kerberos_at_the_listener() {
    let name = "quick_config_sign_in::a_ticket_of_the_realm_proves_kerberos_at_the_listener";
    in_world(name, &["useradd", "groupadd", "krb5kdc", "kinit"], |world| {
        furnish(world, None);
        let Some(kdc) = Kdc::start(Keys::AesSha1) else { return };
        let realm = kdc.realm();
        let _ = printed(world, &format!("cp {} /etc/krb5.conf", realm.path("krb5.conf").display()));

        // Without a keytab, the command that gets one comes first.
        let shown = winrm(world, "quickconfig -quiet", "");
        assert_eq!(shown.code, 1, "{shown:?}");
        let remedies = shown.text().1.lines().nth(1).expect("a remedy").to_owned();
        let commands = ["adcli join --domain=TELARCH.TEST", "net ads join", "kadmin"];
        assert!(commands.iter().any(|command| remedies.contains(command)), "{shown:?}");

        let service = format!("HTTP/{}", printed(world, "uname -n").trim().to_lowercase());
        realm.kadmin(&format!("addprinc -randkey {service}"));
        realm.kadmin(&format!("ktadd -norandkey -k {} {service}", realm.keytab().display()));
        realm.kadmin(&format!("addprinc -pw \"{}\" ann", telarch_peers::PASSWORD));
        let _ = printed(world, &format!("cp {} /etc/krb5.keytab", realm.keytab().display()));
        start(world, "");
        let shown = winrm(world, "quickconfig -quiet", "");
        assert_eq!(shown.code, 0, "{shown:?}");
        for part in ["  Kerberos     yes ", "  kinit USER && winrm quickconfig -quiet"] {
            assert!(shown.text().0.contains(part), "{part}\n{shown:?}");
        }
        assert!(!shown.text().0.contains("tried: "), "{shown:?}");

        realm.kinit_as("ann", &[]);
        let quick_config = format!(
            "KRB5CCNAME=FILE:{} {} quickconfig -quiet",
            realm.tickets().display(),
            own_program("winrm").display()
        );
        let shown = printed(world, &quick_config);
        let tried = format!("tried: ann@{REALM} signed in at http://127.0.0.1:5985/wsman\n");
        assert_eq!(shown.matches(&tried).count(), 2, "with Kerberos and with Negotiate\n{shown}");

        // A ticket of a user without an account does not prove that users can sign in.
        realm.kadmin(&format!("addprinc -pw \"{}\" eve", telarch_peers::PASSWORD));
        realm.kinit_as("eve", &[]);
        let shown = world.shell(&quick_config);
        let (out, errors, code) = shown.text();
        assert!(code == 1 && out.contains(&format!("tried: sign-in of eve@{REALM} at ")), "{shown:?}");
        let error = format!("Error: the sign-in of eve@{REALM} failed at every listener.\n");
        assert!(errors.starts_with(&error), "{shown:?}");

        // A service that the realm does not know is reported with the reason.
        realm.kadmin(&format!("delprinc -force {service}"));
        realm.kinit_as("ann", &[]);
        let shown = world.shell(&quick_config);
        let (out, errors, code) = shown.text();
        assert!(code == 1 && out.contains("tried: no ticket for http://127.0.0.1:5985/wsman: "), "{shown:?}");
        assert!(errors.starts_with("Error: the realm issued no ticket for this service"), "{shown:?}");
        assert!(!out.contains("signed in"), "{shown:?}");
    });
}

/// A standalone server whose own accounts are verified by winbind.
const SAMBA: &str = "[global]
netbios name = NODE7
workgroup = LAB
server role = standalone server
ntlm auth = ntlmv2-only
interfaces = lo
bind interfaces only = yes
passdb backend = tdbsam:/run/samba-test/passdb.tdb
private dir = /run/samba-test
lock directory = /run/samba-test
state directory = /run/samba-test
cache directory = /run/samba-test
ncalrpc dir = /run/samba-test/ncalrpc
log file = /run/samba-test/log
";

#[test]
fn an_account_that_winbind_verifies_proves_ntlm_at_the_listener() {
    let name = "quick_config_sign_in::an_account_that_winbind_verifies_proves_ntlm_at_the_listener";
    in_world(name, &["useradd", "groupadd", "winbindd", "ntlm_auth", "smbpasswd"], |world| {
        furnish(world, None);
        let _ = printed(world, "mkdir -p /etc/samba /run/samba-test/ncalrpc /run/samba/winbindd");
        std::fs::write("/etc/samba/smb.conf", SAMBA).expect("a file");
        let _ = printed(world, &format!("printf '{PASSWORD}\\n{PASSWORD}\\n' | smbpasswd -a -s ann"));
        let mut winbind = std::process::Command::new("winbindd");
        world.start(winbind.args(["-F", "--no-process-group"]).stderr(std::process::Stdio::null()));
        let _ = printed(
            world,
            "for i in $(seq 600); do [ -e /run/samba/winbindd/pipe ] && exit; sleep 0.1; done; exit 1",
        );

        let shown = winrm(world, "quickconfig -quiet", "");
        assert_eq!(shown.code, 1, "{shown:?}");
        assert!(
            shown.text().1.contains("use winbind for domain accounts: start telarchd with --winbind"),
            "{shown:?}"
        );

        world.service(&own_program("telarchd"), &["--winbind", "everyone"]);
        let shown = winrm(world, "quickconfig -quiet -account:ann", "");
        assert_eq!(shown.code, 0, "{shown:?}");
        for part in [
            "  Negotiate    yes NTLM: domain accounts, verified by winbind\n",
            "tried: ann signed in at http://127.0.0.1:5985/wsman\n",
        ] {
            assert!(shown.text().0.contains(part), "{part}\n{shown:?}");
        }
        assert_eq!(id_of_ann(world, "http://127.0.0.1:5985/wsman", "ntlm"), "0 ann");
        let wrong = printed(
            world,
            &format!(
                "TELARCH_PASSWORD=wrong {} quickconfig -quiet -account:ann; [ $? = 1 ]",
                own_program("winrm").display()
            ),
        );
        assert!(wrong.contains("tried: sign-in of ann at http://127.0.0.1:5985/wsman failed: "), "{wrong}");
    });
}

/// Returns a shell command that runs as a user without root's rights, with the programs of this workspace.
fn as_user(user: &str, line: &str) -> String {
    format!(
        "cd /run/own && exec setpriv --reuid={user} --regid={user} --clear-groups \
         env -i HOME=/run/own USER={user} PATH=/run/programs:/usr/bin:/bin sh -c '{line}'"
    )
}

#[test]
fn an_ordinary_user_sets_up_a_service_of_their_own() {
    let name = "quick_config_sign_in::an_ordinary_user_sets_up_a_service_of_their_own";
    in_world(name, &["useradd", "groupadd", "setpriv"], |world| {
        furnish(world, None);
        let programs = own_program("winrm");
        let programs = programs.parent().expect("a folder").display();
        // Other users may not be able to reach the build directory.
        let _ = printed(
            world,
            &format!(
                "useradd -m -d /run/own ben; mkdir /run/programs && mount --bind {programs} /run/programs"
            ),
        );
        let as_ben = |line: &str| world.shell(&as_user("ben", line));

        let missing = as_ben("winrs hostname");
        assert_eq!(missing.code, 1, "{missing:?}");
        for part in ["no local service is running", "  if it is not set up yet: winrm quickconfig\n"] {
            assert!(missing.text().1.contains(part), "{part}\n{missing:?}");
        }
        let preview = as_ben("winrm quickconfig -whatif");
        assert_eq!((preview.text().1, preview.code), ("", 0), "{preview:?}");
        assert!(preview.text().0.contains("Create a WinRM listener on HTTP://*"), "{preview:?}");
        assert_eq!(printed(world, "find /run/own -name \"*telarch*\""), "", "a preview creates nothing");

        let set_up = as_ben(&format!("TELARCH_PASSWORD={PASSWORD} winrm quickconfig -quiet -accounts:ntlm"));
        assert_eq!((set_up.text().1, set_up.code), ("", 0), "{set_up:?}");
        for part in [
            "Created a WinRM listener on HTTP://*",
            "Local groups have no effect here.",
            "added ben to /run/own/.config/telarch/accounts as an administrator\n",
            "tried: ben signed in at http://127.0.0.1:5985/wsman\n",
            "The WinRM service has been stopped again. Start it with:\n  /run/programs/telarchd\n",
        ] {
            assert!(set_up.text().0.contains(part), "{part}\n{set_up:?}");
        }
        assert!(!set_up.text().0.contains("winrm-admins"), "{set_up:?}");

        let mut service = std::process::Command::new("sh");
        world.start(
            service.args(["-c", &as_user("ben", "exec telarchd")]).stderr(std::process::Stdio::null()),
        );
        let socket = "/run/own/.local/state/telarch/local.sock";
        let _ = printed(
            world,
            &format!("for i in $(seq 600); do [ -S {socket} ] && exit; sleep 0.1; done; exit 1"),
        );
        assert_eq!(as_ben("winrs id -un").text(), ("ben\n", "", 0));
        let again = as_ben(&format!("TELARCH_PASSWORD={PASSWORD} winrm quickconfig -quiet -account:ben"));
        assert_eq!((again.text().1, again.code), ("", 0), "{again:?}");
        assert!(
            again.text().0.starts_with("WinRM service is already running on this machine.\n"),
            "{again:?}"
        );
    });
}

#[test]
fn a_user_without_a_name_learns_why_the_service_refuses() {
    let name = "quick_config_sign_in::a_user_without_a_name_learns_why_the_service_refuses";
    in_world(name, &["useradd", "groupadd", "setpriv"], |world| {
        furnish(world, None);
        start(world, "");
        let winrs = own_program("winrs");
        let _ = printed(world, &format!("install -m 755 {} /run/winrs", winrs.display()));
        let refused =
            world.shell("HOME=/run setpriv --reuid=54321 --regid=54321 --clear-groups /run/winrs hostname");
        assert_eq!(refused.code, 1, "{refused:?}");
        let reason = "UID 54321 has no name in /etc/passwd, so the service cannot identify this user\n";
        assert!(refused.text().1.contains(reason), "{refused:?}");
    });
}
