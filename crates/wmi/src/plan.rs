//! From a question to the calls that answer it.

use cim::wql::{Predicate, Select};
use cim::{ColumnSet, Instance, Origin, Value};
use tracing::debug;

use crate::rows::Finder;
use crate::table::Served;
use crate::{Context, Error, Lookup, ProviderError, Scan, Sink};

/// What is asked of the provider of one class.
pub(crate) struct Step {
    served: Served,
    scan: Scan,
    /// The keys of the only rows that can be wanted.
    keys: Option<Vec<Vec<Value>>>,
}

impl Step {
    /// The calls for the rows of one class; `None` if none can be wanted.
    ///
    /// # Errors
    /// [`cim::Error::Query`] for what the class does not allow.
    pub(crate) fn plan(
        context: &Context,
        served: Served,
        select: &Select,
        origin: &Origin,
    ) -> Result<Option<Self>, Error> {
        let class = &served.class;
        let predicate = Predicate::bind(select, class, origin)?;
        let (mut columns, _) = select.selected(class)?;
        if predicate.constant() == Some(false) {
            return Ok(None);
        }
        columns.extend(predicate.columns());
        columns.extend(&class.keys().iter().copied().collect::<ColumnSet>());
        // A class without keys has none to be looked up by.
        let keys = if class.keys().is_empty() { None } else { predicate.pinned(class.keys()) };
        let (context, asked) = (context.clone(), select.from.clone());
        let scan = Scan { context, class: class.clone(), asked, columns, predicate };
        Ok(Some(Self { served, scan, keys }))
    }

    /// Makes the calls and sends the rows on. Blocks, also while too many rows are not yet taken.
    pub(crate) fn send(&self, rows: &Finder) -> Result<(), ProviderError> {
        self.run(&mut |row| rows.send(Ok(row)), &|| !rows.is_closed())
    }

    /// Makes the calls and gives the rows away until `take` wants no more. Blocks.
    pub(crate) fn run(
        &self,
        take: &mut dyn FnMut(Instance) -> bool,
        is_awaited: &dyn Fn() -> bool,
    ) -> Result<(), ProviderError> {
        let mut sink = Sink { take, is_awaited, scan: &self.scan };
        let provider = &self.served.provider;
        let Some(keys) = &self.keys else { return provider.enumerate(&self.scan, &mut sink) };
        debug!(class = %self.class(), rows = keys.len(), "Rows are looked up");
        for keys in keys {
            sink.go_on()?;
            match provider.get(&self.lookup(keys)) {
                Ok(Some(row)) => sink.push(row)?,
                Ok(None) => {}
                Err(ProviderError::NotCapable) => return provider.enumerate(&self.scan, &mut sink),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What becomes of a query whose provider gave up: nothing if nobody listens any more.
    pub(crate) fn end(&self, error: ProviderError, rows: &Finder) -> Result<(), Error> {
        match error {
            ProviderError::Stopped if rows.is_closed() => Ok(()),
            // Rows that are missing for want of time must not look like all of them.
            ProviderError::Stopped => Err(Error::TimedOut(self.class().clone())),
            error => Err(error.of(self.class())),
        }
    }

    /// Whether a row of the class, whose deciding columns are filled, is one of those that are asked for.
    pub(crate) fn wants(&self, row: &Instance) -> bool {
        self.scan.wants(row)
    }

    pub(crate) fn class(&self) -> &cim::Name {
        self.scan.class.name()
    }

    fn lookup<'a>(&'a self, keys: &'a [Value]) -> Lookup<'a> {
        Lookup { context: &self.scan.context, class: &self.scan.class, keys, columns: &self.scan.columns }
    }
}
