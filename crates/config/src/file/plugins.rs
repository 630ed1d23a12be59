//! Plug-ins and groups in the configuration file.
//!
//! ```toml
//! [Groups]
//! Administrators = ["wheel"]
//!
//! [[Plugin]]
//! Name = "Shell"
//! Enabled = false
//!
//! [[Plugin.Security]]
//! Uri = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
//! Sddl = "O:NSG:BAD:P(A;;GA;;;BA)"
//! ExactMatch = true
//!
//! [[Plugin]]
//! Name = "PowerShell"
//!
//! [[Plugin.Endpoint]]
//! Name = "PowerShell.7"
//! Enabled = false
//!
//! [[Plugin.Endpoint]]
//! Name = "Backup"
//! RunAsUser = "backup"
//! ```

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, value};

use super::assignment::assign;
use super::read::Reading;
use super::{GROUPS, LocatedError, PLUGIN};
use crate::schema::most_similar;
use crate::toml_text::{scalar, shown};
use crate::value::{Value as _, excerpt, malformed};
use crate::{
    Draft, EndpointName, EndpointSettings, FileError, Groups, Plugin, PluginError, Plugins, Reason,
    RunAsUser, SecurityEntry, SettingError,
};

const NAME: &str = "Name";
const ENABLED: &str = "Enabled";
const RUN_AS_USER: &str = "RunAsUser";
const SECURITY: &str = "Security";
const ENDPOINT: &str = "Endpoint";
const URI: &str = "Uri";
const SDDL: &str = "Sddl";
const EXACT_MATCH: &str = "ExactMatch";

impl Reading<'_> {
    pub(super) fn plugins(&self, root: &Table, draft: &mut Draft) -> Result<(), LocatedError> {
        let Some((key, item)) = root.get_key_value(PLUGIN) else { return Ok(()) };
        let Some(tables) = item.as_array_of_tables() else {
            let expected = "a list; begin each plug-in with the line [[Plugin]]";
            let error = setting(PLUGIN, malformed(&shown(item), expected));
            return Err(self.located(key, item, error));
        };
        let mut seen = Vec::new();
        for table in tables {
            let Some(name) = table.get(NAME) else {
                let expected = "the name of a plug-in, which each [[Plugin]] requires";
                let error = setting("Plugin/Name", malformed(&shown(item), expected));
                return Err(self.located(key, item, error));
            };
            let named = plugin_named(name, &mut draft.plugins, &seen);
            let plugin =
                named.map_err(|error| self.item_located(table, NAME, name, FileError::Plugin(error)))?;
            seen.push(plugin.kind().name);
            for (name, item) in table.iter().filter(|(name, _)| *name != NAME) {
                let read = match name {
                    ENABLED => switch(item).and_then(|enabled| plugin.set_enabled(enabled)),
                    SECURITY => entries(item).and_then(|entries| plugin.set_entries(entries)),
                    ENDPOINT => endpoints(item).and_then(|switches| plugin.set_endpoints(switches)),
                    _ => Err(unknown(name, &[NAME, ENABLED, SECURITY, ENDPOINT])),
                };
                read.map_err(|error| self.item_located(table, name, item, FileError::Plugin(error)))?;
            }
        }
        Ok(())
    }

    pub(super) fn groups(&self, root: &Table, draft: &mut Draft) -> Result<(), LocatedError> {
        let Some((key, item)) = root.get_key_value(GROUPS) else { return Ok(()) };
        let Some(table) = item.as_table_like() else {
            let error =
                setting(GROUPS, malformed(&shown(item), "a table; write [Groups] on a line of its own"));
            return Err(self.located(key, item, error));
        };
        for (name, item) in table.iter() {
            let path = format!("{GROUPS}/{}", excerpt(name));
            let read = match draft.groups.of_key(name) {
                Some(names) => group_names(item).map(|read| *names = read),
                None => {
                    let nearest = most_similar(Groups::KEYS.into_iter(), name);
                    Err(Reason::Unknown { nearest: nearest.map(|own| format!("{GROUPS}/{own}")) })
                }
            };
            read.map_err(|reason| self.item_located(table, name, item, setting(&path, reason)))?;
        }
        Ok(())
    }
}

