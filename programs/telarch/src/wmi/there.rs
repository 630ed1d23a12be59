//! WMI of another machine, asked as `winrm` asks.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io::{self, BufReader, Cursor};
use std::sync::Arc;

use cim::cimxml::{ReceivedClass, read_class};
use cim::uri::CLASS_SCHEMA;
use cim::wql::{self, Query};
use cim::wscim::Reader;
use cim::{Class, KeyValue, Name, Namespace, ObjectPath, Origin, Schema, Value};
use cli::failure::{ExitCodes, Kind, Program};
use cli::program::Stop;
use cli::winrm::{Conversation, Invocation, Streams, Told};
use cli::{ClientSettings, Format, SavedHosts};
use sddl::SecurityDescriptor;
use serde_json::Value as Json;
use tokio::runtime::Runtime;
use xml::{Bounds, Document, Element};

use super::arguments::Place;
use super::listing::{Listed, given_up};
use super::row::{self, Found, Row};
use super::watch::{Occurred, asked_of_events, unless_interrupted};
use crate::failure::Failure;

pub(super) struct There {
    namespace: Namespace,
    switches: Vec<String>,
    /// The classes as this program knows them, for the types of values.
    schema: Schema,
    runtime: Runtime,
    /// The service, once it was asked something: who signs in does so once.
    conversation: OnceCell<Conversation>,
    /// The classes there, with what each declares; none where the machine does not tell them.
    told: OnceCell<Option<Schema>>,
    /// The classes that this program does not know and somebody asked for.
    asked: RefCell<HashMap<Name, Option<Arc<Class>>>>,
}

impl There {
    pub(super) fn new(place: &Place) -> Result<Self, Failure> {
        let (namespace, switches) = (place.namespace.clone(), place.switches.clone());
        Ok(Self {
            schema: Schema::of(namespace.clone()),
            namespace,
            switches,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            conversation: OnceCell::new(),
            told: OnceCell::new(),
            asked: RefCell::default(),
        })
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The classes there, for the completion of names; those that this program knows if the machine does not tell.
    pub(super) fn names(&self) -> &Schema {
        let told = self.told.get_or_init(|| self.classes().ok());
        told.as_ref().unwrap_or(&self.schema)
    }

    /// The classes there: their names, superclasses, and what each declares (DSP0227 15).
    pub(super) fn classes(&self) -> Result<Schema, Failure> {
        let name = self.host();
        let way_out = format!(
            "ask for the names alone: telarch wmi \"SELECT * FROM meta_class\" -r {name}\n  \
             or have one class described: telarch wmi describe CLASS -r {name}"
        );
        let answer = self.ask_with(&["enumerate", &self.class_schema()], "", &way_out)?;
        let document = parsed(answer)?;
        let classes = document.root().children().filter_map(|class| read_class(class).ok()).collect();
        Ok(Schema::from_received(self.namespace.clone(), classes))
    }

    /// A class there, with all there is to know about it.
    pub(super) fn class(&self, name: &str) -> Result<Arc<Class>, Failure> {
        let (resource, named) = (self.class_schema(), format!("-selector:ClassName={name}"));
        let way_out = format!("telarch wmi classes -r {} lists those that there are", self.host());
        let answer = self.ask_with(&["get", &resource, &named, DETAIL], "", &way_out)?;
        let document = parsed(answer)?;
        let told = read_class(document.root()).and_then(|told: ReceivedClass| {
            told.schema(self.namespace.clone())?.require(told.declaration.name.as_str())
        });
        told.map_err(|error| Failure::Failed(format!("the class cannot be read: {error}")))
    }

    /// The descriptor of a namespace.
    pub(super) fn descriptor(&self, namespace: &Namespace) -> Result<SecurityDescriptor, Failure> {
        let answer = self.ask_of(&security_of(namespace)?, &["invoke", "GetSD"], &[])?;
        let octets = self.octets(&answer)?;
        SecurityDescriptor::decode(&octets)
            .map_err(|error| Failure::Failed(format!("the descriptor cannot be read: {error}")))
    }

    /// Sets the descriptor of a namespace.
    pub(super) fn set_descriptor(&self, namespace: &Namespace, octets: &[u8]) -> Result<(), Failure> {
        let uri = format!("http://schemas.microsoft.com/wbem/wsman/1/wmi/{namespace}/__SystemSecurity");
        let mut body = xml::Writer::new();
        body.start("p:SetSD_INPUT").namespace("p", &uri);
        for octet in octets {
            body.element("p:SD", &octet.to_string());
        }
        body.end();
        let resource = format!("wmi/{namespace}/__SystemSecurity");
        let answer = self.ask_with(&["invoke", "SetSD", &resource, "-file:-"], &body.finish(), "")?;
        let document = parsed(answer)?;
        let output = self.method_output("__SystemSecurity", "SetSD");
        match self.row(document.root(), output.as_ref(), None).iter().find(|(name, _)| name == "ReturnValue")
        {
            Some((_, result)) if *result != 0 => {
                Err(Failure::Failed(format!("SetSD of {namespace} failed with {result}")))
            }
            _ => Ok(()),
        }
    }

    fn octets(&self, answer: &str) -> Result<Vec<u8>, Failure> {
        let document = parsed(answer.to_owned())?;
        let class = self.method_output("__SystemSecurity", "GetSD");
        let read = class.and_then(|class| Reader::new(&self.schema).properties(document.root(), &class).ok());
        let octets = read.as_ref().and_then(|read| read.instance.value("SD"));
        let octet = |value: &Value| if let Value::Uint8(octet) = value { Some(*octet) } else { None };
        let octets: Option<Vec<u8>> =
            octets.map(|octets| octets.elements().iter().filter_map(octet).collect());
        octets
            .filter(|octets| !octets.is_empty())
            .ok_or_else(|| Failure::Failed(format!("{} does not tell who may do what there", self.host())))
    }

    fn method_output(&self, class: &str, method: &str) -> Option<Arc<Class>> {
        let class = self.schema.class(class)?;
        class.method(method).map(|own| own.output.clone())
    }

    /// A class: as this program knows it, or as the machine tells it.
    fn known(&self, name: &Name) -> Option<Arc<Class>> {
        if let Some(class) = self.schema.class(name.as_str()) {
            return Some(class);
        }
        if let Some(class) = self.asked.borrow().get(name) {
            return class.clone();
        }
        let class = self.class(name.as_str()).ok();
        self.asked.borrow_mut().insert(name.clone(), class.clone());
        class
    }

    fn class_schema(&self) -> String {
        format!("{}*?__cimnamespace={}", CLASS_SCHEMA, self.namespace)
    }

    fn host(&self) -> &str {
        let is_host = |switch: &&String| switch.starts_with("-r:") || switch.starts_with("-remote:");
        let host = self.switches.iter().find(is_host).and_then(|switch| switch.split_once(':'));
        host.map_or("", |(_, host)| host)
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.host(), self.namespace)
    }

