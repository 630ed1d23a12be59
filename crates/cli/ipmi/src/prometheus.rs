//! Metrics in the text format of Prometheus.
//!
//! Names, labels and sensor types are those of `ipmi_exporter` 1.8, so that its dashboards and alerts work unchanged.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ipmi::proto::sdr::Sensor;
use ipmi::proto::{Quantity, SensorKey};
use ipmi::{Measured, SensorStatus};

/// Metrics of one or more controllers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Page {
    /// Samples by metric name, because the format requires the samples of a metric to be adjacent.
    families: BTreeMap<&'static str, Vec<Sample>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    /// Labels in the text format, each followed by a comma.
    labels: String,
    value: f64,
}

/// Name and help text of each metric.
const FAMILIES: [(&str, &str); 31] = [
    ("ipmi_bmc_info", "Firmware and manufacturer of the controller; always 1."),
    ("ipmi_bmc_watchdog_current_countdown_seconds", "Remaining time of the watchdog timer."),
    ("ipmi_bmc_watchdog_initial_countdown_seconds", "Configured time of the watchdog timer."),
    ("ipmi_bmc_watchdog_logging_state", "1 if the expiration of the watchdog timer is logged, else 0."),
    ("ipmi_bmc_watchdog_pretimeout_interrupt_state", "1 for the interrupt before the timeout, 0 for others."),
    ("ipmi_bmc_watchdog_pretimeout_interval_seconds", "Time between the interrupt and the timeout."),
    ("ipmi_bmc_watchdog_timeout_action_state", "1 for the action at the timeout, 0 for others."),
    ("ipmi_bmc_watchdog_timer_use_state", "1 for the use of the watchdog timer, 0 for others."),
    ("ipmi_bmc_watchdog_timer_state", "1 if the watchdog timer is running, else 0."),
    ("ipmi_chassis_cooling_fault_state", "1 if cooling is good, 0 if it has a fault."),
    ("ipmi_chassis_drive_fault_state", "1 if the drives are good, 0 if one has a fault."),
    ("ipmi_chassis_power_state", "1 if the machine is powered on, else 0."),
    ("ipmi_current_amperes", "Reading of a current sensor in amperes."),
    ("ipmi_current_state", "State of a current sensor: 0 nominal, 1 warning, 2 critical."),
    ("ipmi_dcmi_power_consumption_watts", "Power consumption of the machine in watts."),
    ("ipmi_fan_speed_ratio", "Fan speed as a fraction of the maximum."),
    ("ipmi_fan_speed_rpm", "Fan speed in revolutions per minute."),
    ("ipmi_fan_speed_state", "State of a fan: 0 nominal, 1 warning, 2 critical."),
    ("ipmi_power_state", "State of a power sensor: 0 nominal, 1 warning, 2 critical."),
    ("ipmi_power_watts", "Reading of a power sensor in watts."),
    ("ipmi_scrape_age_seconds", "Age of the other metrics of the controller."),
    ("ipmi_scrape_duration_seconds", "Duration of the last poll of the controller."),
    ("ipmi_sel_free_space_bytes", "Free space in the event log."),
    ("ipmi_sel_logs_count", "Number of records in the event log."),
    ("ipmi_sensor_state", "State of any other sensor: 0 nominal, 1 warning, 2 critical."),
    ("ipmi_sensor_value", "Reading of any other sensor."),
    ("ipmi_temperature_celsius", "Reading of a temperature sensor in degrees Celsius."),
    ("ipmi_temperature_state", "State of a temperature sensor: 0 nominal, 1 warning, 2 critical."),
    ("ipmi_up", "1 if the metrics of the collector were read, else 0."),
    ("ipmi_voltage_state", "State of a voltage sensor: 0 nominal, 1 warning, 2 critical."),
    ("ipmi_voltage_volts", "Reading of a voltage sensor in volts."),
];

