//! The URIs of classes (MS-WSMV 3.1.4.1.1; DSP0227 6.1).

use std::fmt;

use crate::name::excerpt;
use crate::{Error, Name, Namespace};

/// What Microsoft's URIs begin with; namespace and class follow.
pub const WMI: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/";
/// What the DMTF's URIs begin with; the class follows, the namespace is a selector.
pub const DMTF: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/";
/// What stands for every class in the form of the DMTF.
pub const DMTF_EVERY_CLASS: &str = "http://schemas.dmtf.org/wbem/wscim/1/*";
/// What the URIs of class schemas begin with; `*` follows.
pub const CLASS_SCHEMA: &str = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/";

/// Which of the two forms a client writes URIs in; answers use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UriForm {
    /// [`WMI`]
    Wmi,
    /// [`DMTF`]
    Dmtf,
}

/// The URI of a class, or of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassUri {
    /// How it is written.
    pub form: UriForm,
    /// The namespace; the form of the DMTF has none.
    pub namespace: Option<Namespace>,
    /// The class; `None` for `*`, which filters need.
    pub class: Option<Name>,
}

impl ClassUri {
    /// Reads a URI without regard to the case of its letters.
    ///
    /// # Errors
    /// [`Error::Uri`] for one of something else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text.trim()).ok_or_else(|| Error::Uri { found: excerpt(text) })
    }

    fn read(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case(DMTF_EVERY_CLASS) {
            return Some(Self { form: UriForm::Dmtf, namespace: None, class: None });
        }
        let class = |text: &str| match text {
            "*" => Some(None),
            name => Name::parse(name).ok().map(Some),
        };
        if let Some(rest) = strip(text, DMTF) {
            return Some(Self { form: UriForm::Dmtf, namespace: None, class: class(rest)? });
        }
        let (namespace, name) = strip(text, WMI)?.rsplit_once('/')?;
        // Only `/` separates in a URI.
        let namespace = Namespace::parse(namespace).ok().filter(|_| !namespace.contains('\\'))?;
        Some(Self { form: UriForm::Wmi, namespace: Some(namespace), class: class(name)? })
    }

    /// The URI of a class in a form, as answers have it.
    #[must_use]
    pub fn of(form: UriForm, namespace: &Namespace, class: &Name) -> Self {
        let namespace = (form == UriForm::Wmi).then(|| namespace.clone());
        Self { form, namespace, class: Some(class.clone()) }
    }
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
    fn both_forms_read_back_as_they_are_written() {
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
    fn other_uris_are_refused() {
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
            assert!(ClassUri::parse(text).is_err(), "{text:?} was taken");
        }
    }
}
