//! `Win32_ParallelPort`: parallel ports (kernel admin-guide, parport).

use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Parallel ports.
pub(crate) struct ParallelPort;

/// A port, by its kernel name.
pub(crate) struct Port(String);

impl Port {
    fn line(&self, machine: &Machine, file: &str) -> Option<String> {
        machine.line(format!("proc/sys/dev/parport/{}/{file}", self.0))
    }

    /// Returns the modes that the port supports, such as `PCSPP` and `EPP`.
    fn modes(&self, machine: &Machine) -> Vec<String> {
        let modes = self.line(machine, "modes").unwrap_or_default();
        modes.split(',').filter(|mode| !mode.is_empty()).map(str::to_owned).collect()
    }
}

/// Returns the value of `Capabilities` for a mode of the kernel.
fn capability(mode: &str) -> u16 {
    match mode {
        // XT/AT compatible
        "PCSPP" => 2,
        // PS/2 compatible
        "TRISTATE" => 3,
        "ECP" => 4,
        "EPP" => 5,
        // Other
        _ => 1,
    }
}

impl Table for ParallelPort {
    type Row = Port;

    const CLASS: &'static str = "Win32_ParallelPort";

    const COLUMNS: &'static [(&'static str, Fill<Port>)] = &[
        ("Availability", |_, _| 3_u16.into()),
        ("Capabilities", |machine, port| {
            port.modes(machine).iter().map(|mode| capability(mode)).collect::<Vec<_>>().into()
        }),
        ("CapabilityDescriptions", |machine, port| port.modes(machine).into()),
        ("Caption", |_, port| port.0.clone().into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |_, _| "Parallel Port".into()),
        ("DeviceID", |_, port| port.0.clone().into()),
        // A port without DMA has the channel -1.
        ("DMASupport", |machine, port| {
            let channel = port.line(machine, "dma").and_then(|channel| channel.parse::<i32>().ok());
            channel.map(|channel| channel >= 0).into()
        }),
        ("Name", |_, port| port.0.clone().into()),
        ("OSAutoDiscovered", |_, _| true.into()),
        // 17 is "Parallel Protocol".
        ("ProtocolSupported", |_, _| 17_u16.into()),
        ("Status", |_, _| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Port>, ProviderError> {
        let names = machine.names("proc/sys/dev/parport").unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| name.starts_with("parport"));
        names.sort_by_key(|name| (name.len(), name.clone()));
        Ok(names.into_iter().map(Port))
    }
}
