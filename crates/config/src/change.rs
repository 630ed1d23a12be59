//! Changing settings by name.

use std::time::Duration;

use crate::schema::{Change, Setting, Source};
use crate::{Config, Mutability, Reason, SettingError, Winrs};

impl Config {
    /// Sets the value of a setting, as `--set Service.Auth.Basic=true` does.
    ///
    /// The name may have dots or slashes and is compared without case. Setting the current value again always
    /// succeeds, even if the setting cannot be changed.
    ///
    /// # Errors
    /// [`SettingError`] with the path of the setting and the reason.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let setting = Setting::find(name)?;
        self.assign(setting, value)
    }

    /// Sets a value required by policy; afterwards no other source can change it.
    ///
    /// Policy may also set read-only settings.
    ///
    /// # Errors
    /// [`SettingError`] with the path of the setting and the reason.
    pub fn enforce(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        self.enforce_setting(Setting::find(name)?, value)
    }

    pub(crate) fn enforce_setting(
        &mut self,
        setting: &'static Setting,
        value: &str,
    ) -> Result<(), SettingError> {
        setting.replace(self, value).map_err(|reason| setting.error(reason))?;
        self.sources.insert(setting.path(), Source::Policy);
        Ok(())
    }

    /// Returns the origin of the value of a setting.
    #[must_use]
    pub fn source(&self, setting: &Setting) -> Source {
        self.sources.get(setting.path()).copied().unwrap_or_default()
    }

    /// Returns a copy in which every writable setting has its value of `defaults`. Values set by policy remain.
    #[must_use]
    pub fn restored(&self, defaults: &Config) -> Config {
        let mut restored = self.clone();
        for setting in defaults.differences(self) {
            // A setting that policy governs, or that is not writable, remains unchanged.
            let _ = match setting.mutability() {
                Mutability::Writable => restored.assign(setting, &setting.show(defaults)),
                _ => Ok(()),
            };
        }
        restored
    }

    /// Returns the settings whose values differ, in the order of the tree. The origins of the values are not
    /// compared.
    pub fn differences<'c>(&'c self, other: &'c Config) -> impl Iterator<Item = &'static Setting> + use<'c> {
        Setting::all().iter().copied().filter(move |setting| setting.show(self) != setting.show(other))
    }

    /// Records that the file contains the setting, even with its default value.
    pub(crate) fn mark_local(&mut self, setting: &'static Setting) {
        self.sources.insert(setting.path(), Source::Local);
    }

    pub(crate) fn assign(&mut self, setting: &'static Setting, value: &str) -> Result<(), SettingError> {
        let obstacle = match (self.source(setting), setting.mutability()) {
            (Source::Policy, _) => Some(Reason::GovernedByPolicy),
            (_, Mutability::ReadOnly) => Some(Reason::ReadOnly),
            (_, Mutability::Deprecated) => Some(Reason::Deprecated),
            (_, Mutability::Writable | Mutability::FileOnly) => None,
        };
        let Some(obstacle) = obstacle else {
            let change = setting.replace(self, value).map_err(|reason| setting.error(reason))?;
            if change == Change::Changed {
                self.sources.insert(setting.path(), Source::Local);
            }
            return Ok(());
        };
        // Clients put back everything they read, so an unchanged value is accepted.
        match setting.replace(&mut self.clone(), value) {
            Ok(Change::Unchanged) => Ok(()),
            Ok(Change::Changed) | Err(_) => Err(setting.error(obstacle)),
        }
    }
}

impl Setting {
    pub(crate) fn error(&self, reason: Reason) -> SettingError {
        SettingError { path: self.path().to_owned(), reason }
    }
}

impl Winrs {
    /// Idle time after which a shell is deleted: `IdleTimeout`, but at least one minute.
    #[must_use]
    pub fn effective_idle_timeout(&self) -> Duration {
        self.idle_timeout.duration().max(Duration::from_secs(60))
    }
}
