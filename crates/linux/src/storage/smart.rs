//! Health data of disks.
//!
//! NVMe disks are asked with a call of the kernel (module `nvme`), as their health log is standardized. Other
//! disks are asked with `smartctl`, if it is installed: ATA attributes differ between manufacturers, and
//! disks behind USB bridges need different commands, all of which that program knows. Temperatures are
//! readable for everyone through the kernel (drivers `drivetemp` and `nvme`).

mod admin_command;
mod nvme;
mod smartctl;

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use locks::Mutex;

use super::block::Block;
use crate::Machine;

/// Health data of a disk; `None` for values that it does not report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Smart {
    /// Result of the disk's self-assessment.
    pub passed: Option<bool>,
    /// In degrees Celsius.
    pub temperature: Option<i64>,
    /// Highest temperature ever, in degrees Celsius.
    pub highest_temperature: Option<i64>,
    /// Operating time in hours.
    pub power_on_hours: Option<u64>,
    /// Number of starts.
    pub starts: Option<u64>,
    /// Number of starts that the disk is designed for.
    pub most_starts: Option<u64>,
    /// Number of times that the heads were parked.
    pub loads: Option<u64>,
    /// Number of times that the disk is designed to park the heads.
    pub most_loads: Option<u64>,
    /// Used part of the lifetime in percent; may exceed 100.
    pub wear: Option<u8>,
    /// Errors while reading.
    pub read_errors: Errors,
    /// Errors while writing.
    pub write_errors: Errors,
    /// Rotation rate per minute; 0 for disks without moving parts.
    pub rotation: Option<u32>,
}

/// Error counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Errors that the disk corrected.
    pub corrected: Option<u64>,
    /// Errors that the disk could not correct.
    pub uncorrected: Option<u64>,
}

impl Errors {
    /// Returns the sum; `None` if one of the counts is unknown.
    pub fn total(self) -> Option<u64> {
        self.corrected?.checked_add(self.uncorrected?)
    }
}

impl Smart {
    /// Returns the health data of a disk; `None` if it reports none, or the caller may not ask.
    pub fn of(machine: &Machine, block: &Block) -> Option<Self> {
        let reported = remembered(machine, block, || {
            let log = nvme::ask(machine, block).ok().flatten();
            log.or_else(|| smartctl::ask(machine, &block.node()))
        });
        match temperature(machine, block) {
            Some(temperature) => {
                Some(Self { temperature: Some(temperature), ..reported.unwrap_or_default() })
            }
            None => reported,
        }
    }

    /// Returns whether the disk predicts its failure.
    pub fn expects_failure(&self) -> Option<bool> {
        self.passed.map(|passed| !passed)
    }
}

/// Parses a health log of NVMe.
pub fn of_nvme(page: &[u8]) -> Option<Smart> {
    nvme::parse(page)
}

/// Parses a report of `smartctl`.
pub fn of_report(report: &serde_json::Value) -> Option<Smart> {
    smartctl::parse(report)
}

/// Asks for health data at most once a minute: it needs a program, and may wake a sleeping disk.
fn remembered(machine: &Machine, block: &Block, ask: impl FnOnce() -> Option<Smart>) -> Option<Smart> {
    type Answers = HashMap<(std::path::PathBuf, (u32, u32)), (Instant, Option<Smart>)>;
    static ANSWERS: LazyLock<Mutex<Answers>> = LazyLock::new(Mutex::default);
    let key = (machine.path(""), block.device);
    // Copied, because the lock must not be held while the disk is asked.
    let stored = ANSWERS.lock().get(&key).copied();
    if let Some((when, reported)) = stored
        && when.elapsed() < FRESH
    {
        return reported;
    }
    let reported = ask();
    let mut answers = ANSWERS.lock();
    answers.retain(|_, (when, _)| when.elapsed() < FRESH);
    answers.insert(key, (Instant::now(), reported));
    reported
}

const FRESH: Duration = Duration::from_secs(60);

/// Returns the temperature from the kernel in degrees Celsius (the kernel's hwmon/drivetemp and
/// hwmon/sysfs-interface).
fn temperature(machine: &Machine, block: &Block) -> Option<i64> {
    // The driver `nvme` puts the sensor directly below the controller, other drivers use a folder of sensors.
    ["device/hwmon", "device", "device/device/hwmon"].iter().find_map(|folder| {
        let names = machine.names(block.path(folder)).ok()?;
        names.iter().filter_map(|name| name.to_str()).filter(|name| is_sensor(name)).find_map(|name| {
            let thousandths: i64 = machine.number(block.path(&format!("{folder}/{name}/temp1_input")))?;
            Some(thousandths / 1_000)
        })
    })
}

/// Returns whether the folder is that of a sensor, such as `hwmon3`.
fn is_sensor(name: &str) -> bool {
    let digits = name.strip_prefix("hwmon").unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit())
}
