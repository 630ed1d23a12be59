//! Information in a condition for the provider of the rows.

use telarch_cim::wql::Predicate;
use telarch_cim::{Class, Column, Value};

use super::{classes, select};
use crate::{cimv2, origin};

fn bind(class: &Class, condition: &str) -> Predicate {
    Predicate::bind(&select(&format!("SELECT * FROM Sample WHERE {condition}")), class, &origin()).unwrap()
}

/// Returns the pinned values of the keys Handle and Id, as text.
fn pinned(condition: &str) -> Option<Vec<String>> {
    let (class, _) = classes();
    let in_words = |values: Vec<Value>| {
        let mut words = String::new();
        for value in values {
            value.write_text(&mut words);
            words.push(' ');
        }
        words.trim_end().to_owned()
    };
    Some(bind(&class, condition).pinned(class.keys())?.into_iter().map(in_words).collect())
}

#[test]
fn equalities_of_all_keys_pin_rows() {
    for (condition, rows) in [
        ("Handle = 'a' AND Id = 1", Some(vec!["a 1"])),
        ("1 = Id AND 'a' = Handle AND Text LIKE '%'", Some(vec!["a 1"])),
        ("Handle = 4 AND Id = '4'", Some(vec!["4 4"])),
        ("(Handle = 'a' OR Handle = 'b') AND Id = 1", Some(vec!["a 1", "b 1"])),
        ("Handle = 'a' AND Id = 1 OR Handle = 'b' AND Id = 2", Some(vec!["a 1", "b 2"])),
        ("Handle = 'a' AND Id = 1 OR Handle = 'A' AND Id = 1", Some(vec!["a 1"])),
        ("Handle = 'a' AND Handle = 'b' AND Id = 1", Some(vec![])),
        ("Handle = 'a' AND Handle = 'A' AND Id = 1", Some(vec!["a 1"])),
        ("NOT NOT (Handle = 'a' AND Id = 1)", Some(vec!["a 1"])),
        ("__CLASS = 'Other'", Some(vec![])),
        ("__CLASS = 'Sample' AND Handle = 'a' AND Id = 1", Some(vec!["a 1"])),
        ("Handle = 'a'", None),
        ("Handle = 'a' OR Id = 1", None),
        ("Handle = 'a' AND Id > 1", None),
        ("Handle = 'a' AND NOT Id = 1", None),
        ("NOT (Handle <> 'a' OR Id <> 1)", None),
        ("Handle LIKE 'a' AND Id = 1", None),
        ("Handle = 'a' AND Id = 1 OR Text = 'b'", None),
    ] {
        let rows = rows.map(|rows| rows.into_iter().map(str::to_owned).collect());
        assert_eq!(pinned(condition), rows, "{condition}");
    }
}

#[test]
fn too_many_rows_are_not_pinned() {
    let few: Vec<_> = (0..60).map(|id| format!("Id = {id}")).collect();
    let many: Vec<_> = (0..600).map(|id| format!("Id = {id}")).collect();
    assert_eq!(pinned(&format!("Handle = 'a' AND ({})", few.join(" OR "))).map(|rows| rows.len()), Some(60));
    assert_eq!(pinned(&format!("Handle = 'a' AND ({})", many.join(" OR "))), None);
    let product = format!("({}) AND ({})", few.join(" OR "), few.join(" OR ").replace("Id", "Handle"));
    assert_eq!(pinned(&product), None);
}

#[test]
fn a_column_other_than_a_key_can_be_pinned() {
    let class = cimv2().require("Win32_Process").unwrap();
    let query = select("SELECT Name FROM Win32_Process WHERE ProcessId = 4 OR ProcessId = 5");
    let predicate = Predicate::bind(&query, &class, &origin()).unwrap();
    let column = class.column("ProcessId").unwrap();
    assert_eq!(predicate.pinned(&[column]), Some(vec![vec![4_u32.into()], vec![5_u32.into()]]));
    assert_eq!(predicate.pinned(class.keys()), None);
}

#[test]
fn the_needed_columns_are_those_of_the_condition() {
    let class = cimv2().require("Win32_Process").unwrap();
    let names = |columns: Vec<Column>| -> Vec<String> {
        columns.iter().map(|column| class.property(*column).unwrap().name.to_string()).collect()
    };
    let query = select(
        "SELECT Name, __RELPATH FROM Win32_Process WHERE ThreadCount > 5 AND __CLASS = 'Win32_Process'",
    );
    let predicate = Predicate::bind(&query, &class, &origin()).unwrap();
    assert_eq!(names(predicate.columns().iter().collect()), ["ThreadCount"]);
    let (columns, system) = query.selected(&class).unwrap();
    assert_eq!((names(columns.iter().collect()), system.len()), (vec!["Name".to_owned()], 1));
    let whole = select("SELECT * FROM Win32_Process WHERE __RELPATH = 'x'");
    assert_eq!(whole.selected(&class).unwrap().0.len(), class.properties().len());
    let predicate = Predicate::bind(&whole, &class, &origin()).unwrap();
    assert_eq!(names(predicate.columns().iter().collect()), ["Handle"], "a path is made of the keys");
    assert!(select("SELECT Missing FROM Win32_Process").selected(&class).is_err());
}

