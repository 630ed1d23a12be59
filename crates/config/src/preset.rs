//! Named sets of defaults.

use std::fmt;

use crate::Config;
use crate::value::{Descriptor, Number};

/// Named set of defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Defaults of current Windows, with the quotas that its documentation gives.
    #[default]
    Telarch,
    /// Defaults of WinRM 2.0, from *Installation and Configuration for Windows Remote Management*.
    Winrm20,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 2] = [Self::Telarch, Self::Winrm20];

    /// Returns the preset with a name, compared without case.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name().eq_ignore_ascii_case(name))
    }

    /// Name in files and on command lines: `telarch` or `winrm-2.0`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Telarch => "telarch",
            Self::Winrm20 => "winrm-2.0",
        }
    }

    /// Returns the configuration with the defaults of the preset.
    #[must_use]
    pub fn config(self) -> Config {
        let mut config = Config::default();
        match self {
            Self::Telarch => {}
            Self::Winrm20 => winrm_2_0(&mut config),
        }
        config
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

fn winrm_2_0(config: &mut Config) {
    config.max_envelope_sizekb = Number::of::<150>();
    config.max_provider_requests = Number::of::<25>();
    config.service.root_sddl = Descriptor::constant(WINRM_2_0_SDDL);
    config.service.max_concurrent_operations = Number::of::<100>();
    config.service.enumeration_timeoutms = Number::of::<60_000>();
    config.service.max_connections = Number::of::<25>();
    config.winrs.idle_timeout = Number::of::<180_000>();
    config.winrs.max_concurrent_users = Number::of::<5>();
    config.winrs.max_shell_run_time = Number::of::<28_800_000>();
    config.winrs.max_processes_per_shell = Number::of::<15>();
    config.winrs.max_memory_per_shell_mb = Number::of::<150>();
    config.winrs.max_shells_per_user = Number::of::<5>();
}

/// Root descriptor of WinRM 2.0: members of Event Log Readers may read, instead of interactive users.
const WINRM_2_0_SDDL: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;ER)S:P(AU;FA;GA;;;WD)(AU;SA;GWGX;;;WD)";
