//! The description of the settings: looked up by name, walked in order.

use std::sync::LazyLock;

use crate::value::{Kind, Value};
use crate::{Config, Reason, SettingError};

/// One setting as its only description has it.
#[derive(Debug)]
pub struct Setting {
    path: &'static str,
    element: &'static str,
    about: &'static str,
    mutability: Mutability,
    kind: Kind,
    show: fn(&Config) -> String,
    replace: fn(&mut Config, &str) -> Result<Change, Reason>,
}

/// Whether a setting may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// By whoever may write the configuration.
    Writable,
    /// Only by policy or a preset.
    ReadOnly,
    /// No longer; it is there for clients that expect it.
    Deprecated,
    /// In the file of settings only; messages have it neither way.
    FileOnly,
}

/// Who decided on a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Nobody: it is the preset's.
    #[default]
    Default,
    /// The administrator of this machine.
    Local,
    /// Policy; shown as `Source="GPO"`, and nobody else may change it.
    Policy,
}

/// Something that stands in the tree, in the order in which messages have it.
#[derive(Debug)]
pub(crate) enum Member {
    Setting(Setting),
    Section {
        name: &'static str,
        /// The name with the prefix that messages give it.
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

    /// The setting of a name such as `Service/Auth/Basic` or `service.auth.basic`.
    ///
    /// # Errors
    /// [`Reason::Unknown`], with the name that is most similar.
    pub fn find(name: &str) -> Result<&'static Setting, SettingError> {
        Self::all().iter().copied().find(|setting| same_path(setting.path, name)).ok_or_else(|| {
            SettingError {
                path: crate::value::excerpt(name),
                reason: Reason::Unknown { nearest: nearest(name).map(str::to_owned) },
            }
        })
    }

    /// The names from the root down, joined by slashes: `Service/Auth/Basic`.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The last name of the path: `Basic`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// What the setting is for, in one sentence.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about.trim_ascii()
    }

    /// Whether it may be changed.
    #[must_use]
    pub fn mutability(&self) -> Mutability {
        self.mutability
    }

    /// What sort of value it holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its value in a configuration, as messages show it.
    #[must_use]
    pub fn show(&self, config: &Config) -> String {
        (self.show)(config)
    }

    /// The name with the prefix that messages give it.
    pub(crate) fn element(&self) -> &'static str {
        self.element
    }

    /// Gives it a value, whatever its mutability; the error has no path yet.
    pub(crate) fn replace(&self, config: &mut Config, text: &str) -> Result<Change, Reason> {
        (self.replace)(config, text)
    }

    /// For the table only.
    pub(crate) const fn describe<V: Value>(
        [path, element, about]: [&'static str; 3],
        mutability: Mutability,
        show: fn(&Config) -> String,
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

    /// Whether messages have it.
    pub(crate) fn is_in_messages(&self) -> bool {
        match self {
            Self::Setting(setting) => setting.mutability() != Mutability::FileOnly,
            Self::Section { members, .. } => members.iter().any(Self::is_in_messages),
        }
    }
}

/// Puts a parsed value into its field.
pub(crate) fn exchange<V: Value>(field: &mut V, text: &str) -> Result<Change, Reason> {
    let value = V::parse(text)?;
    if *field == value {
        return Ok(Change::Unchanged);
    }
    *field = value;
    Ok(Change::Changed)
}

/// The path that looks most like a name, if any does: the same last part, or few wrong letters.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.replace('.', "/");
    let last = |path: &'static str| path.rsplit('/').next().unwrap_or(path);
    let path_of_last = Setting::all().iter().find(|setting| last(setting.path).eq_ignore_ascii_case(&name));
    match path_of_last {
        Some(setting) => Some(setting.path),
        None => most_similar(Setting::all().iter().map(|setting| setting.path), &name),
    }
}

/// The word that differs in the fewest letters, if it is less than a third of them.
pub(crate) fn most_similar(words: impl Iterator<Item = &'static str>, name: &str) -> Option<&'static str> {
    let name: String = name.chars().take(100).map(|c| c.to_ascii_lowercase()).collect();
    let bound = (name.chars().count() / 3).max(2);
    words
        .map(|word| (wrong_letters(&word.to_ascii_lowercase(), &name), word))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= bound)
        .map(|(_, word)| word)
}

/// How many letters must be added, removed or replaced to make one text the other (Levenshtein).
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
    fn the_nearest_name_is_found_by_its_last_part_or_by_few_wrong_letters() {
        assert_eq!(nearest("Service/Auth/Basik"), Some("Service/Auth/Basic"));
        assert_eq!(nearest("service.auth.crdssp"), Some("Service/Auth/CredSSP"));
        assert_eq!(nearest("MaxShellsPerUser"), Some("Winrs/MaxShellsPerUser"));
        assert_eq!(nearest("SoapTraceEnabled"), None);
        assert_eq!(nearest(""), None);
    }
}
