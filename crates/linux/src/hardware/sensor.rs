//! Batteries (`/sys/class/power_supply`) and sensors (`/sys/class/hwmon`).

use crate::Machine;
use crate::storage::block::folder_of;

/// A battery, by its kernel name.
pub struct PowerSupply(pub String);

impl PowerSupply {
    /// Returns the line in a file of the battery.
    pub fn line(&self, machine: &Machine, file: &str) -> Option<String> {
        machine.line(format!("sys/class/power_supply/{}/{file}", self.0))
    }

    /// Returns the number in a file of the battery.
    pub fn number(&self, machine: &Machine, file: &str) -> Option<u64> {
        self.line(machine, file)?.parse().ok()
    }

    /// Returns an energy in mWh: reported in µWh, or computed from charge and voltage.
    pub fn energy(&self, machine: &Machine, energy: &str, charge: &str) -> Option<u32> {
        let micro = self.number(machine, energy).or_else(|| {
            let (charge, voltage) =
                (self.number(machine, charge)?, self.number(machine, "voltage_min_design")?);
            charge.checked_mul(voltage)?.checked_div(1_000_000)
        })?;
        u32::try_from(micro / 1_000).ok()
    }
}

/// A sensor of a monitoring chip.
pub struct Sensor {
    /// Directory of the chip, below the root.
    pub chip: String,
    /// Stable identifier of the chip: its name and its device.
    pub identity: String,
    /// Name of the measurement, such as `fan1`.
    pub measurement: String,
}

impl Sensor {
    /// Returns all sensors of a kind.
    pub fn all(machine: &Machine, kind: &str) -> Vec<Self> {
        let mut sensors = Vec::new();
        for name in machine.names("sys/class/hwmon").unwrap_or_default() {
            let Some(name) = name.to_str() else { continue };
            let chip = format!("sys/class/hwmon/{name}");
            let device = folder_of(machine, &format!("{chip}/device"));
            let device = device.and_then(|folder| folder.rsplit('/').next().map(str::to_owned));
            let parts = machine.line(format!("{chip}/name")).into_iter().chain(device);
            let identity = parts.collect::<Vec<_>>().join("-");
            let files = machine.names(&chip).unwrap_or_default();
            sensors.extend(files.iter().filter_map(|file| {
                let measurement = file.to_str()?.strip_suffix("_input")?;
                let number = measurement.strip_prefix(kind)?;
                number.parse::<u32>().ok()?;
                Some(Self {
                    chip: chip.clone(),
                    identity: identity.clone(),
                    measurement: measurement.to_owned(),
                })
            }));
        }
        sensors.sort_by_key(Self::id);
        sensors
    }

    /// Returns a stable identifier.
    pub fn id(&self) -> String {
        format!("{}/{}", self.identity, self.measurement)
    }

    /// Returns the label of the chip for the sensor.
    pub fn label(&self, machine: &Machine) -> String {
        let label = machine.line(format!("{}/{}_label", self.chip, self.measurement));
        label.unwrap_or_else(|| self.id())
    }

    /// Returns the number in a file of the sensor, such as `max` for `fan1_max`.
    pub fn number(&self, machine: &Machine, file: &str) -> Option<i64> {
        machine.number(format!("{}/{}_{file}", self.chip, self.measurement))
    }

    /// Returns a temperature in tenths of a degree; the kernel reports thousandths.
    pub fn tenths(&self, machine: &Machine, file: &str) -> Option<i32> {
        i32::try_from(self.number(machine, file)? / 100).ok()
    }

    /// Returns a voltage in millivolts or a current in milliamperes, as the kernel reports them.
    pub fn thousandths(&self, machine: &Machine, file: &str) -> Option<i32> {
        i32::try_from(self.number(machine, file)?).ok()
    }

    /// Returns the status, from the fault and alarm flags of the chip.
    pub fn status(&self, machine: &Machine) -> &'static str {
        let has_alarm = self.is_set(machine, "alarm") || self.is_set(machine, "crit_alarm");
        match (self.is_set(machine, "fault"), has_alarm) {
            (true, _) => "Error",
            (_, true) => "Degraded",
            _ => "OK",
        }
    }

    fn is_set(&self, machine: &Machine, file: &str) -> bool {
        self.number(machine, file).is_some_and(|number| number != 0)
    }
}
