//! The packages in a fresh Debian system, installation from source, and the wheel.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use telarch_peers::{Debian, Packages, Run, python_of_peers, repository, succeed};

#[test]
fn the_client_package_contains_nothing_of_the_service() {
    let name = "installation::the_client_package_contains_nothing_of_the_service";
    Debian::in_fresh(name, |debian| {
        let [client, _] = Packages::built().current;
        debian.install(&[&client]);
        assert!(debian.output("winrm -?").contains("winrm"), "the program runs");
        assert!(debian.output("winrs -?").contains("winrs"), "the program runs");
        assert!(debian.output("telarch --version").starts_with("telarch "), "the program runs");
        let depends = debian.output("dpkg-query -W -f '${Depends}' telarch-client");
        assert!(depends.contains("libc6") && !depends.contains("pam"), "{depends}");
        let listed = debian.output("dpkg -L telarch-client");
        for part in ["telarchd", "systemd", "pam.d", "/etc"] {
            assert!(!listed.contains(part), "{part} is in {listed}");
        }
        assert_eq!(debian.shell("getent passwd telarch").code, 2, "the service's user is missing");
        for page in ["winrm", "winrs", "telarch"] {
            assert!(listed.contains(&format!("/usr/share/man/man1/{page}.1.gz\n")), "{listed}");
        }
    });
}

#[test]
fn installation_creates_user_groups_and_settings_but_starts_nothing() {
    let name = "installation::installation_creates_user_groups_and_settings_but_starts_nothing";
    Debian::in_fresh(name, |debian| {
        install_both(debian);
        assert!(debian.output("getent passwd telarch").contains(":/nonexistent:/usr/sbin/nologin"));
        for group in ["winrm-admins", "winrm-users", "winrmremotewmiusers", "winrm-event-readers"] {
            let _ = debian.output(&format!("getent group {group}"));
        }
        assert_eq!(debian.output("find /etc/systemd -name 'telarch*'"), "", "no unit is enabled");
        let _ = debian.output("systemd-analyze verify --man=no telarchd.service telarchd.socket");
        let settings = debian.output("cat /etc/telarch/config.toml");
        assert!(settings.lines().all(|line| line.is_empty() || line.starts_with('#')), "{settings}");
        assert!(settings.contains("# Service.Auth.Basic = false\n"), "{settings}");
        let shown = debian.shell("telarch config show --changed");
        assert!(!shown.text().0.contains("file;"), "every setting has its default: {shown:?}");
        debian.start_service();
        assert_eq!(debian.output("winrm enumerate winrm/config/listener"), "", "there is no listener");
        assert!(debian.output("winrm get winrm/config").contains("MaxEnvelopeSizekb = 500"));
    });
}

#[test]
fn an_installed_service_admits_its_accounts_and_users_of_pam() {
    let name = "installation::an_installed_service_admits_its_accounts_and_users_of_pam";
    Debian::in_fresh(name, |debian| {
        install_both(debian);
        for user in ["ada", "ben"] {
            let _ = debian.output(&format!("useradd -m -G winrm-users {user}"));
        }
        let _ = debian.output("echo 'ben:Ben:secret&1' | chpasswd");
        let _ = debian.output("echo 'Ada:secret&1' | telarch account add ada --ntlm --password-stdin");
        add_settings(debian, LISTENERS);
        debian.start_service();
        assert_eq!(
            sign_in("http://127.0.0.1:5985/wsman", "ntlm", "ada", "Ada:secret&1").text(),
            ("ada\n", "", 0)
        );
        assert_eq!(
            sign_in("https://127.0.0.1:5986/wsman", "ntlm", "ada", "Ada:secret&1").text(),
            ("ada\n", "", 0)
        );
        assert_eq!(
            sign_in("https://127.0.0.1:5986/wsman", "basic", "ben", "Ben:secret&1").text(),
            ("ben\n", "", 0)
        );
        let refused = sign_in("https://127.0.0.1:5986/wsman", "basic", "ben", "wrong");
        assert!(refused.code != 0 && refused.text().1.contains("InvalidCredentials"), "{refused:?}");
    });
}

