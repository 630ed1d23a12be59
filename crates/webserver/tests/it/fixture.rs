//! A folder with a web server of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;

use ports::free_port;
use telarch_webserver::{
    Apache, ApacheOptions, Author, Caddy, CaddyOptions, Change, Commit, CommitMessage, CommitRequest,
    Feature, FeatureState, FeatureValue, FilePath, ListenAddress, Listener, NewSite, Nginx, NginxOptions,
    Operation, Scope, Setting, SiteId, WebServer, WebServerError,
};
use tempfile::TempDir;

use crate::{apache_fixture, caddy_fixture};

/// A web server with one site, `main`. It ends with this value.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) server: Box<dyn WebServer>,
    pub(crate) port: u16,
    pub(crate) product: Product,
    /// Address of the admin endpoint of Caddy; empty for the other products.
    pub(crate) admin: String,
    /// Caddy, which Telarch does not start.
    pub(crate) child: Option<Child>,
}

/// Product of a web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Nginx,
    Apache,
    Caddy,
}

impl Product {
    /// Creates the files of a web server, and starts Caddy, whose configuration is that of the running process. Returns
    /// `None` and records a skip if the program is missing.
    pub(crate) fn create(self) -> Option<Fixture> {
        self.create_at(&format!("127.0.0.1:{}", free_port()))
    }

    /// Creates a web server with an address for the admin endpoint of Caddy. `FOLDER` stands for that of the fixture.
    pub(crate) fn create_at(self, admin: &str) -> Option<Fixture> {
        let folder = tempfile::tempdir().unwrap();
        let admin = admin.replace("FOLDER", folder.path().to_str().unwrap());
        let port = free_port();
        match self {
            Self::Nginx => write_files(folder.path(), port),
            Self::Apache => apache_fixture::write_files(folder.path(), port),
            Self::Caddy => caddy_fixture::write_files(folder.path(), &admin, port),
        }
        let server = match self.open(folder.path(), &admin, Vec::new()) {
            Err(WebServerError::NotFound { kind: "program", .. }) => {
                skips::skip!("a web server is missing: apt-get install nginx-light apache2-bin caddy");
                return None;
            }
            server => server.unwrap(),
        };
        let child = (self == Self::Caddy).then(|| {
            let options = CaddyOptions::of_admin(&admin, folder.path()).unwrap();
            caddy_fixture::run(&options.program, folder.path())
        });
        Some(Fixture { folder, server, port, product: self, admin, child })
    }

    /// Opens the configuration in a folder, as a process does.
    fn open(
        self,
        folder: &Path,
        admin: &str,
        roots: Vec<PathBuf>,
    ) -> Result<Box<dyn WebServer>, WebServerError> {
        let state = folder.join("state");
        Ok(match self {
            Self::Nginx => {
                let options = NginxOptions { roots, ..NginxOptions::of_folder(folder, &state)? };
                Box::new(Nginx::open(&options)?)
            }
            Self::Apache => {
                let options = ApacheOptions { roots, ..ApacheOptions::of_folder(folder, &state)? };
                Box::new(Apache::open(&options)?)
            }
            Self::Caddy => Box::new(Caddy::open(&CaddyOptions::of_admin(admin, &state)?)?),
        })
    }

    /// Creates the files and starts the web server.
    pub(crate) fn start(self) -> Option<Fixture> {
        let fixture = self.create()?;
        let started = fixture.server.control(Operation::Start).unwrap_or_else(|error| panic!("{error}"));
        assert!(started.is_running());
        Some(fixture)
    }
}

impl Fixture {
    /// Creates the files of nginx. Returns `None` and records a skip if nginx is missing.
    pub(crate) fn create() -> Option<Self> {
        Product::Nginx.create()
    }

    /// Creates the files and starts nginx.
    pub(crate) fn start() -> Option<Self> {
        Product::Nginx.start()
    }

    /// Opens the web server once more, as another process does.
    pub(crate) fn open_again(&self, roots: Vec<PathBuf>) -> Box<dyn WebServer> {
        self.product.open(self.folder.path(), &self.admin, roots).unwrap()
    }

    /// Returns the name of the file of a site below the folder.
    pub(crate) fn site_file(&self, id: &str) -> String {
        match self.product {
            Product::Nginx => format!("conf/sites/{id}"),
            Product::Apache => format!("sites-available/{id}.conf"),
            Product::Caddy => panic!("sites of Caddy have no files"),
        }
    }

    /// Returns the text of the configuration of the site `main`; the whole document of Caddy.
    pub(crate) fn configuration(&self) -> String {
        match self.product {
            Product::Caddy => format!("{:#}", caddy_fixture::document(&self.admin)),
            _ => self.text(&self.site_file("main")),
        }
    }

    /// Changes the configuration as another program does. The sites stay the same.
    pub(crate) fn edit_outside(&self) {
        if self.product == Product::Caddy {
            caddy_fixture::admin_request(&self.admin, "PUT", "/config/apps/http/grace_period", "\"3s\"");
        } else {
            self.put(&self.site_file("main"), &(self.configuration() + "# edited by hand\n"));
        }
    }

    /// Sets a feature of the site `main`, and checks that it is read as it was set. Fields that the product does not have
    /// are omitted.
    pub(crate) fn set(&self, value: serde_json::Value) -> FeatureState {
        self.set_in(&main_scope(), value)
    }

