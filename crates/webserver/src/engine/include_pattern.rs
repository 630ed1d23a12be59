//! Patterns by which a configuration includes the files of a folder.

use conftext::{full_path, is_pattern, matches, parent};

/// Folder and name pattern of an include.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IncludePattern {
    pub(crate) folder: String,
    pub(crate) name: String,
}

impl IncludePattern {
    /// Parses an absolute path whose last component has one `*`, and no other one has a pattern.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (_, name) = path.rsplit_once('/')?;
        let folder = parent(path);
        let is_usable = name.matches('*').count() == 1 && !is_pattern(folder);
        is_usable.then(|| Self { folder: folder.to_owned(), name: name.to_owned() })
    }

    /// Returns the path of a new file that the pattern includes.
    pub(crate) fn file(&self, name: &str) -> Option<String> {
        let file = self.name.replacen('*', name, 1);
        let is_included = !is_pattern(&file) && matches(&self.name, &file);
        is_included.then(|| full_path(&self.folder, &file))
    }
}
