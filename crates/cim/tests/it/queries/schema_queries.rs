//! Queries of classes.

use telarch_cim::wql::matches_class;

use super::select;
use crate::{cimv2, origin};

/// Counts the classes that match a condition.
fn count(condition: &str) -> usize {
    let schema = cimv2();
    let query = select(&format!("SELECT * FROM meta_class WHERE {condition}"));
    assert!(query.is_of_classes());
    let names: Vec<_> = schema.names().map(|(name, _)| name.to_string()).collect();
    let class = |name: &String| schema.require(name).unwrap();
    names.iter().filter(|name| matches_class(&query, &class(name), &origin()).unwrap()).count()
}

#[test]
fn classes_can_be_queried_by_superclass() {
    let schema = cimv2();
    assert_eq!(count("__this ISA 'CIM_Service'"), schema.subclasses("CIM_Service").len() + 1);
    assert_eq!(count("__this ISA \"Win32_Process\""), 1);
    assert_eq!(count("__this ISA 'Missing'"), 0);
    assert_eq!(count("__Class = 'win32_process'"), 1);
    assert_eq!(count("__Superclass = 'Win32_BaseService'"), 2);
    assert!(count("__Superclass IS NULL") > 5);
    assert!(count("__Dynasty = 'CIM_ManagedSystemElement'") > 80);
    assert_eq!(count("__GENUS = 1"), schema.names().count());
    assert_eq!(count("__Class LIKE 'Win32_PerfRaw%' AND NOT __this ISA 'Win32_PerfRawData'"), 0);
}

#[test]
fn class_queries_support_only_system_properties() {
    let class = cimv2().require("Win32_Process").unwrap();
    for condition in ["Name = 'a'", "Handle IS NULL", "Name LIKE '%'"] {
        let query = select(&format!("SELECT * FROM meta_class WHERE {condition}"));
        assert!(matches_class(&query, &class, &origin()).is_err(), "{condition}");
    }
}
