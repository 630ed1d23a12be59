//! `telarch ipmi chassis`: the chassis status.

use ipmi::proto::chassis::{GetStatus, Identify};
use ipmi::proto::{Command as _, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;

#[derive(Clone, Copy, Debug)]
pub(super) struct Chassis;

impl Operation for Chassis {
    fn privilege(&self) -> Privilege {
        GetStatus::PRIVILEGE
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let status = bmc.run(&GetStatus).await?;
        let led = status.identify.map(Identify::name);
        Ok(Answer::fields([
            ("power", "System Power", Value::from(if status.power_is_on { "on" } else { "off" })),
            ("power_faults", "Power Faults", list(&status.power_faults)),
            ("policy", "Power Restore Policy", Value::from(status.restore_policy.name())),
            ("last_event", "Last Power Event", list(&status.last_event)),
            ("conditions", "Conditions", list(&status.conditions)),
            ("identify", "Identify LED", led.map_or(Value::Null, Value::from)),
        ]))
    }
}

fn list(words: &[&str]) -> Value {
    if words.is_empty() { Value::from("none") } else { Value::from(words.join(", ")) }
}
