//! In which line of the file a setting stands.

use std::collections::BTreeMap;

use toml_edit::{Document, TableLike};

use super::read::line;
use crate::Config;
use crate::schema::Member;

/// The lines of the settings that a text names, by their paths; none if it is no TOML.
pub(crate) fn places(text: &str) -> BTreeMap<&'static str, usize> {
    let mut places = BTreeMap::new();
    if let Ok(document) = Document::parse(text) {
        collect(text, document.as_table(), Config::MEMBERS, &mut places);
    }
    places
}

fn collect(
    text: &str,
    table: &dyn TableLike,
    members: &'static [Member],
    places: &mut BTreeMap<&'static str, usize>,
) {
    for member in members {
        let Some((key, item)) = table.get_key_value(member.name()) else { continue };
        match member {
            Member::Setting(setting) => {
                places.insert(setting.path(), line(text, key.span().or_else(|| item.span())));
            }
            Member::Section { members, .. } => {
                if let Some(inner) = item.as_table_like() {
                    collect(text, inner, members, places);
                }
            }
        }
    }
}
