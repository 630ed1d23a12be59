//! Tests of association queries.

use cim::Status;
use telarch_wmi::Outcome;

use crate::machine::machine;
use crate::{all, cimv2, context};

/// Returns the paths that an association query finds, and the calls of providers.
async fn found(query: &str) -> (Vec<String>, Vec<String>) {
    let (engine, record) = machine();
    let rows = engine.query(&context(), &cimv2(), query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let paths = all(rows).await.unwrap().iter().map(|row| row.path().unwrap().to_string()).collect();
    (paths, std::mem::take(&mut *record.lock().unwrap()))
}

const B: &str = "Win32_Service.Name=\"b\"";
const C: &str = "Site_Service.Name=\"c\"";

#[tokio::test]
async fn associators_are_the_instances_at_the_other_end() {
    let (paths, calls) = found("ASSOCIATORS OF {Win32_Service.Name='a'}").await;
    assert_eq!(paths, [B, C]);
    // Both ends can be a service, so the provider is asked for each end.
    assert!(calls.contains(&"enumerate Win32_DependentService by [true, false]".to_owned()), "{calls:?}");
    assert!(calls.contains(&"get Win32_Service b".to_owned()), "{calls:?}");
    let (paths, _) = found("ASSOCIATORS OF {Win32_Service='A'} WHERE ResultClass=Site_Service").await;
    assert_eq!(paths, [C]);
    let (paths, _) = found("ASSOCIATORS OF {Win32_Service='b'}").await;
    assert_eq!(paths, ["Win32_Service.Name=\"a\""]);
}

#[tokio::test]
async fn roles_and_classes_leave_ways_out() {
    for (words, count) in [
        ("Role = Antecedent", 2),
        ("Role = Dependent", 0),
        ("ResultRole = Dependent", 2),
        ("ResultRole = Antecedent", 0),
        ("AssocClass = Win32_DependentService", 2),
        ("AssocClass = CIM_Dependency", 2),
        ("AssocClass = CIM_ServiceServiceDependency", 2),
        ("AssocClass = Win32_SystemServices", 0),
        ("ResultClass = CIM_Service", 2),
        ("ResultClass = Win32_Process", 0),
        ("RequiredAssocQualifier = Association", 2),
        ("RequiredAssocQualifier = Missing", 0),
        ("RequiredQualifier = Missing", 0),
    ] {
        let (paths, _) = found(&format!("ASSOCIATORS OF {{Win32_Service='a'}} WHERE {words}")).await;
        assert_eq!(paths.len(), count, "{words}");
    }
}

#[tokio::test]
async fn keys_are_enough_where_only_keys_are_asked_for() {
    let (paths, calls) = found("ASSOCIATORS OF {Win32_Service='a'} WHERE KeysOnly Role=Antecedent").await;
    assert_eq!((paths.len(), calls.len()), (2, 1), "{calls:?}");
}

#[tokio::test]
async fn references_are_the_associations_themselves() {
    let (paths, calls) = found("REFERENCES OF {Win32_Service='a'} WHERE Role=Antecedent").await;
    assert_eq!(paths.len(), 2);
    assert!(paths[0].starts_with("Win32_DependentService.Antecedent=\"Win32_Service.Name="), "{paths:?}");
    assert_eq!(calls.len(), 1);
    let (paths, _) = found("REFERENCES OF {Win32_Service='a'} WHERE ResultClass=Win32_SystemServices").await;
    assert_eq!(paths.len(), 0);
}

#[tokio::test]
async fn associated_classes_are_found_without_enumerating_instances() {
    let (engine, record) = machine();
    for query in [
        "ASSOCIATORS OF {Win32_Service='a'} WHERE ClassDefsOnly",
        "ASSOCIATORS OF {Win32_Service} WHERE SchemaOnly",
        "REFERENCES OF {Win32_Service} WHERE SchemaOnly",
    ] {
        let Outcome::Classes(classes) = engine.run(&context(), &cimv2(), query).unwrap() else {
            panic!("{query}")
        };
        assert_eq!(classes.len(), 1, "{query}");
    }
    assert_eq!(record.lock().unwrap().len(), 0);
    let class = engine.query(&context(), &cimv2(), "ASSOCIATORS OF {Win32_Service}").map(|_| ());
    assert_eq!(class.unwrap_err().status(), Status::InvalidObjectPath, "a class has no associators");
}

#[tokio::test]
async fn an_existing_source_without_associations_has_no_rows() {
    for query in
        ["ASSOCIATORS OF {Site_Service='c'} WHERE Role=Antecedent", "REFERENCES OF {Win32_SystemDriver='d'}"]
    {
        let (paths, calls) = found(query).await;
        assert_eq!(paths.len(), 0, "{query}");
        assert!(calls.iter().any(|call| call.starts_with("get ")), "{query}: {calls:?}");
    }
}

#[tokio::test]
async fn a_missing_source_is_not_found() {
    let (engine, _) = machine();
    for query in [
        "ASSOCIATORS OF {Win32_Service='missing'}",
        "ASSOCIATORS OF {Win32_Service.Name='missing'} WHERE ResultClass=Site_Service",
        "REFERENCES OF {Win32_Service='missing'}",
        "REFERENCES OF {Site_Service='a'}",
        "REFERENCES OF {CIM_Service='missing'}",
        // Notes cannot be looked up by key.
        "REFERENCES OF {Site_Note.Id='missing'}",
    ] {
        let rows = engine.query(&context(), &cimv2(), query);
        let error = all(rows.unwrap_or_else(|error| panic!("{query}: {error}"))).await.unwrap_err();
        assert_eq!(error.status(), Status::NotFound, "{query}: {error}");
    }
}
