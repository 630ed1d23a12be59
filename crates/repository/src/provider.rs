//! Providers for the engine that serve the repository.

use std::sync::Arc;

use cim::{ColumnSet, Instance, Name, Namespace, ObjectPath, Value};
use tokio::sync::watch;
use wmi::{
    BoxFuture, Context, EventSource, Happening, Lookup, Provider, ProviderError, Scan, Sink, Storage, Watch,
};

use crate::{Existing, Problem, Repository};

/// Provider of the stored instances of one namespace.
pub(crate) struct Instances {
    pub(crate) repository: Arc<Repository>,
    pub(crate) namespace: Namespace,
    /// Classes when the engine was built; later changes are served by a new engine.
    pub(crate) classes: Vec<Name>,
}

impl Provider for Instances {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        self.classes.iter().map(|class| (self.namespace.clone(), class.clone())).collect()
    }

    fn storage(&self) -> Storage {
        Storage::Repository
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let contents = self.repository.contents();
        let instances = contents.namespace(&self.namespace)?.instances();
        let mut found = instances.filter(|instance| instance.class().name() == scan.class().name());
        found.try_for_each(|instance| rows.push(under(instance, scan.class())?))
    }

    fn get(&self, lookup: &Lookup<'_>) -> Result<Option<Instance>, ProviderError> {
        let contents = self.repository.contents();
        let found = contents.namespace(&self.namespace)?.instance(&path_of(lookup)?)?;
        found.map(|instance| under(instance, lookup.class)).transpose()
    }

    fn put(
        &self,
        _context: &Context,
        instance: &Instance,
        _changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        self.keep(instance, Existing::Require)
    }

    fn create(&self, _context: &Context, instance: &Instance) -> Result<ObjectPath, ProviderError> {
        let path = instance.path()?;
        self.keep(instance, Existing::Refuse)?;
        Ok(path)
    }

    fn delete(&self, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let path = path_of(lookup)?;
        let gone =
            self.repository.update(|contents| Ok(contents.remove_instance(&self.namespace, &path)?))?;
        Ok(gone)
    }

    fn watch(&self, _watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(Some(Box::new(Published(self.repository.published()))))
    }
}

impl Instances {
    fn keep(&self, instance: &Instance, existing: Existing) -> Result<(), ProviderError> {
        self.repository.update(|contents| {
            // The class may have changed meanwhile.
            let schema = contents.namespace(&self.namespace)?.schema();
            let declaration = cim::mof::InstanceDeclaration::of(instance);
            let instance = declaration.resolve(schema, &|_| None).map_err(Problem::from)?;
            contents.put_instance(&self.namespace, instance, existing)?;
            Ok(())
        })?;
        Ok(())
    }
}

/// Returns an instance converted to the class of the same name that the engine uses.
fn under(instance: &Instance, class: &Arc<cim::Class>) -> Result<Instance, ProviderError> {
    if Arc::ptr_eq(instance.class(), class) {
        return Ok(instance.clone());
    }
    let mut row = Instance::new(class.clone());
    for (property, value) in instance.class().properties().iter().zip(instance.values()) {
        if let Some(column) = class.column(property.name.as_str()) {
            row.set(column, value.clone())?;
        }
    }
    Ok(row)
}

fn path_of(lookup: &Lookup<'_>) -> Result<ObjectPath, ProviderError> {
    let mut named = Instance::new(lookup.class.clone());
    for (key, value) in lookup.class.keys().iter().zip(lookup.keys) {
        named.set(*key, value.clone())?;
    }
    Ok(named.path()?)
}

/// Provider of `__Namespace` in one namespace.
pub(crate) struct Children {
    pub(crate) repository: Arc<Repository>,
    pub(crate) parent: Namespace,
    /// Namespaces that exist independently of the repository.
    pub(crate) others: Vec<Namespace>,
}

impl Children {
    fn names(&self) -> Vec<String> {
        let contents = self.repository.contents();
        let all = self.others.iter().chain(contents.namespaces().map(|(namespace, _)| namespace));
        let below = all.filter(|child| child.parent().as_ref() == Some(&self.parent));
        let mut names: Vec<_> =
            below.map(|child| child.as_str().rsplit('/').next().unwrap_or_default().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn child(&self, name: &str) -> Result<Namespace, ProviderError> {
        if name.contains(['/', '\\']) {
            return Err(Problem::Model(cim::Error::Namespace { found: name.to_owned() }).into());
        }
        Ok(Namespace::parse(&format!("{}/{name}", self.parent)).map_err(Problem::from)?)
    }
}

impl Provider for Children {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        Name::parse("__Namespace").map(|class| (self.parent.clone(), class)).into_iter().collect()
    }

    fn storage(&self) -> Storage {
        Storage::Repository
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        self.names()
            .into_iter()
            .try_for_each(|name| rows.push(Instance::new(scan.class().clone()).with("Name", name)?))
    }

    fn get(&self, lookup: &Lookup<'_>) -> Result<Option<Instance>, ProviderError> {
        let [key] = lookup.keys else { return Ok(None) };
        let wanted = key.as_str().unwrap_or_default();
        let found = self.names().into_iter().find(|name| cim::wql::equal(name, wanted));
        Ok(found.map(|name| Instance::new(lookup.class.clone()).with("Name", name)).transpose()?)
    }

    fn create(&self, _context: &Context, instance: &Instance) -> Result<ObjectPath, ProviderError> {
        let name = instance.value("Name").and_then(Value::as_str).unwrap_or_default();
        let child = self.child(name)?;
        if self.others.contains(&child) {
            return Err(Problem::Exists(format!("a namespace {child}")).into());
        }
        self.repository.update(|contents| match contents.make_namespace(&child)? {
            crate::Change::Made => Ok(()),
            _ => Err(Problem::Exists(format!("a namespace {child}")).into()),
        })?;
        Ok(instance.path()?)
    }

    fn delete(&self, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let [key] = lookup.keys else { return Ok(false) };
        let child = self.child(key.as_str().unwrap_or_default())?;
        Ok(self.repository.update(|contents| Ok(contents.remove_namespace(&child)?))?)
    }

    fn watch(&self, _watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(Some(Box::new(Published(self.repository.published()))))
    }
}

/// Event source that reports changes of the repository in memory. Changes of the file by others are noticed
/// by the engine's background task, which reads it.
struct Published(watch::Receiver<()>);

impl EventSource for Published {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            let changed = self.0.changed().await;
            changed.map_err(|_| ProviderError::failed(cim::Status::Failed, "the repository was closed"))?;
            Ok(Happening::Changed)
        })
    }
}
