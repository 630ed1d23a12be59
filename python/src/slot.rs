//! Python objects for resources on a service.

use std::sync::Arc;

use pyo3::prelude::*;
use tokio::sync::Mutex;

use crate::runtime::{Owner, runtime, wait_if_exiting};

/// A resource on the service, released in the background when the object is dropped.
pub(crate) struct Slot<T: Send + 'static> {
    held: Arc<Mutex<Option<T>>>,
    owner: Owner,
}

impl<T: Send + 'static> Slot<T> {
    pub(crate) fn new(held: T) -> Self {
        Self { held: Arc::new(Mutex::new(Some(held))), owner: Owner::current() }
    }

    /// Checks that the object belongs to this process.
    ///
    /// # Errors
    /// The errors of [`Owner::require`].
    pub(crate) fn require(&self) -> PyResult<()> {
        self.owner.require()
    }

    pub(crate) fn handle(&self) -> PyResult<Arc<Mutex<Option<T>>>> {
        self.require()?;
        Ok(Arc::clone(&self.held))
    }
}

impl<T: Send + 'static> Drop for Slot<T> {
    fn drop(&mut self) {
        let held = std::mem::take(&mut self.held);
        match runtime() {
            Ok(runtime) if self.owner == Owner::current() => {
                drop(runtime.spawn(async move { drop(held) }));
                wait_if_exiting();
            }
            // Only the process that created the object releases it.
            _ => std::mem::forget(held),
        }
    }
}
