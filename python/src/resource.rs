//! Locators and resources.

use std::sync::Arc;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use telarch::{MustComply, ResourceLocator};
use wording::markup::{by_name, has_children, is_nil};
use xml::Element;

use crate::raise::raise;

/// A resource URI with selectors, options and a fragment.
#[pyclass(frozen, eq, from_py_object, module = "telarch", name = "Locator")]
#[derive(Clone, PartialEq)]
pub(crate) struct Locator(pub(crate) ResourceLocator);

#[pymethods]
impl Locator {
    #[new]
    #[pyo3(signature = (uri, selectors=None, *, options=None, must_comply=false, fragment=None, fragment_dialect=None))]
    fn new(
        uri: &str,
        selectors: Option<&Bound<'_, PyDict>>,
        options: Option<&Bound<'_, PyDict>>,
        must_comply: bool,
        fragment: Option<String>,
        fragment_dialect: Option<String>,
    ) -> PyResult<Self> {
        let mut locator = ResourceLocator::parse(uri).map_err(|error| raise(&error))?;
        for (name, value) in selectors.into_iter().flatten() {
            locator = locator.selector(name.extract::<String>()?, value.str()?.to_string());
        }
        for (name, value) in options.into_iter().flatten() {
            let (value, must) = match value.cast::<PyTuple>() {
                Ok(pair) => pair.extract::<(Bound<'_, PyAny>, bool)>()?,
                Err(_) => (value, false),
            };
            let comply = if must || must_comply { MustComply::Yes } else { MustComply::No };
            let value = (!value.is_none()).then(|| value.str()).transpose()?.map(|value| value.to_string());
            locator = locator.option(name.extract::<String>()?, value.as_deref(), comply);
        }
        if let Some(fragment) = fragment {
            locator = locator.fragment(fragment);
        }
        if let Some(dialect) = fragment_dialect {
            locator = locator.fragment_dialect(dialect);
        }
        Ok(Self(locator))
    }

    #[getter]
    fn resource_uri(&self) -> &str {
        self.0.resource_uri()
    }

    /// Returns names and values; a selector with a reference as its value is omitted.
    #[getter]
    fn selectors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = PyDict::new(py);
        for selector in self.0.selectors().iter() {
            found.set_item(&selector.name, self.0.selectors().text(&selector.name))?;
        }
        Ok(found)
    }

    fn __repr__(&self) -> String {
        let selectors: Vec<String> = self
            .0
            .selectors()
            .iter()
            .map(|selector| {
                let value = self.0.selectors().text(&selector.name).unwrap_or("…");
                format!("{}={value}", selector.name)
            })
            .collect();
        let query = if selectors.is_empty() { String::new() } else { format!("?{}", selectors.join("+")) };
        format!("Locator({:?})", format!("{}{query}", self.0.resource_uri()))
    }
}

/// An element from the service, as a mapping of the names of its children.
#[pyclass(frozen, mapping, from_py_object, module = "telarch", name = "Resource")]
#[derive(Clone)]
pub(crate) struct Resource(pub(crate) Arc<telarch::Resource>);

impl From<telarch::Resource> for Resource {
    fn from(resource: telarch::Resource) -> Self {
        Self(Arc::new(resource))
    }
}

#[pymethods]
impl Resource {
    #[new]
    fn new(xml: &str) -> PyResult<Self> {
        telarch::Resource::parse(xml).map(Self::from).map_err(|error| raise(&error))
    }

    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    #[getter]
    fn namespace(&self) -> &str {
        self.0.element().namespace()
    }

    #[getter]
    fn xml(&self) -> &str {
        self.0.xml()
    }

    #[getter]
    fn text(&self) -> String {
        self.0.element().text().into_owned()
    }

    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = PyDict::new(py);
        for attribute in self.0.element().attributes() {
            found.set_item(attribute.name(), attribute.value())?;
        }
        Ok(found)
    }

    #[getter]
    fn reference(&self) -> Option<Locator> {
        self.0.reference().map(|reference| Locator(reference.into()))
    }

    fn value(&self, path: &str) -> Option<String> {
        self.0.value(path)
    }

    fn to_text(&self) -> String {
        self.0.to_text()
    }

    fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// Converts [`Self::to_json`] to a Python object, without the name around it.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.call_method1("loads", (self.0.to_json(),))?.get_item(self.0.name())
    }

    fn keys(&self) -> Vec<String> {
        let names = by_name(self.0.element()).into_iter();
        names.filter_map(|same| same.first().map(|element| element.name().to_owned())).collect()
    }

    fn values<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.keys().iter().map(|name| self.__getitem__(py, name)).collect()
    }

    fn items<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        self.keys().into_iter().map(|name| self.__getitem__(py, &name).map(|value| (name, value))).collect()
    }

    #[pyo3(signature = (name, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.__contains__(name) { self.__getitem__(py, name).map(Some) } else { Ok(default) }
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let same_name = by_name(self.0.element())
            .into_iter()
            .find(|same| same.first().is_some_and(|element| element.name() == name));
        match same_name.as_deref() {
            None | Some([]) => Err(PyKeyError::new_err(name.to_owned())),
            Some([only]) => object(py, *only),
            Some(several) => {
                let all: PyResult<Vec<_>> = several.iter().map(|element| object(py, *element)).collect();
                Ok(PyList::new(py, all?)?.into_any())
            }
        }
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PyList::new(py, self.keys())?.call_method0("__iter__")
    }

    fn __len__(&self) -> usize {
        by_name(self.0.element()).len()
    }

    fn __contains__(&self, name: &str) -> bool {
        self.keys().iter().any(|known| known == name)
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0.xml() == other.0.xml()
    }

    fn __str__(&self) -> String {
        self.0.to_text()
    }

    fn __repr__(&self) -> String {
        format!("<Resource {} of {}>", self.0.name(), self.keys().join(", "))
    }
}

/// Returns text for a plain value, None for `xsi:nil`, and a resource for an element with children.
fn object<'py>(py: Python<'py>, element: Element<'_>) -> PyResult<Bound<'py, PyAny>> {
    if has_children(element) {
        let below = telarch::Resource::of(element).map_err(|error| raise(&error))?;
        return Ok(Bound::new(py, Resource::from(below))?.into_any());
    }
    if is_nil(element) {
        return Ok(py.None().into_bound(py));
    }
    Ok(element.text().into_pyobject(py)?.into_any())
}
