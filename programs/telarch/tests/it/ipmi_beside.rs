//! `telarch ipmi` beside FreeIPMI, both against the controller that OpenIPMI simulates.
//!
//! The output differs on purpose in these points, which the tests consider:
//! - FreeIPMI prints a sensor's name in six-bit ASCII as it is stored, and rounds readings to two digits.
//! - FreeIPMI writes `Nominal` for `ok`, and has other names for states.
//! - FreeIPMI writes dates as month, day and year, and reports the chassis type.
//! - FreeIPMI reads the GUID in reverse byte order, and ignores the unit of the power-on counter.

use std::collections::BTreeMap;

use serde_json::Value;
use telarch_simulated_bmc::{Board, ControllerGroup, Network, SimulatedBmc, free_ipmi, settings};

use crate::ipmi::{fields, printed};
use crate::{run, telarch};

fn rows(bmc: &SimulatedBmc, arguments: &[&str]) -> Vec<Value> {
    let text = printed(bmc, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().clone()
}

fn near(ours: &Value, theirs: &str) -> bool {
    match (ours.as_f64(), theirs.parse::<f64>()) {
        (None, Err(_)) => theirs == "N/A",
        (Some(ours), Ok(theirs)) => (ours - theirs).abs() <= 0.005_000_1,
        _ => false,
    }
}

#[test]
fn sensors_and_thresholds_match_ipmi_sensors() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = rows(&bmc, &["sensors"]);
    let options = [
        "--comma-separated-output",
        "--no-header-output",
        "--output-sensor-thresholds",
        "--output-sensor-state",
        "--quiet-cache",
    ];
    let Some(theirs) = bmc.free_ipmi("ipmi-sensors", &options) else { return };
    let mut compared = 0;
    for line in theirs.lines() {
        // Columns: number, name, type, state, reading, unit, lower thresholds (most severe first), upper thresholds (most
        // severe last), events.
        let cells: Vec<&str> = line.split(',').collect();
        let find = |name: &str| ours.iter().find(|sensor| sensor["name"] == name);
        let Some(sensor) = find(cells[1]).or_else(|| find("ALTITUDE6")) else { panic!("{line}") };
        assert!(near(&sensor["reading"], cells[4]), "{line}: {sensor}");
        let names = [
            "lower_non_recoverable",
            "lower_critical",
            "lower_non_critical",
            "upper_non_critical",
            "upper_critical",
            "upper_non_recoverable",
        ];
        for (name, theirs) in names.iter().zip(&cells[6..]) {
            assert!(near(&sensor[*name], theirs), "{name}: {line}: {sensor}");
        }
        let standing = match cells[3] {
            "Nominal" => "ok",
            "Warning" => "nc",
            "Critical" => "cr",
            _ => "ns",
        };
        assert_eq!(sensor["standing"], standing, "{line}: {sensor}");
        compared += 1;
    }
    assert_eq!(compared, 29);
}

#[test]
fn the_event_log_matches_ipmi_sel() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = printed(&bmc, &["sel"]);
    let options = ["--comma-separated-output", "--no-header-output", "--quiet-cache"];
    let Some(theirs) = bmc.free_ipmi("ipmi-sel", &options) else { return };
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{ours}{theirs}");
    let numbers = |text: &str| {
        let words = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != '-');
        words
            .filter_map(|word| word.parse::<f64>().ok())
            .map(|number| format!("{number}"))
            .collect::<Vec<_>>()
    };
    let mut readings = 0;
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        let cells: Vec<&str> = ours.split('|').map(str::trim).collect();
        let their: Vec<&str> = theirs.splitn(6, ',').collect();
        assert_eq!(cells[0], their[0], "{ours} {theirs}");
        if their[5].contains("Sensor Reading") {
            assert_eq!(cells[2], their[3]);
            assert_eq!(numbers(cells[3]), numbers(their[5]), "{ours} {theirs}");
            let words = |text: &str| text.to_lowercase().replace(" - ", " ");
            assert!(
                words(their[5]).starts_with(&words(cells[3].split(':').next().unwrap())),
                "{ours} {theirs}"
            );
            readings += 1;
        }
    }
    assert_eq!(readings, 2);
    printed(&bmc, &["sel", "clear"]);
    // The simulator logs that the log was cleared.
    let info = fields(&printed(&bmc, &["sel", "info"]));
    let theirs = fields(&bmc.free_ipmi("ipmi-sel", &["--info", "--quiet-cache"]).unwrap());
    assert_eq!(info["Entries"], theirs["Number of log entries"], "{info:?} {theirs:?}");
}

