//! MSFT_PCSVDevice: a whole machine in one instance, as seen by its controller.

use std::net::Ipv4Addr;
use std::sync::Arc;

use cim::{Instance, Namespace, Schema, Status, Value};
use ipmi::proto::Password;
use ipmi::proto::boot::{BootFlags, Firmware, Persistence};
use ipmi::proto::channel::ChannelNumber;
use ipmi::proto::lan::{AddressSource, GetLanParameter, LanChange, LanParameter, LanValue};
use ipmi::proto::user::{PasswordOperation, PasswordSize, SetUserPassword, UserId};
use ipmi::{Connection, IpmiError};
use wmi::{MethodCall, ProviderError};

use super::system::Machine;
use super::{account, log, sensor};
use crate::boot_source::{self, SOURCES};
use crate::controller::Controller;
use crate::query::Query;
use crate::{HardwareError, names, results};

/// Returns the instance of a controller.
pub(super) async fn view(
    controller: &Arc<Controller>,
    query: &Query,
) -> Result<Vec<Instance>, HardwareError> {
    let machine = Machine::read(controller, query.wants(&FROM_INVENTORY)).await?;
    let id = controller.device_id().await?;
    let (health, _) = machine.health();
    let firmware = format!("{}.{:02}", id.firmware_major, id.firmware_minor);
    let mut row = begin(controller, query)?
        .with("EnabledState", machine.enabled_state())?
        .with("RequestedState", 12_u16)?
        .with("HealthState", health.state())?
        .with("OperationalStatus", vec![health.operational()])?
        .with("SMBIOSGuid", machine.guid.map(|guid| guid.to_string()))?
        .with("Manufacturer", machine.field("Manufacturer"))?
        .with("Model", machine.field("Product Name"))?
        .with("SerialNumber", machine.field("Serial Number"))?
        .with("PartNumber", machine.field("Part Number"))?
        .with("Version", machine.field("Version"))?
        .with("Tag", machine.field("Asset Tag"))?
        .with("FRUInfoSupported", id.support.names().any(|name| name == "FRU Inventory Device"))?
        .with("CurrentManagementFirmwareMajorVersion", u16::from(id.firmware_major))?
        .with("CurrentManagementFirmwareMinorVersion", u16::from(id.firmware_minor))?
        .with("CurrentManagementFirmwareVersionString", firmware)?;
    if query.wants(&["OneTimeBootSource", "PersistentBootConfigOrder"]) {
        row = boot(controller, row).await?;
    }
    if query.wants(&[
        "IPv4Address",
        "IPv4AddressOrigin",
        "IPv4DefaultGateway",
        "IPv4SubnetMask",
        "MacAddress",
    ]) {
        row = network(controller, row).await?;
    }
    if query.wants(&LOG) {
        row = event_log(controller, row).await?;
    }
    if query.wants(&SENSOR.map(|(property, _)| property)) {
        row = sensors(controller, row).await?;
    }
    Ok(vec![row])
}

/// Returns the instance for a machine whose controller cannot be reached.
pub(super) fn unreachable(controller: &Controller, query: &Query) -> Result<Instance, HardwareError> {
    let row = begin(controller, query)?;
    Ok(row
        .with("EnabledState", 0_u16)?
        .with("HealthState", 0_u16)?
        .with("OperationalStatus", vec![13_u16])?)
}

fn begin(controller: &Controller, query: &Query) -> Result<Instance, cim::Error> {
    let name = controller.name().to_string();
    query
        .row()
        .with("InstanceID", names::instance_id(&name))?
        .with("Caption", name.clone())?
        .with("ElementName", name)?
        .with("Dedicated", vec![0_u16])?
        .with("TargetAddress", controller.address().map(|address| address.host.clone()))?
        .with("StructuredBootString", SOURCES.map(|(source, _)| source.to_owned()).to_vec())
}

