//! Tests of ipmitool and FreeIPMI as clients of our responder.

use std::net::SocketAddr;
use std::process::Command;

use telarch_simulated_bmc::{Board, ControllerGroup, Network, is_installed, settings, settings_with_suites};

/// Runs a program of another project; returns its output, and whether it succeeded.
fn run(command: &mut Command) -> (String, bool) {
    let output = command.env("IPMI_PASSWORD", "admin-pw").output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (text, output.status.success())
}

fn ipmitool(bmc: SocketAddr, interface: &[&str], arguments: &[&str]) -> (String, bool) {
    let (host, port) = (bmc.ip().to_string(), bmc.port().to_string());
    run(Command::new("ipmitool")
        .args(interface)
        .args(["-H", &host, "-p", &port, "-U", "admin", "-E"])
        .args(arguments))
}

fn freeipmi(program: &str, bmc: SocketAddr, arguments: &[&str]) -> (String, bool) {
    let cache = tempfile::tempdir().unwrap();
    let cached = ["--sdr-cache-directory".to_owned(), cache.path().display().to_string()];
    let mut command = Command::new(program);
    command.args(["-h", &bmc.to_string(), "-u", "admin", "-p", "admin-pw", "-l", "ADMIN"]).args(arguments);
    if program != "bmc-info" && program != "ipmi-chassis" {
        command.args(cached);
    }
    run(&mut command)
}

fn all_suites() -> ControllerGroup {
    let settings = settings_with_suites(&[1, 2, 3, 6, 7, 8, 11, 12, 15, 16, 17]);
    ControllerGroup::of(vec![(settings, Board::default())], Network::default())
}

#[test]
fn ipmitool_reads_all_sensors_with_each_suite_and_with_ipmi_1_5() {
    if !is_installed("ipmitool", "ipmitool") {
        return;
    }
    let group = all_suites();
    let bmc = group.addresses()[0];
    let ways: [&[&str]; 9] = [
        &["-I", "lanplus", "-C", "17"],
        &["-I", "lanplus", "-C", "3"],
        &["-I", "lanplus", "-C", "16"],
        &["-I", "lanplus", "-C", "15"],
        &["-I", "lanplus", "-C", "2"],
        &["-I", "lanplus", "-C", "1"],
        // ipmitool chooses the suite from the controller's list.
        &["-I", "lanplus"],
        &["-I", "lan", "-A", "MD5"],
        &["-I", "lan", "-A", "PASSWORD"],
    ];
    let mut outputs = Vec::new();
    for way in ways {
        let (text, is_content) = ipmitool(bmc, way, &["sdr", "elist", "all"]);
        assert!(is_content, "{way:?}: {text}");
        outputs.push(text);
    }
    assert!(outputs.iter().all(|text| *text == outputs[0]));
    assert!(outputs[0].contains("-5 degrees C") && outputs[0].lines().count() >= 31, "{}", outputs[0]);
}

#[test]
fn ipmitool_finds_the_log_the_inventory_and_the_power() {
    if !is_installed("ipmitool", "ipmitool") {
        return;
    }
    let group = all_suites();
    let ask = |arguments: &[&str]| {
        let (text, is_content) = ipmitool(group.addresses()[0], &["-I", "lanplus", "-C", "17"], arguments);
        assert!(is_content, "{arguments:?}: {text}");
        text
    };
    assert_eq!(ask(&["sel", "list"]).lines().count(), 6);
    assert!(ask(&["fru", "print", "0"]).contains("XB-42 Mainboard"));
    assert!(ask(&["chassis", "power", "status"]).contains("is on"));
    ask(&["chassis", "power", "cycle"]);
    ask(&["chassis", "power", "off"]);
    assert!(ask(&["chassis", "power", "status"]).contains("is off"));
    assert_eq!(group.first(|board| board.controls.clone()), [2, 0]);
    assert!(ask(&["session", "info", "active"]).contains("session handle"));
}

#[test]
fn ipmitool_reaches_a_controller_behind_ours() {
    if !is_installed("ipmitool", "ipmitool") {
        return;
    }
    let mut board = Board::default();
    board.satellites.insert((0x2c, 7), [0x23, 0xc0, 0, 0]);
    let group = ControllerGroup::of(vec![(settings(0), board)], Network::default());
    let there = |address: &'static str| {
        let way = ["-I", "lanplus", "-C", "17", "-b", "0", "-t", address, "-N", "1", "-R", "1"];
        ipmitool(group.addresses()[0], &way, &["raw", "6", "1"])
    };
    let (text, is_content) = there("0x2c");
    assert!(is_content && text.starts_with(" 2c 01"), "{text}");
    let (text, is_content) = there("0x2e");
    assert!(!is_content, "{text}");
}

