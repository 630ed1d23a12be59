//! Lists that may be incomplete.

use std::io;

use crate::Error;

/// Objects that were found, and the first reason why others may be missing.
#[derive(Debug)]
pub struct Listing<T> {
    /// Objects found.
    pub found: Vec<T>,
    /// First failure of a source; `None` if all sources were read completely.
    pub failure: Option<Error>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { found: Vec::new(), failure: None }
    }
}

impl<T> Listing<T> {
    /// Adds the objects of a source, or the failure to read it.
    pub fn add(&mut self, source: Result<impl IntoIterator<Item = T>, impl Into<Error>>) {
        match source {
            Ok(objects) => self.found.extend(objects),
            Err(error) => self.fail(error),
        }
    }

    /// Adds all objects and the failure of another list.
    pub fn append(&mut self, other: Self) {
        self.found.extend(other.found);
        if let Some(error) = other.failure {
            self.fail(error);
        }
    }

    /// Records that a source could not be read completely. The first failure is kept.
    pub fn fail(&mut self, error: impl Into<Error>) {
        self.failure.get_or_insert_with(|| error.into());
    }

    /// Returns the list with converted objects.
    #[must_use]
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Listing<U> {
        Listing { found: self.found.into_iter().map(convert).collect(), failure: self.failure }
    }

    /// Returns all objects.
    ///
    /// # Errors
    /// The failure of a source, because some objects may be missing.
    pub fn complete(self) -> Result<Vec<T>, Error> {
        self.failure.map_or(Ok(self.found), Err)
    }

    /// Returns the first object that `is_wanted` accepts; `None` if there is none in any source.
    ///
    /// # Errors
    /// The failure of a source, if no object was found: that source may have one.
    pub fn find(self, is_wanted: impl FnMut(&T) -> bool) -> Result<Option<T>, Error> {
        match (self.found.into_iter().find(is_wanted), self.failure) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }
}

/// Returns the content of a source, empty if the source does not exist. The error of the operating system gets the
/// path of the source.
///
/// # Errors
/// Any other error of the operating system.
pub(crate) fn if_present<T: Default>(path: &str, read: io::Result<T>) -> io::Result<T> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        read => read.map_err(|error| of_path(path, &error)),
    }
}

/// Returns an error of the operating system with the path that it concerns.
pub(crate) fn of_path(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read /{}: {error}", path.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> io::Result<Vec<u32>> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    #[test]
    fn a_failed_source_costs_only_its_own_objects() {
        let mut listing = Listing::default();
        listing.add(io::Result::Ok(vec![1]));
        listing.add(failed());
        listing.add(io::Result::Ok(vec![2]));
        assert_eq!(listing.found, [1, 2]);
        assert!(listing.failure.as_ref().is_some_and(Error::is_denied));
        assert!(listing.complete().is_err());
    }

    #[test]
    fn an_object_that_was_not_found_may_be_in_the_failed_source() {
        let listing = || {
            let mut listing = Listing::default();
            listing.add(io::Result::Ok(vec![1]));
            listing.add(failed());
            listing
        };
        assert_eq!(listing().find(|number| *number == 1).expect("found"), Some(1));
        assert!(listing().find(|number| *number == 2).is_err());
        let all = Listing { found: vec![1], failure: None };
        assert_eq!(all.find(|number| *number == 2).expect("complete"), None);
    }

    #[test]
    fn only_an_absent_source_is_empty() {
        let absent = if_present::<String>("etc/x", Err(io::ErrorKind::NotFound.into()));
        assert_eq!(absent.expect("empty"), "");
        let denied = if_present::<String>("etc/x", Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(denied.expect_err("denied").to_string(), "cannot read /etc/x: permission denied");
    }
}
