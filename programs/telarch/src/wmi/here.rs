//! WMI of this machine, in this process.

use std::io;
use std::sync::Arc;

use cim::{CimType, Class, Instance, Name, Namespace, ObjectPath, Operation, Schema, Shape, Value};
use cimom::ObjectManager;
use hardware::HostFile;
use repository::{ReloadingEngine, Repository};
use tokio::runtime::Runtime;
use wmi::{Context, Engine, Outcome};

use super::arguments::Place;
use super::listing::{Listed, given_up};
use super::row::{self, Found};
use super::source::explained;
use super::watch::{Occurred, asked_of_events, unless_interrupted};
use crate::failure::Failure;
use crate::place::{self, IfMissing};

pub(super) struct Here {
    runtime: Runtime,
    living: ReloadingEngine,
    /// That of the beginning, for names.
    engine: Engine,
    namespace: Namespace,
    context: Context,
}

impl Here {
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        let path = match &place.repository {
            Some(path) => path.clone(),
            None => place::repository(IfMissing::Leave)?,
        };
        // Where there is no folder yet there is nothing in it.
        let is_new = path.parent().is_some_and(|folder| !folder.exists());
        let repository = if is_new { Repository::in_memory() } else { Repository::open(&path)? };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let state = place::state()?;
        let manager = ObjectManager::new(
            &state,
            Some(state.clone()),
            HostFile::of_state(&state),
            repository,
            runtime.handle().clone(),
        );
        let living = manager.engine()?;
        let engine = living.engine();
        engine.schema(&place.namespace)?;
        let user = std::env::var("USER").unwrap_or_else(|_| rustix::process::geteuid().as_raw().to_string());
        let context = Context::of_this_process(user);
        Ok(Self { runtime, living, engine, namespace: place.namespace.clone(), context })
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(super) fn engine(&self) -> Engine {
        self.living.engine()
    }

