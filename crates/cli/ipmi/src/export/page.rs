//! Everything that is exported of one controller.

use ipmi::proto::Command;
use ipmi::proto::chassis::GetStatus;
use ipmi::proto::dcmi::GetPowerReading;
use ipmi::proto::device_id::GetDeviceId;
use ipmi::proto::storage::GetSelInfo;
use ipmi::proto::system_info::SystemText;
use ipmi::proto::watchdog::GetWatchdog;
use ipmi::{Connection, IpmiError};

use super::super::prometheus::Page;

/// Asks for it; what a controller does not know is left out.
pub(super) async fn of(bmc: &Connection) -> Result<Page, IpmiError> {
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
    if let Some(status) = known(bmc, &GetStatus).await? {
        let yes = |is_so: bool| if is_so { 1.0 } else { 0.0 };
        page.add("ipmi_chassis_power_state", &[], yes(status.power_is_on));
        // One is good, as others have it.
        page.add("ipmi_chassis_drive_fault_state", &[], yes(!status.has_drive_fault()));
        page.add("ipmi_chassis_cooling_fault_state", &[], yes(!status.has_cooling_fault()));
    }
    if let Some(power) = known(bmc, &GetPowerReading).await?.filter(|power| power.is_active) {
        page.add("ipmi_dcmi_power_consumption_watts", &[], power.current.into());
    }
    if let Some(log) = known(bmc, &GetSelInfo).await? {
        page.add("ipmi_sel_logs_count", &[], log.records.into());
        page.add("ipmi_sel_free_space_bytes", &[], log.free.into());
    }
    if let Some(timer) = known(bmc, &GetWatchdog).await? {
        page.add("ipmi_bmc_watchdog_timer_state", &[], if timer.is_running { 1.0 } else { 0.0 });
    }
    bmc.sensors().await?.iter().for_each(|measured| page.add_sensor(measured));
    Ok(page)
}

async fn known<C: Command>(bmc: &Connection, command: &C) -> Result<Option<C::Reply>, IpmiError> {
    match bmc.run(command).await {
        Ok(reply) => Ok(Some(reply)),
        Err(IpmiError::Completion(_)) => Ok(None),
        Err(IpmiError::Proto(error)) if error.is_about_octets() => Ok(None),
        Err(error) => Err(error),
    }
}
