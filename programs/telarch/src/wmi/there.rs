//! WMI of another machine, asked as `winrm` asks.

use std::io;
use std::sync::Arc;

use cim::wql::{self, Query};
use cim::wscim::Reader;
use cim::{Class, KeyValue, Namespace, ObjectPath, Origin, Schema};
use cli::failure::{ExitCodes, Program};
use cli::program::Stop;
use cli::winrm::{Invocation, Streams, Told};
use cli::{ClientSettings, Format, SavedHosts};
use serde_json::Value as Json;
use xml::{Bounds, Document, Element};

use super::arguments::Place;
use super::row::{self, Found, Row};
use super::watch::{Occurred, asked_of_events};
use crate::failure::Failure;

pub(super) struct There {
    namespace: Namespace,
    switches: Vec<String>,
    /// The classes as this program knows them, for the types of values.
    schema: Schema,
}

impl There {
    pub(super) fn new(place: &Place) -> Self {
        let schema = Schema::of(place.namespace.clone());
        Self { namespace: place.namespace.clone(), switches: place.switches.clone(), schema }
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn name(&self) -> String {
        let is_host = |switch: &&String| switch.starts_with("-r:") || switch.starts_with("-remote:");
        let host = self.switches.iter().find(is_host).and_then(|switch| switch.split_once(':'));
        format!("{} {}", host.map_or("", |(_, host)| host), self.namespace)
    }

    pub(super) fn query(&self, text: &str) -> Result<Found, Failure> {
        let (class, asked) = match wql::parse(text) {
            Ok(Query::Select(select)) => {
                let names = select.names().map(|names| names.iter().map(ToString::to_string).collect());
                (self.schema.class(select.from.as_str()), names)
            }
            _ => (None, None),
        };
        let answer =
            self.ask(&["enumerate", &format!("wmi/{}/*", self.namespace), &format!("-filter:{text}")])?;
        let document = parsed(answer)?;
        let rows = document.root().children().map(|item| self.row(item, class.as_ref(), asked.as_deref()));
        Ok(Found { rows: rows.collect(), asked })
    }

    pub(super) fn get(&self, path: &ObjectPath) -> Result<Found, Failure> {
        let answer = self.ask_of(path, &["get"], &[])?;
        let document = parsed(answer)?;
        Ok(Found { rows: vec![self.row(document.root(), None, None)], asked: None })
    }

    pub(super) fn call(
        &self,
        path: &ObjectPath,
        method: &str,
        arguments: &[(String, String)],
    ) -> Result<Found, Failure> {
        if let Some((name, _)) = arguments.iter().find(|(_, value)| value.contains('"')) {
            return Err(Failure::failed(
                format!("{name}: a value with a quotation mark cannot be sent in this way"),
                "winrm invoke takes it from a file: winrm help input",
            ));
        }
        let values: Vec<String> =
            arguments.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let input = format!("@{{{}}}", values.join(";"));
        let answer = self.ask_of(path, &["invoke", method], &[input])?;
        let document = parsed(answer)?;
        // What comes out is a class of its own.
        let class = self.schema.class(path.class.as_str());
        let output = class.as_ref().and_then(|class| class.method(method)).map(|own| &own.output);
        let mut row = self.row(document.root(), output, None);
        row.retain(|(_, value)| !value.is_null());
        Ok(Found { rows: vec![row], asked: None })
    }

    /// Asks about an instance or a class.
    fn ask_of(&self, path: &ObjectPath, operation: &[&str], input: &[String]) -> Result<String, Failure> {
        let namespace = path.namespace.as_ref().unwrap_or(&self.namespace);
        let resource = format!("wmi/{namespace}/{}", path.class);
        // The name of a key that was left out is known of classes that are known.
        let unnamed = match &path.identity {
            cim::Identity::Unnamed(value) => {
                let class = self.schema.class(path.class.as_str());
                let key = class.as_ref().and_then(|class| class.property(*class.keys().first()?));
                let key = key.ok_or_else(|| {
                    Failure::failed(
                        format!("which key of {} is meant is not known", path.class),
                        "write it as Class.Key=\"value\"",
                    )
                })?;
                Some((key.name.to_string(), value.to_text()))
            }
            _ => None,
        };
        let named =
            path.keys().iter().map(|(name, value): &(_, KeyValue)| (name.to_string(), value.to_text()));
        let selectors = named.chain(unnamed).map(|(name, value)| format!("-selector:{name}={value}"));
        let selectors: Vec<String> = selectors.collect();
        let words = operation.iter().copied().chain([resource.as_str()]);
        let words = words.chain(input.iter().map(String::as_str)).chain(selectors.iter().map(String::as_str));
        self.ask(&words.collect::<Vec<_>>())
    }

    /// Tells events as they come, until it is enough.
    pub(super) fn watch(
        &self,
        query: &str,
        enough: impl Future<Output = ()>,
        tell: &mut dyn FnMut(Occurred) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let asked = asked_of_events(query);
        let command =
            self.command(&["enumerate", &format!("wmi/{}/*", self.namespace), &format!("-filter:{query}")])?;
        let mut tell_one = |told: Told<'_>| match told {
            Told::Begun => tell(Occurred::Begun),
            Told::Event(event) => tell(Occurred::Event(self.row(event, None, asked.as_deref()))),
            Told::Dropped(count) => tell(Occurred::Dropped(count)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let settings = ClientSettings::of_this_process();
        let watched = cli::winrm::watch(*command, &settings, enough, &mut tell_one);
        runtime.block_on(watched).map_err(|stop| stopped(&stop))
    }

    /// Runs a command line of `winrm`, and gives the XML that it prints.
    fn ask(&self, words: &[&str]) -> Result<String, Failure> {
        let command = self.command(words)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut out = Vec::new();
        let mut errors = std::io::stderr();
        let mut input = std::io::BufReader::new(std::io::stdin());
        let mut streams = Streams { out: &mut out, errors: &mut errors, input: &mut input };
        let settings = ClientSettings::of_this_process();
        let done = runtime.block_on(cli::winrm::run(*command, &settings, &mut streams));
        done.map_err(|stop| stopped(&stop))?;
        String::from_utf8(out).map_err(|error| Failure::Failed(format!("the answer is no text: {error}")))
    }

    /// What a command line of `winrm` means.
    fn command(&self, words: &[&str]) -> Result<Box<cli::winrm::Command>, Failure> {
        let words: Vec<String> =
            words.iter().map(|word| (*word).to_owned()).chain(self.switches.iter().cloned()).collect();
        let parsed = cli::winrm::parse_with(&words, &SavedHosts::of_this_process());
        let Invocation::Run(mut command) = parsed.map_err(|error| stopped(&error.into()))? else {
            return Err(Failure::usage("wmi: the switches ask for help", "winrm help auth explains them"));
        };
        command.format = Format::Xml;
        Ok(command)
    }

    /// What an element tells: as its class has it, or as text where that is not known.
    fn row(&self, element: Element<'_>, class: Option<&Arc<Class>>, asked: Option<&[String]>) -> Row {
        let reader = Reader::new(&self.schema);
        // A fragment and the output of a method do not say what they are; an instance does.
        let read = reader.instance(element).ok();
        let read = read.or_else(|| class.and_then(|class| reader.properties(element, class).ok()));
        match read {
            Some(read) => {
                let origin = Origin { server: String::new(), namespace: self.namespace.clone(), offset: 0 };
                row::of_instance(&read.instance, asked, &origin)
            }
            None => untyped(element),
        }
    }
}

fn untyped(element: Element<'_>) -> Row {
    let mut row: Row = Vec::new();
    for child in element.children() {
        let is_null = child.attribute(XSI, "nil").is_some_and(|nil| nil == "true");
        let value = match child.children().next() {
            _ if is_null => Json::Null,
            // A time stands in an element of its own.
            Some(inner) if inner.children().next().is_none() && child.children().count() == 1 => {
                Json::String(inner.text().into_owned())
            }
            Some(_) => Json::Object(untyped(child).into_iter().collect()),
            None => Json::String(child.text().into_owned()),
        };
        match row.iter_mut().find(|(name, _)| name == child.name()) {
            Some((_, Json::Array(values))) => values.push(value),
            Some((_, before)) => *before = Json::Array(vec![before.take(), value]),
            None => row.push((child.name().to_owned(), value)),
        }
    }
    row
}

fn parsed(text: String) -> Result<Document, Failure> {
    let bounds = Bounds { octets: 1 << 30, nodes: 20_000_000, ..Bounds::default() };
    Document::parse(text, &bounds).map_err(|error| Failure::Failed(format!("the answer is no XML: {error}")))
}

/// What `winrm` would have told people: what the other machine says, then what that means.
fn stopped(stop: &Stop) -> Failure {
    let mut report = Vec::new();
    stop.report(Program::Winrm, Format::Text, ExitCodes::Plain, &mut report);
    let report = String::from_utf8_lossy(&report);
    let report = report.trim_end();
    // What scripts look for stands before it.
    let (before, told) = match report.rsplit_once("\nwinrm: ") {
        Some(parts) => parts,
        None => ("", report.strip_prefix("winrm: ").unwrap_or(report)),
    };
    let of_provider = before.lines().find_map(|line| line.trim().strip_prefix("ProviderFault = "));
    Failure::Failed(of_provider.map_or_else(|| told.to_owned(), |said| format!("{said}\n  {told}")))
}

/// The namespace of `xsi:nil`.
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
