//! AdminDomain, ComputerSystem and SystemSpecificCollection: machines and their controllers.

use std::sync::Arc;
use std::time::Duration;

use cim::{Instance, Value};
use ipmi::proto::CompletionCode;
use ipmi::proto::chassis::{Control, GetStatus, Status};
use ipmi::proto::fru::{Area, Inventory};
use ipmi::proto::guid::{GetSystemGuid, Guid};

use crate::controller::Controller;
use crate::health::Health;
use crate::query::Query;
use crate::{HardwareError, names, results};

/// Returns the domain of all machines known here.
pub(super) fn domain(machine: &str, query: &Query) -> Result<Vec<Instance>, HardwareError> {
    let row = query
        .row()
        .with("CreationClassName", "AdminDomain")?
        .with("Name", machine.to_owned())?
        .with("NameFormat", "Other")?
        .with("Caption", "Machines with management controllers")?
        .with("ElementName", machine.to_owned())?
        .with("EnabledState", 2_u16)?;
    Ok(vec![Health::Ok.fill(row, None)?])
}

/// Returns the machine and its controller.
pub(super) async fn systems(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let machine = Machine::read(controller, query.wants(&["Description"])).await?;
    let id = controller.device_id().await?;
    let name = controller.name().to_string();
    let guid = machine.guid.map(|guid| vec![guid.to_string()]);
    let row = query
        .row()
        .with("CreationClassName", "ComputerSystem")?
        .with("Name", name.clone())?
        .with("NameFormat", "Other")?
        .with("Caption", name.clone())?
        .with("ElementName", name.clone())?
        .with("Description", machine.description())?
        .with("EnabledState", machine.enabled_state())?
        .with("Dedicated", vec![0_u16])?
        .with("OtherIdentifyingInfo", guid.clone().map_or(Value::Null, Into::into))?
        .with("IdentifyingDescriptions", guid.map_or(Value::Null, |_| vec!["CIM:GUID"].into()))?
        // Enabled, because Chassis Control can reset the machine.
        .with("ResetCapability", 4_u16)?;
    let (health, faults) = machine.health();
    let mut row = health.fill(row, faults)?;
    if !machine.status.power_is_on && health == Health::Ok {
        row = row.with("OperationalStatus", vec![STOPPED])?.with("Status", "Stopped")?;
    }
    let firmware = format!("{}.{:02}", id.firmware_major, id.firmware_minor);
    let own = query
        .row()
        .with("CreationClassName", "ComputerSystem")?
        .with("Name", names::controller_system(&name))?
        .with("NameFormat", "Other")?
        .with("Caption", format!("management controller of {name}"))?
        .with("ElementName", format!("management controller of {name}"))?
        .with(
            "Description",
            format!(
                "firmware {firmware}, IPMI {}.{}, manufacturer {}, product {}",
                id.ipmi.0, id.ipmi.1, id.manufacturer, id.product
            ),
        )?
        .with("EnabledState", if id.is_updating { 10_u16 } else { 2 })?
        .with("Dedicated", vec![14_u16])?
        .with("ResetCapability", 5_u16)?;
    Ok(vec![row, Health::Ok.fill(own, None)?])
}

/// Returns the instance for a machine whose controller cannot be reached.
pub(super) fn unreachable(
    controller: &Controller,
    query: &Query,
    error: &HardwareError,
) -> Result<Instance, HardwareError> {
    let name = controller.name().to_string();
    let row = query
        .row()
        .with("CreationClassName", "ComputerSystem")?
        .with("Name", names::controller_system(&name))?
        .with("NameFormat", "Other")?
        .with("Caption", format!("management controller of {name}"))?
        .with("ElementName", format!("management controller of {name}"))?
        .with("EnabledState", 0_u16)?
        .with("Dedicated", vec![14_u16])?;
    let row = Health::Unknown.fill(row, Some(error.to_string()))?;
    Ok(row.with("OperationalStatus", vec![LOST_COMMUNICATION])?.with("Status", "Lost Comm")?)
}

/// Returns the collection of a controller's sensors.
pub(super) fn collection(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let row = query
        .row()
        .with("InstanceID", names::instance_id(controller.name()))?
        .with("Caption", format!("sensors of {}", controller.name()))?
        .with("ElementName", format!("sensors of {}", controller.name()))?;
    Ok(vec![row])
}

/// Data of a controller about its machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) status: Status,
    pub(crate) guid: Option<Guid>,
    pub(crate) inventory: Arc<Inventory>,
}

