use toml_edit::{Document, Item, Key, Table, TableLike};

use super::{ADDRESS, GROUPS, LISTENER, LocatedError, MAX_OCTETS, PLUGIN, PRESET, TRANSPORT};
use crate::listener::Field;
use crate::schema::{Member, most_similar};
use crate::toml_text::{line, scalar, shown};
use crate::value::{excerpt, malformed};
use crate::{
    Config, Draft, FileError, Listener, ListenerAddress, ListenerError, ListenerKey, Policies, Preset,
    Reason, SettingError, Transport,
};

/// Parses the text of a configuration file. Settings missing from it have the default of the preset; settings
/// governed by policy have the value of the policy.
///
/// # Errors
/// The first error of the text, with its line.
pub fn read(text: &str, policies: &Policies) -> Result<(Preset, Draft), LocatedError> {
    if text.len() > MAX_OCTETS {
        return Err(LocatedError { line: 1, error: FileError::TooLarge });
    }
    let document = Document::parse(text).map_err(|error| LocatedError {
        line: line(text, error.span()),
        error: FileError::Syntax(error.message().replace('\n', ", ")),
    })?;
    let reading = Reading { text };
    let root = document.as_table();
    let preset = reading.preset(root)?;
    let mut draft = Draft { config: preset.config(), ..Draft::default() };
    reading.members(root, "", Config::MEMBERS, &mut draft.config)?;
    // Defaults of listeners depend on the settings, so policy is applied first.
    policies
        .apply_to(&mut draft.config)
        .map_err(|error| LocatedError { line: 1, error: FileError::Setting(error) })?;
    reading.listeners(root, &mut draft)?;
    reading.plugins(root, &mut draft)?;
    reading.groups(root, &mut draft)?;
    Ok((preset, draft))
}

/// Keys at the top level that are not settings.
const OTHER_KEYS: [&str; 4] = [PRESET, LISTENER, PLUGIN, GROUPS];

pub(super) struct Reading<'t> {
    text: &'t str,
}

impl Reading<'_> {
    fn preset(&self, root: &Table) -> Result<Preset, LocatedError> {
        let Some((key, item)) = root.get_key_value(PRESET) else { return Ok(Preset::default()) };
        item.as_str()
            .and_then(Preset::find)
            .ok_or_else(|| self.located(key, item, FileError::Preset(shown(item))))
    }

    fn members(
        &self,
        table: &dyn TableLike,
        folder: &str,
        members: &'static [Member],
        config: &mut Config,
    ) -> Result<(), LocatedError> {
        for (name, item) in table.iter() {
            if folder.is_empty() && OTHER_KEYS.contains(&name) {
                continue;
            }
            let path = format!("{folder}{}", excerpt(name));
            let result = match members.iter().find(|member| member.name() == name) {
                Some(Member::Setting(setting)) => scalar(item)
                    .map_err(|reason| setting.error(reason))
                    .and_then(|value| config.assign(setting, &value))
                    .map(|()| config.mark_local(setting)),
                Some(Member::Section { members, .. }) => match item.as_table_like() {
                    Some(inner) => {
                        self.members(inner, &format!("{folder}{name}/"), members, config)?;
                        continue;
                    }
                    None => {
                        Err(SettingError { path, reason: malformed(&shown(item), "a table of settings") })
                    }
                },
                None => Err(SettingError { path, reason: unknown(folder, name, members) }),
            };
            result.map_err(|error| self.item_located(table, name, item, FileError::Setting(error)))?;
        }
        Ok(())
    }

    fn listeners(&self, root: &Table, draft: &mut Draft) -> Result<(), LocatedError> {
        let Some((key, item)) = root.get_key_value(LISTENER) else { return Ok(()) };
        let Some(tables) = item.as_array_of_tables() else {
            let reason = malformed(&shown(item), "a list; begin each listener with the line [[Listener]]");
            let error = SettingError { path: LISTENER.to_owned(), reason };
            return Err(self.located(key, item, FileError::Setting(error)));
        };
        for table in tables {
            let listener = self.listener(table, &draft.config)?;
            draft.listeners.create(listener).map_err(|error| LocatedError {
                line: line(self.text, table.span()),
                error: FileError::Listener(error),
            })?;
        }
        Ok(())
    }

    fn listener(&self, table: &Table, config: &Config) -> Result<Listener, LocatedError> {
        let address = self.key_part(table, ADDRESS, ListenerAddress::parse)?;
        let transport = self.key_part(table, TRANSPORT, Transport::parse)?;
        let mut listener = Listener::new(ListenerKey { address, transport }, &config.service);
        for (name, item) in table {
            if name == ADDRESS || name == TRANSPORT {
                continue;
            }
            Field::find(name)
                .and_then(|field| (field.replace)(&mut listener, &scalar(item)?))
                .map_err(|reason| SettingError { path: format!("{LISTENER}/{}", excerpt(name)), reason })
                .map_err(|error| self.item_located(table, name, item, FileError::Setting(error)))?;
        }
        Ok(listener)
    }

    /// Returns the value of `Address` or `Transport`, which every listener requires.
    fn key_part<T>(
        &self,
        table: &Table,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, ListenerError>,
    ) -> Result<T, LocatedError> {
        let Some(item) = table.get(name) else {
            let error = parse("")
                .err()
                .map_or_else(|| FileError::Syntax(format!("a listener without {name}")), FileError::Listener);
            return Err(LocatedError { line: line(self.text, table.span()), error });
        };
        let value = scalar(item).map_err(|reason| {
            FileError::Setting(SettingError { path: format!("{LISTENER}/{name}"), reason })
        });
        value
            .and_then(|value| parse(&value).map_err(FileError::Listener))
            .map_err(|error| self.item_located(table, name, item, error))
    }

    pub(super) fn item_located(
        &self,
        table: &dyn TableLike,
        name: &str,
        item: &Item,
        error: FileError,
    ) -> LocatedError {
        match table.get_key_value(name) {
            Some((key, _)) => self.located(key, item, error),
            None => LocatedError { line: line(self.text, item.span()), error },
        }
    }

    pub(super) fn located(&self, key: &Key, item: &Item, error: FileError) -> LocatedError {
        LocatedError { line: line(self.text, key.span().or_else(|| item.span())), error }
    }
}

fn unknown(folder: &str, name: &str, members: &'static [Member]) -> Reason {
    let here =
        members.iter().map(Member::name).chain(folder.is_empty().then_some(OTHER_KEYS).into_iter().flatten());
    let nearest = match most_similar(here, name) {
        Some(similar) => Some(format!("{folder}{similar}")),
        None => crate::schema::nearest(&format!("{folder}{name}"))
            .or_else(|| crate::schema::nearest(name))
            .map(str::to_owned),
    };
    Reason::Unknown { nearest }
}
