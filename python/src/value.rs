//! Values of PowerShell as Python objects, and the reverse.
//!
//! Primitive values become the usual types of Python; lists, stacks and queues become `list`, dictionaries `dict`, and
//! other objects `telarch.PSObject`.

use std::collections::HashMap;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMapping, PySequence, PyString, PyTuple,
};
use telarch::remoting::{
    Content, DateTime, Decimal, Guid, Object, Primitive, Property, ReferenceId, Text, TimeSpan, Value,
};

/// Text that travels encrypted, for arguments and input.
#[pyclass(frozen, from_py_object, module = "telarch", name = "SecureString")]
#[derive(Clone)]
pub(crate) struct SecureString(pub(crate) telarch::remoting::SecureString);

#[pymethods]
impl SecureString {
    fn __repr__(&self) -> &'static str {
        "SecureString(***)"
    }
}

/// Converts the values of documents. The objects of one document can refer to each other.
pub(crate) struct Reader<'py> {
    py: Python<'py>,
    /// Module with the classes of objects and the conversions of dates.
    classes: Bound<'py, PyModule>,
    /// The class `PSObject`, and its `__new__`, after the first object.
    object: Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>,
    objects: HashMap<ReferenceId, Bound<'py, PyAny>>,
    /// Names of properties and types, which most objects repeat.
    names: HashMap<Box<str>, Bound<'py, PyString>>,
}

impl<'py> Reader<'py> {
    pub(crate) fn new(py: Python<'py>) -> PyResult<Self> {
        let classes = py.import(intern!(py, "telarch._values"))?;
        Ok(Self { py, classes, object: None, objects: HashMap::new(), names: HashMap::new() })
    }

    /// Begins another document, whose objects do not refer to those of the last one.
    pub(crate) fn begin_document(&mut self) {
        self.objects.clear();
    }