#[test]
fn the_inventory_matches_ipmi_fru() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = rows(&bmc, &["fru"]);
    let Some(theirs) = bmc.free_ipmi("ipmi-fru", &["--quiet-cache"]) else { return };
    let theirs = fields(&theirs);
    let ours: Vec<&str> = ours.iter().filter_map(|row| row["text"].as_str()).collect();
    let is_date = |text: &&str| text.starts_with("2020-01-01");
    assert_eq!(ours.iter().filter(|text| is_date(text)).count(), 1);
    for text in ours.iter().filter(|text| !is_date(text)) {
        let is_there =
            theirs.values().any(|their| their.trim().eq_ignore_ascii_case(text) || their.starts_with(text));
        assert!(is_there, "{text} is not in {theirs:?}");
    }
    // Both print the chassis type as one field.
    assert_eq!(
        theirs.keys().filter(|name| name.starts_with("FRU ") && !name.contains("Inventory")).count(),
        ours.len()
    );
}

#[test]
fn info_matches_bmc_info() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = fields(&printed(&bmc, &["info"]));
    let Some(text) = bmc.free_ipmi("bmc-info", &[]) else { return };
    let mut theirs: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in
        text.lines().filter_map(|line| line.split_once(" : ").or_else(|| line.split_once(": ")))
    {
        // Sections for channels with the same names follow.
        theirs.entry(name.trim().to_owned()).or_insert_with(|| value.trim().to_owned());
    }
    for name in ["Device ID", "Device Revision", "Firmware Revision", "IPMI Version", "Product ID"] {
        assert_eq!(ours[name], theirs[name], "{name}");
    }
    assert!(theirs["Manufacturer ID"].contains(&format!("({})", ours["Manufacturer ID"])), "{theirs:?}");
    assert_eq!(ours["Device Available"] == "yes", theirs["Device Available"].starts_with("yes"));
    assert_eq!(ours["Provides Device SDRs"] == "yes", theirs["Device SDRs"] == "supported");
    let octets = |text: &str| {
        let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
        let mut octets: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
        octets.sort();
        octets
    };
    assert_eq!(octets(&ours["System GUID"]), octets(&theirs["System GUID"]));
}

#[test]
fn power_and_chassis_events_match_ipmi_chassis() {
    let group = ControllerGroup::of(vec![(settings(0), Board::default())], Network::default());
    let bmc = group.addresses()[0].to_string();
    let said = |words: &[&str]| {
        let mut command = telarch(&["ipmi"]);
        command.args(words).args(["-H", &bmc, "-U", "admin"]).env("TELARCH_IPMI_PASSWORD", "admin-pw");
        let ran = run(&mut command, "");
        assert_eq!((ran.errors.as_str(), ran.code), ("", 0), "{words:?}");
        ran.out
    };
    said(&["power", "policy", "always-on"]);
    said(&["power", "off"]);
    let Some(theirs) = free_ipmi(&bmc, "ipmi-chassis", &["--get-chassis-status"]) else { return };
    let theirs = fields(&theirs);
    assert_eq!(said(&["power", "status"]), format!("Chassis Power is {}\n", theirs["System Power"]));
    assert_eq!(theirs["Power restore policy"], "Always on");
    let theirs = fields(&free_ipmi(&bmc, "ipmi-chassis", &["--get-system-restart-cause"]).unwrap());
    let cause = theirs.values().next().unwrap().to_lowercase();
    assert!(cause.contains("watchdog") && said(&["power", "cause"]).contains("watchdog"), "{cause}");
}

#[test]
fn users_and_network_settings_match_ipmi_config() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    for (name, value) in [("source", "static"), ("address", "10.0.7.9"), ("mask", "255.255.255.0")] {
        printed(&bmc, &["lan", "set", name, value]);
    }
    printed(&bmc, &["user", "name", "4", "reader"]);
    let ours = fields(&printed(&bmc, &["lan"]));
    let checkout = ["--category=core", "--checkout", "--section=Lan_Conf", "--section=User4"];
    let Some(theirs) = bmc.free_ipmi("ipmi-config", &checkout) else { return };
    let theirs: BTreeMap<&str, &str> = theirs
        .lines()
        .filter_map(|line| line.trim().split_once(char::is_whitespace))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    for (title, name) in [
        ("IP Address", "IP_Address"),
        ("Subnet Mask", "Subnet_Mask"),
        ("MAC Address", "MAC_Address"),
        ("Default Gateway IP", "Default_Gateway_IP_Address"),
        ("Backup Gateway IP", "Backup_Gateway_IP_Address"),
    ] {
        assert_eq!(ours[title], theirs[name], "{title}");
    }
    assert_eq!((ours["IP Address Source"].as_str(), theirs["IP_Address_Source"]), ("static", "Static"));
    let users = rows(&bmc, &["user"]);
    let user = users.iter().find(|user| user["id"] == 4).unwrap();
    assert_eq!((user["name"].as_str(), theirs["Username"]), (Some("reader"), "reader"));
    assert_eq!(user["limit"].as_str().unwrap(), theirs["Lan_Privilege_Limit"].to_lowercase());
    assert_eq!(user["messaging"], theirs["Lan_Enable_IPMI_Msgs"] == "Yes");
}
