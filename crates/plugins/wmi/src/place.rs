//! Which class, and which of its instances, a URI and selectors name (MS-WSMV 3.1.4.1.1; DSP0227 6).

use std::fmt;

use cim::uri::{ClassUri, UriForm};
use cim::{KeyValue, Name, Namespace, ObjectPath};
use wmi::Engine;
use wsman::{EndpointReference, Fault, ResourceUri, SelectorSet, SelectorValue};

use crate::error::WmiError;

/// The selector that names a namespace.
const NAMESPACE: &str = "__cimnamespace";

/// A class or all of them, with what names an instance.
#[derive(Debug)]
pub(crate) struct Place {
    /// The form of its URI, in which answers are written.
    pub(crate) form: UriForm,
    pub(crate) namespace: Namespace,
    /// None for `*`.
    class: Option<Name>,
    keys: Vec<(Name, KeyValue)>,
}

impl Place {
    /// What a request or a reference names.
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
                    let place = Self::read(engine, &reference.resource, &reference.selectors)?;
                    keys.push((Name::parse(&selector.name)?, KeyValue::Reference(Box::new(place.path()?))));
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

    /// The class.
    pub(crate) fn class(&self) -> Result<&Name, WmiError> {
        self.class.as_ref().ok_or(WmiError::NoClass)
    }

    /// The class or, with selectors, an instance.
    pub(crate) fn path(&self) -> Result<ObjectPath, WmiError> {
        Ok(ObjectPath::from_keys(self.class()?.clone(), self.keys.clone())?)
    }

    /// Whether there are selectors that name an instance.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }
}

/// As faults repeat it: without namespace.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Ok(path) => path.fmt(f),
            Err(_) => f.write_str("*"),
        }
    }
}

/// How an instance or a class is addressed in a form of URIs.
pub(crate) fn reference(
    form: UriForm,
    namespace: &Namespace,
    path: &ObjectPath,
) -> Result<EndpointReference, Fault> {
    let namespace = path.namespace.as_ref().unwrap_or(namespace);
    let resource = ResourceUri::parse(&ClassUri::of(form, namespace, &path.class).to_string())?;
    let mut selectors = SelectorSet::new();
    if form == UriForm::Dmtf {
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
    Ok(EndpointReference::here(resource, selectors))
}

/// Where a URI of the DMTF leads without a selector: to the hardware, as in Windows, or where else the class is.
fn usual_namespace(engine: &Engine, class: Option<&Name>) -> Namespace {
    let hardware = Namespace::parse("root/hardware").ok().filter(|hardware| {
        let schema = engine.schema(hardware);
        schema.is_ok_and(|schema| class.is_some_and(|class| schema.class(class.as_str()).is_some()))
    });
    hardware.unwrap_or_else(Namespace::cimv2)
}
