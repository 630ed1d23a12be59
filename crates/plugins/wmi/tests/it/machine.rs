//! A machine with writable notes, and services that depend on each other.

use std::sync::{Arc, Mutex};

use cim::{
    ClassDeclaration, ColumnSet, DateTime, Instance, Name, Namespace, ObjectPath, Schema, Status, Value, mof,
};
use wmi::{Context, Engine, Lookup, MethodCall, Provider, ProviderError, Scan, Sink, Target};

const CLASSES: [&str; 4] = [
    "class Site_Note { [Key] string Id; [Write] string Text; string Owner; [Write] string Roles[]; \
     datetime Made; [Write] uint32 Rank; uint64 Reads; };",
    "class Site_Service : Win32_Service { uint32 Rank2; };",
    "class Site_Broken { [Key] string Id; };",
    "[Singleton] class Site_Clock { string Now; [Write] uint32 Zone; \
     [Static] uint32 Sum([In] uint32 Values[], [In] uint32 Start = 100, [Out] string Words[], [Out] uint64 Total); \
     uint32 Tell([In] string Text, [In] datetime When, [Out] string Said); };",
];

pub(crate) fn engine() -> Engine {
    let mut schema = Schema::of(Namespace::cimv2());
    for class in CLASSES {
        schema.add(&declaration(class)).unwrap();
    }
    Engine::builder("node7", 60)
        .namespace(schema)
        .namespace(Schema::of(Namespace::parse("root/hardware").unwrap()))
        .provider(Arc::new(Notes::default()))
        .provider(Arc::new(Services))
        .provider(Arc::new(Dependencies))
        .provider(Arc::new(Broken))
        .provider(Arc::new(Clock))
        .build()
        .unwrap()
}

pub(crate) fn declaration(text: &str) -> ClassDeclaration {
    match mof::parse(text).unwrap().pop() {
        Some(mof::Item::Class(declaration)) => declaration,
        other => panic!("{other:?}"),
    }
}

fn of(class: &str) -> (Namespace, Name) {
    (Namespace::cimv2(), Name::parse(class).unwrap())
}

fn text(value: &str) -> Value {
    Value::from(value.to_owned())
}

/// Provider that starts with the notes `1` and `2`; `Reads` changes whenever a note is read.
#[derive(Default)]
struct Notes {
    changed: Mutex<Vec<Instance>>,
    removed: Mutex<Vec<Value>>,
    reads: Mutex<u64>,
}

impl Notes {
    fn all(&self, class: &Arc<cim::Class>) -> Result<Vec<Instance>, ProviderError> {
        let mut reads = self.reads.lock().unwrap();
        *reads += 1;
        let made = DateTime::parse("20261121120000.500000+060").unwrap();
        let first = Instance::new(class.clone())
            .with("Id", "1")?
            .with("Text", "it's < \"this\" & that")?
            .with("Roles", Value::Array([text("a"), text("b")].into()))?
            .with("Made", Value::DateTime(made))?
            .with("Owner", "root")?;
        let second = Instance::new(class.clone()).with("Id", "2")?.with("Rank", 7_u32)?;
        let mut all = vec![first, second];
        for changed in self.changed.lock().unwrap().iter() {
            all.retain(|note| note.value("Id") != changed.value("Id"));
            all.push(changed.clone());
        }
        let removed = self.removed.lock().unwrap();
        all.retain(|note| !removed.contains(note.value("Id").unwrap()));
        all.into_iter().map(|note| Ok(note.with("Reads", *reads)?)).collect()
    }
}

