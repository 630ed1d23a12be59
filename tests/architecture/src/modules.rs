//! Modules of a crate, and the dependencies between the files that contain them.
//!
//! A file depends on the file that defines an item, wherever the path to the item leads: re-exports are followed, and
//! neither `mod` nor `pub use` is a dependency of the file that contains it.
//! Code under `#[cfg(test)]` does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::tokens::{Kind, Token, tokens};

/// Names of the modules from the crate's root to a module; the root itself has none.
pub type ModulePath = Vec<String>;

/// A use of an item of another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Module of the file that uses the item.
    pub from: ModulePath,
    /// Module of the file that defines the item.
    pub to: ModulePath,
    /// File that uses the item.
    pub file: PathBuf,
    /// Line of that file, from 1.
    pub line: usize,
    /// Path of the item as the line has it.
    pub item: String,
}

/// Returns the dependencies between the files of a crate, in the order of files and lines.
///
/// # Panics
/// If a file of the crate cannot be read.
#[must_use]
pub fn dependencies(root: &Path) -> Vec<Dependency> {
    let mut tree = Tree::default();
    tree.add_file(root, root.parent().unwrap_or(root), &ModulePath::new());
    tree.dependencies()
}

/// All modules of a crate.
#[derive(Debug, Default)]
struct Tree {
    modules: BTreeMap<ModulePath, Module>,
    /// Modules that define a macro by its name.
    macros: BTreeMap<String, ModulePath>,
}

/// A module: a file, or braces within a file.
#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    /// Module of the file.
    owner: ModulePath,
    /// Names of items other than modules.
    defined: BTreeSet<String>,
    children: BTreeSet<String>,
    imports: Vec<Import>,
    paths: Vec<Mention>,
    /// Names outside `use`, each with its first line.
    names: BTreeMap<String, usize>,
    macro_calls: Vec<Mention>,
}

/// A name that `use` brings into a module.
#[derive(Debug)]
struct Import {
    /// Name in this module; `*` for all names of a module.
    name: String,
    is_public: bool,
    mention: Mention,
}

/// A path as code has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mention {
    path: Vec<String>,
    line: usize,
}

/// End of a path.
#[derive(Debug)]
enum Place {
    Module(ModulePath),
    /// Item that this module defines.
    Item(ModulePath),
    OtherCrate,
}

/// More re-exports than this in a row are a cycle of globs.
const MAXIMUM_REEXPORTS: usize = 8;

