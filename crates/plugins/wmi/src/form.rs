//! Client options that determine the form of responses (MS-WSMV 3.1.4.1.17).

use cim::Origin;
use cim::cimxml::ClassDetail;
use cim::uri::UriForm;
use cim::wscim::{NullArrays, PropertyTypes, Writer};
use wsman::OptionSet;

/// Response form requested by the options.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    null_arrays: NullArrays,
    property_types: PropertyTypes,
    pub(crate) faults: FaultForm,
    /// Properties to change with Put, if the client lists them.
    pub(crate) modified: Option<Vec<String>>,
}

/// Form of WMI faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FaultForm {
    /// `f:ProviderFault` with an `__ExtendedStatus`, as in all versions of Windows.
    #[default]
    ProviderFault,
    /// `MSFT_WmiError`, which MI clients convert to their own errors.
    CimError,
}

/// Prefix of Microsoft's options.
const PREFIX: &str = "msftwinrm:";
/// Prefix of options sent by MI clients.
const MI: &str = "__mi";
/// Option with the modified properties of an instance (`Set-CimInstance`).
const MODIFIED: &str = "__MIInstanceModifiedPropertiesList";

impl Form {
    pub(crate) fn of(options: &OptionSet) -> Self {
        let is_mi = options.iter().any(|option| is_of_mi_client(&option.name));
        let mut modified = options
            .iter()
            .filter(|option| without_prefix(&option.name).eq_ignore_ascii_case(MODIFIED))
            .flat_map(|option| option.value.as_deref().unwrap_or_default().split([',', ' ']))
            .peekable();
        let modified = modified
            .peek()
            .is_some()
            .then(|| modified.filter(|name| !name.is_empty()).map(str::to_owned).collect());
        Self {
            null_arrays: match is_set(options, PREFIX, "UsePreciseArrays") {
                true => NullArrays::Marked,
                false => NullArrays::Omitted,
            },
            property_types: match is_set(options, PREFIX, "includepropertymetadata") {
                true => PropertyTypes::Written,
                false => PropertyTypes::Omitted,
            },
            faults: if is_mi { FaultForm::CimError } else { FaultForm::ProviderFault },
            modified,
        }
    }

    /// Returns a writer of instances in this form.
    pub(crate) fn writer(&self, uris: UriForm, origin: Origin) -> Writer {
        let writer = Writer::new(uris, origin);
        writer.with_null_arrays(self.null_arrays).with_property_types(self.property_types)
    }
}

/// Returns the requested details of class definitions. Names are those of DSP0227 15; Windows adds the prefix
/// `wmi:`.
pub(crate) fn class_detail(options: &OptionSet) -> ClassDetail {
    ClassDetail {
        qualifiers: is_set(options, "wmi:", "IncludeQualifiers"),
        inherited_elements: is_set(options, "wmi:", "IncludeInheritedElements"),
        inheritance_hierarchy: is_set(options, "wmi:", "IncludeInheritanceHierarchy"),
        class_origin: is_set(options, "wmi:", "IncludeClassOrigin"),
    }
}

/// Returns whether an option is set, with or without a prefix.
fn is_set(options: &OptionSet, prefix: &str, name: &str) -> bool {
    options.is_set(name) || options.is_set(&format!("{prefix}{name}"))
}

/// Returns whether only MI clients send an option with this name.
fn is_of_mi_client(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX))
        || without_prefix(name).get(..MI.len()).is_some_and(|head| head.eq_ignore_ascii_case(MI))
}

fn without_prefix(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_mi_clients_select_cim_errors() {
        for name in ["msftwinrm:UsePreciseArrays", "__MI_CALLBACKMODE", "wmi:__MI_DestinationOptions_X"] {
            let form = Form::of(&OptionSet::new().with(name, "true"));
            assert_eq!(form.faults, FaultForm::CimError, "{name}");
        }
        for name in ["wmi:Anything", "UsePreciseArrays", "Mi", ""] {
            let form = Form::of(&OptionSet::new().with(name, "true"));
            assert_eq!(form.faults, FaultForm::ProviderFault, "{name}");
        }
    }

    #[test]
    fn modified_properties_are_listed_in_one_or_several_options() {
        let name = "wmiarray:__MIInstanceModifiedPropertiesList";
        let form = Form::of(&OptionSet::new().with(name, "Text, Owner").with(name, "Id"));
        assert_eq!(form.modified.expect("there are"), ["Text", "Owner", "Id"]);
        // An empty list of changes differs from a missing one.
        assert_eq!(Form::of(&OptionSet::new().with(name, "")).modified.expect("said"), [""; 0]);
        assert_eq!(Form::of(&OptionSet::new()).modified, None);
    }
}
