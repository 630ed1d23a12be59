//! What binds a class to its rows.

pub(crate) mod unknown;
mod unsupported;

use std::sync::{Arc, OnceLock};

use cim::{Class, Column, ColumnSet, Instance, Name, Namespace, ObjectPath, Schema, Value};
use wmi::{Context, EventSource, Lookup, MethodCall, Provider, ProviderError, Scan, Sink, Watch};

use crate::sendable::sendable;
use crate::{Machine, events};

/// What fills a column from a row.
pub(crate) type Fill<R> = fn(&Machine, &R) -> Value;

/// A column that Linux knows nothing for.
pub(crate) fn null<R>(_: &Machine, _: &R) -> Value {
    Value::Null
}

/// The short name of the machine, for the columns of scoping systems.
pub(crate) fn host_name<R>(machine: &Machine, _: &R) -> Value {
    machine.host_name().into()
}

/// The value of the columns that mean the same in every class, where a table has no column of its own.
fn scoping<T: Table>(machine: &Machine, property: &Name) -> Option<Value> {
    Some(match property.as_str() {
        "CreationClassName" => T::CLASS.into(),
        "CSCreationClassName" | "SystemCreationClassName" => "Win32_ComputerSystem".into(),
        "CSName" | "SystemName" => machine.host_name().into(),
        _ => return None,
    })
}

/// The answer of a method that has nothing to tell but a number.
///
/// # Errors
/// If the method does not return a number of this type.
pub(crate) fn returned(call: &MethodCall<'_>, value: impl Into<Value>) -> Result<Instance, ProviderError> {
    Ok(Instance::new(call.operation.output.clone()).with("ReturnValue", value)?)
}

/// A row as a value, with all that is known of it.
///
/// # Errors
/// If a column gives what its property cannot hold.
pub(crate) fn object<T: Table>(
    machine: &Machine,
    class: &Arc<Class>,
    row: &T::Row,
) -> Result<Value, ProviderError> {
    Ok(Value::Object(Box::new(whole::<T>(machine, class, row)?)))
}

/// A row with all that is known of it, as whoever asks for all of it gets it.
///
/// # Errors
/// If a column gives what its property cannot hold.
pub(crate) fn whole<T: Table>(
    machine: &Machine,
    class: &Arc<Class>,
    row: &T::Row,
) -> Result<Instance, ProviderError> {
    let texts = machine.texts(class.name());
    let mut instance = Instance::new(class.clone());
    for (place, property) in class.columns().iter().zip(class.properties()) {
        if let Some(text) = texts.as_ref().and_then(|texts| texts.text(property)) {
            instance.set(place, text)?;
        } else if let Some(value) = value_of::<T>(machine, row, &property.name) {
            instance.set(place, sendable(value))?;
        }
    }
    Ok(instance)
}

/// What fills the column of a name.
fn fill_of<T: Table>(name: &Name) -> Option<Fill<T::Row>> {
    T::COLUMNS.iter().find(|(known, _)| *name == **known).map(|(_, fill)| *fill)
}

/// The value of the property of a name in one row.
fn value_of<T: Table>(machine: &Machine, row: &T::Row, name: &Name) -> Option<Value> {
    fill_of::<T>(name).map(|fill| fill(machine, row)).or_else(|| scoping::<T>(machine, name))
}

/// The value of the only key of a class, which is a text.
pub(crate) fn text_key(keys: &[Value]) -> &str {
    keys.first().and_then(Value::as_str).unwrap_or_default()
}

/// The path of an instance with one key.
pub(crate) fn reference(class: &str, key: &str, value: impl Into<Value>) -> Value {
    let path = || {
        let keys = vec![(Name::parse(key)?, cim::KeyValue::from(&value.into()))];
        ObjectPath::from_keys(Name::parse(class)?, keys)
    };
    path().ok().into()
}