impl Tree {
    fn add_file(&mut self, file: &Path, folder: &Path, path: &ModulePath) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let module = Module { file: file.to_owned(), owner: path.clone(), ..Module::default() };
        let body = tokens(&text);
        self.add(module, &body, folder, path);
    }

    fn add(&mut self, module: Module, body: &[Token<'_>], folder: &Path, path: &ModulePath) {
        let mut reader = Reader { module, body, at: 0, depth: 0, submodules: Vec::new(), macros: Vec::new() };
        reader.read();
        let Reader { module, submodules, macros, .. } = reader;
        let (file, owner) = (module.file.clone(), module.owner.clone());
        self.macros.extend(macros.into_iter().map(|name| (name, path.clone())));
        self.modules.insert(path.clone(), module);
        for Submodule { name, body } in submodules {
            let folder = folder.join(&name);
            let path = [&path[..], std::slice::from_ref(&name)].concat();
            if let Some(body) = body {
                let inline = Module { file: file.clone(), owner: owner.clone(), ..Module::default() };
                self.add(inline, body, &folder, &path);
                continue;
            }
            let candidates = [folder.with_extension("rs"), folder.join("mod.rs")];
            if let Some(file) = candidates.iter().find(|file| file.is_file()) {
                self.add_file(file, &folder, &path);
            }
        }
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let mut found = Vec::new();
        for (path, module) in &self.modules {
            let mut mentions = Vec::new();
            for import in &module.imports {
                self.add_import(path, module, import, &mut mentions);
            }
            for mention in &module.paths {
                mentions.extend(self.target(path, mention));
            }
            for mention in &module.macro_calls {
                let definition = mention.path.first().and_then(|name| self.macros.get(name));
                mentions.extend(definition.map(|to| (to.clone(), mention.clone())));
            }
            mentions.sort_by_key(|(_, mention)| mention.line);
            found.extend(mentions.into_iter().filter_map(|(to, mention)| {
                let to = &self.modules.get(&to)?.owner;
                let dependency = Dependency {
                    from: module.owner.clone(),
                    to: to.clone(),
                    file: module.file.clone(),
                    line: mention.line,
                    item: mention.path.join("::"),
                };
                (*to != module.owner).then_some(dependency)
            }));
        }
        found
    }

    /// Adds the dependencies that an import causes.
    ///
    /// A re-export and a glob cause them where code uses their names, an import of a module where code names its items.
    fn add_import(
        &self,
        path: &ModulePath,
        module: &Module,
        import: &Import,
        found: &mut Vec<(ModulePath, Mention)>,
    ) {
        if import.name != "*" {
            let line =
                if import.is_public { module.names.get(&import.name) } else { Some(&import.mention.line) };
            let target = self.target(path, &import.mention);
            found.extend(line.and_then(|line| {
                let (to, mention) = target?;
                Some((to, Mention { line: *line, ..mention }))
            }));
            return;
        }
        let Some(place) = self.resolve(path, &import.mention.path, 0) else { return };
        match place {
            Place::Module(from) => {
                for (name, line) in &module.names {
                    let is_own = module.defined.contains(name)
                        || module.children.contains(name)
                        || module.imports.iter().any(|import| import.name == *name);
                    if is_own {
                        continue;
                    }
                    if let Some(Place::Item(to)) = self.find(&from, std::slice::from_ref(name), 0) {
                        found.push((to, Mention { path: vec![name.clone()], line: *line }));
                    }
                }
            }
            Place::Item(to) => found.push((to, import.mention.clone())),
            Place::OtherCrate => {}
        }
    }

    /// Returns the module that defines the item at the end of a path.
    fn target(&self, from: &ModulePath, mention: &Mention) -> Option<(ModulePath, Mention)> {
        match self.resolve(from, &mention.path, 0)? {
            Place::Item(to) => Some((to, mention.clone())),
            Place::Module(_) | Place::OtherCrate => None,
        }
    }

    /// Follows a path that a module contains; `None` if it leads into another crate.
    fn resolve(&self, from: &ModulePath, path: &[String], reexports: usize) -> Option<Place> {
        let mut start = from.clone();
        let mut rest = path;
        let mut is_anchored = false;
        while let Some((first, behind)) = rest.split_first() {
            match first.as_str() {
                "crate" => start.clear(),
                "self" => {}
                "super" => {
                    start.pop();
                }
                _ => break,
            }
            is_anchored = true;
            rest = behind;
        }
        let found = self.find(&start, rest, reexports);
        if found.is_some() || !is_anchored {
            return found;
        }
        // The name comes from a macro. The module is the last one on the path.
        while let Some((first, behind)) = rest.split_first() {
            if !self.modules.get(&start)?.children.contains(first) {
                break;
            }
            start.push(first.clone());
            rest = behind;
        }
        Some(Place::Item(start))
    }

    /// Finds a path without `crate`, `self` and `super` below a module.
    fn find(&self, module: &ModulePath, path: &[String], reexports: usize) -> Option<Place> {
        let Some((first, rest)) = path.split_first() else { return Some(Place::Module(module.clone())) };
        if reexports > MAXIMUM_REEXPORTS {
            return None;
        }
        let content = self.modules.get(module)?;
        let child = || {
            let is_child = content.children.contains(first);
            is_child.then(|| [&module[..], std::slice::from_ref(first)].concat())
        };
        if let Some(child) = child().filter(|_| !rest.is_empty()) {
            return self.find(&child, rest, reexports);
        }
        if content.defined.contains(first) {
            return Some(Place::Item(module.clone()));
        }
        let mut is_imported = false;
        for import in content.imports.iter().filter(|import| import.name == *first) {
            is_imported = true;
            match self.resolve(module, &import.mention.path, reexports + 1) {
                Some(Place::Module(module)) => return self.find(&module, rest, reexports + 1),
                Some(Place::Item(module)) => return Some(Place::Item(module)),
                Some(Place::OtherCrate) | None => {}
            }
        }
        if let Some(child) = child() {
            return Some(Place::Module(child));
        }
        if is_imported {
            return Some(Place::OtherCrate);
        }
        let globs = content.imports.iter().filter(|import| import.name == "*");
        globs.into_iter().find_map(|glob| match self.resolve(module, &glob.mention.path, reexports + 1)? {
            Place::Module(from) if from != *module => self.find(&from, path, reexports + 1),
            _ => None,
        })
    }
}

