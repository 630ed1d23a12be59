//! Giving settings values by name.

use std::time::Duration;

use crate::schema::{Change, Setting, Source};
use crate::{Config, Mutability, Reason, SettingError, Winrs};

impl Config {
    /// Gives a setting a value, as `--set Service.Auth.Basic=true` does.
    ///
    /// The name may have dots or slashes and letters of either case. A value that is there already is always
    /// accepted, even where it could not be changed.
    ///
    /// # Errors
    /// [`SettingError`] names the setting and says what is wrong.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let setting = Setting::find(name)?;
        self.assign(setting, value)
    }

    /// Gives a setting the value that policy demands; afterwards nothing else changes it.
    ///
    /// Policy may also set what is read-only.
    ///
    /// # Errors
    /// As for [`Config::set`].
    pub fn govern(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        self.impose(Setting::find(name)?, value)
    }

    pub(crate) fn impose(&mut self, setting: &'static Setting, value: &str) -> Result<(), SettingError> {
        setting.replace(self, value).map_err(|reason| setting.error(reason))?;
        self.sources.insert(setting.path(), Source::Policy);
        Ok(())
    }

    /// Who decided on the value of a setting.
    #[must_use]
    pub fn source(&self, setting: &Setting) -> Source {
        self.sources.get(setting.path()).copied().unwrap_or_default()
    }

    /// The configuration with everything that a message could change as `defaults` have it. What policy governs stays.
    #[must_use]
    pub fn restored(&self, defaults: &Config) -> Config {
        let mut restored = self.clone();
        for setting in defaults.differences(self) {
            // What cannot be changed stays as it is.
            let _ = match setting.mutability() {
                Mutability::Writable => restored.assign(setting, &setting.show(defaults)),
                _ => Ok(()),
            };
        }
        restored
    }

    /// The settings whose values differ, in the order of the tree; who decided on them does not count.
    pub fn differences<'c>(&'c self, other: &'c Config) -> impl Iterator<Item = &'static Setting> + use<'c> {
        Setting::all().iter().copied().filter(move |setting| setting.show(self) != setting.show(other))
    }

    /// Notes that the file names a setting, whatever value it gives.
    pub(crate) fn named(&mut self, setting: &'static Setting) {
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
        // Clients put back all they got, so a value that stays as it is does no harm.
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
    /// The time without activity after which a shell is deleted: `IdleTimeout`, but at least a minute.
    #[must_use]
    pub fn effective_idle_timeout(&self) -> Duration {
        self.idle_timeout.duration().max(Duration::from_secs(60))
    }
}
