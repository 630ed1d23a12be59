//! Resource URIs of classes (MS-WSMV 3.1.4.1.1; DSP0227 6.1).

use std::fmt;

use crate::name::excerpt;
use crate::{Error, Name, Namespace};

/// Prefix of Microsoft's URIs, followed by namespace and class.
pub const WMI: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/";
/// Prefix of the DMTF's URIs, followed by the class; the namespace is a selector.
pub const DMTF: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/";
/// URI of all classes in the DMTF's form.
pub const DMTF_EVERY_CLASS: &str = "http://schemas.dmtf.org/wbem/wscim/1/*";
/// Prefix of the URIs of System Center Operations Manager and OMI, followed by the class; the namespace is a selector.
pub const SCX: &str = "http://schemas.microsoft.com/wbem/wscim/1/cim-schema/2/";
/// URI of all classes in the form of Operations Manager.
pub const SCX_EVERY_CLASS: &str = "http://schemas.microsoft.com/wbem/wscim/1/*";
/// Prefix of class schema URIs, followed by `*`.
pub const CLASS_SCHEMA: &str = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/";

/// Form of URIs that a client uses; responses use the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UriForm {
    /// [`WMI`]
    Wmi,
    /// [`DMTF`]
    Dmtf,
    /// [`SCX`]
    Scx,
}

impl UriForm {
    /// Returns whether the namespace is a selector instead of a part of the URI.
    #[must_use]
    pub fn has_namespace_selector(self) -> bool {
        self != Self::Wmi
    }
}

/// URI of a class, or of all classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassUri {
    /// Form of the URI.
    pub form: UriForm,
    /// Namespace; `None` in the forms that name it in a selector.
    pub namespace: Option<Namespace>,
    /// Class; `None` for `*`, which is used with filters.
    pub class: Option<Name>,
}

impl ClassUri {
    /// Parses a URI without regard to case.
    ///
    /// # Errors
    /// [`Error::Uri`] if it is not the URI of a class.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text.trim()).ok_or_else(|| Error::Uri { found: excerpt(text) })
    }

    fn read(text: &str) -> Option<Self> {
        for (form, every_class, prefix) in
            [(UriForm::Dmtf, DMTF_EVERY_CLASS, DMTF), (UriForm::Scx, SCX_EVERY_CLASS, SCX)]
        {
            if text.eq_ignore_ascii_case(every_class) {
                return Some(Self { form, namespace: None, class: None });
            }
            if let Some(rest) = strip(text, prefix) {
                return Some(Self { form, namespace: None, class: class_or_all(rest)? });
            }
        }
        let (namespace, name) = strip(text, WMI)?.rsplit_once('/')?;
        // A `\` is not a separator in URIs.
        let namespace = Namespace::parse(namespace).ok().filter(|_| !namespace.contains('\\'))?;
        Some(Self { form: UriForm::Wmi, namespace: Some(namespace), class: class_or_all(name)? })
    }

    /// Creates the URI of a class in the given form.
    #[must_use]
    pub fn of(form: UriForm, namespace: &Namespace, class: &Name) -> Self {
        let namespace = (!form.has_namespace_selector()).then(|| namespace.clone());
        Self { form, namespace, class: Some(class.clone()) }
    }
}

fn class_or_all(text: &str) -> Option<Option<Name>> {
    if text == "*" { Some(None) } else { Name::parse(text).ok().map(Some) }
}

fn strip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    if head.eq_ignore_ascii_case(prefix) { text.get(prefix.len()..) } else { None }
}

impl fmt::Display for ClassUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.form, &self.namespace) {
            (UriForm::Wmi, Some(namespace)) => write!(f, "{WMI}{namespace}/")?,
            (UriForm::Scx, _) => f.write_str(SCX)?,
            _ => f.write_str(DMTF)?,
        }
        f.write_str(self.class.as_ref().map_or("*", Name::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_parsed_as_they_are_written() {
        for (text, written) in [
            ("http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Process", ""),
            ("http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/windows/storage/MSFT_Disk", ""),
            ("http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*", ""),
            ("http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/Win32_Process", ""),
            ("http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/*", ""),
            ("http://schemas.microsoft.com/wbem/wscim/1/cim-schema/2/SCX_Agent", ""),
            ("http://schemas.microsoft.com/wbem/wscim/1/cim-schema/2/*", ""),
            ("http://schemas.dmtf.org/wbem/wscim/1/*", "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/*"),
            (
                "HTTP://Schemas.Microsoft.com/WBEM/wsman/1/WMI/ROOT/CIMV2/Win32_Service",
                "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service",
            ),
        ] {
            let uri = ClassUri::parse(text).expect(text);
            assert_eq!(uri.to_string(), if written.is_empty() { text } else { written });
        }
    }

    #[test]
    fn other_uris_are_rejected() {
        for text in [
            "",
            "http://schemas.microsoft.com/wbem/wsman/1/wmi/",
            "http://schemas.microsoft.com/wbem/wsman/1/wmi/Win32_Process",
            "http://schemas.microsoft.com/wbem/wsman/1/wmi/root//Win32_Process",
            "http://schemas.microsoft.com/wbem/wsman/1/wmi/root\\cimv2/Win32_Process",
            "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32-Process",
            "http://schemas.microsoft.com/wbem/wsman/1/config",
            "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/a/b",
            "é",
        ] {
            assert!(ClassUri::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
