//! Execution of a `winrm` command.

use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::rc::Rc;

use client::{EnumerateOptions, Item};
use wsman::enumeration::{EnumerationMode, Filter as WireFilter, PolymorphismMode};
use wsman::namespace::SOURCES;
use wsman::{OptionSet, Response};
use xml::{Bounds, Document, Encoding, Fragment as Markup, Writer};

use super::{Command, Dialect, Enumeration, Filter, Hierarchy, Input, Intent, Operation, ReturnType};
use super::{fleet, hosts, quick_config, sddl, shells, trust, what_if};
use crate::body;
use crate::connection::{Connection, Delegation};
use crate::failure::{Failure, Kind};
use crate::format::Format;
use crate::input::KeyValues;
use crate::locator::Locator;
use crate::program::Stop;
use crate::screen::{Progress, Screen};
use crate::session::{Authenticated, RemoteService, selectors, target};
use crate::settings::ClientSettings;

/// Standard streams of a program.
pub struct Streams<'s> {
    /// Output for results.
    pub out: &'s mut dyn Write,
    /// Output for messages.
    pub errors: &'s mut dyn Write,
    /// Input for prompts and for `-file:-`.
    pub input: &'s mut dyn BufRead,
}

/// Result of a command that ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The command succeeded.
    Success,
    /// Some steps of quickconfig failed.
    StepsFailed,
    /// A check of doctor failed, with the kind of the first failure.
    ChecksFailed(Kind),
    /// Some hosts failed, with the common kind of failure; the failures were already reported.
    HostsFailed(Kind),
}

/// Executes a command and prints its result, without a progress line.
///
/// # Errors
/// [`Stop`] if the command fails or its output cannot be written.
pub async fn run(
    command: Command,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    run_on(&Screen::none(), command, settings, streams).await
}

/// Executes a command and prints its result. A progress line is shown if it takes longer than two seconds.
///
/// # Errors
/// [`Stop`] if the command fails or its output cannot be written, or if it is interrupted.
pub async fn run_on(
    screen: &Screen,
    command: Command,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    match command {
        Command { fleet: Some(fleet), .. } => {
            let command = Command { fleet: None, ..command };
            fleet::run(screen, command, fleet, settings, streams).await
        }
        command => run_one(screen, command, settings, streams).await,
    }
}

/// Executes several commands over one authenticated session.
pub struct CommandRunner(pub(super) RemoteService);

impl CommandRunner {
    /// Creates the session. Reads the password, with a prompt if necessary; sends nothing.
    ///
    /// # Errors
    /// [`Stop`] if the connection options are invalid or there is no password.
    pub fn new(connection: Connection, settings: &ClientSettings) -> Result<Self, Stop> {
        Ok(Self(RemoteService::new(connection, settings, Delegation::Refused)?))
    }

    /// Executes a command like [`run`], but over this session. The connection of the command is ignored.
    ///
    /// # Errors
    /// [`Stop`] if the command fails or its output cannot be written.
    pub async fn run(&self, command: Command, streams: &mut Streams<'_>) -> Result<Completion, Stop> {
        on_service(&Screen::none(), self.0.clone(), command, streams).await
    }
}

/// Executes a command on one host.
pub(super) async fn run_one(
    screen: &Screen,
    mut command: Command,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    match command.operation {
        Operation::Hosts { task, hosts } => {
            hosts::run(task, &hosts, command.format, screen, streams)?;
            return Ok(Completion::Success);
        }
        Operation::Trust(task) => {
            trust::run(task, settings, streams)?;
            return Ok(Completion::Success);
        }
        operation => command.operation = operation,
    }
    let service = RemoteService::new(command.connection.clone(), settings, Delegation::Refused)?;
    on_service(screen, service, command, streams).await
}

async fn on_service(
    screen: &Screen,
    service: RemoteService,
    command: Command,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    let Command { operation, options, format, intent, .. } = command;
    let progress = Rc::new(Progress::new(screen, service.host()));
    let run = Run { service, options, format, intent, progress: Rc::clone(&progress) };
    let (mut out, mut errors) = (progress.clearing(streams.out), progress.clearing(streams.errors));
    let mut streams = Streams { out: &mut out, errors: &mut errors, input: streams.input };
    // A read from the terminal cannot be cancelled, so Ctrl-C must end the process during prompts.
    let asks = matches!(operation, Operation::QuickConfig { .. } | Operation::ConfigSddl { .. });
    let work = run.execute(operation, screen, &mut streams);
    if asks { progress.during(work).await } else { progress.unless_interrupted(work).await }
}

/// A command during its execution.
pub(super) struct Run {
    service: RemoteService,
    options: KeyValues,
    format: Format,
    intent: Intent,
    progress: Rc<Progress>,
}

