//! `telarch ipmi` beside ipmitool, both against the controller that OpenIPMI simulates.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;

use telarch_simulated_bmc::SimulatedBmc;

use crate::{Ran, run, telarch};

pub(crate) fn ipmi(bmc: &SimulatedBmc, arguments: &[&str]) -> Ran {
    let mut command = telarch(&["ipmi"]);
    command
        .args(arguments)
        .args(["-H", &bmc.address(), "-U", "admin"])
        .env("TELARCH_IPMI_PASSWORD", "admin-pw");
    run(&mut command, "")
}

/// Runs `telarch ipmi`, which must succeed, and returns its output.
pub(crate) fn printed(bmc: &SimulatedBmc, arguments: &[&str]) -> String {
    let ran = ipmi(bmc, arguments);
    assert_eq!((ran.errors.as_str(), ran.code), ("", 0), "{arguments:?}");
    ran.out
}

/// Parses lines such as `Device ID : 0`.
pub(crate) fn fields(text: &str) -> BTreeMap<String, String> {
    let fields = text.lines().filter_map(|line| line.split_once(" : ").or_else(|| line.split_once(": ")));
    fields.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

#[test]
fn power_status_matches_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    for (word, theirs) in
        [("status", "status"), ("off", "off"), ("status", "status"), ("on", "on"), ("soft", "soft")]
    {
        let ours = printed(&bmc, &["power", word]);
        let Some(theirs) = bmc.ipmitool(&["chassis", "power", theirs]) else { return };
        assert_eq!(ours, theirs, "power {word}");
    }
    assert!(bmc.chassis_log().contains("power=0\n"), "{}", bmc.chassis_log());
}

#[test]
fn info_matches_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = fields(&printed(&bmc, &["info"]));
    let Some(theirs) = bmc.ipmitool(&["mc", "info"]) else { return };
    let theirs = fields(&theirs);
    for name in [
        "Device ID",
        "Device Revision",
        "IPMI Version",
        "Manufacturer ID",
        "Device Available",
        "Provides Device SDRs",
    ] {
        assert_eq!(ours.get(name), theirs.get(name), "{name}: {ours:?} {theirs:?}");
    }
    assert_eq!(Some("9.08"), ours.get("Firmware Revision").map(String::as_str));
}

#[test]
fn sensors_match_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = printed(&bmc, &["sensors", "--format", "json"]);
    let Some(theirs) = bmc.ipmitool(&["-c", "sdr", "elist", "full"]) else { return };
    the_same_sensors(&ours, &theirs);
}

/// Compares our JSON with the comma-separated lines of ipmitool.
pub(crate) fn the_same_sensors(ours: &str, theirs: &str) {
    let ours: serde_json::Value = serde_json::from_str(ours).unwrap();
    let ours = ours.as_array().unwrap();
    assert_eq!(ours.len(), 29);
    let mut compared = 0;
    for line in theirs.lines() {
        let cells: Vec<&str> = line.split(',').collect();
        let find = |name: &str| ours.iter().find(|sensor| sensor["name"] == name);
        // ipmitool does not decode names in six-bit ASCII.
        let Some(sensor) = find(cells[0]).or_else(|| find("ALTITUDE6")) else { panic!("{line}") };
        let theirs: f64 = cells[1].parse().unwrap();
        let reading = sensor["reading"].as_f64().unwrap();
        // ipmitool rounds to three digits, or to two.
        assert!((reading - theirs).abs() <= 0.005_f64.max(theirs.abs() * 0.005), "{line}: {sensor}");
        assert_eq!(sensor["standing"], cells[3], "{line}: {sensor}");
        compared += 1;
    }
    assert_eq!(compared, 21);
    // FreeIPMI reports the same states.
    for (name, standing) in
        [("PSU1 Status", "ok"), ("PSU2 Status", "cr"), ("PSU Redundancy", "cr"), ("Memory", "ok")]
    {
        let sensor = ours.iter().find(|sensor| sensor["name"] == name).unwrap();
        assert_eq!(sensor["standing"], standing, "{sensor}");
    }
}

