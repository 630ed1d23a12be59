//! The configuration as it was read: all files, and their revision.

use std::collections::BTreeMap;

use nginx::{Closure, Directive, Visited, full_path, parent};

use crate::engine::{Configuration, Disk, IncludePattern};
use crate::error::WebServerError;
use crate::plan::{Problem, Severity};
use crate::position::Position;

/// Beginning of the names of files that contain stopped sites. Patterns do not match it, because it begins with a dot.
pub(crate) const STOPPED: &str = ".telarch-stopped-";

/// All files of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct NginxConfiguration {
    pub(crate) closure: Closure,
    /// Files of stopped sites: content by path.
    pub(crate) stopped: BTreeMap<String, Vec<u8>>,
}

impl NginxConfiguration {
    /// Reads all files.
    pub(crate) fn read(main: &str, disk: &mut Disk) -> Result<Self, WebServerError> {
        let closure = Closure::read(main, disk)?.ok_or_else(|| {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            WebServerError::disk("read", std::path::Path::new(main))(missing)
        })?;
        let mut stopped = BTreeMap::new();
        for pattern in patterns(&closure) {
            for name in nginx::Files::names(disk, &pattern.folder)? {
                let path = full_path(&pattern.folder, &name);
                if name.starts_with(STOPPED)
                    && !stopped.contains_key(&path)
                    && let Some(content) = nginx::Files::read(disk, &path)?
                {
                    stopped.insert(path, content);
                }
            }
        }
        Ok(Self { closure, stopped })
    }

    /// Returns the patterns in the block `http`; those of sites come first.
    pub(crate) fn patterns(&self) -> Vec<IncludePattern> {
        patterns(&self.closure)
    }

    /// Returns the first directive with these enclosing blocks and this name.
    pub(crate) fn find(&self, parents: &[&str], name: &str) -> Option<Visited<'_>> {
        self.all(parents, name).into_iter().next()
    }

    /// Returns all directives with these enclosing blocks and this name.
    pub(crate) fn all(&self, parents: &[&str], name: &str) -> Vec<Visited<'_>> {
        let mut found = Vec::new();
        self.closure.visit(&mut |around, visited| {
            if visited.directive.name() == name && are_named(around, parents) {
                found.push(visited);
            }
        });
        found
    }
}

impl Configuration for NginxConfiguration {
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

/// Returns whether enclosing blocks have these names, from the outermost.
pub(crate) fn are_named(blocks: &[Visited<'_>], names: &[&str]) -> bool {
    blocks.iter().map(|block| block.directive.name()).eq(names.iter().copied())
}

/// Returns the position of a directive.
pub(crate) fn position(visited: Visited<'_>) -> Position {
    Position { file: visited.file.to_owned(), line: visited.directive.line() }
}

fn problem(message: String, file: &str, line: u32) -> Problem {
    Problem { severity: Severity::Error, message, position: Some(Position { file: file.to_owned(), line }) }
}

/// Returns the patterns of `include` in the block `http` whose last component has one `*`.
fn patterns(closure: &Closure) -> Vec<IncludePattern> {
    let folder = parent(closure.main()).to_owned();
    let Some(Ok(document)) = closure.file(closure.main()).map(nginx::ClosureFile::document) else {
        return Vec::new();
    };
    let http = document.directives().iter().find(|directive| directive.name() == "http");
    let includes = http.map_or(&[][..], Directive::children).iter().filter(|child| child.name() == "include");
    let mut found: Vec<IncludePattern> = includes
        .filter_map(|include| {
            let path = full_path(&folder, include.word(1)?);
            IncludePattern::parse(&path)
        })
        .collect();
    found.sort_by_key(|pattern| !pattern.folder.contains("sites"));
    found
}
