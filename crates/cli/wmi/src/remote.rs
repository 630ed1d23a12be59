//! WMI of another machine, over the client of `winrm`.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io::{self, BufReader, Cursor};
use std::sync::Arc;

use cim::cimxml::{ReceivedClass, read_class};
use cim::uri::CLASS_SCHEMA;
use cim::wql::{self, Query};
use cim::wscim::Reader;
use cim::{Class, Instance, KeyValue, Name, Namespace, ObjectPath, Origin, Schema, Value};
use cli::failure::{ExitCodes, Kind, Program};
use cli::locator::Locator;
use cli::program::Stop;
use cli::winrm::principals::{self, FoundPrincipal, LookupKey};
use cli::winrm::{CommandRunner, Invocation, Streams, WatchEvent};
use cli::{ClientSettings, Format, SavedHosts};
use sddl::SecurityDescriptor;
use serde_json::Value as Json;
use tokio::runtime::Runtime;
use xml::{Bounds, Document, Element};

use super::arguments::Target;
use super::listing::{QueryItem, interrupted_failure};
use super::row::{self, QueryResult, Row};
use super::watch::{EventColumns, EventItem, unless_interrupted};
use cli_command::Failure;

/// WMI of another machine.
pub(super) struct RemoteWmi {
    namespace: Namespace,
    switches: Vec<String>,
    /// The classes that are built into this program, for the types of values.
    schema: Schema,
    runtime: Runtime,
    /// The connection, which is opened at the first request.
    conversation: OnceCell<CommandRunner>,
    /// The classes of the machine; `None` if it does not list them.
    remote_schema: OnceCell<Option<Schema>>,
    /// Classes that are not built in and were requested from the machine.
    fetched: RefCell<HashMap<Name, Option<Arc<Class>>>>,
}

