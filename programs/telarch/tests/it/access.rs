//! `telarch access show`.

use std::fs;

use super::{run, telarch};

#[test]
fn access_is_reported_from_the_named_files() {
    let folder = tempfile::tempdir().unwrap();
    let (config, accounts) = (folder.path().join("config.toml"), folder.path().join("accounts"));
    fs::write(&config, "Service.RootSDDL = \"D:P(A;;GR;;;WD)\"\n").unwrap();
    let show = |user: &str| {
        let mut command = telarch(&["access", "show", user, "--resource", "winrm/config", "--config"]);
        command.arg(&config).arg("--accounts").arg(&accounts).arg("--state").arg(folder.path());
        run(&mut command, "")
    };
    let me = accounts::UnixUsers::of_this_machine();
    let me = me.find_uid(rustix::process::geteuid().as_raw()).unwrap().unwrap().name;
    let ran = show(&me);
    assert_eq!((ran.code, ran.errors.as_str()), (0, ""));
    for part in [
        &*format!("{me} at the service of "),
        "  + read (Get, Enumerate): granted by (A;;GR;;;WD)\n",
        "  - write (Put, Create, Delete): denied, because no entry gives GW\n",
        "  . denied: RootSDDL, write (Put, Create, Delete): ",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
    // The SID of the machine is derived from its identifier if it has one.
    let has_identifier = fs::read_to_string("/etc/machine-id").is_ok_and(|id| id.trim_end().len() == 32);
    assert_eq!(ran.out.contains("no service has run with "), !has_identifier, "{}", ran.out);
    assert!(!folder.path().join("machine-sid").exists(), "looking changes nothing");
    assert!(show("nobody-at-all").out.ends_with("denied: no usable account\n"));

    fs::write(&config, "Service.RootSDDL = \"O:BAG:BA\"\n").unwrap();
    let ran = show(&me);
    assert!(ran.code == 1 && ran.errors.contains("line 1"), "{}", ran.errors);
    assert_eq!(run(&mut telarch(&["access", "show"]), "").code, 2);
}
