//! `telarch ipmi info`: what the controller is.

use ipmi::proto::device_id::GetDeviceId;
use ipmi::proto::{Command as _, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::report::Answer;

#[derive(Clone, Copy, Debug)]
pub(super) struct Info;

impl Question for Info {
    fn privilege(&self) -> Privilege {
        GetDeviceId::PRIVILEGE
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let id = bmc.run(&GetDeviceId).await?;
        let support: Vec<&str> = id.support.names().collect();
        let fields = vec![
            ("device_id", "Device ID", Value::from(id.id)),
            ("device_revision", "Device Revision", Value::from(id.revision)),
            (
                "firmware",
                "Firmware Revision",
                Value::from(format!("{}.{:02}", id.firmware_major, id.firmware_minor)),
            ),
            ("ipmi_version", "IPMI Version", Value::from(format!("{}.{}", id.ipmi.0, id.ipmi.1))),
            ("manufacturer_id", "Manufacturer ID", Value::from(id.manufacturer)),
            ("product_id", "Product ID", Value::from(id.product)),
            ("available", "Device Available", Value::from(!id.is_updating)),
            ("device_sdrs", "Provides Device SDRs", Value::from(id.has_device_sdrs)),
            ("suite", "Cipher Suite", bmc.suite().map_or(Value::Null, |suite| Value::from(suite.number()))),
            ("support", "Additional Device Support", Value::from(support.join(", "))),
        ];
        let shown = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => "no".to_owned(),
            other => other.to_string(),
        };
        Ok(Answer {
            text: fields
                .iter()
                .map(|(_, title, value)| format!("{title:<25} : {}\n", shown(value)))
                .collect(),
            rows: vec![fields.into_iter().map(|(name, _, value)| (name, value)).collect()],
        })
    }
}
