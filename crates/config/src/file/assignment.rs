//! Assignment of values in a table, which keeps comments.

use toml_edit::{Item, TableLike, Value, value};

/// Stores a value; white space and comments around an old value stay.
pub(super) fn assign(table: &mut dyn TableLike, name: &str, mut new: Value) {
    match table.get_mut(name).and_then(Item::as_value_mut) {
        Some(old) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        None => {
            table.insert(name, value(new));
        }
    }
}
