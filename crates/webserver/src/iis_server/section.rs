//! Sections of the configuration: their classes, properties and collections.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::instance::{CimObject, CimValue};
use crate::feature::Feature;

/// Maximum number of elements of a collection.
const MAX_ELEMENTS: usize = 5_000;

/// Class of a section, with the properties that the engine reads and writes.
#[derive(Debug)]
pub(super) struct SectionKind {
    pub(super) class: &'static str,
    pub(super) feature: Feature,
    /// Scalar properties.
    settings: &'static [(&'static str, ScalarKind)],
    pub(super) collection: Option<Collection>,
}

/// Collection of elements in a section.
#[derive(Debug)]
pub(super) struct Collection {
    /// Name for the methods `Add`, `Remove` and `Clear`: the properties that lead to the elements, separated by dots.
    pub(super) name: &'static str,
    /// Class of the elements.
    pub(super) element: &'static str,
    properties: &'static [(&'static str, ScalarKind)],
    /// Properties that identify an element.
    pub(super) keys: &'static [&'static str],
    pub(super) order: Order,
}

/// Meaning of the order of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The first element applies first.
    Significant,
    /// Elements are independent.
    Irrelevant,
}

/// Type of a scalar property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScalarKind {
    Boolean,
    Number,
    Text,
}

/// Value of a scalar property.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Boolean(bool),
    Number(i64),
    Text(String),
}

/// Scalar properties by name. Properties without a value are missing.
pub(super) type Scalars = BTreeMap<String, Scalar>;

/// Value of a section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SectionValue {
    pub(super) settings: Scalars,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) elements: Vec<Scalars>,
}

/// All sections that the engine uses.
pub(super) static SECTIONS: &[SectionKind] = &[
    SectionKind {
        class: "DefaultDocumentSection",
        feature: Feature::DefaultDocuments,
        settings: &[("Enabled", ScalarKind::Boolean)],
        collection: Some(Collection {
            name: "Files.Files",
            element: "StringElement",
            properties: &[("Value", ScalarKind::Text)],
            keys: &["Value"],
            order: Order::Significant,
        }),
    },
    SectionKind {
        class: "DirectoryBrowseSection",
        feature: Feature::DirectoryBrowsing,
        settings: &[("Enabled", ScalarKind::Boolean), ("ShowFlags", ScalarKind::Number)],
        collection: None,
    },
    SectionKind {
        class: "HttpErrorsSection",
        feature: Feature::ErrorPages,
        settings: &[("ErrorMode", ScalarKind::Number), ("ExistingResponse", ScalarKind::Number)],
        collection: Some(Collection {
            name: "HttpErrors",
            element: "HttpErrorElement",
            properties: &[
                ("Path", ScalarKind::Text),
                ("PrefixLanguageFilePath", ScalarKind::Text),
                ("ResponseMode", ScalarKind::Number),
                ("StatusCode", ScalarKind::Number),
                ("SubStatusCode", ScalarKind::Number),
            ],
            keys: &["StatusCode", "SubStatusCode"],
            order: Order::Irrelevant,
        }),
    },
    SectionKind {
        class: "HttpRedirectSection",
        feature: Feature::Redirect,
        settings: &[
            ("ChildOnly", ScalarKind::Boolean),
            ("Destination", ScalarKind::Text),
            ("Enabled", ScalarKind::Boolean),
            ("ExactDestination", ScalarKind::Boolean),
            ("HttpResponseStatus", ScalarKind::Number),
        ],
        collection: Some(Collection {
            name: "HttpRedirect",
            element: "WildcardRedirectElement",
            properties: &[("Destination", ScalarKind::Text), ("Wildcard", ScalarKind::Text)],
            keys: &["Wildcard"],
            order: Order::Significant,
        }),
    },
    SectionKind {
        class: "HttpProtocolSection",
        feature: Feature::ResponseHeaders,
        settings: &[],
        collection: Some(Collection {
            name: "CustomHeaders.CustomHeaders",
            element: "NameValueConfigurationElement",
            properties: &[("Name", ScalarKind::Text), ("Value", ScalarKind::Text)],
            keys: &["Name"],
            order: Order::Irrelevant,
        }),
    },
    SectionKind {
        class: "StaticContentSection",
        feature: Feature::MimeTypes,
        settings: &[],
        collection: Some(Collection {
            name: "StaticContent",
            element: "MimeMapElement",
            properties: &[("FileExtension", ScalarKind::Text), ("MimeType", ScalarKind::Text)],
            keys: &["FileExtension"],
            order: Order::Irrelevant,
        }),
    },
    SectionKind {
        class: "UrlCompressionSection",
        feature: Feature::Compression,
        settings: &[
            ("DoDynamicCompression", ScalarKind::Boolean),
            ("DoStaticCompression", ScalarKind::Boolean),
        ],
        collection: None,
    },
];

