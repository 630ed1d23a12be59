//! The metrics of one controller.

use ipmi::proto::Command;
use ipmi::proto::chassis::GetStatus;
use ipmi::proto::dcmi::GetPowerReading;
use ipmi::proto::device_id::GetDeviceId;
use ipmi::proto::storage::GetSelInfo;
use ipmi::proto::system_info::SystemText;
use ipmi::proto::watchdog::GetWatchdog;
use ipmi::{Connection, IpmiError};

use super::super::prometheus::Page;

/// Reads the metrics; those that the controller does not support are omitted.
pub(super) async fn read(bmc: &Connection) -> Result<Page, IpmiError> {
    let mut page = Page::default();
    let id = bmc.run(&GetDeviceId).await?;
    let (firmware, manufacturer) =
        (format!("{}.{:02}", id.firmware_major, id.firmware_minor), id.manufacturer.to_string());
    let system = bmc.system_text(SystemText::FirmwareVersion).await?;
    let labels = [
        ("firmware_revision", firmware.as_str()),
        ("manufacturer_id", &manufacturer),
        ("system_firmware_version", system.as_deref().unwrap_or("N/A")),
    ];
    page.add("ipmi_bmc_info", &labels, 1.0);
    if let Some(status) = supported(bmc, &GetStatus).await? {
        page.add("ipmi_chassis_power_state", &[], number(status.power_is_on));
        // 1 means no fault, as in ipmi_exporter.
        page.add("ipmi_chassis_drive_fault_state", &[], number(!status.has_drive_fault()));
        page.add("ipmi_chassis_cooling_fault_state", &[], number(!status.has_cooling_fault()));
    }
    if let Some(power) = supported(bmc, &GetPowerReading).await?.filter(|power| power.is_active) {
        page.add("ipmi_dcmi_power_consumption_watts", &[], power.current.into());
    }
    if let Some(log) = supported(bmc, &GetSelInfo).await? {
        page.add("ipmi_sel_logs_count", &[], log.records.into());
        page.add("ipmi_sel_free_space_bytes", &[], log.free.into());
    }
    if let Some(timer) = supported(bmc, &GetWatchdog).await? {
        page.add("ipmi_bmc_watchdog_timer_state", &[], number(timer.is_running));
    }
    bmc.sensors().await?.iter().for_each(|measured| page.add_sensor(measured));
    Ok(page)
}

fn number(is_true: bool) -> f64 {
    if is_true { 1.0 } else { 0.0 }
}

/// Runs a command; `None` if the controller does not support it.
async fn supported<C: Command>(bmc: &Connection, command: &C) -> Result<Option<C::Reply>, IpmiError> {
    match bmc.run(command).await {
        Ok(reply) => Ok(Some(reply)),
        Err(IpmiError::Completion(_)) => Ok(None),
        Err(IpmiError::Proto(error)) if error.is_about_octets() => Ok(None),
        Err(error) => Err(error),
    }
}
