//! Policies on their way to a process that reads no files: what the files amount to, as a text.

use std::path::PathBuf;

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{Demand, Origin, Place, Policies, Policy, Subject};
use crate::Setting;

const DEMAND: &str = "Demand";
const SETTING: &str = "Setting";
const POLICY: &str = "Policy";
const ENTRY: &str = "Entry";
const VALUE: &str = "Value";
const FILE: &str = "File";
const LINE: &str = "Line";
const RECORD: &str = "Record";

/// Why a text is not one that [`Policies::to_text`] has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are no policies as another process hands them over")]
pub struct NotHandedOver;

impl Policies {
    /// What is demanded, for [`Policies::of_text`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut tables = ArrayOfTables::new();
        for demand in self.iter() {
            tables.push(table(demand));
        }
        let mut document = DocumentMut::new();
        if !tables.is_empty() {
            document.insert(DEMAND, Item::ArrayOfTables(tables));
        }
        document.to_string()
    }

    /// Reads what [`Policies::to_text`] has written. What was unknown in the files is not in it.
    ///
    /// # Errors
    /// [`NotHandedOver`].
    pub fn of_text(text: &str) -> Result<Self, NotHandedOver> {
        let document: DocumentMut = text.parse().map_err(|_| NotHandedOver)?;
        let Some(item) = document.get(DEMAND) else { return Ok(Self::default()) };
        let tables = item.as_array_of_tables().filter(|tables| tables.len() <= Self::MAX);
        let mut policies = Self::default();
        for table in tables.ok_or(NotHandedOver)? {
            let demand = demand(table).ok_or(NotHandedOver)?;
            if policies.iter().any(|own| own.subject == demand.subject) {
                return Err(NotHandedOver);
            }
            policies.demands.push(demand);
        }
        Ok(policies)
    }
}

fn table(demand: &Demand) -> Table {
    let mut table = Table::new();
    if let Some(policy) = demand.policy {
        table.insert(POLICY, value(policy.name()));
    }
    match &demand.subject {
        Subject::Setting(setting) => table.insert(SETTING, value(setting.path())),
        Subject::Policy { item, .. } => table.insert(ENTRY, value(item.as_str())),
    };
    table.insert(VALUE, value(demand.value.as_str()));
    table.insert(FILE, value(demand.origin.file.to_string_lossy().as_ref()));
    let (name, place) = match demand.origin.place {
        Place::Line(line) => (LINE, line),
        Place::Record(record) => (RECORD, record),
    };
    table.insert(name, value(i64::try_from(place).unwrap_or(i64::MAX)));
    table
}

fn demand(table: &Table) -> Option<Demand> {
    let text = |name: &str| table.get(name).and_then(Item::as_str);
    let place = |name: &str| usize::try_from(table.get(name)?.as_integer()?).ok();
    let policy = match text(POLICY) {
        Some(name) => Some(Policy::find(name)?),
        None => None,
    };
    let (subject, value) = match text(SETTING) {
        Some(path) => {
            let setting = Setting::find(path).ok()?;
            (Subject::Setting(setting), setting.normal(text(VALUE)?).ok()?)
        }
        None => {
            let subject = Subject::Policy { policy: policy?, item: text(ENTRY)?.to_owned() };
            (subject, text(VALUE)?.to_owned())
        }
    };
    let file = PathBuf::from(text(FILE)?);
    let place = place(LINE).map(Place::Line).or_else(|| place(RECORD).map(Place::Record))?;
    Some(Demand { subject, value, policy, origin: Origin { file, place } })
}
