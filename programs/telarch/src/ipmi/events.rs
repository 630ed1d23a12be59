//! `telarch ipmi events`: which events a sensor sends.

use ipmi::proto::sdr::Sensor;
use ipmi::proto::threshold::{EventChange, EventEnables, Threshold};
use ipmi::proto::{Privilege, ProtoError, codes};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::lan::on_or_off;
use super::many::Question;
use super::named::Named;
use super::report::Answer;

/// The events of a sensor, or a change of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Events {
    sensor: String,
    change: Option<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// Whether it sends any at all.
    Sent(bool),
    /// Whether it is measured.
    Scanned(bool),
    Of(EventChange, Turn, Vec<Event>),
}

/// Whether it is about what comes, what goes, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Assert,
    Deassert,
    Both,
}

/// An event as it is named on a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A threshold is crossed; the number of its bit.
    Crossing(u8),
    /// A state, by its number.
    State(u8),
}

impl Events {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let change = match words {
            [_] => None,
            [_, "scan", word] => Some(Change::Scanned(on_or_off("events scan", word)?)),
            [_, word @ ("on" | "off")] => Some(Change::Sent(*word == "on")),
            [_, how @ ("enable" | "disable"), turn, events @ ..] if !events.is_empty() => {
                let how = if *how == "enable" { EventChange::Enable } else { EventChange::Disable };
                let turn = match *turn {
                    "assert" => Turn::Assert,
                    "deassert" => Turn::Deassert,
                    "both" => Turn::Both,
                    other => return Err(format!("events: {other:?} is neither assert, deassert nor both")),
                };
                let events = events.iter().map(|word| event(word)).collect::<Result<_, _>>()?;
                Some(Change::Of(how, turn, events))
            }
            _ => {
                return Err("events: SENSOR, SENSOR on|off, SENSOR scan on|off, or SENSOR enable|disable \
                            assert|deassert|both EVENT..."
                    .to_owned());
            }
        };
        Ok(Self { sensor: words.first().copied().unwrap_or_default().to_owned(), change })
    }
}

/// `unc+` and `lnc-` of thresholds, or the number of a state.
fn event(word: &str) -> Result<Event, String> {
    let crossing = (0..).zip(CROSSINGS).find(|(_, name)| *name == word).map(|(bit, _)| Event::Crossing(bit));
    let state = word.parse().ok().filter(|state| *state < 15).map(Event::State);
    crossing.or(state).ok_or_else(|| {
        let known = CROSSINGS.join(", ");
        format!("events: {word:?} is neither the number of a state, 0 to 14, nor one of {known}")
    })
}

impl Question for Events {
    fn privilege(&self) -> Privilege {
        if self.change.is_some() { Privilege::Operator } else { Privilege::User }
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let Named { sensor, place } =
            Named::find(bmc, &self.sensor, "the name of a sensor", |_| true).await?;
        let mut now = bmc.event_enables(place, sensor.number).await?;
        if let Some(change) = &self.change {
            let (action, events) = change.applied(&sensor, now)?;
            bmc.set_event_enables(place, sensor.number, action, events).await?;
            now = bmc.event_enables(place, sensor.number).await?;
        }
        Ok(Answer::fields([
            ("sensor", "Sensor", Value::from(sensor.name.clone())),
            ("sends_events", "Event Messages", Value::from(now.sends_events)),
            ("scanned", "Scanning", Value::from(now.is_scanned)),
            ("asserted", "Assertions Enabled", Value::from(named(&sensor, now.asserted))),
            ("deasserted", "Deassertions Enabled", Value::from(named(&sensor, now.deasserted))),
        ]))
    }
}

impl Change {
    /// What is sent, of a sensor that has these events enabled now.
    fn applied(&self, sensor: &Sensor, now: EventEnables) -> Result<(EventChange, EventEnables), ProtoError> {
        match self {
            // To enable what is enabled changes nothing of it, and is what every controller understands.
            Self::Sent(sends_events) => {
                Ok((EventChange::Enable, EventEnables { sends_events: *sends_events, ..now }))
            }
            Self::Scanned(is_scanned) => {
                Ok((EventChange::Enable, EventEnables { is_scanned: *is_scanned, ..now }))
            }
            Self::Of(how, turn, events) => {
                let mut mask = 0;
                for event in events {
                    mask |= match event {
                        Event::Crossing(bit) if sensor.is_threshold() => 1 << bit,
                        Event::State(bit) if !sensor.is_threshold() => 1 << bit,
                        _ => return Err(ProtoError::Absent { what: "such an event of this sensor" }),
                    };
                }
                let of = |is_meant: bool| if is_meant { mask } else { 0 };
                let (asserted, deasserted) = (of(*turn != Turn::Deassert), of(*turn != Turn::Assert));
                Ok((*how, EventEnables { asserted, deasserted, ..now }))
            }
        }
    }
}

/// The names of events; states with their numbers, which command lines take.
fn named(sensor: &Sensor, mask: u16) -> String {
    let are_set = (0..15).filter(|bit| mask >> bit & 1 == 1);
    if sensor.is_threshold() {
        let names = are_set.filter_map(|bit| CROSSINGS.get(usize::from(bit)).copied());
        return names.collect::<Vec<_>>().join(" ");
    }
    let name = |bit: u8| match codes::state(sensor.kind, sensor.event_kind, bit) {
        Some((name, _)) => format!("{bit} {name}"),
        None => bit.to_string(),
    };
    are_set.map(name).collect::<Vec<_>>().join(", ")
}

/// By their bits: below lower and above upper thresholds and back, in the words of ipmitool (IPMI 2.0, table 42-2).
const CROSSINGS: [&str; 12] =
    ["lnc-", "lnc+", "lcr-", "lcr+", "lnr-", "lnr+", "unc-", "unc+", "ucr-", "ucr+", "unr-", "unr+"];

/// Each threshold has two crossings.
const _: () = assert!(CROSSINGS.len() == 2 * Threshold::ALL.len());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_by_thresholds_or_by_the_numbers_of_states() {
        let parsed = Events::parse(&["VBAT", "enable", "assert", "lnc-", "unr+"]);
        let events = vec![Event::Crossing(0), Event::Crossing(11)];
        let change = Some(Change::Of(EventChange::Enable, Turn::Assert, events));
        assert_eq!(parsed, Ok(Events { sensor: "VBAT".to_owned(), change }));
        assert!(Events::parse(&["PSU", "disable", "both", "0", "14"]).is_ok());
        for words in [
            &["PSU", "disable", "both"][..],
            &["PSU", "disable", "both", "15"],
            &["PSU", "disable", "some", "1"],
            &["PSU", "scan", "perhaps"],
            &["PSU", "enable", "assert", "unc"],
            &[],
        ] {
            assert!(Events::parse(words).is_err(), "{words:?}");
        }
    }
}
