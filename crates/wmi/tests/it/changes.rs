//! Tests of methods, and of changes to instances.

use cim::{ColumnSet, Instance, ObjectPath, Status, Value};
use telarch_wmi::Error;

use crate::machine::machine;
use crate::{cimv2, context};

#[tokio::test]
async fn methods_are_called_where_they_belong() {
    let (engine, record) = machine();
    let call = async |path: &str, method: &str| {
        let path = ObjectPath::parse(path).unwrap();
        let input = |operation: &cim::Operation| Ok(Instance::new(operation.input.clone()));
        let output = engine.invoke(&context(), &cimv2(), &path, method, input).await?;
        Ok::<_, Error>(output.value("ReturnValue").cloned())
    };
    assert_eq!(call("Win32_Service='a'", "startservice").await.unwrap(), Some(Value::from(10_u32)));
    assert_eq!(call("Win32_Service", "Create").await.unwrap(), Some(Value::from(21_u32)));
    assert_eq!(record.lock().unwrap().as_slice(), ["StartService for alice", "Create for alice"]);
    let service = ObjectPath::parse("Win32_Service").unwrap();
    let input = |operation: &cim::Operation| Instance::new(operation.input.clone()).with("Foo", 1_u8);
    let error = engine.invoke(&context(), &cimv2(), &service, "Create", input).await.unwrap_err();
    assert_eq!(error.status(), Status::InvalidProperty);
    assert_eq!(error.to_string(), "method Create of Win32_Service has no parameter 'Foo'");
    for (path, method, status) in [
        ("Win32_Service='x'", "StartService", Status::NotFound),
        ("Win32_Service='a'", "Create", Status::InvalidObjectPath),
        ("Win32_Service", "StartService", Status::InvalidObjectPath),
        ("Win32_Service='a'", "Missing", Status::InvalidMethod),
        ("Win32_Service='a'", "PauseService", Status::ProviderNotCapable),
        ("Win32_Service.Caption='a'", "StartService", Status::InvalidObjectPath),
        ("Win32_Process='4'", "Terminate", Status::ProviderNotCapable),
    ] {
        assert_eq!(call(path, method).await.unwrap_err().status(), status, "{path} {method}");
    }
}

#[tokio::test]
async fn instances_are_made_changed_and_removed() {
    let (engine, _) = machine();
    let class = engine.schema(&cimv2()).unwrap().require("Site_Note").unwrap();
    let note = Instance::new(class.clone()).with("Id", "1").unwrap().with("Text", "a").unwrap();
    let path = engine.create(&context(), &cimv2(), note.clone()).await.unwrap();
    assert_eq!(path.to_string(), "Site_Note.Id=\"1\"");
    let again = engine.create(&context(), &cimv2(), note.clone()).await.unwrap_err();
    assert_eq!(again.status(), Status::AlreadyExists);
    // Only the given properties are changed; the owner, which is read-only, is not.
    let given: ColumnSet = ["Id", "Text"].iter().filter_map(|name| class.column(name)).collect();
    let changed = note.clone().with("Text", "b").unwrap().with("Owner", "bob").unwrap();
    let now = engine.put(&context(), &cimv2(), changed.clone(), &given).await.unwrap();
    assert_eq!((now.value("Text"), now.value("Owner")), (Some(&"b".into()), Some(&Value::Null)));
    let error = engine.put(&context(), &cimv2(), changed, &class.columns()).await.unwrap_err();
    assert_eq!(error.status(), Status::ReadOnly);
    assert_eq!(error.to_string(), "property Owner of Site_Note is read-only");
    let same = note.with("Text", "b").unwrap();
    engine.put(&context(), &cimv2(), same, &class.columns()).await.unwrap();
    engine.delete(&context(), &cimv2(), &path).await.unwrap();
    assert_eq!(engine.delete(&context(), &cimv2(), &path).await.unwrap_err().status(), Status::NotFound);
    let gone = Instance::new(class.clone()).with("Id", "1").unwrap();
    let error = engine.put(&context(), &cimv2(), gone, &class.columns()).await.unwrap_err();
    assert_eq!(error.status(), Status::NotFound);
}
