//! Query for the instances of one class.

use std::sync::Arc;

use cim::{Class, ColumnSet, Instance, Value};
use wmi::Scan;

use crate::names;

/// A class with the columns and devices that a query needs.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) class: Arc<Class>,
    columns: ColumnSet,
    /// DeviceIDs that may match; `None` if any may.
    devices: Option<Vec<String>>,
}

impl Query {
    pub(crate) fn new(scan: &Scan) -> Self {
        Self {
            class: scan.class().clone(),
            columns: scan.columns().clone(),
            devices: texts(scan, "DeviceID"),
        }
    }

    /// Returns a query for all instances and columns of another class.
    pub(crate) fn whole(class: Arc<Class>) -> Self {
        Self { columns: class.columns(), class, devices: None }
    }

    /// Returns an instance that has only the defaults of its class.
    pub(crate) fn row(&self) -> Instance {
        Instance::with_defaults(self.class.clone())
    }

    /// Returns whether any of these properties is needed.
    pub(crate) fn wants(&self, names: &[&str]) -> bool {
        names.iter().filter_map(|name| self.class.column(name)).any(|column| self.columns.contains(column))
    }

    /// Returns whether the device with this name may match.
    pub(crate) fn wants_device(&self, device: &str) -> bool {
        self.devices.as_ref().is_none_or(|devices| devices.iter().any(|wanted| wanted == device))
    }
}

/// Returns the names of the controllers whose rows may match, in the order of the query; `None` if any may.
pub(crate) fn controllers(scan: &Scan) -> Option<Vec<String>> {
    let named = NAMING.iter().find_map(|property| texts(scan, property));
    named.map(|names| names.iter().map(|name| names::controller_of(name).to_owned()).collect())
}

/// Returns the texts that a property must equal. For references, the naming property of their targets is
/// used.
fn texts(scan: &Scan, property: &str) -> Option<Vec<String>> {
    let rows = scan.pinned(&[property])?;
    rows.iter()
        .map(|row| match row.as_slice() {
            [Value::String(text)] => Some(text.clone().into_owned()),
            [Value::Reference(path)] => {
                let keys = path.keys();
                let named = NAMING.iter().find_map(|name| keys.iter().find(|(key, _)| *key == **name));
                named.map(|(_, value)| value.to_text())
            }
            _ => None,
        })
        .collect()
}

/// Properties that contain the name of the controller; the first that the query restricts is used.
const NAMING: [&str; 14] = [
    "SystemName",
    "LogName",
    "InstanceID",
    "InstanceName",
    "Name",
    "GroupComponent",
    "PartComponent",
    "OwningElement",
    "OwnedElement",
    "Collection",
    "Member",
    "Antecedent",
    "Dependent",
    "Log",
];
