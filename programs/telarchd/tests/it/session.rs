//! Environment of a user's processes: variables of the PAM session, and descriptors of the starter of the service.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use client::ShellOptions;
use ports::free_ports;

use crate::separated::{OPEN_TO_USERS, block_on, hosts, start};
use crate::service_process::{Telarchd, listener, set_mode};
use crate::test_user::TestUser;

/// Starts a service by a shell line, whose arguments are the words, the program and the program's arguments.
fn started_by(line: &str, words: &[&Path]) -> (Telarchd, u16) {
    let [port] = free_ports();
    let https = listener("IP:127.0.0.1", "HTTPS", port, "");
    let mut telarchd = Telarchd::new(&[OPEN_TO_USERS, "Service.Auth.Basic = true\n", &https].concat());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", line, "sh"]).args(words).arg(env!("CARGO_BIN_EXE_telarchd"));
    telarchd.arguments(&mut command);
    telarchd.run_as(command);
    (telarchd, port)
}

/// Builds a library that records the users of the processes that load it; `None` without a C compiler.
fn library_that_tells(folder: &Path, seen: &Path) -> Option<std::path::PathBuf> {
    const SOURCE: &str = "#include <fcntl.h>\n#include <stdio.h>\n#include <unistd.h>\n\
        __attribute__((constructor)) static void seen(void) {\n\
        int file = open(SEEN, O_WRONLY | O_APPEND);\n\
        dprintf(file, \"%d %d\\n\", (int) getuid(), (int) geteuid());\nclose(file);\n}\n";
    let (source, library) = (folder.join("seen.c"), folder.join("seen.so"));
    fs::write(&source, SOURCE).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(format!("-DSEEN=\"{}\"", seen.display()))
        .arg(&source);
    let Ok(status) = cc.status() else {
        eprintln!("SKIPPED: there is no C compiler (cc) to make a library for LD_PRELOAD");
        return None;
    };
    assert!(status.success(), "cc");
    Some(library)
}

#[test]
fn pam_variables_reach_commands_but_are_not_loaded_into_root_processes() {
    let Some(ann) = TestUser::create() else { return };
    let folder = tempfile::Builder::new().prefix("telarchd-it-").tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    let (seen, pam) = (folder.path().join("seen"), folder.path().join("pam.d"));
    fs::write(&seen, "").unwrap();
    set_mode(&seen, 0o666);
    let Some(library) = library_that_tells(folder.path(), &seen) else { return };
    let control = Command::new("true").env("LD_PRELOAD", &library).status().unwrap();
    assert!(control.success() && fs::read_to_string(&seen).unwrap() == "0 0\n", "the library does not work");
    fs::write(&seen, "").unwrap();

    let environment = folder.path().join("environment");
    fs::write(&environment, format!("LD_PRELOAD={0}\nLD_AUDIT={0}\nGREETING=hello\n", library.display()))
        .unwrap();
    fs::create_dir(&pam).unwrap();
    let stack = format!(
        "auth required pam_unix.so\naccount required pam_unix.so\n\
         session required pam_env.so readenv=1 envfile={} user_readenv=1\nsession required pam_unix.so\n",
        environment.display()
    );
    fs::write(pam.join("winrm"), stack).unwrap();
    let own = Path::new("/home").join(&ann.name).join(".pam_environment");
    fs::write(&own, format!("LD_PRELOAD DEFAULT={}\nMINE DEFAULT=mine\n", library.display())).unwrap();
    chown(&own, Some(ann.uid), None).unwrap();

    let (telarchd, port) = started_by("mount --bind \"$1\" /etc/pam.d && shift && exec \"$@\"", &[&pam]);
    let line = "echo $GREETING $MINE ${LD_PRELOAD-none} ${LD_AUDIT-none}";
    let shown = block_on(ann.run(port, line)).unwrap();
    assert_eq!(fs::read_to_string(&seen).unwrap(), "", "the library was loaded");
    assert_eq!(shown, "hello mine none none\n");
    telarchd.wait_for_log(&["Dropped variables of the PAM session", "dropped="]);
    for process in hosts(&telarchd) {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        assert!(!environment.contains("GREETING") && !environment.contains("LD_"), "{environment:?}");
    }
}

#[test]
fn descriptors_of_the_starter_reach_no_process_of_the_service() {
    let Some(ann) = TestUser::create() else { return };
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret-of-the-starter");
    fs::write(&secret, "").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let (telarchd, port) = started_by("exec 8<\"$1\" 9>>\"$1\" && shift && exec \"$@\"", &[&secret]);
    let shown = block_on(ann.run(port, "ls -l /proc/self/fd")).unwrap();
    assert!(shown.contains("/proc/") && !shown.contains("secret-of-the-starter"), "{shown}");
    let processes = [hosts(&telarchd), vec![telarchd.serving_pid()]].concat();
    assert_eq!(processes.len(), 2);
    for process in processes {
        let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap().filter_map(Result::ok);
        let open: Vec<_> = open.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        assert!(!open.contains(&secret), "{process} {open:?}");
    }
}

#[test]
fn two_accounts_with_one_user_id_have_separate_hosts() {
    let Some(ann) = TestUser::create() else { return };
    let Some(double) = ann.create_with_same_uid() else { return };
    let (telarchd, port) = start("");
    block_on(async {
        let anns = ann.session(port).shell(ShellOptions::default()).await.unwrap();
        let line = "echo $USER $HOME; id -Gn";
        let shown = double.run(port, line).await.unwrap();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[0], format!("{0} /home/{0}", double.name));
        let groups: BTreeSet<_> = lines[1].split(' ').collect();
        assert_eq!(groups, BTreeSet::from([double.name.as_str(), double.group()]), "{shown}");

        let shown = String::from_utf8(anns.run(line).await.unwrap().stdout).unwrap();
        let expected = format!("{0} /home/{0}\n", ann.name);
        assert!(shown.starts_with(&expected) && shown.contains(ann.group()), "{shown}");
        assert!(!shown.contains(double.group()), "{shown}");
        assert_eq!(hosts(&telarchd).len(), 2);
        anns.close().await.unwrap();
    });
}
