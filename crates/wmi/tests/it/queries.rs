//! Tests of the calls of providers for a query, and of the selection among their rows.

use cim::{Namespace, ObjectPath, Status};
use telarch_wmi::{Engine, Error, Outcome};

use crate::machine::{Record, builder, machine};
use crate::{cimv2, column, context};

async fn requested(query: &str) -> (Vec<String>, Vec<String>) {
    let (engine, record) = machine();
    let rows = column(&engine, query, "Name").await.unwrap_or_else(|error| panic!("{query}: {error}"));
    (rows, std::mem::take(&mut *record.lock().unwrap()))
}

#[tokio::test]
async fn a_pinned_key_is_looked_up_and_nothing_is_listed() {
    let (rows, calls) = requested("SELECT * FROM Win32_SystemDriver WHERE Name = 'D'").await;
    assert_eq!((rows, calls), (vec!["d".to_owned()], vec!["get Win32_SystemDriver D".to_owned()]));
    let (rows, calls) = requested("SELECT * FROM Win32_SystemDriver WHERE Name = 'd' OR Name = 'x'").await;
    assert_eq!((rows.len(), calls.len()), (1, 2), "{calls:?}");
    let (rows, calls) = requested("SELECT * FROM Win32_SystemDriver WHERE Name = 'd' AND Name = 'x'").await;
    assert_eq!((rows.len(), calls.len()), (0, 0), "{calls:?}");
    let (rows, calls) =
        requested("SELECT * FROM Win32_SystemDriver WHERE Name = 'd' AND State = 'Stopped'").await;
    assert_eq!(
        (rows.len(), calls),
        (0, vec!["get Win32_SystemDriver d".to_owned()]),
        "rows are looked at again"
    );
}

#[tokio::test]
async fn only_needed_columns_are_requested() {
    let (rows, calls) = requested("SELECT Name FROM Win32_SystemDriver WHERE State LIKE 'R%'").await;
    assert_eq!(
        (rows, calls),
        (vec!["d".to_owned()], vec!["enumerate Win32_SystemDriver: Name State".to_owned()])
    );
    let (_, calls) = requested("SELECT * FROM Win32_SystemDriver").await;
    assert_eq!(calls, ["enumerate Win32_SystemDriver: all"]);
}

#[tokio::test]
async fn a_query_of_a_superclass_includes_all_subclasses() {
    let (rows, calls) = requested("SELECT Name FROM CIM_Service").await;
    assert_eq!(rows, ["c", "a", "b", "d"], "{calls:?}");
    assert_eq!(calls.len(), 3);
    let (rows, _) = requested("SELECT Name FROM Win32_Service WHERE __CLASS = 'Win32_Service'").await;
    assert_eq!(rows, ["a", "b"]);
    let (rows, calls) = requested("SELECT Name FROM CIM_Service WHERE __CLASS = 'Site_Service'").await;
    assert_eq!((rows.len(), calls.len()), (1, 1), "classes that cannot be wanted are not asked: {calls:?}");
    let (rows, _) = requested("SELECT Name FROM Win32_Service WHERE __this ISA 'Site_Service'").await;
    assert_eq!(rows, ["c"]);
}

#[tokio::test]
async fn an_instance_is_found_by_its_path_also_by_that_of_its_superclass() {
    let (engine, record) = machine();
    let get = async |path: &str| {
        let path = ObjectPath::parse(path).unwrap();
        engine.get(&context(), &cimv2(), &path).await.map(|row| row.path().unwrap().to_string())
    };
    assert_eq!(get("Win32_Service='A'").await.unwrap(), "Win32_Service.Name=\"a\"");
    assert_eq!(get("Win32_Service.Name='c'").await.unwrap(), "Site_Service.Name=\"c\"");
    assert!(record.lock().unwrap().iter().all(|call| call.starts_with("get ")), "{record:?}");
    let missing = get("Win32_Service.Name='x'").await.unwrap_err();
    assert_eq!(
        (missing.status(), missing.to_string()),
        (Status::NotFound, "instance Win32_Service.Name=\"x\" does not exist".to_owned())
    );
    for (path, status) in [
        ("Win32_Service", Status::InvalidObjectPath),
        ("Win32_Service.Caption='a'", Status::InvalidObjectPath),
        ("Win32_Missing.Name='a'", Status::InvalidClass),
        ("Win32_Process.Handle='4'", Status::ProviderNotCapable),
    ] {
        assert_eq!(get(path).await.unwrap_err().status(), status, "{path}");
    }
}

