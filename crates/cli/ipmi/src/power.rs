//! `telarch ipmi power`: power control and status.

use ipmi::proto::chassis::{Control, GetStatus, RestorePolicy};
use ipmi::proto::dcmi::GetPowerReading;
use ipmi::proto::power::{GetPowerOnHours, GetRestartCause, SetRestorePolicy};
use ipmi::proto::{Command as _, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::prometheus::Page;
use super::report::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    Status,
    Control(Control),
    Policy(SetRestorePolicy),
    Cause,
    Hours,
    Watts,
}

impl Power {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        Ok(match words {
            ["status"] => Self::Status,
            ["on" | "up"] => Self::Control(Control::PowerUp),
            ["off" | "down"] => Self::Control(Control::PowerDown),
            ["cycle"] => Self::Control(Control::PowerCycle),
            ["reset"] => Self::Control(Control::HardReset),
            ["diag"] => Self::Control(Control::DiagnosticInterrupt),
            ["soft"] => Self::Control(Control::SoftShutdown),
            ["policy"] => Self::Policy(SetRestorePolicy::Ask),
            ["policy", "always-off"] => Self::set_policy(RestorePolicy::AlwaysOff),
            ["policy", "previous"] => Self::set_policy(RestorePolicy::Previous),
            ["policy", "always-on"] => Self::set_policy(RestorePolicy::AlwaysOn),
            ["policy", other, ..] => {
                return Err(format!(
                    "power policy: invalid value \"{other}\"; expected always-off, previous or always-on"
                ));
            }
            ["cause"] => Self::Cause,
            ["hours"] => Self::Hours,
            ["watts"] => Self::Watts,
            [] => {
                return Err(
                    "power requires status, on, off, cycle, reset, diag, soft, policy, cause, hours or watts"
                        .to_owned(),
                );
            }
            [_, word, ..] => return Err(format!("power: unexpected argument \"{word}\"")),
            [other] => return Err(format!("power: unknown word \"{other}\"")),
        })
    }

    fn set_policy(policy: RestorePolicy) -> Self {
        Self::Policy(SetRestorePolicy::To(policy))
    }
}

impl Operation for Power {
    fn privilege(&self) -> Privilege {
        match self {
            Self::Status => GetStatus::PRIVILEGE,
            Self::Control(_) => Control::PRIVILEGE,
            Self::Policy(SetRestorePolicy::Ask) | Self::Cause | Self::Hours | Self::Watts => Privilege::User,
            Self::Policy(_) => SetRestorePolicy::PRIVILEGE,
        }
    }

    fn collector(&self) -> &'static str {
        if matches!(self, Self::Watts) { "dcmi" } else { "chassis" }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let (text, field) = match self {
            Self::Watts => return watts(bmc).await,
            Self::Status => {
                let state = if bmc.run(&GetStatus).await?.power_is_on { "on" } else { "off" };
                (format!("Chassis Power is {state}"), ("power", Value::from(state)))
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
                (format!("Chassis Power Control: {done}"), ("requested", Value::from(done)))
            }
            Self::Policy(policy) => {
                if let SetRestorePolicy::To(_) = policy {
                    bmc.run(policy).await?;
                }
                let now = bmc.run(&GetStatus).await?.restore_policy;
                if let SetRestorePolicy::To(wanted) = policy
                    && *wanted != now
                {
                    let (wanted, found) = (wanted.name(), now.name());
                    return Err(IpmiError::unchanged("the power restore policy", wanted, found));
                }
                let policy = now.name();
                (format!("Power Restore Policy: {policy}"), ("policy", Value::from(policy)))
            }
            Self::Cause => {
                let cause = bmc.run(&GetRestartCause).await?.meaning();
                (format!("System restart cause: {cause}"), ("cause", Value::from(cause)))
            }
            Self::Hours => {
                let minutes = bmc.run(&GetPowerOnHours).await?;
                let text = format!("Power On: {} days, {} hours", minutes / 1_440, minutes / 60 % 24);
                (text, ("minutes", Value::from(minutes)))
            }
        };
        let mut metrics = Page::default();
        if let (Self::Status, (_, state)) = (self, &field) {
            metrics.add("ipmi_chassis_power_state", &[], if state == "on" { 1.0 } else { 0.0 });
        }
        Ok(Answer::new(text, vec![vec![field]]).with_metrics(metrics))
    }
}

/// Returns the power consumption of the machine (DCMI 1.5, Get Power Reading).
async fn watts(bmc: &Connection) -> Result<Answer, IpmiError> {
    let reading = bmc.run(&GetPowerReading).await?;
    if !reading.is_active {
        return Ok(Answer::failed("watts", "the controller is not measuring power consumption"));
    }
    let mut metrics = Page::default();
    metrics.add("ipmi_dcmi_power_consumption_watts", &[], reading.current.into());
    let answer = Answer::fields([
        ("current", "Power Now (W)", Value::from(reading.current)),
        ("minimum", "Least", Value::from(reading.minimum)),
        ("maximum", "Most", Value::from(reading.maximum)),
        ("average", "Average", Value::from(reading.average)),
        ("seconds", "In The Last Seconds", Value::from(reading.period / 1_000)),
    ]);
    Ok(answer.with_metrics(metrics))
}
