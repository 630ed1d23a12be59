//! What is related to an instance: the filter of associations (DSP0227 16, MS-WSMV 2.2.4.2).

use xml::{Element, Writer};

use crate::EndpointReference;
use crate::fault::{Fault, Subcode, code};
use crate::namespace::CIM_BINDING;

/// Which instances are related to one, or the associations that relate them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssociationFilter {
    /// The instance from which it goes on.
    pub object: EndpointReference,
    /// What is listed.
    pub result: AssociationResult,
    /// Only by associations of this class.
    pub association_class: Option<String>,
    /// Only where the object has this role.
    pub role: Option<String>,
    /// Only what is of this class.
    pub result_class: Option<String>,
    /// Only where what is listed has this role; of no meaning for the associations themselves.
    pub result_role: Option<String>,
    /// The properties to list; all if there are none here.
    pub properties: Vec<String>,
}

/// What an association filter lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssociationResult {
    /// The instances at the other ends.
    Instances,
    /// The associations.
    Associations,
}

impl AssociationFilter {
    /// Reads the content of a filter.
    ///
    /// # Errors
    /// `n:CannotProcessFilter` for an element that is none of the two, without an object, or with more properties than
    /// anybody has.
    pub fn parse(element: Element<'_>) -> Result<Self, Fault> {
        let result = match (element.namespace(), element.name()) {
            (CIM_BINDING, "AssociatedInstances") => AssociationResult::Instances,
            (CIM_BINDING, "AssociationInstances") => AssociationResult::Associations,
            (_, name) => {
                let known = "AssociatedInstances or AssociationInstances";
                return Err(unprocessable(format!("the association filter holds {name:?}, not {known}")));
            }
        };
        let object = element
            .child(CIM_BINDING, "Object")
            .ok_or_else(|| unprocessable("the association filter has no Object".to_owned()))?;
        let named = |name: &str| {
            let text = element.child(CIM_BINDING, name).map(|child| child.text().trim().to_owned());
            text.filter(|text| !text.is_empty())
        };
        let properties: Vec<String> = element
            .children()
            .filter(|child| child.is(CIM_BINDING, "IncludeResultProperty"))
            .map(|child| child.text().trim().to_owned())
            .take(MOST_PROPERTIES + 1)
            .collect();
        if properties.len() > MOST_PROPERTIES {
            return Err(unprocessable(format!("more than {MOST_PROPERTIES} properties are asked for")));
        }
        Ok(Self {
            object: EndpointReference::parse(object)?,
            result,
            association_class: named("AssociationClassName"),
            role: named("Role"),
            result_class: named("ResultClassName"),
            result_role: named("ResultRole"),
            properties,
        })
    }

    /// Writes it as the content of a filter.
    pub fn write(&self, writer: &mut Writer) {
        let (name, result_role) = match self.result {
            AssociationResult::Instances => ("b:AssociatedInstances", self.result_role.as_ref()),
            AssociationResult::Associations => ("b:AssociationInstances", None),
        };
        writer.start(name).namespace("b", CIM_BINDING);
        self.object.write(writer, "b:Object");
        // The order is that of the schema.
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

fn unprocessable(reason: String) -> Fault {
    Fault::new(Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER, reason)
}

const MOST_PROPERTIES: usize = 1_024;
