//! Target of a request: class and instance named by URI and selectors (MS-WSMV 3.1.4.1.1; DSP0227 6).

use std::fmt;

use cim::uri::{ClassUri, UriForm};
use cim::{KeyValue, Name, Namespace, ObjectPath};
use wmi::Engine;
use wsman::{EndpointReference, Fault, ResourceUri, SelectorSet, SelectorValue};

use crate::error::WmiError;

/// Selector that names a namespace.
const NAMESPACE: &str = "__cimnamespace";

/// A class, or all classes, with the keys of an instance.
#[derive(Debug)]
pub(crate) struct RequestTarget {
    /// URI form of the request, also used for the response.
    pub(crate) form: UriForm,
    pub(crate) namespace: Namespace,
    /// Class; `None` for `*`.
    class: Option<Name>,
    keys: Vec<(Name, KeyValue)>,
}

impl RequestTarget {
    /// Reads the target of a request or of an endpoint reference.
    pub(crate) fn read(
        engine: &Engine,
        resource: &ResourceUri,
        selectors: &SelectorSet,
    ) -> Result<Self, WmiError> {
        let uri = ClassUri::parse(resource.as_str())?;
        let (mut selected, mut keys) = (None, Vec::new());
        for selector in selectors.iter() {
            match &selector.value {
                SelectorValue::Text(text) if selector.name.eq_ignore_ascii_case(NAMESPACE) => {
                    selected = Some(Namespace::parse(text.trim())?);
                }
                SelectorValue::Text(text) => {
                    keys.push((Name::parse(&selector.name)?, KeyValue::Text(text.clone())));
                }
                SelectorValue::Reference(reference) => {
                    let target = Self::read(engine, &reference.resource, &reference.selectors)?;
                    keys.push((Name::parse(&selector.name)?, KeyValue::Reference(Box::new(target.path()?))));
                }
            }
        }
        let namespace = match (uri.namespace, selected) {
            (Some(named), Some(selected)) if named != selected => {
                return Err(WmiError::TwoNamespaces { named, selected });
            }
            (Some(namespace), _) | (None, Some(namespace)) => namespace,
            (None, None) => usual_namespace(engine, uri.class.as_ref()),
        };
        Ok(Self { form: uri.form, namespace, class: uri.class, keys })
    }

    /// Returns the class, or an error for `*`.
    pub(crate) fn class(&self) -> Result<&Name, WmiError> {
        self.class.as_ref().ok_or(WmiError::NoClass)
    }

    /// Returns the path of the class or, with selectors, of the instance.
    pub(crate) fn path(&self) -> Result<ObjectPath, WmiError> {
        Ok(ObjectPath::from_keys(self.class()?.clone(), self.keys.clone())?)
    }

    /// Returns whether there are selectors for keys.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }
}

/// Prints the target for faults, without its namespace.
impl fmt::Display for RequestTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Ok(path) => path.fmt(f),
            Err(_) => f.write_str("*"),
        }
    }
}

/// Returns the endpoint reference of an instance or a class, in a given URI form.
pub(crate) fn reference(
    form: UriForm,
    namespace: &Namespace,
    path: &ObjectPath,
) -> Result<EndpointReference, Fault> {
    let namespace = path.namespace.as_ref().unwrap_or(namespace);
    let resource = ResourceUri::parse(&ClassUri::of(form, namespace, &path.class).to_string())?;
    let mut selectors = SelectorSet::new();
    if form.has_namespace_selector() {
        selectors = selectors.with(NAMESPACE, namespace.as_str());
    }
    for (name, value) in path.keys() {
        selectors = match value {
            KeyValue::Reference(inner) => {
                selectors.with_reference(name.as_str(), reference(form, namespace, inner)?)
            }
            value => selectors.with(name.as_str(), value.to_text()),
        };
    }
    Ok(EndpointReference::anonymous(resource, selectors))
}

/// Returns the namespace of a DMTF URI without namespace selector: root/hardware if it has the class, as on
/// Windows, otherwise root/cimv2.
fn usual_namespace(engine: &Engine, class: Option<&Name>) -> Namespace {
    let hardware = Namespace::parse("root/hardware").ok().filter(|hardware| {
        let schema = engine.schema(hardware);
        schema.is_ok_and(|schema| class.is_some_and(|class| schema.class(class.as_str()).is_some()))
    });
    hardware.unwrap_or_else(Namespace::cimv2)
}
