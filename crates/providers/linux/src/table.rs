//! Tables that connect a class with its rows.

pub(crate) mod association;
#[cfg(test)]
pub(crate) mod unknown;
mod unsupported;

use std::sync::{Arc, OnceLock};

use cim::{Class, Column, ColumnSet, Instance, Name, Namespace, ObjectPath, Schema, Value};
use wmi::{Context, EventSource, Lookup, MethodCall, Provider, ProviderError, Scan, Sink, Watch};

pub(crate) use crate::provider_failure::{failure, push_listing};
use crate::sendable::sendable;
use crate::{Machine, events};

/// Function that computes a column from a row.
pub(crate) type Fill<R> = fn(&Machine, &R) -> Value;

/// Data source of a class.
#[derive(Clone, Copy)]
pub(crate) struct DataSource {
    /// Name, which clients map to a text.
    pub(crate) name: &'static str,
    pub(crate) is_present: fn(&Machine) -> bool,
}

/// Column without a value on Linux.
pub(crate) fn null<R>(_: &Machine, _: &R) -> Value {
    Value::Null
}

/// Returns the short host name, for columns of scoping systems.
pub(crate) fn host_name<R>(machine: &Machine, _: &R) -> Value {
    machine.host_name().into()
}

/// Returns the value of columns with the same meaning in every class, unless a table defines them itself.
fn scoping<T: Table>(machine: &Machine, property: &Name) -> Option<Value> {
    Some(match property.as_str() {
        "CreationClassName" => T::CLASS.into(),
        "CSCreationClassName" | "SystemCreationClassName" => "Win32_ComputerSystem".into(),
        "CSName" | "SystemName" => machine.host_name().into(),
        _ => return None,
    })
}

/// Returns the output of a method that has only a return value.
///
/// # Errors
/// If the return value of the method has another type.
pub(crate) fn returned(call: &MethodCall<'_>, value: impl Into<Value>) -> Result<Instance, ProviderError> {
    Ok(Instance::new(call.operation.output.clone()).with("ReturnValue", value)?)
}

/// Returns a row as an embedded object with all its columns.
///
/// # Errors
/// If a column value does not fit its property.
pub(crate) fn object<T: Table>(
    machine: &Machine,
    class: &Arc<Class>,
    row: &T::Row,
) -> Result<Value, ProviderError> {
    Ok(Value::Object(Box::new(whole::<T>(machine, class, row)?)))
}

/// Returns a row as an instance with all its columns.
///
/// # Errors
/// If a column value does not fit its property.
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

/// Returns the function for the column with this name.
fn fill_of<T: Table>(name: &Name) -> Option<Fill<T::Row>> {
    T::COLUMNS.iter().find(|(known, _)| *name == **known).map(|(_, fill)| *fill)
}

/// Returns the value of a property of a row.
fn value_of<T: Table>(machine: &Machine, row: &T::Row, name: &Name) -> Option<Value> {
    fill_of::<T>(name).map(|fill| fill(machine, row)).or_else(|| scoping::<T>(machine, name))
}

/// Returns the value of the only key of a class, a text.
pub(crate) fn text_key(keys: &[Value]) -> &str {
    keys.first().and_then(Value::as_str).unwrap_or_default()
}

/// Returns a text property or parameter; `None` if it is missing or not a text.
pub(crate) fn text_in<'a>(instance: &'a Instance, name: &str) -> Option<&'a str> {
    instance.value(name).and_then(Value::as_str)
}

/// Returns a text property or parameter; `None` if it is missing, not a text, or empty.
pub(crate) fn nonempty_text_in<'a>(instance: &'a Instance, name: &str) -> Option<&'a str> {
    text_in(instance, name).filter(|text| !text.is_empty())
}

/// Returns a text property or parameter; empty if it is missing or not a text.
pub(crate) fn text_of<'a>(instance: &'a Instance, name: &str) -> &'a str {
    text_in(instance, name).unwrap_or_default()
}

/// Returns an integer property or parameter; `None` if it is missing or not an integer.
pub(crate) fn integer_in(instance: &Instance, name: &str) -> Option<i128> {
    instance.value(name).and_then(Value::as_integer)
}

/// Returns whether a boolean property or parameter is `true`.
pub(crate) fn is_set(instance: &Instance, name: &str) -> bool {
    instance.value(name) == Some(&Value::Boolean(true))
}

/// Returns the path of an instance with one key.
pub(crate) fn reference(class: &str, key: &str, value: impl Into<Value>) -> Value {
    reference_with_keys(class, &[(key, value.into())])
}

/// Returns the path of an instance with these keys.
pub(crate) fn reference_with_keys(class: &str, keys: &[(&str, Value)]) -> Value {
    path_with_keys(class, keys).ok().into()
}

