//! Objects of Python that stand for something on a service.

use std::sync::Arc;

use pyo3::prelude::*;
use tokio::sync::Mutex;

use crate::runtime::{Home, runtime, wait_at_the_end};

/// Something on the service, which is tidied up there in the background when nobody has it any more.
pub(crate) struct Slot<T: Send + 'static> {
    held: Arc<Mutex<Option<T>>>,
    home: Home,
}

impl<T: Send + 'static> Slot<T> {
    pub(crate) fn new(held: T) -> Self {
        Self { held: Arc::new(Mutex::new(Some(held))), home: Home::here() }
    }

    /// # Errors
    /// As [`Home::require`].
    pub(crate) fn require(&self) -> PyResult<()> {
        self.home.require()
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
            Ok(runtime) if self.home == Home::here() => {
                drop(runtime.spawn(async move { drop(held) }));
                wait_at_the_end();
            }
            // It is not this process' to tidy up.
            _ => std::mem::forget(held),
        }
    }
}
