//! An IIS for tests: serves the instances of a folder over WS-Management, and changes them as the documentation says.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use xml::{Bounds, Document, Element, Writer};

use super::service::{Answer, Request, Service, fault};

const BASE: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/WebAdministration/";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const APPHOST: &str = "MACHINE/WEBROOT/APPHOST";

/// A property: scalar, or embedded instance if it has a class.
#[derive(Clone, Debug, PartialEq)]
struct Node {
    name: String,
    class: Option<String>,
    /// `None` without a value.
    text: Option<String>,
    children: Vec<Node>,
}

/// A machine with IIS.
#[derive(Clone)]
pub(crate) struct Windows {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Instances by class.
    instances: BTreeMap<String, Vec<Node>>,
    /// Sections of sites by site and class.
    sections: BTreeMap<(String, String), Node>,
    /// Stopped sites and pools.
    stopped: Vec<(String, String)>,
    /// Action that fails, with its fault.
    failing: Option<(String, u32, String)>,
    /// Action that has no effect.
    ignored: Option<String>,
}

impl Windows {
    /// Reads the instances of a folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let mut state = State::default();
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "xml")) {
            let document =
                Document::parse(std::fs::read_to_string(file).unwrap(), &Bounds::default()).unwrap();
            let instance = node(document.root());
            state.instances.entry(instance.class.clone().unwrap()).or_default().push(instance);
        }
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Serves the instances on a loopback port.
    pub(crate) fn serve(&self) -> Service {
        let windows = self.clone();
        Service::start(move |request| windows.answer(request))
    }

    /// Lets the next request with an action fail.
    pub(crate) fn fail(&self, action: &str, code: u32, text: &str) {
        self.state.lock().unwrap().failing = Some((action.to_owned(), code, text.to_owned()));
    }

    /// Lets requests with an action succeed without an effect.
    pub(crate) fn ignore(&self, action: &str) {
        self.state.lock().unwrap().ignored = Some(action.to_owned());
    }

    /// Changes a scalar property of an instance, as another administrator would.
    pub(crate) fn set(&self, class: &str, key: (&str, &str), property: &str, value: &str) {
        let mut state = self.state.lock().unwrap();
        let instance = state.find(class, &[(key.0.to_owned(), key.1.to_owned())]).unwrap();
        instance.child_mut(property).text = Some(value.to_owned());
    }

    /// Returns all instances and sections, in the form of a message.
    pub(crate) fn dump(&self) -> String {
        let state = self.state.lock().unwrap();
        let instances = state.instances.values().flatten().chain(state.sections.values());
        let mut text: Vec<String> = instances.map(Node::xml).collect();
        text.push(format!("{:?}", state.stopped));
        text.join("\n")
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: &Request) -> Answer {
        let document = Document::parse(request.envelope.clone(), &Bounds::default()).unwrap();
        let [header, body] = ["Header", "Body"].map(|part| named(document.root(), part).unwrap());
        let uri = named(header, "ResourceURI").unwrap().text().into_owned();
        let Some(class) = uri.strip_prefix(BASE) else {
            return fault(2_150_858_752, "a:DestinationUnreachable", "invalid namespace");
        };
        let selectors = named(header, "SelectorSet").into_iter().flat_map(|set| set.children());
        let keys: Vec<(String, String)> = selectors
            .map(|selector| {
                (selector.attribute("", "Name").unwrap().into_owned(), selector.text().into_owned())
            })
            .collect();
        let action = named(header, "Action").unwrap().text().into_owned();
        let action = action.rsplit('/').next().unwrap_or_default().to_owned();
        let mut state = self.state.lock().unwrap();
        if state.failing.as_ref().is_some_and(|(failing, ..)| *failing == action) {
            let (_, code, text) = state.failing.take().unwrap();
            return fault(code, "w:InternalError", &text);
        }
        if state.ignored.as_ref() == Some(&action) {
            return output(class, &action, &[]);
        }
        let content = body.children().next();
        match state.perform(class, &keys, &action, content) {
            Some(answer) => answer,
            None => fault(2_150_858_752, "a:DestinationUnreachable", "the object was not found"),
        }
    }
}