impl Run {
    async fn execute(
        &self,
        operation: Operation,
        screen: &Screen,
        streams: &mut Streams<'_>,
    ) -> Result<Completion, Stop> {
        match operation {
            Operation::QuickConfig { transport, confirmation, public_zone, task, options } => {
                let intent = self.intent;
                let plan = quick_config::Plan { transport, confirmation, public_zone, task, options, intent };
                return quick_config::run(self, &plan, streams).await;
            }
            Operation::Enumerate { locator, enumeration } => {
                self.enumerate(&locator, enumeration, streams.out).await?;
            }
            Operation::ConfigSddl { target, sddl } => sddl::run(self, target, sddl, streams).await?,
            Operation::Shells { selection, action } => {
                shells::run(self, selection, action, screen, streams).await?
            }
            operation if self.intent == Intent::Preview => what_if::show(self, operation, streams).await?,
            operation => self.single(operation, streams).await?,
        }
        Ok(Completion::Success)
    }

    /// Returns whether the command runs on the local service.
    pub(super) fn is_local(&self) -> bool {
        self.service.is_local()
    }

    /// Returns whether changes are made or only shown.
    pub(super) fn intent(&self) -> Intent {
        self.intent
    }

    /// Returns the output format.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Returns the user name as typed, or `None` if only the service knows it.
    pub(super) fn user(&self) -> Option<&str> {
        self.service.user()
    }

    pub(super) async fn delete(&self, locator: &Locator) -> Result<(), Stop> {
        let target = target(locator, &self.options, None)?;
        self.with_context(self.service.session.delete(&target).await, locator).map(drop)
    }

    /// Executes an operation with a single response.
    async fn single(&self, operation: Operation, streams: &mut Streams<'_>) -> Result<(), Stop> {
        match operation {
            Operation::Get { locator, fragment } => {
                let target = target(&locator, &self.options, fragment)?;
                let answer = self.with_context(self.service.session.get(&target).await, &locator)?;
                self.print(&answer, streams.out)?;
                self.warn_about_sources(&answer, streams.errors)
            }
            Operation::Set { locator, fragment, input } => {
                let target = target(&locator, &self.options, fragment)?;
                let body = match input {
                    Input::File(path) => read_xml(&path, streams.input)?,
                    Input::Values(values) => self.modified(&target, &locator, &values).await?,
                };
                let answer = self.with_context(self.service.session.put(&target, &body).await, &locator)?;
                self.print(&answer, streams.out)
            }
            Operation::Create { locator, input } => {
                let target = target(&locator, &self.options, None)?;
                let body = element(locator.last_segment(), &locator, input, streams.input)?;
                let created =
                    self.with_context(self.service.session.create(&target, &body).await, &locator)?;
                self.print(&created.answer, streams.out)
            }
            Operation::Delete { locator } => self.delete(&locator).await,
            Operation::Invoke { action, locator, input } => {
                let name = action.rsplit('/').next().unwrap_or_default();
                let body = element(&format!("{name}_INPUT"), &locator, input, streams.input)?;
                let answer = self.invoke(&locator, &locator.action_uri(&action), &body).await?;
                self.print(&answer, streams.out)
            }
            _ => self.identify(streams.out).await,
        }
    }

    pub(super) async fn invoke(
        &self,
        locator: &Locator,
        action: &str,
        body: &Markup,
    ) -> Result<Response, Stop> {
        let target = target(locator, &self.options, None)?;
        self.with_context(self.service.session.invoke(&target, action, Some(body)).await, locator)
    }

    pub(super) async fn read(&self, locator: &Locator) -> Result<Response, Stop> {
        let target = target(locator, &self.options, None)?;
        self.with_context(self.service.session.get(&target).await, locator)
    }

    /// Replaces the whole resource.
    pub(super) async fn write(&self, locator: &Locator, body: &Markup) -> Result<Response, Stop> {
        let target = target(locator, &self.options, None)?;
        self.with_context(self.service.session.put(&target, body).await, locator)
    }

