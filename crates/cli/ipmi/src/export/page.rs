//! The metrics of one controller, by the collectors of `ipmi_exporter`.

use ipmi::proto::Command;
use ipmi::proto::chassis::GetStatus;
use ipmi::proto::dcmi::GetPowerReading;
use ipmi::proto::device_id::GetDeviceId;
use ipmi::proto::storage::GetSelInfo;
use ipmi::proto::system_info::SystemText;
use ipmi::proto::watchdog::{GetWatchdog, PreTimeout, TimeoutAction, TimerUser};
use ipmi::{Connection, IpmiError};

use super::super::prometheus::Page;

/// A part of the metrics, with the name that it has in `ipmi_exporter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collector {
    Bmc,
    Watchdog,
    Chassis,
    Dcmi,
    Ipmi,
    Sel,
}

impl Collector {
    pub(super) const ALL: [Self; 6] =
        [Self::Bmc, Self::Watchdog, Self::Chassis, Self::Dcmi, Self::Ipmi, Self::Sel];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bmc => "bmc",
            Self::Watchdog => "bmc-watchdog",
            Self::Chassis => "chassis",
            Self::Dcmi => "dcmi",
            Self::Ipmi => "ipmi",
            Self::Sel => "sel",
        }
    }

    /// Reads the metrics; `None` if the controller does not support them.
    async fn read(self, bmc: &Connection) -> Result<Option<Page>, IpmiError> {
        Ok(match self {
            Self::Bmc => Some(info(bmc).await?),
            Self::Watchdog => watchdog(bmc).await?,
            Self::Chassis => chassis(bmc).await?,
            Self::Dcmi => dcmi(bmc).await?,
            Self::Ipmi => Some(sensors(bmc).await?),
            Self::Sel => event_log(bmc).await?,
        })
    }
}

/// The metrics of one poll, by collector; `None` for a collector that failed.
pub(super) type Collected = Vec<(Collector, Option<Page>)>;

/// Reads all metrics. A collector that the controller does not support has none.
pub(super) async fn read(bmc: &Connection) -> Result<Collected, IpmiError> {
    let mut collected = Vec::new();
    for collector in Collector::ALL {
        collected.push((collector, collector.read(bmc).await?));
    }
    Ok(collected)
}

async fn info(bmc: &Connection) -> Result<Page, IpmiError> {
    let id = bmc.run(&GetDeviceId).await?;
    let firmware = format!("{}.{:02}", id.firmware_major, id.firmware_minor);
    let manufacturer = match ipmi::proto::manufacturer(id.manufacturer) {
        Some(name) => format!("{name} ({})", id.manufacturer),
        None => id.manufacturer.to_string(),
    };
    let system = bmc.system_text(SystemText::FirmwareVersion).await?;
    let labels = [
        ("firmware_revision", firmware.as_str()),
        ("manufacturer_id", &manufacturer),
        ("system_firmware_version", system.as_deref().unwrap_or("N/A")),
    ];
    let mut page = Page::default();
    page.add("ipmi_bmc_info", &labels, 1.0);
    Ok(page)
}

async fn chassis(bmc: &Connection) -> Result<Option<Page>, IpmiError> {
    let Some(status) = supported(bmc, &GetStatus).await? else { return Ok(None) };
    let mut page = Page::default();
    page.add("ipmi_chassis_power_state", &[], number(status.power_is_on));
    // 1 means no fault, as in ipmi_exporter.
    page.add("ipmi_chassis_drive_fault_state", &[], number(!status.has_drive_fault()));
    page.add("ipmi_chassis_cooling_fault_state", &[], number(!status.has_cooling_fault()));
    Ok(Some(page))
}

async fn dcmi(bmc: &Connection) -> Result<Option<Page>, IpmiError> {
    let Some(power) = supported(bmc, &GetPowerReading).await? else { return Ok(None) };
    let mut page = Page::default();
    if power.is_active {
        page.add("ipmi_dcmi_power_consumption_watts", &[], power.current.into());
    }
    Ok(Some(page))
}

async fn event_log(bmc: &Connection) -> Result<Option<Page>, IpmiError> {
    let Some(log) = supported(bmc, &GetSelInfo).await? else { return Ok(None) };
    let mut page = Page::default();
    page.add("ipmi_sel_logs_count", &[], log.records.into());
    page.add("ipmi_sel_free_space_bytes", &[], log.free.into());
    Ok(Some(page))
}

async fn sensors(bmc: &Connection) -> Result<Page, IpmiError> {
    let mut page = Page::default();
    bmc.sensors().await?.iter().for_each(|measured| page.add_sensor(measured));
    Ok(page)
}

async fn watchdog(bmc: &Connection) -> Result<Option<Page>, IpmiError> {
    let Some(timer) = supported(bmc, &GetWatchdog).await? else { return Ok(None) };
    // The names are those of FreeIPMI.
    let user = match timer.user {
        TimerUser::Frb2 => Some("BIOS FRB2"),
        TimerUser::Post => Some("BIOS POST"),
        TimerUser::OsLoad => Some("OS LOAD"),
        TimerUser::Os => Some("SMS/OS"),
        TimerUser::Oem => Some("OEM"),
        TimerUser::Unknown => None,
    };
    let action = match timer.action {
        TimeoutAction::None => Some("None"),
        TimeoutAction::Reset => Some("Hard Reset"),
        TimeoutAction::PowerDown => Some("Power Down"),
        TimeoutAction::PowerCycle => Some("Power Cycle"),
        TimeoutAction::Unknown => None,
    };
    let interrupt = match timer.warning {
        PreTimeout::None => Some("None"),
        PreTimeout::Smi => Some("SMI"),
        PreTimeout::Nmi => Some("NMI / Diagnostic Interrupt"),
        PreTimeout::Message => Some("Messaging Interrupt"),
        PreTimeout::Unknown => None,
    };
    let mut page = Page::default();
    page.add("ipmi_bmc_watchdog_timer_state", &[], number(timer.is_running));
    page.add("ipmi_bmc_watchdog_logging_state", &[], number(timer.is_logged));
    let users = ["BIOS FRB2", "BIOS POST", "OS LOAD", "SMS/OS", "OEM"];
    page.add_choice("ipmi_bmc_watchdog_timer_use_state", "name", &users, user);
    let actions = ["None", "Hard Reset", "Power Down", "Power Cycle"];
    page.add_choice("ipmi_bmc_watchdog_timeout_action_state", "action", &actions, action);
    let interrupts = ["None", "SMI", "NMI / Diagnostic Interrupt", "Messaging Interrupt"];
    page.add_choice("ipmi_bmc_watchdog_pretimeout_interrupt_state", "interrupt", &interrupts, interrupt);
    page.add("ipmi_bmc_watchdog_pretimeout_interval_seconds", &[], timer.warns_before.as_secs_f64());
    page.add("ipmi_bmc_watchdog_initial_countdown_seconds", &[], timer.interval.as_secs_f64());
    if let Some(remaining) = timer.remaining {
        page.add("ipmi_bmc_watchdog_current_countdown_seconds", &[], remaining.as_secs_f64());
    }
    Ok(Some(page))
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
