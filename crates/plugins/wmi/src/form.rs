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
        let is_set = |name: &str| options.is_set(name) || options.is_set(&format!("{PREFIX}{name}"));
        let plain = |name: &str| name.rsplit_once(':').map_or(name, |(_, name)| name).to_ascii_lowercase();
        let is_of_mi = |name: &str| {
            name.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX))
                || plain(name).starts_with(MI)
        };
        let is_mi = options.iter().any(|option| is_of_mi(&option.name));
        let mut modified = options
            .iter()
            .filter(|option| plain(&option.name).eq_ignore_ascii_case(MODIFIED))
            .flat_map(|option| option.value.as_deref().unwrap_or_default().split([',', ' ']))
            .peekable();
        let modified = modified
            .peek()
            .is_some()
            .then(|| modified.filter(|name| !name.is_empty()).map(str::to_owned).collect());
        Self {
            null_arrays: match is_set("UsePreciseArrays") {
                true => NullArrays::Marked,
                false => NullArrays::Omitted,
            },
            property_types: match is_set("includepropertymetadata") {
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
    let is_set = |name: &str| options.is_set(name) || options.is_set(&format!("wmi:{name}"));
    ClassDetail {
        qualifiers: is_set("IncludeQualifiers"),
        inherited_elements: is_set("IncludeInheritedElements"),
        inheritance_hierarchy: is_set("IncludeInheritanceHierarchy"),
        class_origin: is_set("IncludeClassOrigin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_mi_clients_ask_for_their_faults() {
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
    fn touched_properties_come_in_one_option_or_several() {
        let name = "wmiarray:__MIInstanceModifiedPropertiesList";
        let form = Form::of(&OptionSet::new().with(name, "Text, Owner").with(name, "Id"));
        assert_eq!(form.modified.expect("there are"), ["Text", "Owner", "Id"]);
        // Nothing was touched, which is not the same as not saying it.
        assert_eq!(Form::of(&OptionSet::new().with(name, "")).modified.expect("said"), [""; 0]);
        assert_eq!(Form::of(&OptionSet::new()).modified, None);
    }
}
