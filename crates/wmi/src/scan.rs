//! What a provider is told when rows are asked for, and where it puts them.

use std::sync::Arc;
use std::time::Instant;

use cim::wql::Predicate;
use cim::{Class, ColumnSet, Instance, Name, Value};

use crate::{Context, ProviderError};

/// A question for the rows of one class.
#[derive(Clone, Debug)]
pub struct Scan {
    pub(crate) context: Context,
    pub(crate) class: Arc<Class>,
    pub(crate) asked: Name,
    pub(crate) columns: ColumnSet,
    pub(crate) predicate: Predicate,
}

impl Scan {
    /// For whom.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The class.
    #[must_use]
    pub fn class(&self) -> &Arc<Class> {
        &self.class
    }

    /// The class that the question names: this one, or one above it.
    ///
    /// A class whose rows are too many to go through refuses who asks for all of them, but not who asks for all of
    /// many classes.
    #[must_use]
    pub fn asked(&self) -> &Name {
        &self.asked
    }

    /// The columns that are looked at: those that are wanted, those that decide, and the keys.
    #[must_use]
    pub fn columns(&self) -> &ColumnSet {
        &self.columns
    }

    /// Those of them that decide whether a row is wanted.
    #[must_use]
    pub fn deciding(&self) -> &ColumnSet {
        self.predicate.columns()
    }

    /// The values that the properties of these names must have, if the question leaves none of them open: for
    /// providers who find rows by other properties than keys.
    ///
    /// As [`Predicate::pinned`]; `None` also if the class has no such property.
    #[must_use]
    pub fn pinned(&self, names: &[&str]) -> Option<Vec<Vec<Value>>> {
        let columns = names.iter().map(|name| self.class.column(name)).collect::<Option<Vec<_>>>()?;
        self.predicate.pinned(&columns)
    }

    /// The earliest moment that the property of a name can have in a row that is wanted, in microseconds since 1970.
    ///
    /// As [`Predicate::not_before`]; `None` also if the class has no such property.
    #[must_use]
    pub fn not_before(&self, name: &str) -> Option<i64> {
        self.predicate.not_before(self.class.column(name)?)
    }

    /// Whether a row is wanted; its deciding columns must be filled. Rows are asked about again afterwards.
    #[must_use]
    pub fn wants(&self, row: &Instance) -> bool {
        self.predicate.evaluate(row)
    }
}

/// Where a provider puts its rows.
pub struct Sink<'a> {
    /// Takes a row and says whether more are wanted.
    pub(crate) take: &'a mut dyn FnMut(Instance) -> bool,
    /// Whether anybody still waits.
    pub(crate) is_awaited: &'a dyn Fn() -> bool,
    pub(crate) scan: &'a Scan,
}

impl Sink<'_> {
    /// Passes a row on if it is wanted; waits while too many are not yet taken.
    ///
    /// # Errors
    /// [`ProviderError::Stopped`] when nobody wants more.
    pub fn push(&mut self, row: Instance) -> Result<(), ProviderError> {
        self.go_on()?;
        if !self.scan.wants(&row) || (self.take)(row) { Ok(()) } else { Err(ProviderError::Stopped) }
    }

    /// Whether rows are still wanted; for providers who do much between rows.
    ///
    /// # Errors
    /// [`ProviderError::Stopped`] when they are not.
    pub fn go_on(&self) -> Result<(), ProviderError> {
        let is_late = self.scan.context.deadline().is_some_and(|deadline| Instant::now() >= deadline);
        if is_late || !(self.is_awaited)() { Err(ProviderError::Stopped) } else { Ok(()) }
    }
}
