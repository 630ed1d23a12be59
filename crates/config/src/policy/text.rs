//! Text form of policies, for processes that cannot read the policy files themselves.

use std::path::PathBuf;

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{FilePosition, Origin, Policies, Policy, PolicyTarget, PolicyValue};
use crate::Setting;

const DEMAND: &str = "Demand";
const SETTING: &str = "Setting";
const POLICY: &str = "Policy";
const ENTRY: &str = "Entry";
const VALUE: &str = "Value";
const FILE: &str = "File";
const LINE: &str = "Line";
const RECORD: &str = "Record";

/// Error for a text that [`Policies::to_text`] has not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid serialized policies")]
pub struct SerializedPoliciesError;

impl Policies {
    /// Serializes the values for [`Policies::of_text`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut tables = ArrayOfTables::new();
        for entry in self.iter() {
            tables.push(table(entry));
        }
        let mut document = DocumentMut::new();
        if !tables.is_empty() {
            document.insert(DEMAND, Item::ArrayOfTables(tables));
        }
        document.to_string()
    }

    /// Parses the text that [`Policies::to_text`] has written. It does not contain [`Policies::unknown`].
    ///
    /// # Errors
    /// [`SerializedPoliciesError`] for any other text.
    pub fn of_text(text: &str) -> Result<Self, SerializedPoliciesError> {
        let document: DocumentMut = text.parse().map_err(|_| SerializedPoliciesError)?;
        let Some(item) = document.get(DEMAND) else { return Ok(Self::default()) };
        let tables = item.as_array_of_tables().filter(|tables| tables.len() <= Self::MAX);
        let mut policies = Self::default();
        for table in tables.ok_or(SerializedPoliciesError)? {
            let entry = entry(table).ok_or(SerializedPoliciesError)?;
            if policies.iter().any(|own| own.target == entry.target) {
                return Err(SerializedPoliciesError);
            }
            policies.values.push(entry);
        }
        Ok(policies)
    }
}

fn table(entry: &PolicyValue) -> Table {
    let mut table = Table::new();
    if let Some(policy) = entry.policy {
        table.insert(POLICY, value(policy.name()));
    }
    match &entry.target {
        PolicyTarget::Setting(setting) => table.insert(SETTING, value(setting.path())),
        PolicyTarget::Policy { item, .. } => table.insert(ENTRY, value(item.as_str())),
    };
    table.insert(VALUE, value(entry.value.as_str()));
    table.insert(FILE, value(entry.origin.file.to_string_lossy().as_ref()));
    let (name, position) = match entry.origin.position {
        FilePosition::Line(line) => (LINE, line),
        FilePosition::Record(record) => (RECORD, record),
    };
    table.insert(name, value(i64::try_from(position).unwrap_or(i64::MAX)));
    table
}

fn entry(table: &Table) -> Option<PolicyValue> {
    let policy = match text_of(table, POLICY) {
        Some(name) => Some(Policy::find(name)?),
        None => None,
    };
    let (target, value) = match text_of(table, SETTING) {
        Some(path) => {
            let setting = Setting::find(path).ok()?;
            (PolicyTarget::Setting(setting), setting.normalize(text_of(table, VALUE)?).ok()?)
        }
        None => {
            let target = PolicyTarget::Policy { policy: policy?, item: text_of(table, ENTRY)?.to_owned() };
            (target, text_of(table, VALUE)?.to_owned())
        }
    };
    let file = PathBuf::from(text_of(table, FILE)?);
    let line = number_of(table, LINE).map(FilePosition::Line);
    let position = line.or_else(|| number_of(table, RECORD).map(FilePosition::Record))?;
    Some(PolicyValue { target, value, policy, origin: Origin { file, position } })
}

fn text_of<'t>(table: &'t Table, name: &str) -> Option<&'t str> {
    table.get(name).and_then(Item::as_str)
}

fn number_of(table: &Table, name: &str) -> Option<usize> {
    usize::try_from(table.get(name)?.as_integer()?).ok()
}
