//! `telarch ipmi --target`: bridged requests, compared with ipmitool.

use std::process::Command;

use telarch_simulated_bmc::{Board, ControllerGroup, Network, is_installed, settings};

use crate::{run, telarch};

#[test]
fn bridged_controllers_are_addressed_as_with_ipmitool() {
    if !is_installed("ipmitool", "ipmitool") {
        return;
    }
    let mut board = Board::default();
    board.satellites.insert((0x2c, 7), [0x23, 0xc0, 0, 0]);
    board.behind.insert((0x82, 0x72));
    let group = ControllerGroup::of(vec![(settings(0), board)], Network::default());
    let address = group.addresses()[0];
    for (ours, theirs, is_there) in [
        (&["--target", "0x2c"][..], &["-b", "0", "-t", "0x2c"][..], true),
        (&["--target", "0x2e"], &["-b", "0", "-t", "0x2e"], false),
        (
            &["--target", "0x72", "--target-channel", "7", "--transit", "0x82", "--transit-channel", "0"],
            &["-b", "7", "-t", "0x72", "-B", "0", "-T", "0x82"],
            true,
        ),
        (
            &["--target", "0x74", "--target-channel", "7", "--transit", "0x82"],
            &["-b", "7", "-t", "0x74", "-B", "0", "-T", "0x82"],
            false,
        ),
    ] {
        let mut telarch = telarch(&["ipmi", "raw", "6", "1", "-U", "admin", "-H", &address.to_string()]);
        let ran = run(telarch.args(ours).env("TELARCH_IPMI_PASSWORD", "admin-pw"), "");
        let mut ipmitool = Command::new("ipmitool");
        ipmitool.args(["-I", "lanplus", "-C", "17", "-N", "1", "-R", "1", "-U", "admin", "-P", "admin-pw"]);
        ipmitool.args(["-H", &address.ip().to_string(), "-p", &address.port().to_string()]).args(theirs);
        let output = ipmitool.args(["raw", "6", "1"]).output().unwrap();
        assert_eq!(
            (ran.code == 0, output.status.success()),
            (is_there, is_there),
            "{ours:?}: {}",
            ran.errors
        );
        let octets = |text: &str| text.split_whitespace().map(str::to_ascii_lowercase).collect::<Vec<_>>();
        assert_eq!(octets(&ran.out), octets(&String::from_utf8_lossy(&output.stdout)), "{ours:?}");
    }
}
