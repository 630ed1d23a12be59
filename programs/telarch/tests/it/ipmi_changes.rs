//! Changes made by `telarch ipmi`, read back with ipmitool.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use telarch_simulated_bmc::{Board, SimulatedBmc, ipmitool, is_installed};

use crate::ipmi::{fields, ipmi, printed};
use crate::ipmi_settings::{ours, said};
use crate::{run, telarch};

#[test]
fn boot_flags_match_ipmitool_in_both_directions() {
    let (_crowd, bmc) = ours(Board::default());
    for (words, parts) in [
        (
            &["boot", "pxe", "efi", "always"][..],
            ["Boot Flag Valid", "all future boots", "BIOS EFI boot", "Force PXE"],
        ),
        (&["boot", "bios"], ["Boot Flag Valid", "only next boot", "(legacy) boot", "BIOS Setup"]),
    ] {
        let set = fields(&said(&bmc, words));
        assert_eq!((set["Boot Device"].as_str(), set["Valid"].as_str()), (words[1], "yes"));
        let Some(theirs) = ipmitool(&bmc, &["chassis", "bootparam", "get", "5"]) else { return };
        for part in parts {
            assert!(theirs.contains(part), "{part} is not in {theirs}");
        }
    }
    ipmitool(&bmc, &["chassis", "bootdev", "cdrom", "options=efiboot,persistent"]).unwrap();
    let ours = fields(&said(&bmc, &["boot"]));
    let shown = ["Boot Device", "For Starts", "Firmware", "Valid"].map(|name| ours[name].as_str());
    assert_eq!(shown, ["cdrom", "all", "efi", "yes"]);
}

#[test]
fn boot_flags_that_the_controller_drops_are_an_error() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ran = ipmi(&bmc, &["boot", "pxe", "efi", "always"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    let difference = "pxe, next start, legacy, not valid instead of pxe, all starts, efi, valid";
    assert!(ran.errors.contains(difference), "{}", ran.errors);
    // The simulator keeps the device and no other flag.
    let ours = fields(&printed(&bmc, &["boot"]));
    assert_eq!((ours["Boot Device"].as_str(), ours["Valid"].as_str()), ("pxe", "no"));
    let Some(theirs) = bmc.ipmitool(&["raw", "0", "9", "5", "0", "0"]) else { return };
    assert_eq!(theirs.trim(), "01 05 00 04 00 00 00");
    assert!(bmc.chassis_log().contains("boot=pxe\n"), "{}", bmc.chassis_log());
}

#[test]
fn network_settings_match_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    for (name, value) in [
        ("source", "static"),
        ("address", "10.0.7.9"),
        ("mask", "255.255.255.0"),
        ("gateway", "10.0.7.1"),
        ("vlan", "7"),
    ] {
        printed(&bmc, &["lan", "set", name, value]);
    }
    let ours = fields(&printed(&bmc, &["lan"]));
    let Some(theirs) = bmc.ipmitool(&["lan", "print", "1"]) else { return };
    let theirs = fields(&theirs);
    for (name, value) in [
        ("IP Address", "10.0.7.9"),
        ("Subnet Mask", "255.255.255.0"),
        ("Default Gateway IP", "10.0.7.1"),
        ("802.1q VLAN ID", "7"),
        ("SNMP Community String", "public"),
        ("MAC Address", "00:00:00:00:00:00"),
    ] {
        assert_eq!((ours[name].as_str(), theirs[name].as_str()), (value, value), "{name}");
    }
    assert_eq!(
        (ours["IP Address Source"].as_str(), theirs["IP Address Source"].as_str()),
        ("static", "Static Address")
    );
}

#[test]
fn users_match_ipmitool_and_sign_in_with_new_passwords() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    printed(&bmc, &["user", "name", "4", "reader"]);
    printed(&bmc, &["user", "level", "4", "operator"]);
    let ours: serde_json::Value =
        serde_json::from_str(&printed(&bmc, &["user", "--format", "json"])).unwrap();
    let Some(theirs) = bmc.ipmitool(&["-c", "user", "list", "1"]) else { return };
    let named =
        theirs.lines().map(|line| line.split(',').collect::<Vec<_>>()).filter(|cells| !cells[1].is_empty());
    let mut compared = 0;
    for cells in named {
        let find = |user: &&serde_json::Value| user["id"].as_u64() == cells[0].parse().ok();
        let user = ours.as_array().unwrap().iter().find(find).unwrap();
        assert_eq!(
            (user["name"].as_str(), user["messaging"].to_string()),
            (Some(cells[1]), cells[4].to_owned())
        );
        assert_eq!(user["limit"].as_str().unwrap().to_uppercase(), cells[5], "{cells:?}");
        compared += 1;
    }
    assert_eq!(compared, 4);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new");
    fs::write(&path, "another-pw\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let file = path.to_str().unwrap();
    let said = printed(&bmc, &["user", "password", "4", "--new-password-file", file]);
    assert_eq!(said, "changed the password of user 4\n");
    let mut status = telarch(&["ipmi", "power", "status", "-H", &bmc.address(), "-U", "reader"]);
    let signed_in = run(status.env("TELARCH_IPMI_PASSWORD", "another-pw"), "");
    assert_eq!((signed_in.out.as_str(), signed_in.errors.as_str()), ("Chassis Power is on\n", ""));
    // Without encryption, the password would be readable on the network.
    let in_clear = ipmi(&bmc, &["user", "password", "4", "--suite", "1", "--new-password-file", file]);
    assert!(in_clear.code == 1 && in_clear.errors.contains("does not encrypt"), "{}", in_clear.errors);
}