impl Provider for Notes {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        vec![of("Site_Note")]
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        self.all(scan.class())?.into_iter().try_for_each(|note| rows.push(note))
    }

    fn put(&self, _: &Context, instance: &Instance, changed: &ColumnSet) -> Result<(), ProviderError> {
        let found =
            self.all(instance.class())?.into_iter().find(|note| note.value("Id") == instance.value("Id"));
        let mut note = found.ok_or_else(|| ProviderError::failed(Status::NotFound, "it is gone"))?;
        changed.iter().try_for_each(|column| note.set(column, instance.at(column).clone()))?;
        self.changed.lock().unwrap().push(note);
        Ok(())
    }

    fn create(&self, _: &Context, instance: &Instance) -> Result<ObjectPath, ProviderError> {
        if self.all(instance.class())?.iter().any(|note| note.value("Id") == instance.value("Id")) {
            return Err(ProviderError::failed(Status::AlreadyExists, "there is one"));
        }
        self.changed.lock().unwrap().push(instance.clone());
        Ok(instance.path()?)
    }

    fn delete(&self, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let is_there = self.all(lookup.class)?.iter().any(|note| note.value("Id") == lookup.keys.first());
        self.removed.lock().unwrap().extend(lookup.keys.first().cloned());
        Ok(is_there)
    }
}

/// Provider of the services `a` and `b`, and `c` of a class of its own.
struct Services;

impl Provider for Services {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        ["Win32_Service", "Site_Service"].map(of).into()
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let class = scan.class();
        let names: &[(&'static str, &'static str)] = match class.name().as_str() {
            "Win32_Service" => &[("a", "Running"), ("b", "Stopped")],
            _ => &[("c", "Running")],
        };
        names.iter().try_for_each(|(name, state)| {
            rows.push(Instance::new(class.clone()).with("Name", *name)?.with("State", *state)?)
        })
    }

    fn invoke(&self, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let value = match (call.operation.method.name.as_str(), call.target) {
            ("StartService", Target::Instance([Value::String(name)])) if name == "a" => 10_u32,
            ("StartService", Target::Instance(_)) => {
                return Err(ProviderError::failed(Status::NotFound, "there is no such service"));
            }
            ("StopService", _) => return Err(ProviderError::failed(Status::AccessDenied, "not you")),
            _ => return Err(ProviderError::NotCapable),
        };
        Ok(Instance::new(call.operation.output.clone()).with("ReturnValue", value)?)
    }
}

/// Provider of dependencies: `b` and `c` need `a`.
struct Dependencies;

impl Provider for Dependencies {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        vec![of("Win32_DependentService")]
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        for below in ["Win32_Service.Name=\"b\"", "Site_Service.Name=\"c\""] {
            let row = Instance::new(scan.class().clone())
                .with("Antecedent", ObjectPath::parse("Win32_Service.Name=\"a\"")?)?
                .with("Dependent", ObjectPath::parse(below)?)?;
            rows.push(row)?;
        }
        Ok(())
    }
}

/// Provider that returns one row and fails.
struct Broken;

impl Provider for Broken {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        vec![of("Site_Broken")]
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        rows.push(Instance::new(scan.class().clone()).with("Id", "1")?)?;
        Err(ProviderError::failed(Status::Failed, "the disk is gone"))
    }
}

/// Provider of a singleton.
struct Clock;

impl Provider for Clock {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        vec![of("Site_Clock")]
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        rows.push(Instance::new(scan.class().clone()).with("Now", "noon")?)
    }

    fn invoke(&self, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let output = Instance::new(call.operation.output.clone());
        let of = |name: &str| call.input.value(name).cloned().unwrap_or_default();
        if call.operation.method.name.as_str() == "Tell" {
            if of("Text") == text("nonsense") {
                return Err(ProviderError::failed(Status::InvalidParameter, "it says nothing"));
            }
            let mut said = String::new();
            of("Text").write_text(&mut said);
            said.push('@');
            of("When").write_text(&mut said);
            return Ok(output.with("Said", said)?.with("ReturnValue", 0_u32)?);
        }
        let values = match of("Values") {
            Value::Array(values) => values.to_vec(),
            _ => Vec::new(),
        };
        let numbers = values.iter().chain([&of("Start")]).filter_map(Value::as_integer).collect::<Vec<_>>();
        let words: Vec<Value> = numbers.iter().map(|number| text(&number.to_string())).collect();
        let total = u64::try_from(numbers.iter().sum::<i128>()).unwrap();
        Ok(output
            .with("Words", Value::Array(words.into()))?
            .with("Total", total)?
            .with("ReturnValue", 0_u32)?)
    }
}
