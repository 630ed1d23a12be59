//! What `mofcomp` does: texts of MOF become classes and instances (DSP0004 annex A; the pragmas of WMI).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cim::mof::{self, InstanceDeclaration, Item, Located, QualifierDeclaration};
use cim::wql::equal;
use cim::{ClassDeclaration, Instance, Name, Namespace, ObjectPath, Value};

use crate::{Change, Contents, Error, Existing, Place, Problem};

mod amendment;
mod pragma;
mod qualifiers;

pub(crate) use pragma::namespace_of;

/// How deep texts may include each other.
const MAX_DEPTH: usize = 16;

/// How many texts one run may read.
const MAX_TEXTS: usize = 4_096;

/// How many octets one run may read.
const MAX_OCTETS: usize = 64 << 20;

/// Reads texts, and does what they say to the contents of a repository.
#[derive(Debug)]
pub struct Compiler {
    namespace: Namespace,
    flags: ClassFlags,
    steps: Vec<(Place, Step)>,
    texts: usize,
    octets: usize,
}

/// What is done with classes that there are already: `#pragma classflags` and `-class:` of Windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassFlags {
    /// A class is replaced if its subclasses and instances fit the new one.
    #[default]
    SafeUpdate,
    /// Nothing is replaced.
    CreateOnly,
    /// Nothing is made.
    UpdateOnly,
    /// A class is replaced, and what does not fit it any more is removed.
    ForceUpdate,
}

/// What has been done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Classes that are new or others than before.
    pub classes: usize,
    /// Instances that are new or others than before, namespaces among them.
    pub instances: usize,
    /// What was removed by pragmas.
    pub removed: usize,
    /// What was there already and is the same.
    pub same: usize,
    /// Classes that come with the system and stayed as they are.
    pub builtin: Vec<Name>,
    /// What was passed over, in words.
    pub notes: Vec<String>,
}

#[derive(Debug)]
enum Step {
    /// A file of its own begins, with nothing of the one before.
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
    /// A compiler of texts that belong into this namespace, unless they say otherwise.
    #[must_use]
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace, flags: ClassFlags::default(), steps: Vec::new(), texts: 0, octets: 0 }
    }

    /// The compiler with flags for texts that do not set them.
    #[must_use]
    pub fn class_flags(self, flags: ClassFlags) -> Self {
        Self { flags, ..self }
    }

    /// Reads a file, with those it includes: their paths begin where the including file is.
    ///
    /// # Errors
    /// [`Error::Text`] and [`Error::At`].
    pub fn file(&mut self, path: &Path) -> Result<(), Error> {
        let octets = read(path).map_err(|source| Error::Text { path: path.to_owned(), source })?;
        self.octets(path, &octets)
    }

    /// Reads octets as those of a file of this name.
    ///
    /// # Errors
    /// [`Error::At`].
    pub fn octets(&mut self, path: &Path, octets: &[u8]) -> Result<(), Error> {
        let text = decode(octets).ok_or_else(|| Problem::Encoding.at(beginning(path)))?;
        self.text(path, &text)
    }

    /// Reads a text as that of a file of this name.
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
            return Err(Problem::TooMuch { what: "texts or octets of them", limit }.at(beginning(path)));
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
            let problem = "it takes the path of one file".to_owned();
            return Err(Problem::Pragma { name: "include".to_owned(), problem }.at(place));
        };
        let path = from.parent().unwrap_or(Path::new("")).join(name.replace('\\', "/"));
        let cannot = |problem: String| Problem::Include { path: path.clone(), problem };
        if open.contains(&path) {
            return Err(cannot("it includes itself".to_owned()).at(place));
        }
        if open.len() >= MAX_DEPTH {
            return Err(Problem::TooMuch { what: "texts inside each other", limit: MAX_DEPTH }.at(place));
        }
        let octets = read(&path).map_err(|error| cannot(error.to_string()).at(place.clone()))?;
        let text = decode(&octets).ok_or_else(|| Problem::Encoding.at(beginning(&path)))?;
        open.push(path.clone());
        self.include(&path, &text, open)?;
        open.pop();
        Ok(())
    }

    /// Does what the texts say. After an error the contents are of no use.
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

/// What holds from one item of a text to the next.
struct Run<'c> {
    compiler: &'c Compiler,
    namespace: Namespace,
    classes: Existing,
    instances: Existing,
    is_amendment: bool,
    aliases: HashMap<String, Instance>,
    qualifiers: HashMap<Name, QualifierDeclaration>,
    told: HashSet<String>,
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
            told: HashSet::new(),
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
            let own = own.ok_or_else(|| Problem::Missing(format!("class {} to amend", declaration.name)))?;
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
        let aliased = |alias: &str| self.aliases.get(alias).cloned();
        let instance = declaration.resolve(schema, &aliased)?;
        if let Some(alias) = &declaration.alias {
            self.aliases.insert(alias.clone(), instance.clone());
        }
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

    /// The namespace of a name in the one where the text is.
    fn child(&self, name: Option<&str>) -> Result<Namespace, Problem> {
        let name = name.unwrap_or_default();
        if name.contains(['/', '\\']) {
            return Err(cim::Error::Namespace { found: name.to_owned() }.into());
        }
        Ok(Namespace::parse(&format!("{}/{name}", self.namespace))?)
    }

    /// Removes the instance of a path; `false` if there is none.
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

    /// Something that was passed over, told once.
    fn note(&mut self, note: String) {
        if self.told.insert(note.clone()) {
            self.report.notes.push(note);
        }
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

/// The octets of a file, one more than are taken if there are more.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    // Texts of UTF-16 take twice as much.
    fs::File::open(path)?.take(2 * mof::MAX_TEXT as u64 + 1).read_to_end(&mut octets)?;
    Ok(octets)
}

/// A text in one of the encodings that editors of Windows write.
fn decode(octets: &[u8]) -> Option<String> {
    let utf16 = |octets: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, []) = octets.as_chunks::<2>() else { return None };
        char::decode_utf16(pairs.iter().copied().map(unit)).collect::<Result<String, _>>().ok()
    };
    match octets {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        octets => String::from_utf8(octets.to_vec()).ok(),
    }
}