#[test]
fn an_upgrade_keeps_settings_and_accounts() {
    let name = "installation::an_upgrade_keeps_settings_and_accounts";
    Debian::in_fresh(name, |debian| {
        install_both(debian);
        add_settings(debian, "[Winrs]\nMaxShellsPerUser = 7\n");
        let _ = debian.output("echo secret | telarch account add ada --password-stdin");
        let _ = debian.output("echo '# changed' >>/etc/pam.d/winrm");
        let files = "cat /etc/telarch/config.toml /etc/telarch/accounts /etc/pam.d/winrm";
        let before = debian.output(files);
        let [client, service] = Packages::built().next;
        debian.install(&[&client, &service]);
        assert_eq!(debian.output("dpkg-query -W -f '${Version}' telarch"), "0.1.0-2");
        assert_eq!(debian.output(files), before);
        assert!(debian.output("telarch config show Winrs.MaxShellsPerUser").contains("= 7 "));
    });
}

#[test]
fn purging_the_packages_leaves_no_file() {
    let name = "installation::purging_the_packages_leaves_no_file";
    Debian::in_fresh(name, |debian| {
        // Without systemd-sysusers the user is created by useradd.
        let _ = debian.output("rm /usr/bin/systemd-sysusers");
        let before = debian.files();
        install_both(debian);
        let _ = debian.output("getent passwd telarch");
        add_settings(debian, LISTENERS);
        let _ = debian.output("echo secret | telarch account add ada --ntlm --password-stdin");
        debian.start_service();
        let _ = debian.output("winrm get winrm/config");
        debian.stop_service();

        let _ = debian.output("dpkg --remove telarch telarch-client");
        let _ = debian.output("test -e /etc/telarch/config.toml && test -e /etc/telarch/accounts");
        let _ = debian.output("dpkg --purge telarch telarch-client");
        let after = debian.files();
        // Files of the user database have backups.
        let left: Vec<&String> = after.difference(&before).filter(|path| !is_backup(path)).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        let missing: Vec<&String> = before.difference(&after).collect();
        assert!(missing.is_empty(), "removed, although not of the packages: {missing:?}");
        let _ = debian.output("getent passwd telarch");
    });
}

#[test]
fn packages_start_no_unit_and_restart_the_service_only_after_an_upgrade() {
    let name = "installation::packages_start_no_unit_and_restart_the_service_only_after_an_upgrade";
    Debian::in_fresh(name, |debian| {
        // A systemctl that records its calls, on a system that seems to run systemd.
        let _ = debian.output("mkdir -p /run/systemd/system && rm /usr/bin/systemctl");
        fs::write(debian.path("/usr/bin/systemctl"), "#!/bin/sh\necho \"$*\" >>/tmp/calls\n")
            .expect("a file");
        let _ = debian.output("chmod 755 /usr/bin/systemctl");
        let calls = |debian: &Debian| debian.output("cat /tmp/calls; rm /tmp/calls");
        install_both(debian);
        assert_eq!(calls(debian), "--system daemon-reload\n");
        let [client, service] = Packages::built().next;
        debian.install(&[&client, &service]);
        assert_eq!(
            calls(debian),
            "--system daemon-reload\n\
             try-restart telarchd.service telarch-forwarder.service telarch-management.service\n"
        );
        let _ = debian.output("dpkg --remove telarch");
        assert_eq!(
            calls(debian),
            "stop telarchd.socket telarchd.service telarch-forwarder.service telarch-management.service\n\
             --system daemon-reload\n"
        );
        let _ = debian.output("test ! -e /etc/systemd/system/multi-user.target.wants/telarchd.service");
    });
}

