//! What is related to one instance, as people write it: `{Object=CLASS?Key=Value;ResultClassName=NAME;...}`.

use wsman::{AssociationResult, EndpointReference, Fault, ResourceUri, SelectorSet};

use crate::locator::{Locator, LocatorError};

/// A filter of associations (DSP0227 16) whose object is named as in a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssociationFilter {
    /// The instance; its URI is a class name or a whole locator.
    pub object: Locator,
    /// What comes back.
    pub result: AssociationResult,
    /// Only associations of this class.
    pub association_class: Option<String>,
    /// Only instances of this class.
    pub result_class: Option<String>,
    /// Only associations in which the object has this role.
    pub role: Option<String>,
    /// Only instances that have this role.
    pub result_role: Option<String>,
}

/// Why a text is no filter of associations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssociationError {
    /// It is not written like one.
    #[error("association filter: {problem}")]
    Syntax {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Its object is no locator.
    #[error(transparent)]
    Object(#[from] LocatorError),
}

impl AssociationFilter {
    /// How one is written.
    pub const WAY_OUT: &'static str =
        "write {Object=CLASS?Key=Value;ResultClassName=NAME} (winrm help filters)";

    /// Reads the text; values stand without quotes. A class without a namespace is one beside the `resource` that is
    /// enumerated.
    ///
    /// # Errors
    /// [`AssociationError`].
    pub fn parse(text: &str, result: AssociationResult, resource: &str) -> Result<Self, AssociationError> {
        let wrong = |problem| AssociationError::Syntax { problem };
        let inner = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let mut object = None;
        let (mut association_class, mut result_class, mut role, mut result_role) = (None, None, None, None);
        for part in inner.ok_or_else(|| wrong("it is not in braces"))?.split(';') {
            let (key, value) = part.split_once('=').ok_or_else(|| wrong("a part is not Key=Value"))?;
            let slot = match key.trim().to_ascii_lowercase().as_str() {
                "object" => &mut object,
                "associationclassname" => &mut association_class,
                "resultclassname" => &mut result_class,
                "role" => &mut role,
                "resultrole" => &mut result_role,
                _ => {
                    return Err(wrong(
                        "it has a key other than Object, AssociationClassName, \
                     ResultClassName, Role and ResultRole",
                    ));
                }
            };
            if slot.replace(value.trim().to_owned()).is_some() {
                return Err(wrong("a key is given twice"));
            }
        }
        let object = object.ok_or_else(|| wrong("it has no Object"))?;
        let object = beside(resource, &object)?;
        Ok(Self { object, result, association_class, result_class, role, result_role })
    }

    /// As it is sent.
    ///
    /// # Errors
    /// Those of [`ResourceUri::parse`] for the object.
    pub fn to_wire(self) -> Result<wsman::AssociationFilter, Fault> {
        let Self { object, result, association_class, result_class, role, result_role } = self;
        let selectors = object.selectors().iter();
        let selectors = selectors.fold(SelectorSet::new(), |set, (name, value)| set.with(name, value));
        Ok(wsman::AssociationFilter {
            object: EndpointReference::here(ResourceUri::parse(object.resource_uri())?, selectors),
            result,
            association_class,
            role,
            result_class,
            result_role,
            properties: Vec::new(),
        })
    }
}

/// A bare class name stands in the namespace of the resource that is enumerated.
fn beside(resource: &str, object: &str) -> Result<Locator, LocatorError> {
    let class = object.split('?').next().unwrap_or_default();
    if class.contains(['/', ':']) {
        return Locator::parse(object);
    }
    let namespace = resource.rsplit_once('/').map_or(resource, |(namespace, _)| namespace);
    Locator::parse(&format!("{namespace}/{object}"))
}
