//! Parameters of an enumeration, and the sink for its rows.

use std::sync::Arc;
use std::time::Instant;

use cim::wql::Predicate;
use cim::{Class, ColumnSet, Instance, Name, Value};

use crate::{Context, ProviderError};

/// Request for the rows of one class.
#[derive(Clone, Debug)]
pub struct Scan {
    pub(crate) context: Context,
    pub(crate) class: Arc<Class>,
    pub(crate) requested_class: Name,
    pub(crate) columns: ColumnSet,
    pub(crate) predicate: Predicate,
}

impl Scan {
    /// Returns the caller.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> &Arc<Class> {
        &self.class
    }

    /// Returns the class that the query names: this class or a superclass.
    ///
    /// A class with too many rows may reject an enumeration of itself, but must not reject the enumeration of
    /// a superclass.
    #[must_use]
    pub fn requested_class(&self) -> &Name {
        &self.requested_class
    }

    /// Returns the required columns: selected ones, those of the condition, and the keys.
    #[must_use]
    pub fn columns(&self) -> &ColumnSet {
        &self.columns
    }

    /// Returns the columns of the condition.
    #[must_use]
    pub fn deciding(&self) -> &ColumnSet {
        self.predicate.columns()
    }

    /// Returns the values that these properties must have, if the query restricts all of them: for providers
    /// that look rows up by properties other than keys.
    ///
    /// See [`Predicate::pinned`]; also `None` if the class does not have one of the properties.
    #[must_use]
    pub fn pinned(&self, names: &[&str]) -> Option<Vec<Vec<Value>>> {
        let columns = names.iter().map(|name| self.class.column(name)).collect::<Option<Vec<_>>>()?;
        self.predicate.pinned(&columns)
    }

    /// Returns the earliest time, in microseconds since 1970, that this property can have in a matching row.
    ///
    /// See [`Predicate::not_before`]; also `None` if the class does not have the property.
    #[must_use]
    pub fn not_before(&self, name: &str) -> Option<i64> {
        self.predicate.not_before(self.class.column(name)?)
    }

    /// Returns whether a row matches; the columns of the condition must be set. The engine checks every row
    /// again.
    #[must_use]
    pub fn wants(&self, row: &Instance) -> bool {
        self.predicate.evaluate(row)
    }
}

/// Sink for the rows of a provider.
pub struct Sink<'a> {
    /// Sends a row; returns `false` once the consumer has stopped reading.
    pub(crate) take: &'a mut dyn FnMut(Instance) -> bool,
    /// Returns whether the consumer is still reading.
    pub(crate) is_awaited: &'a dyn Fn() -> bool,
    pub(crate) scan: &'a Scan,
}

impl Sink<'_> {
    /// Sends a row if it matches; blocks while the queue is full.
    ///
    /// # Errors
    /// [`ProviderError::Stopped`] once the consumer has stopped reading or the deadline has passed.
    pub fn push(&mut self, row: Instance) -> Result<(), ProviderError> {
        self.go_on()?;
        if !self.scan.wants(&row) || (self.take)(row) { Ok(()) } else { Err(ProviderError::Stopped) }
    }

    /// Checks whether rows are still wanted; for providers with much work between rows.
    ///
    /// # Errors
    /// [`ProviderError::Stopped`] once the consumer has stopped reading or the deadline has passed.
    pub fn go_on(&self) -> Result<(), ProviderError> {
        let is_late = self.scan.context.deadline().is_some_and(|deadline| Instant::now() >= deadline);
        if is_late || !(self.is_awaited)() { Err(ProviderError::Stopped) } else { Ok(()) }
    }
}
