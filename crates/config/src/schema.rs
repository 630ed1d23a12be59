//! Descriptions of the settings: lookup by name, and iteration in the order of messages.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::value::{Kind, Value};
use crate::{Config, Reason, SettingError};

/// Description of one setting.
#[derive(Debug)]
pub struct Setting {
    path: &'static str,
    element: &'static str,
    about: &'static str,
    mutability: Mutability,
    kind: Kind,
    show: fn(&Config) -> Cow<'_, str>,
    replace: fn(&mut Config, &str) -> Result<Change, Reason>,
}

/// Permission to change a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// Any client with write access to the configuration.
    Writable,
    /// Only policy or a preset.
    ReadOnly,
    /// Nothing; the setting exists only for clients that expect it.
    Deprecated,
    /// Only the configuration file; messages neither show nor change the setting.
    FileOnly,
}

/// Origin of the value of a setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Default of the preset.
    #[default]
    Default,
    /// Configuration file or a client.
    Local,
    /// Policy; shown as `Source="GPO"` and cannot be changed otherwise.
    Policy,
}

/// Setting or subsection, in the order of messages.
#[derive(Debug)]
pub(crate) enum Member {
    Setting(Setting),
    Section {
        name: &'static str,
        /// Element name with the prefix `cfg:`.
        element: &'static str,
        members: &'static [Member],
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Changed,
    Unchanged,
}

impl Setting {
    /// Every setting, in the order of `winrm get winrm/config`.
    #[must_use]
    pub fn all() -> &'static [&'static Setting] {
        static ALL: LazyLock<Vec<&'static Setting>> = LazyLock::new(|| {
            let mut all = Vec::new();
            collect(Config::MEMBERS, &mut all);
            all
        });
        &ALL
    }

    /// Returns the setting with a name such as `Service/Auth/Basic` or `service.auth.basic`.
    ///
    /// # Errors
    /// [`Reason::Unknown`] with the most similar name.
    pub fn find(name: &str) -> Result<&'static Setting, SettingError> {
        Self::all().iter().copied().find(|setting| same_path(setting.path, name)).ok_or_else(|| {
            SettingError {
                path: crate::value::excerpt(name),
                reason: Reason::Unknown { nearest: nearest(name).map(str::to_owned) },
            }
        })
    }

    /// Full path of the setting: `Service/Auth/Basic`.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Last part of the path: `Basic`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// Description of the setting in one sentence.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about.trim_ascii()
    }

    /// Permission to change the setting.
    #[must_use]
    pub fn mutability(&self) -> Mutability {
        self.mutability
    }

    /// Type and range of the value.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the value in a configuration, formatted as in messages.
    #[must_use]
    pub fn show<'c>(&self, config: &'c Config) -> Cow<'c, str> {
        (self.show)(config)
    }

    /// Element name with the prefix `cfg:`.
    pub(crate) fn element(&self) -> &'static str {
        self.element
    }

    /// Parses and stores a value, regardless of the mutability. The error has no path yet.
    pub(crate) fn replace(&self, config: &mut Config, text: &str) -> Result<Change, Reason> {
        (self.replace)(config, text)
    }

    /// Describes a setting; used only by the macro `sections!`.
    pub(crate) const fn describe<V: Value>(
        [path, element, about]: [&'static str; 3],
        mutability: Mutability,
        show: fn(&Config) -> Cow<'_, str>,
        replace: fn(&mut Config, &str) -> Result<Change, Reason>,
    ) -> Self {
        Self { path, element, about, mutability, kind: V::KIND, show, replace }
    }
}

impl Member {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Setting(setting) => setting.name(),
            Self::Section { name, .. } => name,
        }
    }

    /// Returns whether messages contain the member.
    pub(crate) fn is_in_messages(&self) -> bool {
        match self {
            Self::Setting(setting) => setting.mutability() != Mutability::FileOnly,
            Self::Section { members, .. } => members.iter().any(Self::is_in_messages),
        }
    }
}

/// Parses a value and stores it in its field.
pub(crate) fn exchange<V: Value>(field: &mut V, text: &str) -> Result<Change, Reason> {
    let value = V::parse(text)?;
    if *field == value {
        return Ok(Change::Unchanged);
    }
    *field = value;
    Ok(Change::Changed)
}

/// Returns the path most similar to a name: one with the same last part, or one with few different letters.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.replace('.', "/");
    let mut all = Setting::all().iter();
    let path_of_last = all.find(|setting| setting.name().eq_ignore_ascii_case(&name));
    match path_of_last {
        Some(setting) => Some(setting.path),
        None => most_similar(Setting::all().iter().map(|setting| setting.path), &name),
    }
}

/// Returns the word with the smallest edit distance, if that is at most a third of the letters (at least 2).
pub(crate) fn most_similar(words: impl Iterator<Item = &'static str>, name: &str) -> Option<&'static str> {
    let name: String = name.chars().take(100).map(|c| c.to_ascii_lowercase()).collect();
    let bound = (name.chars().count() / 3).max(2);
    words
        .map(|word| (wrong_letters(&word.to_ascii_lowercase(), &name), word))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= bound)
        .map(|(_, word)| word)
}

/// Returns the Levenshtein distance of two texts.
fn wrong_letters(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (line, of_left) in left.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (of_right, cell) in right.chars().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            *cell = (diagonal + usize::from(of_left != of_right)).min(above + 1).min(before + 1);
            diagonal = above;
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

fn same_path(path: &str, name: &str) -> bool {
    path.len() == name.len()
        && path.bytes().zip(name.trim().bytes()).all(|(of_path, of_name)| {
            of_path.eq_ignore_ascii_case(&of_name) || (of_path == b'/' && of_name == b'.')
        })
}

fn collect(members: &'static [Member], all: &mut Vec<&'static Setting>) {
    for member in members {
        match member {
            Member::Setting(setting) => all.push(setting),
            Member::Section { members, .. } => collect(members, all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_letters_are_counted_as_edits() {
        for (left, right, count) in
            [("", "", 0), ("a", "", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("basic", "baisc", 2)]
        {
            assert_eq!(wrong_letters(left, right), count, "{left} {right}");
        }
    }

    #[test]
    fn the_nearest_name_has_the_same_last_part_or_few_wrong_letters() {
        assert_eq!(nearest("Service/Auth/Basik"), Some("Service/Auth/Basic"));
        assert_eq!(nearest("service.auth.crdssp"), Some("Service/Auth/CredSSP"));
        assert_eq!(nearest("MaxShellsPerUser"), Some("Winrs/MaxShellsPerUser"));
        assert_eq!(nearest("SoapTraceEnabled"), None);
        assert_eq!(nearest(""), None);
    }
}