#[test]
fn the_install_script_prepares_the_machine_as_root() {
    let name = "installation::the_install_script_prepares_the_machine_as_root";
    Debian::in_fresh(name, |debian| {
        let before = debian.files();
        debian.show(&repository(), "/source");
        debian.show(&Packages::built().programs, "/programs");
        let install = "/source/install --programs /programs";
        let first = debian.output(install);
        for line in [
            "installed  /usr/local/bin/telarchd\n",
            "installed  /usr/local/lib/systemd/system/telarchd.service\n",
            "installed  /etc/pam.d/winrm\n",
            "created    group winrm-admins\n",
            "created    user telarch\n",
            "installed  /etc/telarch/config.toml\n",
            "next       winrm quickconfig\n",
        ] {
            assert!(first.contains(line), "{line}{first}");
        }
        let verify = "systemd-analyze verify --man=no telarchd.service telarchd.socket";
        let _ = debian.output(&format!("{verify} && rm -f /run/systemd/systemd-units-load"));
        let again = debian.output(install);
        assert!(!again.contains("installed") && !again.contains("created"), "{again}");
        debian.start_service();
        assert!(debian.output("winrm get winrm/config").contains("MaxEnvelopeSizekb = 500"));
        debian.stop_service();

        let removed = debian.output(&format!("{install} --uninstall"));
        assert!(removed.contains("removed    /usr/local/bin/telarchd\n"), "{removed}");
        let _ = debian.output("umount /source /programs && rmdir /source /programs");
        let _ = debian.output("rm -r /etc/telarch /var/lib/telarch /run/telarch");
        let after = debian.files();
        let left: Vec<&String> = after.difference(&before).filter(|path| !is_backup(path)).collect();
        let left: Vec<&&String> = left.iter().filter(|path| !debian.path(path).is_dir()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    });
}

#[test]
fn a_system_with_systemd_is_set_up_by_quickconfig_and_upgraded() {
    let name = "installation::a_system_with_systemd_is_set_up_by_quickconfig_and_upgraded";
    Debian::in_fresh(name, |debian| {
        if !debian.boot() {
            return skips::skip!("systemd cannot run as process 1 of a namespace here");
        }
        let state = |debian: &Debian, unit: &str| {
            let shown = debian.shell(&format!("systemctl is-active {unit}; systemctl is-enabled {unit}"));
            shown.text().0.replace('\n', " ")
        };
        install_both(debian);
        assert_eq!(state(debian, "telarchd.service"), "inactive disabled ");
        assert_eq!(state(debian, "telarchd.socket"), "inactive disabled ");

        let _ = debian.output("useradd -m -G winrm-users ada");
        let _ = debian.output("echo 'Ada:secret&1' | telarch account add ada --ntlm --password-stdin");
        let shown = debian.output("winrm quickconfig -quiet");
        assert!(shown.contains("Created a WinRM listener on HTTP://*"), "{shown}");
        assert_eq!(state(debian, "telarchd.service"), "active enabled ");
        let url = "http://127.0.0.1:5985/wsman";
        assert_eq!(sign_in(url, "ntlm", "ada", "Ada:secret&1").text(), ("ada\n", "", 0));
        let process = "systemctl show -P MainPID telarchd.service";
        let before = debian.output(process);
        let _ = debian.output("systemctl reload telarchd.service");

        let [client, service] = Packages::built().next;
        debian.install(&[&client, &service]);
        assert_ne!(debian.output(process), before, "the new version runs");
        assert_eq!(state(debian, "telarchd.service"), "active enabled ");
        assert_eq!(sign_in(url, "ntlm", "ada", "Ada:secret&1").text(), ("ada\n", "", 0));

        let _ = debian.output("dpkg --purge telarch");
        let left =
            debian.output("find /etc /var/lib /run /usr -xdev -name '*telarchd*' -o -path /run/telarch");
        assert_eq!(left, "");
        assert_ne!(debian.shell("systemctl is-active telarchd.service").code, 0);
    });
}

#[test]
fn the_pam_module_stores_nothing_until_it_is_enabled() {
    let name = "installation::the_pam_module_stores_nothing_until_it_is_enabled";
    Debian::in_fresh(name, |debian| {
        install_both(debian);
        debian.install(&[&Packages::built().pam]);
        let stack = "cat /etc/pam.d/common-auth /etc/pam.d/common-password";
        assert!(!debian.output(stack).contains("telarch"), "the profile is on");
        add_settings(debian, LISTENERS);
        // The first start makes the directories of the service, without which the module stores nothing.
        debian.start_service();
        debian.stop_service();
        let _ = debian.output("useradd -m -G winrm-users ada && echo 'ada:Ada:secret&1' | chpasswd");
        let list = "telarch account list";
        assert!(!debian.output(list).contains("ada"), "a hash was stored");

        let _ = debian.output("pam-auth-update --enable telarch");
        assert_eq!(debian.output(stack).matches("pam_telarch.so").count(), 2);
        let _ = debian.output("echo 'ada:Ada:secret&2' | chpasswd");
        let shown = debian.output(list);
        let words: Vec<&str> = shown.lines().flat_map(str::split_whitespace).collect();
        assert!(words.windows(5).any(|row| row == ["ada", "enabled", "user", "ntlm", "linux"]), "{shown}");
        debian.start_service();
        let url = "http://127.0.0.1:5985/wsman";
        assert_eq!(sign_in(url, "ntlm", "ada", "Ada:secret&2").text(), ("ada\n", "", 0));
        assert_ne!(sign_in(url, "ntlm", "ada", "Ada:secret&1").code, 0, "the old password signs in");
        let access = debian.output("telarch access show ada");
        assert!(access.contains("+ password of the Linux user, with Negotiate (NTLM)"), "{access}");

        let _ = debian.output("dpkg --remove libpam-telarch");
        assert!(!debian.output(stack).contains("telarch"), "the profile is left behind");
    });
}

#[test]
fn lintian_reports_no_errors() {
    let packages = Packages::built();
    let lintian = Command::new("lintian")
        .args(["--fail-on", "error", "--tag-display-limit", "0", "--allow-root"])
        // Packages for tests are not compressed, which saves time.
        .args([
            "--suppress-tags",
            "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball",
        ])
        .args(&packages.current)
        .arg(&packages.pam)
        .output();
    let Ok(shown) = lintian else {
        return skips::skip!("lintian is missing: ./test --install");
    };
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success() && !text.lines().any(|line| line.starts_with("E: ")), "{text}");
}

