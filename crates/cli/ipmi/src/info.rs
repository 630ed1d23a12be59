//! `telarch ipmi info`: identity and firmware of a controller.

use ipmi::proto::Command as _;
use ipmi::proto::Privilege;
use ipmi::proto::device_id::GetDeviceId;
use ipmi::proto::guid::GetSystemGuid;
use ipmi::proto::system_info::SystemText;
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;

#[derive(Clone, Copy, Debug)]
pub(super) struct Info;

impl Operation for Info {
    fn privilege(&self) -> Privilege {
        GetDeviceId::PRIVILEGE
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let id = bmc.run(&GetDeviceId).await?;
        let guid = match bmc.run(&GetSystemGuid).await {
            Ok(guid) => Value::from(guid.to_string()),
            // A GUID is optional.
            Err(IpmiError::Completion(_) | IpmiError::Proto(_)) => Value::Null,
            Err(error) => return Err(error),
        };
        let support: Vec<&str> = id.support.names().collect();
        Ok(Answer::fields([
            ("device_id", "Device ID", Value::from(id.id)),
            ("device_revision", "Device Revision", Value::from(id.revision)),
            (
                "firmware",
                "Firmware Revision",
                Value::from(format!("{}.{:02}", id.firmware_major, id.firmware_minor)),
            ),
            ("ipmi_version", "IPMI Version", Value::from(format!("{}.{}", id.ipmi.0, id.ipmi.1))),
            ("manufacturer_id", "Manufacturer ID", Value::from(id.manufacturer)),
            (
                "manufacturer",
                "Manufacturer Name",
                ipmi::proto::manufacturer(id.manufacturer).map_or(Value::Null, Value::from),
            ),
            ("product_id", "Product ID", Value::from(id.product)),
            ("available", "Device Available", Value::from(!id.is_updating)),
            ("device_sdrs", "Provides Device SDRs", Value::from(id.has_device_sdrs)),
            ("guid", "System GUID", guid),
            ("suite", "Cipher Suite", bmc.suite().map_or(Value::Null, |suite| Value::from(suite.number()))),
            ("support", "Additional Device Support", Value::from(support.join(", "))),
            (
                "system_firmware",
                "System Firmware Version",
                system_text(bmc, SystemText::FirmwareVersion).await?,
            ),
            ("system_name", "System Name", system_text(bmc, SystemText::Name).await?),
            ("operating_system", "Operating System", system_text(bmc, SystemText::OperatingSystem).await?),
        ]))
    }
}

async fn system_text(bmc: &Connection, text: SystemText) -> Result<Value, IpmiError> {
    Ok(bmc.system_text(text).await?.map_or(Value::Null, Value::from))
}
