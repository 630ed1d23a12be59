//! Health states of CIM (CIM_ManagedSystemElement).

use cim::{Instance, Value};
use ipmi::SensorStatus;

/// Health, in ascending order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    Unknown,
    Ok,
    Warning,
    Critical,
    NonRecoverable,
}

impl Health {
    /// Returns the value of HealthState.
    pub(crate) fn state(self) -> u16 {
        match self {
            Self::Unknown => 0,
            Self::Ok => 5,
            Self::Warning => 10,
            Self::Critical => 25,
            Self::NonRecoverable => 30,
        }
    }

    /// Returns an element of OperationalStatus.
    pub(crate) fn operational(self) -> u16 {
        match self {
            Self::Unknown => 0,
            Self::Ok => 2,
            Self::Warning => 3,
            Self::Critical => 6,
            Self::NonRecoverable => 7,
        }
    }

    /// Returns the value of Status.
    fn word(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Ok => "OK",
            Self::Warning => "Degraded",
            Self::Critical => "Error",
            Self::NonRecoverable => "NonRecover",
        }
    }

    /// Sets the health properties, and StatusDescriptions if there is a description.
    pub(crate) fn fill(self, row: Instance, description: Option<String>) -> Result<Instance, cim::Error> {
        let words = description.map_or(Value::Null, |text| vec![text].into());
        row.with("HealthState", self.state())?
            .with("OperationalStatus", vec![self.operational()])?
            .with("Status", self.word())?
            .with("StatusDescriptions", words)
    }
}

impl From<SensorStatus> for Health {
    fn from(standing: SensorStatus) -> Self {
        match standing {
            SensorStatus::Unavailable => Self::Unknown,
            SensorStatus::Ok => Self::Ok,
            SensorStatus::NonCritical => Self::Warning,
            SensorStatus::Critical => Self::Critical,
            SensorStatus::NonRecoverable => Self::NonRecoverable,
        }
    }
}