#[test]
fn packages_of_the_same_programs_are_identical() {
    let packages = Packages::built();
    let folder = tempfile::tempdir().expect("a folder");
    let _ = succeed(packages.builder(folder.path()).args(["--version", "0.1.0-1", "--compress", "none"]));
    for package in packages.current.iter().chain([&packages.pam]) {
        let again = folder.path().join(package.file_name().expect("a name"));
        let _ = succeed(Command::new("cmp").args([package, &again]));
    }
}

#[test]
fn rpm_packages_have_the_files_of_the_debian_packages() {
    if Command::new("rpmbuild").arg("--version").output().is_err() {
        return skips::skip!("rpmbuild is missing: ./test --install");
    }
    let packages = Packages::built();
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = BTreeSet::new();
    for package in rpm_packages(&packages, folder.path()) {
        files.extend(succeed(Command::new("rpm").args(["-qpl", &package])).lines().map(plain_path));
    }
    let mut expected = BTreeSet::new();
    for package in packages.current {
        let listed = succeed(Command::new("dpkg-deb").arg("--contents").arg(package));
        let paths = listed.lines().filter(|line| !line.starts_with('d'));
        expected.extend(paths.map(|line| plain_path(line.split_whitespace().nth(5).expect("a path"))));
    }
    let missing: Vec<&String> = expected.difference(&files).collect();
    assert!(missing.is_empty(), "not in the RPM packages: {missing:?}\n{files:?}");
    assert!(files.contains("/usr/lib64/security/pam_telarch.so"), "{files:?}");
}