#[test]
fn the_event_log_matches_ipmitool_and_is_cleared() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = printed(&bmc, &["sel", "list"]);
    let Some(theirs) = bmc.ipmitool(&["sel", "elist"]) else { return };
    the_same_log(&ours, &theirs);
    assert!(ours.contains("CPU1 Temp") && ours.contains("manufacturer 311"), "{ours}");
    assert_eq!(printed(&bmc, &["sel", "clear"]), "the event log was cleared\n");
    assert_eq!(printed(&bmc, &["sel"]), "");
}

/// Compares our lines with those of ipmitool.
pub(crate) fn the_same_log(ours: &str, theirs: &str) {
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{ours}{theirs}");
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        let [ours, theirs] = [ours, theirs].map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
        assert_eq!(ours[0].parse(), i64::from_str_radix(theirs[0], 16), "{ours:?} {theirs:?}");
        if theirs.iter().any(|cell| cell.contains("going")) {
            // ipmitool: number, date, time, type and name, event, direction …
            assert!(theirs[3].ends_with(ours[2]), "{ours:?} {theirs:?}");
            assert!(ours[3].starts_with(theirs[4]), "{ours:?} {theirs:?}");
            assert_eq!(ours[4], theirs[5].to_lowercase());
        }
    }
}

#[test]
fn the_inventory_matches_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = printed(&bmc, &["fru"]);
    let Some(theirs) = bmc.ipmitool(&["fru", "print", "0"]) else { return };
    the_same_inventory(&ours, &theirs);
}

pub(crate) fn the_same_inventory(ours: &str, theirs: &str) {
    let theirs = fields(theirs);
    assert_eq!(ours.lines().count(), 15, "{ours}");
    assert!(ours.contains("Board Mfg Date         : 2020-01-01"), "{ours}");
    // The date formats differ.
    let ours = ours.lines().filter(|line| !line.starts_with("Board Mfg Date"));
    for text in ours.filter_map(|line| line.split_once(" : ")).map(|(_, text)| text) {
        assert!(theirs.values().any(|their| their == text), "{text} is not in {theirs:?}");
    }
}

#[test]
fn raw_responses_match_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = printed(&bmc, &["raw", "0x06", "0x01"]);
    let Some(theirs) = bmc.ipmitool(&["raw", "0x06", "0x01"]) else { return };
    assert_eq!(ours.split_whitespace().collect::<Vec<_>>(), theirs.split_whitespace().collect::<Vec<_>>());
    let unknown = ipmi(&bmc, &["raw", "6", "0x7f"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""));
    assert!(unknown.errors.contains("does not know the command (completion code c1h)"), "{}", unknown.errors);
}

#[test]
fn a_silent_controller_does_not_affect_the_others() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let Some(other) = SimulatedBmc::start() else { return };
    let hosts = format!("{silent},{},{}", bmc.address(), other.address());
    let mut command = telarch(&[
        "ipmi", "power", "status", "-U", "admin", "--limit", "1", "--format", "json", "-H", &hosts,
    ]);
    let ran = run(command.env("TELARCH_IPMI_PASSWORD", "admin-pw"), "");
    assert_eq!(ran.code, 1);
    assert!(ran.errors.starts_with(&format!("telarch: {silent}: no answer")), "{}", ran.errors);
    let answers: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&answers[0]["error"], &answers[2]["power"]),
        (&"no answer".into(), &"on".into()),
        "{answers}"
    );
}

#[test]
fn password_files_must_be_readable_by_their_owner_only() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    fs::write(&path, "admin-pw\n").unwrap();
    let arguments = ["power", "status", "--password-file", path.to_str().unwrap()];
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = ipmi(&bmc, &arguments);
    assert!(exposed.code == 1 && exposed.errors.contains("others can read"), "{}", exposed.errors);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(printed(&bmc, &arguments), "Chassis Power is on\n");
    fs::write(&path, "wrong\n").unwrap();
    let wrong = ipmi(&bmc, &arguments);
    assert!(wrong.code == 1 && wrong.errors.contains("wrong password"), "{}", wrong.errors);
}