    /// Tells what a query finds as it comes, until it is enough; the service is told if that is before the end.
    pub(super) fn list(
        &self,
        text: &str,
        enough: impl Future<Output = ()>,
        tell: &mut dyn FnMut(Listed) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let select = match wql::parse(text) {
            Ok(Query::Select(select)) => Some(select),
            _ => None,
        };
        let is_of_classes = select.as_ref().is_some_and(cim::wql::Select::is_of_classes);
        let (class, asked) = match select {
            // Classes are found by their names.
            Some(_) if is_of_classes => (None, Some(vec!["__CLASS".to_owned()])),
            Some(select) => {
                let names = select.names().map(|names| names.iter().map(ToString::to_string).collect());
                (self.known(&select.from), names)
            }
            None => (None, None),
        };
        tell(Listed::Begun(asked.clone()))?;
        let mut tell_one = |item: Element<'_>| {
            let row = match item.attribute("", "NAME") {
                Some(name) if is_of_classes => vec![("__CLASS".to_owned(), name.into_owned().into())],
                _ => self.row(item, class.as_ref(), asked.as_deref()),
            };
            tell(Listed::Row(row))
        };
        let way_out = self.way_to_classes();
        let filter = format!("-filter:{text}");
        let command = self.command(&["enumerate", &format!("wmi/{}/*", self.namespace), &filter])?;
        let conversation = self.conversation(&command, &way_out)?;
        let listed = self.runtime.block_on(conversation.list(*command, enough, &mut tell_one));
        listed.map_err(|stop| match stop {
            Stop::Interrupted => given_up(),
            Stop::Output(error) => error.into(),
            stop => stopped(&stop, &way_out),
        })
    }

    /// What helps who has misspelt a class, a property or a method.
    fn way_to_classes(&self) -> String {
        let host = self.host();
        format!(
            "telarch wmi describe CLASS -r {host} lists the properties and methods of a class\n  \
             telarch wmi classes -r {host} lists the classes"
        )
    }

    pub(super) fn get(&self, path: &ObjectPath) -> Result<Found, Failure> {
        let answer = self.ask_of(path, &["get"], &[])?;
        let document = parsed(answer)?;
        let class = self.known(&path.class);
        Ok(Found { rows: vec![self.row(document.root(), class.as_ref(), None)], asked: None })
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
        let class = self.known(&path.class);
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
                let class = self.known(&path.class);
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
        self.ask_with(&words.collect::<Vec<_>>(), "", &self.way_to_classes())
    }

    /// Tells events as they come, until it is enough.
    pub(super) fn watch(
        &self,
        query: &str,
        enough: impl Future<Output = ()>,
        tell: &mut dyn FnMut(Occurred) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let asked = asked_of_events(query);
        // A selection does not say what it is of, and may have more of an event than the class that was asked for.
        let classes = self.classes_of_events(query);
        let command =
            self.command(&["enumerate", &format!("wmi/{}/*", self.namespace), &format!("-filter:{query}")])?;
        let mut tell_one = |told: Told<'_>| match told {
            Told::Begun => tell(Occurred::Begun),
            Told::Event(event) => {
                let reader = Reader::new(&self.schema);
                let class = classes.iter().find(|class| reader.properties(event, class).is_ok());
                tell(Occurred::Event(self.row(event, class, asked.as_deref())))
            }
            Told::Dropped(count) => tell(Occurred::Dropped(count)),
        };
        let settings = ClientSettings::of_this_process();
        let watched = cli::winrm::watch(*command, &settings, enough, &mut tell_one);
        self.runtime.block_on(watched).map_err(|stop| stopped(&stop, ""))
    }

    /// The class of the events that a query asks for, and those below it, as far as they are known.
    fn classes_of_events(&self, query: &str) -> Vec<Arc<Class>> {
        let Ok(Query::Select(select)) = wql::parse(query) else { return Vec::new() };
        let below = self.schema.subclasses(select.from.as_str());
        self.known(&select.from).into_iter().chain(below).collect()
    }

    /// Runs a command line of `winrm`, with what `-file:-` reads, and gives the XML that it prints; with a way out if
    /// the service refuses.
    fn ask_with(&self, words: &[&str], input: &str, way_out: &str) -> Result<String, Failure> {
        let command = self.command(words)?;
        let mut out = Vec::new();
        let mut errors = crate::output::errors();
        let mut input = BufReader::new(Cursor::new(input.as_bytes()));
        let mut streams = Streams { out: &mut out, errors: &mut errors, input: &mut input };
        let conversation = self.conversation(&command, way_out)?;
        let asking = async {
            let done = conversation.run(*command, &mut streams).await;
            done.map_err(|stop| stopped(&stop, way_out))
        };
        self.runtime.block_on(unless_interrupted(asking))?;
        String::from_utf8(out).map_err(|error| Failure::Failed(format!("the answer is no text: {error}")))
    }

    fn conversation(&self, command: &cli::winrm::Command, way_out: &str) -> Result<&Conversation, Failure> {
        if let Some(begun) = self.conversation.get() {
            return Ok(begun);
        }
        let settings = ClientSettings::of_this_process();
        let begun = Conversation::begin(command.connection.clone(), &settings);
        let begun = begun.map_err(|stop| stopped(&stop, way_out))?;
        Ok(self.conversation.get_or_init(|| begun))
    }

    /// What a command line of `winrm` means.
    fn command(&self, words: &[&str]) -> Result<Box<cli::winrm::Command>, Failure> {
        let words: Vec<String> =
            words.iter().map(|word| (*word).to_owned()).chain(self.switches.iter().cloned()).collect();
        let parsed = cli::winrm::parse_with(&words, &SavedHosts::of_this_process());
        let Invocation::Run(mut command) = parsed.map_err(|error| stopped(&error.into(), ""))? else {
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

/// What `winrm` would have told people: what the other machine says, then what that means; and the way out if it is
/// the service that refuses.
fn stopped(stop: &Stop, way_out: &str) -> Failure {
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
    let is_refusal = matches!(stop, Stop::Failed(failure) if failure.kind() == Kind::Fault);
    match (of_provider, is_refusal && !way_out.is_empty()) {
        // What a command line of winrm would have to be helps nobody who has typed none.
        (Some(said), true) => {
            let number = told.lines().last().filter(|line| line.starts_with("  (")).unwrap_or_default();
            Failure::failed(said, format!("{way_out}\n{number}").trim_end())
        }
        (Some(said), false) => Failure::Failed(format!("{said}\n  {told}")),
        (None, true) => Failure::failed(told, way_out),
        (None, false) => Failure::Failed(told.to_owned()),
    }
}

/// Where the descriptor of a namespace is.
fn security_of(namespace: &Namespace) -> Result<ObjectPath, Failure> {
    let path = ObjectPath::parse("__SystemSecurity=@").map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(ObjectPath { namespace: Some(namespace.clone()), ..path })
}

/// What of a class is wanted: all; `wmi:` before a name is the spelling of Windows.
const DETAIL: &str = "-options:{IncludeQualifiers=\"true\";IncludeInheritedElements=\"true\";\
    IncludeInheritanceHierarchy=\"true\";IncludeClassOrigin=\"true\"}";

/// The namespace of `xsi:nil`.
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
