//! Health reports of `smartctl` as JSON (smartctl(8), `--json`).

use std::io;
use std::time::Duration;

use serde_json::Value as Json;

use super::{Errors, Smart};
use crate::{Machine, program};

/// Time limit: a busy disk answers late, and a broken one never.
const LIMIT: Duration = Duration::from_secs(5);

/// Runs `smartctl` for a disk; `None` if it is not installed, or the disk reports nothing.
///
/// Does not wake a disk in standby.
pub(super) fn ask(machine: &Machine, node: &str) -> Option<Smart> {
    // The path used by every distribution, below the root folder of the machine.
    let path = machine.path("usr/sbin/smartctl");
    let arguments =
        ["--json", "--nocheck=standby", "--info", "--health", "--attributes", "--log=error", "--", node];
    match program::of_system(path.to_str()?, arguments, LIMIT) {
        // The exit code is also nonzero for failing disks; data that could not be read is missing from the
        // report.
        Ok(ended) => parse(&serde_json::from_str(&ended.stdout).ok()?),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::debug!(%node, %error, "SMART query failed");
            }
            None
        }
    }
}

pub(super) fn parse(report: &Json) -> Option<Smart> {
    let number = |path: &str| report.pointer(path).and_then(Json::as_u64);
    let attributes = report.pointer("/ata_smart_attributes/table").and_then(Json::as_array);
    let errors = |of: &str| Errors {
        corrected: number(&format!("/scsi_error_counter_log/{of}/total_errors_corrected")),
        uncorrected: number(&format!("/scsi_error_counter_log/{of}/total_uncorrected_errors")),
    };
    let cycles = "/scsi_start_stop_cycle_counter";
    let wear = number("/nvme_smart_health_information_log/percentage_used")
        .or_else(|| number("/endurance_used/current_percent"))
        .or_else(|| number("/scsi_percentage_used_endurance_indicator"));
    let smart = Smart {
        passed: report.pointer("/smart_status/passed").and_then(Json::as_bool),
        temperature: report.pointer("/temperature/current").and_then(Json::as_i64),
        highest_temperature: report.pointer("/temperature/lifetime_max").and_then(Json::as_i64),
        power_on_hours: number("/power_on_time/hours"),
        // Attributes 4 (Start/Stop Count) and 193 (Load/Unload Cycle Count) are plain counts for all
        // manufacturers.
        starts: raw_value(attributes, 4)
            .or_else(|| number(&format!("{cycles}/accumulated_start_stop_cycles")))
            .or_else(|| number("/power_cycle_count")),
        most_starts: number(&format!("{cycles}/specified_cycle_count_over_device_lifetime")),
        loads: raw_value(attributes, 193)
            .or_else(|| number(&format!("{cycles}/accumulated_load_unload_cycles"))),
        most_loads: number(&format!("{cycles}/specified_load_unload_count_over_device_lifetime")),
        wear: wear.map(|wear| u8::try_from(wear).unwrap_or(u8::MAX)),
        read_errors: errors("read"),
        write_errors: errors("write"),
        rotation: number("/rotation_rate").and_then(|rate| u32::try_from(rate).ok()),
    };
    (smart != Smart::default()).then_some(smart)
}

/// Returns the raw value of an attribute of an ATA disk.
fn raw_value(attributes: Option<&Vec<Json>>, id: u64) -> Option<u64> {
    let attribute =
        attributes?.iter().find(|attribute| attribute.get("id").and_then(Json::as_u64) == Some(id))?;
    attribute.pointer("/raw/value")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(report: &str) -> Option<Smart> {
        parse(&serde_json::from_str(report).expect("JSON"))
    }

    #[test]
    fn reports_of_all_kinds_of_disks_are_read() {
        let ata = reported(
            r#"{"smart_status": {"passed": false}, "temperature": {"current": 41}, "power_on_time": {"hours": 20000},
                "power_cycle_count": 90, "rotation_rate": 7200, "ata_smart_attributes": {"table": [
                {"id": 4, "raw": {"value": 95}}, {"id": 193, "raw": {"value": 1200}}]}}"#,
        )
        .expect("it tells something");
        assert_eq!((ata.passed, ata.temperature, ata.rotation), (Some(false), Some(41), Some(7_200)));
        assert_eq!((ata.starts, ata.loads, ata.power_on_hours), (Some(95), Some(1_200), Some(20_000)));
        let sas = reported(
            r#"{"smart_status": {"passed": true}, "scsi_error_counter_log": {"read": {"total_errors_corrected": 7,
                "total_uncorrected_errors": 2}}, "scsi_start_stop_cycle_counter": {"accumulated_start_stop_cycles": 3,
                "specified_cycle_count_over_device_lifetime": 50000}, "endurance_used": {"current_percent": 4}}"#,
        )
        .expect("it tells something");
        assert_eq!((sas.read_errors.total(), sas.write_errors.total()), (Some(9), None));
        assert_eq!((sas.starts, sas.most_starts, sas.wear), (Some(3), Some(50_000), Some(4)));
        let nvme = reported(r#"{"nvme_smart_health_information_log": {"percentage_used": 300}}"#);
        assert_eq!(nvme.and_then(|nvme| nvme.wear), Some(255));
        let nothing = r#"{"smartctl": {"exit_status": 2, "messages": [{"string": "Permission denied"}]}}"#;
        assert_eq!(reported(nothing), None);
    }
}
