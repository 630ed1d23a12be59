//! What binds a class to its rows.

pub(crate) mod unknown;
mod unsupported;

use std::sync::{Arc, OnceLock};

use cim::{Class, ColumnSet, Instance, Name, Namespace, ObjectPath, Schema, Value};
use wmi::{Context, EventSource, Lookup, MethodCall, Provider, ProviderError, Scan, Sink, Watch};

use crate::Machine;
use crate::masquerade::Texts;
use crate::sendable::sendable;

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

/// What fills the columns that mean the same in every class, where a table has no column of its own.
fn scoping<T: Table>(property: &Name) -> Option<Fill<T::Row>> {
    Some(match property.as_str() {
        "CreationClassName" => |_, _| T::CLASS.into(),
        "CSCreationClassName" | "SystemCreationClassName" => |_, _| "Win32_ComputerSystem".into(),
        "CSName" | "SystemName" => host_name,
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
        } else if let Some(fill) = fill_of::<T>(property) {
            instance.set(place, sendable(fill(machine, row)))?;
        }
    }
    Ok(instance)
}

/// What fills a property of a class.
fn fill_of<T: Table>(property: &cim::Property) -> Option<Fill<T::Row>> {
    let column = T::COLUMNS.iter().find(|(name, _)| property.name == **name);
    column.map(|(_, fill)| *fill).or_else(|| scoping::<T>(&property.name))
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
            let column = T::COLUMNS.iter().find(|(known, _)| name == **known).map(|(_, fill)| *fill);
            let fill = column.or_else(|| scoping::<T>(&name)).unwrap_or(null::<T::Row>);
            Ok((name, cim::KeyValue::from(&fill(machine, row))))
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
    fn prepare(&self, _machine: &Arc<Machine>, _scan: &Scan, _rows: &[Self::Row]) {}

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
        _machine: &Arc<Machine>,
        _watch: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(None)
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
    /// What fills each column, by its place.
    fills: OnceLock<Box<[Fill<T::Row>]>>,
}

impl<T: Table> Bound<T> {
    /// Fills some columns of an instance.
    fn fill(
        &self,
        instance: &mut Instance,
        row: &T::Row,
        columns: impl IntoIterator<Item = cim::Column>,
        fills: &[Fill<T::Row>],
        texts: Option<&Texts>,
    ) -> Result<(), ProviderError> {
        for column in columns {
            let given = texts.zip(instance.class().property(column));
            if let Some(text) = given.and_then(|(texts, property)| texts.text(property)) {
                instance.set(column, text)?;
            } else if let Some(fill) = fills.get(column.index()) {
                instance.set(column, sendable(fill(&self.machine, row)))?;
            }
        }
        Ok(())
    }

    fn fills(&self, class: &Class) -> &[Fill<T::Row>] {
        self.fills.get_or_init(|| {
            let of = |property: &cim::Property| fill_of::<T>(property).unwrap_or(null::<T::Row>);
            class.properties().iter().map(of).collect()
        })
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
        scoping::<T>(&property.name).is_some() || unknown::is_unknown(property)
    }

    fn paths(&self, scan: &Scan, push: &mut Push<'_, Value>) -> Result<(), ProviderError> {
        let class = Schema::of(Namespace::parse(T::NAMESPACE)?).require(T::CLASS)?;
        let fills = self.fills(&class);
        self.table.rows(&self.machine, scan, &mut |row| {
            let mut instance = Instance::new(class.clone());
            self.fill(&mut instance, &row, class.keys().iter().copied(), fills, None)?;
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
        let (class, fills) = (scan.class(), self.fills(scan.class()));
        let (deciding, columns) = (scan.deciding(), scan.columns());
        let texts = self.machine.texts(class.name());
        // Those that are wanted and still miss the columns that have not decided that.
        let (mut rows, mut instances) = (Vec::new(), Vec::new());
        let finish = |rows: &mut Vec<T::Row>, instances: &mut Vec<Instance>, sink: &mut Sink<'_>| {
            self.table.prepare(&self.machine, scan, rows);
            for (row, mut instance) in rows.drain(..).zip(instances.drain(..)) {
                let rest = columns.iter().filter(|column| !deciding.contains(*column));
                self.fill(&mut instance, &row, rest, fills, texts.as_deref())?;
                sink.push(instance)?;
            }
            Ok(())
        };
        let ended = self.table.rows(&self.machine, scan, &mut |row| {
            let mut instance = Instance::new(class.clone());
            self.fill(&mut instance, &row, deciding.iter(), fills, texts.as_deref())?;
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
        let (fills, texts) = (self.fills(lookup.class), self.machine.texts(lookup.class.name()));
        self.fill(&mut instance, &row, lookup.columns.iter(), fills, texts.as_deref())?;
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
