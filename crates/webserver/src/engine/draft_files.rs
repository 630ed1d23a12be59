//! Planned files of a draft.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::disk::Disk;
use super::{Configuration, Drafted};
use crate::plan::{PlannedFile, Problem, Severity};

/// Files with planned contents.
pub(crate) struct DraftFiles {
    pub(crate) disk: Disk,
    before: BTreeMap<String, Vec<u8>>,
    /// Targets of planned links by path.
    links: BTreeMap<String, String>,
    warnings: Vec<Problem>,
}

impl DraftFiles {
    pub(crate) fn new<C: Configuration>(configuration: &C) -> Self {
        let before = configuration.contents().into_iter();
        let before = before.map(|(path, content)| (path.to_owned(), content.to_vec())).collect();
        Self { disk: Disk::default(), before, links: BTreeMap::new(), warnings: Vec::new() }
    }

    /// Returns the content of a file of the configuration before all changes.
    pub(crate) fn before(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.before
    }

    /// Plans the content of a file. That of a planned link is also the content of the file behind it.
    pub(crate) fn write(&mut self, path: &str, content: Vec<u8>) {
        if let Some(file) = self.links.get(path).and_then(|target| behind_link(path, target)) {
            self.disk.planned.insert(file, Some(content.clone()));
        }
        self.disk.planned.insert(path.to_owned(), Some(content));
    }

    pub(crate) fn delete(&mut self, path: &str) {
        self.links.remove(path);
        self.disk.planned.insert(path.to_owned(), None);
    }

    /// Plans a symbolic link to a file with this content.
    pub(crate) fn link(&mut self, path: &str, target: &str, content: Vec<u8>) {
        self.links.insert(path.to_owned(), target.to_owned());
        self.write(path, content);
    }

    /// Returns whether a file exists, also outside the configuration.
    pub(crate) fn exists(&self, path: &str) -> bool {
        match self.disk.planned.get(path) {
            Some(planned) => planned.is_some(),
            None => std::fs::symlink_metadata(path).is_ok(),
        }
    }

    pub(crate) fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(Problem { severity: Severity::Warning, message: message.into(), position: None });
    }

    /// Returns the changed files.
    pub(crate) fn finish(mut self) -> Drafted {
        let mut files = Vec::new();
        for (path, after) in std::mem::take(&mut self.disk.planned) {
            let link = self.links.remove(&path);
            let before = match self.before.remove(&path) {
                Some(before) => Some(before),
                // A file that exists outside the configuration, such as the one behind a link.
                None => super::disk::read(&path).ok().flatten(),
            };
            let is_same_link = link.as_ref().is_some_and(|link| {
                std::fs::read_link(&path).is_ok_and(|found| found == std::path::Path::new(link))
            });
            if before != after || (link.is_some() && !is_same_link) {
                files.push(PlannedFile { path, before, after, link });
            }
        }
        Drafted { files, warnings: self.warnings }
    }
}

/// Returns the path of the file to which a link at `path` leads.
fn behind_link(path: &str, target: &str) -> Option<String> {
    let mut file = PathBuf::new();
    for component in Path::new(path).parent()?.join(target).components() {
        match component {
            Component::ParentDir => _ = file.pop(),
            component => file.push(component),
        }
    }
    file.into_os_string().into_string().ok()
}
