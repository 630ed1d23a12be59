//! All files of a configuration: the main file and those that active directives include.

use std::collections::BTreeMap;

use conftext::{Files, expand, is_pattern, parent};

use crate::environment::{BuiltIn, Environment, is_condition};
use crate::error::SyntaxError;
use crate::tree::{Bounds, Directive, Document};

/// Maximum number of files.
const MAX_FILES: usize = 20_000;
/// Maximum size of all files in bytes.
const MAX_SIZE: usize = 64 << 20;
/// Maximum number of different paths and patterns that are included.
const MAX_INCLUDES: usize = 1_000;
/// Maximum number of visited directives.
const MAX_VISITS: usize = 300_000;
/// Maximum depth of included files. Apache has a limit of 16.
const MAX_DEPTH: usize = 16;
/// Maximum depth of included folders.
const MAX_FOLDERS: usize = 16;

/// All files of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Closure {
    main: String,
    files: BTreeMap<String, ClosureFile>,
    /// Included files by the path as it was expanded.
    includes: BTreeMap<String, Vec<String>>,
    problems: Vec<IncludeProblem>,
}

/// A file of a configuration.
#[derive(Clone, Debug)]
pub struct ClosureFile {
    content: Vec<u8>,
    document: Result<Document, SyntaxError>,
}

/// An `Include` that cannot be followed.
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
    /// Reads the main file and all files that active directives include.
    ///
    /// Returns `None` if the main file does not exist.
    ///
    /// # Errors
    /// The first error of `files`.
    pub fn read<F: Files>(main: &str, built_in: &BuiltIn, files: &mut F) -> Result<Option<Self>, F::Error> {
        let Some(content) = files.read(main)? else { return Ok(None) };
        let mut closure = Self { main: main.to_owned(), ..Self::default() };
        closure.add(main, content);
        loop {
            // An included file may define what a later condition reads, so the walk begins again until nothing is missing.
            let mut missing = None;
            closure.visit(built_in, &mut |_, visited, environment| {
                if missing.is_none()
                    && let Some(include) = include_of(visited.directive, environment)
                    && !closure.includes.contains_key(&include.pattern)
                {
                    missing = Some((include, visited.file.to_owned(), visited.directive.line()));
                }
            });
            let Some((include, file, line)) = missing else { break };
            let found = resolve(&include.pattern, files)?;
            if found.is_empty() && !include.is_optional {
                let reason = format!("{} does not exist", include.pattern);
                closure.problems.push(IncludeProblem { file: file.clone(), line, reason });
            }
            let mut paths = Vec::new();
            for path in found {
                if !closure.files.contains_key(&path) {
                    let Some(content) = files.read(&path)? else { continue };
                    if !closure.add(&path, content) {
                        let reason =
                            format!("the configuration has more than {MAX_FILES} files or {MAX_SIZE} bytes");
                        closure.problems.push(IncludeProblem { file: file.clone(), line, reason });
                        break;
                    }
                }
                paths.push(path);
            }
            closure.includes.insert(include.pattern, paths);
            if closure.includes.len() >= MAX_INCLUDES {
                break;
            }
        }
        Ok(Some(closure))
    }

    /// Adds a file. Returns `false` if a limit is exceeded.
    fn add(&mut self, path: &str, content: Vec<u8>) -> bool {
        let size: usize = self.files.values().map(|file| file.content.len()).sum();
        if self.files.len() >= MAX_FILES || size.saturating_add(content.len()) > MAX_SIZE {
            return false;
        }
        let document = Document::parse_within(&content, &Bounds::default());
        self.files.insert(path.to_owned(), ClosureFile { content, document });
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

    /// Returns the directives of `Include` that cannot be followed.
    #[must_use]
    pub fn problems(&self) -> &[IncludeProblem] {
        &self.problems
    }

    /// Visits all active directives in the order of Apache, with included files in place of `Include`.
    ///
    /// The visitor receives the enclosing sections without conditions such as `<IfModule>`, the path of the file and the
    /// directive, and the state at the directive. At most 300,000 directives are visited.
    pub fn visit<'a>(
        &'a self,
        built_in: &BuiltIn,
        visitor: &mut dyn FnMut(&[Visited<'a>], Visited<'a>, &Environment<'_>),
    ) {
        if let Some((path, file)) = self.files.get_key_value(&self.main)
            && let Ok(document) = &file.document
        {
            let mut walk = Walk {
                closure: self,
                environment: Environment::new(built_in),
                parents: Vec::new(),
                visits: 0,
                visitor,
            };
            walk.list(path, document.directives(), 0);
        }
    }
}

/// A walk over the active directives.
struct Walk<'a, 'b, 'v> {
    closure: &'a Closure,
    environment: Environment<'b>,
    parents: Vec<Visited<'a>>,
    visits: usize,
    visitor: &'v mut dyn FnMut(&[Visited<'a>], Visited<'a>, &Environment<'_>),
}

