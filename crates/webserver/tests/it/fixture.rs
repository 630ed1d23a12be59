//! A folder with a web server of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use telarch_webserver::{
    Apache, ApacheOptions, Author, Change, Commit, CommitMessage, CommitRequest, FilePath, ListenAddress,
    Listener, NewSite, Nginx, NginxOptions, Operation, SiteId, WebServer, WebServerError,
};
use tempfile::TempDir;

use crate::apache_fixture;

/// A web server with one site, `main`. It ends with this value.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) server: Box<dyn WebServer>,
    pub(crate) port: u16,
    pub(crate) product: Product,
}

/// Product of a web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Nginx,
    Apache,
}

impl Product {
    /// Creates the files of a web server. Returns `None` and records a skip if its program is missing.
    pub(crate) fn create(self) -> Option<Fixture> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let state = folder.path().join("state");
        let server: Result<Box<dyn WebServer>, WebServerError> = match self {
            Self::Nginx => {
                write_files(folder.path(), port);
                NginxOptions::of_folder(folder.path(), &state)
                    .and_then(|options| Nginx::open(&options))
                    .map(|nginx| Box::new(nginx) as _)
            }
            Self::Apache => {
                apache_fixture::write_files(folder.path(), port);
                ApacheOptions::of_folder(folder.path(), &state)
                    .and_then(|options| Apache::open(&options))
                    .map(|apache| Box::new(apache) as _)
            }
        };
        let server = match server {
            Err(WebServerError::NotFound { kind: "program", .. }) => {
                skips::skip!("a web server is missing: apt-get install nginx-light apache2-bin");
                return None;
            }
            server => server.unwrap(),
        };
        Some(Fixture { folder, server, port, product: self })
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

    /// Returns the name of the file of a site below the folder.
    pub(crate) fn site_file(&self, id: &str) -> String {
        match self.product {
            Product::Nginx => format!("conf/sites/{id}"),
            Product::Apache => format!("sites-available/{id}.conf"),
        }
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
        let _ = self.server.control(Operation::Terminate);
    }
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

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Sends a request with additional header lines. Returns head and body.
pub(crate) fn get(port: u16, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_owned(), body.to_owned())
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
