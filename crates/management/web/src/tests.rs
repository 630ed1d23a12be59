//! Tests of the whole path of a request, without a network.

mod attacks;
mod certificates;
mod deployments;
mod files;
mod machines;
mod matrix;
mod quick_answers;
mod real_apache;
mod real_nginx;
pub(crate) mod terminals;
mod wmi;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use auth::Secret;
use eventlog::local::LogPaths;
use management::{Directory, Grant, Permissions, Role, Settings};
use management_terminal::TerminalSource;
use serde_json::Value;
use tempfile::TempDir;
use webserver::WebServer;

use crate::call::Call;
use crate::console::{Console, ConsoleParts};
use crate::machines::Connector;
use crate::reply::{Content, Reply};
use crate::wmi::LocalWmi;

/// The service with users of every role, and its directory. The name of a user is the password.
pub(crate) struct Fixture {
    pub(crate) console: Arc<Console>,
    _folder: TempDir,
}

/// Users: an administrator, an operator, a viewer, the administrator of the site `shop`, and a user without rights.
const USERS: [&str; 5] = ["admin", "operator", "viewer", "shopkeeper", "stranger"];

/// Parts that most tests do without.
#[derive(Default)]
struct OptionalParts {
    wmi: Option<Arc<dyn LocalWmi>>,
    terminals: Option<Arc<dyn TerminalSource>>,
    connector: Option<Arc<dyn Connector>>,
}

impl Fixture {
    pub(crate) fn new(settings: Settings) -> Self {
        Self::with_web(settings, |_| None)
    }

    /// Makes the service with WMI of a machine.
    fn with_wmi(wmi: Arc<dyn LocalWmi>) -> Self {
        Self::with_parts(
            Settings::default(),
            |_| None,
            OptionalParts { wmi: Some(wmi), ..Default::default() },
        )
    }

    /// Makes the service with a web server, whose history may be in the directory.
    fn with_web(settings: Settings, web: impl FnOnce(&Path) -> Option<Arc<dyn WebServer>>) -> Self {
        Self::with_parts(settings, web, OptionalParts::default())
    }

    /// Makes the service with terminals.
    pub(crate) fn with_terminals(terminals: Arc<dyn TerminalSource>) -> Self {
        let parts = OptionalParts { terminals: Some(terminals), ..Default::default() };
        Self::with_parts(Settings::default(), |_| None, parts)
    }

    fn with_parts(
        settings: Settings,
        web: impl FnOnce(&Path) -> Option<Arc<dyn WebServer>>,
        OptionalParts { wmi, terminals, connector }: OptionalParts,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path(), folder.path());
        let permissions = Permissions::open(directory.permissions()).unwrap();
        permissions.set_role("operator", Role::Operator).unwrap();
        permissions.set_role("viewer", Role::Viewer).unwrap();
        permissions.allow("shopkeeper", "/shop".parse().unwrap()).unwrap();
        permissions.allow("operator", Grant::Terminal).unwrap();
        let console = Console::open(ConsoleParts {
            directory,
            settings,
            system: None,
            sessions: Arc::default(),
            staging: None,
            web: web(&folder.path().join("history")),
            wmi,
            wsman: None,
            terminals,
            connector,
            logs: LogPaths::default(),
            host_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            fingerprint: String::new(),
        });
        let console = Arc::new(console.unwrap());
        for user in USERS {
            console.users.add(user, Secret::new(user.to_owned()), "").unwrap();
        }
        Self { console, _folder: folder }
    }

    /// Signs a user in, and returns the headers of a browser with this session.
    pub(crate) fn browser(&self, user: &str) -> Vec<(String, String)> {
        let from = "127.0.0.1".parse().unwrap();
        let new = self.console.sessions.start(user, from, std::time::Instant::now()).unwrap();
        headers(&[
            ("cookie", &format!("{}={}", crate::access::COOKIE, new.token.expose())),
            ("x-csrf-token", new.session.csrf.expose()),
            ("origin", "https://localhost:8172"),
        ])
    }

    fn send(&self, call: &Call) -> Reply {
        self.console.answer(call)
    }
}

pub(crate) fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A request with a JSON body to `localhost:8172`.
pub(crate) fn call(method: &str, path: &str, body: &Value, extra: &[(String, String)]) -> Call {
    let mut all = headers(&[("host", "localhost:8172"), ("content-type", "application/json")]);
    all.extend_from_slice(extra);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Call {
        method: method.to_owned(),
        path: format!("/api/v1{path}"),
        query: query.to_owned(),
        headers: all,
        body: body.to_string().into_bytes(),
        client: SocketAddr::from(([127, 0, 0, 1], 4_711)),
        server: SocketAddr::from(([127, 0, 0, 1], 8_172)),
    }
}

/// Returns the JSON of a response.
pub(crate) fn json_of(reply: &Reply) -> Value {
    match &reply.content {
        Content::Json(value) | Content::Problem(value) => value.clone(),
        Content::Encoded(_, json) => serde_json::from_slice(json).unwrap(),
        other => panic!("no JSON: {other:?}"),
    }
}

/// Returns the last part of the problem type; empty for a success.
pub(crate) fn problem(reply: &Reply) -> String {
    let Content::Problem(value) = &reply.content else { return String::new() };
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.rsplit(':').next().unwrap_or_default().to_owned()
}