fn path_with_keys(class: &str, keys: &[(&str, Value)]) -> Result<ObjectPath, cim::Error> {
    let keys = keys.iter().map(|(name, value)| Ok((Name::parse(name)?, cim::KeyValue::from(value))));
    ObjectPath::from_keys(Name::parse(class)?, keys.collect::<Result<_, cim::Error>>()?)
}

/// Returns the path of an instance with several keys from its row.
pub(crate) fn path_to<T: Table>(machine: &Machine, row: &T::Row, keys: &[&str]) -> Value {
    instance_path::<T>(machine, row, keys).ok().into()
}

/// Returns the path of an instance from its row.
fn instance_path<T: Table>(machine: &Machine, row: &T::Row, keys: &[&str]) -> Result<ObjectPath, cim::Error> {
    let keys = keys
        .iter()
        .map(|name| {
            let name = Name::parse(name)?;
            let value = value_of::<T>(machine, row, &name).unwrap_or_default();
            Ok((name, cim::KeyValue::from(&value)))
        })
        .collect::<Result<_, cim::Error>>()?;
    ObjectPath::from_keys(Name::parse(T::CLASS)?, keys)
}

/// Returns the path of the computer system, for associations.
pub(crate) fn computer_system(machine: &Machine) -> Value {
    reference("Win32_ComputerSystem", "Name", machine.host_name())
}

/// Returns the single key of a referenced instance as text.
pub(crate) fn key_of(reference: &Value) -> Option<String> {
    let Value::Reference(path) = reference else { return None };
    let [(_, key)] = path.keys() else { return None };
    Some(key.typed(&cim::CimType::String).ok()?.to_text())
}

