//! Configuration of a new shell from the plug-in, the settings and the client's options.

use std::sync::Arc;
use std::time::Duration;

use config::{Profiles, Winrs};
use wsman::shell::option;
use wsman::{Fault, OptionSet};

use super::process_monitor::ProcessMonitor;
use super::{ShellEnvironment, fault};
use crate::limits::{Limits, ProcessLimiter, ShellGroups};
use crate::processes::Mark;
use crate::{CodePage, Startup};

/// Configuration and services shared by all shells.
pub(super) struct ShellContext {
    pub(super) surroundings: ShellEnvironment,
    pub(super) open_files: Option<u64>,
    pub(super) monitor: Arc<ProcessMonitor>,
    pub(super) groups: Arc<dyn ShellGroups>,
}

impl ShellContext {
    /// Creates the limiter of a shell, with a control group if possible.
    pub(super) fn limiter(&self, shell: &str, winrs: &Winrs) -> ProcessLimiter {
        let limits = Limits { open_files: self.open_files, ..Limits::from_settings(winrs) };
        match self.groups.create(&limits) {
            Ok(Some(group)) => return ProcessLimiter::in_group(group, limits),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    %error, shell,
                    "Cannot create a control group for a shell; its memory is limited per process"
                );
            }
        }
        ProcessLimiter::marked(limits, Mark::new(random::uuid().to_string()))
    }
}

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

/// Returns `MaxShellRunTime`; `None` for 0 (MS-WSMV 2.2.4.42) and for the only value of recent Windows versions.
pub(super) fn max_run_time(setting: Duration) -> Option<Duration> {
    (setting > Duration::ZERO && setting < MAX_TIME).then_some(setting)
}

/// Maximum of time settings in Windows.
pub(super) const MAX_TIME: Duration = Duration::from_millis(0x7FFF_FFFF);

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

    #[test]
    fn a_run_time_of_zero_or_of_recent_windows_is_no_limit() {
        let milliseconds = Duration::from_millis;
        assert_eq!(max_run_time(milliseconds(0)), None);
        assert_eq!(max_run_time(milliseconds(0x7FFF_FFFF)), None);
        assert_eq!(max_run_time(milliseconds(28_800_000)), Some(milliseconds(28_800_000)));
    }
}
