//! `telarch ipmi identify`: the identify LED.

use ipmi::proto::chassis::{GetStatus, Identify as Led, SetIdentify};
use ipmi::proto::{Command as _, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;

#[derive(Clone, Copy, Debug)]
pub(super) struct Identify(pub(super) SetIdentify);

impl Operation for Identify {
    fn privilege(&self) -> Privilege {
        SetIdentify::PRIVILEGE
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        bmc.run(&self.0).await?;
        self.verify(bmc).await?;
        let state = match self.0 {
            SetIdentify::Seconds(0) => "off".to_owned(),
            SetIdentify::Seconds(seconds) => format!("{seconds} seconds"),
            SetIdentify::Indefinitely => "on".to_owned(),
        };
        Ok(Answer::new(format!("Chassis identify: {state}"), vec![vec![("identify", Value::from(state))]]))
    }
}

impl Identify {
    /// Compares the state of the LED with the requested one, if the controller reports it.
    async fn verify(self, bmc: &Connection) -> Result<(), IpmiError> {
        let wanted = match self.0 {
            SetIdentify::Seconds(0) => Led::Off,
            SetIdentify::Seconds(_) => Led::Temporary,
            SetIdentify::Indefinitely => Led::Indefinite,
        };
        let status = match bmc.run(&GetStatus).await {
            Err(IpmiError::Completion(_)) => return Ok(()),
            other => other?,
        };
        match status.identify {
            Some(found) if found != wanted => {
                Err(IpmiError::unchanged("the identify LED", wanted.name(), found.name()))
            }
            _ => Ok(()),
        }
    }
}
