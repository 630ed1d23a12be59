//! All files of a configuration: the main file and those that it includes.

use std::collections::BTreeMap;

use conftext::{Files, expand, full_path, is_pattern, parent};

use crate::error::SyntaxError;
use crate::tree::{Bounds, Directive, Document};

/// Maximum number of files.
const MAX_FILES: usize = 20_000;
/// Maximum size of all files in bytes.
const MAX_SIZE: usize = 64 << 20;
/// Maximum number of visited directives of [`Closure::visit`].
const MAX_VISITS: usize = 1_000_000;
/// Maximum depth of included files.
const MAX_DEPTH: usize = 16;

/// All files of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Closure {
    main: String,
    files: BTreeMap<String, ClosureFile>,
    problems: Vec<IncludeProblem>,
}

/// A file of a configuration.
#[derive(Clone, Debug)]
pub struct ClosureFile {
    content: Vec<u8>,
    document: Result<Document, SyntaxError>,
    /// Included files by the offset of the directive.
    includes: BTreeMap<usize, Included>,
}

/// Files that a directive includes.
#[derive(Clone, Debug)]
struct Included {
    paths: Vec<String>,
    is_pattern: bool,
}

/// An `include` that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct IncludeProblem {
    /// File with the directive.
    pub file: String,
    /// Line of the directive.
    pub line: u32,
    /// Description.
    pub reason: String,
}

impl Closure {
    /// Reads the main file and all included files. Relative paths of `include` begin in the folder of the main file.
    ///
    /// Returns `None` if the main file does not exist.
    ///
    /// # Errors
    /// The first error of `files`.
    pub fn read<F: Files>(main: &str, files: &mut F) -> Result<Option<Self>, F::Error> {
        let mut closure = Self { main: main.to_owned(), ..Self::default() };
        let folder = parent(main).to_owned();
        let mut size = 0_usize;
        // Files to be read, with the position of the `include`.
        let mut waiting = vec![(main.to_owned(), None::<(String, u32)>)];
        while let Some((path, origin)) = waiting.pop() {
            if closure.files.contains_key(&path) {
                continue;
            }
            let content = files.read(&path)?;
            let Some(content) = content else {
                let Some((file, line)) = origin else { return Ok(None) };
                closure.problems.push(IncludeProblem {
                    file,
                    line,
                    reason: format!("{path} does not exist"),
                });
                continue;
            };
            size = size.saturating_add(content.len());
            if closure.files.len() >= MAX_FILES || size > MAX_SIZE {
                let (file, line) = origin.unwrap_or((path, 1));
                let reason = format!("the configuration has more than {MAX_FILES} files or {MAX_SIZE} bytes");
                closure.problems.push(IncludeProblem { file, line, reason });
                break;
            }
            let document = Document::parse_within(&content, &Bounds::default());
            let mut includes = BTreeMap::new();
            if let Ok(document) = &document {
                for (offset, line, pattern) in include_directives(document.directives()) {
                    let pattern = full_path(&folder, &pattern);
                    let is_pattern = is_pattern(&pattern);
                    let paths = if is_pattern { expand(&pattern, MAX_FILES, files)? } else { vec![pattern] };
                    waiting.extend(paths.iter().map(|found| (found.clone(), Some((path.clone(), line)))));
                    includes.insert(offset, Included { paths, is_pattern });
                }
            }
            closure.files.insert(path, ClosureFile { content, document, includes });
        }
        closure.problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Ok(Some(closure))
    }

    /// Replaces the content of a file. Returns whether the closure is still complete: not if the file is new, or if its
    /// `include` directives changed, so that the closure must be read again.
    #[must_use]
    pub fn replace(&mut self, path: &str, content: &[u8]) -> bool {
        let Some(file) = self.files.get_mut(path) else { return false };
        let document = Document::parse_within(content, &Bounds::default());
        let (Ok(old), Ok(new)) = (&file.document, &document) else { return false };
        let (old, new) = (include_directives(old.directives()), include_directives(new.directives()));
        let is_same = old.iter().map(|found| &found.2).eq(new.iter().map(|found| &found.2));
        if !is_same {
            return false;
        }
        let moved = old.iter().zip(&new);
        let includes =
            moved.filter_map(|(old, new)| Some((new.0, file.includes.get(&old.0)?.clone()))).collect();
        *file = ClosureFile { content: content.to_vec(), document, includes };
        true
    }

