//! Associations as values: two references for each row.

use std::sync::Arc;

use cim::{Instance, Name, Namespace};
use wmi::{EventSource, Provider, ProviderError, Scan, Sink, Watch};

use super::{Binding, Fill};
use crate::{Machine, events};

/// An association class, whose instances the engine finds by enumeration.
pub(crate) struct Association<R: 'static> {
    /// Namespace of the class.
    pub(crate) namespace: &'static str,
    /// Name of the class.
    pub(crate) class: &'static str,
    /// The two references, and further properties.
    pub(crate) columns: &'static [(&'static str, Fill<R>)],
    /// Returns the rows.
    pub(crate) rows: fn(&Machine) -> Result<Vec<R>, ProviderError>,
    /// Kernel subsystems whose devices are the rows; empty if their creation and deletion are not reported.
    pub(crate) subsystems: &'static [&'static str],
}

/// Returns the provider for an association on a machine.
pub(crate) fn relate<R: 'static>(
    machine: &Arc<Machine>,
    association: &'static Association<R>,
) -> Arc<dyn Binding> {
    Arc::new(Related { machine: Arc::clone(machine), association })
}

struct Related<R: 'static> {
    machine: Arc<Machine>,
    association: &'static Association<R>,
}

impl<R> Binding for Related<R> {
    #[cfg(test)]
    fn columns(&self) -> Vec<&'static str> {
        self.association.columns.iter().map(|(name, _)| *name).collect()
    }
}

impl<R> Provider for Related<R> {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        let class = Namespace::parse(self.association.namespace).ok();
        class.zip(Name::parse(self.association.class).ok()).into_iter().collect()
    }

    fn enumerate(&self, scan: &Scan, sink: &mut Sink<'_>) -> Result<(), ProviderError> {
        let columns: Vec<_> = self
            .association
            .columns
            .iter()
            .filter_map(|(name, fill)| Some((scan.class().column(name)?, fill)))
            .filter(|(column, _)| scan.columns().contains(*column))
            .collect();
        for row in (self.association.rows)(&self.machine)? {
            let mut instance = Instance::new(scan.class().clone());
            for (column, fill) in &columns {
                instance.set(*column, fill(&self.machine, &row))?;
            }
            if scan.wants(&instance) {
                sink.push(instance)?;
            } else {
                sink.go_on()?;
            }
        }
        Ok(())
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        if self.association.subsystems.is_empty() {
            return Ok(None);
        }
        Ok(events::of_devices(&self.machine, watch, self.association.subsystems))
    }
}
