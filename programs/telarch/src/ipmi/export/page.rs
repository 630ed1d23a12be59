//! Everything that is exported of one controller.

use ipmi::proto::Command;
use ipmi::proto::chassis::GetStatus;
use ipmi::proto::device_id::GetDeviceId;
use ipmi::proto::storage::GetSelInfo;
use ipmi::proto::watchdog::GetWatchdog;
use ipmi::{Connection, IpmiError};

use super::super::prometheus::Page;

/// Asks for it; what a controller does not know is left out.
pub(super) async fn of(bmc: &Connection) -> Result<Page, IpmiError> {
    let mut page = Page::default();
    let id = bmc.run(&GetDeviceId).await?;
    let (firmware, manufacturer) =
        (format!("{}.{:02}", id.firmware_major, id.firmware_minor), id.manufacturer.to_string());
    let labels = [
        ("firmware_revision", firmware.as_str()),
        ("manufacturer_id", &manufacturer),
        ("system_firmware_version", "N/A"),
    ];
    page.add("ipmi_bmc_info", &labels, 1.0);
    if let Some(status) = known(bmc, &GetStatus).await? {
        page.add("ipmi_chassis_power_state", &[], if status.power_is_on { 1.0 } else { 0.0 });
    }
    if let Some(log) = known(bmc, &GetSelInfo).await? {
        page.add("ipmi_sel_logs_count", &[], log.records.into());
        page.add("ipmi_sel_free_space_bytes", &[], log.free.into());
    }
    if let Some(timer) = known(bmc, &GetWatchdog).await? {
        page.add("ipmi_watchdog_timer_state", &[], if timer.is_running { 1.0 } else { 0.0 });
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
