//! Execution of a command on a service.

use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::rc::Rc;

use client::{EnumerateOptions, Item};
use wsman::enumeration::{EnumerationMode, Filter as WireFilter, PolymorphismMode};
use wsman::namespace::SOURCES;
use wsman::{FragmentTransfer, OptionSet, Response};
use xml::{Bounds, Document, Encoding, Fragment as Markup, Writer};

use super::source_note::missing_source_note;
use super::streams::Streams;
use super::{Dialect, Enumeration, Filter, Hierarchy, Input, Intent, Operation, ReturnType};
use crate::body;
use crate::failure::{Failure, Kind};
use crate::format::Format;
use crate::input::KeyValues;
use crate::locator::Locator;
use crate::missing_source::{class_of_query, omission_text};
use crate::program::Stop;
use crate::screen::Progress;
use crate::session::{Authenticated, RemoteService, resource, selectors, target};
use crate::sign_in_analysis::{AnalysisResponse, SignInAnalysis};

/// A command during its execution.
pub(super) struct Run {
    pub(super) service: RemoteService,
    pub(super) options: KeyValues,
    pub(super) format: Format,
    pub(super) intent: Intent,
    pub(super) progress: Rc<Progress>,
}

impl Run {
    /// Returns whether the command runs on the local service.
    pub(super) fn is_local(&self) -> bool {
        self.service.is_local()
    }

    /// Returns the service.
    pub(super) fn service(&self) -> &RemoteService {
        &self.service
    }

    /// Returns the options of the command.
    pub(super) fn options(&self) -> &KeyValues {
        &self.options
    }

    /// Returns the same command on another service.
    pub(super) fn with_service(&self, service: RemoteService) -> Self {
        let Self { options, format, intent, progress, .. } = self;
        let (options, progress) = (options.clone(), Rc::clone(progress));
        Self { service, options, format: *format, intent: *intent, progress }
    }

    /// Returns whether the service is looked for at the default sockets of this machine.
    pub(super) fn uses_default_sockets(&self) -> bool {
        self.service.local_sockets() == Some(config::local_sockets().as_slice())
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
    pub(super) async fn single(&self, operation: Operation, streams: &mut Streams<'_>) -> Result<(), Stop> {
        match operation {
            Operation::Get { locator, fragment } => {
                let target = target(&locator, &self.options, fragment.map(FragmentTransfer::from))?;
                let answer = self.with_context(self.service.session.get(&target).await, &locator)?;
                self.print(&answer, streams.out)?;
                self.warn_about_sources(&answer, streams.errors)?;
                self.warn_about_sign_in(&locator, streams.errors).await
            }
            Operation::Set { locator, fragment, input } => {
                let target = target(&locator, &self.options, fragment.map(FragmentTransfer::from))?;
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

    pub(super) async fn enumerate(
        &self,
        locator: &Locator,
        enumeration: Enumeration,
        streams: &mut Streams<'_>,
    ) -> Result<(), Stop> {
        let out = &mut *streams.out;
        let class = class_of(locator, &enumeration);
        let target = target(locator, &self.options, None)?;
        let options = options_of(enumeration)?;
        let mut items = self.with_context(self.service.session.enumerate(&target, options).await, locator)?;
        let mut results = self.format.results();
        out.write_all(results.open().as_bytes())?;
        let mut is_empty = true;
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => {
                    is_empty = false;
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
        out.write_all(results.close().as_bytes())?;
        for omission in items.omissions() {
            writeln!(streams.errors, "winrm: {}", omission_text(&omission.source, &omission.reason))?;
        }
        if is_empty
            && items.omissions().is_empty()
            && let Some(note) = missing_source_note(&self.service, locator, &class).await
        {
            writeln!(streams.errors, "winrm: {note}")?;
        }
        Ok(())
    }

    /// Adds the context of the session and the resource to an error.
    pub(super) fn with_context<T>(
        &self,
        outcome: Result<T, client::Error>,
        locator: &Locator,
    ) -> Result<T, Stop> {
        outcome.map_err(|error| {
            let has_no_service = matches!(error, client::Error::NoLocalService { .. });
            let failure = self.service.failure(error).about(&locator.short());
            let is_client = resource(locator).is_ok_and(|uri| uri.below(CLIENT_SETTINGS).is_some());
            match has_no_service && is_client {
                true => failure.advise(TRUST_WITHOUT_SERVICE).into(),
                false => failure.into(),
            }
        })
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

    /// Prints a note if the shown schemes are of no use to any account of the local service.
    async fn warn_about_sign_in(&self, locator: &Locator, errors: &mut dyn Write) -> Result<(), Stop> {
        let is_about_schemes = locator.resource_uri().to_ascii_lowercase().ends_with("/config/service/auth");
        if !is_about_schemes || !self.is_local() {
            return Ok(());
        }
        // A user who may not ask for the report has seen the settings, which is all that was requested.
        let Ok(AnalysisResponse::Answered(analysis)) = SignInAnalysis::request(&self.service).await else {
            return Ok(());
        };
        match analysis.report.problem() {
            Some(problem) => Ok(writeln!(errors, "winrm: note: {problem}")?),
            None => Ok(()),
        }
    }

    fn print(&self, answer: &Response, out: &mut dyn Write) -> Result<(), Stop> {
        match answer.content() {
            Some(element) => Ok(out.write_all(self.format.print(element).as_bytes())?),
            None => Ok(()),
        }
    }
}

/// Resource of the client settings.
const CLIENT_SETTINGS: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/client";

/// Advice for client settings without a service.
const TRUST_WITHOUT_SERVICE: &str = "TrustedHosts can be changed without a service: winrm trust HOST";

/// Returns the class whose instances are enumerated.
fn class_of(locator: &Locator, enumeration: &Enumeration) -> String {
    let query = match &enumeration.filter {
        Some(Filter::Wql(text)) => class_of_query(text),
        _ => None,
    };
    query.unwrap_or_else(|| locator.last_segment()).to_owned()
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