impl RemoteWmi {
    pub(super) fn new(target: &Target) -> Result<Self, Failure> {
        let (namespace, switches) = (target.namespace.clone(), target.switches.clone());
        Ok(Self {
            schema: Schema::of(namespace.clone()),
            namespace,
            switches,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            conversation: OnceCell::new(),
            remote_schema: OnceCell::new(),
            fetched: RefCell::default(),
        })
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The classes of the machine for completion; the built-in ones if the machine does not list its classes.
    pub(super) fn names(&self) -> &Schema {
        let schema = self.remote_schema.get_or_init(|| self.classes().ok());
        schema.as_ref().unwrap_or(&self.schema)
    }

    /// Reads the classes of the machine with their superclasses and own declarations (DSP0227, section 15).
    pub(super) fn classes(&self) -> Result<Schema, Failure> {
        let name = self.host();
        let remedy = format!(
            "list the names only: telarch wmi \"SELECT * FROM meta_class\" -r {name}\n  \
             or describe one class: telarch wmi describe CLASS -r {name}"
        );
        let answer = self.ask_with(&["enumerate", &self.class_schema()], "", &remedy)?;
        let document = parsed(answer)?;
        let classes = document.root().children().filter_map(|class| read_class(class).ok()).collect();
        Ok(Schema::from_received(self.namespace.clone(), classes))
    }

    /// Reads a class with qualifiers and inherited elements.
    pub(super) fn class(&self, name: &str) -> Result<Arc<Class>, Failure> {
        let (resource, selector) = (self.class_schema(), format!("-selector:ClassName={name}"));
        let remedy = format!("telarch wmi classes -r {} lists the classes", self.host());
        let answer = self.ask_with(&["get", &resource, &selector, DETAIL], "", &remedy)?;
        let document = parsed(answer)?;
        let class = read_class(document.root()).and_then(|read: ReceivedClass| {
            read.schema(self.namespace.clone())?.require(read.declaration.name.as_str())
        });
        class.map_err(|error| Failure::Failed(format!("invalid class definition: {error}")))
    }

    /// Reads the security descriptor of a namespace.
    pub(super) fn descriptor(&self, namespace: &Namespace) -> Result<SecurityDescriptor, Failure> {
        let answer = self.ask_of(&security_path(namespace)?, &["invoke", "GetSD"], &[])?;
        let bytes = self.descriptor_bytes(&answer)?;
        SecurityDescriptor::decode(&bytes)
            .map_err(|error| Failure::Failed(format!("invalid security descriptor: {error}")))
    }

    /// Sets the security descriptor of a namespace.
    pub(super) fn set_descriptor(&self, namespace: &Namespace, bytes: &[u8]) -> Result<(), Failure> {
        let uri = format!("http://schemas.microsoft.com/wbem/wsman/1/wmi/{namespace}/__SystemSecurity");
        let mut body = xml::Writer::new();
        body.start("p:SetSD_INPUT").namespace("p", &uri);
        for byte in bytes {
            body.element("p:SD", &byte.to_string());
        }
        body.end();
        let resource = format!("wmi/{namespace}/__SystemSecurity");
        let answer = self.ask_with(&["invoke", "SetSD", &resource, "-file:-"], &body.finish(), "")?;
        let document = parsed(answer)?;
        let output = self.method_output("__SystemSecurity", "SetSD");
        match self.row(document.root(), output.as_ref(), None).iter().find(|(name, _)| name == "ReturnValue")
        {
            Some((_, result)) if *result != 0 => {
                Err(Failure::Failed(format!("SetSD of {namespace} failed with error {result}")))
            }
            _ => Ok(()),
        }
    }

    /// Looks up users and groups on the machine. Windows does not support it.
    pub(super) fn look_up(&self, key: LookupKey, texts: &[String]) -> Result<Vec<FoundPrincipal>, Failure> {
        let locator = Locator::parse(principals::RESOURCE);
        let locator = locator.map_err(|error| Failure::Failed(error.to_string()))?;
        let body = principals::request(locator.resource_uri(), key, texts).finish();
        let words = ["invoke", principals::ACTION, principals::RESOURCE, "-file:-"];
        let answer = self.ask_with(&words, &body, "give the SID of the user or group instead of its name")?;
        Ok(principals::found(parsed(answer)?.root()))
    }

    /// Returns the descriptor in a response to GetSD.
    fn descriptor_bytes(&self, answer: &str) -> Result<Vec<u8>, Failure> {
        let document = parsed(answer.to_owned())?;
        let class = self.method_output("__SystemSecurity", "GetSD");
        let read = class.and_then(|class| Reader::new(&self.schema).properties(document.root(), &class).ok());
        let value = read.as_ref().and_then(|read| read.instance.value("SD"));
        let elements = value.into_iter().flat_map(Value::elements);
        let bytes: Vec<u8> = elements
            .filter_map(|value| if let Value::Uint8(byte) = value { Some(*byte) } else { None })
            .collect();
        if bytes.is_empty() {
            return Err(Failure::Failed(format!("{} did not return a security descriptor", self.host())));
        }
        Ok(bytes)
    }

    fn method_output(&self, class: &str, method: &str) -> Option<Arc<Class>> {
        let class = self.schema.class(class)?;
        class.method(method).map(|own| own.output.clone())
    }

    /// Returns a class: the built-in one, or else that of the machine.
    fn find_class(&self, name: &Name) -> Option<Arc<Class>> {
        if let Some(class) = self.schema.class(name.as_str()) {
            return Some(class);
        }
        if let Some(class) = self.fetched.borrow().get(name) {
            return class.clone();
        }
        let class = self.class(name.as_str()).ok();
        self.fetched.borrow_mut().insert(name.clone(), class.clone());
        class
    }

    fn class_schema(&self) -> String {
        format!("{}*?__cimnamespace={}", CLASS_SCHEMA, self.namespace)
    }

    /// The name of the machine, as given.
    pub(super) fn host(&self) -> &str {
        let switches = self.switches.iter().filter_map(|switch| switch.split_once(':'));
        let mut hosts = switches.filter(|(name, _)| matches!(*name, "-r" | "-remote"));
        hosts.next().map_or("", |(_, host)| host)
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.host(), self.namespace)
    }