#[tokio::test]
async fn invalid_queries_are_refused_before_any_provider_is_called() {
    let (engine, record) = machine();
    for (query, status) in [
        ("SELECT", Status::InvalidQuery),
        ("SELECT * FROM Win32_Missing", Status::InvalidClass),
        ("SELECT * FROM Win32_Service WHERE Missing = 1", Status::InvalidQuery),
        ("SELECT Missing FROM Win32_Service", Status::InvalidQuery),
        ("SELECT * FROM CIM_Service WHERE ProcessId = 'x'", Status::InvalidQuery),
        ("SELECT * FROM Win32_Process", Status::ProviderNotCapable),
        ("SELECT * FROM Win32_Service WITHIN 5", Status::InvalidQuery),
        ("SELECT * FROM meta_class", Status::InvalidQuery),
    ] {
        let error = engine.query(&context(), &cimv2(), query).map(|_| ()).unwrap_err();
        assert_eq!(error.status(), status, "{query}: {error}");
    }
    let elsewhere = Namespace::parse("root/missing").unwrap();
    let error = engine.query(&context(), &elsewhere, "SELECT * FROM X").map(|_| ()).unwrap_err();
    assert_eq!(error.status(), Status::InvalidNamespace);
    assert_eq!(record.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn classes_are_found_by_queries_of_meta_class() {
    let (engine, _) = machine();
    let query = "SELECT * FROM meta_class WHERE __this ISA 'Win32_BaseService'";
    let Outcome::Classes(classes) = engine.run(&context(), &cimv2(), query).unwrap() else {
        panic!("not classes")
    };
    let names: Vec<_> = classes.iter().map(|class| class.name().as_str()).collect();
    assert_eq!(names, ["Site_Service", "Win32_BaseService", "Win32_Service", "Win32_SystemDriver"]);
}

#[tokio::test]
async fn namespaces_are_instances_of_their_parent() {
    let (engine, _) = machine();
    let root = Namespace::parse("root").unwrap();
    let rows =
        crate::all(engine.query(&context(), &root, "SELECT * FROM __Namespace").unwrap()).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].value("Name"), Some(&"cimv2".into()));
    let path = ObjectPath::parse("__Namespace='CIMV2'").unwrap();
    assert!(engine.get(&context(), &root, &path).await.is_ok());
}

#[tokio::test]
async fn each_class_must_exist_and_have_one_provider() {
    let twice = builder(&Record::default()).provider(std::sync::Arc::new(Another("Win32_Service")));
    assert!(matches!(
        twice.build().map(|_: Engine| ()),
        Err(Error::Provider { status: Status::AlreadyExists, .. })
    ));
    let missing = builder(&Record::default()).provider(std::sync::Arc::new(Another("Win32_Missing")));
    assert_eq!(missing.build().map(|_: Engine| ()).unwrap_err().status(), Status::InvalidClass);
}

/// Provider of a class without instances.
struct Another(&'static str);

impl telarch_wmi::Provider for Another {
    fn classes(&self) -> Vec<(Namespace, cim::Name)> {
        vec![crate::machine::of(self.0)]
    }

    fn enumerate(
        &self,
        _scan: &telarch_wmi::Scan,
        _rows: &mut telarch_wmi::Sink<'_>,
    ) -> Result<(), telarch_wmi::ProviderError> {
        Ok(())
    }
}
