//! Properties of superclasses that Linux knows for none of their instances.

use cim::Property;

/// Returns whether an inherited property is NULL in every class whose table has no column for it.
pub(crate) fn is_unknown(property: &Property) -> bool {
    let of_class = UNKNOWN.iter().filter(|(superclass, _)| property.origin == **superclass);
    of_class.flat_map(|(_, names)| *names).any(|name| property.name == **name)
}

/// Superclasses of any namespace, with the properties that are unknown on Linux.
///
/// A class for which Linux knows such a property has a column for it.
const UNKNOWN: &[(&str, &[&str])] = &[
    (
        "CIM_EnabledLogicalElement",
        &[
            "AvailableRequestedStates",
            "EnabledDefault",
            "OtherEnabledState",
            "RequestedState",
            "TimeOfLastStateChange",
            "TransitioningToState",
        ],
    ),
    (
        "CIM_LogicalDevice",
        &["ErrorCleared", "ErrorDescription", "LastErrorCode", "PowerManagementCapabilities"],
    ),
    ("CIM_ManagedElement", &["InstanceID"]),
    (
        "CIM_ManagedSystemElement",
        &[
            "CommunicationStatus",
            "DetailedStatus",
            "HealthState",
            "InstallDate",
            "OperatingStatus",
            "OperationalStatus",
            "PrimaryStatus",
            "StatusDescriptions",
        ],
    ),
    (
        "CIM_MediaAccessDevice",
        &[
            "CompressionMethod",
            "DefaultBlockSize",
            "ErrorMethodology",
            "MaxBlockSize",
            "MaxMediaSize",
            "MinBlockSize",
            "NeedsCleaning",
            "NumberOfMediaSupported",
        ],
    ),
    ("CIM_PhysicalElement", &["Model", "OtherIdentifyingInfo", "PartNumber", "PoweredOn", "SKU"]),
    ("CIM_ProtocolEndpoint", &["NameFormat", "OtherTypeDescription", "ProtocolType"]),
    ("CIM_Setting", &["SettingID"]),
    ("CIM_StorageExtent", &["ErrorMethodology"]),
    (
        "MSFT_StorageObject",
        &["PassThroughClass", "PassThroughIds", "PassThroughNamespace", "PassThroughServer"],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cim::{Namespace, Schema};

    use super::*;

    #[test]
    fn what_is_unknown_of_a_superclass_is_a_property_of_it() {
        let spaces = ["root/cimv2", "root/scx", "root/standardcimv2", "root/microsoft/windows/storage"];
        let spaces = spaces.iter().filter_map(|name| Namespace::parse(name).ok());
        let schemas: Vec<_> = spaces.map(Schema::of).collect();
        for (superclass, names) in UNKNOWN {
            let classes: Vec<_> = schemas.iter().filter_map(|schema| schema.class(superclass)).collect();
            let properties = classes.iter().flat_map(|class| class.properties());
            let own: BTreeSet<_> = properties
                .filter(|property| property.origin == **superclass)
                .map(|property| property.name.as_str())
                .collect();
            let foreign: Vec<_> = names.iter().filter(|name| !own.contains(**name)).collect();
            assert!(foreign.is_empty(), "{superclass} has no {foreign:?}");
        }
    }
}
