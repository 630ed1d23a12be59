//! What the instances of a controller are called, and which controller a name is of.
//!
//! The machine `node7` is the ComputerSystem `node7`, its controller `node7:32`, by its address on the bus; what has
//! an InstanceID is `IPMI:node7`, or `IPMI:node7:` with what tells several apart.

use cim::{Name, ObjectPath};
use ipmi::proto::sdr::Sensor;

/// The address of the controller that a session is with (IPMI 2.0, table 5-4).
pub(crate) const CONTROLLER: u8 = 0x20;

/// `number.unit.owner`, in decimal (IPMI provider, LogRecord).
pub(crate) fn device_id(number: u8, unit: u8, owner: u8) -> String {
    format!("{number}.{unit}.{owner}")
}

pub(crate) fn device_id_of(sensor: &Sensor) -> String {
    device_id(sensor.number, sensor.unit, sensor.owner)
}

/// The name of the ComputerSystem that is the controller itself.
pub(crate) fn controller_system(controller: &str) -> String {
    format!("{controller}:{CONTROLLER}")
}

pub(crate) fn instance_id(controller: &str) -> String {
    format!("{ORGANIZATION}:{controller}")
}

pub(crate) fn part_id(controller: &str, part: &str) -> String {
    format!("{ORGANIZATION}:{controller}:{part}")
}

/// The controller whose instance has such a name.
pub(crate) fn controller_of(name: &str) -> &str {
    let rest = match name.split_once(':') {
        Some((organization, rest)) if organization.eq_ignore_ascii_case(ORGANIZATION) => rest,
        _ => name,
    };
    rest.split(':').next().unwrap_or_default()
}

/// The path of an instance with keys that are texts.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_controller() {
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