    /// Passes the results of a query to `emit` as they arrive, until `enough` completes, which cancels the enumeration.
    pub(super) fn list(
        &self,
        text: &str,
        enough: impl Future<Output = ()>,
        emit: &mut dyn FnMut(QueryItem) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let select = match wql::parse(text) {
            Ok(Query::Select(select)) => Some(select),
            _ => None,
        };
        let is_of_classes = select.as_ref().is_some_and(cim::wql::Select::is_of_classes);
        let (class, selected) = match select {
            // A query for classes returns their names.
            Some(_) if is_of_classes => (None, Some(vec!["__CLASS".to_owned()])),
            Some(select) => {
                let names = select.names().map(|names| names.iter().map(ToString::to_string).collect());
                (self.find_class(&select.from), names)
            }
            None => (None, None),
        };
        emit(QueryItem::Properties(selected.clone()))?;
        let mut emit_row = |item: Element<'_>| {
            let row = match item.attribute("", "NAME") {
                Some(name) if is_of_classes => vec![("__CLASS".to_owned(), name.into_owned().into())],
                _ => self.row(item, class.as_ref(), selected.as_deref()),
            };
            emit(QueryItem::Row(row))
        };
        let remedy = self.class_remedy();
        let filter = format!("-filter:{text}");
        let command = self.command(&["enumerate", &format!("wmi/{}/*", self.namespace), &filter])?;
        let conversation = self.conversation(&command, &remedy)?;
        let listed = self.runtime.block_on(conversation.list(*command, enough, &mut emit_row));
        let omissions = listed.map_err(|stop| match stop {
            Stop::Interrupted => interrupted_failure(),
            Stop::Output(error) => error.into(),
            stop => failure(&stop, &remedy),
        })?;
        for omission in &omissions {
            emit(QueryItem::Omitted(cli::missing_source::omission_text(&omission.source, &omission.reason)))?;
        }
        Ok(())
    }

    /// Returns a note about a query without results whose data source is missing on the machine.
    pub(super) fn missing_source_note(&self, query: &str) -> Option<String> {
        let note = self.conversation.get()?.source_note(self.namespace.as_str(), query);
        self.runtime.block_on(note)
    }

    /// Suggests how to find the names of classes, properties and methods.
    fn class_remedy(&self) -> String {
        let host = self.host();
        format!(
            "telarch wmi describe CLASS -r {host} lists the properties and methods of a class\n  \
             telarch wmi classes -r {host} lists the classes"
        )
    }

    pub(super) fn get(&self, path: &ObjectPath) -> Result<QueryResult, Failure> {
        let answer = self.ask_of(path, &["get"], &[])?;
        let document = parsed(answer)?;
        let class = self.find_class(&path.class);
        Ok(QueryResult { rows: vec![self.row(document.root(), class.as_ref(), None)], properties: None })
    }

    pub(super) fn call(
        &self,
        path: &ObjectPath,
        method: &str,
        arguments: &[(String, String)],
    ) -> Result<QueryResult, Failure> {
        if let Some((name, _)) = arguments.iter().find(|(_, value)| value.contains('"')) {
            return Err(Failure::failed(
                format!("{name}: a value with a quotation mark is not supported"),
                "send it from a file with winrm invoke; see winrm help input",
            ));
        }
        let values: Vec<String> =
            arguments.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let input = format!("@{{{}}}", values.join(";"));
        let answer = self.ask_of(path, &["invoke", method], &[input])?;
        let document = parsed(answer)?;
        // The output parameters of a method are a class of their own.
        let class = self.find_class(&path.class);
        let output = class.as_ref().and_then(|class| class.method(method)).map(|own| &own.output);
        let mut row = self.row(document.root(), output, None);
        row.retain(|(_, value)| !value.is_null());
        Ok(QueryResult { rows: vec![row], properties: None })
    }

    /// Runs an operation of `winrm` on an instance or a class, and returns the XML of the response.
    fn ask_of(&self, path: &ObjectPath, operation: &[&str], input: &[String]) -> Result<String, Failure> {
        let namespace = path.namespace.as_ref().unwrap_or(&self.namespace);
        let resource = format!("wmi/{namespace}/{}", path.class);
        // The class provides the name of an unnamed key.
        let unnamed = match &path.identity {
            cim::Identity::Unnamed(value) => {
                let class = self.find_class(&path.class);
                let key = class.as_ref().and_then(|class| class.property(*class.keys().first()?));
                let key = key.ok_or_else(|| {
                    Failure::failed(
                        format!("cannot determine the key of {}: the class is unknown", path.class),
                        "write it as Class.Key=\"value\"",
                    )
                })?;
                Some((key.name.to_string(), value.to_text()))
            }
            _ => None,
        };
        let keys =
            path.keys().iter().map(|(name, value): &(_, KeyValue)| (name.to_string(), value.to_text()));
        let selectors = keys.chain(unnamed).map(|(name, value)| format!("-selector:{name}={value}"));
        let selectors: Vec<String> = selectors.collect();
        let words = operation.iter().copied().chain([resource.as_str()]);
        let words = words.chain(input.iter().map(String::as_str)).chain(selectors.iter().map(String::as_str));
        self.ask_with(&words.collect::<Vec<_>>(), "", &self.class_remedy())
    }

    /// Passes events to `emit` as they arrive, until `enough` completes.
    pub(super) fn watch(
        &self,
        query: &str,
        enough: impl Future<Output = ()>,
        emit: &mut dyn FnMut(EventItem) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let columns = EventColumns::of_query(query);
        // Selected properties arrive without the class of the event, which may be a subclass of that in the query.
        let classes = self.classes_of_events(query);
        let command =
            self.command(&["enumerate", &format!("wmi/{}/*", self.namespace), &format!("-filter:{query}")])?;
        let mut emit_event = |item: WatchEvent<'_>| match item {
            WatchEvent::Started => emit(EventItem::Begun),
            WatchEvent::Event(event) => {
                let reader = Reader::new(&self.schema);
                let class = classes.iter().find(|class| reader.properties(event, class).is_ok());
                let row = match self.instance(event, class) {
                    Some(event) => columns.row(&event, &self.origin()),
                    None => untyped(event),
                };
                emit(EventItem::Event(row))
            }
            WatchEvent::Dropped(count) => emit(EventItem::Dropped(count)),
            WatchEvent::Omitted(omission) => emit(EventItem::Omitted(cli::missing_source::omission_text(
                &omission.source,
                &omission.reason,
            ))),
        };
        let settings = ClientSettings::of_this_process();
        let watched = cli::winrm::watch(*command, &settings, enough, &mut emit_event);
        self.runtime.block_on(watched).map_err(|stop| failure(&stop, ""))
    }

    /// Returns the event class of a query and its known subclasses.
    fn classes_of_events(&self, query: &str) -> Vec<Arc<Class>> {
        let Ok(Query::Select(select)) = wql::parse(query) else { return Vec::new() };
        let below = self.schema.subclasses(select.from.as_str());
        self.find_class(&select.from).into_iter().chain(below).collect()
    }

    /// Runs a command line of `winrm` with `input` for `-file:-`, and returns the XML of the response. `remedy` is added to
    /// the error if the service rejects the request.
    fn ask_with(&self, words: &[&str], input: &str, remedy: &str) -> Result<String, Failure> {
        let command = self.command(words)?;
        let mut out = Vec::new();
        let mut errors = cli_command::output::errors();
        let mut input = BufReader::new(Cursor::new(input.as_bytes()));
        let mut streams = Streams { out: &mut out, errors: &mut errors, input: &mut input };
        let conversation = self.conversation(&command, remedy)?;
        let request = async {
            let done = conversation.run(*command, &mut streams).await;
            done.map_err(|stop| failure(&stop, remedy))
        };
        self.runtime.block_on(unless_interrupted(request))?;
        String::from_utf8(out).map_err(|error| Failure::Failed(format!("the response is not UTF-8: {error}")))
    }

    fn conversation(&self, command: &cli::winrm::Command, remedy: &str) -> Result<&CommandRunner, Failure> {
        if let Some(open) = self.conversation.get() {
            return Ok(open);
        }
        let settings = ClientSettings::of_this_process();
        let begun = CommandRunner::new(command.connection.clone(), &settings);
        let begun = begun.map_err(|stop| failure(&stop, remedy))?;
        Ok(self.conversation.get_or_init(|| begun))
    }

    /// Parses a command line of `winrm`, with the switches for the machine.
    fn command(&self, words: &[&str]) -> Result<Box<cli::winrm::Command>, Failure> {
        command_of(words, &self.switches)
    }

    /// Returns the properties in an element, with the types of its class, or as text if the class is unknown.
    fn row(&self, element: Element<'_>, class: Option<&Arc<Class>>, selected: Option<&[String]>) -> Row {
        row_of(&self.schema, element, class, selected, &self.origin())
    }

    /// Returns an instance, which names its class, or a fragment or method output as an instance of `class`; `None` if
    /// its class is not known here.
    fn instance(&self, element: Element<'_>, class: Option<&Arc<Class>>) -> Option<Instance> {
        instance_of(&self.schema, element, class)
    }

    fn origin(&self) -> Origin {
        Origin { server: String::new(), namespace: self.namespace.clone(), offset: 0 }
    }
}

