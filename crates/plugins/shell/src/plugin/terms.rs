//! What shells are opened with: the same for all of them, the settings, and what the client asks for.

use std::sync::Arc;
use std::time::Duration;

use config::{Profiles, Winrs};
use service::fresh_uuid;
use wsman::shell::option;
use wsman::{Fault, OptionSet};

use super::watch::Watch;
use super::{Surroundings, fault};
use crate::limits::{Enclosure, Limits, ShellGroups};
use crate::processes::Mark;
use crate::{CodePage, Startup};

/// What is the same for every shell.
pub(super) struct Terms {
    pub(super) surroundings: Surroundings,
    pub(super) open_files: Option<u64>,
    pub(super) watch: Arc<Watch>,
    pub(super) groups: Arc<dyn ShellGroups>,
}

impl Terms {
    /// The boundary around a shell's processes, as tight as this machine lets it be.
    pub(super) fn enclosure(&self, shell: &str, winrs: &Winrs) -> Enclosure {
        let limits = Limits { open_files: self.open_files, ..Limits::of_settings(winrs) };
        match self.groups.make(&limits) {
            Ok(Some(group)) => return Enclosure::in_group(group, limits),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    %error, shell,
                    "No control group for the shell: its memory is limited for each process alone"
                );
            }
        }
        Enclosure::marked(limits, Mark::new(fresh_uuid().to_string()))
    }
}

/// What the login shell reads first. Nearly every client that is not from Windows sends `WINRS_NOPROFILE` as FALSE
/// without its user having asked for a profile.
pub(super) fn startup(profiles: Profiles, options: &OptionSet) -> Startup {
    let is_asked_for = options.value(option::NO_PROFILE).is_some() && !options.is_set(option::NO_PROFILE);
    match profiles {
        Profiles::WhenAsked if is_asked_for => Startup::Profile,
        Profiles::WhenAsked | Profiles::Never => Startup::AsIsUsual,
    }
}

/// What the client wants the streams to be written in.
pub(super) fn code_page(options: &OptionSet) -> Result<CodePage, Fault> {
    let Some(text) = options.value(option::CODE_PAGE) else {
        return Ok(CodePage::UTF_8);
    };
    let number = text.trim().parse().map_err(|_| {
        fault::invalid_parameter(format!("{} is not the number of a code page", option::CODE_PAGE))
    })?;
    CodePage::from_number(number).map_err(fault::of_command)
}

/// `MaxShellRunTime`: 0 is for ever (MS-WSMV 2.2.4.42), and so is what recent Windows has as its only value.
pub(super) fn longest_run(setting: Duration) -> Option<Duration> {
    (setting > Duration::ZERO && setting < LONGEST_TIME).then_some(setting)
}

/// The largest value of times in Windows.
pub(super) const LONGEST_TIME: Duration = Duration::from_millis(0x7FFF_FFFF);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_profile_is_read_where_the_administrator_allows_it_and_the_client_says_so() {
        for (value, allowed, startup) in [
            (Some("FALSE"), Profiles::Never, Startup::AsIsUsual),
            (Some("FALSE"), Profiles::WhenAsked, Startup::Profile),
            (Some("0"), Profiles::WhenAsked, Startup::Profile),
            (Some("True"), Profiles::WhenAsked, Startup::AsIsUsual),
            // MS-WSMV 3.1.4.5.2: without the option there is no profile.
            (None, Profiles::WhenAsked, Startup::AsIsUsual),
        ] {
            let options = value.map(|value| OptionSet::new().with(option::NO_PROFILE, value));
            let options = options.unwrap_or_default();
            assert_eq!(super::startup(allowed, &options), startup, "{value:?} {allowed:?}");
        }
    }

    #[test]
    fn a_run_time_of_0_or_of_recent_windows_is_no_limit() {
        let milliseconds = Duration::from_millis;
        assert_eq!(longest_run(milliseconds(0)), None);
        assert_eq!(longest_run(milliseconds(0x7FFF_FFFF)), None);
        assert_eq!(longest_run(milliseconds(28_800_000)), Some(milliseconds(28_800_000)));
    }
}
