//! Keys and paths of accounts.

use cim::{KeyValue, Name, ObjectPath, Value};

use crate::Machine;

/// Returns the path of an account of this machine.
pub(super) fn path(class: &str, machine: &Machine, name: &str) -> Value {
    parsed(class, machine.host_name(), name).ok().into()
}

fn parsed(class: &str, domain: String, name: &str) -> Result<ObjectPath, cim::Error> {
    let keys = vec![
        (Name::parse("Domain")?, KeyValue::Text(domain)),
        (Name::parse("Name")?, KeyValue::Text(name.to_owned())),
    ];
    ObjectPath::from_keys(Name::parse(class)?, keys)
}

/// Returns whether the domain in a key is this machine, which `.` also means.
pub(super) fn is_of_here(machine: &Machine, domain: &str) -> bool {
    domain.eq_ignore_ascii_case(&machine.host_name())
}