/// The path of an instance of a table that has several keys, by the row.
pub(crate) fn path_to<T: Table>(machine: &Machine, row: &T::Row, keys: &[&str]) -> Value {
    let path = || {
        let key = |name: &&str| {
            let name = Name::parse(name)?;
            let value = value_of::<T>(machine, row, &name).unwrap_or_default();
            Ok((name, cim::KeyValue::from(&value)))
        };
        let keys = keys.iter().map(key).collect::<Result<_, cim::Error>>()?;
        ObjectPath::from_keys(Name::parse(T::CLASS)?, keys)
    };
    path().ok().into()
}

/// The path of the computer system, with which everything of it is associated.
pub(crate) fn computer_system(machine: &Machine) -> Value {
    reference("Win32_ComputerSystem", "Name", machine.host_name())
}

/// The one key of the instance that a reference names, as text.
pub(crate) fn key_of(reference: &Value) -> Option<String> {
    let Value::Reference(path) = reference else { return None };
    let [(_, key)] = path.keys() else { return None };
    let mut text = String::new();
    key.typed(&cim::CimType::String).ok()?.write_text(&mut text);
    Some(text)
}

/// What the kernel said, for whoever asked.
pub(crate) fn failure(error: std::io::Error) -> ProviderError {
    let status = match error.kind() {
        std::io::ErrorKind::PermissionDenied => cim::Status::AccessDenied,
        _ => cim::Status::Failed,
    };
    ProviderError::failed(status, error.to_string())
}