/// Sets the boot source by index; NULL if there are no valid boot flags.
async fn boot(controller: &Arc<Controller>, row: Instance) -> Result<Instance, HardwareError> {
    let flags = match controller.run(|bmc| async move { bmc.boot_flags().await }).await {
        Ok(flags) if flags.are_valid => flags,
        Ok(_) | Err(HardwareError::Refused { .. }) => return Ok(row),
        Err(error) => return Err(error),
    };
    let Some(index) = boot_source::index(flags.device) else { return Ok(row) };
    Ok(match flags.persistence {
        Persistence::Once => row.with("OneTimeBootSource", index)?,
        Persistence::Always => row.with("PersistentBootConfigOrder", vec![index])?,
    })
}

async fn network(controller: &Arc<Controller>, row: Instance) -> Result<Instance, HardwareError> {
    let hardware = match parameter(controller, LanParameter::Hardware).await? {
        Some(LanValue::Hardware(octets)) => Some(octets.map(|octet| format!("{octet:02X}")).join("-")),
        _ => None,
    };
    let origin = match parameter(controller, LanParameter::Source).await? {
        Some(LanValue::Source(AddressSource::Static)) => STATIC,
        Some(LanValue::Source(AddressSource::Dhcp)) => DHCP,
        Some(_) => 1_u16,
        None => 0,
    };
    Ok(row
        .with("IPv4Address", address(controller, LanParameter::Address).await?)?
        .with("IPv4SubnetMask", address(controller, LanParameter::Mask).await?)?
        .with("IPv4DefaultGateway", address(controller, LanParameter::Gateway).await?)?
        .with("IPv4AddressOrigin", origin)?
        .with("MacAddress", hardware)?)
}

async fn address(controller: &Arc<Controller>, name: LanParameter) -> Result<Option<String>, HardwareError> {
    match parameter(controller, name).await? {
        Some(LanValue::Address(address)) => Ok(Some(address.to_string())),
        _ => Ok(None),
    }
}

