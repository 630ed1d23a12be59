//! Texts that the administrator has set in place of actual values: `/etc/telarch/masquerade.toml`.
//!
//! ```toml
//! [Win32_OperatingSystem]
//! Caption = "Microsoft Windows Server 2022 Standard"
//! ```
//!
//! For clients that accept only known values. Keys, and properties that are not texts, cannot be overridden.

use std::collections::HashMap;
use std::sync::Arc;

use cim::{Name, Property, Type, Value};

use linux::Machine;
use linux::reread::Reread;

/// Texts of one class, by property.
#[derive(Debug, Default)]
pub(crate) struct Texts(HashMap<Name, String>);

/// Content of the file, read again when it has changed.
#[derive(Debug, Default)]
pub(crate) struct Masquerade(Reread<Classes>);

type Classes = HashMap<Name, Arc<Texts>>;

impl Masquerade {
    /// Returns the texts of a class; `None` in the usual case that the file has no entry for it.
    pub(crate) fn of(&self, machine: &Machine, class: &Name) -> Option<Arc<Texts>> {
        self.0.of(machine, FILE, read)?.get(class).cloned()
    }
}

impl Texts {
    /// Returns the text for a property, if one is set and the property can be overridden.
    pub(crate) fn text(&self, property: &Property) -> Option<Value> {
        let is_text = property.kind == Type::scalar(cim::CimType::String) && !property.is_key();
        let text = self.0.get(&property.name).filter(|_| is_text)?;
        Some(Value::text(text.clone()))
    }
}

/// Reads the file. An invalid file is logged and has no effect.
fn read(machine: &Machine) -> Classes {
    try_read(machine).unwrap_or_else(|error| {
        tracing::warn!(file = FILE, %error, "Cannot read the overridden texts; actual values apply");
        Classes::new()
    })
}

/// Parses the file.
fn try_read(machine: &Machine) -> Result<Classes, String> {
    let text = machine.text(FILE).map_err(|error| error.to_string())?;
    let document: toml_edit::DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
    let mut classes = Classes::new();
    for (class, table) in document.iter() {
        let name = Name::parse(class).map_err(|error| error.to_string())?;
        let table = table.as_table_like().ok_or_else(|| format!("{class} is not a table"))?;
        let texts = table
            .iter()
            .map(|(property, text): (&str, &toml_edit::Item)| {
                let name = Name::parse(property).map_err(|error| error.to_string())?;
                let text = text.as_str().ok_or_else(|| format!("{class}.{property} is not a text"))?;
                Ok((name, text.to_owned()))
            })
            .collect::<Result<_, String>>()?;
        classes.insert(name, Arc::new(Texts(texts)));
    }
    Ok(classes)
}

const FILE: &str = "etc/telarch/masquerade.toml";
