//! What disks know of their own health.
//!
//! A disk of NVMe is asked by the kernel's own call, whose log is the same for all of them (`nvme`). Of all others
//! `smartctl` is asked, where it is installed: what ATA calls attributes differs between makers, disks of USB stand
//! behind bridges that each want to be asked otherwise, and that program knows them. Temperatures the kernel tells
//! everybody (`drivetemp`, `nvme`).

mod admin_command;
mod nvme;
mod smartctl;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::block::Block;
use crate::Machine;

/// What a disk tells of itself; what it does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Smart {
    /// Whether it says that it will go on working.
    pub(crate) passed: Option<bool>,
    /// Degrees Celsius.
    pub(crate) temperature: Option<i64>,
    /// The highest ever.
    pub(crate) highest_temperature: Option<i64>,
    pub(crate) power_on_hours: Option<u64>,
    pub(crate) starts: Option<u64>,
    /// How often it may be started.
    pub(crate) most_starts: Option<u64>,
    /// How often its heads were parked.
    pub(crate) loads: Option<u64>,
    pub(crate) most_loads: Option<u64>,
    /// How much of its life is used, in hundredths; may be more than 100.
    pub(crate) wear: Option<u8>,
    pub(crate) read_errors: Errors,
    pub(crate) write_errors: Errors,
    /// Turns a minute; 0 for what does not turn.
    pub(crate) rotation: Option<u32>,
}

/// How often something went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Errors {
    pub(crate) corrected: Option<u64>,
    pub(crate) uncorrected: Option<u64>,
}

impl Errors {
    pub(crate) fn total(self) -> Option<u64> {
        self.corrected?.checked_add(self.uncorrected?)
    }
}

impl Smart {
    /// What a disk tells; `None` if it tells nothing, or the caller may not ask.
    pub(crate) fn of(machine: &Machine, block: &Block) -> Option<Self> {
        let asked = || {
            let log = nvme::ask(machine, block).ok().flatten();
            log.or_else(|| smartctl::ask(machine, &block.node()))
        };
        let told = remembered(machine, block, asked);
        match temperature(machine, block) {
            Some(temperature) => Some(Self { temperature: Some(temperature), ..told.unwrap_or_default() }),
            None => told,
        }
    }

    /// Whether it says that it will fail soon.
    pub(crate) fn expects_failure(&self) -> Option<bool> {
        self.passed.map(|passed| !passed)
    }
}

/// What a log of health of NVMe says.
pub(super) fn of_nvme(page: &[u8]) -> Option<Smart> {
    nvme::parse(page)
}

/// What a report of `smartctl` says.
pub(super) fn of_report(report: &serde_json::Value) -> Option<Smart> {
    smartctl::parse(report)
}

/// Disks are asked once a minute at most: it takes a program each, and wakes what saves power.
fn remembered(machine: &Machine, block: &Block, ask: impl FnOnce() -> Option<Smart>) -> Option<Smart> {
    type Answers = HashMap<(std::path::PathBuf, (u32, u32)), (Instant, Option<Smart>)>;
    static ANSWERS: LazyLock<Mutex<Answers>> = LazyLock::new(Mutex::default);
    let key = (machine.path(""), block.device);
    let kept = |answers: &Answers| {
        answers.get(&key).filter(|(when, _)| when.elapsed() < FRESH).map(|(_, told)| *told)
    };
    if let Some(told) = kept(&ANSWERS.lock().unwrap_or_else(PoisonError::into_inner)) {
        return told;
    }
    let told = ask();
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    answers.retain(|_, (when, _)| when.elapsed() < FRESH);
    answers.insert(key, (Instant::now(), told));
    told
}

const FRESH: Duration = Duration::from_secs(60);

/// The temperature that the kernel tells (the kernel's hwmon/drivetemp and hwmon/sysfs-interface).
fn temperature(machine: &Machine, block: &Block) -> Option<i64> {
    // The driver of NVMe puts the sensor directly below the controller, others into a folder of sensors.
    ["device/hwmon", "device", "device/device/hwmon"].iter().find_map(|folder| {
        let names = machine.names(block.path(folder)).ok()?;
        names.iter().filter_map(|name| name.to_str()).filter(|name| is_sensor(name)).find_map(|name| {
            let thousandths: i64 = machine.number(block.path(&format!("{folder}/{name}/temp1_input")))?;
            Some(thousandths / 1_000)
        })
    })
}

/// Whether a folder is one of a sensor, such as `hwmon3`.
fn is_sensor(name: &str) -> bool {
    let digits = name.strip_prefix("hwmon").unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit())
}
