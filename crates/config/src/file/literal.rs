//! Values formatted for the configuration file.

use toml_edit::{Table, Value, value};

use super::{ADDRESS, TRANSPORT};
use crate::listener::FIELDS;
use crate::value::Kind;
use crate::{Config, Listener, Setting};

impl Setting {
    /// Returns name and value as a line of the configuration file: `Service.Auth.Basic = true`.
    #[must_use]
    pub fn line(&self, config: &Config) -> String {
        format!("{} = {}", self.path().replace('/', "."), self.literal(config))
    }

    /// Returns the value formatted for the configuration file: `true`, `500`, or a quoted string.
    #[must_use]
    pub fn literal(&self, config: &Config) -> String {
        of_setting(self, config).to_string()
    }
}

impl Listener {
    /// Returns all fields formatted for the configuration file, one per line, without the header `[[Listener]]`.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut table = Table::new();
        table.insert(ADDRESS, value(self.address.to_string()));
        table.insert(TRANSPORT, value(self.transport.as_str()));
        for field in FIELDS {
            table.insert(field.name, value(of_kind(field.kind, &(field.show)(self))));
        }
        table.to_string()
    }
}

pub(super) fn of_setting(setting: &Setting, config: &Config) -> Value {
    of_kind(setting.kind(), &setting.show(config))
}

pub(super) fn of_kind(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Switch => Value::from(text == "true"),
        Kind::Number { .. } => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        Kind::Text { .. } => Value::from(text),
    }
}
