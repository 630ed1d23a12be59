//! Configuration files that are read again when they have changed.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use locks::Mutex;

use crate::Machine;

/// Parsed content of a file, with its modification time.
#[derive(Debug)]
pub struct Reread<T>(Mutex<Option<(SystemTime, Arc<T>)>>);

impl<T> Default for Reread<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Reread<T> {
    /// Returns the current content of a file; `None` if the file does not exist.
    pub fn of(&self, machine: &Machine, file: &str, read: fn(&Machine) -> T) -> Option<Arc<T>> {
        let written = fs::metadata(machine.path(file)).and_then(|file| file.modified()).ok()?;
        let mut known = self.0.lock();
        let (_, said) = match &mut *known {
            Some(known) if known.0 == written => known,
            known => known.insert((written, Arc::new(read(machine)))),
        };
        Some(said.clone())
    }
}