#[test]
fn ipmitool_reaches_a_controller_behind_one_behind_ours() {
    if !is_installed("ipmitool", "ipmitool") {
        return;
    }
    let mut board = Board::default();
    board.behind.insert((0x82, 0x72));
    let group = ControllerGroup::of(vec![(settings(0), board)], Network::default());
    for version in [&["-I", "lanplus", "-C", "17"][..], &["-I", "lan", "-A", "MD5"]] {
        let there = |target: &'static str, transit: &'static str| {
            let way = ["-b", "7", "-t", target, "-B", "0", "-T", transit, "-N", "1", "-R", "1"];
            ipmitool(group.addresses()[0], &[version, &way[..]].concat(), &["raw", "6", "1"])
        };
        let (text, is_content) = there("0x72", "0x82");
        assert!(is_content && text.starts_with(" 72 01"), "{version:?}: {text}");
        let (text, is_content) = there("0x74", "0x82");
        assert!(!is_content, "{version:?}: {text}");
        let (text, is_content) = there("0x72", "0x84");
        assert!(!is_content, "{version:?}: {text}");
    }
}

#[test]
fn wrong_passwords_and_names_look_the_same_to_ipmitool() {
    if !is_installed("ipmitool", "ipmitool") {
        return;
    }
    let group = all_suites();
    let (host, port) = ("127.0.0.1", group.addresses()[0].port().to_string());
    let said = ["admin", "nobody"].map(|name| {
        let (text, is_content) = run(Command::new("ipmitool")
            .args(["-I", "lanplus", "-C", "17", "-H", host, "-p", &port, "-U", name, "-P", "wrong"])
            .args(["-N", "1", "-R", "1", "mc", "info"]));
        assert!(!is_content, "{text}");
        text
    });
    assert_eq!(said[0], said[1]);
}

#[test]
fn freeipmi_reads_sensors_log_inventory_and_power() {
    if !is_installed("ipmi-sensors", "freeipmi-tools") {
        return;
    }
    let group = all_suites();
    let bmc = group.addresses()[0];
    for way in [
        &["-D", "LAN_2_0", "-I", "17"][..],
        &["-D", "LAN_2_0", "-I", "3"],
        &["-D", "LAN_2_0", "-I", "16"],
        &["-D", "LAN_2_0", "-I", "15"],
        // ipmitool ends at once with these, and OpenIPMI does not know them.
        &["-D", "LAN_2_0", "-I", "6"],
        &["-D", "LAN_2_0", "-I", "7"],
        &["-D", "LAN_2_0", "-I", "8"],
        &["-D", "LAN_2_0", "-I", "11"],
        &["-D", "LAN_2_0", "-I", "12"],
        &["-D", "LAN", "-a", "MD2"],
        &["-D", "LAN", "-a", "MD5"],
        &["-D", "LAN", "-a", "STRAIGHT_PASSWORD_KEY"],
    ] {
        let (text, is_content) = freeipmi("ipmi-sensors", bmc, way);
        assert!(is_content, "{way:?}: {text}");
        assert!(text.contains("Inlet Temp") && text.contains("-5.00"), "{way:?}: {text}");
        assert_eq!(text.lines().filter(|line| line.contains(" | ")).count(), 30, "{way:?}: {text}");
    }
    let way = ["-D", "LAN_2_0", "-I", "17"];
    let (text, is_content) = freeipmi("ipmi-sel", bmc, &way);
    assert!(is_content && text.contains("CPU1 Temp"), "{text}");
    let (text, is_content) = freeipmi("ipmi-fru", bmc, &way);
    assert!(is_content && text.contains("XB-42 Mainboard"), "{text}");
    let (text, is_content) = freeipmi("bmc-info", bmc, &way);
    assert!(is_content && text.contains("Manufacturer ID"), "{text}");
    let (text, is_content) = freeipmi("ipmi-chassis", bmc, &[&way[..], &["--get-chassis-status"]].concat());
    assert!(is_content && text.contains("System Power"), "{text}");
}
