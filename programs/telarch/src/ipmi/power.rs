//! `telarch ipmi power`.

use ipmi::proto::chassis::{Control, GetStatus};
use ipmi::proto::{Command as _, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::report::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    Status,
    Control(Control),
}

impl Question for Power {
    fn privilege(&self) -> Privilege {
        match self {
            Self::Status => GetStatus::PRIVILEGE,
            Self::Control(_) => Control::PRIVILEGE,
        }
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let (text, field) = match self {
            Self::Status => {
                let state = if bmc.run(&GetStatus).await?.power_is_on { "on" } else { "off" };
                (format!("Chassis Power is {state}"), ("power", state))
            }
            Self::Control(control) => {
                bmc.run(control).await?;
                let done = match control {
                    Control::PowerDown => "Down/Off",
                    Control::PowerUp => "Up/On",
                    Control::PowerCycle => "Cycle",
                    Control::HardReset => "Reset",
                    Control::DiagnosticInterrupt => "Diag",
                    Control::SoftShutdown => "Soft",
                };
                (format!("Chassis Power Control: {done}"), ("requested", done))
            }
        };
        Ok(Answer { text, rows: vec![vec![(field.0, Value::from(field.1))]] })
    }
}
