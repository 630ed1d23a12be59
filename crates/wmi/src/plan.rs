//! Query plan: the provider calls that answer a query.

use cim::wql::{Predicate, Select};
use cim::{ColumnSet, Instance, Namespace, Origin, Status, Value};
use tracing::debug;

use crate::rows::RowSender;
use crate::table::Served;
use crate::{Context, Error, Lookup, ProviderError, Scan, Sink};

/// Provider calls for one class.
pub(crate) struct Step {
    namespace: Namespace,
    served: Served,
    scan: Scan,
    /// Keys of the only rows that may match; `None` if all rows have to be enumerated.
    keys: Option<Vec<Vec<Value>>>,
}

impl Step {
    /// Plans the calls for the rows of a class; `None` if no row can match.
    ///
    /// # Errors
    /// [`cim::Error::Query`] if the query does not fit the class.
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
        // A class without keys has no rows to look up.
        let keys = if class.keys().is_empty() { None } else { predicate.pinned(class.keys()) };
        let (context, requested_class) = (context.clone(), select.from.clone());
        let scan = Scan { context, class: class.clone(), requested_class, columns, predicate };
        Ok(Some(Self { namespace: origin.namespace.clone(), served, scan, keys }))
    }

    /// Makes the calls and sends the rows. Blocks, also while the queue of rows is full.
    pub(crate) fn send(&self, rows: &RowSender) -> Result<(), ProviderError> {
        self.run(&mut |row| rows.send(Ok(row)), &|| !rows.is_closed())
    }

    /// Makes the calls and passes the rows to `take` until it returns `false`. Blocks.
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

    /// Returns whether a row matches, also one that the provider can only find among all; `None` if it failed. Blocks.
    pub(crate) fn has_row(&self) -> Option<bool> {
        let mut is_found = false;
        let mut take = |_| {
            is_found = true;
            false
        };
        let ended = self.run(&mut take, &|| true);
        match ended {
            _ if is_found => Some(true),
            Ok(()) | Err(ProviderError::Failed { status: Status::NotFound, .. }) => Some(false),
            Err(_) => None,
        }
    }

    /// Returns the result of a query whose provider returned an error; success if the consumer stopped
    /// reading.
    pub(crate) fn end(&self, error: ProviderError, rows: &RowSender) -> Result<(), Error> {
        match error {
            ProviderError::Stopped if rows.is_closed() => Ok(()),
            // An incomplete result because of a timeout must not look complete.
            ProviderError::Stopped => Err(Error::TimedOut(self.class().clone())),
            error => Err(error.of(self.class())),
        }
    }

    /// Returns whether a row matches the query; the columns of the condition must be set.
    pub(crate) fn wants(&self, row: &Instance) -> bool {
        self.scan.wants(row)
    }

    /// Returns the data source that this machine lacks, so that the class has no rows. Blocks.
    pub(crate) fn missing_source(&self) -> Option<&'static str> {
        self.served.provider.missing_source(&self.namespace, self.class())
    }

    pub(crate) fn class(&self) -> &cim::Name {
        self.scan.class.name()
    }

    fn lookup<'a>(&'a self, keys: &'a [Value]) -> Lookup<'a> {
        Lookup { context: &self.scan.context, class: &self.scan.class, keys, columns: &self.scan.columns }
    }
}
