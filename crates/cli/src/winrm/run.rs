//! Carries a command of `winrm` out.

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
use crate::session::{Proven, Service, selectors, target};
use crate::settings::ClientSettings;

/// The streams of a program.
pub struct Streams<'s> {
    /// Where results go.
    pub out: &'s mut dyn Write,
    /// Where everything else goes.
    pub errors: &'s mut dyn Write,
    /// Where answers and `-file:-` come from.
    pub input: &'s mut dyn BufRead,
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// As it should.
    Whole,
    /// Some steps of quickconfig did not succeed.
    StepsFailed,
    /// Something was found that does not work; the sort of the first failure.
    Unwell(Kind),
    /// Some of many hosts failed, in this way; each has been told of.
    HostsFailed(Kind),
}

/// Carries a command out and prints what comes of it, where there is no terminal.
///
/// # Errors
/// [`Stop`].
pub async fn run(
    command: Command,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Done, Stop> {
    run_on(&Screen::none(), command, settings, streams).await
}

/// Carries a command out and prints what comes of it; what takes longer than two seconds shows how far it is.
///
/// # Errors
/// [`Stop`].
pub async fn run_on(
    screen: &Screen,
    command: Command,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Done, Stop> {
    match command {
        Command { fleet: Some(fleet), .. } => {
            let command = Command { fleet: None, ..command };
            fleet::run(screen, command, fleet, settings, streams).await
        }
        command => run_one(screen, command, settings, streams).await,
    }
}

/// A service that is signed in to once, and asked one thing after another.
pub struct Conversation(pub(super) Service);

impl Conversation {
    /// Finds the password, asking for it if need be; nothing is sent yet.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn begin(connection: Connection, settings: &ClientSettings) -> Result<Self, Stop> {
        Ok(Self(Service::new(connection, settings, Delegation::Refused)?))
    }

    /// Carries a command out on this service, whichever the command names, as [`run`] does.
    ///
    /// # Errors
    /// [`Stop`].
    pub async fn run(&self, command: Command, streams: &mut Streams<'_>) -> Result<Done, Stop> {
        on_service(&Screen::none(), self.0.clone(), command, streams).await
    }
}

/// The same for one host.
pub(super) async fn run_one(
    screen: &Screen,
    mut command: Command,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Done, Stop> {
    match command.operation {
        Operation::Hosts { task, hosts } => {
            hosts::run(task, &hosts, command.format, screen, streams)?;
            return Ok(Done::Whole);
        }
        Operation::Trust(task) => {
            trust::run(task, settings, streams)?;
            return Ok(Done::Whole);
        }
        operation => command.operation = operation,
    }
    let service = Service::new(command.connection.clone(), settings, Delegation::Refused)?;
    on_service(screen, service, command, streams).await
}

async fn on_service(
    screen: &Screen,
    service: Service,
    command: Command,
    streams: &mut Streams<'_>,
) -> Result<Done, Stop> {
    let Command { operation, options, format, intent, .. } = command;
    let progress = Rc::new(Progress::new(screen, service.host()));
    let run = Run { service, options, format, intent, progress: Rc::clone(&progress) };
    let (mut out, mut errors) = (progress.before(streams.out), progress.before(streams.errors));
    let mut streams = Streams { out: &mut out, errors: &mut errors, input: streams.input };
    // What asks at the terminal waits for an answer there, which only the system can interrupt.
    let asks = matches!(operation, Operation::QuickConfig { .. } | Operation::ConfigSddl { .. });
    let work = run.carry_out(operation, screen, &mut streams);
    if asks { progress.during(work).await } else { progress.unless_interrupted(work).await }
}

/// A command under way.
pub(super) struct Run {
    service: Service,
    options: KeyValues,
    format: Format,
    intent: Intent,
    progress: Rc<Progress>,
}

impl Run {
    async fn carry_out(
        &self,
        operation: Operation,
        screen: &Screen,
        streams: &mut Streams<'_>,
    ) -> Result<Done, Stop> {
        match operation {
            Operation::QuickConfig { transport, asking, public_zone, task, extras } => {
                let intent = self.intent;
                let plan = quick_config::Plan { transport, asking, public_zone, task, extras, intent };
                return quick_config::run(self, &plan, streams).await;
            }
            Operation::Enumerate { locator, enumeration } => {
                self.enumerate(&locator, enumeration, streams.out).await?;
            }
            Operation::ConfigSddl { target, sddl } => sddl::run(self, target, sddl, streams).await?,
            Operation::Shells { choice, fate } => shells::run(self, choice, fate, screen, streams).await?,
            operation if self.intent == Intent::Show => what_if::show(self, operation, streams).await?,
            operation => self.single(operation, streams).await?,
        }
        Ok(Done::Whole)
    }

    /// Whether the service is one of this machine.
    pub(super) fn is_here(&self) -> bool {
        self.service.is_here()
    }

    /// Whether changes are made.
    pub(super) fn intent(&self) -> Intent {
        self.intent
    }

    /// How results are printed.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Who asks, as it was typed; none where that is not known before the service says it.
    pub(super) fn user(&self) -> Option<&str> {
        self.service.user()
    }

    pub(super) async fn delete(&self, locator: &Locator) -> Result<(), Stop> {
        let target = target(locator, &self.options, None)?;
        self.told(self.service.session.delete(&target).await, locator).map(drop)
    }

    /// An operation with one answer.
    async fn single(&self, operation: Operation, streams: &mut Streams<'_>) -> Result<(), Stop> {
        match operation {
            Operation::Get { locator, fragment } => {
                let target = target(&locator, &self.options, fragment)?;
                let answer = self.told(self.service.session.get(&target).await, &locator)?;
                self.print(&answer, streams.out)?;
                self.miss_sources(&answer, streams.errors)
            }
            Operation::Set { locator, fragment, input } => {
                let target = target(&locator, &self.options, fragment)?;
                let body = match input {
                    Input::File(path) => read_xml(&path, streams.input)?,
                    Input::Values(values) => self.modified(&target, &locator, &values).await?,
                };
                let answer = self.told(self.service.session.put(&target, &body).await, &locator)?;
                self.print(&answer, streams.out)
            }
            Operation::Create { locator, input } => {
                let target = target(&locator, &self.options, None)?;
                let body = element(locator.last_segment(), &locator, input, streams.input)?;
                let created = self.told(self.service.session.create(&target, &body).await, &locator)?;
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
        self.told(self.service.session.invoke(&target, action, Some(body)).await, locator)
    }

    pub(super) async fn read(&self, locator: &Locator) -> Result<Response, Stop> {
        let target = target(locator, &self.options, None)?;
        self.told(self.service.session.get(&target).await, locator)
    }

    /// Replaces a resource as a whole.
    pub(super) async fn write(&self, locator: &Locator, body: &Markup) -> Result<Response, Stop> {
        let target = target(locator, &self.options, None)?;
        self.told(self.service.session.put(&target, body).await, locator)
    }

    /// All instances of a resource.
    pub(super) async fn list(&self, locator: &Locator) -> Result<Vec<Item>, Stop> {
        let target = target(locator, &self.options, None)?;
        let options = EnumerateOptions::default();
        let mut items = self.told(self.service.session.enumerate(&target, options).await, locator)?;
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            all.push(self.told(item, locator)?);
        }
        Ok(all)
    }

    /// Sets some values of a resource: Get, replace, Put.
    pub(super) async fn set(&self, locator: &Locator, values: &KeyValues) -> Result<Response, Stop> {
        let target = target(locator, &self.options, None)?;
        let body = self.modified(&target, locator, values).await?;
        self.told(self.service.session.put(&target, &body).await, locator)
    }

    pub(super) async fn modified(
        &self,
        target: &client::Locator,
        locator: &Locator,
        values: &KeyValues,
    ) -> Result<Markup, Stop> {
        let current = self.told(self.service.session.get(target).await, locator)?;
        let Some(resource) = current.content() else {
            return Err(Failure::here(Kind::Fault, "the service returned an empty resource").into());
        };
        Ok(body::modify(resource, values)?)
    }

    async fn identify(&self, out: &mut dyn Write) -> Result<(), Stop> {
        let session = &self.service.session;
        let identified = match self.service.login {
            Proven::Yes => session.identify().await,
            Proven::No => session.identify_anonymous().await,
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
        let mut items = self.told(self.service.session.enumerate(&target, options).await, locator)?;
        let mut results = self.format.results();
        out.write_all(results.open().as_bytes())?;
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => {
                    out.write_all(results.item(item.element()).as_bytes())?;
                    self.progress.step();
                }
                // What was printed stays one whole document.
                Err(error) => {
                    out.write_all(results.close().as_bytes())?;
                    return self.told(Err(error), locator);
                }
            }
            out.flush()?;
        }
        Ok(out.write_all(results.close().as_bytes())?)
    }

    fn told<T>(&self, outcome: Result<T, client::Error>, locator: &Locator) -> Result<T, Stop> {
        outcome.map_err(|error| self.service.failure(error).about(&locator.short()).into())
    }

    /// Says it if somebody asked for sources and got none.
    fn miss_sources(&self, answer: &Response, errors: &mut dyn Write) -> Result<(), Stop> {
        let is_asked = self.options.iter().any(|(name, _)| name == OptionSet::SOURCES);
        let is_told = answer.content().is_some_and(|element| element.source().contains(SOURCES));
        if is_asked && !is_told {
            writeln!(
                errors,
                "winrm: this service does not tell where values are written, or it is not about settings"
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

/// What of a resource is enumerated, as a session asks for it.
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
    let text_in = |dialect: &str, text: String| WireFilter {
        dialect: dialect.to_owned(),
        text,
        ..WireFilter::default()
    };
    match filter {
        Filter::Wql(text) => Ok(text_in(Dialect::WQL, text)),
        Filter::Other { dialect, text } => Ok(text_in(dialect.uri(), text)),
        Filter::Selectors(pairs) => {
            Ok(WireFilter { selectors: selectors(&pairs), ..text_in(Dialect::SELECTOR, String::new()) })
        }
        Filter::Association(association) => Ok(WireFilter {
            association: Some(
                association.to_wire().map_err(|fault| Failure::here(Kind::Usage, fault.to_string()))?,
            ),
            ..text_in(Dialect::ASSOCIATION, String::new())
        }),
    }
}

/// The body of create and invoke.
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

/// Reads a file with one element; `-` is standard input.
pub(super) fn read_xml(path: &Path, stdin: &mut dyn BufRead) -> Result<Markup, Stop> {
    let failed = |why: String| Failure::here(Kind::Usage, format!("cannot read {}: {why}", path.display()));
    let bounds = Bounds::default();
    let most = u64::try_from(bounds.octets).unwrap_or(u64::MAX).saturating_add(1);
    let mut octets = Vec::new();
    let read = if path == Path::new("-") {
        stdin.take(most).read_to_end(&mut octets)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut octets))
    };
    read.map_err(|error| failed(error.to_string()))?;
    let wide = octets.starts_with(&[0xFF, 0xFE]) || octets.starts_with(&[0xFE, 0xFF]);
    let encoding = if wide { Encoding::Utf16 } else { Encoding::Utf8 };
    let text = encoding.decode(octets).map_err(|error| failed(error.to_string()))?;
    let document = Document::parse(text, &bounds).map_err(|error| failed(error.to_string()))?;
    let mut writer = Writer::new();
    writer.copy(document.root());
    Ok(writer.into_fragment())
}
