//! Instances of each class, read from one controller.

mod account;
mod association;
mod driver;
mod log;
mod sensor;
mod system;
mod view;

use std::sync::Arc;

use cim::{Instance, Name, Namespace};

use crate::HardwareError;
use crate::controller::Controller;
use crate::query::Query;

pub(crate) use self::driver::{attention, request_response, request_response_ex};
pub(crate) use self::log::{clear, record as log_record};
pub(crate) use self::sensor::{factors, set_thresholds};
pub(crate) use self::system::{change_state, set_power_state};
pub(crate) use self::view::{change_boot, change_network, change_password, read_log, set_order};

/// A class whose instances come from controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SupportedClass {
    AdminDomain,
    ComputerSystem,
    SystemSpecificCollection,
    Sensor,
    NumericSensor,
    RecordLog,
    LogRecord,
    Account,
    PrivilegeGroup,
    AuthorizedPrivilege,
    ConcreteCollection,
    RegisteredProfile,
    SystemDevice,
    OwningCollectionElement,
    MemberOfCollection,
    UseOfLog,
    LogManagesRecord,
    /// `Microsoft_IPMI`.
    Driver,
    /// `MSFT_PCSVDevice`.
    View,
}

impl SupportedClass {
    const ALL: [(&str, &str, Self); 19] = [
        (HARDWARE, "AdminDomain", Self::AdminDomain),
        (HARDWARE, "ComputerSystem", Self::ComputerSystem),
        (HARDWARE, "SystemSpecificCollection", Self::SystemSpecificCollection),
        (HARDWARE, "Sensor", Self::Sensor),
        (HARDWARE, "NumericSensor", Self::NumericSensor),
        (HARDWARE, "RecordLog", Self::RecordLog),
        (HARDWARE, "LogRecord", Self::LogRecord),
        (HARDWARE, "Account", Self::Account),
        (HARDWARE, "PrivilegeGroup", Self::PrivilegeGroup),
        (HARDWARE, "AuthorizedPrivilege", Self::AuthorizedPrivilege),
        (HARDWARE, "ConcreteCollection", Self::ConcreteCollection),
        (HARDWARE, "RegisteredProfile", Self::RegisteredProfile),
        (HARDWARE, "CIM_SystemDevice", Self::SystemDevice),
        (HARDWARE, "CIM_OwningCollectionElement", Self::OwningCollectionElement),
        (HARDWARE, "CIM_MemberOfCollection", Self::MemberOfCollection),
        (HARDWARE, "CIM_UseOfLog", Self::UseOfLog),
        (HARDWARE, "CIM_LogManagesRecord", Self::LogManagesRecord),
        ("root/wmi", "Microsoft_IPMI", Self::Driver),
        ("root/microsoft/windows/hardwaremanagement", "MSFT_PCSVDevice", Self::View),
    ];

    /// Returns the classes with their namespaces.
    pub(crate) fn classes() -> Vec<(Namespace, Name)> {
        let classes = Self::ALL
            .iter()
            .map(|(namespace, name, _)| Some((Namespace::parse(namespace).ok()?, Name::parse(name).ok()?)));
        classes.flatten().collect()
    }

    /// Returns the subject of a class; the name must be one of [`SupportedClass::classes`].
    pub(crate) fn of(class: &Name) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, _)| *class == **name).map(|(.., subject)| *subject)
    }

    /// Returns whether there is one instance for all controllers together.
    pub(crate) fn is_machine_wide(self) -> bool {
        matches!(self, Self::AdminDomain | Self::RegisteredProfile)
    }

    /// Returns the instances that do not depend on controllers.
    pub(crate) fn machine_rows(self, machine: &str, query: &Query) -> Result<Vec<Instance>, HardwareError> {
        match self {
            Self::AdminDomain => system::domain(machine, query),
            _ => account::profiles(query),
        }
    }

    /// Returns the instances of one controller.
    pub(crate) async fn read(
        self,
        controller: &Arc<Controller>,
        query: &Query,
    ) -> Result<Vec<Instance>, HardwareError> {
        match self {
            Self::AdminDomain | Self::RegisteredProfile => Ok(Vec::new()),
            Self::ComputerSystem => system::systems(controller, query).await,
            Self::SystemSpecificCollection => system::collection(controller, query),
            Self::Sensor => sensor::discrete(controller, query).await,
            Self::NumericSensor => sensor::numeric(controller, query).await,
            Self::RecordLog => log::logs(controller, query).await,
            Self::LogRecord => log::records(controller, query).await,
            Self::Account => account::accounts(controller, query).await,
            Self::PrivilegeGroup => account::groups(controller, query),
            Self::AuthorizedPrivilege => account::privileges(controller, query),
            Self::ConcreteCollection => account::collection(controller, query),
            Self::SystemDevice => association::system_devices(controller, query).await,
            Self::OwningCollectionElement => association::owned_collections(controller, query),
            Self::MemberOfCollection => association::members(controller, query).await,
            Self::UseOfLog => association::uses_of_log(controller, query),
            Self::LogManagesRecord => association::log_records(controller, query).await,
            Self::Driver => driver::driver(controller, query),
            Self::View => view::view(controller, query).await,
        }
    }

    /// Returns the instance that represents a controller that cannot be reached, for classes that have one.
    pub(crate) fn unreachable(
        self,
        controller: &Controller,
        query: &Query,
        error: &HardwareError,
    ) -> Result<Option<Instance>, HardwareError> {
        match self {
            Self::ComputerSystem => system::unreachable(controller, query, error).map(Some),
            Self::View => view::unreachable(controller, query).map(Some),
            _ => Ok(None),
        }
    }
}

const HARDWARE: &str = "root/hardware";
