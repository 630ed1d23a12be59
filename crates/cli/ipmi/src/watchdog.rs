//! `telarch ipmi watchdog`: the watchdog timer.

use std::time::Duration;

use ipmi::proto::watchdog::{
    GetWatchdog, PreTimeout, ResetWatchdog, SetWatchdog, TimeoutAction, TimerUser, Watchdog as Timer,
};
use ipmi::proto::{Command as _, CompletionCode, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watchdog {
    Show,
    Reset,
    Off,
    /// The action on timeout, and the timeout in tenths of a second.
    Set(TimeoutAction, u16),
}

impl Watchdog {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        match words {
            [] | ["show"] => Ok(Self::Show),
            ["reset"] => Ok(Self::Reset),
            ["off"] => Ok(Self::Off),
            ["set", action, seconds] => {
                let known = TimeoutAction::WORDS.iter().find(|(word, _)| word == action);
                let (_, action) = known.ok_or_else(|| {
                    format!("watchdog set: unknown action \"{action}\"; expected none, reset, off or cycle")
                })?;
                let tenths = seconds.parse().ok().filter(|seconds| (1..=6_553_u16).contains(seconds));
                let tenths = tenths.map(|seconds| seconds * 10).ok_or_else(|| {
                    format!("watchdog set: \"{seconds}\" is not a number of seconds from 1 to 6553")
                })?;
                Ok(Self::Set(*action, tenths))
            }
            _ => Err("watchdog requires show, reset, off, or set none|reset|off|cycle SECONDS".to_owned()),
        }
    }
}

impl Operation for Watchdog {
    fn privilege(&self) -> Privilege {
        match self {
            Self::Show => GetWatchdog::PRIVILEGE,
            _ => SetWatchdog::PRIVILEGE,
        }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        match self {
            Self::Show => {}
            Self::Reset => match bmc.run(&ResetWatchdog).await {
                Err(IpmiError::Completion(CompletionCode(0x80))) => {
                    let reason = "the timer is not configured\n  configure it: watchdog set reset 60";
                    return Err(IpmiError::Refused { reason, code: 0x80 });
                }
                other => other?,
            },
            Self::Off => bmc.run(&SetWatchdog::OFF).await?,
            Self::Set(action, tenths) => {
                let (user, warning) = (TimerUser::Os, PreTimeout::None);
                bmc.run(&SetWatchdog { user, action: *action, warning, warns_before: 0, tenths: *tenths })
                    .await?;
            }
        }
        let timer = bmc.run(&GetWatchdog).await?;
        self.verify(&timer)?;
        Ok(Answer::fields([
            ("use", "Watchdog Timer Use", Value::from(timer.user.name())),
            ("running", "Watchdog Timer Is Running", Value::from(timer.is_running)),
            ("action", "Watchdog Timer Action", Value::from(timer.action.name())),
            ("logged", "Watchdog Timer Is Logged", Value::from(timer.is_logged)),
            ("pre_timeout", "Pre-timeout", Value::from(timer.warning.name())),
            ("pre_timeout_seconds", "Pre-timeout Seconds", Value::from(timer.warns_before.as_secs())),
            ("initial_seconds", "Initial Countdown", Value::from(timer.interval.as_secs_f64())),
            (
                "present_seconds",
                "Present Countdown",
                timer.remaining.map_or(Value::Null, |remaining| Value::from(remaining.as_secs_f64())),
            ),
        ]))
    }
}

impl Watchdog {
    /// Compares the state of the timer after a change with the requested one.
    fn verify(&self, timer: &Timer) -> Result<(), IpmiError> {
        let (wanted, found) = match self {
            Self::Show | Self::Reset => return Ok(()),
            Self::Off => {
                ("stopped".to_owned(), if timer.is_running { "running" } else { "stopped" }.to_owned())
            }
            Self::Set(action, tenths) => {
                let wanted = Duration::from_millis(100) * u32::from(*tenths);
                (setting(*action, wanted), setting(timer.action, timer.interval))
            }
        };
        if wanted == found { Ok(()) } else { Err(IpmiError::unchanged("the watchdog timer", wanted, found)) }
    }
}

fn setting(action: TimeoutAction, interval: Duration) -> String {
    format!("{} after {} s", action.name(), interval.as_secs_f64())
}
