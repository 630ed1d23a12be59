//! Association filter (DSP0227 16, MS-WSMV 2.2.4.2).

use xml::{Element, Writer};

use crate::EndpointReference;
use crate::fault::{Fault, Subcode, code};
use crate::namespace::CIM_BINDING;

/// Filter for the instances associated with one instance, or for the associations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssociationFilter {
    /// Source instance.
    pub object: EndpointReference,
    /// Form of the items.
    pub result: AssociationResult,
    /// Only associations of this class.
    pub association_class: Option<String>,
    /// Only associations in which the source instance has this role.
    pub role: Option<String>,
    /// Only associated instances of this class.
    pub result_class: Option<String>,
    /// Only associated instances with this role; not used for associations.
    pub result_role: Option<String>,
    /// Properties to return; empty for all.
    pub properties: Vec<String>,
}

/// Items that an association filter returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssociationResult {
    /// Associated instances.
    Instances,
    /// Associations.
    Associations,
}

impl AssociationFilter {
    /// Parses the content of a filter.
    ///
    /// # Errors
    /// `n:CannotProcessFilter` for another element, without an object, or with more than 1024 properties.
    pub fn parse(element: Element<'_>) -> Result<Self, Fault> {
        let result = match (element.namespace(), element.name()) {
            (CIM_BINDING, "AssociatedInstances") => AssociationResult::Instances,
            (CIM_BINDING, "AssociationInstances") => AssociationResult::Associations,
            (_, name) => {
                let expected = "AssociatedInstances or AssociationInstances";
                return Err(unprocessable(format!(
                    "the association filter contains \"{name}\"; use {expected}"
                )));
            }
        };
        let object = element.child(CIM_BINDING, "Object").ok_or_else(|| {
            unprocessable("the association filter has no Object; name the instance in it".to_owned())
        })?;
        let properties: Vec<String> = element
            .children()
            .filter(|child| child.is(CIM_BINDING, "IncludeResultProperty"))
            .map(|child| child.text().trim().to_owned())
            .take(MOST_PROPERTIES + 1)
            .collect();
        if properties.len() > MOST_PROPERTIES {
            return Err(unprocessable(format!(
                "the filter requests more than {MOST_PROPERTIES} properties; request fewer"
            )));
        }
        Ok(Self {
            object: EndpointReference::parse(object)?,
            result,
            association_class: named_text(element, "AssociationClassName"),
            role: named_text(element, "Role"),
            result_class: named_text(element, "ResultClassName"),
            result_role: named_text(element, "ResultRole"),
            properties,
        })
    }

    /// Writes the content of a filter.
    pub fn write(&self, writer: &mut Writer) {
        let (name, result_role) = match self.result {
            AssociationResult::Instances => ("b:AssociatedInstances", self.result_role.as_ref()),
            AssociationResult::Associations => ("b:AssociationInstances", None),
        };
        writer.start(name).namespace("b", CIM_BINDING);
        self.object.write(writer, "b:Object");
        // In the order of the schema.
        for (name, value) in [
            ("b:AssociationClassName", self.association_class.as_ref()),
            ("b:Role", self.role.as_ref()),
            ("b:ResultClassName", self.result_class.as_ref()),
            ("b:ResultRole", result_role),
        ] {
            if let Some(value) = value {
                writer.element(name, value);
            }
        }
        for property in &self.properties {
            writer.element("b:IncludeResultProperty", property);
        }
        writer.end();
    }
}

fn named_text(element: Element<'_>, name: &str) -> Option<String> {
    let text = element.child(CIM_BINDING, name)?.text().trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn unprocessable(reason: String) -> Fault {
    Fault::new(Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER, reason)
}

const MOST_PROPERTIES: usize = 1_024;