/// Returns the plug-in with the name in `item`, unless it was `seen` before.
fn plugin_named<'p>(
    item: &Item,
    plugins: &'p mut Plugins,
    seen: &[&'static str],
) -> Result<&'p mut Plugin, PluginError> {
    let name = scalar(item).map_err(|reason| PluginError::setting("Name", reason))?;
    let plugin = plugins.find_mut(&name)?;
    if seen.contains(&plugin.kind().name) {
        return Err(PluginError::setting("Name", Reason::Repeated));
    }
    Ok(plugin)
}
/// Writes the differences between the plug-ins; returns `None` if the structure of the document does not allow it.
pub(super) fn edit(document: &mut DocumentMut, before: &Plugins, after: &Plugins) -> Option<()> {
    let list = document.entry(PLUGIN).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let tables = list.as_array_of_tables_mut()?;
    let changed = before.iter().zip(after).filter(|(before, after)| before != after);
    for (before, after) in changed {
        let name = after.kind().name;
        let existing = tables.iter().position(|table| has_name(table, name));
        let place = match existing {
            Some(place) => place,
            None => {
                let mut table = Table::new();
                table.insert(NAME, value(name));
                tables.push(table);
                tables.len().checked_sub(1)?
            }
        };
        let table = tables.get_mut(place)?;
        if before.is_enabled() != after.is_enabled() {
            assign(table, ENABLED, after.is_enabled().into());
        }
        if before.configured_entries() != after.configured_entries() {
            edit_entries(table, after);
        }
        if before.endpoint_settings() != after.endpoint_settings() {
            edit_endpoints(table, after.endpoint_settings());
        }
    }
    Some(())
}

fn has_name(table: &Table, name: &str) -> bool {
    table.get(NAME).and_then(Item::as_str).is_some_and(|own| own.trim().eq_ignore_ascii_case(name))
}

fn edit_entries(table: &mut Table, plugin: &Plugin) {
    let Some(entries) = plugin.configured_entries() else {
        table.remove(SECURITY);
        return;
    };
    let mut tables = ArrayOfTables::new();
    for entry in entries {
        let mut table = Table::new();
        table.insert(URI, value(entry.uri.as_str()));
        table.insert(SDDL, value(entry.descriptor.as_str()));
        table.insert(EXACT_MATCH, value(entry.exact_match));
        tables.push(table);
    }
    // An empty array of tables would not be written at all.
    let list = if tables.is_empty() { value(Array::new()) } else { Item::ArrayOfTables(tables) };
    table.insert(SECURITY, list);
}

fn edit_endpoints(table: &mut Table, endpoints: &[EndpointSettings]) {
    if endpoints.is_empty() {
        table.remove(ENDPOINT);
        return;
    }
    let mut tables = ArrayOfTables::new();
    for endpoint in endpoints {
        let mut table = Table::new();
        table.insert(NAME, value(endpoint.name.as_str()));
        table.insert(ENABLED, value(endpoint.enabled));
        if let Some(user) = &endpoint.run_as {
            table.insert(RUN_AS_USER, value(user.as_str()));
        }
        tables.push(table);
    }
    table.insert(ENDPOINT, Item::ArrayOfTables(tables));
}

fn entries(item: &Item) -> Result<Vec<SecurityEntry>, PluginError> {
    let expected = "a list of entries; begin each entry with the line [[Plugin.Security]]";
    tables(item, SECURITY, expected)?.into_iter().map(entry).collect()
}

fn endpoints(item: &Item) -> Result<Vec<EndpointSettings>, PluginError> {
    let expected = "a list of endpoints; begin each one with the line [[Plugin.Endpoint]]";
    tables(item, ENDPOINT, expected)?.into_iter().map(endpoint).collect()
}

