//! WMI of this machine, in this process.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cim::{CimType, Class, Instance, Name, Namespace, ObjectPath, Operation, Schema, Shape, Value};
use cimom::ObjectManager;
use hardware::HostFile;
use repository::{ReloadingEngine, Repository};
use tokio::runtime::Runtime;
use wmi::{Context, Engine, Outcome};

use super::arguments::Target;
use super::listing::{QueryItem, interrupted_failure};
use super::row::{self, QueryResult};
use super::source::query_error;
use super::watch::{EventColumns, EventItem, unless_interrupted};
use crate::mofcomp::repository_failure;
use cli_command::Failure;
use cli_command::paths::{self, IfMissing};

/// WMI of this machine.
pub(super) struct LocalWmi {
    runtime: Runtime,
    living: ReloadingEngine,
    /// Engine at the start of the program, for class names; `living` follows changes of the repository.
    engine: Engine,
    namespace: Namespace,
    context: Context,
    /// Directory of the repository file, which is the state directory of the service.
    directory: PathBuf,
}

impl LocalWmi {
    pub(super) fn open(target: &Target) -> Result<Self, Failure> {
        let path = match &target.repository {
            Some(path) => path.clone(),
            None => paths::repository(IfMissing::Leave)?,
        };
        // A repository whose directory does not exist is empty.
        let is_missing = path.parent().is_some_and(|directory| !directory.exists());
        let repository = if is_missing {
            Repository::in_memory()
        } else {
            Repository::open(&path).map_err(repository_failure)?
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let state = paths::state_directory()?;
        let manager = ObjectManager::new(
            &state,
            Some(state.clone()),
            HostFile::of_state(&state),
            repository,
            runtime.handle().clone(),
        );
        let living = manager.engine().map_err(failed)?;
        let engine = living.engine();
        engine.schema(&target.namespace).map_err(failed)?;
        let user = std::env::var("USER").unwrap_or_else(|_| rustix::process::geteuid().as_raw().to_string());
        let context = Context::of_this_process(user);
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { runtime, living, engine, namespace: target.namespace.clone(), context, directory })
    }

