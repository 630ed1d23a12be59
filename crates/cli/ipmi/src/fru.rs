//! `telarch ipmi fru`: inventories of field replaceable units.

use std::collections::BTreeMap;

use ipmi::proto::fru::{Area, Inventory};
use ipmi::proto::sdr::Body;
use ipmi::proto::{Privilege, ProtoError};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::{Answer, Row, cell};

/// Shows or changes inventories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fru {
    /// The inventory of the device with this number.
    Show(u8),
    All,
    List,
    Set {
        device: u8,
        area: Area,
        field: String,
        text: String,
    },
}

impl Fru {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        match words {
            [] => Ok(Self::Show(0)),
            ["all"] => Ok(Self::All),
            ["list"] => Ok(Self::List),
            ["set", area, field, text, rest @ ..] => {
                let area = match *area {
                    "chassis" => Area::Chassis,
                    "board" => Area::Board,
                    "product" => Area::Product,
                    other => {
                        return Err(format!(
                            "fru set: unknown area \"{other}\"; expected chassis, board or product"
                        ));
                    }
                };
                let device = match rest {
                    [] => 0,
                    [number] => device(number)?,
                    [_, word, ..] => return Err(format!("fru set: unexpected argument \"{word}\"")),
                };
                Ok(Self::Set { device, area, field: (*field).to_owned(), text: (*text).to_owned() })
            }
            ["set", ..] => Err("fru set requires chassis|board|product FIELD TEXT".to_owned()),
            [number] => Ok(Self::Show(device(number)?)),
            [_, word, ..] => Err(format!("fru: unexpected argument \"{word}\"")),
        }
    }
}

fn device(word: &str) -> Result<u8, String> {
    word.parse().map_err(|_| format!("fru: \"{word}\" is not a device number, 0 to 255"))
}

impl Operation for Fru {
    fn privilege(&self) -> Privilege {
        match self {
            Self::Show(_) | Self::All | Self::List => Privilege::User,
            Self::Set { .. } => Privilege::Operator,
        }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        match self {
            Self::Show(device) => {
                let inventory = match bmc.inventory(*device).await {
                    // The completion code for a missing device differs between controllers.
                    Err(error @ IpmiError::Completion(_)) => {
                        return Err(missing_device(bmc, *device).await.unwrap_or(error));
                    }
                    inventory => inventory?,
                };
                let rows = rows(*device, &inventory);
                Ok(Answer::new(rows.iter().map(line).collect(), rows))
            }
            Self::All => all(bmc).await,
            Self::List => {
                let rows: Vec<Row> = devices(bmc).await?.into_iter().map(row_of_device).collect();
                Ok(Answer::new(rows.iter().map(line_of_device).collect(), rows))
            }
            Self::Set { device, area, field, text } => {
                bmc.change_inventory(*device, *area, field, text).await?;
                Ok(Answer::message("set", "changed the inventory"))
            }
        }
    }
}

/// Lists every device with its inventory, or with the reason why it cannot be read.
async fn all(bmc: &Connection) -> Result<Answer, IpmiError> {
    let (mut text, mut rows) = (String::new(), Vec::new());
    for (device, name) in devices(bmc).await? {
        let found = match bmc.inventory(device).await {
            Ok(inventory) => self::rows(device, &inventory),
            Err(IpmiError::Completion(code)) => {
                vec![row((device, "Inventory", "Warning"), &code.to_string())]
            }
            Err(IpmiError::Proto(error)) if error.is_about_octets() => {
                vec![row((device, "Inventory", "Warning"), &error.to_string())]
            }
            Err(error) => return Err(error),
        };
        text.push_str(&line_of_device(&row_of_device((device, name))));
        text.extend(found.iter().map(|row| format!("  {}", line(row))));
        rows.extend(found);
    }
    Ok(Answer::new(text, rows))
}

/// Returns the names of the devices with an inventory, from the sensor data records; device 0 is always included.
async fn devices(bmc: &Connection) -> Result<BTreeMap<u8, String>, IpmiError> {
    let records = bmc.records().await?;
    let named = records.iter().filter_map(|record| match &record.body {
        Body::Fru { device: Some(device), name } => Some((*device, name.clone())),
        _ => None,
    });
    let mut devices: BTreeMap<u8, String> = named.collect();
    devices.entry(0).or_default();
    Ok(devices)
}

/// Returns the error for a device that the sensor data records do not list.
async fn missing_device(bmc: &Connection, device: u8) -> Option<IpmiError> {
    let known = devices(bmc).await.ok()?;
    let names: Vec<String> = known.keys().map(u8::to_string).collect();
    (!known.contains_key(&device)).then(|| {
        let what = "the number of a device with an inventory";
        ProtoError::Word { what, word: device.to_string(), known: names.join(", ") }.into()
    })
}

fn rows(device: u8, inventory: &Inventory) -> Vec<Row> {
    let fields = inventory.fields.iter().map(|field| (field.area.name(), field.name, field.text.as_str()));
    let warnings = inventory.warnings.iter().map(|warning| ("Inventory", "Warning", warning.as_str()));
    fields.chain(warnings).map(|(area, name, text)| row((device, area, name), text)).collect()
}

fn row((device, area, name): (u8, &str, &str), text: &str) -> Row {
    vec![
        ("area", Value::from(area)),
        ("name", Value::from(name)),
        ("text", Value::from(text)),
        ("device", Value::from(device)),
    ]
}

fn line(row: &Row) -> String {
    let [area, name, text] = ["area", "name", "text"].map(|name| cell(row, name));
    // A field such as Product Name contains its area already.
    let title = if name.starts_with(&area) { name } else { format!("{area} {name}") };
    format!("{title:<22} : {text}\n")
}

fn row_of_device((device, name): (u8, String)) -> Row {
    vec![("device", Value::from(device)), ("name", Value::from(name))]
}

fn line_of_device(row: &Row) -> String {
    format!("{:>3} | {}\n", cell(row, "device"), cell(row, "name"))
}