#[test]
fn a_threshold_is_set_in_the_unit_of_the_sensor() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = fields(&printed(&bmc, &["threshold", "VBAT", "lnc", "2.7"]));
    assert_eq!((ours["Lower Non-Critical"].as_str(), ours["Lower Critical"].as_str()), ("2.7", "2.5"));
    let Some(theirs) = bmc.ipmitool(&["sensor", "get", "VBAT"]) else { return };
    assert_eq!(fields(&theirs)["Lower Non-Critical"], "2.700");
    let beyond = ipmi(&bmc, &["threshold", "VBAT", "lnc", "900"]);
    assert!(beyond.code == 1 && beyond.errors.contains("values from "), "{}", beyond.errors);
    let unknown = ipmi(&bmc, &["threshold", "VBATT"]);
    assert!(unknown.code == 1 && unknown.errors.contains("the name of a sensor"), "{}", unknown.errors);
}

/// Returns the rows of the sensors of a controller by name.
fn sensors(bmc: &SimulatedBmc) -> HashMap<String, serde_json::Value> {
    let rows: Vec<serde_json::Value> =
        serde_json::from_str(&printed(bmc, &["sensors", "--format", "json"])).unwrap();
    rows.into_iter().map(|row| (row["name"].as_str().unwrap().to_owned(), row)).collect()
}

#[test]
fn thresholds_changed_by_ipmitool_are_shown() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    // The first run fills the cache of sensor data records.
    assert_eq!(sensors(&bmc)["CPU1 Temp"]["upper_non_critical"], 85.0);
    if bmc.ipmitool(&["sensor", "thresh", "CPU1 Temp", "unc", "77"]).is_none() {
        return;
    }
    let now = sensors(&bmc);
    assert_eq!(now["CPU1 Temp"]["upper_non_critical"], 77.0);
    assert_eq!(now["CPU2 Temp"]["upper_non_critical"], 85.0);
    assert_eq!(now["CPU1 Temp"]["upper_critical"], 95.0);
}

#[test]
fn sensors_of_a_satellite_have_their_own_thresholds_and_events() {
    let Some(bmc) = SimulatedBmc::start_with_satellites() else { return };
    let Some(before) = bmc.ipmitool(&["sensor", "get", "CPU1 Temp"]) else { return };
    let all = sensors(&bmc);
    let shown = |name: &str| (all[name]["reading"].as_f64(), all[name]["upper_non_critical"].as_f64());
    assert_eq!(shown("CPU1 Temp"), (Some(45.0), Some(85.0)));
    assert_eq!(shown("SAT TEMP"), (Some(33.0), Some(50.0)));
    assert_eq!([shown("FAR TEMP"), shown("SW- TEMP")], [(None, None); 2]);
    printed(&bmc, &["threshold", "SAT TEMP", "unc", "40"]);
    assert_eq!(bmc.ipmitool(&["sensor", "get", "CPU1 Temp"]).unwrap(), before);
    let theirs = bmc.ipmitool(&["sensor", "get", "SAT TEMP"]).unwrap();
    assert_eq!(fields(&theirs)["Upper Non-Critical"], "40.000", "{theirs}");
    let refused = ipmi(&bmc, &["threshold", "SW- TEMP", "unc", "40"]);
    assert!(refused.code == 1 && refused.errors.contains("address on the bus"), "{}", refused.errors);
    let log = printed(&bmc, &["sel"]);
    let of_satellite: Vec<&str> = log.lines().filter(|line| line.contains("SAT TEMP")).collect();
    assert!(matches!(of_satellite[..], [line] if line.contains(": 52 C, threshold 50 C")), "{log}");
}

#[test]
fn a_changed_inventory_matches_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    printed(&bmc, &["fru", "set", "product", "Asset Tag", "rack 7, row 3"]);
    let Some(theirs) = bmc.ipmitool(&["fru", "print", "0"]) else { return };
    let theirs = fields(&theirs);
    assert_eq!(
        (theirs["Product Asset Tag"].as_str(), theirs["Product Serial"].as_str()),
        ("rack 7, row 3", "PRD000000")
    );
    assert_eq!(fields(&printed(&bmc, &["fru"]))["Product Asset Tag"], "rack 7, row 3");
    let unknown = ipmi(&bmc, &["fru", "set", "product", "Colour", "red"]);
    assert!(unknown.code == 1 && unknown.errors.contains("Asset Tag"), "{}", unknown.errors);
}