impl Page {
    /// Adds a sample; names that are not in the table are ignored.
    pub(super) fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let Some((name, _)) = FAMILIES.iter().find(|(known, _)| *known == name) else { return };
        let labels = labels.iter().map(|(name, text)| label(name, text)).collect();
        self.families.entry(name).or_default().push(Sample { labels, value });
    }

    /// Adds whether the metrics of a collector were read.
    pub(super) fn add_up(&mut self, collector: &str, is_up: bool) {
        self.add("ipmi_up", &[("collector", collector)], if is_up { 1.0 } else { 0.0 });
    }

    /// Adds 1 for the current one of several values of a label, and 0 for the others.
    pub(super) fn add_choice(&mut self, name: &str, label: &str, all: &[&str], current: Option<&str>) {
        for value in all {
            self.add(name, &[(label, *value)], if current == Some(*value) { 1.0 } else { 0.0 });
        }
    }

    /// Adds all samples of another page.
    pub(super) fn extend(&mut self, other: Self) {
        for (name, samples) in other.families {
            self.families.entry(name).or_default().extend(samples);
        }
    }

    /// Adds the reading and the state of a sensor.
    pub(super) fn add_sensor(&mut self, measured: &Measured) {
        let sensor = &measured.sensor;
        let id = id(sensor);
        let unit = sensor.units.sign();
        let kind = type_name(sensor.kind);
        let (value_name, state_name) = match (sensor.kind, unit.as_str()) {
            _ if !sensor.is_threshold() => ("ipmi_sensor_value", "ipmi_sensor_state"),
            (_, "C") => ("ipmi_temperature_celsius", "ipmi_temperature_state"),
            (_, "RPM") => ("ipmi_fan_speed_rpm", "ipmi_fan_speed_state"),
            (0x04, "%") => ("ipmi_fan_speed_ratio", "ipmi_fan_speed_state"),
            (_, "V") => ("ipmi_voltage_volts", "ipmi_voltage_state"),
            (_, "A") => ("ipmi_current_amperes", "ipmi_current_state"),
            (_, "W") => ("ipmi_power_watts", "ipmi_power_state"),
            _ => ("ipmi_sensor_value", "ipmi_sensor_state"),
        };
        let mut labels = vec![("id", id.as_str()), ("name", sensor.name.as_str())];
        if value_name == "ipmi_sensor_value" {
            labels.push(("type", kind));
        }
        if sensor.is_threshold() {
            let quantity = measured.quantity().map_or(f64::NAN, Quantity::to_f64);
            let scale = if value_name == "ipmi_fan_speed_ratio" { 0.01 } else { 1.0 };
            self.add(value_name, &labels, quantity * scale);
        }
        let state = match measured.status() {
            SensorStatus::Unavailable => f64::NAN,
            SensorStatus::Ok => 0.0,
            SensorStatus::NonCritical => 1.0,
            SensorStatus::Critical | SensorStatus::NonRecoverable => 2.0,
        };
        self.add(state_name, &labels, state);
    }

    /// Appends the metrics of one controller, labelled with its name.
    pub(super) fn append(&mut self, bmc: &str, other: Self) {
        let bmc = label("bmc", bmc);
        for (name, samples) in other.families {
            let labelled = samples.into_iter().map(|mut sample| {
                sample.labels.insert_str(0, &bmc);
                sample
            });
            self.families.entry(name).or_default().extend(labelled);
        }
    }

    /// Returns the metrics in the text format.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, samples) in &self.families {
            let about = FAMILIES.iter().find(|(known, _)| known == name).map_or("", |(_, about)| about);
            // Writing to a String cannot fail.
            let _ = write!(text, "# HELP {name} {about}\n# TYPE {name} gauge\n");
            for Sample { labels, value } in samples {
                let _ = writeln!(text, "{name}{{{}}} {value}", labels.trim_end_matches(','));
            }
        }
        text
    }
}

/// Returns the name of a sensor type in FreeIPMI, whose output `ipmi_exporter` passes on (IPMI 2.0, table 42-3).
fn type_name(kind: u8) -> &'static str {
    let unknown = if kind < 0xc0 { "Reserved" } else { "OEM Reserved" };
    TYPES.get(usize::from(kind)).copied().unwrap_or(unknown)
}

