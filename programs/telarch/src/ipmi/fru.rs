//! `telarch ipmi fru`.

use ipmi::proto::Privilege;
use ipmi::proto::fru::Area;
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::report::Answer;

/// The inventory of a device, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fru {
    Show(u8),
    Set { device: u8, area: Area, field: String, text: String },
}

impl Fru {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let device = |word: &str| word.parse().map_err(|_| format!("fru: {word:?} is no number of a device"));
        match words {
            [] => Ok(Self::Show(0)),
            ["set", area, field, text, rest @ ..] => {
                let area = match *area {
                    "chassis" => Area::Chassis,
                    "board" => Area::Board,
                    "product" => Area::Product,
                    other => return Err(format!("fru set: {other:?} is neither chassis, board nor product")),
                };
                let device = match rest {
                    [] => 0,
                    [number] => device(number)?,
                    [_, word, ..] => return Err(format!("fru set: {word:?} is one word too many")),
                };
                Ok(Self::Set { device, area, field: (*field).to_owned(), text: (*text).to_owned() })
            }
            ["set", ..] => Err("fru set: chassis|board|product FIELD TEXT".to_owned()),
            [number] => Ok(Self::Show(device(number)?)),
            [_, word, ..] => Err(format!("fru: {word:?} is one word too many")),
        }
    }
}

impl Question for Fru {
    fn privilege(&self) -> Privilege {
        match self {
            Self::Show(_) => Privilege::User,
            Self::Set { .. } => Privilege::Operator,
        }
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let device = match self {
            Self::Show(device) => *device,
            Self::Set { device, area, field, text } => {
                bmc.change_inventory(*device, (*area, field), text).await?;
                return Ok(Answer::said("set", "the inventory has been changed"));
            }
        };
        let inventory = bmc.inventory(device).await?;
        let fields =
            inventory.fields.iter().map(|field| (field.area.name(), field.name, field.text.as_str()));
        let warnings = inventory.warnings.iter().map(|warning| ("Inventory", "Warning", warning.as_str()));
        let all: Vec<(&str, &str, &str)> = fields.chain(warnings).collect();
        let line =
            |(area, name, text): &(&str, &str, &str)| format!("{:<22} : {text}\n", format!("{area} {name}"));
        let row = |(area, name, text): &(&str, &str, &str)| {
            vec![("area", Value::from(*area)), ("name", Value::from(*name)), ("text", Value::from(*text))]
        };
        Ok(Answer::new(all.iter().map(line).collect(), all.iter().map(row).collect()))
    }
}
