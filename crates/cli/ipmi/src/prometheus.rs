//! What was measured, in the text format of Prometheus.
//!
//! Names and labels are those of `ipmi_exporter`, so that dashboards and alerts made for it go on working.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ipmi::proto::Quantity;
use ipmi::proto::sdr::Sensor;
use ipmi::{Measured, SensorStatus};

/// A page of metrics, gathered from many controllers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Page {
    /// By name; the samples of a family stand together, as the format wants it.
    families: BTreeMap<&'static str, Vec<Sample>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    /// As they are written, each with a comma behind it.
    labels: String,
    value: f64,
}

/// What a family is, as every page says it.
const FAMILIES: [(&str, &str); 24] = [
    ("ipmi_bmc_info", "What the controller is; always 1."),
    ("ipmi_bmc_watchdog_timer_state", "Whether the watchdog runs: 1, or 0."),
    ("ipmi_chassis_cooling_fault_state", "Whether the cooling is good: 1, or 0."),
    ("ipmi_chassis_drive_fault_state", "Whether the drives are good: 1, or 0."),
    ("ipmi_chassis_power_state", "Whether the machine has power: 1, or 0."),
    ("ipmi_current_amperes", "What a sensor measures, in amperes."),
    ("ipmi_current_state", "How a sensor of currents stands: 0 good, 1 warning, 2 critical."),
    ("ipmi_dcmi_power_consumption_watts", "What the whole machine takes, in watts."),
    ("ipmi_fan_speed_ratio", "How fast a fan is, as a part of its full speed."),
    ("ipmi_fan_speed_rpm", "How fast a fan is, in revolutions a minute."),
    ("ipmi_fan_speed_state", "How a fan stands: 0 good, 1 warning, 2 critical."),
    ("ipmi_power_state", "How a sensor of power stands: 0 good, 1 warning, 2 critical."),
    ("ipmi_power_watts", "What a sensor measures, in watts."),
    ("ipmi_scrape_age_seconds", "How old the rest of what is said of the controller is."),
    ("ipmi_scrape_duration_seconds", "How long the controller took to say it."),
    ("ipmi_sel_free_space_bytes", "How much room the event log has left."),
    ("ipmi_sel_logs_count", "How many records the event log has."),
    ("ipmi_sensor_state", "How any other sensor stands: 0 good, 1 warning, 2 critical."),
    ("ipmi_sensor_value", "What any other sensor measures."),
    ("ipmi_temperature_celsius", "What a sensor measures, in degrees Celsius."),
    ("ipmi_temperature_state", "How a sensor of temperatures stands: 0 good, 1 warning, 2 critical."),
    ("ipmi_up", "Whether the controller has answered: 1, or 0."),
    ("ipmi_voltage_state", "How a sensor of voltages stands: 0 good, 1 warning, 2 critical."),
    ("ipmi_voltage_volts", "What a sensor measures, in volts."),
];

impl Page {
    /// Adds a sample. A name that is not in the table would be a mistake of this program, and is left out.
    pub(super) fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let Some((name, _)) = FAMILIES.iter().find(|(known, _)| *known == name) else { return };
        let labels = labels.iter().map(|(label, text)| labelled(label, text)).collect();
        self.families.entry(name).or_default().push(Sample { labels, value });
    }

    /// Adds what a sensor measures, and how it stands.
    pub(super) fn add_sensor(&mut self, measured: &Measured) {
        let sensor = &measured.sensor;
        let id = id(sensor);
        let unit = sensor.units.sign();
        let kind = ipmi::proto::codes::sensor_type(sensor.kind).unwrap_or("OEM");
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

    /// Puts what was gathered of one controller behind the rest, under its name.
    pub(super) fn append(&mut self, bmc: &str, other: Self) {
        let bmc = labelled("bmc", bmc);
        for (name, samples) in other.families {
            let named = samples.into_iter().map(|mut sample| {
                sample.labels.insert_str(0, &bmc);
                sample
            });
            self.families.entry(name).or_default().extend(named);
        }
    }

    pub(super) fn written(&self) -> String {
        let mut text = String::new();
        for (name, samples) in &self.families {
            let about = FAMILIES.iter().find(|(known, _)| known == name).map_or("", |(_, about)| about);
            // Writing into a text cannot fail.
            let _ = write!(text, "# HELP {name} {about}\n# TYPE {name} gauge\n");
            for Sample { labels, value } in samples {
                let _ = writeln!(text, "{name}{{{}}} {value}", labels.trim_end_matches(','));
            }
        }
        text
    }
}

/// The number of a sensor; with the channel, the owner and the logical unit where those are not the controller itself,
/// because each of them counts its own.
fn id(sensor: &Sensor) -> String {
    let Sensor { number, channel, owner, unit, .. } = sensor;
    match (channel, owner, unit) {
        (0, 0x20, 0) => number.to_string(),
        _ => format!("{number}@{channel}.{owner:02x}h.{unit}"),
    }
}

fn labelled(label: &str, text: &str) -> String {
    format!("{label}=\"{}\",", escaped(text))
}

/// The text of a label (Prometheus, exposition formats).
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensors_of_others_have_numbers_of_their_own() {
        let record = [&[9, 0, 0x51, 3, 15, 0x20, 0, 3, 3, 1, 7, 0x6f, 0, 0, 0, 0][..], b"\xc3CPU"].concat();
        let id_of = |owner: u8, unit: u8| {
            let mut record = record.clone();
            for (place, octet) in [(5, owner), (6, unit)] {
                *record.get_mut(place).expect("an octet") = octet;
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
    fn families_stand_together_and_labels_are_escaped() {
        let (mut one, mut other) = (Page::default(), Page::default());
        one.add("ipmi_up", &[], 1.0);
        other.add("ipmi_up", &[], 0.0);
        other.add("ipmi_power_watts", &[("name", "PSU")], f64::NAN);
        other.add("no_such_name", &[], 1.0);
        let mut page = Page::default();
        page.append("a\"\\\nb", one);
        page.append("c", other);
        assert_eq!(
            page.written(),
            "# HELP ipmi_power_watts What a sensor measures, in watts.\n# TYPE ipmi_power_watts gauge\n\
             ipmi_power_watts{bmc=\"c\",name=\"PSU\"} NaN\n\
             # HELP ipmi_up Whether the controller has answered: 1, or 0.\n# TYPE ipmi_up gauge\n\
             ipmi_up{bmc=\"a\\\"\\\\\\nb\"} 1\nipmi_up{bmc=\"c\"} 0\n"
        );
    }
}