impl State {
    /// Returns the answer; `None` if the object does not exist.
    fn perform(
        &mut self,
        class: &str,
        keys: &[(String, String)],
        action: &str,
        content: Option<Element<'_>>,
    ) -> Option<Answer> {
        match action {
            "Enumerate" => {
                let items = self.instances.get(class).cloned().unwrap_or_default();
                // As Windows Server 2012 does, the first response has one item.
                let first = items.first().map(Node::xml).unwrap_or_default();
                let end = if items.len() > 1 { "" } else { "<w:EndOfSequence/>" };
                let context = if items.len() > 1 { format!("uuid:{class}") } else { String::new() };
                Some((
                    200,
                    format!(
                        "<n:EnumerateResponse><n:EnumerationContext>{context}</n:EnumerationContext><w:Items>{first}\
                         </w:Items>{end}</n:EnumerateResponse>"
                    ),
                ))
            }
            "Pull" => {
                let items = self.instances.get(class).cloned().unwrap_or_default();
                let items: String = items.iter().skip(1).map(Node::xml).collect();
                Some((
                    200,
                    format!("<n:PullResponse><n:Items>{items}</n:Items><n:EndOfSequence/></n:PullResponse>"),
                ))
            }
            "Get" => self.find(class, keys).map(|instance| (200, instance.xml())),
            "Put" => {
                let new = node(content?);
                assert_eq!(new.class.as_deref(), Some(class), "the type of the instance");
                let instance = self.find(class, keys)?;
                assert_eq!(names(instance), names(&new), "Put sends all properties");
                *instance = new;
                Some((200, instance.xml()))
            }
            "Delete" => self.delete(class, keys),
            method => {
                let input = content?;
                assert!(
                    input.is(&format!("{BASE}{class}"), &format!("{method}_INPUT")),
                    "{}",
                    input.source()
                );
                let input = Node { class: None, ..node(input) };
                self.invoke(class, keys, method, &input)
            }
        }
    }

    fn find(&mut self, class: &str, keys: &[(String, String)]) -> Option<&mut Node> {
        let path =
            keys.iter().find(|(name, _)| name == "Path").map(|(_, path)| path.clone()).unwrap_or_default();
        if let Some(site) = path.strip_prefix(&format!("{APPHOST}/")).filter(|_| class.ends_with("Section")) {
            return Some(self.section(class, site));
        }
        let mut instances = self.instances.get_mut(class)?.iter_mut();
        instances.find(|instance| {
            !keys.is_empty()
                && keys.iter().all(|(name, value)| instance.text(name).eq_ignore_ascii_case(value))
        })
    }

    /// Returns the section of a site, with the values of the server before the first change.
    fn section(&mut self, class: &str, site: &str) -> &mut Node {
        let effective = self.effective(class, site);
        self.sections.entry((site.to_owned(), class.to_owned())).or_insert(effective)
    }

    /// Returns the values that apply to a site.
    fn effective(&self, class: &str, site: &str) -> Node {
        if let Some(section) = self.sections.get(&(site.to_owned(), class.to_owned())) {
            return section.clone();
        }
        let mut section = self.instances[class][0].clone();
        section.child_mut("Path").text = Some(format!("{APPHOST}/{site}"));
        section
    }

    fn delete(&mut self, class: &str, keys: &[(String, String)]) -> Option<Answer> {
        let deleted = self.find(class, keys)?.clone();
        self.instances.get_mut(class)?.retain(|instance| *instance != deleted);
        if class == "Site" {
            let site = deleted.text("Name").to_owned();
            for class in ["Application", "VirtualDirectory"] {
                self.instances.get_mut(class)?.retain(|instance| instance.text("SiteName") != site);
            }
            self.sections.retain(|(name, _), _| *name != site);
            self.stopped.retain(|(_, name)| *name != site);
        }
        if class == "Application" {
            let [site, path] = ["SiteName", "Path"].map(|name| deleted.text(name).to_owned());
            self.instances.get_mut("VirtualDirectory")?.retain(|instance| {
                instance.text("SiteName") != site || instance.text("ApplicationPath") != path
            });
        }
        Some((200, String::new()))
    }

