//! MOF compiler (`mofcomp`): turns MOF texts into classes and instances (DSP0004 annex A; pragmas of WMI).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cim::mof::{self, InstanceDeclaration, Item, Located, QualifierDeclaration};
use cim::wql::{self, Query, equal};
use cim::{ClassDeclaration, Instance, Name, Namespace, ObjectPath, Value};

use crate::{Change, Contents, Error, Existing, Place, Problem};

mod amendment;
mod pragma;
mod qualifiers;

pub(crate) use pragma::namespace_of;

/// Maximum depth of nested includes.
const MAX_DEPTH: usize = 16;

/// Maximum number of texts in one run.
const MAX_TEXTS: usize = 4_096;

/// Maximum total length in bytes of the texts of one run.
const MAX_OCTETS: usize = 64 << 20;

/// Parses MOF texts and applies them to the contents of a repository.
#[derive(Debug)]
pub struct Compiler {
    namespace: Namespace,
    flags: ClassFlags,
    steps: Vec<(Place, Step)>,
    texts: usize,
    octets: usize,
}

/// Handling of existing classes: `#pragma classflags`, and `-class:` of mofcomp on Windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassFlags {
    /// Replaces a class if its subclasses and instances fit the new one.
    #[default]
    SafeUpdate,
    /// Creates classes only; an existing class is an error.
    CreateOnly,
    /// Updates classes only; a missing class is an error.
    UpdateOnly,
    /// Replaces a class and removes subclasses and instances that no longer fit.
    ForceUpdate,
}

/// Summary of the changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Number of classes created or changed.
    pub classes: usize,
    /// Number of instances created or changed, including namespaces.
    pub instances: usize,
    /// Number of items removed by pragmas.
    pub removed: usize,
    /// Number of items that already existed unchanged.
    pub same: usize,
    /// Built-in classes, which were not changed.
    pub builtin: Vec<Name>,
    /// Descriptions of ignored items.
    pub notes: Vec<String>,
}

#[derive(Debug)]
enum Step {
    /// Start of a separate file; settings of the previous one end.
    Begin,
    Pragma {
        name: String,
        arguments: Vec<String>,
    },
    Qualifier(QualifierDeclaration),
    Class(ClassDeclaration),
    Instance(InstanceDeclaration),
}

impl Compiler {
    /// Creates a compiler for texts that belong to this namespace unless they specify another.
    #[must_use]
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace, flags: ClassFlags::default(), steps: Vec::new(), texts: 0, octets: 0 }
    }

    /// Sets the class flags for texts that do not set them.
    #[must_use]
    pub fn class_flags(self, flags: ClassFlags) -> Self {
        Self { flags, ..self }
    }

    /// Reads a file and the files it includes. Include paths are relative to the including file.
    ///
    /// # Errors
    /// [`Error::Text`] or [`Error::At`].
    pub fn file(&mut self, path: &Path) -> Result<(), Error> {
        let octets = read(path).map_err(|source| Error::Text { path: path.to_owned(), source })?;
        self.octets(path, &octets)
    }

    /// Parses bytes as the content of a file with this name.
    ///
    /// # Errors
    /// [`Error::At`].
    pub fn octets(&mut self, path: &Path, octets: &[u8]) -> Result<(), Error> {
        let text = decode(octets).ok_or_else(|| Problem::Encoding.at(beginning(path)))?;
        self.text(path, &text)
    }

    /// Parses a text as the content of a file with this name.
    ///
    /// # Errors
    /// [`Error::At`].
    pub fn text(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        self.steps.push((beginning(path), Step::Begin));
        self.include(path, text, &mut vec![path.to_owned()])
    }

    fn include(&mut self, path: &Path, text: &str, open: &mut Vec<PathBuf>) -> Result<(), Error> {
        self.texts += 1;
        self.octets += text.len();
        if self.texts > MAX_TEXTS || self.octets > MAX_OCTETS {
            let limit = if self.texts > MAX_TEXTS { MAX_TEXTS } else { MAX_OCTETS };
            return Err(Problem::TooMuch { what: "included files or bytes", limit }.at(beginning(path)));
        }
        let items = mof::parse_located(text).map_err(|error| Problem::Model(error).at(beginning(path)))?;
        for Located { item, line, column } in items {
            let place = Place { file: path.to_owned(), line, column };
            let step = match item {
                Item::Pragma { name, arguments } if equal(&name, "include") => {
                    self.included(path, &arguments, open, place)?;
                    continue;
                }
                Item::Pragma { name, arguments } => Step::Pragma { name, arguments },
                Item::Qualifier(declaration) => Step::Qualifier(declaration),
                Item::Class(declaration) => Step::Class(declaration),
                Item::Instance(declaration) => Step::Instance(declaration),
            };
            self.steps.push((place, step));
        }
        Ok(())
    }

    fn included(
        &mut self,
        from: &Path,
        arguments: &[String],
        open: &mut Vec<PathBuf>,
        place: Place,
    ) -> Result<(), Error> {
        let [name] = arguments else {
            let problem = "requires the path of one file".to_owned();
            return Err(Problem::Pragma { name: "include".to_owned(), problem }.at(place));
        };
        let path = from.parent().unwrap_or(Path::new("")).join(name.replace('\\', "/"));
        if open.contains(&path) {
            let problem = "the file includes itself".to_owned();
            return Err(Problem::Include { path, problem }.at(place));
        }
        if open.len() >= MAX_DEPTH {
            return Err(Problem::TooMuch { what: "nested includes", limit: MAX_DEPTH }.at(place));
        }
        let octets = match read(&path) {
            Ok(octets) => octets,
            Err(error) => return Err(Problem::Include { path, problem: error.to_string() }.at(place)),
        };
        let text = decode(&octets).ok_or_else(|| Problem::Encoding.at(beginning(&path)))?;
        open.push(path.clone());
        self.include(&path, &text, open)?;
        open.pop();
        Ok(())
    }

    /// Applies the texts. After an error the contents must be discarded.
    ///
    /// # Errors
    /// [`Error::At`].
    pub fn apply(&self, contents: &mut Contents) -> Result<Report, Error> {
        let mut run = Run::new(self);
        for (place, step) in &self.steps {
            run.step(contents, step).map_err(|problem| problem.at(place.clone()))?;
        }
        Ok(run.report)
    }
}

