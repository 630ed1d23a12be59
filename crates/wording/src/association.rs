//! Filter for associated instances, as users write it: `{Object=CLASS?Key=Value;ResultClassName=NAME;...}`.

use wsman::{AssociationResult, EndpointReference, Fault, ResourceUri, SelectorSet};

use crate::locator::{Locator, LocatorError};

/// Associations filter (DSP0227 16) whose object is named as on a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssociationFilter {
    /// Source instance; its URI is a class name or a complete locator.
    pub object: Locator,
    /// Returned instances: associated instances or associations.
    pub result: AssociationResult,
    /// Only associations of this class.
    pub association_class: Option<String>,
    /// Only associated instances of this class.
    pub result_class: Option<String>,
    /// Only associations in which the source instance has this role.
    pub role: Option<String>,
    /// Only associated instances with this role.
    pub result_role: Option<String>,
}

/// Error of [`AssociationFilter::parse`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssociationError {
    /// Invalid syntax.
    #[error("association filter: {problem}")]
    Syntax {
        /// Description of the error.
        problem: &'static str,
    },
    /// Invalid locator of the source instance.
    #[error(transparent)]
    Object(#[from] LocatorError),
}

impl AssociationFilter {
    /// Advice for a filter that is not valid.
    pub const WAY_OUT: &'static str =
        "write {Object=CLASS?Key=Value;ResultClassName=NAME} (winrm help filters)";

    /// Parses the text; values are written without quotation marks. A class without a namespace is looked up in the
    /// namespace of `resource`, the one being enumerated.
    ///
    /// # Errors
    /// [`AssociationError`] for invalid syntax, an unknown or repeated key, a missing object or an invalid locator.
    pub fn parse(text: &str, result: AssociationResult, resource: &str) -> Result<Self, AssociationError> {
        let inner = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let mut object = None;
        let (mut association_class, mut result_class, mut role, mut result_role) = (None, None, None, None);
        for part in inner.ok_or_else(|| syntax_error("not enclosed in braces"))?.split(';') {
            let (key, value) = part.split_once('=').ok_or_else(|| syntax_error("a part is not Key=Value"))?;
            let slot = match key.trim().to_ascii_lowercase().as_str() {
                "object" => &mut object,
                "associationclassname" => &mut association_class,
                "resultclassname" => &mut result_class,
                "role" => &mut role,
                "resultrole" => &mut result_role,
                _ => {
                    return Err(syntax_error(
                        "unknown key; the keys are Object, AssociationClassName, \
                         ResultClassName, Role and ResultRole",
                    ));
                }
            };
            if slot.replace(value.trim().to_owned()).is_some() {
                return Err(syntax_error("a key is repeated"));
            }
        }
        let object = object.ok_or_else(|| syntax_error("Object is missing"))?;
        let object = in_namespace_of(resource, &object)?;
        Ok(Self { object, result, association_class, result_class, role, result_role })
    }

    /// Converts the filter to its wire form.
    ///
    /// # Errors
    /// Those of [`ResourceUri::parse`] for the object.
    pub fn to_wire(self) -> Result<wsman::AssociationFilter, Fault> {
        let Self { object, result, association_class, result_class, role, result_role } = self;
        let selectors = object.selectors().iter();
        let selectors = selectors.fold(SelectorSet::new(), |set, (name, value)| set.with(name, value));
        Ok(wsman::AssociationFilter {
            object: EndpointReference::anonymous(ResourceUri::parse(object.resource_uri())?, selectors),
            result,
            association_class,
            role,
            result_class,
            result_role,
            properties: Vec::new(),
        })
    }
}

fn syntax_error(problem: &'static str) -> AssociationError {
    AssociationError::Syntax { problem }
}

/// Completes a bare class name with the namespace of the enumerated resource.
fn in_namespace_of(resource: &str, object: &str) -> Result<Locator, LocatorError> {
    let class = object.split('?').next().unwrap_or_default();
    if class.contains(['/', ':']) {
        return Locator::parse(object);
    }
    let namespace = resource.rsplit_once('/').map_or(resource, |(namespace, _)| namespace);
    Locator::parse(&format!("{namespace}/{object}"))
}
