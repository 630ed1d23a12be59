//! `telarch ipmi chassis`: what is known of the box.

use ipmi::proto::chassis::{GetStatus, Identify};
use ipmi::proto::{Command as _, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::report::Answer;

#[derive(Clone, Copy, Debug)]
pub(super) struct Chassis;

impl Question for Chassis {
    fn privilege(&self) -> Privilege {
        GetStatus::PRIVILEGE
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let status = bmc.run(&GetStatus).await?;
        let all = |words: &[&str]| match words {
            [] => Value::from("none"),
            words => Value::from(words.join(", ")),
        };
        let lamp = status.identify.map(|lamp| match lamp {
            Identify::Off => "off",
            Identify::Temporary => "on for a while",
            Identify::Indefinite => "on",
        });
        Ok(Answer::fields([
            ("power", "System Power", Value::from(if status.power_is_on { "on" } else { "off" })),
            ("power_faults", "Power Faults", all(&status.power_faults)),
            ("policy", "Power Restore Policy", Value::from(status.restore_policy.name())),
            ("last_event", "Last Power Event", all(&status.last_event)),
            ("conditions", "Conditions", all(&status.conditions)),
            ("identify", "Identify Lamp", lamp.map_or(Value::Null, Value::from)),
        ]))
    }
}