/// State that carries over from one item of a text to the next.
struct Run<'c> {
    compiler: &'c Compiler,
    namespace: Namespace,
    classes: Existing,
    instances: Existing,
    is_amendment: bool,
    aliases: HashMap<String, Instance>,
    qualifiers: HashMap<Name, QualifierDeclaration>,
    reported: HashSet<String>,
    report: Report,
}

impl<'c> Run<'c> {
    fn new(compiler: &'c Compiler) -> Self {
        Self {
            compiler,
            namespace: compiler.namespace.clone(),
            classes: compiler.flags.into(),
            instances: Existing::Replace,
            is_amendment: false,
            aliases: HashMap::new(),
            qualifiers: HashMap::new(),
            reported: HashSet::new(),
            report: Report::default(),
        }
    }

    fn step(&mut self, contents: &mut Contents, step: &Step) -> Result<(), Problem> {
        match step {
            Step::Begin => {
                self.namespace = self.compiler.namespace.clone();
                self.classes = self.compiler.flags.into();
                self.instances = Existing::Replace;
                self.is_amendment = false;
                self.aliases.clear();
                Ok(())
            }
            Step::Pragma { name, arguments } => self.pragma(contents, name, arguments),
            Step::Qualifier(declaration) => {
                self.qualifiers.insert(declaration.name.clone(), declaration.clone());
                Ok(())
            }
            Step::Class(declaration) => self.class(contents, declaration),
            Step::Instance(declaration) => self.instance(contents, declaration),
        }
    }

    fn class(&mut self, contents: &mut Contents, declaration: &ClassDeclaration) -> Result<(), Problem> {
        let mut declaration = qualifiers::declared(declaration, &self.qualifiers)?;
        if self.is_amendment {
            let stored = contents.namespace(&self.namespace)?;
            if stored.schema().is_builtin(declaration.name.as_str()) {
                self.report.builtin.push(declaration.name);
                return Ok(());
            }
            let own = stored.declarations().iter().find(|own| own.name == declaration.name);
            let own =
                own.ok_or_else(|| Problem::Missing(format!("class {} of the amendment", declaration.name)))?;
            declaration = amendment::amended(own, &declaration)?;
        }
        match contents.put_class(&self.namespace, &declaration, self.classes)? {
            Change::Made | Change::Replaced => self.report.classes += 1,
            Change::Same => self.report.same += 1,
            Change::BuiltIn => self.report.builtin.push(declaration.name),
        }
        Ok(())
    }

