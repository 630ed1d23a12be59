//! `telarch ipmi boot`: the boot device.

use ipmi::proto::boot::{BootDevice, BootFlags, Firmware, GetBootFlags, Persistence};
use ipmi::proto::{Command as _, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boot {
    Show,
    Set(BootFlags),
}

impl Boot {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let [device, how @ ..] = words else { return Ok(Self::Show) };
        let device: BootDevice = device.parse().map_err(|error| format!("boot: {error}"))?;
        let (mut persistence, mut firmware) = (Persistence::Once, Firmware::Legacy);
        for word in how {
            match *word {
                "once" => persistence = Persistence::Once,
                "always" => persistence = Persistence::Always,
                "legacy" => firmware = Firmware::Legacy,
                "efi" => firmware = Firmware::Efi,
                other => {
                    return Err(format!(
                        "boot: invalid word \"{other}\"; expected once, always, legacy or efi"
                    ));
                }
            }
        }
        Ok(Self::Set(BootFlags::new(device, persistence, firmware)))
    }
}

impl Operation for Boot {
    fn privilege(&self) -> Privilege {
        GetBootFlags::PRIVILEGE
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let flags = match self {
            Self::Show => bmc.boot_flags().await?,
            Self::Set(flags) => bmc.set_boot_flags(*flags).await?,
        };
        let BootFlags { are_valid, persistence, firmware, device, .. } = flags;
        let starts = match persistence {
            Persistence::Once => "next",
            Persistence::Always => "all",
        };
        Ok(Answer::fields([
            ("device", "Boot Device", Value::from(device.name())),
            ("starts", "For Starts", Value::from(starts)),
            ("firmware", "Firmware", Value::from(firmware.name())),
            ("valid", "Valid", Value::from(are_valid)),
        ]))
    }
}