    fn invoke(
        &mut self,
        class: &str,
        keys: &[(String, String)],
        method: &str,
        input: &Node,
    ) -> Option<Answer> {
        if method == "Create" {
            assert!(keys.is_empty(), "a static method has no selectors");
            self.create(class, input);
            return Some(output(class, method, &[]));
        }
        let name = self.find(class, keys)?.text("Name").to_owned();
        let object = (class.to_owned(), name);
        match method {
            "GetState" => {
                let state = if self.stopped.contains(&object) { "3" } else { "1" };
                Some(output(class, method, &[scalar("ReturnValue", state)]))
            }
            "Start" | "Stop" | "Recycle" => {
                self.stopped.retain(|known| *known != object);
                if method == "Stop" {
                    self.stopped.push(object);
                }
                Some(output(class, method, &[]))
            }
            "GetSection" => {
                let section = input.text("SectionName").to_owned();
                self.instances.get(&section)?;
                let section = Node { name: "Section".to_owned(), ..self.effective(&section, &object.1) };
                Some(output(class, method, &[section]))
            }
            "RevertToParent" => {
                let site = keys[0].1.strip_prefix(&format!("{APPHOST}/"))?.to_owned();
                self.sections.remove(&(site, class.to_owned()));
                Some(output(class, method, &[]))
            }
            "Clear" | "Add" | "Remove" => {
                let section = self.find(class, keys)?;
                let path = input.text("CollectionName").to_owned();
                let (path, name) = path.rsplit_once('.').unwrap_or(("", &path));
                let parent = path.split('.').filter(|part| !part.is_empty()).fold(section, Node::child_mut);
                let changed = change(parent, name, method, input);
                Some(match changed {
                    Ok(()) => output(class, method, &[]),
                    Err(text) => fault(2_150_858_803, "w:AlreadyExists", text),
                })
            }
            _ => Some(fault(2_150_858_771, "a:ActionNotSupported", "there is no such method")),
        }
    }

    fn create(&mut self, class: &str, input: &Node) {
        let site = input.text(if class == "Site" { "Name" } else { "SiteName" }).to_owned();
        let folder = input.text("PhysicalPath").to_owned();
        let scalars = |class: &str, pairs: &[(&str, &str)]| {
            let children = pairs.iter().map(|(name, value)| scalar(name, value)).collect();
            Node { name: class.to_owned(), class: Some(class.to_owned()), text: None, children }
        };
        let directory = |application: &str, path: &str| {
            let pairs = [
                ("ApplicationPath", application),
                ("Path", path),
                ("PhysicalPath", &folder),
                ("SiteName", &site),
            ];
            scalars("VirtualDirectory", &pairs)
        };
        let application = |path: &str| {
            let pairs = [("ApplicationPool", "DefaultAppPool"), ("Path", path), ("SiteName", &site)];
            scalars("Application", &pairs)
        };
        let added = match class {
            "Site" => {
                let pairs = [("Name", site.as_str()), ("ServerAutoStart", input.text("ServerAutoStart"))];
                let mut new = scalars("Site", &pairs);
                new.children.extend(input.children.iter().filter(|child| child.name == "Bindings").cloned());
                vec![new, application("/"), directory("/", "/")]
            }
            "Application" => {
                let path = input.text("ApplicationPath");
                vec![application(path), directory(path, "/")]
            }
            _ => vec![directory(input.text("ApplicationPath"), input.text("VirtualDirectoryPath"))],
        };
        for instance in added {
            self.instances.entry(instance.class.clone().unwrap()).or_default().push(instance);
        }
    }
}