impl SectionKind {
    /// Returns the section of a feature.
    pub(super) fn of_feature(feature: Feature) -> Option<&'static Self> {
        SECTIONS.iter().find(|kind| kind.feature == feature)
    }

    /// Returns the section with a class.
    pub(super) fn of_class(class: &str) -> Option<&'static Self> {
        SECTIONS.iter().find(|kind| kind.class == class)
    }

    /// Reads an instance.
    ///
    /// # Errors
    /// If a property has an invalid value, or there are too many elements.
    pub(super) fn read(&self, instance: &CimObject) -> Result<SectionValue, String> {
        let settings = read_scalars(self.settings, instance, self.class)?;
        let Some(collection) = &self.collection else {
            return Ok(SectionValue { settings, elements: Vec::new() });
        };
        let found = collection.elements(instance);
        if found.len() > MAX_ELEMENTS {
            return Err(format!("{} has more than {MAX_ELEMENTS} elements", self.class));
        }
        let elements =
            found.into_iter().map(|element| read_scalars(collection.properties, element, self.class));
        let mut elements: Vec<Scalars> = elements.collect::<Result<_, _>>()?;
        self.sort(&mut elements);
        Ok(SectionValue { settings, elements })
    }

    /// Sorts elements whose order is irrelevant.
    pub(super) fn sort(&self, elements: &mut [Scalars]) {
        if let Some(collection) = self.collection.as_ref().filter(|found| found.order == Order::Irrelevant) {
            elements.sort_by_key(|element| collection.identity(element));
        }
    }

    /// Writes the scalar properties into an instance.
    pub(super) fn write_settings(&self, value: &SectionValue, instance: &mut CimObject) {
        for (name, _) in self.settings {
            let scalar =
                value.settings.get(*name).map_or(CimValue::Null, |scalar| scalar.text().as_str().into());
            instance.set(name, [scalar]);
        }
    }
}

impl Collection {
    /// Returns the elements in an instance of the section.
    fn elements<'a>(&self, instance: &'a CimObject) -> Vec<&'a CimObject> {
        let mut found = vec![instance];
        for name in self.name.split('.') {
            found = found.into_iter().flat_map(|object| object.objects(name)).collect();
        }
        found
    }

    /// Returns an element as an instance.
    pub(super) fn instance(&self, element: &Scalars) -> CimObject {
        let properties = self.properties.iter().filter_map(|(name, _)| Some((*name, element.get(*name)?)));
        properties.fold(CimObject::new(self.element), |object, (name, scalar)| {
            object.with(name, scalar.text().as_str())
        })
    }

    /// Returns the keys of an element. IIS compares them without case.
    pub(super) fn identity(&self, element: &Scalars) -> Vec<String> {
        let keys = self.keys.iter().map(|key| element.get(*key).map(Scalar::text).unwrap_or_default());
        keys.map(|text| text.to_lowercase()).collect()
    }
}

impl Scalar {
    /// Returns the text for WS-Management.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl SectionValue {
    pub(super) fn is_enabled(&self, name: &str) -> bool {
        self.settings.get(name) == Some(&Scalar::Boolean(true))
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        number(&self.settings, name)
    }
}

