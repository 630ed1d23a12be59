//! Items of enumerations.

use pyo3::prelude::*;

use crate::operation::Operation;
use crate::resource::Resource;
use crate::slot::Slot;

/// The items of an enumeration.
#[pyclass(frozen, module = "telarch._telarch")]
pub(crate) struct Enumerator {
    items: Slot<telarch::Enumerator>,
}

impl Enumerator {
    pub(crate) fn new(items: telarch::Enumerator) -> Self {
        Self { items: Slot::new(items) }
    }
}

#[pymethods]
impl Enumerator {
    /// Returns the next item, or None at the end.
    fn next(&self) -> PyResult<Operation> {
        let items = self.items.handle()?;
        Ok(Operation::new(async move {
            match items.lock().await.as_mut() {
                Some(items) => Ok(items.next().await.transpose()?.map(Resource::from)),
                None => Ok(None),
            }
        }))
    }

    /// Returns the missing sources, each with the reason.
    fn omissions(&self) -> PyResult<Operation> {
        let items = self.items.handle()?;
        Ok(Operation::new(async move {
            Ok(omissions_of(items.lock().await.as_ref().and_then(telarch::Enumerator::partial_results)))
        }))
    }

    /// Releases the enumeration on the service.
    fn release(&self) -> PyResult<Operation> {
        let items = self.items.handle()?;
        Ok(Operation::new(async move {
            match items.lock().await.take() {
                Some(items) => items.release().await,
                None => Ok(()),
            }
        }))
    }
}

/// Returns names and reasons.
pub(crate) fn omissions_of(partial: Option<telarch::PartialResults>) -> Vec<(String, String)> {
    let omissions = partial.as_ref().map(telarch::PartialResults::omissions).unwrap_or_default();
    omissions.iter().map(|omission| (omission.source.clone(), omission.reason.clone())).collect()
}