#[test]
fn conditions_independent_of_the_row_become_constants() {
    let (class, _) = classes();
    for (condition, answer) in [
        ("__CLASS = 'Sample'", Some(true)),
        ("__this ISA 'Other' AND Text = 'a'", Some(false)),
        ("__this ISA 'Sample' OR Text = 'a'", Some(true)),
        ("NOT __GENUS = 1", Some(true)),
        ("__CLASS = 'Sample' AND Text = 'a'", None),
    ] {
        assert_eq!(bind(&class, condition).constant(), answer, "{condition}");
    }
}

#[test]
fn an_event_query_reports_the_watched_class() {
    let query = select(
        "SELECT * FROM __InstanceModificationEvent WITHIN 5 \
         WHERE TargetInstance.State = 'Running' AND TargetInstance ISA 'Win32_Service'",
    );
    assert!(query.classes_of("PreviousInstance").is_empty());
    let class = cimv2().require("__InstanceModificationEvent").unwrap();
    Predicate::bind(&query, &class, &origin()).unwrap();
    for (condition, classes) in [
        ("TargetInstance.State = 'Running' AND TargetInstance ISA 'Win32_Service'", &["Win32_Service"][..]),
        ("TargetInstance ISA 'B' OR (TargetInstance ISA 'A' AND TargetInstance.X = 1)", &["A", "B"]),
        ("TargetInstance.__CLASS = 'A' OR TargetInstance ISA 'A'", &["A"]),
        ("'A' = TargetInstance.__Class", &["A"]),
        ("TargetInstance ISA 'A' OR TargetInstance.X = 1", &[]),
        ("NOT TargetInstance ISA 'A'", &[]),
        ("TargetInstance.__CLASS <> 'A'", &[]),
        ("TargetInstance.Part ISA 'A'", &[]),
    ] {
        let query = select(&format!("SELECT * FROM E WHERE {condition}"));
        let found = query.classes_of("TargetInstance");
        assert_eq!(found.iter().map(telarch_cim::Name::as_str).collect::<Vec<_>>(), classes, "{condition}");
    }
}

#[test]
fn a_condition_reports_the_earliest_date() {
    let class = cimv2().require("Win32_NTLogEvent").unwrap();
    let column = class.column("TimeGenerated").unwrap();
    let select = |condition: &str| select(&format!("SELECT * FROM Win32_NTLogEvent WHERE {condition}"));
    let (one, two) = ("'20260101000000.000000+000'", "'20260201000000.000000+000'");
    let january = Some(1_767_225_600_000_000);
    for (condition, bound) in [
        (format!("TimeGenerated >= {one}"), january),
        (format!("TimeGenerated > {one} AND EventType = 1"), january),
        (format!("TimeGenerated > {one} OR TimeGenerated = {two}"), january),
        (format!("{one} < TimeGenerated"), january),
        (format!("TimeGenerated > {one} OR EventType = 1"), None),
        (format!("TimeGenerated < {one}"), None),
        (format!("NOT TimeGenerated < {one}"), None),
        (format!("TimeWritten > {one}"), None),
    ] {
        let predicate = Predicate::bind(&select(&condition), &class, &origin()).unwrap();
        assert_eq!(predicate.not_before(column), bound, "{condition}");
    }
}

#[test]
fn references_differing_only_in_case_are_pinned_once() {
    let declaration = crate::declaration("class Link { [key] Row REF From; };");
    let class: std::sync::Arc<Class> = Class::derive(&declaration, None).unwrap().into();
    let text = r#"SELECT * FROM Link WHERE From = 'Row.Name="a"' AND From = 'ROW.NAME="A"'"#;
    let predicate = Predicate::bind(&select(text), &class, &origin()).unwrap();
    let from = telarch_cim::ObjectPath::parse(r#"Row.Name="a""#).unwrap();
    let row = telarch_cim::Instance::new(class.clone()).with("From", from).unwrap();
    assert!(predicate.evaluate(&row));
    assert_eq!(predicate.pinned(class.keys()).map(|sets| sets.len()), Some(1));
}
