//! `SCX_Application_Server`: Tomcat and JBoss servers, found by the options of their Java processes.

use std::cell::OnceCell;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use cim::{Instance, Status, Value};
use wmi::{MethodCall, ProviderError};
use xml::{Bounds, Document, Element};

use crate::Machine;
use crate::process::each;
use crate::table::{Fill, Table, failure, returned};

/// Running servers, and servers with deep monitoring.
pub(super) struct ApplicationServer;

/// An application server.
#[derive(Debug)]
pub(super) struct Server {
    kind: Option<Kind>,
    /// Folder of the configuration, which is the name of the server.
    base: String,
    /// Folder of the programs.
    home: String,
    is_running: bool,
    /// Protocol for deep monitoring; `None` if it is off.
    watched: Option<String>,
    ports: OnceCell<Ports>,
    version: OnceCell<Option<String>>,
}

/// Maximum length of a path in bytes, including the terminating NUL (limits.h).
const PATH_MAX: usize = 4096;

/// Product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tomcat,
    JBoss,
}

/// Ports of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ports {
    http: Option<String>,
    https: Option<String>,
}

impl Server {
    /// Returns the server that a process with these arguments runs.
    fn of(arguments: &str) -> Option<Self> {
        let homes = (path_option(arguments, "-Dcatalina.home"), path_option(arguments, "-Djboss.home.dir"));
        let (kind, home, base) = match homes {
            (Some(home), _) => (Kind::Tomcat, home, path_option(arguments, "-Dcatalina.base")),
            (None, Some(home)) => (Kind::JBoss, home, path_option(arguments, "-Djboss.server.base.dir")),
            (None, None) => return None,
        };
        let base = base.unwrap_or_else(|| match kind {
            Kind::Tomcat => home.clone(),
            Kind::JBoss => format!("{home}/standalone"),
        });
        Some(Self { kind: Some(kind), base, home, is_running: true, ..Self::unknown() })
    }

    fn unknown() -> Self {
        Self {
            kind: None,
            base: String::new(),
            home: String::new(),
            is_running: false,
            watched: None,
            ports: OnceCell::new(),
            version: OnceCell::new(),
        }
    }

    fn ports(&self, machine: &Machine) -> &Ports {
        self.ports.get_or_init(|| {
            match self.kind {
                Some(Kind::Tomcat) => {
                    self.document(machine, "conf/server.xml").map(|file| of_tomcat(file.root()))
                }
                Some(Kind::JBoss) => {
                    self.document(machine, "configuration/standalone.xml").map(|file| of_jboss(file.root()))
                }
                None => None,
            }
            .unwrap_or_default()
        })
    }

    fn document(&self, machine: &Machine, file: &str) -> Option<Document> {
        let path = format!("{}/{file}", self.base);
        let text = machine.text_of_others_up_to(path, LONGEST_FILE).ok()?;
        Document::parse(text, &Bounds::default()).ok()
    }

    /// Returns the version from a text file of the product.
    fn version(&self, machine: &Machine) -> Option<&str> {
        self.version.get_or_init(|| self.read_version(machine)).as_deref()
    }

    fn read_version(&self, machine: &Machine) -> Option<String> {
        let file = match self.kind? {
            Kind::Tomcat => "RELEASE-NOTES",
            Kind::JBoss => "version.txt",
        };
        let path = format!("{}/{file}", self.home);
        let text = machine.text_of_others_up_to(path, LONGEST_FILE).ok()?;
        let line =
            text.lines().find_map(|line| line.rsplit_once("Version ").map(|(_, version)| version.trim()));
        line.filter(|version| version.starts_with(|first: char| first.is_ascii_digit())).map(str::to_owned)
    }

    /// Returns the port for deep monitoring.
    fn port(&self, machine: &Machine) -> Option<&str> {
        let ports = self.ports(machine);
        let is_sealed =
            self.watched.as_deref().is_some_and(|protocol| protocol.eq_ignore_ascii_case("HTTPS"));
        if is_sealed { ports.https.as_deref() } else { ports.http.as_deref() }
    }
}

/// Returns the last value of an option that is an absolute path on one line.
fn path_option(arguments: &str, name: &str) -> Option<String> {
    let mut values = arguments.split('\0').filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let path = values.rfind(|value: &&str| {
        value.starts_with('/') && value.len() < PATH_MAX && !value.contains(char::is_control)
    });
    path.map(|path| path.trim_end_matches('/').to_owned())
}

