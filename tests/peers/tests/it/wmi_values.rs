//! What WMI tells of the machine of the test, beside programs that others wrote.
//!
//! Where they differ on purpose, the test says why.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use telarch_peers::{psutil, telarch};

use crate::sleeper::Sleeper;

/// The rows of a query, asked of this machine.
fn rows(query: &str) -> Vec<Value> {
    let run = telarch(&["wmi", query, "--format", "json"], "");
    assert_eq!(run.code, 0, "{run:?}");
    serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

/// Seconds since 1970 of a time in UTC as XML writes it, to the second.
fn seconds(time: &Value) -> f64 {
    let time = time.as_str().unwrap_or_default();
    let ended = Command::new("date").args(["--utc", "+%s.%N", "--date", time]).output().expect("date");
    String::from_utf8_lossy(&ended.stdout).trim().parse().unwrap_or_else(|error| panic!("{time}: {error}"))
}

#[test]
fn a_process_and_the_machine_are_what_psutil_sees() {
    let sleeper = Sleeper::start();
    let number = sleeper.id();
    // Its first steps are over when it sleeps.
    let stat = || std::fs::read_to_string(format!("/proc/{number}/stat")).expect("it runs");
    while !stat().contains("(sleep) S ") {
        assert!(!stat().contains(") Z "), "it has ended");
        std::thread::yield_now();
    }
    let theirs = psutil(number);
    let ours = rows(&format!("SELECT * FROM Win32_Process WHERE ProcessId = {number}"));
    for (name, value) in theirs["process"].as_object().expect("an object") {
        if name == "WorkingSetSize" {
            // The kernel counts it on each processor apart and adds it up now and then.
            let [own, their] = [&ours[0][name], value].map(|value| value.as_u64().expect("a number"));
            assert!(own.abs_diff(their) < 1 << 20, "{own} {their}");
            continue;
        }
        assert_eq!(&ours[0][name], value, "{name}");
    }
    // Both count from the boot in ticks of a hundredth, but psutil takes the boot to the second.
    let (begun, at) = (seconds(&ours[0]["CreationDate"]), theirs["begun"].as_f64().expect("a number"));
    assert!((begun - at).abs() < 1.1, "{begun} {at}");

    let system = &rows("SELECT * FROM Win32_OperatingSystem")[0];
    assert_eq!(system["TotalVisibleMemorySize"], theirs["memory"].as_u64().expect("a number") / 1_024);
    let booted = seconds(&system["LastBootUpTime"]) - theirs["boot"].as_f64().expect("a number");
    assert!(booted.abs() < 1.1, "{booted}");
    let computer = &rows("SELECT * FROM Win32_ComputerSystem")[0];
    assert_eq!(computer["NumberOfLogicalProcessors"], theirs["processors"]);
    assert_eq!(computer["TotalPhysicalMemory"], theirs["memory"]);
    let files = rows("SELECT AllocatedBaseSize FROM Win32_PageFileUsage");
    let swap: u64 = files.iter().filter_map(|file| file["AllocatedBaseSize"].as_u64()).sum();
    // In mebibytes, each rounded.
    let theirs_swap = theirs["swap"].as_u64().expect("a number") >> 20;
    assert!(swap.abs_diff(theirs_swap) <= files.len() as u64, "{swap} {theirs_swap}");
}

#[test]
fn long_running_processes_are_those_that_psutil_sees() {
    let numbers = |listed: &[Value]| -> BTreeSet<u64> { listed.iter().filter_map(Value::as_u64).collect() };
    let own = std::process::id();
    let before = psutil(own);
    let ours: Vec<Value> = rows("SELECT ProcessId FROM Win32_Process");
    let after = psutil(own);
    let list = |theirs: &Value| numbers(theirs["processes"].as_array().expect("a list"));
    let (before, after) = (list(&before), list(&after));
    let ours: BTreeSet<u64> = ours.iter().filter_map(|row| row["ProcessId"].as_u64()).collect();
    // Who was there before and after was there meanwhile.
    let stayed: Vec<_> = before.intersection(&after).collect();
    let missing: Vec<_> = stayed.iter().filter(|number| !ours.contains(number)).collect();
    assert!(missing.is_empty() && !stayed.is_empty(), "{missing:?}");
}

#[test]
fn adapters_have_the_addresses_that_psutil_sees() {
    let theirs = psutil(std::process::id());
    let adapters = rows("SELECT NetConnectionID, MACAddress FROM Win32_NetworkAdapter");
    let mut compared = 0;
    for adapter in &adapters {
        let name = adapter["NetConnectionID"].as_str().expect("a name");
        let address = theirs["links"][name][0].as_str().unwrap_or_default().to_uppercase();
        // An address of zeros is none to Windows: loopback.
        let expected = if address.replace([':', '0'], "").is_empty() { Value::Null } else { address.into() };
        assert_eq!(adapter["MACAddress"], expected, "{name}");
        compared += 1;
    }
    assert_eq!(compared, theirs["links"].as_object().expect("an object").len());
}

#[test]
fn disks_are_those_that_findmnt_and_psutil_see() {
    let listed = Command::new("findmnt").args(["-J", "-l", "-o", "TARGET,SOURCE,FSTYPE"]).output();
    let listed = listed.expect("findmnt comes with mount");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let mounts = listed["filesystems"].as_array().expect("a list");
    let theirs = psutil(std::process::id());
    let disks = rows("SELECT DeviceID, FileSystem, Size, FreeSpace FROM Win32_LogicalDisk");
    let mut sources = BTreeSet::new();
    for disk in &disks {
        let place = disk["DeviceID"].as_str().expect("a place");
        let mount = mounts.iter().rev().find(|mount| mount["target"] == place).expect(place);
        assert_eq!(disk["FileSystem"], mount["fstype"], "{place}");
        sources.insert(mount["source"].as_str().expect("a source"));
        // psutil leaves out what has no device, such as network file systems.
        let Some(values) = theirs["disks"].get(place).and_then(Value::as_array) else { continue };
        assert_eq!(disk["Size"], values[1], "{place}");
        // Others write meanwhile.
        let free = disk["FreeSpace"].as_u64().expect("a number");
        assert!(free.abs_diff(values[2].as_u64().expect("a number")) < 4 << 30, "{place}: {free} {values:?}");
    }
    // One disk for each device, wherever else parts of it are mounted: those have brackets.
    for mount in mounts {
        let source = mount["source"].as_str().unwrap_or_default();
        if source.starts_with("/dev/") && !source.contains('[') && mount["fstype"] != "squashfs" {
            assert!(sources.contains(source), "{mount} is missing in {disks:?}");
        }
    }
}

#[test]
fn groups_are_those_that_getent_knows_of_this_machine() {
    let listed = Command::new("getent").args(["-s", "files", "group"]).output().expect("getent");
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    let expected: BTreeSet<&str> =
        listed.lines().filter_map(|line| line.split(':').next()).filter(|name| !name.is_empty()).collect();
    let groups = rows("SELECT Name FROM Win32_Group");
    let ours: BTreeSet<&str> = groups.iter().filter_map(|group| group["Name"].as_str()).collect();
    // Those of Windows itself are told beside them.
    let missing: Vec<_> = expected.difference(&ours).collect();
    assert!(missing.is_empty() && expected.len() > 5, "{missing:?}");
}
