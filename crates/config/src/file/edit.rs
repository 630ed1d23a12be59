use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

use super::assignment::assign;
use super::literal::{of_kind, of_setting};
use super::{ADDRESS, LISTENER, PRESET, TRANSPORT};
use crate::listener::FIELDS;
use crate::{Draft, Listener, Listeners, Preset};

/// Returns the text with the differences between two drafts applied; everything else stays as it is.
///
/// Returns `None` if the structure of the text does not allow the change.
#[must_use]
pub fn edit(text: &str, before: &Draft, after: &Draft) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    for setting in before.config.differences(&after.config) {
        let (folder, name) = setting.path().rsplit_once('/').unwrap_or(("", setting.path()));
        let mut table = document.as_item_mut();
        for section in folder.split('/').filter(|section| !section.is_empty()) {
            table = inner_table(table, section)?;
        }
        assign(table.as_table_like_mut()?, name, of_setting(setting, &after.config));
    }
    if before.listeners != after.listeners {
        let list = document.entry(LISTENER).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        edit_listeners(list.as_array_of_tables_mut()?, &before.listeners, after);
        if after.listeners.is_empty() {
            document.remove(LISTENER);
        }
    }
    if before.plugins != after.plugins {
        super::plugins::edit(&mut document, &before.plugins, &after.plugins)?;
    }
    Some(document.to_string())
}

/// Returns the text with another preset; everything else stays as it is.
///
/// Returns `None` if the text is not valid TOML.
#[must_use]
pub fn edit_preset(text: &str, preset: Preset) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    // The default preset need not be named in the file.
    if document.contains_key(PRESET) || preset != Preset::default() {
        assign(document.as_table_mut(), PRESET, preset.name().into());
    }
    Some(document.to_string())
}

/// Returns the table of a section. A missing table is created in the style of its parent.
fn inner_table<'t>(table: &'t mut Item, name: &str) -> Option<&'t mut Item> {
    match table {
        Item::Table(table) => {
            let dotted = table.is_dotted();
            Some(table.entry(name).or_insert_with(|| {
                let mut made = Table::new();
                // Only sections that contain values get a header of their own.
                made.set_implicit(true);
                made.set_dotted(dotted);
                Item::Table(made)
            }))
        }
        Item::Value(Value::InlineTable(_)) => {
            let table = table.as_table_like_mut()?;
            Some(table.entry(name).or_insert_with(|| value(InlineTable::new())))
        }
        _ => None,
    }
}

fn edit_listeners(tables: &mut ArrayOfTables, before: &Listeners, after: &Draft) {
    // The file lists the listeners of `before` in this order, because they were read from it.
    let mut place = 0;
    for listener in before {
        match after.listeners.find(listener.key()) {
            None => {
                tables.remove(place);
            }
            Some(new) => {
                if let Some(table) = tables.get_mut(place) {
                    edit_listener(table, listener, new);
                }
                place += 1;
            }
        }
    }
    for listener in after.listeners.iter().filter(|listener| before.find(listener.key()).is_none()) {
        let mut table = Table::new();
        table.insert(ADDRESS, value(listener.address.to_string()));
        table.insert(TRANSPORT, value(listener.transport.as_str()));
        edit_listener(&mut table, &Listener::new(listener.key(), &after.config.service), listener);
        tables.push(table);
    }
}

fn edit_listener(table: &mut Table, before: &Listener, after: &Listener) {
    for field in FIELDS {
        let text = (field.show)(after);
        if (field.show)(before) != text {
            assign(table, field.name, of_kind(field.kind, &text));
        }
    }
}
