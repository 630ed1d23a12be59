//! The last stage of quickconfig: users of other machines can sign in afterwards, and every tool says whether they can.

use std::path::Path;

use telarch_peers::{Run, World, in_world, own_program, python_of_peers};

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
        ] {
            assert!(out.contains(part), "{part}\n{out}");
        }
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
