//! State that decides which sections are active: modules, definitions and variables.

use std::collections::{BTreeMap, BTreeSet};

use conftext::full_path;

use crate::tree::Directive;
use crate::variables::replace;

/// Facts about the program and its process that a configuration can read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuiltIn {
    /// Source files of the modules that are part of the program, such as `mod_so.c` (`apache2 -l`).
    pub modules: BTreeSet<String>,
    /// Variables of the environment.
    pub variables: BTreeMap<String, String>,
    /// Folder for relative paths (`HTTPD_ROOT`, or the option `-d`).
    pub server_root: String,
}

/// State at one directive of a configuration.
#[derive(Clone, Debug)]
pub struct Environment<'b> {
    built_in: &'b BuiltIn,
    modules: BTreeSet<String>,
    definitions: BTreeMap<String, String>,
    server_root: Option<String>,
}

/// Maximum number of modules and of definitions.
const MAX_ENTRIES: usize = 10_000;

impl<'b> Environment<'b> {
    /// Returns the state at the beginning.
    #[must_use]
    pub fn new(built_in: &'b BuiltIn) -> Self {
        Self { built_in, modules: BTreeSet::new(), definitions: BTreeMap::new(), server_root: None }
    }

    /// Returns whether a module is available, by its identifier (`ssl_module`) or its source file (`mod_ssl.c`).
    #[must_use]
    pub fn has_module(&self, name: &str) -> bool {
        let identifier = name.strip_suffix("_module").map(|stem| format!("mod_{stem}.c"));
        let source = identifier.as_deref().unwrap_or(name);
        self.modules.contains(name)
            || self.built_in.modules.contains(source)
            // The identifier of core.c and http_core.c is core_module.
            || source == "mod_core.c"
    }

    /// Replaces the variables of a word: definitions first, then the environment.
    #[must_use]
    pub fn expand(&self, word: &str) -> String {
        replace(word, |name| {
            let found = self.definitions.get(name).or_else(|| self.built_in.variables.get(name));
            found.map(String::as_str)
        })
    }

    /// Returns an absolute path: the path itself, or one below the server root.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        let root = self.server_root.as_deref().unwrap_or(&self.built_in.server_root);
        full_path(root, &self.expand(path))
    }

    /// Applies the effect of a directive on the state.
    pub(crate) fn apply(&mut self, directive: &Directive) {
        let words: Vec<String> = directive.arguments().map(|word| self.expand(word)).collect();
        let is_full = self.modules.len() >= MAX_ENTRIES || self.definitions.len() >= MAX_ENTRIES;
        match words.as_slice() {
            [name, file, ..] if directive.is("LoadModule") && !is_full => {
                self.modules.insert(name.clone());
                let file = file.rsplit('/').next().unwrap_or(file);
                if let Some(stem) = file.strip_suffix(".so") {
                    self.modules.insert(format!("{stem}.c"));
                }
            }
            [name, rest @ ..] if directive.is("Define") && !is_full => {
                let value = rest.first().cloned().unwrap_or_default();
                self.definitions.insert(name.clone(), value);
            }
            [name, ..] if directive.is("UnDefine") => {
                self.definitions.remove(name);
            }
            [root, ..] if directive.is("ServerRoot") => self.server_root = Some(root.clone()),
            _ => {}
        }
    }

    /// Returns whether the directives of a section are part of the configuration. Sections whose condition depends on
    /// files or on other directives are taken to be active.
    pub(crate) fn is_active(&self, section: &Directive) -> bool {
        let Some(argument) = section.word(1) else { return true };
        let argument = self.expand(argument);
        let (is_negated, name) = match argument.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, argument.as_str()),
        };
        let holds = if section.is("IfModule") {
            self.has_module(name)
        } else if section.is("IfDefine") {
            self.definitions.contains_key(name)
        } else {
            return true;
        };
        holds != is_negated
    }
}

/// Returns whether a section only decides whether its directives are active, and is no scope of its own.
pub(crate) fn is_condition(section: &Directive) -> bool {
    ["IfModule", "IfDefine", "IfVersion", "IfFile", "IfDirective", "IfSection"]
        .iter()
        .any(|name| section.is(name))
}
