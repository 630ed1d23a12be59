//! Options of a request for the form of instances.

use std::sync::Arc;

use crate::uri::{ClassUri, UriForm};
use crate::{Class, Origin};

/// Writes instances in the form that a request asks for.
#[derive(Clone, Debug)]
pub struct Writer {
    form: UriForm,
    origin: Arc<Origin>,
    null_arrays: NullArrays,
    property_types: PropertyTypes,
}

/// Form of arrays without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NullArrays {
    /// Omitted, like an empty array.
    #[default]
    Omitted,
    /// Written as a marked element: the option `UsePreciseArrays`.
    Marked,
}

/// Form of property types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PropertyTypes {
    /// Omitted.
    #[default]
    Omitted,
    /// Written as `xsi:type`: the option `includepropertymetadata`.
    Written,
}

impl Writer {
    /// Creates a writer for responses to requests with URIs of this form.
    #[must_use]
    pub fn new(form: UriForm, origin: Origin) -> Self {
        Self {
            form,
            origin: Arc::new(origin),
            null_arrays: NullArrays::default(),
            property_types: PropertyTypes::default(),
        }
    }

    /// Sets the form of NULL arrays.
    #[must_use]
    pub fn with_null_arrays(self, null_arrays: NullArrays) -> Self {
        Self { null_arrays, ..self }
    }

    /// Sets the form of property types.
    #[must_use]
    pub fn with_property_types(self, property_types: PropertyTypes) -> Self {
        Self { property_types, ..self }
    }

    pub(super) fn class_uri(&self, class: &Class) -> String {
        ClassUri::of(self.form, &self.origin.namespace, class.name()).to_string()
    }

    pub(super) fn form(&self) -> UriForm {
        self.form
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn null_arrays(&self) -> NullArrays {
        self.null_arrays
    }

    pub(super) fn property_types(&self) -> PropertyTypes {
        self.property_types
    }
}
