//! `telarch ipmi fru`.

use ipmi::proto::Privilege;
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::report::Answer;

/// The inventory of the device with this number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fru(pub(super) u8);

impl Question for Fru {
    fn privilege(&self) -> Privilege {
        Privilege::User
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let inventory = bmc.inventory(self.0).await?;
        let fields =
            inventory.fields.iter().map(|field| (field.area.name(), field.name, field.text.as_str()));
        let warnings = inventory.warnings.iter().map(|warning| ("Inventory", "Warning", warning.as_str()));
        let all: Vec<(&str, &str, &str)> = fields.chain(warnings).collect();
        Ok(Answer {
            text: all
                .iter()
                .map(|(area, name, text)| format!("{:<22} : {text}\n", format!("{area} {name}")))
                .collect(),
            rows: all
                .iter()
                .map(|(area, name, text)| {
                    vec![
                        ("area", Value::from(*area)),
                        ("name", Value::from(*name)),
                        ("text", Value::from(*text)),
                    ]
                })
                .collect(),
        })
    }
}
