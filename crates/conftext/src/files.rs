//! Files of a caller, and the ones that match a pattern.

use std::collections::BTreeSet;

use crate::glob::{is_pattern, matches};

/// Files that a configuration may include.
pub trait Files {
    /// Error of a read.
    type Error;

    /// Returns the content of a file, or `None` if it does not exist.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Returns the names of the entries of a folder in the order of their bytes; none if it does not exist.
    ///
    /// # Errors
    /// If the folder cannot be read.
    fn names(&mut self, folder: &str) -> Result<Vec<String>, Self::Error>;
}

/// Returns the paths that match an absolute pattern, sorted. The search ends when more than `limit` paths match.
///
/// # Errors
/// The first error of `files`.
pub fn expand<F: Files>(pattern: &str, limit: usize, files: &mut F) -> Result<Vec<String>, F::Error> {
    let mut found = BTreeSet::from([String::new()]);
    let components: Vec<&str> = pattern.split('/').filter(|component| !component.is_empty()).collect();
    for (index, component) in components.iter().enumerate() {
        let mut next = BTreeSet::new();
        let is_last = index.saturating_add(1) == components.len();
        for folder in &found {
            if !is_pattern(component) && !is_last {
                next.insert(format!("{folder}/{component}"));
                continue;
            }
            let listed = files.names(if folder.is_empty() { "/" } else { folder })?;
            next.extend(
                listed.iter().filter(|name| matches(component, name)).map(|name| format!("{folder}/{name}")),
            );
            if next.len() > limit {
                break;
            }
        }
        found = next;
    }
    Ok(found.into_iter().collect())
}
