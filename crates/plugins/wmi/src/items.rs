//! Items of enumerations.

use std::sync::Arc;

use cim::cimxml::{ClassDetail, write_class};
use cim::wscim::Selection;
use cim::{Class, Instance};
use service::{BoxFuture, Item, Items};
use wmi::Rows;
use wsman::enumeration::EnumerationMode;
use wsman::{EndpointReference, Fault, Omission};
use xml::{Fragment, Writer};

use crate::fault::{Operation, ResponseContext};
use crate::fragment::Part;
use crate::target::reference;

/// Rows of a query as items.
pub(crate) struct RowItems {
    rows: Rows,
    writer: cim::wscim::Rows,
    response: ResponseContext,
    mode: EnumerationMode,
    /// Operation and query, for faults.
    operation: (Operation, String),
    /// Only rows that contain this part.
    part: Option<Part>,
    /// The class whose properties are written; `None` to write each row as its own class.
    written_class: Option<Arc<Class>>,
    /// Length of the previous row in bytes: rows of a class have similar lengths.
    usual: usize,
}

impl RowItems {
    pub(crate) fn new(
        rows: Rows,
        response: ResponseContext,
        selection: Selection,
        mode: EnumerationMode,
        operation: (Operation, String),
    ) -> Self {
        let written_class = match &selection {
            Selection::AsClass(name) => response.class(name),
            _ => None,
        };
        let writer = response.writer().rows(selection);
        Self { rows, writer, response, mode, operation, part: None, written_class, usual: 0 }
    }

    /// Restricts the items to rows that contain a part.
    pub(crate) fn with_part(self, part: Option<Part>) -> Self {
        Self { part, ..self }
    }

    fn is_wanted(&self, row: &Instance) -> bool {
        self.part.as_ref().is_none_or(|part| part.is_in(row, self.written_class.as_deref()))
    }

    fn item(&mut self, row: &Instance) -> Result<Item, Fault> {
        let mut object = Writer::with_capacity(self.usual);
        if has_objects(self.mode) {
            self.writer.write(&mut object, row);
            self.usual = object.len();
        }
        let reference = match self.mode {
            EnumerationMode::Object => None,
            EnumerationMode::Reference | EnumerationMode::ObjectAndReference => self.reference(row)?,
        };
        Ok(Item { object: object.into_fragment(), reference, bookmark: None })
    }

    /// Returns the endpoint reference of a row; `None` for rows without keys.
    fn reference(&self, row: &Instance) -> Result<Option<EndpointReference>, Fault> {
        match row.path() {
            Ok(path) => reference(self.response.uris, &self.response.namespace, &path).map(Some),
            Err(_) => Ok(None),
        }
    }
}

impl Items for RowItems {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            loop {
                match self.rows.next().await? {
                    Ok(row) if self.is_wanted(&row) => return Some(self.item(&row)),
                    Ok(_) => {}
                    Err(error) => {
                        return Some(Err(self.response.fault(error, self.operation.0, &self.operation.1)));
                    }
                }
            }
        })
    }

    fn take_omissions(&mut self) -> Vec<Omission> {
        self.rows.take_omissions().iter().map(omission).collect()
    }
}

/// Converts an omission of the engine.
pub(crate) fn omission(omission: &wmi::Omission) -> Omission {
    Omission { source: omission.class().to_string(), reason: omission.reason().to_owned() }
}

/// Class definitions as items, in CIM-XML.
pub(crate) struct Classes {
    classes: std::vec::IntoIter<Arc<Class>>,
    detail: ClassDetail,
}

impl Classes {
    pub(crate) fn new(classes: Vec<Arc<Class>>, detail: ClassDetail) -> Self {
        Self { classes: classes.into_iter(), detail }
    }

    /// Returns class definitions with all details, as for a query for classes.
    pub(crate) fn whole(classes: Vec<Arc<Class>>) -> Self {
        Self::new(
            classes,
            ClassDetail {
                qualifiers: true,
                inherited_elements: true,
                inheritance_hierarchy: true,
                class_origin: true,
            },
        )
    }
}

impl Items for Classes {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        let item = self.classes.next().map(|class| {
            let mut object = Writer::new();
            write_class(&mut object, &class, self.detail);
            let object: Fragment = object.into_fragment();
            Ok(Item { object, reference: None, bookmark: None })
        });
        Box::pin(std::future::ready(item))
    }
}

/// Returns whether items contain the instances themselves.
pub(crate) fn has_objects(mode: EnumerationMode) -> bool {
    mode != EnumerationMode::Reference
}
