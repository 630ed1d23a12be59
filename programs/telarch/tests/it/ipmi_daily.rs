//! Everyday actions of `telarch ipmi`, compared with ipmitool and FreeIPMI on the same controllers.

use std::collections::BTreeSet;

use telarch_simulated_bmc::{
    Board, ControllerGroup, Network, SimulatedBmc, free_ipmi, ipmitool, ipmitool_fails,
};

use crate::ipmi::{fields, ipmi, printed};
use crate::ipmi_settings::{ask, ours, said};
use crate::{run, telarch};

#[test]
fn chassis_status_matches_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    for state in ["off", "on"] {
        printed(&bmc, &["power", state]);
        let ours = fields(&printed(&bmc, &["chassis"]));
        assert_eq!((ours["System Power"].as_str(), ours["Conditions"].as_str()), (state, "none"));
        let Some(theirs) = bmc.ipmitool(&["chassis", "status"]) else { return };
        let theirs = fields(&theirs);
        for name in ["System Power", "Power Restore Policy"] {
            assert_eq!(ours[name], theirs[name], "{name}");
        }
    }
}

#[test]
fn each_line_of_a_scan_begins_with_its_host() {
    let group = ControllerGroup::start(2, Network::default());
    let hosts: Vec<String> = group.addresses().iter().map(ToString::to_string).collect();
    for requested in [&hosts[..1], &hosts[..]] {
        let ran = run(&mut telarch(&["ipmi", "scan", "-H", &requested.join(",")]), "");
        let lines: Vec<&str> = ran.out.lines().collect();
        assert_eq!(lines.len(), requested.len(), "{}", ran.out);
        for (line, host) in lines.iter().zip(requested) {
            assert!(line.starts_with(&format!("{host}: ping yes")), "{line}");
        }
    }
}

#[test]
fn all_inventories_are_listed_by_device() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let all = printed(&bmc, &["fru", "all"]);
    assert!(all.starts_with("  0 | Builtin FRU\n  Chassis Type "), "{all}");
    assert_eq!(printed(&bmc, &["fru", "list"]), "  0 | Builtin FRU\n");
    let absent = ipmi(&bmc, &["fru", "9"]);
    assert!(
        absent.code == 1
            && absent
                .errors
                .ends_with("\"9\" is not the number of a device with an inventory\n  there are 0\n"),
        "{}",
        absent.errors
    );
    let Some(theirs) = bmc.ipmitool(&["fru", "print"]) else { return };
    assert!(theirs.contains("Builtin FRU Device (ID 0)"), "{theirs}");
    let (ours, theirs) = (fields(&all), fields(&theirs));
    for name in ["Product Name", "Product Part Number", "Board Part Number", "Product Asset Tag"] {
        assert_eq!(ours[name], theirs[name], "{name}");
    }
}

#[test]
fn sensors_are_filtered_by_type_name_and_status() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let names = |text: &str| -> BTreeSet<String> {
        text.lines().filter_map(|line| Some(line.split_once('|')?.0.trim().to_owned())).collect()
    };
    let Some(theirs) = bmc.ipmitool(&["sdr", "type", "Temperature"]) else { return };
    assert_eq!(names(&printed(&bmc, &["sensors", "temperature"])), names(&theirs));
    let chosen = printed(&bmc, &["sensors", "p*v", "power_supply"]);
    assert_eq!(
        names(&chosen),
        ["P12V", "P5V", "PSU Redundancy", "PSU1 Status", "PSU2 Status"].map(str::to_owned).into()
    );
    let bad = printed(&bmc, &["sensors", "bad"]);
    assert!(!bad.is_empty() && bad.lines().all(|line| line.ends_with("| cr")), "{bad}");
    let none = ipmi(&bmc, &["sensors", "tachometer"]);
    assert_eq!((none.code, none.out.as_str()), (1, ""));
    assert!(none.errors.contains("no sensor has this name or type"), "{}", none.errors);
}

/// A board with `CPU1 Temp` of the first and of the second processor.
pub(crate) fn with_two_of_one_name() -> Board {
    let mut board = Board::default();
    for record in std::sync::Arc::make_mut(&mut board.records) {
        if record.ends_with(b"CPU2 Temp") {
            let digit = record.len() - 6;
            record[digit] = b'1';
        }
    }
    board
}

#[test]
fn sensors_of_the_same_name_are_distinguished_by_entity() {
    let (_crowd, bmc) = ours(with_two_of_one_name());
    let reported = said(&bmc, &["sensors", "cpu1_temp"]);
    let names: Vec<&str> = reported.lines().filter_map(|line| Some(line.split_once('|')?.0.trim())).collect();
    assert_eq!(names, ["CPU1 Temp (processor 1)", "CPU1 Temp (processor 2)"]);
    assert!(said(&bmc, &["sel"]).contains("| CPU1 Temp (processor 1) | Upper Critical going high"));
    let either = ask(&bmc, &["threshold", "CPU1 Temp"]);
    assert!(
        either.code == 1 && either.errors.contains("is not the name of one sensor only"),
        "{}",
        either.errors
    );
    assert!(either.errors.contains("\"CPU1 Temp (processor 2)\" or 02h"), "{}", either.errors);
    let rows = said(&bmc, &["sensors", "cpu1_temp", "--format", "csv"]);
    assert!(
        rows.contains(",CPU1 Temp (processor 1),") && rows.contains(",CPU1 Temp (processor 2),"),
        "{rows}"
    );
    let small = ask(&bmc, &["threshold", "cpu1 temp"]);
    assert!(
        small.code == 1 && small.errors.contains("there are \"CPU1 Temp (processor 1)\""),
        "{}",
        small.errors
    );
    for name in ["CPU1 Temp (processor 2)", "02h"] {
        assert_eq!(fields(&said(&bmc, &["threshold", name]))["Unit"], "C", "{name}");
    }
    let Some(theirs) = free_ipmi(&bmc, "ipmi-sensors", &["--entity-sensor-names", "--quiet-cache"]) else {
        return;
    };
    for name in ["Processor 1 CPU1 Temp", "Processor 2 CPU1 Temp"] {
        assert!(theirs.contains(name), "{name} is not in {theirs}");
    }
}