    fn instance(
        &mut self,
        contents: &mut Contents,
        declaration: &InstanceDeclaration,
    ) -> Result<(), Problem> {
        let schema = contents.namespace(&self.namespace)?.schema();
        let class = &declaration.class;
        if !schema.has(class) && class.as_str().to_ascii_lowercase().ends_with("eventconsumer") {
            let known = schema.subclasses("__EventConsumer");
            let known = known.iter().map(|class| class.name().to_string()).collect();
            return Err(Problem::NoConsumer { class: class.clone(), known });
        }
        let instance = declaration.resolve(schema, &|alias: &str| self.aliases.get(alias).cloned())?;
        if let Some(alias) = &declaration.alias {
            self.aliases.insert(alias.clone(), instance.clone());
        }
        check_filter(&instance)?;
        let change = if instance.class().is_a("__Namespace") {
            contents.make_namespace(&self.child(instance.value("Name").and_then(Value::as_str))?)?
        } else {
            contents.put_instance(&self.namespace, instance, self.instances)?
        };
        match change {
            Change::Same | Change::BuiltIn => self.report.same += 1,
            Change::Made | Change::Replaced => self.report.instances += 1,
        }
        Ok(())
    }

    /// Returns the namespace of this name below the current one.
    fn child(&self, name: Option<&str>) -> Result<Namespace, Problem> {
        let name = name.unwrap_or_default();
        if name.contains(['/', '\\']) {
            return Err(cim::Error::Namespace { found: name.to_owned() }.into());
        }
        Ok(Namespace::parse(&format!("{}/{name}", self.namespace))?)
    }

    /// Removes the instance with this path. Returns `false` if it does not exist.
    fn remove(&self, contents: &mut Contents, path: &ObjectPath) -> Result<bool, Problem> {
        let namespace = path.namespace.as_ref().unwrap_or(&self.namespace);
        if path.class != *"__Namespace" {
            return contents.remove_instance(namespace, path);
        }
        let class = contents.namespace(namespace)?.schema().require("__Namespace")?;
        let keys = path.key_values(&class)?;
        let child = self.child(keys.first().and_then(Value::as_str))?;
        contents.remove_namespace(&child)
    }

    /// Adds a note about an ignored item, once.
    fn note(&mut self, note: String) {
        if self.reported.insert(note.clone()) {
            self.report.notes.push(note);
        }
    }
}

/// Refuses an event filter whose query is not a selection in WQL. The classes of the query may be served by a provider
/// or declared later, so they are checked when the subscription starts.
fn check_filter(instance: &Instance) -> Result<(), Problem> {
    if !instance.class().is_a("__EventFilter") {
        return Ok(());
    }
    let text = |name: &str| instance.value(name).and_then(Value::as_str).unwrap_or_default();
    let language = text("QueryLanguage");
    if !language.is_empty() && !equal(language, "WQL") {
        return Err(Problem::Filter("QueryLanguage must be WQL".to_owned()));
    }
    match wql::parse(text("Query")).map_err(|error| Problem::Filter(error.to_string()))? {
        Query::Select(_) => Ok(()),
        Query::Associators(_) | Query::References(_) => Err(Problem::Filter(
            "an association query returns no events\n  select from an event class".to_owned(),
        )),
    }
}

impl From<ClassFlags> for Existing {
    fn from(flags: ClassFlags) -> Self {
        match flags {
            ClassFlags::SafeUpdate => Self::Replace,
            ClassFlags::CreateOnly => Self::Refuse,
            ClassFlags::UpdateOnly => Self::Require,
            ClassFlags::ForceUpdate => Self::Force,
        }
    }
}

fn beginning(path: &Path) -> Place {
    Place { file: path.to_owned(), line: 1, column: 1 }
}

/// Reads a file, up to one byte beyond the limit.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    // UTF-16 texts take twice as many bytes.
    fs::File::open(path)?.take(2 * mof::MAX_TEXT as u64 + 1).read_to_end(&mut octets)?;
    Ok(octets)
}

/// Decodes a text in one of the encodings that Windows editors write.
fn decode(octets: &[u8]) -> Option<String> {
    match octets {
        [0xFF, 0xFE, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
        octets => String::from_utf8(octets.to_vec()).ok(),
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    char::decode_utf16(pairs.iter().copied().map(unit)).collect::<Result<String, _>>().ok()
}
