//! What is wanted of the instances of one class.

use std::sync::Arc;

use cim::{Class, ColumnSet, Instance, Value};
use wmi::Scan;

use crate::names;

/// A class, and what of its rows is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) class: Arc<Class>,
    columns: ColumnSet,
    /// The only devices that can be wanted.
    devices: Option<Vec<String>>,
}

impl Question {
    pub(crate) fn new(scan: &Scan) -> Self {
        Self {
            class: scan.class().clone(),
            columns: scan.columns().clone(),
            devices: texts(scan, "DeviceID"),
        }
    }

    /// All of the instances of another class.
    pub(crate) fn whole(class: Arc<Class>) -> Self {
        Self { columns: class.columns(), class, devices: None }
    }

    /// An instance that has nothing yet but the defaults of its class.
    pub(crate) fn row(&self) -> Instance {
        Instance::with_defaults(self.class.clone())
    }

    /// Whether any of these properties is looked at.
    pub(crate) fn wants(&self, names: &[&str]) -> bool {
        names.iter().filter_map(|name| self.class.column(name)).any(|column| self.columns.contains(column))
    }

    /// Whether the device of this name can be wanted.
    pub(crate) fn wants_device(&self, device: &str) -> bool {
        self.devices.as_ref().is_none_or(|devices| devices.iter().any(|wanted| wanted == device))
    }
}

/// The names of the only controllers whose rows can be wanted, in the order of the question.
pub(crate) fn controllers(scan: &Scan) -> Option<Vec<String>> {
    let named = NAMING.iter().find_map(|property| texts(scan, property));
    named.map(|names| names.iter().map(|name| names::controller_of(name).to_owned()).collect())
}

/// The values that a property must have: texts, or those of the naming property of what references lead to.
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

/// Properties whose values tell the controller; the first that a class has counts.
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
