//! The configuration as it was read: all files, and those of stopped sites.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apache::{BuiltIn, Closure, ClosureFile, Document, Environment, Visited, full_path, matches};

use crate::engine::{Configuration, Disk, IncludePattern};
use crate::error::WebServerError;
use crate::plan::{Problem, Severity};
use crate::position::Position;

/// All files of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct ApacheConfiguration {
    pub(super) closure: Closure,
    pub(super) built_in: Arc<BuiltIn>,
    /// Files of stopped sites: content by path.
    pub(super) stopped: BTreeMap<String, Vec<u8>>,
}

/// Folder of the sites that the main file includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SiteFolder {
    pub(super) pattern: IncludePattern,
    /// Folder of all sites, if that of the started ones contains links, as in Debian.
    pub(super) available: Option<String>,
}

impl ApacheConfiguration {
    /// Reads all files.
    pub(super) fn read(main: &str, built_in: &Arc<BuiltIn>, disk: &mut Disk) -> Result<Self, WebServerError> {
        let closure = Closure::read(main, built_in, disk)?.ok_or_else(|| {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            WebServerError::disk("read", std::path::Path::new(main))(missing)
        })?;
        let mut configuration = Self { closure, built_in: Arc::clone(built_in), stopped: BTreeMap::new() };
        if let Some(SiteFolder { pattern, available: Some(available) }) = configuration.site_folder() {
            // A link may have another name than its target.
            let started: BTreeSet<String> = configuration
                .closure
                .files()
                .filter_map(|(path, _)| std::fs::canonicalize(path).ok()?.into_os_string().into_string().ok())
                .collect();
            for name in conftext::Files::names(disk, &available)? {
                let path = full_path(&available, &name);
                let twin = full_path(&pattern.folder, &name);
                if matches(&pattern.name, &name)
                    && configuration.closure.file(&twin).is_none()
                    && (disk.planned.contains_key(&twin) || !started.contains(&path))
                    && let Some(content) = conftext::Files::read(disk, &path)?
                {
                    configuration.stopped.insert(path, content);
                }
            }
        }
        Ok(configuration)
    }

    /// Visits all active directives with their enclosing sections.
    pub(super) fn visit<'a>(
        &'a self,
        visitor: &mut dyn FnMut(&[Visited<'a>], Visited<'a>, &Environment<'_>),
    ) {
        self.closure.visit(&self.built_in, visitor);
    }

    /// Returns the folder of sites: the first pattern with `sites` in its folder, or the first one of all.
    pub(super) fn site_folder(&self) -> Option<SiteFolder> {
        let mut patterns = Vec::new();
        self.visit(&mut |parents, visited, environment| {
            let is_include = visited.directive.is("Include") || visited.directive.is("IncludeOptional");
            if let Some(path) = visited.directive.word(1)
                && is_include
                && parents.is_empty()
            {
                patterns.extend(IncludePattern::parse(&environment.path(path)));
            }
        });
        let sites = patterns.iter().position(|pattern| pattern.folder.contains("sites"));
        let folder = patterns.into_iter().nth(sites?)?;
        let available = folder.folder.strip_suffix("-enabled").map(|stem| format!("{stem}-available"));
        let available = available.filter(|folder| std::path::Path::new(folder).is_dir());
        Some(SiteFolder { pattern: folder, available })
    }

    /// Returns whether a module is loaded at the end of the configuration.
    pub(super) fn has_module(&self, name: &str) -> bool {
        let mut is_loaded = false;
        self.visit(&mut |_, visited, environment| {
            is_loaded |= environment.has_module(name)
                || visited.directive.is("LoadModule") && visited.directive.word(1) == Some(name);
        });
        is_loaded
    }

    /// Returns the path of the file with the PID of the main process.
    pub(super) fn pid_file(&self) -> String {
        let mut path = "/run/apache2.pid".to_owned();
        self.visit(&mut |parents, visited, environment| {
            if let Some(word) = visited.directive.word(1)
                && visited.directive.is("PidFile")
                && parents.is_empty()
            {
                path = environment.path(word);
            }
        });
        path
    }

    /// Returns the tree of a file, also of a stopped site.
    pub(super) fn document(&self, path: &str) -> Result<&Document, WebServerError> {
        let file = self.closure.file(path);
        let file = file.ok_or_else(|| WebServerError::NotFound { kind: "file", name: path.to_owned() })?;
        ClosureFile::document(file).map_err(|error| WebServerError::Syntax {
            file: path.to_owned(),
            line: error.line,
            reason: error.problem.to_string(),
        })
    }
}

impl Configuration for ApacheConfiguration {
    fn contents(&self) -> BTreeMap<&str, &[u8]> {
        let files = self.closure.files().map(|(path, file)| (path, file.content()));
        files.chain(self.stopped.iter().map(|(path, content)| (path.as_str(), content.as_slice()))).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let syntax = self.closure.files().filter_map(|(path, file)| {
            let error = file.document().err()?;
            Some(problem(error.problem.to_string(), path, error.line))
        });
        let includes = self.closure.problems().iter();
        syntax.chain(includes.map(|found| problem(found.reason.clone(), &found.file, found.line))).collect()
    }
}

/// Returns the position of a directive.
pub(super) fn position(visited: Visited<'_>) -> Position {
    Position { file: visited.file.to_owned(), line: visited.directive.line() }
}

fn problem(message: String, file: &str, line: u32) -> Problem {
    Problem { severity: Severity::Error, message, position: Some(Position { file: file.to_owned(), line }) }
}