/// Returns a parameter of the channel of the session; `None` if the controller does not support it.
async fn parameter(
    controller: &Arc<Controller>,
    parameter: LanParameter,
) -> Result<Option<LanValue>, HardwareError> {
    let get = GetLanParameter { channel: ChannelNumber::THIS, parameter };
    match controller.run(|bmc| async move { bmc.run(&get).await }).await {
        Ok(value) => Ok(Some(value)),
        Err(HardwareError::Refused { .. } | HardwareError::Broken { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn event_log(controller: &Arc<Controller>, row: Instance) -> Result<Instance, HardwareError> {
    let info = match controller.log_info().await {
        Ok(info) => info,
        Err(HardwareError::Refused { .. }) => return Ok(row),
        Err(error) => return Err(error),
    };
    let free = if info.free == u16::MAX { u16::MAX } else { info.free / 16 };
    Ok(row
        .with("LogInstanceID", vec![names::instance_id(controller.name())])?
        .with("LogCurrentNumberOfRecords", vec![u64::from(info.records)])?
        .with("LogMaxNumberOfRecords", vec![u64::from(info.records) + u64::from(free)])?
        // Never overwrites: when the log is full, new records are lost.
        .with("LogOverwritePolicy", vec![7_u16])?
        .with("LogFreeSpace", free)?)
}

async fn sensors(controller: &Arc<Controller>, mut row: Instance) -> Result<Instance, HardwareError> {
    let class = Schema::of(Namespace::parse("root/hardware")?).require("NumericSensor")?;
    let rows = sensor::numeric(controller, &Query::whole(class)).await?;
    for (property, of_sensor) in SENSOR {
        let values = rows.iter().map(|sensor| sensor.value(of_sensor).cloned().unwrap_or_default());
        row = row.with(property, Value::Array(values.collect()))?;
    }
    Ok(row)
}

/// Implements SetOneTimeBootSource, ModifyPersistentBootConfigOrder and ChangeBootConfiguration; returns
/// their return value.
pub(crate) async fn change_boot(
    controller: &Arc<Controller>,
    source: &str,
    persistence: Persistence,
) -> Result<u32, HardwareError> {
    let Some(device) = boot_source::device(source) else { return Ok(UNDONE) };
    let firmware = match controller.run(|bmc| async move { bmc.boot_flags().await }).await {
        Ok(flags) if flags.are_valid => flags.firmware,
        Ok(_) | Err(HardwareError::Refused { .. }) => Firmware::default(),
        Err(error) => return Err(error),
    };
    let flags = BootFlags::new(device, persistence, firmware);
    match controller.run_once(|bmc| async move { bmc.set_boot_flags(flags).await }).await {
        Ok(_) => Ok(results::DONE),
        Err(HardwareError::Refused { code, .. }) if code.0 != 0xd4 => Ok(of_refusal(code.0)),
        Err(error) => Err(error),
    }
}

/// Implements ModifyPersistentBootConfigOrder. Controllers store one source, not an order, so longer lists
/// are not supported.
pub(crate) async fn set_order(controller: &Arc<Controller>, order: &[Value]) -> Result<u32, HardwareError> {
    match order {
        [first] => change_boot(controller, first.as_str().unwrap_or_default(), Persistence::Always).await,
        [] => Ok(UNDONE),
        _ => Ok(results::NOT_SUPPORTED),
    }
}

/// Implements ChangeNetworkConfiguration for the channel of the session.
pub(crate) async fn change_network(
    controller: &Arc<Controller>,
    input: &Instance,
) -> Result<u32, HardwareError> {
    let origin = input.value("IPv4AddressOrigin").and_then(Value::as_integer);
    let mut changes = Vec::new();
    match origin.map(u16::try_from) {
        Some(Ok(STATIC)) => changes.push(LanChange::Source(AddressSource::Static)),
        Some(Ok(DHCP)) => changes.push(LanChange::Source(AddressSource::Dhcp)),
        None => {}
        Some(_) => return Ok(results::NOT_SUPPORTED),
    }
    type Change = fn(Ipv4Addr) -> LanChange;
    let parts = [
        ("IPv4Address", LanChange::Address as Change),
        ("IPv4SubnetMask", LanChange::Mask),
        ("IPv4DefaultGateway", LanChange::Gateway),
    ];
    for (name, change) in parts {
        let Some(text) = input.value(name).and_then(Value::as_str).filter(|text| !text.is_empty()) else {
            continue;
        };
        match text.parse() {
            Ok(address) => changes.push(change(address)),
            Err(_) => return Ok(UNDONE),
        }
    }
    let change = |bmc: Connection| async move { bmc.change_lan(ChannelNumber::THIS, &changes).await };
    match controller.run_once(change).await {
        // The controller may no longer be reachable at its old address.
        Ok(_) | Err(HardwareError::Silent(_)) => Ok(results::DONE),
        Err(HardwareError::Refused { code, .. }) if code.0 != 0xd4 => Ok(of_refusal(code.0)),
        Err(error) => Err(error),
    }
}

/// Implements ChangeUserPassword for the user of the session; returns the method's return value.
pub(crate) async fn change_password(
    controller: &Arc<Controller>,
    user: &str,
    current: &str,
    new: &str,
) -> Result<u32, ProviderError> {
    let (current, new) = (password(current)?, password(new)?);
    let users = account::users(controller).await?;
    let Some(number) = users.iter().find(|known| known.name == user).map(|known| known.number) else {
        return Ok(UNDONE);
    };
    let changed = controller.run_once(|bmc| set_password(bmc, number, current, new)).await;
    match changed {
        Ok(()) => Ok(results::DONE),
        Err(HardwareError::Refused { code, .. }) if code.0 != 0xd4 => Ok(of_refusal(code.0)),
        Err(error) => Err(error.into()),
    }
}

fn password(text: &str) -> Result<Password, ProviderError> {
    Password::new(text.as_bytes())
        .map_err(|error| ProviderError::failed(Status::InvalidMethodParameters, error.to_string()))
}

async fn set_password(
    bmc: Connection,
    number: u8,
    current: Password,
    new: Password,
) -> Result<(), IpmiError> {
    bmc.demand_encryption()?;
    let user = UserId::new(number)?;
    let test = PasswordOperation::Test(current.clone(), PasswordSize::of(&current));
    bmc.run(&SetUserPassword { user, operation: test }).await?;
    bmc.set_password(user, &new, PasswordSize::of(&new)).await
}

/// Implements ReadLog: returns all records with their bytes.
pub(crate) async fn read_log(
    controller: &Arc<Controller>,
    call: &MethodCall<'_>,
) -> Result<Instance, ProviderError> {
    let namespace = Namespace::parse("root/microsoft/windows/hardwaremanagement")?;
    let class = Schema::of(namespace).require("MSFT_PCSVLogRecord")?;
    let records = controller.log().await?;
    let mut rows = Vec::new();
    for logged in records.iter() {
        let (format, data) = log::text_form(logged);
        rows.push(
            Instance::new(class.clone())
                .with("LogCreationClassName", "RecordLog")?
                .with("LogName", names::instance_id(controller.name()))?
                .with("CreationClassName", "MSFT_PCSVLogRecord")?
                .with("RecordID", logged.record.id.to_string())?
                .with("MessageTimestamp", log::time(logged))?
                .with("RecordFormat", format)?
                .with("RecordData", data)?
                .with("RawData", logged.octets.to_vec())?,
        );
    }
    Ok(Instance::new(call.operation.output.clone())
        .with("LogRecords", rows)?
        .with("ReturnValue", results::DONE)?)
}

/// Converts a completion code to the return value of this class's methods: not supported, or failed.
fn of_refusal(code: u8) -> u32 {
    if code == 0xc1 || code == 0x80 { results::NOT_SUPPORTED } else { UNDONE }
}

/// Return value "failed" of this class's methods.
const UNDONE: u32 = 2;
/// Values of IPv4AddressOrigin.
const STATIC: u16 = 3;
const DHCP: u16 = 4;
const FROM_INVENTORY: [&str; 6] = ["Manufacturer", "Model", "SerialNumber", "PartNumber", "Version", "Tag"];
const LOG: [&str; 5] = [
    "LogInstanceID",
    "LogCurrentNumberOfRecords",
    "LogMaxNumberOfRecords",
    "LogOverwritePolicy",
    "LogFreeSpace",
];
/// Array properties, and the property of a NumericSensor that each one collects.
const SENSOR: [(&str, &str); 16] = [
    ("NumericSensorElementName", "ElementName"),
    ("NumericSensorEnabledState", "EnabledState"),
    ("NumericSensorHealthState", "HealthState"),
    ("NumericSensorCurrentState", "CurrentState"),
    ("NumericSensorSensorType", "SensorType"),
    ("NumericSensorOtherSensorTypeDescription", "OtherSensorTypeDescription"),
    ("NumericSensorBaseUnits", "BaseUnits"),
    ("NumericSensorUnitModifier", "UnitModifier"),
    ("NumericSensorRateUnits", "RateUnits"),
    ("NumericSensorCurrentReading", "CurrentReading"),
    ("NumericSensorLowerThresholdNonCritical", "LowerThresholdNonCritical"),
    ("NumericSensorUpperThresholdNonCritical", "UpperThresholdNonCritical"),
    ("NumericSensorLowerThresholdCritical", "LowerThresholdCritical"),
    ("NumericSensorUpperThresholdCritical", "UpperThresholdCritical"),
    ("NumericSensorLowerThresholdFatal", "LowerThresholdFatal"),
    ("NumericSensorUpperThresholdFatal", "UpperThresholdFatal"),
];
