//! Associations between the instances of a controller.

use std::sync::Arc;

use cim::{Instance, ObjectPath};

use super::{account, log, sensor};
use crate::controller::Controller;
use crate::query::Query;
use crate::{HardwareError, names};

/// Returns CIM_SystemDevice: a machine and its sensors.
pub(super) async fn system_devices(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let system = names::system_path(controller.name())?;
    let devices = devices(controller).await?;
    devices
        .into_iter()
        .map(|device| pair(query, "GroupComponent", &system, "PartComponent", device))
        .collect()
}

/// Returns CIM_OwningCollectionElement: a controller and its collections of sensors and users.
pub(super) fn owned_collections(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let owner = names::system_path(&names::controller_system(controller.name()))?;
    [sensors_path(controller)?, users_path(controller)?]
        .into_iter()
        .map(|owned| pair(query, "OwningElement", &owner, "OwnedElement", owned))
        .collect()
}

/// Returns CIM_MemberOfCollection: the collections and their members.
pub(super) async fn members(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let sensors = sensors_path(controller)?;
    let mut rows = devices(controller)
        .await?
        .into_iter()
        .map(|device| pair(query, "Collection", &sensors, "Member", device))
        .collect::<Result<Vec<_>, _>>()?;
    let users = match account::users(controller).await {
        Ok(users) => users,
        // Only operators may list users.
        Err(HardwareError::Refused { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let set = users_path(controller)?;
    let system = names::controller_system(controller.name());
    for user in users {
        let account = names::path(
            "Account",
            &[
                ("SystemCreationClassName", "ComputerSystem"),
                ("SystemName", &system),
                ("CreationClassName", "Account"),
                ("Name", &user.number.to_string()),
            ],
        )?;
        rows.push(pair(query, "Collection", &set, "Member", account.clone())?);
        if account::LEVELS.iter().any(|(level, _)| *level == user.level) {
            let name = names::part_id(controller.name(), user.level.name());
            let group =
                names::path("PrivilegeGroup", &[("CreationClassName", "PrivilegeGroup"), ("Name", &name)])?;
            rows.push(pair(query, "Collection", &group, "Member", account)?);
        }
    }
    Ok(rows)
}

/// Returns CIM_UseOfLog: the log, and the machine and controller that write to it.
pub(super) fn uses_of_log(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let log = log::log_path(controller.name())?;
    [controller.name().to_string(), names::controller_system(controller.name())]
        .into_iter()
        .map(|system| pair(query, "Antecedent", &log, "Dependent", names::system_path(&system)?))
        .collect()
}

/// Returns CIM_LogManagesRecord: the log and its records.
pub(super) async fn log_records(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let path = log::log_path(controller.name())?;
    let records = controller.log().await?;
    let record = |logged| pair(query, "Log", &path, "Record", log::record_path(controller.name(), logged)?);
    records.iter().map(record).collect()
}

fn pair(
    query: &Query,
    one: &str,
    above: &ObjectPath,
    other: &str,
    below: ObjectPath,
) -> Result<Instance, HardwareError> {
    Ok(query.row().with(one, above.clone())?.with(other, below)?)
}

async fn devices(controller: &Arc<Controller>) -> Result<Vec<ObjectPath>, HardwareError> {
    let devices = sensor::devices(controller).await?;
    devices.into_iter().map(|(class, device)| Ok(device_path(controller, class, &device)?)).collect()
}

fn device_path(controller: &Controller, class: &str, device: &str) -> Result<ObjectPath, cim::Error> {
    let keys = [
        ("SystemCreationClassName", "ComputerSystem"),
        ("SystemName", controller.name()),
        ("CreationClassName", class),
        ("DeviceID", device),
    ];
    names::path(class, &keys)
}

fn sensors_path(controller: &Controller) -> Result<ObjectPath, cim::Error> {
    names::path("SystemSpecificCollection", &[("InstanceID", &names::instance_id(controller.name()))])
}

fn users_path(controller: &Controller) -> Result<ObjectPath, cim::Error> {
    let name = names::part_id(controller.name(), account::USERS);
    names::path("ConcreteCollection", &[("InstanceID", &name)])
}
