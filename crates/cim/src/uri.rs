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
/// Prefix of class schema URIs, followed by `*`.
pub const CLASS_SCHEMA: &str = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/";

/// Form of URIs that a client uses; responses use the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UriForm {
    /// [`WMI`]
    Wmi,
    /// [`DMTF`]
    Dmtf,
}

/// URI of a class, or of all classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassUri {
    /// Form of the URI.
    pub form: UriForm,
    /// Namespace; `None` in the DMTF's form.
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
        if text.eq_ignore_ascii_case(DMTF_EVERY_CLASS) {
            return Some(Self { form: UriForm::Dmtf, namespace: None, class: None });
        }
        if let Some(rest) = strip(text, DMTF) {
            return Some(Self { form: UriForm::Dmtf, namespace: None, class: class_or_all(rest)? });
        }
        let (namespace, name) = strip(text, WMI)?.rsplit_once('/')?;
        // A `\` is not a separator in URIs.
        let namespace = Namespace::parse(namespace).ok().filter(|_| !namespace.contains('\\'))?;
        Some(Self { form: UriForm::Wmi, namespace: Some(namespace), class: class_or_all(name)? })
    }

    /// Creates the URI of a class in the given form.
    #[must_use]
    pub fn of(form: UriForm, namespace: &Namespace, class: &Name) -> Self {
        let namespace = (form == UriForm::Wmi).then(|| namespace.clone());
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