#[test]
fn rpm_packages_are_installed_and_removed() {
    if Command::new("rpmbuild").arg("--version").output().is_err() {
        return skips::skip!("rpmbuild is missing: ./test --install");
    }
    if Command::new("chroot").args(["/", "true"]).status().map_or(true, |status| !status.success()) {
        return skips::skip!("installation into another root takes root");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let packages = rpm_packages(&Packages::built(), folder.path());
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a folder");
    let rpm = |arguments: &[&str]| {
        let mut rpm = Command::new("rpm");
        rpm.arg("--root").arg(&root).args(arguments);
        rpm
    };
    let _ = succeed(&mut rpm(&["--initdb"]));

    // The module is useless without the service, so it cannot be installed alone.
    let module = packages.iter().find(|path| path.contains("/pam_telarch-")).expect("the module");
    let alone = rpm(&["--install", module]).output().expect("rpm");
    let errors = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(
        !alone.status.success()
            && errors.contains("\ttelarch(")
            && errors.contains(") = 0.1.0-1 is needed by pam"),
        "{errors}"
    );

    // The empty root has neither the libraries that the packages need nor a shell for their scripts.
    let mut install = rpm(&["--install", "--nodeps", "--noscripts"]);
    let _ = succeed(install.args(&packages));
    let listed = succeed(&mut rpm(&["--query", "--all", "--queryformat", "%{NAME}\n"]));
    let listed: BTreeSet<&str> = listed.lines().collect();
    assert_eq!(listed, BTreeSet::from(["pam_telarch", "telarch", "telarch-client"]));
    for name in &listed {
        assert_eq!(
            succeed(&mut rpm(&["--verify", "--nodeps", name])),
            "",
            "the installed files are those of {name}"
        );
    }
    let library = root.join("usr/lib64/security/pam_telarch.so");
    let load = "import ctypes, sys\nmodule = ctypes.CDLL(sys.argv[1])\n\
                print(*(hasattr(module, 'pam_sm_' + name) for name in ('authenticate', 'setcred', 'chauthtok')))";
    let loaded = succeed(Command::new(python_of_peers()).args(["-c", load]).arg(&library));
    assert_eq!(loaded.trim(), "True True True");

    let _ = succeed(&mut rpm(&["--erase", "--noscripts", "pam_telarch"]));
    assert!(!library.exists() && root.join("usr/bin/telarchd").exists());
    let _ = succeed(&mut rpm(&["--erase", "--noscripts", "telarch", "telarch-client"]));
    let left =
        succeed(Command::new("find").arg(&root).args(["-name", "*telarch*", "-o", "-name", "winr[ms]*"]));
    assert_eq!(left, "");
}

/// Builds the RPM packages in a folder, and returns their paths.
fn rpm_packages(packages: &Packages, folder: &Path) -> BTreeSet<String> {
    let mut build = packages.builder(folder);
    let built = succeed(build.args(["--rpm", "--version", "0.1.0-1", "--compress", "none"]));
    let paths: BTreeSet<String> = built.lines().map(str::to_owned).collect();
    assert_eq!(paths.len(), 3, "{built}");
    paths
}

/// Returns a path without what the formats of packages do differently: documentation is left out.
fn plain_path(path: &str) -> String {
    let path = path.trim_start_matches('.').trim_end_matches(".gz");
    let path = path.replace("/zsh/vendor-completions/", "/zsh/site-functions/");
    if path.starts_with("/usr/share/doc/") { String::new() } else { path }
}

#[test]
fn the_install_script_installs_repeats_and_uninstalls() {
    let packages = Packages::built();
    let folder = tempfile::tempdir().expect("a folder");
    let install = |arguments: &[&str]| {
        let mut install = Command::new(repository().join("install"));
        install.arg("--programs").arg(&packages.programs).env("DESTDIR", folder.path());
        succeed(install.args(arguments))
    };
    let first = install(&[]);
    assert!(first.lines().all(|line| line.starts_with("installed  ")), "{first}");
    let unit = fs::read_to_string(folder.path().join("usr/local/lib/systemd/system/telarchd.service"));
    assert!(unit.expect("the unit").contains("\nExecStart=/usr/local/bin/telarchd\n"));
    for file in [
        "usr/local/bin/winrm",
        "usr/local/share/man/man8/telarchd.8",
        "usr/local/lib/sysusers.d/telarch.conf",
        "usr/local/share/bash-completion/completions/telarchd",
        "usr/local/share/bash-completion/completions/winrs",
        "etc/pam.d/winrm",
    ] {
        assert!(folder.path().join(file).exists(), "{file} is missing: {first}");
    }
    let again = install(&[]);
    assert!(again.lines().all(|line| line.starts_with("unchanged  ")), "{again}");
    assert_eq!(first.lines().count(), again.lines().count());

    fs::write(folder.path().join("usr/local/share/man/man8/telarchd.8"), "changed").expect("a file");
    fs::write(folder.path().join("etc/pam.d/winrm"), "changed").expect("a file");
    let repaired = install(&[]);
    assert!(repaired.contains("updated    ") && repaired.contains("kept       "), "{repaired}");

    let removed = install(&["--uninstall"]);
    assert!(removed.lines().all(|line| line.starts_with("removed    ")), "{removed}");
    let left = succeed(Command::new("find").arg(folder.path()).args(["!", "-type", "d"]));
    assert_eq!(left, "", "no file is left");
}

#[test]
fn the_wheel_is_installed_without_rust() {
    let folder = tempfile::tempdir().expect("a folder");
    let environment = folder.path().join("environment");
    // The interpreter that made the environment of the peers.
    let base = "import sys; print(sys._base_executable)";
    let python = succeed(Command::new(python_of_peers()).args(["-c", base]));
    let _ = succeed(Command::new(python.trim()).args(["-m", "venv"]).arg(&environment));
    let wheels = python_of_peers().parent().and_then(Path::parent).expect("the peers").join("wheels");
    let wheel = fs::read_dir(&wheels).ok().and_then(|mut entries| entries.next());
    let Some(wheel) = wheel.map(|entry| entry.expect("a wheel").path()) else {
        panic!("there is no wheel in {}\n  build it with: ./test --install", wheels.display());
    };
    let name = wheel.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.contains("-cp310-abi3-manylinux_"), "{name}");
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--no-index", "--quiet", "--disable-pip-version-check"]).arg(&wheel);
    let _ = succeed(pip.env("PATH", "/nonexistent"));
    let mut python = Command::new(environment.join("bin/python"));
    let import = "from telarch import Session; Session('127.0.0.1', username='ada', password='secret')";
    let _ = succeed(python.args(["-I", "-c", import]));
}