/// Declaration of a module within another one.
#[derive(Debug)]
struct Submodule<'b, 's> {
    name: String,
    /// Tokens between its braces; `None` for a module in a file of its own.
    body: Option<&'b [Token<'s>]>,
}

/// Reads the tokens of one module.
#[derive(Debug)]
struct Reader<'b, 's> {
    module: Module,
    body: &'b [Token<'s>],
    at: usize,
    /// Open brackets around the current token.
    depth: usize,
    submodules: Vec<Submodule<'b, 's>>,
    macros: Vec<String>,
}

impl<'s> Reader<'_, 's> {
    fn kind(&self, ahead: usize) -> Option<Kind<'s>> {
        self.body.get(self.at + ahead).map(|token| token.kind)
    }

    fn before(&self, behind: usize) -> Option<Kind<'s>> {
        self.at.checked_sub(behind).and_then(|at| self.body.get(at)).map(|token| token.kind)
    }

    fn word(&self, ahead: usize) -> Option<&'s str> {
        match self.kind(ahead)? {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn line(&self) -> usize {
        self.body.get(self.at).map_or(0, |token| token.line)
    }

    fn read(&mut self) {
        while let Some(kind) = self.kind(0) {
            match kind {
                Kind::Sign('#') if self.is_attribute() => self.attribute(),
                Kind::Sign('(' | '[' | '{') => {
                    self.depth += 1;
                    self.at += 1;
                }
                Kind::Sign(')' | ']' | '}') => {
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                Kind::Word("use") if self.kind(1) != Some(Kind::Sign('<')) => self.import(),
                Kind::Word("pub") if self.kind(1) == Some(Kind::Sign('(')) => self.visibility(),
                Kind::Word(word) => self.word_of_code(word),
                _ => self.at += 1,
            }
        }
    }

    fn is_attribute(&self) -> bool {
        self.kind(1) == Some(Kind::Sign('['))
            || (self.kind(1) == Some(Kind::Sign('!')) && self.kind(2) == Some(Kind::Sign('[')))
    }

    /// Reads an attribute, and skips the item behind it if that is for tests only.
    fn attribute(&mut self) {
        while self.kind(0) != Some(Kind::Sign('[')) {
            self.at += 1;
        }
        let is_test = match (self.word(1), self.word(3)) {
            (Some("test"), _) => true,
            (Some("cfg"), Some("test")) => true,
            (Some("cfg"), Some("all")) => self.word(5) == Some("test"),
            _ => false,
        };
        if !is_test {
            // Paths in attributes count.
            return;
        }
        self.skip_group();
        while self.kind(0) == Some(Kind::Sign('#')) {
            self.at += 1;
            self.skip_group();
        }
        let keywords = [
            "async", "const", "enum", "fn", "impl", "mod", "pub", "static", "struct", "trait", "type",
            "unsafe", "use",
        ];
        let is_item = self.word(0).is_some_and(|word| keywords.contains(&word));
        let is_import = self.word(0) == Some("use");
        while let Some(kind) = self.kind(0) {
            match kind {
                Kind::Sign(';') => {
                    self.at += 1;
                    return;
                }
                Kind::Sign(',') if !is_item => {
                    self.at += 1;
                    return;
                }
                Kind::Sign(')' | ']' | '}') => return,
                Kind::Sign('{') if !is_import => {
                    self.skip_group();
                    return;
                }
                Kind::Sign('(' | '[' | '{') => self.skip_group(),
                _ => self.at += 1,
            }
        }
    }

    /// Skips brackets with all that they contain.
    fn skip_group(&mut self) {
        let mut depth = 0_usize;
        while let Some(kind) = self.kind(0) {
            self.at += 1;
            match kind {
                Kind::Sign('(' | '[' | '{') => depth += 1,
                Kind::Sign(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads `pub(…)`, whose path is no dependency, and `use` behind it.
    fn visibility(&mut self) {
        let is_restricted = matches!(self.word(2), Some("crate" | "super" | "self" | "in"));
        self.at += 1;
        if is_restricted {
            self.skip_group();
        }
    }

    fn import(&mut self) {
        let is_public = matches!(self.before(1), Some(Kind::Word("pub") | Kind::Sign(')')));
        self.at += 1;
        self.import_tree(&[], is_public);
        if self.kind(0) == Some(Kind::Sign(';')) {
            self.at += 1;
        }
    }

    /// Reads a path, a glob, or a path with braces behind it.
    fn import_tree(&mut self, prefix: &[String], is_public: bool) {
        let mut path = prefix.to_vec();
        let line = self.line();
        while let Some(kind) = self.kind(0) {
            match kind {
                Kind::Word("as") => {
                    let name = self.word(1).unwrap_or("_").to_owned();
                    self.at += 2;
                    self.module.imports.push(Import { name, is_public, mention: Mention { path, line } });
                    return;
                }
                // `self` behind a path is the path itself.
                Kind::Word("self") if !path.is_empty() => {}
                Kind::Word(word) => path.push(word.to_owned()),
                Kind::Sign('*') => {
                    self.at += 1;
                    let name = "*".to_owned();
                    self.module.imports.push(Import { name, is_public, mention: Mention { path, line } });
                    return;
                }
                Kind::Sign('{') => {
                    self.at += 1;
                    while !matches!(self.kind(0), None | Some(Kind::Sign('}'))) {
                        let before = self.at;
                        self.import_tree(&path, is_public);
                        if self.kind(0) == Some(Kind::Sign(',')) || self.at == before {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Kind::PathSeparator | Kind::Sign('$') => {}
                _ => break,
            }
            self.at += 1;
        }
        if let Some(name) = path.last().cloned() {
            self.module.imports.push(Import { name, is_public, mention: Mention { path, line } });
        }
    }

    fn word_of_code(&mut self, word: &'s str) {
        let line = self.line();
        let is_continued = matches!(self.before(1), Some(Kind::PathSeparator | Kind::Sign('.')));
        if !is_continued && self.kind(1) == Some(Kind::PathSeparator) {
            self.path(line);
            return;
        }
        let name = self.word(1).map(str::to_owned);
        let is_start = self.depth == 0 && !is_continued;
        match (word, name) {
            ("mod", Some(name)) if is_start => {
                self.submodule(name);
                return;
            }
            ("macro_rules", _) if self.kind(1) == Some(Kind::Sign('!')) => {
                if let Some(name) = self.word(2) {
                    self.macros.push(name.to_owned());
                }
                self.at += 3;
                return;
            }
            ("fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static", Some(name))
                if is_start && !["fn", "unsafe", "extern", "async"].contains(&name.as_str()) =>
            {
                let name = if name == "mut" { self.word(2).unwrap_or_default().to_owned() } else { name };
                self.module.defined.insert(name);
                self.at += 2;
                return;
            }
            _ => {}
        }
        let is_call = matches!(self.kind(1), Some(Kind::Sign('(' | '!')));
        let is_definition = matches!(self.before(1), Some(Kind::Word("fn" | "let" | "mut")));
        if !is_continued && !is_definition {
            if self.kind(1) == Some(Kind::Sign('!')) {
                self.module.macro_calls.push(Mention { path: vec![word.to_owned()], line });
            }
            if is_call || word.starts_with(char::is_uppercase) {
                self.module.names.entry(word.to_owned()).or_insert(line);
            }
        }
        self.at += 1;
    }

    fn path(&mut self, line: usize) {
        let mut path = Vec::new();
        while let Some(word) = self.word(0) {
            path.push(word.to_owned());
            self.at += 1;
            if self.kind(0) != Some(Kind::PathSeparator) || self.word(1).is_none() {
                break;
            }
            self.at += 1;
        }
        if let Some(first) = path.first() {
            self.module.names.entry(first.clone()).or_insert(line);
        }
        self.module.paths.push(Mention { path, line });
    }

    fn submodule(&mut self, name: String) {
        self.module.children.insert(name.clone());
        self.at += 2;
        if self.kind(0) != Some(Kind::Sign('{')) {
            self.submodules.push(Submodule { name, body: None });
            return;
        }
        let start = self.at + 1;
        self.skip_group();
        let body = self.body.get(start..self.at.saturating_sub(1));
        self.submodules.push(Submodule { name, body });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the dependencies of a crate with these modules as `from -> to: item`.
    fn read(modules: &[(&str, &str)]) -> Vec<String> {
        let mut tree = Tree::default();
        let text: String = modules.iter().map(|(name, text)| format!("mod {name} {{ {text} }}\n")).collect();
        tree.add(Module::default(), &tokens(&text), Path::new("/"), &ModulePath::new());
        // Each module counts as a file.
        for (path, module) in &mut tree.modules {
            module.owner.clone_from(path);
        }
        let show = |path: &ModulePath| path.join("::");
        let found = tree.dependencies().into_iter();
        found.map(|found| format!("{} -> {}: {}", show(&found.from), show(&found.to), found.item)).collect()
    }

    #[test]
    fn imports_and_paths_lead_to_the_module_that_defines_the_item() {
        let defining = ("a", "pub struct A; pub use super::b::B; pub fn f() {}");
        assert_eq!(
            read(&[defining, ("b", "pub struct B;"), ("c", "use crate::a::{A, B};")]),
            ["c -> a: crate::a::A", "c -> b: crate::a::B"]
        );
        assert_eq!(read(&[defining, ("c", "fn g() { super::a::f(); }")]), ["c -> a: super::a::f"]);
        assert_eq!(read(&[defining, ("c", "use super::a; fn g(x: a::A) {}")]), ["c -> a: a::A"]);
        assert_eq!(read(&[defining, ("c", "use crate::a::*; fn g(x: A) {}")]), ["c -> a: A"]);
    }

    #[test]
    fn declarations_exports_tests_and_other_crates_are_no_dependencies() {
        let defining = ("a", "pub struct A;");
        for text in [
            "pub use super::a::A;",
            "pub(in crate::a) fn f() {}",
            "#[cfg(test)] mod tests { use crate::a::A; }",
            "#[test] fn f() { crate::a::A; } fn g() {}",
            "use std::fmt; fn f(x: fmt::Error) {} // crate::a::A",
            "const TEXT: &str = \"crate::a::A\";",
        ] {
            assert_eq!(read(&[defining, ("b", text)]), [""; 0], "{text}");
        }
        assert_eq!(read(&[defining, ("b", "pub use super::a::A; fn f(x: A) {}")]), ["b -> a: super::a::A"]);
    }
}
