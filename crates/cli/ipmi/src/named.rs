//! Sensors by their names.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use ipmi::proto::sdr::{Body, Record, Sensor};
use ipmi::proto::{Destination, ProtoError, codes};
use ipmi::{Connection, IpmiError};

/// A sensor, and whom to ask about it.
pub(super) struct Named {
    pub(super) sensor: Arc<Sensor>,
    pub(super) place: Destination,
}

impl Named {
    /// The sensor of this name, title or number that will do; `what` says what the name should be of. Names are as the
    /// controller writes them, as with ipmitool: two may differ in the case of a letter.
    pub(super) async fn find(
        bmc: &Connection,
        name: &str,
        what: &'static str,
        will_do: impl Fn(&Sensor) -> bool,
    ) -> Result<Self, IpmiError> {
        let records = bmc.records().await?;
        let titles = Titles::of(of_records(&records));
        let is_called = |sensor: &&Arc<Sensor>| {
            sensor.name == name || titles.title(sensor) == name || number(sensor).eq_ignore_ascii_case(name)
        };
        let found: Vec<&Arc<Sensor>> =
            of_records(&records).filter(is_called).filter(|sensor| will_do(sensor)).collect();
        let sensor = match found.as_slice() {
            [] => {
                let all = of_records(&records).filter(|sensor| will_do(sensor));
                let known = near(name, &all.map(|sensor| titles.title(sensor)).collect::<Vec<_>>());
                return Err(ProtoError::Word { what, word: name.to_owned(), known }.into());
            }
            [sensor] => Arc::clone(sensor),
            several => {
                let known =
                    several.iter().map(|sensor| format!("{:?} or {}", titles.title(sensor), number(sensor)));
                return Err(ProtoError::Word {
                    what: "the name of one sensor only",
                    word: name.to_owned(),
                    known: known.collect::<Vec<_>>().join(", "),
                }
                .into());
            }
        };
        Ok(Self { place: sensor.destination()?, sensor })
    }
}

/// What sensors are called: where several bear the same name, such as `Temp` of each processor, also what they are of.
#[derive(Debug)]
pub(super) struct Titles {
    /// The names that several bear.
    shared: HashSet<String>,
}

impl Titles {
    pub(super) fn of<'s>(sensors: impl IntoIterator<Item = &'s Arc<Sensor>>) -> Self {
        let mut names: Vec<&str> = sensors.into_iter().map(|sensor| sensor.name.as_str()).collect();
        names.sort_unstable();
        let again = names.windows(2).filter_map(|pair| match pair {
            [one, other] if one == other => Some((*one).to_owned()),
            _ => None,
        });
        Self { shared: again.collect() }
    }

    pub(super) fn title<'s>(&self, sensor: &'s Sensor) -> Cow<'s, str> {
        if !self.shared.contains(&sensor.name) {
            return Cow::Borrowed(&sensor.name);
        }
        let (entity, instance) = sensor.entity;
        // From 60h on each controller counts those of its own (IPMI 2.0, 39.1); the highest bit is no number.
        let instance = instance & 0x7f;
        let instance = instance.checked_sub(0x60).unwrap_or(instance);
        Cow::Owned(match codes::entity(entity) {
            Some(kind) => format!("{} ({kind} {instance})", sensor.name),
            None => format!("{} (entity {entity:02x}h {instance})", sensor.name),
        })
    }
}

/// Those that may be meant, or the first ones where none is like it.
fn near(name: &str, titles: &[Cow<'_, str>]) -> String {
    let bare = |text: &str| text.to_lowercase().replace(|letter: char| !letter.is_alphanumeric(), "");
    let wanted = bare(name);
    let is_like = |title: &&Cow<'_, str>| {
        let title = bare(title);
        !wanted.is_empty() && !title.is_empty() && (title.contains(&wanted) || wanted.contains(&title))
    };
    let mut like: Vec<_> = titles.iter().filter(is_like).collect();
    if like.is_empty() {
        like = titles.iter().collect();
    }
    let mut shown: Vec<String> = like.iter().take(MOST_SHOWN).map(|title| format!("{title:?}")).collect();
    match like.len().checked_sub(MOST_SHOWN) {
        _ if like.is_empty() => return "none".to_owned(),
        None | Some(0) => {}
        Some(more) => shown.push(format!("and {more} more, which the action sensors lists")),
    }
    shown.join(", ")
}

const MOST_SHOWN: usize = 8;

/// All sensors that records describe.
pub(super) fn of_records(records: &[Record]) -> impl Iterator<Item = &Arc<Sensor>> {
    records.iter().flat_map(|record| match &record.body {
        Body::Sensors(sensors) | Body::EventOnly(sensors) => sensors.as_slice(),
        _ => &[],
    })
}

/// As `sensors` prints it.
pub(super) fn number(sensor: &Sensor) -> String {
    format!("{:02X}h", sensor.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_meant_are_those_that_are_shown() {
        let titles = ["Inlet Temp", "FAN1", "FAN2"].map(Cow::Borrowed);
        assert_eq!(near("inlet_temp", &titles), "\"Inlet Temp\"");
        assert_eq!(near("fan", &titles), "\"FAN1\", \"FAN2\"");
        assert_eq!(near("VBAT", &titles), "\"Inlet Temp\", \"FAN1\", \"FAN2\"");
        assert_eq!(near("VBAT", &[]), "none");
        let many: Vec<Cow<'_, str>> = (0..20).map(|number| Cow::Owned(format!("T{number}"))).collect();
        assert!(near("t", &many).ends_with("\"T7\", and 12 more, which the action sensors lists"));
    }
}
