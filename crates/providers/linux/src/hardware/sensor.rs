//! `Win32_Battery` (`/sys/class/power_supply`); `Win32_Fan`, `Win32_TemperatureProbe`, `Win32_VoltageProbe` and
//! `Win32_CurrentProbe` (`/sys/class/hwmon`).

use linux::hardware::sensor::{PowerSupply, Sensor};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Batteries of the machine.
pub(crate) struct Battery;

impl Table for Battery {
    type Row = PowerSupply;

    const CLASS: &'static str = "Win32_Battery";

    const COLUMNS: &'static [(&'static str, Fill<PowerSupply>)] = &[
        ("Availability", |machine, cell| {
            // 2 is unknown, 3 is running, whether on battery or mains.
            if cell.line(machine, "status").is_some() { 3_u16 } else { 2 }.into()
        }),
        ("BatteryStatus", |machine, cell| {
            // 1 is discharging, 2 on mains power, 3 full, 6 charging.
            let status = cell.line(machine, "status");
            let number = match status.as_deref() {
                Some("Discharging") => Some(1_u16),
                Some("Not charging") => Some(2),
                Some("Full") => Some(3),
                Some("Charging") => Some(6),
                _ => None,
            };
            number.into()
        }),
        ("Caption", |_, _| "Internal Battery".into()),
        ("Chemistry", |machine, cell| {
            let technology = cell.line(machine, "technology");
            let number = match technology.as_deref() {
                Some("NiCd") => 4,
                Some("NiMH") => 5,
                Some("Li-ion") => 6,
                Some("Li-poly") => 8,
                _ => 2_u16,
            };
            number.into()
        }),
        ("Description", |_, _| "Internal Battery".into()),
        ("DesignCapacity", |machine, cell| {
            cell.energy(machine, "energy_full_design", "charge_full_design").into()
        }),
        ("DesignVoltage", |machine, cell| {
            cell.number(machine, "voltage_min_design").map(|micro| micro / 1_000).into()
        }),
        ("DeviceID", |machine, cell| {
            let parts = ["serial_number", "manufacturer", "model_name"].map(|file| cell.line(machine, file));
            let reported: String = parts.into_iter().flatten().collect();
            if reported.is_empty() { cell.0.clone() } else { format!("{} {reported}", cell.0) }.into()
        }),
        ("EstimatedChargeRemaining", |machine, cell| {
            cell.number(machine, "capacity").and_then(|percent| u16::try_from(percent).ok()).into()
        }),
        ("FullChargeCapacity", |machine, cell| cell.energy(machine, "energy_full", "charge_full").into()),
        ("Name", |machine, cell| cell.line(machine, "model_name").unwrap_or_else(|| cell.0.clone()).into()),
        ("PowerManagementSupported", |_, _| false.into()),
        ("Status", |machine, cell| {
            let health = cell.line(machine, "health");
            if matches!(health.as_deref(), None | Some("Good" | "Unknown")) { "OK" } else { "Degraded" }
                .into()
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = PowerSupply>, ProviderError> {
        let names = machine.names("sys/class/power_supply").unwrap_or_default();
        let mut cells: Vec<PowerSupply> =
            names.into_iter().filter_map(|name| name.into_string().ok()).map(PowerSupply).collect();
        cells.sort_by(|left, right| left.0.cmp(&right.0));
        // Batteries of peripherals such as mice are skipped.
        Ok(cells.into_iter().filter(|cell| {
            cell.line(machine, "type").as_deref() == Some("Battery")
                && cell.line(machine, "scope").as_deref() != Some("Device")
        }))
    }
}

/// Fans.
pub(crate) struct Fan;

impl Table for Fan {
    type Row = Sensor;

    const CLASS: &'static str = "Win32_Fan";

    const COLUMNS: &'static [(&'static str, Fill<Sensor>)] = &[
        ("ActiveCooling", |_, _| true.into()),
        ("Availability", |_, _| 3_u16.into()),
        ("Caption", |machine, fan| fan.label(machine).into()),
        ("Description", |_, _| "Cooling Device".into()),
        ("DesiredSpeed", |machine, fan| {
            fan.number(machine, "target").and_then(|speed| u64::try_from(speed).ok()).into()
        }),
        ("DeviceID", |_, fan| fan.id().into()),
        ("Name", |machine, fan| fan.label(machine).into()),
        ("Status", |machine, fan| fan.status(machine).into()),
        ("StatusInfo", |_, _| 3_u16.into()),
        ("VariableSpeed", |machine, fan| {
            let number = fan.measurement.trim_start_matches("fan");
            machine.path(format!("{}/pwm{number}", fan.chip)).exists().into()
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Sensor>, ProviderError> {
        Ok(Sensor::all(machine, "fan").into_iter())
    }
}

/// Temperature sensors.
pub(crate) struct TemperatureProbe;

impl Table for TemperatureProbe {
    type Row = Sensor;

    const CLASS: &'static str = "Win32_TemperatureProbe";

    const COLUMNS: &'static [(&'static str, Fill<Sensor>)] = &[
        ("Availability", |_, _| 3_u16.into()),
        ("Caption", |machine, probe| probe.label(machine).into()),
        ("CurrentReading", |machine, probe| probe.tenths(machine, "input").into()),
        ("Description", |_, _| "Temperature Probe".into()),
        ("DeviceID", |_, probe| probe.id().into()),
        ("IsLinear", |_, _| true.into()),
        ("LowerThresholdCritical", |machine, probe| probe.tenths(machine, "lcrit").into()),
        ("LowerThresholdNonCritical", |machine, probe| probe.tenths(machine, "min").into()),
        ("Name", |machine, probe| probe.label(machine).into()),
        ("Status", |machine, probe| probe.status(machine).into()),
        ("StatusInfo", |_, _| 3_u16.into()),
        ("UpperThresholdCritical", |machine, probe| probe.tenths(machine, "crit").into()),
        ("UpperThresholdFatal", |machine, probe| probe.tenths(machine, "emergency").into()),
        ("UpperThresholdNonCritical", |machine, probe| probe.tenths(machine, "max").into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Sensor>, ProviderError> {
        Ok(Sensor::all(machine, "temp").into_iter())
    }
}

/// Voltage sensors.
pub(crate) struct VoltageProbe;

impl Table for VoltageProbe {
    type Row = Sensor;

    const CLASS: &'static str = "Win32_VoltageProbe";

    const COLUMNS: &'static [(&'static str, Fill<Sensor>)] = &[
        ("Availability", |_, _| 3_u16.into()),
        ("Caption", |machine, probe| probe.label(machine).into()),
        ("CurrentReading", |machine, probe| probe.thousandths(machine, "input").into()),
        ("Description", |_, _| "Voltage Probe".into()),
        ("DeviceID", |_, probe| probe.id().into()),
        ("IsLinear", |_, _| true.into()),
        ("LowerThresholdCritical", |machine, probe| probe.thousandths(machine, "lcrit").into()),
        ("LowerThresholdNonCritical", |machine, probe| probe.thousandths(machine, "min").into()),
        ("Name", |machine, probe| probe.label(machine).into()),
        ("Status", |machine, probe| probe.status(machine).into()),
        ("StatusInfo", |_, _| 3_u16.into()),
        ("UpperThresholdCritical", |machine, probe| probe.thousandths(machine, "crit").into()),
        ("UpperThresholdNonCritical", |machine, probe| probe.thousandths(machine, "max").into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Sensor>, ProviderError> {
        Ok(Sensor::all(machine, "in").into_iter())
    }
}

/// Current sensors.
pub(crate) struct CurrentProbe;

impl Table for CurrentProbe {
    type Row = Sensor;

    const CLASS: &'static str = "Win32_CurrentProbe";

    const COLUMNS: &'static [(&'static str, Fill<Sensor>)] = &[
        ("Availability", |_, _| 3_u16.into()),
        ("Caption", |machine, probe| probe.label(machine).into()),
        ("CurrentReading", |machine, probe| probe.thousandths(machine, "input").into()),
        ("Description", |_, _| "Current Probe".into()),
        ("DeviceID", |_, probe| probe.id().into()),
        ("IsLinear", |_, _| true.into()),
        ("LowerThresholdCritical", |machine, probe| probe.thousandths(machine, "lcrit").into()),
        ("LowerThresholdNonCritical", |machine, probe| probe.thousandths(machine, "min").into()),
        ("Name", |machine, probe| probe.label(machine).into()),
        ("Status", |machine, probe| probe.status(machine).into()),
        ("StatusInfo", |_, _| 3_u16.into()),
        ("UpperThresholdCritical", |machine, probe| probe.thousandths(machine, "crit").into()),
        ("UpperThresholdNonCritical", |machine, probe| probe.thousandths(machine, "max").into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Sensor>, ProviderError> {
        Ok(Sensor::all(machine, "curr").into_iter())
    }
}
