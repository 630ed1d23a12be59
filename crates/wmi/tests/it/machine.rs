//! A machine with a few services that depend on each other.

use std::sync::{Arc, Mutex};

use cim::{ClassDeclaration, ColumnSet, Instance, Name, Namespace, ObjectPath, Schema, Status, Value, mof};
use telarch_wmi::{Context, Engine, Limits, Lookup, MethodCall, Provider, ProviderError, Scan, Sink, Target};

/// Record of the calls of providers, in words.
pub(crate) type Record = Arc<Mutex<Vec<String>>>;

/// Creates services `a`, `b` and `c`, and a driver `d` of another class; `b` and `c` depend on `a`.
pub(crate) fn machine() -> (Engine, Record) {
    let record = Record::default();
    let engine = builder(&record).build().unwrap();
    (engine, record)
}

pub(crate) fn builder(record: &Record) -> telarch_wmi::EngineBuilder {
    let mut schema = Schema::of(Namespace::cimv2());
    schema.add(&declaration("class Site_Service : Win32_Service { uint32 Rank; };")).unwrap();
    schema
        .add(&declaration("class Site_Note { [Key] string Id; [Write] string Text; string Owner; };"))
        .unwrap();
    Engine::builder("node7", 0)
        .limits(Limits { calls: 4, ..Limits::default() })
        .namespace(schema)
        .provider(Arc::new(Services { record: record.clone() }))
        .provider(Arc::new(Dependencies { record: record.clone() }))
        .provider(Arc::new(Notes::default()))
}

pub(crate) fn declaration(text: &str) -> ClassDeclaration {
    match mof::parse(text).unwrap().pop() {
        Some(mof::Item::Class(declaration)) => declaration,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn of(class: &str) -> (Namespace, Name) {
    (Namespace::cimv2(), Name::parse(class).unwrap())
}

/// Provider that finds services by key.
struct Services {
    record: Record,
}

impl Services {
    fn names(class: &Name) -> &'static [&'static str] {
        match class.as_str() {
            "Win32_Service" => &["a", "b"],
            "Site_Service" => &["c"],
            _ => &["d"],
        }
    }

    fn row(class: &Arc<cim::Class>, name: &'static str) -> Result<Instance, ProviderError> {
        Ok(Instance::new(class.clone()).with("Name", name)?.with("State", "Running")?)
    }
}

impl Provider for Services {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        ["Win32_Service", "Site_Service", "Win32_SystemDriver"].map(of).into()
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let class = scan.class();
        let columns: Vec<_> =
            scan.columns().iter().map(|column| class.property(column).unwrap().name.to_string()).collect();
        let columns = if columns.len() > 5 { "all".to_owned() } else { columns.join(" ") };
        self.record.lock().unwrap().push(format!("enumerate {}: {columns}", class.name()));
        Self::names(class.name()).iter().try_for_each(|name| rows.push(Self::row(class, name)?))
    }

    fn get(&self, lookup: &Lookup<'_>) -> Result<Option<Instance>, ProviderError> {
        let [Value::String(wanted)] = lookup.keys else { panic!("{lookup:?}") };
        let class = lookup.class;
        self.record.lock().unwrap().push(format!("get {} {wanted}", class.name()));
        let found = Self::names(class.name()).iter().find(|name| cim::wql::equal(name, wanted));
        found.map(|name| Self::row(class, name)).transpose()
    }

    fn invoke(&self, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let name = call.operation.method.name.as_str();
        self.record.lock().unwrap().push(format!("{name} for {}", call.context.caller()));
        let value = match (name, call.target) {
            ("StartService", Target::Instance([Value::String(name)])) if name == "a" => 10_u32,
            ("StartService", Target::Instance(_)) => {
                return Err(ProviderError::failed(Status::NotFound, "there is no such service"));
            }
            ("Create", Target::Class) => 21,
            _ => return Err(ProviderError::NotCapable),
        };
        Ok(Instance::new(call.operation.output.clone()).with("ReturnValue", value)?)
    }
}

/// Provider that finds dependencies by either end.
struct Dependencies {
    record: Record,
}

impl Provider for Dependencies {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        vec![of("Win32_DependentService")]
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let pinned = ["Antecedent", "Dependent"].map(|name| scan.pinned(&[name]).is_some());
        self.record.lock().unwrap().push(format!("enumerate Win32_DependentService by {pinned:?}"));
        for (above, below) in [
            ("Win32_Service.Name=\"a\"", "Win32_Service.Name=\"b\""),
            ("Win32_Service.Name=\"a\"", "Site_Service.Name=\"c\""),
        ] {
            let row = Instance::new(scan.class().clone())
                .with("Antecedent", ObjectPath::parse(above)?)?
                .with("Dependent", ObjectPath::parse(below)?)?;
            rows.push(row)?;
        }
        Ok(())
    }
}

/// Provider of notes that can be created, changed and deleted.
#[derive(Default)]
struct Notes {
    notes: Mutex<Vec<Instance>>,
}

impl Provider for Notes {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        vec![of("Site_Note")]
    }

    fn enumerate(&self, _scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let notes = self.notes.lock().unwrap().clone();
        notes.into_iter().try_for_each(|note| rows.push(note))
    }

    fn put(&self, _context: &Context, instance: &Instance, changed: &ColumnSet) -> Result<(), ProviderError> {
        let mut notes = self.notes.lock().unwrap();
        let found = notes.iter_mut().find(|note| note.value("Id") == instance.value("Id"));
        let Some(note) = found else { return Err(ProviderError::failed(Status::NotFound, "it is gone")) };
        changed.iter().try_for_each(|column| note.set(column, instance.at(column).clone()))?;
        Ok(())
    }

    fn create(&self, _context: &Context, instance: &Instance) -> Result<ObjectPath, ProviderError> {
        let mut notes = self.notes.lock().unwrap();
        if notes.iter().any(|note| note.value("Id") == instance.value("Id")) {
            return Err(ProviderError::failed(Status::AlreadyExists, "there is one"));
        }
        notes.push(instance.clone());
        Ok(instance.path()?)
    }

    fn delete(&self, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let mut notes = self.notes.lock().unwrap();
        let before = notes.len();
        notes.retain(|note| note.value("Id") != lookup.keys.first());
        Ok(notes.len() < before)
    }
}