    /// Sets a feature in a scope, and checks that it is read as it was set.
    pub(crate) fn set_in(&self, scope: &Scope, mut value: serde_json::Value) -> FeatureState {
        let name = value["feature"].as_str().unwrap().to_owned();
        for field in &self.server.info().capabilities.unsupported_fields {
            let path = field.strip_prefix(&format!("{name}."));
            path.into_iter().for_each(|path| remove(&mut value, path));
        }
        let value: FeatureValue =
            serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"));
        let feature = value.feature();
        self.change(&[Change::SetFeature { scope: scope.clone(), value: value.clone() }]);
        let state = self.server.feature(scope, feature).unwrap();
        assert_eq!(state.setting, Setting::Value { value });
        assert!(state.is_local && !state.origins.is_empty(), "{state:?}");
        state
    }

    /// Reverts a feature of the site `main`, and checks that the configuration is as it was before the feature was set.
    pub(crate) fn revert(&self, feature: Feature, before: &str) {
        // A value that switches a feature off may be the default.
        if self.configuration() != before {
            self.change(&[Change::RevertFeature { scope: main_scope(), feature }]);
        }
        assert_eq!(self.configuration(), before, "{feature}");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap().join(name)
    }

    pub(crate) fn file_path(&self, name: &str) -> FilePath {
        FilePath::parse(self.path(name).to_str().unwrap()).unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Plans and commits changes.
    pub(crate) fn commit(&self, changes: &[Change]) -> Result<Commit, WebServerError> {
        let base = self.server.snapshot()?.revision;
        let plan = self.server.plan(&base, changes)?;
        self.server.commit(&plan, &request("test"))
    }

    /// Commits changes, which the web server must accept.
    pub(crate) fn change(&self, changes: &[Change]) -> Commit {
        let commit = self.commit(changes).unwrap_or_else(|error| panic!("{error}"));
        assert!(commit.verdict.is_applied(), "{:?}", commit.verdict);
        commit
    }

    /// Returns a site with a folder of its own, which contains `index.html`.
    pub(crate) fn new_site(&self, id: &str, port: u16, text: &str) -> Change {
        self.put(&format!("www/{id}/index.html"), text);
        Change::CreateSite(NewSite {
            id: site(id),
            listeners: vec![listener(port)],
            names: Vec::new(),
            root: self.file_path(&format!("www/{id}")),
            certificate: None,
            key: None,
        })
    }

    /// Requests a path of the site `main`. Returns head and body.
    pub(crate) fn get(&self, path: &str) -> (String, String) {
        get(self.port, path, "")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        match &mut self.child {
            Some(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            None => {
                let _ = self.server.control(Operation::Terminate);
            }
        }
    }
}

/// Removes a member with a name at any depth.
fn remove(value: &mut serde_json::Value, name: &str) {
    match value {
        serde_json::Value::Object(members) => {
            members.remove(name);
            members.values_mut().for_each(|member| remove(member, name));
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| remove(item, name)),
        _ => {}
    }
}

/// Returns the scope of the site `main`.
pub(crate) fn main_scope() -> Scope {
    Scope::Site { site: site("main") }
}

pub(crate) fn request(message: &str) -> CommitRequest {
    CommitRequest { author: Author::parse("ada").unwrap(), message: CommitMessage::parse(message).unwrap() }
}

pub(crate) fn site(id: &str) -> SiteId {
    SiteId::parse(id).unwrap()
}

pub(crate) fn listener(port: u16) -> Listener {
    let address = ListenAddress::parse(&format!("127.0.0.1:{port}")).unwrap();
    Listener { address, tls: false, http2: false, default_site: false }
}

/// Sends a request with additional header lines, and perhaps an empty line and a body. Returns head and body.
pub(crate) fn get(port: u16, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // More bytes than those of the body would remain unread, and the server's reset could overtake its answer.
    let end = if headers.contains("\r\n\r\n") { "" } else { "\r\n" };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}{end}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_owned(), body.to_owned())
}

/// Requests the page `/` of a host name.
pub(crate) fn get_host(port: u16, host: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Returns the status code of a head.
pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
}

fn write_files(folder: &Path, port: u16) {
    for name in ["conf/sites", "logs", "www/main/files", "tmp"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    // Workers of root would be another user, who cannot read the folder.
    let user = if fs::metadata(folder).unwrap().uid() == 0 { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path tmp/{kind};\n"))
        .collect();
    let main = format!(
        "{user}worker_processes 1;\npid logs/nginx.pid;\nerror_log logs/error.log;\nevents {{}}\nhttp {{\n{temporary}\
        \x20   access_log logs/access.log;\n    types {{\n        text/html html; # pages\n        text/plain txt;\n    }}\n\
        \x20   include sites/*;\n}}\n"
    );
    fs::write(folder.join("conf/nginx.conf"), main).unwrap();
    let site = format!(
        "# The main site.\nserver {{\n    # telarch-site: main\n    listen 127.0.0.1:{port}; # loopback only\n    root www/main;\n\
        \x20   location /files/ {{\n    }}\n}}\n"
    );
    fs::write(folder.join("conf/sites/main"), site).unwrap();
    fs::write(folder.join("www/main/index.html"), "main page").unwrap();
    fs::write(folder.join("www/main/other.txt"), "other ".repeat(100)).unwrap();
    fs::write(folder.join("www/main/files/a.txt"), "a").unwrap();
}