/// Returns a text property of an element.
pub(super) fn text<'a>(element: &'a Scalars, name: &str) -> &'a str {
    match element.get(name) {
        Some(Scalar::Text(text)) => text,
        _ => "",
    }
}

/// Returns a number property of an element.
pub(super) fn number(element: &Scalars, name: &str) -> Option<i64> {
    match element.get(name) {
        Some(Scalar::Number(number)) => Some(*number),
        _ => None,
    }
}

fn read_scalars(
    properties: &[(&'static str, ScalarKind)],
    instance: &CimObject,
    class: &str,
) -> Result<Scalars, String> {
    let mut scalars = Scalars::new();
    for (name, kind) in properties {
        let Some(text) = instance.text(name) else { continue };
        let invalid = || format!("{name} of {class} has the value {text:?}");
        let scalar = match kind {
            ScalarKind::Boolean => Scalar::Boolean(boolean(text).ok_or_else(invalid)?),
            ScalarKind::Number => Scalar::Number(text.trim().parse().map_err(|_| invalid())?),
            ScalarKind::Text if !is_displayable(text) => return Err(invalid()),
            ScalarKind::Text => Scalar::Text(text.to_owned()),
        };
        scalars.insert((*name).to_owned(), scalar);
    }
    Ok(scalars)
}

/// Returns whether a text has no characters that control a terminal or the direction of text.
pub(super) fn is_displayable(text: &str) -> bool {
    !text.chars().any(|found| found.is_control() || changes_direction(found))
}

fn changes_direction(found: char) -> bool {
    let is_mark = matches!(found, '\u{61C}' | '\u{200E}' | '\u{200F}');
    is_mark || matches!(found, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Parses a boolean. Some services write it with upper-case letters.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "1" => Some(true),
        "0" => Some(false),
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_collections_are_read_in_order() {
        let file = |name: &str| CimObject::new("StringElement").with("Value", name);
        let files = CimObject::new("FileSettings").with("Files", file("b.htm")).with("Files", file("a.htm"));
        let section = CimObject::new("DefaultDocumentSection").with("Enabled", "TRUE").with("Files", files);
        let kind = SectionKind::of_feature(Feature::DefaultDocuments).unwrap();
        let value = kind.read(&section).unwrap();
        assert!(value.is_enabled("Enabled"));
        let names: Vec<&str> = value.elements.iter().map(|element| text(element, "Value")).collect();
        assert_eq!(names, ["b.htm", "a.htm"]);
        assert_eq!(kind.collection.as_ref().unwrap().instance(&value.elements[0]), file("b.htm"));
    }

    #[test]
    fn hostile_values_are_rejected() {
        let kind = SectionKind::of_feature(Feature::DirectoryBrowsing).unwrap();
        let section = CimObject::new("DirectoryBrowseSection");
        assert!(kind.read(&section.clone().with("Enabled", "perhaps")).unwrap_err().contains("perhaps"));
        assert!(kind.read(&section.with("ShowFlags", "99999999999999999999")).is_err());
        let header =
            CimObject::new("NameValueConfigurationElement").with("Name", "X").with("Value", "a\r\nb");
        let headers = CimObject::new("CustomHeaderSettings").with("CustomHeaders", header);
        let kind = SectionKind::of_feature(Feature::ResponseHeaders).unwrap();
        assert!(kind.read(&CimObject::new("HttpProtocolSection").with("CustomHeaders", headers)).is_err());
        let map = CimObject::new("MimeMapElement").with("FileExtension", ".a").with("MimeType", "a/b");
        let many = (0..=MAX_ELEMENTS).fold(CimObject::new("StaticContentSection"), |section, _| {
            section.with("StaticContent", map.clone())
        });
        assert!(
            SectionKind::of_feature(Feature::MimeTypes).unwrap().read(&many).unwrap_err().contains("5000")
        );
    }
}