/// Listeners and schemes of the tests.
const LISTENERS: &str = "\
[Service.Auth]\nBasic = true\n\
[[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"HTTP\"\n\
[[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"HTTPS\"\n";

fn install_both(debian: &Debian) {
    let [client, service] = Packages::built().current;
    debian.install(&[&client, &service]);
}

fn add_settings(debian: &Debian, settings: &str) {
    let _ = debian.output(&format!("cat >>/etc/telarch/config.toml <<'END'\n{settings}END"));
}

/// Signs in with pywinrm from outside the system, and runs `id -un`.
fn sign_in(url: &str, scheme: &str, user: &str, password: &str) -> Run {
    let mut python = Command::new(python_of_peers());
    python.args(["-c", SIGN_IN, url, scheme, user, password]);
    let shown = python.output().expect("the peers are installed");
    Run {
        stdout: shown.stdout,
        stderr: shown.stderr,
        code: shown.status.code().unwrap_or(-1),
        operation_timeouts: 0,
    }
}

const SIGN_IN: &str = "
import sys, winrm
url, scheme, user, password = sys.argv[1:]
session = winrm.Session(url, auth=(user, password), transport=scheme, server_cert_validation='ignore')
ran = session.run_cmd('id -un')
sys.stdout.write(ran.std_out.decode())
sys.stderr.write(ran.std_err.decode())
sys.exit(ran.status_code)
";

fn is_backup(path: &str) -> bool {
    let path = Path::new(path);
    path.parent() == Some(Path::new("/etc")) && path.to_string_lossy().ends_with('-')
}