#[test]
fn sel_last_lists_the_end_of_the_log() {
    let (_crowd, bmc) = ours(Board::default());
    let all = said(&bmc, &["sel"]);
    let last = said(&bmc, &["sel", "last", "2"]);
    assert!(last.lines().count() == 2 && all.ends_with(&last), "{last}");
    assert_eq!(said(&bmc, &["sel", "last", "1000"]), all);
    let Some(theirs) = ipmitool(&bmc, &["sel", "list", "last", "2"]) else { return };
    let numbers = |text: &str| -> Vec<u32> {
        let number = |line: &str| u32::from_str_radix(line.split('|').next()?.trim(), 16).ok();
        text.lines().filter_map(number).collect()
    };
    assert_eq!(numbers(&last), numbers(&theirs));
}

#[test]
fn each_restart_request_restarts_the_controller_once() {
    let (group, bmc) = ours(Board::default());
    assert!(said(&bmc, &["restart"]).starts_with("the controller is restarting"));
    said(&bmc, &["restart", "warm"]);
    assert_eq!(group.first(|board| board.configuration.restarts.clone()), [2, 3]);
    let Some(_) = ipmitool(&bmc, &["mc", "reset", "cold"]) else { return };
    // ipmitool does not wait for the response; the response to a later request shows that it has arrived.
    said(&bmc, &["selftest"]);
    assert_eq!(group.first(|board| board.configuration.restarts.clone()), [2, 3, 2]);
}

#[test]
fn a_failed_self_test_is_a_failure() {
    let (group, bmc) = ours(Board::default());
    assert_eq!(fields(&said(&bmc, &["selftest"]))["Self Test"], "passed");
    group.first(|board| board.configuration.self_test = [0x57, 0x80]);
    let wrong = ask(&bmc, &["selftest"]);
    assert!(wrong.code == 1 && wrong.errors.contains("failed: the event log"), "{}", wrong.errors);
    let Some(theirs) = ipmitool_fails(&bmc, &["mc", "selftest"]) else { return };
    assert!(theirs.contains("SEL device not accessible"), "{theirs}");
}

#[test]
fn power_consumption_matches_other_programs() {
    let mut board = Board::default();
    let without = ours(board.clone());
    let refused = ask(&without.1, &["power", "watts"]);
    assert!(refused.code == 1 && refused.errors.contains("c1h"), "{}", refused.errors);
    board.configuration.watts = Some([312, 101, 407, 256]);
    let (_crowd, bmc) = ours(board);
    let ours = fields(&said(&bmc, &["power", "watts"]));
    let reported =
        ["Power Now (W)", "Least", "Most", "Average", "In The Last Seconds"].map(|name| &*ours[name]);
    assert_eq!(reported, ["312", "101", "407", "256", "60"]);
    let metrics = said(&bmc, &["power", "watts", "--format", "prometheus"]);
    assert!(
        metrics.contains(&format!("ipmi_dcmi_power_consumption_watts{{bmc=\"{bmc}\"}} 312\n")),
        "{metrics}"
    );
    let Some(theirs) = ipmitool(&bmc, &["dcmi", "power", "reading"]) else { return };
    let theirs = theirs.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["Instantaneous power reading: 312 Watts", "Maximum during sampling period: 407 Watts"] {
        assert!(theirs.contains(part), "{part} is not in {theirs}");
    }
    let Some(theirs) = free_ipmi(&bmc, "ipmi-dcmi", &["--get-system-power-statistics"]) else { return };
    let theirs = fields(&theirs);
    assert!(theirs["Current Power"].starts_with("312 "), "{theirs:?}");
}

#[test]
fn long_system_information_is_read_completely() {
    let mut board = Board::default();
    let long = "2.18.1-rc3 of the board in the third rack";
    board.configuration.texts = [(1, long.to_owned()), (2, "node7".to_owned())].into();
    let (_crowd, bmc) = ours(board);
    let ours = fields(&said(&bmc, &["info"]));
    let reported = ["System Firmware Version", "System Name", "Operating System"].map(|name| &*ours[name]);
    assert_eq!(reported, [long, "node7", "-"]);
    for (what, text) in [("system_fw_version", long), ("system_name", "node7")] {
        let Some(theirs) = ipmitool(&bmc, &["mc", "getsysinfo", what]) else { return };
        assert_eq!(theirs.trim(), text);
    }
}
