//! Tests that every method of every class reports its result with a documented number, and never fails
//! silently.

use std::sync::Arc;

use cim::{CimType, Class, Identity, Instance, KeyValue, Method, Name, ObjectPath, Schema, Status, Value};
use telarch_provider_linux::Machine;
use wmi::{Context, Error};

use crate::{engine, text};

/// Documented codes of each class that has its own (Microsoft's references, "Return value"); other classes
/// return system errors.
const CODES: &[(&str, std::ops::RangeInclusive<i128>)] = &[
    ("Win32_LogicalDisk", 0..=4),
    ("Win32_NetworkAdapterConfiguration", 64..=100),
    ("Win32_Process", 2..=21),
    ("Win32_ScheduledJob", 1..=21),
    ("Win32_Service", 1..=24),
    ("Win32_Share", 2..=25),
    ("Win32_SystemDriver", 1..=24),
    ("Win32_Volume", 0..=18),
];

/// Methods that succeed without parameters: they list the first keys of the registry, or report that it is
/// readable.
const DONE: [&str; 3] = ["CheckAccess", "EnumKey", "EnumValues"];

/// System errors that are meaningful here (MS-ERREF 2.2): no such file, access denied, not supported, invalid
/// parameter; for printers no such driver and no such printer.
const ERRORS: [i128; 6] = [2, 5, 50, 87, 1_797, 1_801];

#[tokio::test]
async fn unsupported_methods_return_documented_codes() {
    let folder = tempfile::tempdir().unwrap();
    // A machine without objects that methods could change.
    std::fs::create_dir_all(folder.path().join("proc/self")).unwrap();
    std::fs::write(folder.path().join("proc/self/mountinfo"), "").unwrap();
    let machine = Arc::new(Machine::at(folder.path()));
    let engine = engine(&machine);
    let context = Context::of_this_process("alice");
    let classes =
        telarch_provider_linux::providers(&machine).into_iter().flat_map(|provider| provider.classes());
    let (mut called, mut wrong) = (0, Vec::new());
    for (namespace, name) in classes {
        let class = Schema::of(namespace.clone()).require(name.as_str()).unwrap();
        for operation in class.methods() {
            called += 1;
            let method = &operation.method;
            let path = path(&class, method.is_static());
            let given = |operation: &cim::Operation| Ok(Instance::with_defaults(operation.input.clone()));
            let said = engine.invoke(&context, &namespace, &path, method.name.as_str(), given).await;
            let is_documented = match &said {
                Ok(answer) => is_documented(&name, method, answer.value("ReturnValue").unwrap()),
                // The instance does not exist, or a parameter is missing.
                Err(Error::Provider { status: Status::NotFound | Status::InvalidParameter, .. }) => true,
                // The type of the return value has no value for this.
                Err(Error::Provider { status: Status::ProviderNotCapable, .. }) => !returns_number(method),
                Err(_) => false,
            };
            if !is_documented {
                let said = match said {
                    Ok(answer) => text(&answer, "ReturnValue"),
                    Err(error) => error.to_string(),
                };
                wrong.push(format!("{namespace}:{name}.{} says {said}", method.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(called > 300, "{called} methods");
}

fn returns_number(method: &Method) -> bool {
    method.returns.as_ref().is_some_and(|kind| kind.element == CimType::Uint32)
}

fn is_documented(class: &Name, method: &Method, value: &Value) -> bool {
    let Some(code) = value.as_integer() else {
        // The value is a Boolean, and no action was taken.
        return value == &Value::Boolean(false);
    };
    if code == 0 {
        return DONE.contains(&method.name.as_str());
    }
    // 1 is "not supported" for all classes of DMTF and of storage.
    let is_common = ["CIM_LogicalDevice", "CIM_EnabledLogicalElement", "CIM_Service", "Win32_BaseService"]
        .contains(&method.origin.as_str());
    if code == 1 && is_common {
        return true;
    }
    let own = CODES.iter().find(|(name, _)| *name == class.as_str());
    let is_own = own.is_some_and(|(_, codes)| codes.contains(&code));
    is_own || class.as_str().starts_with("MSFT_") && code == 1 || ERRORS.contains(&code)
}

/// Returns the path of the class, or of an instance that does not exist.
fn path(class: &Class, is_static: bool) -> ObjectPath {
    if is_static || class.is_singleton() {
        return ObjectPath {
            server: None,
            namespace: None,
            class: class.name().clone(),
            identity: if is_static { Identity::Class } else { Identity::Singleton },
        };
    }
    let keys = class.keys().iter().map(|key| {
        let property = class.property(*key).unwrap();
        let value = match &property.kind.element {
            CimType::String => KeyValue::Text("nothing".to_owned()),
            _ => KeyValue::Integer(4_000_000),
        };
        (property.name.clone(), value)
    });
    ObjectPath::from_keys(class.name().clone(), keys.collect()).unwrap()
}