    /// Converts a value.
    ///
    /// # Errors
    /// Exceptions of Python, for example when a date is out of its range.
    pub(crate) fn value(&mut self, value: &Value) -> PyResult<Bound<'py, PyAny>> {
        match value {
            Value::Primitive(primitive) => self.primitive(primitive),
            Value::Object(object) => self.object(object),
            Value::Reference(id) => match self.objects.get(id) {
                Some(object) => Ok(object.clone()),
                // A list or dictionary that contains itself, or an object of another record.
                None => Ok(self.py.None().into_bound(self.py)),
            },
            Value::PropertySet(properties) => Ok(self.properties(properties)?.into_any()),
        }
    }

    /// Converts properties to a dictionary of their names.
    pub(crate) fn properties(&mut self, properties: &[Property]) -> PyResult<Bound<'py, PyDict>> {
        let converted = PyDict::new(self.py);
        for property in properties {
            converted.set_item(self.name(property.name.as_str()), self.value(&property.value)?)?;
        }
        Ok(converted)
    }

    /// Creates an object of a class in `telarch._values` from its attributes.
    pub(crate) fn record(&self, class: &str, attributes: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        self.classes.getattr(class)?.call((), Some(attributes))
    }

    /// Converts a date and time; Python keeps microseconds of it.
    pub(crate) fn date_time(&self, time: &DateTime) -> PyResult<Bound<'py, PyAny>> {
        self.classes.call_method1("date_time", (time.as_str(),))
    }

    fn object(&mut self, object: &Object) -> PyResult<Bound<'py, PyAny>> {
        match &object.content {
            Content::List(elements)
            | Content::Enumerable(elements)
            | Content::Stack(elements)
            | Content::Queue(elements) => {
                let list = PyList::empty(self.py);
                self.register(object, list.as_any());
                for element in elements {
                    list.append(self.value(element)?)?;
                }
                Ok(list.into_any())
            }
            Content::Dictionary(entries) => {
                let dictionary = PyDict::new(self.py);
                self.register(object, dictionary.as_any());
                for (key, value) in entries {
                    let (key, value) = (self.value(key)?, self.value(value)?);
                    // A key that is an object with parts has no hash in Python.
                    let key = if key.hash().is_ok() { key } else { key.str()?.into_any() };
                    dictionary.set_item(key, value)?;
                }
                Ok(dictionary.into_any())
            }
            Content::None | Content::Primitive(_) => self.with_properties(object),
        }
    }

    fn with_properties(&mut self, object: &Object) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let converted = self.new_object()?;
        self.register(object, &converted);
        let types = PyList::empty(py);
        for name in object.types.iter().flat_map(|names| names.iter()) {
            types.append(self.name(name.as_str()))?;
        }
        converted.setattr(intern!(py, "types"), types)?;
        converted.setattr(intern!(py, "to_string"), object.to_string.as_ref().map(Text::as_str))?;
        let value = match &object.content {
            Content::Primitive(primitive) => self.primitive(primitive)?,
            _ => py.None().into_bound(py),
        };
        converted.setattr(intern!(py, "value"), value)?;
        let (adapted, extended) = (object.adapted.as_deref(), object.extended.as_deref());
        let (adapted, extended) = (adapted.unwrap_or_default(), extended.unwrap_or_default());
        converted.setattr(intern!(py, "adapted_properties"), self.properties(adapted)?)?;
        converted.setattr(intern!(py, "extended_properties"), self.properties(extended)?)?;
        Ok(converted)
    }

    /// Creates a `PSObject` whose attributes are set by the caller.
    fn new_object(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let (class, new) = match &self.object {
            Some(known) => known,
            None => {
                let class = self.classes.getattr(intern!(self.py, "PSObject"))?;
                let new = class.getattr(intern!(self.py, "__new__"))?;
                self.object.insert((class, new))
            }
        };
        new.call1((class,))
    }

    /// Returns the name of a property or type.
    fn name(&mut self, name: &str) -> Bound<'py, PyString> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let new = PyString::new(self.py, name);
        if self.names.len() < MAX_NAMES {
            self.names.insert(name.into(), new.clone());
        }
        new
    }

    fn register(&mut self, object: &Object, converted: &Bound<'py, PyAny>) {
        if let Some(id) = object.id {
            self.objects.insert(id, converted.clone());
        }
    }

    fn primitive(&self, primitive: &Primitive) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match primitive {
            Primitive::Null => py.None().into_bound(py),
            Primitive::String(text)
            | Primitive::Uri(text)
            | Primitive::Xml(text)
            | Primitive::Script(text) => PyString::new(py, text.as_str()).into_any(),
            Primitive::Char(unit) => py.import(intern!(py, "builtins"))?.call_method1("chr", (*unit,))?,
            Primitive::Boolean(value) => PyBool::new(py, *value).to_owned().into_any(),
            Primitive::DateTime(time) => self.date_time(time)?,
            Primitive::TimeSpan(TimeSpan(ticks)) => self.classes.call_method1("time_span", (*ticks,))?,
            Primitive::U8(number) => number.into_pyobject(py)?.into_any(),
            Primitive::I8(number) => number.into_pyobject(py)?.into_any(),
            Primitive::U16(number) => number.into_pyobject(py)?.into_any(),
            Primitive::I16(number) => number.into_pyobject(py)?.into_any(),
            Primitive::U32(number) => number.into_pyobject(py)?.into_any(),
            Primitive::I32(number) => number.into_pyobject(py)?.into_any(),
            Primitive::U64(number) => number.into_pyobject(py)?.into_any(),
            Primitive::I64(number) => number.into_pyobject(py)?.into_any(),
            Primitive::F32(number) => number.into_pyobject(py)?.into_any(),
            Primitive::F64(number) => number.into_pyobject(py)?.into_any(),
            Primitive::Decimal(number) => {
                py.import(intern!(py, "decimal"))?.call_method1(intern!(py, "Decimal"), (number.as_str(),))?
            }
            Primitive::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
            Primitive::Guid(guid) => {
                py.import(intern!(py, "uuid"))?.call_method1(intern!(py, "UUID"), (guid.to_string(),))?
            }
            Primitive::Version(version) => PyString::new(py, &version.to_string()).into_any(),
            Primitive::Secure(secure) => Bound::new(py, SecureString(secure.clone()))?.into_any(),
            Primitive::Progress(progress) => PyString::new(py, &progress.activity).into_any(),
        })
    }
}

/// Converts an object of Python to a value.
///
/// # Errors
/// `TypeError` for a type without counterpart, `ValueError` for nesting below [`MAX_DEPTH`] and for a date or number out
/// of range.
pub(crate) fn to_value(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    nested(object, 0)
}

fn nested(object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if depth > MAX_DEPTH {
        let message = format!("objects for PowerShell may contain each other {MAX_DEPTH} times at most");
        return Err(PyValueError::new_err(message));
    }
    if let Some(primitive) = primitive_of(object)? {
        return Ok(primitive.into());
    }
    if let Ok(dictionary) = object.cast::<PyDict>() {
        let mut entries = Vec::with_capacity(dictionary.len());
        for (key, value) in dictionary {
            entries.push((nested(&key, depth + 1)?, nested(&value, depth + 1)?));
        }
        let table = Object::with_content(Content::Dictionary(entries));
        return Ok(table.typed(&["System.Collections.Hashtable", "System.Object"]).into());
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let elements = elements(object.cast::<PySequence>().map_err(PyErr::from)?, depth)?;
        let array = Object::with_content(Content::List(elements));
        return Ok(array.typed(&["System.Object[]", "System.Array", "System.Object"]).into());
    }
    if object.is_instance(&object.py().import("telarch._values")?.getattr("PSObject")?)? {
        return Ok(custom(object, depth)?.into());
    }
    let kind = object.get_type().name()?.to_string();
    Err(PyTypeError::new_err(format!(
        "{kind} has no counterpart in PowerShell; convert it to a str or dict first"
    )))
}

