//! `telarch ipmi host`: what is kept of a controller.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::{Ran, run, telarch};

fn host(state: &Path, arguments: &[&str]) -> Ran {
    let mut command = telarch(&["ipmi", "host"]);
    command.args(arguments).arg("--state").arg(state).env("TELARCH_IPMI_PASSWORD", "admin-pw");
    run(&mut command, "")
}

#[test]
fn a_controller_is_kept_with_a_password_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    assert_eq!(host(&state, &["list"]).out, "");
    let added = host(&state, &["add", "node7", "10.0.0.7", "-U", "admin"]);
    assert!(added.code == 0 && added.out.starts_with("node7 is known now"), "{}{}", added.out, added.errors);
    let again =
        host(&state, &["add", "NODE7", "[::1]:99", "-U", "oper", "--level", "operator", "--suite", "3"]);
    assert!(again.out.contains("what was given now"), "{}", again.out);
    let listed = host(&state, &["list"]).out;
    assert_eq!(
        listed.split_whitespace().collect::<Vec<_>>().join(" "),
        "NODE7 [::1]:99 user \"oper\", at most operator, suite 3"
    );
    let kept = state.join("ipmi-hosts");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&kept).unwrap().contains("admin-pw"));
    assert_eq!(host(&state, &["remove", "node7"]).code, 0);
    let gone = host(&state, &["remove", "node7"]);
    assert!(gone.code == 1 && gone.errors.contains("telarch ipmi host list"), "{}", gone.errors);
}

#[test]
fn a_password_that_no_controller_takes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "twenty-one-octets-long\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = host(folder.path(), &["add", "a", "b", "--password-file", file.to_str().unwrap()]);
    assert!(refused.code == 1 && refused.errors.contains("more than 20"), "{}", refused.errors);
    assert!(!folder.path().join("ipmi-hosts").exists());
}
