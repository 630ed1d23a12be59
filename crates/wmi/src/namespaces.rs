//! Namespaces as instances of `__Namespace`, each in its parent.

use cim::{Instance, Name, Namespace};

use crate::{Lookup, Provider, ProviderError, Scan, Sink};

/// Provider of `__Namespace` in one namespace.
pub(crate) struct Namespaces {
    /// The namespace.
    pub(crate) parent: Namespace,
    /// Names of its direct children.
    pub(crate) children: Vec<String>,
}

impl Provider for Namespaces {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        Name::parse("__Namespace").map(|class| (self.parent.clone(), class)).into_iter().collect()
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        for child in &self.children {
            rows.push(Instance::new(scan.class().clone()).with("Name", child.clone())?)?;
        }
        Ok(())
    }

    fn get(&self, lookup: &Lookup<'_>) -> Result<Option<Instance>, ProviderError> {
        let [key] = lookup.keys else { return Ok(None) };
        let wanted = key.as_str().unwrap_or_default();
        match self.children.iter().find(|child| cim::wql::equal(child, wanted)) {
            Some(child) => Ok(Some(Instance::new(lookup.class.clone()).with("Name", child.clone())?)),
            None => Ok(None),
        }
    }
}
