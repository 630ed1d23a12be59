//! Sensors found by name.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use ipmi::proto::sdr::{Body, Record, Sensor};
use ipmi::proto::{Destination, ProtoError, codes};
use ipmi::{Connection, IpmiError};

/// A sensor that was found by its name.
pub(super) struct FoundSensor {
    pub(super) sensor: Arc<Sensor>,
    /// Controller that owns the sensor.
    pub(super) destination: Destination,
}

impl FoundSensor {
    /// Finds the suitable sensor with this name, title or number; `kind` describes suitable names in errors.
    ///
    /// Names are case-sensitive, as in ipmitool, because the names of two sensors may differ in case only.
    pub(super) async fn find(
        bmc: &Connection,
        name: &str,
        kind: &'static str,
        is_suitable: impl Fn(&Sensor) -> bool,
    ) -> Result<Self, IpmiError> {
        let records = bmc.records().await?;
        let titles = Titles::of(of_records(&records));
        let suitable: Vec<&Arc<Sensor>> = of_records(&records).filter(|sensor| is_suitable(sensor)).collect();
        let found: Vec<&Arc<Sensor>> = suitable
            .iter()
            .filter(|sensor| {
                let has_name = sensor.name == name || titles.title(sensor) == name;
                has_name || number(sensor).eq_ignore_ascii_case(name)
            })
            .copied()
            .collect();
        let sensor = match found.as_slice() {
            [] => {
                let all: Vec<_> = suitable.iter().map(|sensor| titles.title(sensor)).collect();
                let known = similar(name, &all);
                return Err(ProtoError::Word { what: kind, word: name.to_owned(), known }.into());
            }
            [sensor] => Arc::clone(sensor),
            several => {
                let known = several
                    .iter()
                    .map(|sensor| format!("\"{}\" or {}", titles.title(sensor), number(sensor)));
                return Err(ProtoError::Word {
                    what: "the name of one sensor only",
                    word: name.to_owned(),
                    known: known.collect::<Vec<_>>().join(", "),
                }
                .into());
            }
        };
        Ok(Self { destination: sensor.destination()?, sensor })
    }
}

/// Titles of sensors: their names, followed by the entity if several sensors have the same name, such as `Temp` of each
/// processor.
#[derive(Debug)]
pub(super) struct Titles {
    /// Names that several sensors have.
    shared: HashSet<String>,
}

impl Titles {
    pub(super) fn of<'s>(sensors: impl IntoIterator<Item = &'s Arc<Sensor>>) -> Self {
        let mut names: Vec<&str> = sensors.into_iter().map(|sensor| sensor.name.as_str()).collect();
        names.sort_unstable();
        let repeated = names.windows(2).filter_map(|pair| match pair {
            [one, other] if one == other => Some((*one).to_owned()),
            _ => None,
        });
        Self { shared: repeated.collect() }
    }

    pub(super) fn title<'s>(&self, sensor: &'s Sensor) -> Cow<'s, str> {
        if !self.shared.contains(&sensor.name) {
            return Cow::Borrowed(&sensor.name);
        }
        let (entity, instance) = sensor.entity;
        // Instances from 60h are relative to the controller; the highest bit is not part of the number (IPMI 2.0, section 39.1).
        let instance = instance & 0x7f;
        let instance = instance.checked_sub(0x60).unwrap_or(instance);
        Cow::Owned(match codes::entity(entity) {
            Some(kind) => format!("{} ({kind} {instance})", sensor.name),
            None => format!("{} (entity {entity:02x}h {instance})", sensor.name),
        })
    }
}

/// Lists titles similar to a name, or the first titles if none is similar.
fn similar(name: &str, titles: &[Cow<'_, str>]) -> String {
    let wanted = letters(name);
    let mut similar: Vec<_> = titles
        .iter()
        .filter(|title| {
            let title = letters(title);
            !wanted.is_empty() && !title.is_empty() && (title.contains(&wanted) || wanted.contains(&title))
        })
        .collect();
    if similar.is_empty() {
        similar = titles.iter().collect();
    }
    let mut shown: Vec<String> = similar.iter().take(MAX_SHOWN).map(|title| format!("\"{title}\"")).collect();
    match similar.len().checked_sub(MAX_SHOWN) {
        _ if similar.is_empty() => return "none".to_owned(),
        None | Some(0) => {}
        Some(more) => shown.push(format!("and {more} more; list them with sensors")),
    }
    shown.join(", ")
}

/// Returns letters and digits in lower case.
fn letters(text: &str) -> String {
    text.to_lowercase().replace(|letter: char| !letter.is_alphanumeric(), "")
}

const MAX_SHOWN: usize = 8;

/// Returns all sensors of the sensor data records.
pub(super) fn of_records(records: &[Record]) -> impl Iterator<Item = &Arc<Sensor>> {
    records.iter().flat_map(|record| match &record.body {
        Body::Sensors(sensors) | Body::EventOnly(sensors) => sensors.as_slice(),
        _ => &[],
    })
}

/// Formats the number of a sensor as `telarch ipmi sensors` prints it.
pub(super) fn number(sensor: &Sensor) -> String {
    format!("{:02X}h", sensor.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_suggested() {
        let titles = ["Inlet Temp", "FAN1", "FAN2"].map(Cow::Borrowed);
        assert_eq!(similar("inlet_temp", &titles), "\"Inlet Temp\"");
        assert_eq!(similar("fan", &titles), "\"FAN1\", \"FAN2\"");
        assert_eq!(similar("VBAT", &titles), "\"Inlet Temp\", \"FAN1\", \"FAN2\"");
        assert_eq!(similar("VBAT", &[]), "none");
        let many: Vec<Cow<'_, str>> = (0..20).map(|number| Cow::Owned(format!("T{number}"))).collect();
        assert!(similar("t", &many).ends_with("\"T7\", and 12 more; list them with sensors"));
    }
}