/// Maximum length read of a server's file, in bytes. Any user can start many servers and choose the paths of
/// their files, each of which is read.
const LONGEST_FILE: u64 = 256 << 10;

/// Returns the ports of Tomcat's connectors, without AJP connectors, which only other servers use.
fn of_tomcat(root: Element<'_>) -> Ports {
    let connectors = root
        .children()
        .filter(|element| element.name() == "Service")
        .flat_map(|service| service.children().filter(|element| element.name() == "Connector"));
    let mut ports = Ports::default();
    for connector in connectors {
        if connector
            .attribute("", "protocol")
            .is_some_and(|protocol| protocol.contains("AJP") || protocol.contains("ajp"))
        {
            continue;
        }
        let is_sealed =
            connector.attribute("", "SSLEnabled").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let place = if is_sealed { &mut ports.https } else { &mut ports.http };
        *place = place.take().or_else(|| connector.attribute("", "port").map(std::borrow::Cow::into_owned));
    }
    ports
}

/// Returns the ports of JBoss's socket bindings, which may be properties with a default:
/// `${jboss.http.port:8080}`.
fn of_jboss(root: Element<'_>) -> Ports {
    let Some(group) = root.children().find(|element| element.name() == "socket-binding-group") else {
        return Ports::default();
    };
    let offset = number_of(group, "port-offset").unwrap_or_default();
    Ports { http: bound_port(group, "http", offset), https: bound_port(group, "https", offset) }
}

fn bound_port(group: Element<'_>, name: &str, offset: u32) -> Option<String> {
    let binding = group.children().find(|binding| binding.attribute("", "name").as_deref() == Some(name))?;
    let port = number_of(binding, "port")?.checked_add(offset)?;
    u16::try_from(port).ok().map(|port| port.to_string())
}

/// Returns the number in an attribute, or the default of an expression (`${name:8080}`).
fn number_of(element: Element<'_>, name: &str) -> Option<u32> {
    let value = element.attribute("", name)?;
    value.trim_end_matches('}').rsplit(':').next()?.parse().ok()
}

impl Table for ApplicationServer {
    type Row = Server;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_Application_Server";