/// Table of a class: columns and rows.
///
/// A row holds the locations of its data and reads each source once, when a column needs it: columns that are
/// not requested cost nothing.
pub(crate) trait Table: Send + Sync + 'static {
    /// Data of one instance.
    type Row;

    /// Namespace of the class.
    const NAMESPACE: &'static str = "root/cimv2";

    /// Name of the class.
    const CLASS: &'static str;

    /// Properties of the class, with the functions that compute them.
    ///
    /// Columns of scoping systems may be omitted. Properties without a value on Linux are not listed here, but
    /// in `unknown_on_linux.txt` beside the schema.
    const COLUMNS: &'static [(&'static str, Fill<Self::Row>)];

    /// Kernel subsystems whose devices are the rows; empty if their creation and deletion are not reported.
    const SUBSYSTEMS: &'static [&'static str] = &[];

    /// Properties that are not keys and never change; see [`Provider::fixed_properties`].
    const FIXED: &'static [&'static str] = &[];

    /// Source of the rows, if not every machine has it.
    const SOURCE: Option<DataSource> = None;

    /// Maximum number of rows prepared together.
    const AT_ONCE: usize = 1;

    /// Returns all rows, for the default of [`Table::rows`]; none if a table implements that function.
    ///
    /// # Errors
    /// The reason why rows could not be read.
    fn all(_machine: &Machine) -> Result<impl Iterator<Item = Self::Row>, ProviderError> {
        Ok(std::iter::empty())
    }

    /// Passes each row to `push` until there are no more or `push` fails; returns that error.
    ///
    /// Tables whose rows depend on the query implement it; the others implement [`Table::all`].
    ///
    /// # Errors
    /// The reason why rows could not be read.
    fn rows(
        &self,
        machine: &Arc<Machine>,
        _scan: &Scan,
        push: &mut Push<'_, Self::Row>,
    ) -> Result<(), ProviderError> {
        Self::all(machine)?.try_for_each(push)
    }

    /// Reads data that the columns of several matching rows need, if reading it for all of them together is
    /// faster. Called with at most [`Table::AT_ONCE`] rows.
    ///
    /// # Errors
    /// The reason why none of the rows can be returned.
    fn prepare(
        &self,
        _machine: &Arc<Machine>,
        _scan: &Scan,
        _rows: &[Self::Row],
    ) -> Result<(), ProviderError> {
        Ok(())
    }

    /// Returns whether the object of a row still exists after its columns were computed; otherwise the row is
    /// dropped.
    ///
    /// # Errors
    /// The reason why it could not be read.
    fn still_exists(&self, _row: &Self::Row) -> Result<bool, ProviderError> {
        Ok(true)
    }

    /// Returns the row with these keys.
    ///
    /// # Errors
    /// [`ProviderError::NotCapable`] by default; all rows are then enumerated.
    fn row(&self, _machine: &Arc<Machine>, _lookup: &Lookup<'_>) -> Result<Option<Self::Row>, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Calls a method; see [`Provider::invoke`]. For [`ProviderError::NotCapable`], the default, the method's
    /// documented return value for unsupported operations is returned.
    ///
    /// # Errors
    /// The reason why the method could not be executed.
    fn invoke(&self, _machine: &Arc<Machine>, _call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Changes an instance; see [`Provider::put`].
    ///
    /// # Errors
    /// The reason why it could not be changed.
    fn put(
        &self,
        _machine: &Arc<Machine>,
        _context: &Context,
        _instance: &Instance,
        _changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Creates an instance; see [`Provider::create`].
    ///
    /// # Errors
    /// The reason why it could not be created.
    fn create(
        &self,
        _machine: &Arc<Machine>,
        _context: &Context,
        _instance: &Instance,
    ) -> Result<ObjectPath, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Deletes an instance; see [`Provider::delete`].
    ///
    /// # Errors
    /// The reason why it could not be deleted.
    fn delete(&self, _machine: &Arc<Machine>, _lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Watches for changes; see [`Provider::watch`].
    ///
    /// # Errors
    /// As for [`Provider::watch`].
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

/// Function that receives the rows of a table.
pub(crate) type Push<'a, R> = dyn FnMut(R) -> Result<(), ProviderError> + 'a;

/// A provider whose columns a test compares with the class.
pub(crate) trait Binding: Provider {
    /// Returns the properties that the table lists.
    #[cfg(test)]
    fn columns(&self) -> Vec<&'static str>;

    /// Returns whether a property of a class needs no column, because all classes have the same value for it.
    #[cfg(test)]
    fn is_scoping(&self, _property: &cim::Property) -> bool {
        false
    }

    /// Passes the paths of all instances to `push`; none by default.
    ///
    /// # Errors
    /// As for [`Table::rows`].
    fn paths(&self, _scan: &Scan, _push: &mut Push<'_, Value>) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// Returns the provider for a table of a machine.
pub(crate) fn bind<T: Table>(machine: &Arc<Machine>, table: T) -> Arc<dyn Binding> {
    Arc::new(Bound { machine: machine.clone(), table, fills: OnceLock::new() })
}

struct Bound<T: Table> {
    machine: Arc<Machine>,
    table: T,
    fills: OnceLock<Fills<T::Row>>,
}

/// Functions of all columns of a class, by index; `None` for a column that is NULL or constant.
type Fills<R> = Box<[Option<Fill<R>>]>;

/// Source of a column's values in one query.
enum Source<R> {
    /// A constant value for all rows.
    Constant(Value),
    Row(Fill<R>),
}

impl<T: Table> Bound<T> {
    /// Returns the sources of some columns, without those that are always NULL.
    fn sources(
        &self,
        class: &Class,
        columns: impl IntoIterator<Item = Column>,
    ) -> Vec<(Column, Source<T::Row>)> {
        let fills = self
            .fills
            .get_or_init(|| class.properties().iter().map(|property| fill_of::<T>(&property.name)).collect());
        let texts = self.machine.texts(class.name());
        let mut sources = Vec::new();
        for column in columns {
            let Some(property) = class.property(column) else { continue };
            let text = texts.as_ref().and_then(|texts| texts.text(property)).map(Source::Constant);
            let source = text
                .or_else(|| fills.get(column.index()).copied().flatten().map(Source::Row))
                .or_else(|| scoping::<T>(&self.machine, &property.name).map(sendable).map(Source::Constant));
            sources.extend(source.map(|source| (column, source)));
        }
        sources
    }

    /// Computes columns of an instance.
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
    #[cfg(test)]
    fn columns(&self) -> Vec<&'static str> {
        T::COLUMNS.iter().map(|(name, _)| *name).collect()
    }

    #[cfg(test)]
    fn is_scoping(&self, property: &cim::Property) -> bool {
        scoping::<T>(&self.machine, &property.name).is_some()
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

    fn missing_source(&self, _: &Namespace, _: &Name) -> Option<&'static str> {
        T::SOURCE.filter(|source| !(source.is_present)(&self.machine)).map(|source| source.name)
    }

    fn enumerate(&self, scan: &Scan, sink: &mut Sink<'_>) -> Result<(), ProviderError> {
        let (class, deciding) = (scan.class(), scan.deciding());
        let others = scan.columns().iter().filter(|column| !deciding.contains(*column));
        let (deciding, others) = (self.sources(class, deciding.iter()), self.sources(class, others));
        // Matching rows whose remaining columns are not computed yet.
        let (mut rows, mut instances) = (Vec::new(), Vec::new());
        let finish = |rows: &mut Vec<T::Row>, instances: &mut Vec<Instance>, sink: &mut Sink<'_>| {
            if let Err(error) = self.table.prepare(&self.machine, scan, rows) {
                // Cleared, so that they are not prepared again.
                rows.clear();
                instances.clear();
                return Err(error);
            }
            for (row, mut instance) in rows.drain(..).zip(instances.drain(..)) {
                self.fill(&mut instance, &row, &others)?;
                if self.table.still_exists(&row)? {
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

    fn fixed_properties(&self) -> &[&'static str] {
        T::FIXED
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        self.table.watch(&self.machine, watch)
    }
}
