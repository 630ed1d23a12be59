//! Configuration of a new shell from the settings and the client's options.

use config::Profiles;
use wsman::shell::option;
use wsman::{Fault, OptionSet};

use super::fault;
use crate::{CodePage, Startup};

/// Returns which profiles the login shell reads. A profile requires the client's option and the administrator's
/// consent, because most clients other than Windows send `WINRS_NOPROFILE` as FALSE without their user's request.
pub(super) fn startup(profiles: Profiles, options: &OptionSet) -> Startup {
    let is_requested = options.value(option::NO_PROFILE).is_some() && !options.is_set(option::NO_PROFILE);
    match profiles {
        Profiles::WhenAsked if is_requested => Startup::Profile,
        Profiles::WhenAsked | Profiles::Never => Startup::NoProfile,
    }
}

/// Returns the code page of the client's option `WINRS_CODEPAGE`.
pub(super) fn code_page(options: &OptionSet) -> Result<CodePage, Fault> {
    let Some(text) = options.value(option::CODE_PAGE) else {
        return Ok(CodePage::UTF_8);
    };
    let number = text.trim().parse().map_err(|_| {
        fault::invalid_parameter(format!(
            "{} must be the number of a code page, not \"{text}\"",
            option::CODE_PAGE
        ))
    })?;
    CodePage::from_number(number).map_err(fault::from_command_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_requires_consent_of_administrator_and_client() {
        for (value, allowed, startup) in [
            (Some("FALSE"), Profiles::Never, Startup::NoProfile),
            (Some("FALSE"), Profiles::WhenAsked, Startup::Profile),
            (Some("0"), Profiles::WhenAsked, Startup::Profile),
            (Some("True"), Profiles::WhenAsked, Startup::NoProfile),
            // Without the option no profile is read (MS-WSMV 3.1.4.5.2).
            (None, Profiles::WhenAsked, Startup::NoProfile),
        ] {
            let options = value.map(|value| OptionSet::new().with(option::NO_PROFILE, value));
            let options = options.unwrap_or_default();
            assert_eq!(super::startup(allowed, &options), startup, "{value:?} {allowed:?}");
        }
    }
}
