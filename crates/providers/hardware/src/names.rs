//! Names of instances, and the controller that a name refers to.
//!
//! The machine `node7` is the ComputerSystem `node7`; its controller is `node7:32`, from its bus address. An
//! InstanceID is `IPMI:node7`, or `IPMI:node7:` followed by a part that distinguishes several.

use cim::{Name, ObjectPath};
use ipmi::proto::SensorKey;

/// Bus address of the controller of the session (IPMI 2.0, table 5-4).
pub(crate) const CONTROLLER: u8 = 0x20;

/// Returns `number.unit.owner` in decimal (IPMI provider, LogRecord), followed by the channel of the owner
/// unless it is the internal bus: an address is unique on its channel only.
pub(crate) fn device_id(sensor: SensorKey) -> String {
    let SensorKey { channel, owner, unit, number } = sensor;
    match channel {
        0 => format!("{number}.{unit}.{owner}"),
        channel => format!("{number}.{unit}.{owner}.{channel}"),
    }
}

/// Returns the name of the ComputerSystem that represents the controller itself.
pub(crate) fn controller_system(controller: &str) -> String {
    format!("{controller}:{CONTROLLER}")
}

pub(crate) fn instance_id(controller: &str) -> String {
    format!("{ORGANIZATION}:{controller}")
}

pub(crate) fn part_id(controller: &str, part: &str) -> String {
    format!("{ORGANIZATION}:{controller}:{part}")
}

/// Returns the name of the controller in an instance name.
pub(crate) fn controller_of(name: &str) -> &str {
    let rest = match name.split_once(':') {
        Some((organization, rest)) if organization.eq_ignore_ascii_case(ORGANIZATION) => rest,
        _ => name,
    };
    rest.split(':').next().unwrap_or_default()
}

/// Returns the path of an instance whose keys are texts.
pub(crate) fn path(class: &str, keys: &[(&str, &str)]) -> Result<ObjectPath, cim::Error> {
    let key =
        |(name, value): &(&str, &str)| Ok((Name::parse(name)?, cim::KeyValue::Text((*value).to_owned())));
    let keys = keys.iter().map(key).collect::<Result<_, cim::Error>>()?;
    ObjectPath::from_keys(Name::parse(class)?, keys)
}

pub(crate) fn system_path(name: &str) -> Result<ObjectPath, cim::Error> {
    path("ComputerSystem", &[("CreationClassName", "ComputerSystem"), ("Name", name)])
}

const ORGANIZATION: &str = "IPMI";

/// Returns the key property of an instance with these keys, if it is a text.
pub(crate) fn key<'k>(class: &cim::Class, keys: &'k [cim::Value], property: &str) -> Option<&'k str> {
    let column = class.column(property)?;
    let index = class.keys().iter().position(|key| *key == column)?;
    keys.get(index)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensors_of_one_address_on_two_channels_differ() {
        let sensor = |place| device_id(SensorKey::new([0x82, place], 114));
        assert_eq!([sensor(0), sensor(1), sensor(0x70)], ["114.0.130", "114.1.130", "114.0.130.7"]);
    }

    #[test]
    fn the_controller_is_found_from_every_name() {
        for name in [
            "node7".to_owned(),
            controller_system("node7"),
            instance_id("node7"),
            part_id("node7", "Operator"),
            "ipmi:node7".to_owned(),
        ] {
            assert_eq!(controller_of(&name), "node7", "{name}");
        }
        assert_eq!(controller_of("IPMI"), "IPMI");
    }
}