impl Machine {
    pub(crate) async fn read(
        controller: &Arc<Controller>,
        with_inventory: bool,
    ) -> Result<Self, HardwareError> {
        let status = controller.run(|bmc| async move { bmc.run(&GetStatus).await }).await?;
        let guid = match controller.run(|bmc| async move { bmc.run(&GetSystemGuid).await }).await {
            Ok(guid) => Some(guid),
            // Many controllers do not support it.
            Err(HardwareError::Refused { .. } | HardwareError::Broken { .. }) => None,
            Err(error) => return Err(error),
        };
        let inventory = if with_inventory { controller.inventory().await? } else { Arc::default() };
        Ok(Self { status, guid, inventory })
    }

    /// Returns a field of the inventory: from the product area, otherwise from the board area, otherwise from
    /// the chassis area.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let fields = &self.inventory.fields;
        let areas = [Area::Product, Area::Board, Area::Chassis].into_iter();
        let mut found =
            areas.filter_map(|area| fields.iter().find(|field| field.area == area && field.name == name));
        found.next().map(|field| field.text.clone())
    }

    fn description(&self) -> Option<String> {
        let words: Vec<String> = ["Manufacturer", "Product Name", "Serial Number"]
            .iter()
            .filter_map(|name| self.field(name))
            .collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Returns EnabledState: on or off.
    pub(crate) fn enabled_state(&self) -> u16 {
        if self.status.power_is_on { 2 } else { 3 }
    }

    /// Returns the health of the chassis, and a description of faults.
    pub(crate) fn health(&self) -> (Health, Option<String>) {
        let faults: Vec<&str> =
            self.status.power_faults.iter().chain(&self.status.conditions).copied().collect();
        let health = match (self.status.power_faults.as_slice(), self.status.conditions.as_slice()) {
            ([], []) => Health::Ok,
            ([], _) => Health::Warning,
            _ => Health::Critical,
        };
        (health, (!faults.is_empty()).then(|| faults.join(", ")))
    }
}

/// Implements RequestStateChange of the machine: changes the power state and returns the method's return
/// value (CIM_EnabledLogicalElement.RequestedState).
pub(crate) async fn change_state(controller: &Arc<Controller>, state: u16) -> Result<u32, HardwareError> {
    let control = match state {
        2 => Control::PowerUp,
        3 => Control::PowerDown,
        4 => Control::SoftShutdown,
        10 => Control::PowerCycle,
        11 => Control::HardReset,
        _ => return Ok(results::NOT_SUPPORTED),
    };
    switch(controller, control).await
}

/// Implements SetPowerState of the machine (CIM_ComputerSystem).
pub(crate) async fn set_power_state(controller: &Arc<Controller>, state: u32) -> Result<u32, HardwareError> {
    let control = match state {
        1 => Control::PowerUp,
        5 => Control::PowerCycle,
        6 => Control::PowerDown,
        8 => Control::SoftShutdown,
        _ => return Ok(results::NOT_SUPPORTED),
    };
    switch(controller, control).await
}

async fn switch(controller: &Arc<Controller>, control: Control) -> Result<u32, HardwareError> {
    match controller.run_once(|bmc| async move { bmc.run(&control).await }).await {
        Ok(()) => {}
        Err(HardwareError::Silent(_) | HardwareError::Slow(..)) => return Ok(results::TIMED_OUT),
        Err(HardwareError::Refused { code, .. }) if code == WRONG_STATE => {
            return Ok(results::INVALID_TRANSITION);
        }
        Err(HardwareError::Refused { code, .. }) if code != NO_PRIVILEGE => {
            return Ok(results::of_refusal(code));
        }
        Err(error) => return Err(error),
    }
    let is_on = match control {
        Control::PowerUp => true,
        Control::PowerDown => false,
        // The shutdown takes as long as the operating system needs, and a reset machine stays on.
        _ => return Ok(results::DONE),
    };
    // Callers read the state at once, and some controllers need a moment.
    for _ in 0..POLLS {
        let status = controller.run(|bmc| async move { bmc.run(&GetStatus).await }).await?;
        if status.power_is_on == is_on {
            return Ok(results::DONE);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(results::TIMED_OUT)
}

/// OperationalStatus of a machine that is powered off.
const STOPPED: u16 = 10;
/// OperationalStatus of a controller that does not respond.
const LOST_COMMUNICATION: u16 = 13;
/// Not supported in the present state (IPMI 2.0, table 5-2).
const WRONG_STATE: CompletionCode = CompletionCode(0xd5);
const NO_PRIVILEGE: CompletionCode = CompletionCode(0xd4);
const POLLS: u32 = 50;
const POLL: Duration = Duration::from_millis(100);
