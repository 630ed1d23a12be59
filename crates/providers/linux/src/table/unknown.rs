//! Properties without a value on Linux, which the tests read from a file beside the schema.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use cim::Property;

/// Names of classes, with their namespace unless they are superclasses, and of their unknown properties.
type Unknown = HashMap<&'static str, HashSet<&'static str>>;

static UNKNOWN: LazyLock<Unknown> = LazyLock::new(|| {
    let mut unknown = Unknown::new();
    let mut class = "";
    for line in FILE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("    ") {
            Some(names) => unknown.entry(class).or_default().extend(names.split(' ')),
            None => class = line,
        }
    }
    unknown
});

const FILE: &str = include_str!("../../../../cim/src/schema/unknown_on_linux.txt");

/// Returns the properties that are unknown for a class.
pub(crate) fn of_class(namespace: &str, class: &str) -> HashSet<&'static str> {
    UNKNOWN.get(&*format!("{namespace}:{class}")).cloned().unwrap_or_default()
}

/// Returns whether an inherited property is NULL in every class whose table has no column for it.
pub(crate) fn is_unknown(property: &Property) -> bool {
    UNKNOWN
        .iter()
        .filter(|(superclass, _)| property.origin == ***superclass)
        .any(|(_, names)| names.iter().any(|name| property.name == **name))
}

#[test]
fn unknown_properties_are_properties_of_their_classes() {
    use cim::{Namespace, Schema};
    use std::collections::BTreeSet;

    let spaces = ["root/cimv2", "root/scx", "root/standardcimv2", "root/microsoft/windows/storage"];
    let spaces: Vec<_> = spaces.iter().filter_map(|name| Namespace::parse(name).ok()).collect();
    for (name, unknown) in UNKNOWN.iter() {
        let (spaces, name) = match name.split_once(':') {
            Some((space, name)) => (Namespace::parse(space).into_iter().collect(), name),
            None => (spaces.clone(), *name),
        };
        let classes = spaces.into_iter().map(Schema::of).filter_map(|schema| schema.class(name));
        let own: BTreeSet<String> = classes
            .flat_map(|class| {
                class.properties().iter().map(|property| property.name.to_string()).collect::<Vec<_>>()
            })
            .collect();
        let foreign: Vec<_> = unknown.iter().filter(|name| !own.contains(**name)).collect();
        assert!(foreign.is_empty(), "{name} has no {foreign:?}");
    }
}