    /// What was added to the classes of the system.
    pub(super) fn repository(&self) -> &Repository {
        self.living.repository()
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The classes of the namespace.
    pub(super) fn schema(&self) -> Result<&Schema, Failure> {
        Ok(self.engine.schema(&self.namespace)?)
    }

    pub(super) fn class(&self, name: &str) -> Result<Arc<Class>, Failure> {
        self.schema()?.class(name).ok_or_else(|| {
            let what = format!("there is no class {name} in {}", self.namespace);
            Failure::failed(what, &meant(&self.alike(name)))
        })
    }

    /// The same for completion, which never fails: that the namespace exists was seen at the beginning.
    pub(super) fn known(&self) -> &Schema {
        static NONE: std::sync::LazyLock<Schema> =
            std::sync::LazyLock::new(|| Schema::of(Namespace::cimv2()));
        self.engine.schema(&self.namespace).unwrap_or(&NONE)
    }

    /// Tells what a query finds as it comes, until it is enough.
    pub(super) fn list(
        &self,
        text: &str,
        enough: impl Future<Output = ()>,
        tell: &mut dyn FnMut(Listed) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let engine = self.engine();
        let origin = engine.origin(&self.namespace);
        let told = |error: wmi::Error| self.told(text, error);
        self.runtime.block_on(async {
            tokio::pin!(enough);
            match engine.run(&self.context, &self.namespace, text).map_err(told)? {
                Outcome::Rows(mut rows, names) => {
                    let asked: Option<Vec<String>> =
                        names.map(|names| names.iter().map(ToString::to_string).collect());
                    tell(Listed::Begun(asked.clone()))?;
                    loop {
                        let next = tokio::select! {
                            next = rows.next() => next,
                            () = &mut enough => return Err(given_up()),
                        };
                        let Some(instance) = next.transpose().map_err(told)? else { return Ok(()) };
                        tell(Listed::Row(row::of_instance(&instance, asked.as_deref(), &origin)))?;
                    }
                }
                Outcome::Classes(classes) => {
                    tell(Listed::Begun(Some(vec!["__CLASS".to_owned()])))?;
                    let row =
                        |class: &Arc<Class>| vec![("__CLASS".to_owned(), class.name().to_string().into())];
                    Ok(classes.iter().try_for_each(|class| tell(Listed::Row(row(class))))?)
                }
            }
        })
    }

    /// Tells events as they come, until it is enough.
    pub(super) fn watch(
        &self,
        query: &str,
        enough: impl Future<Output = ()>,
        tell: &mut dyn FnMut(Occurred) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let engine = self.engine();
        let origin = engine.origin(&self.namespace);
        let told = |error: wmi::Error| self.told(query, error);
        let asked = asked_of_events(query);
        self.runtime.block_on(async {
            tokio::pin!(enough);
            let mut events = engine.subscribe(&self.context, &self.namespace, query).await.map_err(told)?;
            tell(Occurred::Begun)?;
            loop {
                let next = tokio::select! {
                    next = events.next() => next,
                    () = &mut enough => return Ok(()),
                };
                match next.transpose().map_err(told)? {
                    Some(wmi::Occurrence::Event(event)) => {
                        tell(Occurred::Event(row::of_instance(&event, asked.as_deref(), &origin)))?;
                    }
                    Some(wmi::Occurrence::Dropped(count)) => tell(Occurred::Dropped(count))?,
                    None => return Ok(()),
                }
            }
        })
    }

    pub(super) fn get(&self, path: &ObjectPath) -> Result<Found, Failure> {
        let (engine, namespace) = (self.engine(), self.namespace_of(path));
        let origin = engine.origin(&namespace);
        let getting = async { Ok(engine.get(&self.context, &namespace, path).await?) };
        let instance = self.runtime.block_on(unless_interrupted(getting))?;
        Ok(Found { rows: vec![row::of_instance(&instance, None, &origin)], asked: None })
    }

    pub(super) fn call(
        &self,
        path: &ObjectPath,
        method: &str,
        arguments: &[(String, String)],
    ) -> Result<Found, Failure> {
        let (engine, namespace) = (self.engine(), self.namespace_of(path));
        let origin = engine.origin(&namespace);
        let mut is_wrong = false;
        let input = |operation: &Operation| input_of(operation, arguments).inspect_err(|_| is_wrong = true);
        let calling = async { Ok(engine.invoke(&self.context, &namespace, path, method, input).await) };
        let output = self.runtime.block_on(unless_interrupted(calling))?;
        let output = output.map_err(|error| match &error {
            _ if is_wrong => {
                let way_out = format!("telarch wmi describe {} lists the parameters of {method}", path.class);
                Failure::failed(error, &way_out)
            }
            wmi::Error::NoMethod { class, .. } => {
                let way_out = format!("telarch wmi describe {class} lists those that it has");
                Failure::failed(error, &way_out)
            }
            _ => error.into(),
        })?;
        let mut row = row::of_instance(&output, None, &origin);
        row.retain(|(_, value)| !value.is_null());
        Ok(Found { rows: vec![row], asked: None })
    }

    fn namespace_of(&self, path: &ObjectPath) -> Namespace {
        path.namespace.clone().unwrap_or_else(|| self.namespace.clone())
    }

    fn told(&self, query: &str, error: wmi::Error) -> Failure {
        match &error {
            wmi::Error::Model(cim::Error::NoClass { name }) => {
                Failure::failed(&error, &meant(&self.alike(name)))
            }
            wmi::Error::Model(error) => explained(query, error),
            _ => error.into(),
        }
    }

    /// Classes that may have been meant.
    fn alike(&self, name: &str) -> Vec<String> {
        let name = name.to_ascii_lowercase();
        let core = name.strip_prefix("win32_").unwrap_or(&name);
        let mut found: Vec<String> = self
            .known()
            .names()
            .map(|(class, _)| class.to_string())
            .filter(|class| {
                let class = class.to_ascii_lowercase();
                let other = class.strip_prefix("win32_").unwrap_or(&class);
                !core.is_empty() && (other == core || core.len() > 3 && cli::edit_distance(core, other) <= 2)
            })
            .collect();
        found.sort();
        found.truncate(5);
        found
    }
}

/// What to do about the name of a class that there is not.
fn meant(like: &[String]) -> String {
    match like {
        [] => "telarch wmi classes lists those that there are; -n names another namespace".to_owned(),
        [one] => format!("did you mean {one}?"),
        [most @ .., last] => format!("did you mean {} or {last}?", most.join(", ")),
    }
}

impl Drop for Here {
    /// Sessions with controllers are not left open.
    fn drop(&mut self) {
        self.runtime.block_on(self.engine.close());
    }
}

/// The parameters of a method from words; an array is written `{a,b}`.
fn input_of(operation: &Operation, arguments: &[(String, String)]) -> Result<Instance, cim::Error> {
    let class = &operation.input;
    let mut input = Instance::with_defaults(class.clone());
    for (name, text) in arguments {
        let column = class.require(name)?;
        let Some(property) = class.property(column) else { continue };
        let kind = &property.kind;
        let one = |text: &str| match &kind.element {
            CimType::Object(_) => Err(cim::Error::Lexical {
                found: text.to_owned(),
                expected: "a value that can be written in words",
            }),
            element => element.parse(text),
        };
        let value = match kind.shape {
            Shape::Scalar => one(text)?,
            _ => {
                let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
                let words = inner.split(',').map(str::trim).filter(|word| !word.is_empty());
                Value::Array(words.map(one).collect::<Result<_, _>>()?)
            }
        };
        input.set(column, value)?;
    }
    Ok(input)
}

impl Here {
    /// Whether there are instances of a class itself.
    pub(super) fn serves(&self, class: &Name) -> bool {
        self.engine.serves(&self.namespace, class).unwrap_or(false)
    }
}

impl From<wmi::Error> for Failure {
    fn from(error: wmi::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
