//! Instances of one class at the last look.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use cim::wql::{Columns, Condition, PropertyPath, Select, Span};
use cim::{Instance, Name, Origin, Status, Value};

use super::super::query::Wanted;
use super::{Changes, Look};
use crate::change::equals;
use crate::plan::Step;
use crate::table::Served;
use crate::{Context, Error, ProviderError};

/// A class whose instances are watched.
pub(super) struct WatchedClass {
    /// Whether a source reports when to look.
    pub(super) has_source: bool,
    /// Number of consecutive failures of the provider.
    pub(super) failures: u8,
    /// Whether the source has failed for good.
    pub(super) is_omitted: bool,
    served: Served,
    select: Select,
    detail: StoredDetail,
    rows: HashMap<String, StoredState>,
    hashing: RandomState,
}

/// Change of an instance.
pub(super) enum Change {
    Created(Instance),
    Modified { row: Instance, before: Option<Instance> },
    Deleted(Instance),
}

/// Data stored for each instance in order to find the requested changes.
#[derive(Clone, Copy, PartialEq)]
enum StoredDetail {
    /// Only its existence.
    Keys,
    /// A hash of its values.
    Hashes,
    /// All values.
    Rows,
}

enum StoredState {
    Nothing,
    Hash(u64),
    Row(Box<Instance>),
}

impl WatchedClass {
    /// # Errors
    /// [`Error::NotEvents`] for a class without keys, whose instances cannot be distinguished.
    pub(super) fn new(
        served: Served,
        select: &Select,
        wanted: &Wanted,
        has_source: bool,
    ) -> Result<Self, Error> {
        let class = &served.class;
        if class.keys().is_empty() && !class.is_singleton() {
            return Err(Error::NotEvents("instances without keys cannot be watched"));
        }
        let detail = if wanted.changes == Changes::CREATION {
            StoredDetail::Keys
        } else if wanted.changes.contains(Changes::DELETION) || wanted.tells_previous {
            StoredDetail::Rows
        } else {
            StoredDetail::Hashes
        };
        let mut select = select.clone();
        if detail == StoredDetail::Keys && !class.keys().is_empty() {
            let names = class.keys().iter().filter_map(|key| class.property(*key));
            let path =
                |name: &Name| PropertyPath { parts: vec![name.clone()], index: None, span: Span::default() };
            select.columns = Columns::Some(names.map(|property| path(&property.name)).collect());
        }
        let (rows, hashing) = (HashMap::new(), RandomState::new());
        Ok(Self { has_source, failures: 0, is_omitted: false, served, select, detail, rows, hashing })
    }

    /// Returns a placeholder for a class that is being looked at.
    pub(super) fn placeholder(class: &Self) -> Self {
        Self {
            has_source: class.has_source,
            failures: class.failures,
            is_omitted: class.is_omitted,
            served: class.served.clone(),
            select: class.select.clone(),
            detail: class.detail,
            rows: HashMap::new(),
            hashing: class.hashing.clone(),
        }
    }

    /// Returns whether stored data can be compared with the instances served now.
    pub(super) fn fits(&self, served: &Served) -> bool {
        self.served.class.properties() == served.class.properties()
    }

    /// Returns the class served by another engine, with the stored data.
    pub(super) fn served_by(self, served: Served, has_source: bool) -> Self {
        Self { served, has_source, ..self }
    }

    /// Returns whether the class has to be looked at repeatedly.
    pub(super) fn is_polled(&self) -> bool {
        !self.has_source && !self.is_omitted
    }

    pub(super) fn name(&self) -> &Name {
        self.served.class.name()
    }

    /// Looks at all instances and returns the changes. Blocks. After an error the stored data is unchanged.
    pub(super) fn look(
        &mut self,
        context: &Context,
        origin: &Origin,
        most: usize,
        look: Look,
    ) -> Result<Vec<Change>, ProviderError> {
        let step = Step::plan(context, self.served.clone(), &self.select, origin)?;
        let mut found = HashMap::with_capacity(self.rows.len());
        let mut excess = None;
        if let Some(step) = step {
            let mut take = |row: Instance| {
                if found.len() >= most {
                    let problem = format!("more than {most} instances to watch");
                    excess = Some(ProviderError::failed(Status::QuotaViolation, problem));
                    return false;
                }
                // A row without keys cannot be distinguished from others.
                if let Ok(path) = row.path() {
                    found.insert(path.to_string(), row);
                }
                true
            };
            let ended = step.run(&mut take, &|| true);
            if let Some(excess) = excess {
                return Err(excess);
            }
            match ended {
                // A user who may not read some instances watches the others.
                Ok(()) | Err(ProviderError::Incomplete { status: Status::AccessDenied, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(match look {
            Look::First => {
                self.rows = found.into_iter().map(|(path, row)| (path, self.stored_state(&row))).collect();
                Vec::new()
            }
            Look::Again => self.compare(found, context, origin),
        })
    }

    fn compare(
        &mut self,
        found: HashMap<String, Instance>,
        context: &Context,
        origin: &Origin,
    ) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.rows);
        let mut changes = Vec::new();
        for (path, row) in found {
            let stored = self.stored_state(&row);
            match (before.remove(&path), &stored) {
                (None, StoredState::Nothing) => {
                    changes.extend(self.complete_row(&row, context, origin).map(Change::Created));
                }
                (None, _) => changes.push(Change::Created(row)),
                (Some(StoredState::Hash(old)), StoredState::Hash(new)) if old != *new => {
                    changes.push(Change::Modified { row, before: None });
                }
                (Some(StoredState::Row(old)), StoredState::Row(_)) if *old != row => {
                    changes.push(Change::Modified { row, before: Some(*old) });
                }
                _ => {}
            }
            self.rows.insert(path, stored);
        }
        let gone = before.into_values().filter_map(|stored| match stored {
            StoredState::Row(row) => Some(Change::Deleted(*row)),
            _ => None,
        });
        changes.extend(gone);
        changes
    }

    /// Returns the complete row for known keys; `None` if it no longer exists.
    fn complete_row(&self, row: &Instance, context: &Context, origin: &Origin) -> Option<Instance> {
        let class = &self.served.class;
        if class.keys().is_empty() {
            return Some(row.clone());
        }
        let keys = class.keys().iter().filter_map(|key| Some((class.property(*key)?, row.at(*key))));
        let equal = keys.map(|(property, value)| equals(&property.name, value)).collect();
        let select =
            Select { columns: Columns::All, condition: Some(Condition::And(equal)), ..self.select.clone() };
        let step = Step::plan(context, self.served.clone(), &select, origin).ok()??;
        let mut whole = None;
        let mut take = |row| {
            whole = Some(row);
            false
        };
        // An error is treated as if the instance had been deleted.
        let _ = step.run(&mut take, &|| true);
        whole
    }

    fn stored_state(&self, row: &Instance) -> StoredState {
        match self.detail {
            StoredDetail::Keys => StoredState::Nothing,
            StoredDetail::Hashes => StoredState::Hash(self.hash(row)),
            StoredDetail::Rows => StoredState::Row(Box::new(row.clone())),
        }
    }

    fn hash(&self, row: &Instance) -> u64 {
        let mut hasher = self.hashing.build_hasher();
        row.values().iter().for_each(|value| hash(value, &mut hasher));
        hasher.finish()
    }
}

fn hash(value: &Value, hasher: &mut impl Hasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Array(elements) => {
            elements.len().hash(hasher);
            elements.iter().for_each(|element| hash(element, hasher));
        }
        Value::Object(instance) => instance.values().iter().for_each(|value| hash(value, hasher)),
        other => other.to_text().hash(hasher),
    }
}