/// Parses a command line of `winrm`, with the switches for the machines.
pub(super) fn command_of(words: &[&str], switches: &[String]) -> Result<Box<cli::winrm::Command>, Failure> {
    let words: Vec<String> =
        words.iter().map(|word| (*word).to_owned()).chain(switches.iter().cloned()).collect();
    let parsed = cli::winrm::parse_with(&words, &SavedHosts::of_this_process());
    let Invocation::Run(mut command) = parsed.map_err(|error| failure(&error.into(), ""))? else {
        return Err(Failure::usage("wmi: the switches request help", "run winrm help auth for the switches"));
    };
    command.format = Format::Xml;
    Ok(command)
}

/// Returns the properties in an element, with the types of its class, or as text if the class is not in the schema.
pub(super) fn row_of(
    schema: &Schema,
    element: Element<'_>,
    class: Option<&Arc<Class>>,
    selected: Option<&[String]>,
    origin: &Origin,
) -> Row {
    match instance_of(schema, element, class) {
        Some(instance) => row::of_instance(&instance, selected, origin),
        None => untyped(element),
    }
}

fn instance_of(schema: &Schema, element: Element<'_>, class: Option<&Arc<Class>>) -> Option<Instance> {
    let reader = Reader::new(schema);
    let read = reader.instance(element).ok();
    let read = read.or_else(|| class.and_then(|class| reader.properties(element, class).ok()));
    read.map(|read| read.instance)
}

