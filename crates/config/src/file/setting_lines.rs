//! Line numbers of the settings in the file.

use std::collections::BTreeMap;

use toml_edit::{Document, TableLike};

use crate::Config;
use crate::schema::Member;
use crate::toml_text::line;

/// Returns the line numbers of the settings in a text by their paths; empty if the text is not valid TOML.
pub(crate) fn setting_lines(text: &str) -> BTreeMap<&'static str, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(document) = Document::parse(text) {
        collect(text, document.as_table(), Config::MEMBERS, &mut lines);
    }
    lines
}

fn collect(
    text: &str,
    table: &dyn TableLike,
    members: &'static [Member],
    lines: &mut BTreeMap<&'static str, usize>,
) {
    for member in members {
        let Some((key, item)) = table.get_key_value(member.name()) else { continue };
        match member {
            Member::Setting(setting) => {
                lines.insert(setting.path(), line(text, key.span().or_else(|| item.span())));
            }
            Member::Section { members, .. } => {
                if let Some(inner) = item.as_table_like() {
                    collect(text, inner, members, lines);
                }
            }
        }
    }
}