    /// Removes a file that only patterns include. Returns whether the closure is still complete: not if the file is
    /// unknown, includes others, or is included by its name, so that the closure must be read again.
    #[must_use]
    pub fn remove(&mut self, path: &str) -> bool {
        let is_leaf = self.files.get(path).is_some_and(|file| file.includes.is_empty());
        let mut includes = self.files.values().flat_map(|file| file.includes.values());
        let is_named =
            includes.any(|found| !found.is_pattern && found.paths.iter().any(|found| found == path));
        if !is_leaf || is_named || path == self.main {
            return false;
        }
        self.files.remove(path);
        for found in self.files.values_mut().flat_map(|file| file.includes.values_mut()) {
            found.paths.retain(|found| found != path);
        }
        true
    }

    /// Returns the path of the main file.
    #[must_use]
    pub fn main(&self) -> &str {
        &self.main
    }

    /// Returns the files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &ClosureFile)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// Returns a file.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&ClosureFile> {
        self.files.get(path)
    }

    /// Returns the directives of `include` that cannot be followed.
    #[must_use]
    pub fn problems(&self) -> &[IncludeProblem] {
        &self.problems
    }

    /// Visits all directives in the order of nginx, with included files in place of `include`.
    ///
    /// The visitor receives the enclosing directives, the path of the file, and the directive. Files that include each
    /// other are visited to a limited depth, and at most a million directives are visited.
    pub fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&[Visited<'a>], Visited<'a>)) {
        let mut visits = 0;
        let mut parents = Vec::new();
        if let Some((path, file)) = self.files.get_key_value(&self.main)
            && let Ok(document) = &file.document
        {
            self.visit_list(path, document.directives(), 0, &mut parents, &mut visits, visitor);
        }
    }

    fn visit_list<'a>(
        &'a self,
        path: &'a str,
        directives: &'a [Directive],
        depth: usize,
        parents: &mut Vec<Visited<'a>>,
        visits: &mut usize,
        visitor: &mut dyn FnMut(&[Visited<'a>], Visited<'a>),
    ) {
        for directive in directives {
            *visits = visits.saturating_add(1);
            if *visits > MAX_VISITS {
                return;
            }
            let included = self.files.get(path).and_then(|file| file.includes.get(&directive.span().start));
            if let Some(included) = included {
                if depth >= MAX_DEPTH {
                    continue;
                }
                for name in &included.paths {
                    if let Some((path, file)) = self.files.get_key_value(name)
                        && let Ok(document) = &file.document
                    {
                        let depth = depth.saturating_add(1);
                        self.visit_list(path, document.directives(), depth, parents, visits, visitor);
                    }
                }
                continue;
            }
            let visited = Visited { file: path, directive };
            visitor(parents, visited);
            if !directive.children().is_empty() {
                parents.push(visited);
                self.visit_list(path, directive.children(), depth, parents, visits, visitor);
                parents.pop();
            }
        }
    }
}

/// A directive with the path of its file.
#[derive(Clone, Copy, Debug)]
pub struct Visited<'a> {
    /// Path of the file.
    pub file: &'a str,
    /// The directive.
    pub directive: &'a Directive,
}

/// Two values are equal if they are the same directive in memory.
impl PartialEq for Visited<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.directive, other.directive)
    }
}

impl Eq for Visited<'_> {}

impl ClosureFile {
    /// Returns the content.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Returns the parsed content.
    ///
    /// # Errors
    /// The syntax error of the file.
    pub fn document(&self) -> Result<&Document, &SyntaxError> {
        self.document.as_ref()
    }

    /// Returns the files that a directive of this file includes; `None` if it is not an `include`.
    #[must_use]
    pub fn included(&self, directive: &Directive) -> Option<&[String]> {
        self.includes.get(&directive.span().start).map(|included| included.paths.as_slice())
    }
}

/// Returns offset, line and path of every `include`, also in blocks.
fn include_directives(directives: &[Directive]) -> Vec<(usize, u32, String)> {
    let mut found = Vec::new();
    let mut waiting: Vec<&Directive> = directives.iter().rev().collect();
    while let Some(directive) = waiting.pop() {
        if directive.name() == "include"
            && directive.words().len() == 2
            && directive.block().is_none()
            && let Some(path) = directive.word(1)
        {
            found.push((directive.span().start, directive.line(), path.to_owned()));
        }
        waiting.extend(directive.children().iter().rev());
    }
    found
}