fn untyped(element: Element<'_>) -> Row {
    let mut row: Row = Vec::new();
    for child in element.children() {
        let is_null = child.attribute(XSI, "nil").is_some_and(|nil| nil == "true");
        let value = match child.children().next() {
            _ if is_null => Json::Null,
            // A date is nested in an element of its own.
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
    Document::parse(text, &bounds)
        .map_err(|error| Failure::Failed(format!("the response is not valid XML: {error}")))
}

/// Returns the failure of a request: the message of the provider, then its meaning, and `remedy` if the service rejected
/// the request.
pub(super) fn failure(stop: &Stop, remedy: &str) -> Failure {
    let mut report = Vec::new();
    let summary = match stop {
        Stop::Failed(failed) => failed.summary(Program::Winrm),
        _ => {
            stop.report(Program::Winrm, Format::Text, ExitCodes::Plain, &mut report);
            String::from_utf8_lossy(&report).into_owned()
        }
    };
    let summary = summary.trim_end();
    let message = summary.strip_prefix("winrm: ").unwrap_or(summary);
    let provider_message = match stop {
        Stop::Failed(failed) if failed.xml().is_some_and(|xml| xml.contains("<f:ProviderFault ")) => {
            Some(failed.message())
        }
        _ => None,
    };
    let is_refusal = matches!(stop, Stop::Failed(failure) if failure.kind() == Kind::Fault);
    match (provider_message, is_refusal && !remedy.is_empty()) {
        // The hints of winrm about its command line are omitted.
        (Some(provider), true) => {
            let number = message.lines().last().filter(|line| line.starts_with("  (")).unwrap_or_default();
            Failure::failed(provider, format!("{remedy}\n{number}").trim_end())
        }
        (Some(provider), false) => Failure::Failed(format!("{provider}\n  {message}")),
        (None, true) => Failure::failed(message, remedy),
        (None, false) => Failure::Failed(message.to_owned()),
    }
}

/// Returns the path of the object that holds the descriptor of a namespace.
fn security_path(namespace: &Namespace) -> Result<ObjectPath, Failure> {
    let path = ObjectPath::parse("__SystemSecurity=@").map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(ObjectPath { namespace: Some(namespace.clone()), ..path })
}

/// Options that request all details of a class.
const DETAIL: &str = "-options:{IncludeQualifiers=\"true\";IncludeInheritedElements=\"true\";\
    IncludeInheritanceHierarchy=\"true\";IncludeClassOrigin=\"true\"}";

/// The namespace of `xsi:nil`.
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
