//! `telarch ipmi events`: which events a sensor sends.

use ipmi::proto::sdr::Sensor;
use ipmi::proto::threshold::{EventChange, EventEnables, Threshold};
use ipmi::proto::{Privilege, ProtoError, codes};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::lan::on_or_off;
use super::parallel::Operation;
use super::report::Answer;
use super::sensor_names::FoundSensor;

/// Shows or changes which events a sensor sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Events {
    sensor: String,
    change: Option<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// Sends events, or none at all.
    Sent(bool),
    /// Scans the sensor, or not.
    Scanned(bool),
    /// Enables or disables single events.
    Events(EventChange, Direction, Vec<Event>),
}

/// Whether a change applies to assertion events, deassertion events, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Assert,
    Deassert,
    Both,
}

/// An event as it is named on a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// Crossing of a threshold, by its bit.
    Crossing(u8),
    /// State, by its number.
    State(u8),
}

impl Events {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let change = match words {
            [_] => None,
            [_, "scan", word] => Some(Change::Scanned(on_or_off("events scan", word)?)),
            [_, word @ ("on" | "off")] => Some(Change::Sent(*word == "on")),
            [_, how @ ("enable" | "disable"), direction, events @ ..] if !events.is_empty() => {
                let how = if *how == "enable" { EventChange::Enable } else { EventChange::Disable };
                let direction = match *direction {
                    "assert" => Direction::Assert,
                    "deassert" => Direction::Deassert,
                    "both" => Direction::Both,
                    other => {
                        return Err(format!(
                            "events: invalid value \"{other}\"; expected assert, deassert or both"
                        ));
                    }
                };
                let events = events.iter().map(|word| event(word)).collect::<Result<_, _>>()?;
                Some(Change::Events(how, direction, events))
            }
            _ => {
                return Err(
                    "events requires SENSOR, SENSOR on|off, SENSOR scan on|off, or SENSOR enable|disable \
                            assert|deassert|both EVENT..."
                        .to_owned(),
                );
            }
        };
        Ok(Self { sensor: words.first().copied().unwrap_or_default().to_owned(), change })
    }
}

/// Parses a threshold event such as `unc+` or `lnc-`, or the number of a state.
fn event(word: &str) -> Result<Event, String> {
    let crossing = (0..).zip(CROSSINGS).find(|(_, name)| *name == word).map(|(bit, _)| Event::Crossing(bit));
    let state = word.parse().ok().filter(|state| *state < 15).map(Event::State);
    crossing.or(state).ok_or_else(|| {
        let known = CROSSINGS.join(", ");
        format!(
            "events: unknown event \"{word}\"; expected the number of a state (0 to 14) or one of {known}"
        )
    })
}

impl Operation for Events {
    fn privilege(&self) -> Privilege {
        if self.change.is_some() { Privilege::Operator } else { Privilege::User }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let FoundSensor { sensor, destination } =
            FoundSensor::find(bmc, &self.sensor, "the name of a sensor", |_| true).await?;
        let mut enables = bmc.event_enables(destination, sensor.number).await?;
        if let Some(change) = &self.change {
            let (action, events) = change.request(&sensor, enables)?;
            bmc.set_event_enables(destination, sensor.number, action, events).await?;
            enables = bmc.event_enables(destination, sensor.number).await?;
        }
        Ok(Answer::fields([
            ("sensor", "Sensor", Value::from(sensor.name.clone())),
            ("sends_events", "Event Messages", Value::from(enables.sends_events)),
            ("scanned", "Scanning", Value::from(enables.is_scanned)),
            ("asserted", "Assertions Enabled", Value::from(named(&sensor, enables.asserted))),
            ("deasserted", "Deassertions Enabled", Value::from(named(&sensor, enables.deasserted))),
        ]))
    }
}

impl Change {
    /// Returns the request that changes the enabled events of a sensor (IPMI 2.0, section 35.10).
    fn request(
        &self,
        sensor: &Sensor,
        current: EventEnables,
    ) -> Result<(EventChange, EventEnables), ProtoError> {
        match self {
            // Enabling the enabled events again changes none of them and is supported by every controller.
            Self::Sent(sends_events) => {
                Ok((EventChange::Enable, EventEnables { sends_events: *sends_events, ..current }))
            }
            Self::Scanned(is_scanned) => {
                Ok((EventChange::Enable, EventEnables { is_scanned: *is_scanned, ..current }))
            }
            Self::Events(how, direction, events) => {
                let mut mask = 0;
                for event in events {
                    mask |= match event {
                        Event::Crossing(bit) if sensor.is_threshold() => 1 << bit,
                        Event::State(bit) if !sensor.is_threshold() => 1 << bit,
                        _ => return Err(ProtoError::Absent { what: "this event of the sensor" }),
                    };
                }
                let (asserted, deasserted) = match direction {
                    Direction::Assert => (mask, 0),
                    Direction::Deassert => (0, mask),
                    Direction::Both => (mask, mask),
                };
                Ok((*how, EventEnables { asserted, deasserted, ..current }))
            }
        }
    }
}

/// Lists events by name; states with the numbers that the command line accepts.
fn named(sensor: &Sensor, mask: u16) -> String {
    let are_set = (0..15).filter(|bit| mask >> bit & 1 == 1);
    if sensor.is_threshold() {
        let names = are_set.filter_map(|bit| CROSSINGS.get(usize::from(bit)).copied());
        return names.collect::<Vec<_>>().join(" ");
    }
    let states = are_set.map(|bit| match codes::state(sensor.kind, sensor.event_kind, bit) {
        Some((name, _)) => format!("{bit} {name}"),
        None => bit.to_string(),
    });
    states.collect::<Vec<_>>().join(", ")
}

/// Names of threshold events by bit, as ipmitool writes them (IPMI 2.0, table 42-2).
const CROSSINGS: [&str; 12] =
    ["lnc-", "lnc+", "lcr-", "lcr+", "lnr-", "lnr+", "unc-", "unc+", "ucr-", "ucr+", "unr-", "unr+"];

// Each threshold has two crossings.
const _: () = assert!(CROSSINGS.len() == 2 * Threshold::ALL.len());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_thresholds_or_numbers_of_states() {
        let parsed = Events::parse(&["VBAT", "enable", "assert", "lnc-", "unr+"]);
        let events = vec![Event::Crossing(0), Event::Crossing(11)];
        let change = Some(Change::Events(EventChange::Enable, Direction::Assert, events));
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