/// The rows of one class.
///
/// A row knows where its values are and reads them when a column asks for them, each source once: columns that
/// nobody wants cost nothing.
pub(crate) trait Table: Send + Sync + 'static {
    /// Where one instance's values come from.
    type Row;

    /// The namespace.
    const NAMESPACE: &'static str = "root/cimv2";

    /// The class.
    const CLASS: &'static str;

    /// The properties of the class, with what fills each.
    ///
    /// Those of scoping systems may be left out; those of [`Table::UNKNOWN`], and those that Linux knows of nothing
    /// that is of the same superclass, are.
    const COLUMNS: &'static [(&'static str, Fill<Self::Row>)];

    /// The properties that Linux knows nothing for, beside those of `unknown::UNKNOWN`.
    const UNKNOWN: &'static [&'static str] = &[];

    /// The subsystems of the kernel whose devices its rows are; none if it does not tell when they come and go.
    const SUBSYSTEMS: &'static [&'static str] = &[];

    /// How many rows are prepared together.
    const AT_ONCE: usize = 1;

    /// Gives each row away, until there are no more or `push` fails; passes the failure on.
    ///
    /// # Errors
    /// What made it impossible.
    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Self::Row>,
    ) -> Result<(), ProviderError>;

    /// Asks for what the columns of some wanted rows will need, where it is quicker to ask for all of them at the same
    /// time; at most [`Table::AT_ONCE`].
    ///
    /// # Errors
    /// What kept all of them from being told.
    fn prepare(
        &self,
        _machine: &Arc<Machine>,
        _scan: &Scan,
        _rows: &[Self::Row],
    ) -> Result<(), ProviderError> {
        Ok(())
    }

    /// Whether a row still counts now that its columns are filled: what has vanished before does not.
    ///
    /// # Errors
    /// What kept it from being read.
    fn is_there(&self, _row: &Self::Row) -> Result<bool, ProviderError> {
        Ok(true)
    }

    /// The row with some keys.
    ///
    /// # Errors
    /// [`ProviderError::NotCapable`] by default, upon which all rows are looked through.
    fn row(&self, _machine: &Arc<Machine>, _lookup: &Lookup<'_>) -> Result<Option<Self::Row>, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// As [`Provider::invoke`]; upon [`ProviderError::NotCapable`], the default, the number is returned that is documented
    /// for what is not supported.
    ///
    /// # Errors
    /// What kept it from running.
    fn invoke(&self, _machine: &Arc<Machine>, _call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// As [`Provider::put`].
    ///
    /// # Errors
    /// What kept it from changing.
    fn put(
        &self,
        _machine: &Arc<Machine>,
        _context: &Context,
        _instance: &Instance,
        _changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// As [`Provider::create`].
    ///
    /// # Errors
    /// What kept it from being made.
    fn create(
        &self,
        _machine: &Arc<Machine>,
        _context: &Context,
        _instance: &Instance,
    ) -> Result<ObjectPath, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// As [`Provider::delete`].
    ///
    /// # Errors
    /// What kept it from going.
    fn delete(&self, _machine: &Arc<Machine>, _lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// As [`Provider::watch`].
    ///
    /// # Errors
    /// As there.
    fn watch(
        &self,
        machine: &Arc<Machine>,
        watch: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        if Self::SUBSYSTEMS.is_empty() {
            return Ok(None);
        }
        Ok(events::of_devices(machine, watch, Self::SUBSYSTEMS))
    }
}

/// Where a table puts its rows.
pub(crate) type Push<'a, R> = dyn FnMut(R) -> Result<(), ProviderError> + 'a;

/// A provider whose columns are known, for those who hold them against the class.
pub(crate) trait Binding: Provider {
    /// The properties that it says something about.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds the columns against the class"))]
    fn columns(&self) -> Vec<&'static str>;

    /// Whether a property of a class needs no column.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds the columns against the class"))]
    fn is_filled(&self, _property: &cim::Property) -> bool {
        false
    }

    /// Those of the columns that it says nothing is known for.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds the columns against the class"))]
    fn unknown(&self) -> &'static [&'static str] {
        &[]
    }

    /// Gives away the paths of its instances; of nothing by default.
    ///
    /// # Errors
    /// As [`Table::rows`].
    fn paths(&self, _scan: &Scan, _push: &mut Push<'_, Value>) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// A table of a machine as a provider.
pub(crate) fn bind<T: Table>(machine: &Arc<Machine>, table: T) -> Arc<dyn Binding> {
    Arc::new(Bound { machine: machine.clone(), table, fills: OnceLock::new() })
}

struct Bound<T: Table> {
    machine: Arc<Machine>,
    table: T,
    fills: OnceLock<Fills<T::Row>>,
}

/// What fills each column of a class, by its place; none for one that stays NULL or is the same in all rows.
type Fills<R> = Box<[Option<Fill<R>>]>;

/// What fills a column in every row of one question.
enum Source<R> {
    /// The same for all of them.
    Constant(Value),
    Row(Fill<R>),
}

impl<T: Table> Bound<T> {
    /// What fills some columns; those that stay NULL are left out.
    fn sources(
        &self,
        class: &Class,
        columns: impl IntoIterator<Item = Column>,
    ) -> Vec<(Column, Source<T::Row>)> {
        let fills = self
            .fills
            .get_or_init(|| class.properties().iter().map(|property| fill_of::<T>(&property.name)).collect());
        let texts = self.machine.texts(class.name());
        let source = |column: Column| {
            let property = class.property(column)?;
            let constant = || scoping::<T>(&self.machine, &property.name).map(sendable).map(Source::Constant);
            if let Some(text) = texts.as_ref().and_then(|texts| texts.text(property)) {
                return Some((column, Source::Constant(text)));
            }
            let fill = fills.get(column.index()).copied().flatten().map(Source::Row);
            Some((column, fill.or_else(constant)?))
        };
        columns.into_iter().filter_map(source).collect()
    }

    /// Fills columns of an instance.
    fn fill(
        &self,
        instance: &mut Instance,
        row: &T::Row,
        sources: &[(Column, Source<T::Row>)],
    ) -> Result<(), ProviderError> {
        for (column, source) in sources {
            let value = match source {
                Source::Constant(value) => value.clone(),
                Source::Row(fill) => sendable(fill(&self.machine, row)),
            };
            instance.set(*column, value)?;
        }
        Ok(())
    }
}

impl<T: Table> Binding for Bound<T> {
    fn columns(&self) -> Vec<&'static str> {
        T::COLUMNS.iter().map(|(name, _)| *name).chain(T::UNKNOWN.iter().copied()).collect()
    }

    fn unknown(&self) -> &'static [&'static str] {
        T::UNKNOWN
    }

    fn is_filled(&self, property: &cim::Property) -> bool {
        scoping::<T>(&self.machine, &property.name).is_some() || unknown::is_unknown(property)
    }

    fn paths(&self, scan: &Scan, push: &mut Push<'_, Value>) -> Result<(), ProviderError> {
        let class = Schema::of(Namespace::parse(T::NAMESPACE)?).require(T::CLASS)?;
        let keys = self.sources(&class, class.keys().iter().copied());
        self.table.rows(&self.machine, scan, &mut |row| {
            let mut instance = Instance::new(class.clone());
            self.fill(&mut instance, &row, &keys)?;
            push(instance.path()?.into())
        })
    }
}

impl<T: Table> Provider for Bound<T> {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        let class = Namespace::parse(T::NAMESPACE).ok().zip(Name::parse(T::CLASS).ok());
        class.into_iter().collect()
    }

    fn enumerate(&self, scan: &Scan, sink: &mut Sink<'_>) -> Result<(), ProviderError> {
        let (class, deciding) = (scan.class(), scan.deciding());
        let others = scan.columns().iter().filter(|column| !deciding.contains(*column));
        let (deciding, others) = (self.sources(class, deciding.iter()), self.sources(class, others));
        // Those that are wanted and still miss the columns that have not decided that.
        let (mut rows, mut instances) = (Vec::new(), Vec::new());
        let finish = |rows: &mut Vec<T::Row>, instances: &mut Vec<Instance>, sink: &mut Sink<'_>| {
            if let Err(error) = self.table.prepare(&self.machine, scan, rows) {
                // Or they would be prepared again in the end.
                rows.clear();
                instances.clear();
                return Err(error);
            }
            for (row, mut instance) in rows.drain(..).zip(instances.drain(..)) {
                self.fill(&mut instance, &row, &others)?;
                if self.table.is_there(&row)? {
                    sink.push(instance)?;
                }
            }
            Ok(())
        };
        let ended = self.table.rows(&self.machine, scan, &mut |row| {
            let mut instance = Instance::new(class.clone());
            self.fill(&mut instance, &row, &deciding)?;
            if !scan.wants(&instance) {
                return sink.go_on();
            }
            rows.push(row);
            instances.push(instance);
            if rows.len() < T::AT_ONCE { Ok(()) } else { finish(&mut rows, &mut instances, sink) }
        });
        finish(&mut rows, &mut instances, sink).and(ended)
    }

    fn get(&self, lookup: &Lookup<'_>) -> Result<Option<Instance>, ProviderError> {
        let Some(row) = self.table.row(&self.machine, lookup)? else { return Ok(None) };
        let mut instance = Instance::new(lookup.class.clone());
        self.fill(&mut instance, &row, &self.sources(lookup.class, lookup.columns.iter()))?;
        Ok(Some(instance))
    }

    fn invoke(&self, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        match self.table.invoke(&self.machine, call) {
            Err(ProviderError::NotCapable) => unsupported::answer(T::NAMESPACE, call),
            answered => answered,
        }
    }

    fn put(&self, context: &Context, instance: &Instance, changed: &ColumnSet) -> Result<(), ProviderError> {
        self.table.put(&self.machine, context, instance, changed)
    }

    fn create(&self, context: &Context, instance: &Instance) -> Result<ObjectPath, ProviderError> {
        self.table.create(&self.machine, context, instance)
    }

    fn delete(&self, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        self.table.delete(&self.machine, lookup)
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        self.table.watch(&self.machine, watch)
    }
}