    const COLUMNS: &'static [(&'static str, Fill<Server>)] = &[
        ("Caption", |_, _| "Application server".into()),
        ("Description", |_, server| server.home.clone().into()),
        ("DiskPath", |_, server| server.base.clone().into()),
        ("HttpPort", |machine, server| server.ports(machine).http.clone().into()),
        ("HttpsPort", |machine, server| server.ports(machine).https.clone().into()),
        ("IsDeepMonitored", |_, server| server.watched.is_some().into()),
        ("IsRunning", |_, server| server.is_running.into()),
        ("MajorVersion", |machine, server| {
            server.version(machine).and_then(|version| version.split('.').next()).map(str::to_owned).into()
        }),
        ("Name", |_, server| server.base.clone().into()),
        ("Port", |machine, server| server.port(machine).map(str::to_owned).into()),
        ("Protocol", |_, server| server.watched.clone().unwrap_or_else(|| "HTTP".to_owned()).into()),
        ("Type", |_, server| {
            server
                .kind
                .map(|kind| match kind {
                    Kind::Tomcat => "Tomcat",
                    Kind::JBoss => "JBoss",
                })
                .into()
        }),
        ("Version", |machine, server| server.version(machine).map(str::to_owned).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Server>, ProviderError> {
        Ok(all(machine)?.into_iter())
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        if call.operation.method.name.as_str() != "SetDeepMonitoring" {
            return Err(ProviderError::NotCapable);
        }
        let text =
            |name: &str| call.input.value(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let id = text("id").ok_or_else(|| wrong("id is empty\n  pass the Name of a server"))?;
        let protocol = text("protocol").unwrap_or("HTTP").to_ascii_uppercase();
        if !matches!(protocol.as_str(), "HTTP" | "HTTPS") {
            return Err(wrong("protocol may be HTTP or HTTPS"));
        }
        let is_wanted = call.input.value("deep") == Some(&Value::Boolean(true));
        if !all(machine)?.iter().any(|server| server.base == id) {
            return Err(ProviderError::failed(Status::NotFound, format!("server {id} not found")));
        }
        let mut watched = watched(machine);
        watched.retain(|(_, base)| base != id);
        if is_wanted {
            watched.push((protocol, id.to_owned()));
        }
        remember(machine, &watched).map_err(failure)?;
        returned(call, true)
    }
}

fn wrong(problem: &str) -> ProviderError {
    ProviderError::failed(Status::InvalidParameter, problem)
}

/// Returns all servers, sorted by name.
fn all(machine: &Machine) -> Result<Vec<Server>, ProviderError> {
    let mut servers: Vec<Server> = Vec::new();
    each(machine, None, &mut |row| {
        let arguments = row.arguments().unwrap_or_default();
        let server = Server::of(&arguments);
        // Further processes with the same options are tools of the server.
        servers.extend(server.filter(|server| servers.iter().all(|other| other.base != server.base)));
        Ok(())
    })?;
    for (protocol, base) in watched(machine) {
        match servers.iter_mut().find(|server| server.base == base) {
            Some(server) => server.watched = Some(protocol),
            None => servers.push(Server {
                home: base.clone(),
                base,
                watched: Some(protocol),
                ..Server::unknown()
            }),
        }
    }
    servers.sort_by(|left, right| left.base.cmp(&right.base));
    Ok(servers)
}

/// Returns the path of the file with the monitored servers: a line for each, with the protocol before the
/// name.
fn file(machine: &Machine) -> Option<PathBuf> {
    Some(machine.user_state()?.join("scx-application-servers"))
}

fn watched(machine: &Machine) -> Vec<(String, String)> {
    let text = file(machine).and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let entry =
        |line: &str| line.split_once(' ').map(|(protocol, base)| (protocol.to_owned(), base.to_owned()));
    text.lines().filter_map(entry).collect()
}

fn remember(machine: &Machine, watched: &[(String, String)]) -> io::Result<()> {
    let file = file(machine).ok_or(io::ErrorKind::Unsupported)?;
    let folder = file.parent().unwrap_or(&file);
    fs::create_dir_all(folder)?;
    let mut written = tempfile::NamedTempFile::new_in(folder)?;
    for (protocol, base) in watched {
        writeln!(written, "{protocol} {base}")?;
    }
    written.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(of: fn(Element<'_>) -> Ports, text: &str) -> (Option<String>, Option<String>) {
        let document = Document::parse(text, &Bounds::default()).expect("it is XML");
        let ports = of(document.root());
        (ports.http, ports.https)
    }

    #[test]
    fn ports_are_those_of_the_configuration() {
        let tomcat = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a comment -->\n<Server port=\"8005\">\
            <Service name=\"Catalina\"><Connector port=\"8009\" protocol=\"AJP/1.3\"/>\
            <Connector port=\"8080\" protocol=\"HTTP/1.1\"/><Connector port=\"8443\" SSLEnabled=\"true\"/>\
            </Service></Server>";
        assert_eq!(ports(of_tomcat, tomcat), (Some("8080".to_owned()), Some("8443".to_owned())));
        let jboss = "<server xmlns=\"urn:jboss:domain:4.2\"><socket-binding-group \
            port-offset=\"${jboss.socket.binding.port-offset:100}\">\
            <socket-binding name=\"http\" port=\"${jboss.http.port:8080}\"/></socket-binding-group></server>";
        assert_eq!(ports(of_jboss, jboss), (Some("8180".to_owned()), None));
        let too_large = jboss.replace("8080", "4294967295");
        assert_eq!(ports(of_jboss, &too_large), (None, None));
    }

    #[test]
    fn servers_are_known_by_the_options_of_their_virtual_machine() {
        let base = |words: &[&str]| Server::of(&words.join("\0")).map(|server| (server.kind, server.base));
        let tomcat = ["java", "-Dcatalina.base=/srv/one/", "-Dcatalina.home=/usr/share/tomcat", "start"];
        assert_eq!(base(&tomcat), Some((Some(Kind::Tomcat), "/srv/one".to_owned())));
        assert_eq!(
            base(&["java", "-Djboss.home.dir=/opt/jb"]),
            Some((Some(Kind::JBoss), "/opt/jb/standalone".to_owned()))
        );
        assert_eq!(base(&["java", "-Dcatalina.home=relative"]), None);
        assert_eq!(base(&["vi", "catalina.home"]), None);
        for name in ["/x\nHTTP /etc", &format!("/{}", "x".repeat(PATH_MAX))] {
            assert_eq!(base(&["java", &format!("-Dcatalina.home={name}")]), None, "{name}");
        }
    }
}