/// Changes a collection.
fn change(parent: &mut Node, name: &str, method: &str, input: &Node) -> Result<(), &'static str> {
    if method == "Clear" {
        parent.children.retain(|child| child.name != name);
        return Ok(());
    }
    let element = input.children.iter().find(|child| child.name == "Element").expect("an element");
    let element = Node { name: name.to_owned(), ..element.clone() };
    assert!(element.class.is_some(), "an element has a type");
    let is_same = |child: &Node| {
        let keys = ["Value", "Name", "FileExtension", "Wildcard", "StatusCode", "SubStatusCode"];
        child.name == name && keys.iter().all(|key| child.text(key).eq_ignore_ascii_case(element.text(key)))
    };
    let is_known = parent.children.iter().any(is_same);
    match method {
        "Remove" => parent.children.retain(|child| !is_same(child)),
        _ if is_known => return Err("cannot add a duplicate collection entry"),
        _ => parent.children.push(element.clone()),
    }
    Ok(())
}

impl Node {
    fn text(&self, name: &str) -> &str {
        let child = self.children.iter().find(|child| child.name == name);
        child.and_then(|child| child.text.as_deref()).unwrap_or_default()
    }

    fn child_mut(&mut self, name: &str) -> &mut Self {
        self.children.iter_mut().find(|child| child.name == name).expect("a property")
    }

    /// Writes an instance.
    fn xml(&self) -> String {
        let class = self.class.as_deref().unwrap_or_default();
        let mut writer = Writer::new();
        writer.start(&format!("p:{class}")).namespace("xsi", XSI).namespace("p", &format!("{BASE}{class}"));
        writer.attribute("xsi:type", &format!("p:{class}_Type"));
        self.write_children(&mut writer, "p", 1);
        writer.finish()
    }

    fn write_children(&self, writer: &mut Writer, prefix: &str, depth: usize) {
        for child in &self.children {
            writer.start(&format!("{prefix}:{}", child.name));
            match (&child.class, &child.text) {
                (Some(class), _) => {
                    let inner = format!("p{depth}");
                    writer.namespace(&inner, &format!("{BASE}{class}"));
                    writer.attribute("xsi:type", &format!("{inner}:{class}_Type"));
                    child.write_children(writer, &inner, depth + 1);
                    writer.end();
                }
                (None, Some(text)) => {
                    writer.text(text).end();
                }
                (None, None) => {
                    writer.attribute("xsi:nil", "true").end_empty();
                }
            }
        }
    }
}

fn names(instance: &Node) -> std::collections::BTreeSet<&str> {
    instance.children.iter().map(|child| child.name.as_str()).collect()
}

fn scalar(name: &str, text: &str) -> Node {
    Node { name: name.to_owned(), class: None, text: Some(text.to_owned()), children: Vec::new() }
}

fn node(element: Element<'_>) -> Node {
    let kind = element.attribute(XSI, "type");
    let class =
        kind.map(|kind| kind.rsplit(':').next().unwrap_or_default().trim_end_matches("_Type").to_owned());
    let is_nil = element.attribute(XSI, "nil").is_some();
    let children: Vec<Node> = element.children().map(node).collect();
    let text = (!is_nil && class.is_none() && children.is_empty()).then(|| element.text().into_owned());
    Node { name: element.name().to_owned(), class, text, children }
}

fn named<'a>(element: Element<'a>, name: &str) -> Option<Element<'a>> {
    element.children().find(|child| child.name() == name)
}

/// Returns the output of a method.
fn output(class: &str, method: &str, parameters: &[Node]) -> Answer {
    let output = Node { name: String::new(), class: None, text: None, children: parameters.to_vec() };
    let mut writer = Writer::new();
    writer
        .start(&format!("p:{method}_OUTPUT"))
        .namespace("xsi", XSI)
        .namespace("p", &format!("{BASE}{class}"));
    output.write_children(&mut writer, "p", 1);
    (200, writer.finish())
}