/// Returns the tables of a list, at most one more than allowed.
fn tables<'i>(
    item: &'i Item,
    path: &str,
    expected: &'static str,
) -> Result<Vec<&'i dyn TableLike>, PluginError> {
    const LIMIT: usize = Plugin::MAX_ENTRIES + 1;
    if let Some(tables) = item.as_array_of_tables() {
        return Ok(tables.iter().take(LIMIT).map(|table| table as &dyn TableLike).collect());
    }
    let inline = item.as_array().and_then(|array| {
        let tables = array.iter().take(LIMIT).map(|value| value.as_inline_table());
        tables.map(|table| table.map(|table| table as &dyn TableLike)).collect::<Option<Vec<_>>>()
    });
    inline.ok_or_else(|| PluginError::setting(path, malformed(&shown(item), expected)))
}

fn endpoint(table: &dyn TableLike) -> Result<EndpointSettings, PluginError> {
    const KEYS: [&str; 3] = [NAME, ENABLED, RUN_AS_USER];
    if let Some((other, _)) = table.iter().find(|(name, _)| !KEYS.contains(name)) {
        return Err(unknown(other, &KEYS));
    }
    let name = EndpointName::parse(required_text(table, ENDPOINT, NAME)?)
        .map_err(|reason| PluginError::setting(&format!("{ENDPOINT}/{NAME}"), reason))?;
    let run_as = table.get(RUN_AS_USER).map(run_as_user).transpose()?.flatten();
    Ok(EndpointSettings { name, enabled: table.get(ENABLED).map_or(Ok(true), switch)?, run_as })
}

/// Returns the account of an endpoint; an empty text means the caller, as in listings.
fn run_as_user(item: &Item) -> Result<Option<RunAsUser>, PluginError> {
    let parsed = scalar(item).and_then(|text| match text.is_empty() {
        true => Ok(None),
        false => RunAsUser::parse(&text).map(Some),
    });
    parsed.map_err(|reason| PluginError::setting(&format!("{ENDPOINT}/{RUN_AS_USER}"), reason))
}

fn entry(table: &dyn TableLike) -> Result<SecurityEntry, PluginError> {
    if let Some((other, _)) = table.iter().find(|(name, _)| ![URI, SDDL, EXACT_MATCH].contains(name)) {
        return Err(unknown(other, &[URI, SDDL, EXACT_MATCH]));
    }
    let exact_match = table.get(EXACT_MATCH).map_or(Ok(false), switch)?;
    let (uri, sddl) = (required_text(table, SECURITY, URI)?, required_text(table, SECURITY, SDDL)?);
    SecurityEntry::parse(uri, sddl, exact_match)
}

fn required_text<'t>(table: &'t dyn TableLike, list: &str, name: &str) -> Result<&'t str, PluginError> {
    table.get(name).and_then(Item::as_str).ok_or_else(|| {
        let reason = malformed("", "a quoted string, which each entry requires");
        PluginError::setting(&format!("{list}/{name}"), reason)
    })
}

fn group_names(item: &Item) -> Result<Vec<String>, Reason> {
    let array = item.as_array().filter(|array| array.len() <= Groups::MAX);
    let array = array.ok_or_else(|| not_group_names(item))?;
    array.iter().map(|name| Groups::name(name.as_str().ok_or_else(|| not_group_names(item))?)).collect()
}

fn not_group_names(item: &Item) -> Reason {
    malformed(&shown(item), "a list of group names, such as [\"wheel\"]")
}

fn switch(item: &Item) -> Result<bool, PluginError> {
    let parsed = scalar(item).and_then(|text| bool::parse(&text));
    parsed.map_err(|reason| PluginError::setting("a boolean", reason))
}

fn unknown(name: &str, known: &[&'static str]) -> PluginError {
    let nearest = most_similar(known.iter().copied(), name).map(str::to_owned);
    PluginError::setting(&excerpt(name), Reason::Unknown { nearest })
}

fn setting(path: &str, reason: Reason) -> FileError {
    FileError::Setting(SettingError { path: path.to_owned(), reason })
}
