//! Texts that the administrator has given in place of what the machine would tell: `/etc/telarch/masquerade.toml`.
//!
//! ```toml
//! [Win32_OperatingSystem]
//! Caption = "Microsoft Windows Server 2022 Standard"
//! ```
//!
//! It is there for clients that work only with what they know. Keys and whatever is no text cannot be overridden.

use std::collections::HashMap;
use std::sync::Arc;

use cim::{Name, Property, Type, Value};

use crate::Machine;
use crate::reread::Reread;

/// The texts of one class.
#[derive(Debug, Default)]
pub(crate) struct Texts(HashMap<Name, String>);

/// What the file says; it is read again when it has changed.
#[derive(Debug, Default)]
pub(crate) struct Masquerade(Reread<Classes>);

type Classes = HashMap<Name, Arc<Texts>>;

impl Masquerade {
    /// The texts for a class; `None` if there are none, as on almost every machine.
    pub(crate) fn of(&self, machine: &Machine, class: &Name) -> Option<Arc<Texts>> {
        self.0.of(machine, FILE, read)?.get(class).cloned()
    }
}

impl Texts {
    /// The text for a property, if it has one and can have one.
    pub(crate) fn text(&self, property: &Property) -> Option<Value> {
        let is_text = property.kind == Type::scalar(cim::CimType::String) && !property.is_key();
        let text = self.0.get(&property.name).filter(|_| is_text)?;
        Some(Value::text(text.clone()))
    }
}

/// Reads the file; what is wrong in it is told to the log and changes nothing.
fn read(machine: &Machine) -> Classes {
    let read = || -> Result<Classes, String> {
        let text = machine.text(FILE).map_err(|error| error.to_string())?;
        let document: toml_edit::DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
        let mut classes = Classes::new();
        for (class, table) in document.iter() {
            let name = Name::parse(class).map_err(|error| error.to_string())?;
            let table = table.as_table_like().ok_or_else(|| format!("{class} is no table"))?;
            let text = |(property, text): (&str, &toml_edit::Item)| {
                let name = Name::parse(property).map_err(|error| error.to_string())?;
                let text = text.as_str().ok_or_else(|| format!("{class}.{property} is no text"))?;
                Ok((name, text.to_owned()))
            };
            let texts = table.iter().map(text).collect::<Result<_, String>>()?;
            classes.insert(name, Arc::new(Texts(texts)));
        }
        Ok(classes)
    };
    read().unwrap_or_else(|error| {
        tracing::warn!(file = FILE, %error, "Texts are not overridden");
        Classes::new()
    })
}

const FILE: &str = "etc/telarch/masquerade.toml";
