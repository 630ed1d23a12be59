//! `telarch ipmi host`: stored controllers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use telarch_simulated_bmc::{ControllerGroup, Network};

use crate::{Ran, run, telarch};

fn host(state: &Path, arguments: &[&str]) -> Ran {
    let mut command = telarch(&["ipmi", "host"]);
    command.args(arguments).arg("--state").arg(state).env("TELARCH_IPMI_PASSWORD", "admin-pw");
    run(&mut command, "")
}

#[test]
fn a_stored_controller_has_an_encrypted_password() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    assert_eq!(host(&state, &["list"]).out, "");
    let added = host(&state, &["add", "node7", "10.0.0.7", "-U", "admin"]);
    assert!(added.code == 0 && added.out.starts_with("added node7; "), "{}{}", added.out, added.errors);
    let again =
        host(&state, &["add", "NODE7", "[::1]:99", "-U", "oper", "--level", "operator", "--suite", "3"]);
    assert!(again.out.starts_with("replaced NODE7; "), "{}", again.out);
    let listed = host(&state, &["list"]).out;
    assert_eq!(
        listed.split_whitespace().collect::<Vec<_>>().join(" "),
        "NODE7 [::1]:99 user \"oper\", level operator, suite 3"
    );
    assert_eq!(
        host(&state, &["list", "--format", "csv"]).out,
        "host,address,user,level,suite\nNODE7,[::1]:99,oper,operator,3\n"
    );
    let file = state.join("ipmi-hosts");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&file).unwrap().contains("admin-pw"));
    assert_eq!(host(&state, &["remove", "node7"]).code, 0);
    let gone = host(&state, &["remove", "node7"]);
    assert!(gone.code == 1 && gone.errors.contains("telarch ipmi host list"), "{}", gone.errors);
}

#[test]
fn a_stored_name_stands_for_address_user_and_password() {
    let group = ControllerGroup::start(2, Network::default());
    let folder = tempfile::tempdir().unwrap();
    for (name, address) in ["node1", "node2"].iter().zip(group.addresses()) {
        let added =
            host(folder.path(), &["add", name, &address.to_string(), "-U", "oper", "--level", "user"]);
        // The stored password belongs to another user.
        assert_eq!(added.code, 0, "{}", added.errors);
    }
    let ipmi = |arguments: &[&str], password: Option<&str>| {
        let mut command = telarch(&["ipmi"]);
        command.args(arguments).arg("--state").arg(folder.path()).env_remove("TELARCH_IPMI_PASSWORD");
        command.envs(password.map(|password| ("TELARCH_IPMI_PASSWORD", password)));
        run(&mut command, "")
    };
    let wrong = ipmi(&["info", "-H", "node1"], None);
    assert!(wrong.code == 1 && wrong.errors.contains("node1"), "{}", wrong.errors);
    // Another user uses the stored address only.
    let other = ipmi(&["power", "status", "-H", "node1", "-U", "admin"], Some("admin-pw"));
    assert_eq!((other.out.trim(), other.code), ("Chassis Power is on", 0), "{}", other.errors);
    for (name, address) in ["node1", "node2"].iter().zip(group.addresses()) {
        host(folder.path(), &["add", name, &address.to_string(), "-U", "admin", "--level", "user"]);
    }
    let both = ipmi(&["power", "status", "-H", "NODE[1-2]"], None);
    assert_eq!((both.out.lines().count(), both.code), (2, 0), "{}{}", both.out, both.errors);
    // The stored level is a maximum.
    let off = ipmi(&["power", "off", "-H", "node1"], None);
    assert!(off.code == 1 && group.first(|board| board.controls.is_empty()), "{}{}", off.out, off.errors);
    let other_key = tempfile::tempdir().unwrap();
    fs::copy(folder.path().join("ipmi-hosts"), other_key.path().join("ipmi-hosts")).unwrap();
    let command = &mut telarch(&["ipmi", "info", "-H", "node1", "--state"]);
    let sealed = run(command.arg(other_key.path()), "");
    assert!(sealed.code == 1 && sealed.errors.contains("another key"), "{}", sealed.errors);
}

#[test]
fn a_password_that_is_too_long_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "twenty-one-octets-long\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = host(folder.path(), &["add", "a", "b", "--password-file", file.to_str().unwrap()]);
    assert!(refused.code == 1 && refused.errors.contains("more than 20"), "{}", refused.errors);
    assert!(!folder.path().join("ipmi-hosts").exists());
}