/// Sensor types by number.
const TYPES: [&str; 45] = [
    "Reserved",
    "Temperature",
    "Voltage",
    "Current",
    "Fan",
    "Physical Security",
    "Platform Security Violation Attempt",
    "Processor",
    "Power Supply",
    "Power Unit",
    "Cooling Device",
    "Other Units Based Sensor",
    "Memory",
    "Drive Slot",
    "POST Memory Resize",
    "System Firmware Progress",
    "Event Logging Disabled",
    "Watchdog 1",
    "System Event",
    "Critical Interrupt",
    "Button/Switch",
    "Module/Board",
    "Microcontroller/Coprocessor",
    "Add In Card",
    "Chassis",
    "Chip Set",
    "Other Fru",
    "Cable/Interconnect",
    "Terminator",
    "System Boot Initiated",
    "Boot Error",
    "OS Boot",
    "OS Critical Stop",
    "Slot/Connector",
    "System ACPI Power State",
    "Watchdog 2",
    "Platform Alert",
    "Entity Presence",
    "Monitor ASIC/IC",
    "LAN",
    "Management Subsystem Health",
    "Battery",
    "Session Audit",
    "Version Change",
    "FRU State",
];

/// Returns the number of a sensor, followed by channel, owner and logical unit if the controller itself is not the owner,
/// because each owner numbers its own sensors.
fn id(sensor: &Sensor) -> String {
    let SensorKey { number, channel, owner, unit } = sensor.key();
    match (channel, owner, unit) {
        (0, 0x20, 0) => number.to_string(),
        _ => format!("{number}@{channel}.{owner:02x}h.{unit}"),
    }
}

fn label(name: &str, text: &str) -> String {
    format!("{name}=\"{}\",", escape(text))
}

/// Escapes the text of a label (Prometheus, exposition formats).
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensors_of_other_owners_have_distinct_ids() {
        let record = [&[9, 0, 0x51, 3, 15, 0x20, 0, 3, 3, 1, 7, 0x6f, 0, 0, 0, 0][..], b"\xc3CPU"].concat();
        let id_of = |owner: u8, unit: u8| {
            let mut record = record.clone();
            for (offset, byte) in [(5, owner), (6, unit)] {
                *record.get_mut(offset).expect("a byte") = byte;
            }
            let body = ipmi::proto::sdr::Record::decode(&record).expect("a record").body;
            let ipmi::proto::sdr::Body::EventOnly(sensors) = body else { panic!("{body:?}") };
            id(sensors.first().expect("a sensor"))
        };
        assert_eq!(id_of(0x20, 0), "3");
        assert_eq!(
            [id_of(0x2c, 0), id_of(0x20, 1), id_of(0x20, 0x70)],
            ["3@0.2ch.0", "3@0.20h.1", "3@7.20h.0"]
        );
    }

    #[test]
    fn sensor_types_have_their_numbers() {
        let named = [0x01, 0x08, 0x1b, 0x23, 0x29, 0x2c, 0x2d, 0xc0].map(type_name);
        let expected = ["Temperature", "Power Supply", "Cable/Interconnect", "Watchdog 2", "Battery"];
        assert_eq!(named[..5], expected);
        assert_eq!(named[5..], ["FRU State", "Reserved", "OEM Reserved"]);
    }

    #[test]
    fn samples_of_a_metric_are_adjacent_and_labels_are_escaped() {
        let (mut one, mut other) = (Page::default(), Page::default());
        one.add_up("ipmi", true);
        other.add_up("sel", false);
        other.add("ipmi_power_watts", &[("name", "PSU")], f64::NAN);
        other.add("no_such_name", &[], 1.0);
        let mut page = Page::default();
        page.append("a\"\\\nb", one);
        page.append("c", other);
        assert_eq!(
            page.to_text(),
            "# HELP ipmi_power_watts Reading of a power sensor in watts.\n# TYPE ipmi_power_watts gauge\n\
             ipmi_power_watts{bmc=\"c\",name=\"PSU\"} NaN\n\
             # HELP ipmi_up 1 if the metrics of the collector were read, else 0.\n# TYPE ipmi_up gauge\n\
             ipmi_up{bmc=\"a\\\"\\\\\\nb\",collector=\"ipmi\"} 1\nipmi_up{bmc=\"c\",collector=\"sel\"} 0\n"
        );
    }
}