impl<'a> Walk<'a, '_, '_> {
    fn list(&mut self, path: &'a str, directives: &'a [Directive], depth: usize) {
        for directive in directives {
            self.visits = self.visits.saturating_add(1);
            if self.visits > MAX_VISITS {
                return;
            }
            let is_condition = is_condition(directive);
            if is_condition {
                if self.environment.is_active(directive) {
                    self.list(path, directive.children(), depth);
                }
                continue;
            }
            let visited = Visited { file: path, directive };
            (self.visitor)(&self.parents, visited, &self.environment);
            self.environment.apply(directive);
            if let Some(include) = include_of(directive, &self.environment) {
                if depth < MAX_DEPTH {
                    self.files(&include.pattern, depth.saturating_add(1));
                }
            } else if !directive.children().is_empty() {
                self.parents.push(visited);
                self.list(path, directive.children(), depth);
                self.parents.pop();
            }
        }
    }

    fn files(&mut self, pattern: &str, depth: usize) {
        let closure = self.closure;
        for name in closure.includes.get(pattern).map_or(&[][..], Vec::as_slice) {
            if let Some((path, file)) = closure.files.get_key_value(name)
                && let Ok(document) = &file.document
            {
                self.list(path, document.directives(), depth);
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
}

/// Path or pattern of an `Include`.
struct Include {
    pattern: String,
    is_optional: bool,
}

fn include_of(directive: &Directive, environment: &Environment<'_>) -> Option<Include> {
    let is_optional = directive.is("IncludeOptional");
    let is_include = is_optional || directive.is("Include");
    let pattern = environment.path(directive.word(1).filter(|_| is_include)?);
    Some(Include { pattern, is_optional })
}

/// Returns the files of a path or pattern, in the order of Apache. Folders stand for all files in them.
fn resolve<F: Files>(pattern: &str, files: &mut F) -> Result<Vec<String>, F::Error> {
    let paths =
        if is_pattern(pattern) { expand(pattern, MAX_FILES, files)? } else { vec![pattern.to_owned()] };
    let mut found = Vec::new();
    for path in paths {
        add_files(&path, 0, &mut found, files)?;
    }
    Ok(found)
}

fn add_files<F: Files>(
    path: &str,
    depth: usize,
    found: &mut Vec<String>,
    files: &mut F,
) -> Result<(), F::Error> {
    let (path, is_folder) = path.strip_suffix('/').map_or((path, false), |path| (path, true));
    let names = files.names(path)?;
    if names.is_empty() && !is_folder {
        let is_known = files.names(parent(path))?.iter().any(|name| path.rsplit('/').next() == Some(name));
        if is_known {
            found.push(path.to_owned());
        }
        return Ok(());
    }
    for name in names {
        if found.len() > MAX_FILES || depth > MAX_FOLDERS {
            break;
        }
        add_files(&format!("{path}/{name}"), depth.saturating_add(1), found, files)?;
    }
    Ok(())
}