#[test]
fn channels_watchdogs_and_clocks_match_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = fields(&printed(&bmc, &["channel"]));
    let Some(theirs) = bmc.ipmitool(&["channel", "info", "1"]) else { return };
    let theirs = fields(&theirs);
    for name in [
        "Channel Medium Type",
        "Channel Protocol Type",
        "Active Session Count",
        "Protocol Vendor ID",
        "Access Mode",
    ] {
        assert_eq!(ours[name], theirs[name], "{name}");
    }
    assert!(printed(&bmc, &["sessions"]).contains("user 2 | user | channel 1"));
    let theirs = fields(&bmc.ipmitool(&["session", "info", "active"]).unwrap());
    assert_eq!((theirs["user id"].as_str(), theirs["channel number"].as_str()), ("2", "0x01"));

    let ours = fields(&printed(&bmc, &["watchdog"]));
    let theirs = bmc.ipmitool(&["mc", "watchdog", "get"]).unwrap();
    assert!(
        theirs.to_lowercase().contains(&ours["Watchdog Timer Use"]) && theirs.contains("Stopped"),
        "{ours:?} {theirs}"
    );
    assert_eq!(ours["Watchdog Timer Is Running"], "no");
    let unset = ipmi(&bmc, &["watchdog", "reset"]);
    assert!(unset.code == 1 && unset.errors.contains("the timer is not configured"), "{}", unset.errors);

    let ours = printed(&bmc, &["sel", "time", "now"]);
    let theirs = bmc.ipmitool(&["sel", "time", "get"]).unwrap();
    // 2026-11-21 22:40:01 and 11/21/26 22:40:01 UTC, where the seconds may differ.
    assert_eq!(ours[5..13].replace('-', "/"), format!("{} {}", &theirs[..5], &theirs[9..11]));
}

#[test]
fn identify_requests_match_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let words = [("20", "20", "identify=20 0"), ("on", "force", "identify=0 1"), ("0", "0", "identify=0 0")];
    for (ours, theirs, done) in words {
        printed(&bmc, &["identify", ours]);
        if bmc.ipmitool(&["chassis", "identify", theirs]).is_none() {
            return;
        }
        let log = bmc.chassis_log();
        let last: Vec<&str> = log.lines().rev().take(2).collect();
        assert_eq!(last, [done; 2], "{ours}");
    }
}

#[test]
fn metrics_have_the_names_of_ipmi_exporter() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let page = printed(&bmc, &["sensors", "--format", "prometheus"]);
    let bmc = bmc.address();
    for line in [
        format!("ipmi_temperature_celsius{{bmc=\"{bmc}\",id=\"3\",name=\"Inlet Temp\"}} -5"),
        format!("ipmi_fan_speed_rpm{{bmc=\"{bmc}\",id=\"9\",name=\"FAN1\"}} 7100"),
        format!("ipmi_voltage_volts{{bmc=\"{bmc}\",id=\"8\",name=\"VBAT\"}} 3"),
        format!(
            "ipmi_sensor_state{{bmc=\"{bmc}\",id=\"24\",name=\"PSU Redundancy\",type=\"Power Supply\"}} 2"
        ),
        format!("ipmi_up{{bmc=\"{bmc}\",collector=\"ipmi\"}} 1"),
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in {page}");
    }
    // Each sample is a name and a value, and each family has one header.
    let families: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut unique = families.clone();
    unique.dedup();
    assert_eq!(families, unique);
}

#[test]
fn sel_follow_shows_events_sent_by_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    if !is_installed("ipmitool", "ipmitool") {
        return;
    }
    let mut command =
        telarch(&["ipmi", "sel", "follow", "--every", "1", "-H", &bmc.address(), "-U", "admin"]);
    command.env("TELARCH_IPMI_PASSWORD", "admin-pw").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    // Only records after the first poll are shown, so events are sent until one appears.
    let (shown, reported) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || shown.send(lines.next()));
    let mut line = None;
    for _ in 0..60 {
        bmc.ipmitool(&[
            "raw", "0x0a", "0x44", "0", "0", "2", "0", "0", "0", "0", "0x20", "0", "4", "1", "1", "1",
            "0x59", "0x60", "0x5f",
        ])
        .unwrap();
        line = reported.recv_timeout(std::time::Duration::from_secs(2)).ok();
        if line.is_some() {
            break;
        }
    }
    program.kill().unwrap();
    program.wait().unwrap();
    let line = line.flatten().unwrap().unwrap();
    assert!(line.contains("CPU1 Temp") && line.contains("Upper Critical going high: 96 C"), "{line}");
    reader.join().unwrap().unwrap();
}
