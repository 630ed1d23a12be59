//! `MSAcpi_ThermalZoneTemperature` of `root/wmi`: thermal zones of the kernel (`/sys/class/thermal`).

use cim::Value;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Thermal zones.
pub(crate) struct ThermalZoneTemperature;

/// A thermal zone, by its kernel name.
pub(crate) struct Zone(String);

impl Zone {
    fn line(&self, machine: &Machine, file: &str) -> Option<String> {
        machine.line(format!("sys/class/thermal/{}/{file}", self.0))
    }

    /// Returns a temperature in tenths of a kelvin; the kernel has thousandths of a degree Celsius.
    fn temperature(&self, machine: &Machine, file: &str) -> Option<u32> {
        let thousandths: i64 = self.line(machine, file)?.parse().ok()?;
        u32::try_from(thousandths.checked_add(273_150)? / 100).ok()
    }

    /// Returns the temperatures at which the kernel acts in this way: `active`, `passive` or `critical`.
    fn trip_points(&self, machine: &Machine, kind: &str) -> Vec<u32> {
        /// Maximum number of trip points of a zone (`THERMAL_MAX_TRIPS` of older kernels).
        const MOST: usize = 12;
        let kinds =
            (0..MOST).map(|number| (number, self.line(machine, &format!("trip_point_{number}_type"))));
        let own = kinds.filter(|(_, own)| own.as_deref() == Some(kind));
        own.filter_map(|(number, _)| self.temperature(machine, &format!("trip_point_{number}_temp")))
            .collect()
    }
}

impl Table for ThermalZoneTemperature {
    type Row = Zone;

    const NAMESPACE: &'static str = "root/wmi";

    const CLASS: &'static str = "MSAcpi_ThermalZoneTemperature";

    const COLUMNS: &'static [(&'static str, Fill<Zone>)] = &[
        ("Active", |_, _| true.into()),
        ("ActiveTripPoint", |machine, zone| match zone.trip_points(machine, "active") {
            points if points.is_empty() => Value::Null,
            points => points.into(),
        }),
        ("ActiveTripPointCount", |machine, zone| {
            u32::try_from(zone.trip_points(machine, "active").len()).ok().into()
        }),
        ("CriticalTripPoint", |machine, zone| zone.trip_points(machine, "critical").first().copied().into()),
        ("CurrentTemperature", |machine, zone| zone.temperature(machine, "temp").into()),
        ("InstanceName", |machine, zone| {
            let kind = zone.line(machine, "type").unwrap_or_default();
            let number = zone.0.trim_start_matches("thermal_zone");
            format!("ACPI\\ThermalZone\\{kind}_{number}").into()
        }),
        ("PassiveTripPoint", |machine, zone| zone.trip_points(machine, "passive").first().copied().into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Zone>, ProviderError> {
        let names = machine.names("sys/class/thermal").unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| name.starts_with("thermal_zone"));
        names.sort_by_key(|name| (name.len(), name.clone()));
        Ok(names.into_iter().map(Zone))
    }
}