    /// Returns all instances of a resource.
    pub(super) async fn list(&self, locator: &Locator) -> Result<Vec<Item>, Stop> {
        let target = target(locator, &self.options, None)?;
        let options = EnumerateOptions::default();
        let mut items = self.with_context(self.service.session.enumerate(&target, options).await, locator)?;
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            all.push(self.with_context(item, locator)?);
        }
        Ok(all)
    }

    /// Modifies some values of a resource: Get, replace, Put.
    pub(super) async fn set(&self, locator: &Locator, values: &KeyValues) -> Result<Response, Stop> {
        let target = target(locator, &self.options, None)?;
        let body = self.modified(&target, locator, values).await?;
        self.with_context(self.service.session.put(&target, &body).await, locator)
    }

    pub(super) async fn modified(
        &self,
        target: &client::Locator,
        locator: &Locator,
        values: &KeyValues,
    ) -> Result<Markup, Stop> {
        let current = self.with_context(self.service.session.get(target).await, locator)?;
        let Some(resource) = current.content() else {
            return Err(Failure::here(Kind::Fault, "the service returned an empty resource").into());
        };
        Ok(body::modify(resource, values)?)
    }

    async fn identify(&self, out: &mut dyn Write) -> Result<(), Stop> {
        let session = &self.service.session;
        let identified = match self.service.authenticated {
            Authenticated::Yes => session.identify().await,
            Authenticated::No => session.identify_anonymous().await,
        };
        let identified = identified.map_err(|error| self.service.failure(error))?;
        if let Some(element) = identified.answer.content_named("IdentifyResponse") {
            out.write_all(self.format.print(element).as_bytes())?;
        }
        Ok(())
    }

    async fn enumerate(
        &self,
        locator: &Locator,
        enumeration: Enumeration,
        out: &mut dyn Write,
    ) -> Result<(), Stop> {
        let target = target(locator, &self.options, None)?;
        let options = options_of(enumeration)?;
        let mut items = self.with_context(self.service.session.enumerate(&target, options).await, locator)?;
        let mut results = self.format.results();
        out.write_all(results.open().as_bytes())?;
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => {
                    out.write_all(results.item(item.element()).as_bytes())?;
                    self.progress.step();
                }
                // Close the document, so that the printed part is well-formed.
                Err(error) => {
                    out.write_all(results.close().as_bytes())?;
                    return self.with_context(Err(error), locator);
                }
            }
            out.flush()?;
        }
        Ok(out.write_all(results.close().as_bytes())?)
    }

    /// Adds the context of the session and the resource to an error.
    fn with_context<T>(&self, outcome: Result<T, client::Error>, locator: &Locator) -> Result<T, Stop> {
        outcome.map_err(|error| self.service.failure(error).about(&locator.short()).into())
    }

    /// Prints a warning if `-sources` was given and the response contains no sources.
    fn warn_about_sources(&self, answer: &Response, errors: &mut dyn Write) -> Result<(), Stop> {
        let requested = self.options.iter().any(|(name, _)| name == OptionSet::SOURCES);
        let included = answer.content().is_some_and(|element| element.source().contains(SOURCES));
        if requested && !included {
            writeln!(
                errors,
                "winrm: -sources has no effect: the service returned no sources for this resource"
            )?;
        }
        Ok(())
    }

    fn print(&self, answer: &Response, out: &mut dyn Write) -> Result<(), Stop> {
        match answer.content() {
            Some(element) => Ok(out.write_all(self.format.print(element).as_bytes())?),
            None => Ok(()),
        }
    }
}

/// Converts an enumeration to options of the client.
pub(super) fn options_of(enumeration: Enumeration) -> Result<EnumerateOptions, Failure> {
    let mode = match enumeration.returns {
        ReturnType::Object => EnumerationMode::Object,
        ReturnType::Epr => EnumerationMode::Reference,
        ReturnType::ObjectAndEpr => EnumerationMode::ObjectAndReference,
    };
    let polymorphism = match enumeration.hierarchy {
        Hierarchy::Deep => PolymorphismMode::IncludeSubClassProperties,
        Hierarchy::Shallow => PolymorphismMode::None,
        Hierarchy::BasePropertiesOnly => PolymorphismMode::ExcludeSubClassProperties,
    };
    let filter = enumeration.filter.map(wire_filter).transpose()?;
    Ok(EnumerateOptions { mode, polymorphism, filter, ..EnumerateOptions::default() })
}

pub(super) fn wire_filter(filter: Filter) -> Result<WireFilter, Failure> {
    let mut wire = WireFilter::default();
    wire.dialect = match filter {
        Filter::Wql(text) => {
            wire.text = text;
            Dialect::WQL.to_owned()
        }
        Filter::Other { dialect, text } => {
            wire.text = text;
            dialect.uri().to_owned()
        }
        Filter::Selectors(pairs) => {
            wire.selectors = selectors(&pairs);
            Dialect::SELECTOR.to_owned()
        }
        Filter::Association(association) => {
            let association = association.to_wire();
            wire.association =
                Some(association.map_err(|fault| Failure::here(Kind::Usage, fault.to_string()))?);
            Dialect::ASSOCIATION.to_owned()
        }
    };
    Ok(wire)
}

/// Returns the body of create or invoke.
pub(super) fn element(
    root: &str,
    locator: &Locator,
    input: Input,
    stdin: &mut dyn BufRead,
) -> Result<Markup, Stop> {
    match input {
        Input::Values(values) => Ok(body::write(root, locator.resource_uri(), &values)?),
        Input::File(path) => read_xml(&path, stdin),
    }
}

/// Reads a file with one XML element; `-` is standard input.
pub(super) fn read_xml(path: &Path, stdin: &mut dyn BufRead) -> Result<Markup, Stop> {
    read_element(path, stdin).map_err(|reason| {
        Failure::here(Kind::Usage, format!("cannot read {}: {reason}", path.display())).into()
    })
}

fn read_element(path: &Path, stdin: &mut dyn BufRead) -> Result<Markup, String> {
    let bounds = Bounds::default();
    let limit = u64::try_from(bounds.octets).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        stdin.take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| error.to_string())?;
    // A byte order mark in either order means UTF-16.
    let wide = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    let encoding = if wide { Encoding::Utf16 } else { Encoding::Utf8 };
    let text = encoding.decode(bytes).map_err(|error| error.to_string())?;
    let document = Document::parse(text, &bounds).map_err(|error| error.to_string())?;
    let mut writer = Writer::new();
    writer.copy(document.root());
    Ok(writer.into_fragment())
}