    /// The directory of the repository file.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(super) fn engine(&self) -> Engine {
        self.living.engine()
    }

    /// The repository with the classes that were added.
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
        self.engine.schema(&self.namespace).map_err(failed)
    }

    pub(super) fn class(&self, name: &str) -> Result<Arc<Class>, Failure> {
        self.schema()?.class(name).ok_or_else(|| {
            let what = format!("there is no class {name} in {}", self.namespace);
            Failure::failed(what, &suggestion(&self.similar(name)))
        })
    }

    /// The classes of the namespace for completion; `open` has checked that the namespace exists.
    pub(super) fn names(&self) -> &Schema {
        static NONE: std::sync::LazyLock<Schema> =
            std::sync::LazyLock::new(|| Schema::of(Namespace::cimv2()));
        self.engine.schema(&self.namespace).unwrap_or(&NONE)
    }

    /// Passes the results of a query to `emit` as they arrive, until `enough` completes.
    pub(super) fn list(
        &self,
        text: &str,
        enough: impl Future<Output = ()>,
        emit: &mut dyn FnMut(QueryItem) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let engine = self.engine();
        let origin = engine.origin(&self.namespace);
        let failure = |error: wmi::Error| self.query_failure(text, error);
        self.runtime.block_on(async {
            tokio::pin!(enough);
            match engine.run(&self.context, &self.namespace, text).map_err(failure)? {
                Outcome::Rows(mut rows, names) => {
                    let selected: Option<Vec<String>> =
                        names.map(|names| names.iter().map(ToString::to_string).collect());
                    emit(QueryItem::Properties(selected.clone()))?;
                    loop {
                        let next = tokio::select! {
                            next = rows.next() => next,
                            () = &mut enough => return Err(interrupted_failure()),
                        };
                        let Some(instance) = next.transpose().map_err(failure)? else { break };
                        emit(QueryItem::Row(row::of_instance(&instance, selected.as_deref(), &origin)))?;
                    }
                    for omission in rows.take_omissions() {
                        emit(QueryItem::Omitted(omitted(&omission)))?;
                    }
                    Ok(())
                }
                Outcome::Classes(classes) => {
                    emit(QueryItem::Properties(Some(vec!["__CLASS".to_owned()])))?;
                    for class in &classes {
                        let row = vec![("__CLASS".to_owned(), class.name().to_string().into())];
                        emit(QueryItem::Row(row))?;
                    }
                    Ok(())
                }
            }
        })
    }

    /// Passes events to `emit` as they arrive, until `enough` completes.
    pub(super) fn watch(
        &self,
        query: &str,
        enough: impl Future<Output = ()>,
        emit: &mut dyn FnMut(EventItem) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let engine = self.engine();
        let origin = engine.origin(&self.namespace);
        let failure = |error: wmi::Error| self.query_failure(query, error);
        let columns = EventColumns::of_query(query);
        self.runtime.block_on(async {
            tokio::pin!(enough);
            let mut events =
                engine.subscribe(&self.context, &self.namespace, query).await.map_err(failure)?;
            emit(EventItem::Begun)?;
            loop {
                let next = tokio::select! {
                    next = events.next() => next,
                    () = &mut enough => return Ok(()),
                };
                match next.transpose().map_err(failure)? {
                    Some(wmi::Occurrence::Event(event)) => {
                        emit(EventItem::Event(columns.row(&event, &origin)))?;
                    }
                    Some(wmi::Occurrence::Dropped(count)) => emit(EventItem::Dropped(count))?,
                    Some(wmi::Occurrence::Omitted(omission)) => emit(EventItem::Omitted(omitted(&omission)))?,
                    None => return Ok(()),
                }
            }
        })
    }

    pub(super) fn get(&self, path: &ObjectPath) -> Result<QueryResult, Failure> {
        let (engine, namespace) = (self.engine(), self.namespace_of(path));
        let origin = engine.origin(&namespace);
        let get = async { engine.get(&self.context, &namespace, path).await.map_err(failed) };
        let instance = self.runtime.block_on(unless_interrupted(get))?;
        Ok(QueryResult { rows: vec![row::of_instance(&instance, None, &origin)], properties: None })
    }

    pub(super) fn call(
        &self,
        path: &ObjectPath,
        method: &str,
        arguments: &[(String, String)],
    ) -> Result<QueryResult, Failure> {
        let (engine, namespace) = (self.engine(), self.namespace_of(path));
        let origin = engine.origin(&namespace);
        let mut has_invalid_input = false;
        let input =
            |operation: &Operation| input_of(operation, arguments).inspect_err(|_| has_invalid_input = true);
        let call = async { Ok(engine.invoke(&self.context, &namespace, path, method, input).await) };
        let output = self.runtime.block_on(unless_interrupted(call))?;
        let output = output.map_err(|error| match &error {
            _ if has_invalid_input => {
                let remedy = format!("telarch wmi describe {} lists the parameters of {method}", path.class);
                Failure::failed(error, &remedy)
            }
            wmi::Error::NoMethod { class, .. } => {
                let remedy = format!("telarch wmi describe {class} lists its methods");
                Failure::failed(error, &remedy)
            }
            _ => failed(error),
        })?;
        let mut row = row::of_instance(&output, None, &origin);
        row.retain(|(_, value)| !value.is_null());
        Ok(QueryResult { rows: vec![row], properties: None })
    }

    fn namespace_of(&self, path: &ObjectPath) -> Namespace {
        path.namespace.clone().unwrap_or_else(|| self.namespace.clone())
    }

    /// Adds suggestions, or the position in the query, to an error.
    fn query_failure(&self, query: &str, error: wmi::Error) -> Failure {
        match &error {
            wmi::Error::Model(cim::Error::NoClass { name }) => {
                Failure::failed(&error, &suggestion(&self.similar(name)))
            }
            wmi::Error::Model(error) => query_error(query, error),
            _ => failed(error),
        }
    }

    /// Returns classes with similar names.
    fn similar(&self, name: &str) -> Vec<String> {
        let name = name.to_ascii_lowercase();
        let core = name.strip_prefix("win32_").unwrap_or(&name);
        let mut found: Vec<String> = self
            .names()
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

/// Returns the suggestion for an unknown class name.
fn suggestion(similar: &[String]) -> String {
    match similar {
        [] => "telarch wmi classes lists the classes; select another namespace with -n".to_owned(),
        [one] => format!("did you mean {one}?"),
        [most @ .., last] => format!("did you mean {} or {last}?", most.join(", ")),
    }
}

impl Drop for LocalWmi {
    /// Closes the sessions with management controllers.
    fn drop(&mut self) {
        self.runtime.block_on(self.engine.close());
    }
}

/// Parses the parameters of a method; an array is written `{a,b}`.
fn input_of(operation: &Operation, arguments: &[(String, String)]) -> Result<Instance, cim::Error> {
    let class = &operation.input;
    let mut input = Instance::with_defaults(class.clone());
    for (name, text) in arguments {
        let column = class.require(name)?;
        let Some(property) = class.property(column) else { continue };
        let kind = &property.kind;
        let value = match kind.shape {
            Shape::Scalar => element_of(&kind.element, text)?,
            _ => {
                let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
                let words = inner.split(',').map(str::trim).filter(|word| !word.is_empty());
                Value::Array(words.map(|word| element_of(&kind.element, word)).collect::<Result<_, _>>()?)
            }
        };
        input.set(column, value)?;
    }
    Ok(input)
}

/// Parses a single value; embedded instances have no text form.
fn element_of(kind: &CimType, text: &str) -> Result<Value, cim::Error> {
    match kind {
        CimType::Object(_) => {
            let expected = "a value with a text form";
            Err(cim::Error::Lexical { found: text.to_owned(), expected })
        }
        kind => kind.parse(text),
    }
}

impl LocalWmi {
    /// Returns whether a provider serves instances of a class.
    pub(super) fn serves(&self, class: &Name) -> bool {
        self.engine.serves(&self.namespace, class).unwrap_or(false)
    }
}

/// Returns the message for a class that is missing in a result.
fn omitted(omission: &wmi::Omission) -> String {
    cli::missing_source::omission_text(omission.class().as_str(), omission.reason())
}

pub(super) fn failed(error: wmi::Error) -> Failure {
    Failure::Failed(error.to_string())
}