fn elements(sequence: &Bound<'_, PySequence>, depth: usize) -> PyResult<Vec<Value>> {
    sequence.try_iter()?.map(|element| nested(&element?, depth + 1)).collect()
}

/// Converts a `telarch.PSObject`.
fn custom(object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Object> {
    let value = object.getattr("value")?;
    let content = match primitive_of(&value)? {
        Some(Primitive::Null) | None => Content::None,
        Some(primitive) => Content::Primitive(primitive),
    };
    let types: Vec<String> = object.getattr("types")?.extract()?;
    let to_string: Option<String> = object.getattr("to_string")?.extract()?;
    let converted = Object {
        to_string: to_string.map(Text::from),
        adapted: properties(&object.getattr("adapted_properties")?, depth)?,
        extended: properties(&object.getattr("extended_properties")?, depth)?,
        ..Object::with_content(content)
    };
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    Ok(if types.is_empty() { converted } else { converted.typed(&types) })
}

fn properties(attributes: &Bound<'_, PyAny>, depth: usize) -> PyResult<Option<Vec<Property>>> {
    let attributes = attributes.cast::<PyMapping>().map_err(PyErr::from)?;
    if attributes.is_empty()? {
        return Ok(None);
    }
    let mut converted = Vec::new();
    for item in attributes.items()? {
        let (name, value): (String, Bound<'_, PyAny>) = item.extract()?;
        converted.push(Property { name: name.into(), value: nested(&value, depth + 1)? });
    }
    Ok(Some(converted))
}

/// Converts an object without parts; `None` if it has parts.
fn primitive_of(object: &Bound<'_, PyAny>) -> PyResult<Option<Primitive>> {
    if object.is_none() {
        return Ok(Some(Primitive::Null));
    }
    if let Ok(truth) = object.cast::<PyBool>() {
        return Ok(Some(Primitive::Boolean(truth.is_true())));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Some(Primitive::String(text.to_cow()?.into_owned().into())));
    }
    if object.is_instance_of::<PyInt>() {
        return integer(object).map(Some);
    }
    if let Ok(number) = object.cast::<PyFloat>() {
        return Ok(Some(Primitive::F64(number.value())));
    }
    if object.is_instance_of::<PyBytes>() || object.is_instance_of::<PyByteArray>() {
        return Ok(Some(Primitive::Bytes(object.extract()?)));
    }
    if let Ok(secure) = object.extract::<SecureString>() {
        return Ok(Some(Primitive::Secure(secure.0)));
    }
    described(object)
}

/// Converts dates, durations, decimal numbers and identifiers.
fn described(object: &Bound<'_, PyAny>) -> PyResult<Option<Primitive>> {
    let described = object.py().import("telarch._values")?.call_method1("describe", (object,))?;
    let Some((kind, text)) = described.extract::<Option<(String, String)>>()? else { return Ok(None) };
    let invalid = |error: String| PyValueError::new_err(error);
    let primitive = match kind.as_str() {
        "date" => {
            DateTime::parse(&text).map(Primitive::DateTime).map_err(|error| invalid(error.to_string()))?
        }
        "decimal" => {
            Decimal::parse(&text).map(Primitive::Decimal).map_err(|error| invalid(error.to_string()))?
        }
        "guid" => Guid::parse(&text).map(Primitive::Guid).map_err(|error| invalid(error.to_string()))?,
        _ => Primitive::TimeSpan(TimeSpan(text.parse().map_err(|_| {
            invalid(format!("the duration of {text} units of 100 nanoseconds is out of range"))
        })?)),
    };
    Ok(Some(primitive))
}

fn integer(object: &Bound<'_, PyAny>) -> PyResult<Primitive> {
    if let Ok(number) = object.extract::<i32>() {
        return Ok(Primitive::I32(number));
    }
    if let Ok(number) = object.extract::<i64>() {
        return Ok(Primitive::I64(number));
    }
    if let Ok(number) = object.extract::<u64>() {
        return Ok(Primitive::U64(number));
    }
    Err(PyOverflowError::new_err("the number has more than 64 bits; pass a decimal.Decimal"))
}

/// Maximum number of names that a [`Reader`] keeps.
const MAX_NAMES: usize = 1_000;
/// Maximum nesting depth of objects that are sent. PowerShell stops at 50.
const MAX_DEPTH: usize = 50;
