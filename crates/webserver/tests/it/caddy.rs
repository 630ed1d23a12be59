//! Caddy through its admin API. Each change is verified by a request.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use telarch_webserver::{
    Caddy, CaddyOptions, Change, Commit, CommitKind, Feature, FeatureValue, FilePath, HostPattern,
    LocationContent, NewLocation, NewSite, Operation, PoolName, Scope, Setting, SiteState, Status, UrlPath,
    Verdict, WebServer, WebServerError,
};
use tempfile::TempDir;

use crate::fixture::{free_port, get, listener, request, site, status};

/// A Caddy with one site, `main`. It ends with this value.
struct Fixture {
    folder: TempDir,
    caddy: Caddy,
    child: Child,
    admin: String,
    port: u16,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Fixture {
    fn start() -> Option<Self> {
        Self::start_at(&format!("127.0.0.1:{}", free_port()))
    }

    /// Starts Caddy with an admin endpoint. Returns `None` and records a skip if the program is missing.
    fn start_at(admin: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let admin = admin.replace("FOLDER", folder.path().to_str().unwrap());
        let options = match CaddyOptions::of_admin(&admin, &folder.path().join("state")) {
            Err(WebServerError::NotFound { kind: "program", .. }) => {
                skips::skip!("a web server is missing: apt-get install caddy");
                return None;
            }
            options => options.unwrap(),
        };
        let port = free_port();
        fs::create_dir_all(folder.path().join("www/main/files")).unwrap();
        for (name, text) in [
            ("www/main/index.html", "main page"),
            ("www/main/other.txt", &"other ".repeat(200)),
            ("www/main/files/a.txt", "a"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let root = folder.path().join("www/main");
        let routes = json!([{ "handle": [{ "handler": "vars", "root": root }] }, { "handle": [{ "handler": "file_server" }] }]);
        let main = json!({ "listen": [format!("127.0.0.1:{port}")], "automatic_https": { "disable": true },
            "routes": [{ "handle": [{ "handler": "subroute", "routes": routes }], "terminal": true }] });
        let document = json!({ "admin": { "listen": admin.replace("unix:", "unix/") },
            "apps": { "http": { "servers": { "main": main } } } });
        let file = folder.path().join("caddy.json");
        fs::write(&file, document.to_string()).unwrap();
        let child = run(&options.program, &file, folder.path());
        let caddy = Caddy::open(&options).unwrap();
        Some(Self { folder, caddy, child, admin, port })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file_path(&self, name: &str) -> FilePath {
        FilePath::parse(self.path(name).to_str().unwrap()).unwrap()
    }

    fn put(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn commit(&self, changes: &[Change]) -> Result<Commit, WebServerError> {
        let base = self.caddy.snapshot()?.revision;
        let plan = self.caddy.plan(&base, changes)?;
        self.caddy.commit(&plan, &request("test"))
    }

    fn change(&self, changes: &[Change]) -> Commit {
        let commit = self.commit(changes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(commit.verdict, Verdict::Active);
        commit
    }

    fn new_site(&self, id: &str, port: u16, names: &[&str]) -> Change {
        self.put(&format!("www/{id}/index.html"), &format!("the {id}"));
        Change::CreateSite(NewSite {
            id: site(id),
            listeners: vec![listener(port)],
            names: names.iter().map(|name| HostPattern::parse(name).unwrap()).collect(),
            root: self.file_path(&format!("www/{id}")),
            certificate: None,
            key: None,
        })
    }

    /// Sets a feature, and checks that it is read as it was set.
    fn set(&self, scope: &Scope, value: Value) {
        let value: FeatureValue = serde_json::from_value(value).unwrap();
        let feature = value.feature();
        self.change(&[Change::SetFeature { scope: scope.clone(), value: value.clone() }]);
        let state = self.caddy.feature(scope, feature).unwrap();
        assert!(state.is_local && !state.origins.is_empty(), "{state:?}");
        assert_eq!(state.setting, Setting::Value { value });
    }

    /// Reverts a feature of the site `main`, and checks that the configuration is as it was before.
    fn revert(&self, feature: Feature, before: &Value) {
        self.change(&[Change::RevertFeature { scope: scope(), feature }]);
        assert_eq!(self.document(), *before, "{feature}");
        assert_eq!(self.caddy.feature(&scope(), feature).unwrap().setting, Setting::Default);
    }

    /// Returns the running configuration.
    fn document(&self) -> Value {
        serde_json::from_str(&self.admin_request("GET", "/config/", "")).unwrap()
    }

    /// Sends a request to the admin endpoint, as another program does.
    fn admin_request(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        let (host, length) = (&self.admin, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(status(answer.lines().next().unwrap()), 200, "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn get(&self, path: &str) -> (String, String) {
        get(self.port, path, "")
    }
}

/// Starts Caddy, and waits until it serves its configuration.
fn run(program: &Path, file: &Path, folder: &Path) -> Child {
    let mut command = Command::new(program);
    command.args(["run", "--config"]).arg(file).stdin(Stdio::null()).stdout(Stdio::null());
    for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        command.env(name, folder.join("home"));
    }
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = String::new();
    loop {
        let Some(Ok(line)) = lines.next() else { panic!("Caddy ended: {log}") };
        if line.contains("serving initial configuration") {
            break;
        }
        log += &line;
    }
    // A full pipe would stop Caddy.
    thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    child
}

fn scope() -> Scope {
    Scope::Site { site: site("main") }
}

/// Requests the page of a host name.
fn get_host(port: u16, host: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn a_site_is_created_changed_deleted_and_restored() {
    let Some(fixture) = Fixture::start() else { return };
    let caddy = &fixture.caddy;
    let before = caddy.snapshot().unwrap();
    assert!(before.problems.is_empty() && before.sites.len() == 1, "{before:?}");
    let main = &before.sites[0];
    assert_eq!(
        (main.id.as_str(), main.listeners.as_slice()),
        (
            "main",
            &[{
                let mut listener = listener(fixture.port);
                listener.default_site = true;
                listener
            }][..]
        )
    );
    assert_eq!(main.root.as_deref(), fixture.path("www/main").to_str());

    let port = free_port();
    let plan = caddy.plan(&before.revision, &[fixture.new_site("shop", port, &[])]).unwrap();
    assert!(plan.diffs()[0].unified.contains("+        \"shop\": {"), "{:?}", plan.diffs());
    let validation = caddy.validate(&plan).unwrap();
    assert!(validation.accepted && validation.output.contains("Valid configuration"), "{validation:?}");
    assert_eq!(caddy.snapshot().unwrap(), before, "planning and validating change nothing");

    let created = fixture.change(&[fixture.new_site("shop", port, &[])]);
    assert_eq!(get(port, "/", "").1, "the shop");
    let again = fixture.commit(&[fixture.new_site("shop", port, &[])]);
    assert!(matches!(again, Err(WebServerError::Exists { kind: "site", .. })), "{again:?}");

    let other = free_port();
    let names: Vec<HostPattern> =
        ["shop.example", "*.shop.example"].map(|name| HostPattern::parse(name).unwrap()).to_vec();
    let listeners = vec![listener(other)];
    fixture.change(&[Change::SetBindings { site: site("shop"), listeners, names: names.clone() }]);
    assert_eq!(get_host(other, "shop.example"), "the shop");
    assert_eq!(get_host(other, "a.shop.example"), "the shop");
    assert_eq!(get_host(other, "else.example"), "");
    let snapshot = caddy.snapshot().unwrap();
    let shop = snapshot.sites.iter().find(|found| found.id.as_str() == "shop").unwrap();
    assert_eq!((shop.listeners[0].address.port(), shop.names.as_slice()), (Some(other), names.as_slice()));

    // A second site with the same address is another route of the same server.
    fixture.change(&[fixture.new_site("blog", other, &["blog.example"])]);
    assert_eq!(get_host(other, "blog.example"), "the blog");
    assert_eq!(get_host(other, "shop.example"), "the shop");
    let nameless = fixture.commit(&[fixture.new_site("nameless", other, &[])]);
    assert!(matches!(nameless, Err(WebServerError::Impossible { .. })), "{nameless:?}");
    fixture.change(&[Change::DeleteSite { site: site("blog") }]);
    fixture.change(&[Change::DeleteSite { site: site("shop") }]);
    assert_eq!(caddy.snapshot().unwrap().revision, before.revision);
    assert!(TcpStream::connect(("127.0.0.1", other)).is_err());

    let plan = caddy.plan_rollback(&before.revision, created.number).unwrap();
    let restored = caddy.commit(&plan, &request("undo")).unwrap();
    assert_eq!(
        (restored.kind, restored.revision, restored.verdict),
        (CommitKind::Rollback { to: created.number }, created.revision, Verdict::Active)
    );
    assert_eq!(get(port, "/", "").1, "the shop");
    let history = caddy.history(None, 100).unwrap();
    assert_eq!((history.len(), history.last().unwrap().kind), (7, CommitKind::External), "{history:?}");
    assert!(caddy.commit_details(created.number).unwrap().diffs[0].unified.contains("\"shop\""));
}

#[test]
fn features_are_set_and_reverted() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.document();
    let site = scope();
    fixture.set(&site, json!({ "feature": "default-documents", "files": ["none.html", "other.txt"] }));
    assert!(fixture.get("/").1.starts_with("other"));
    fixture.revert(Feature::DefaultDocuments, &before);

    assert_eq!(status(&fixture.get("/files/").0), 404);
    fixture.set(&site, json!({ "feature": "directory-browsing", "enabled": true }));
    assert!(fixture.get("/files/").1.contains("a.txt"));
    fixture.revert(Feature::DirectoryBrowsing, &before);

    fixture.set(
        &site,
        json!({ "feature": "redirect", "status": 308, "target": "https://example.com$request_uri" }),
    );
    let (head, _) = fixture.get("/a%20b?b=c");
    assert!(status(&head) == 308 && head.contains("Location: https://example.com/a%20b?b=c"), "{head}");
    for path in ["/a%0d%0aX-Injected:%20b", "/a%3F%0d%0aX-Injected:%20b"] {
        let (head, _) = fixture.get(path);
        assert!(!head.to_ascii_lowercase().contains("\nx-injected"), "{head}");
    }
    fixture.set(&site, json!({ "feature": "redirect", "status": 302, "target": "http://$host:81/fixed" }));
    assert!(fixture.get("/x").0.contains("Location: http://localhost:81/fixed"));
    fixture.revert(Feature::Redirect, &before);

    fixture.set(
        &site,
        json!({ "feature": "response-headers", "headers": [
        { "name": "X-Text", "value": "always", "always": true },
        { "name": "X-Host", "value": "${host}x", "always": false }
    ] }),
    );
    let (head, _) = fixture.get("/missing");
    assert!(head.contains("X-Text: always") && !head.contains("X-Host"), "{head}");
    assert!(fixture.get("/").0.contains("X-Host: localhostx"));
    // Features of one site hold together.
    fixture.set(&site, json!({ "feature": "compression", "enabled": true, "level": 9, "minimum_size": 100 }));
    let (head, _) = get(fixture.port, "/other.txt", "Accept-Encoding: gzip\r\n");
    assert!(head.contains("Content-Encoding: gzip") && head.contains("X-Text: always"), "{head}");
    fixture.change(&[Change::RevertFeature { scope: site.clone(), feature: Feature::ResponseHeaders }]);
    fixture.revert(Feature::Compression, &before);

    for (scope, value) in [
        (Scope::Server, json!({ "feature": "compression", "enabled": true })),
        (site.clone(), json!({ "feature": "basic-authentication", "realm": "x" })),
        (site.clone(), json!({ "feature": "directory-browsing", "enabled": true, "format": "json" })),
        (
            site,
            json!({ "feature": "response-headers", "headers": [{ "name": "X", "value": "$request_id" }] }),
        ),
    ] {
        let value: FeatureValue = serde_json::from_value(value).unwrap();
        let refused = fixture.commit(&[Change::SetFeature { scope, value }]);
        assert!(
            matches!(refused, Err(WebServerError::Scope { .. } | WebServerError::Impossible { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(fixture.document(), before);
}

#[test]
fn values_cannot_change_the_structure() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.document();
    for text in [
        r#"a; b "c" {d} 'e' \\ #f"#,
        "{env.HOME} {http.vars.root}",
        r"ends with \",
        r"\{env.HOME\}",
        r"a \} b",
        "100% %{x} %%",
        r"line\nX-Injected: 1 \r\t",
    ] {
        let headers = json!([{ "name": "X-Text", "value": text, "always": true }]);
        fixture.set(&scope(), json!({ "feature": "response-headers", "headers": headers }));
        let (head, _) = fixture.get("/");
        assert!(head.lines().any(|line| line == format!("X-Text: {text}")), "{text}: {head}");
        fixture.revert(Feature::ResponseHeaders, &before);
    }
    let folder = FilePath::parse("/srv/{env.HOME}").unwrap();
    let refused = fixture.commit(&[Change::SetRoot { site: site("main"), folder }]);
    assert!(matches!(refused, Err(WebServerError::Impossible { .. })), "{refused:?}");
}

#[test]
fn virtual_directories_have_features_of_their_own() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.document();
    fixture.put("elsewhere/b.txt", "b");
    fixture.put("third/c.txt", "c");
    let path = UrlPath::parse("/docs/").unwrap();
    let put = |folder: &str| {
        let location = NewLocation::Directory { folder: fixture.file_path(folder) };
        Change::PutLocation { site: site("main"), path: path.clone(), location }
    };
    fixture.change(&[put("elsewhere")]);
    assert_eq!(fixture.get("/docs/b.txt").1, "b");
    assert_eq!(fixture.get("/").1, "main page");
    let snapshot = fixture.caddy.snapshot().unwrap();
    let docs = &snapshot.sites[0].locations[0];
    assert!(docs.path == "/docs/" && matches!(docs.content, LocationContent::Alias { .. }), "{docs:?}");
    let scope = Scope::Location { site: site("main"), path: path.clone() };
    fixture.set(&scope, json!({ "feature": "directory-browsing", "enabled": true }));
    assert!(fixture.get("/docs/").1.contains("b.txt"));
    assert_eq!(status(&fixture.get("/files/").0), 404);
    fixture.change(&[put("third")]);
    assert!(fixture.get("/docs/").1.contains("c.txt"), "another folder keeps the features");
    fixture.change(&[Change::DeleteLocation { site: site("main"), path: path.clone() }]);
    assert_eq!(fixture.document(), before);
    let missing = fixture.commit(&[Change::DeleteLocation { site: site("main"), path }]);
    assert!(matches!(missing, Err(WebServerError::NotFound { kind: "location", .. })), "{missing:?}");
}

#[test]
fn outside_changes_conflict_with_older_plans() {
    let Some(fixture) = Fixture::start() else { return };
    let caddy = &fixture.caddy;
    let base = caddy.snapshot().unwrap().revision;
    let change = Change::SetRoot { site: site("main"), folder: fixture.file_path("www") };
    let plan = caddy.plan(&base, &[change]).unwrap();
    fixture.admin_request("PUT", "/config/apps/http/grace_period", "\"3s\"");
    for outcome in [caddy.commit(&plan, &request("late")).map(|_| ()), caddy.validate(&plan).map(|_| ())] {
        assert!(matches!(outcome, Err(WebServerError::Conflict { .. })), "{outcome:?}");
    }
    let kinds: Vec<CommitKind> = caddy.history(None, 10).unwrap().iter().map(|commit| commit.kind).collect();
    assert_eq!(kinds, [CommitKind::External, CommitKind::External]);
}

#[test]
fn broken_documents_and_ports_in_use_leave_the_running_one() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.document();
    let edit = |text: String| Change::RawEdit { file: FilePath::parse("/config/").unwrap(), text };
    let text = format!("{before:#}\n");
    let line = u32::try_from(text.lines().count()).unwrap() + 1;
    let Err(WebServerError::Rejected(validation)) = fixture.commit(&[edit(text.clone() + "Unknown on;\n")])
    else {
        panic!("it was accepted")
    };
    let problem = &validation.problems[0];
    assert_eq!(problem.position.as_ref().map(|position| position.line), Some(line), "{problem}");
    assert!(problem.message.contains("Unknown on;"), "{problem}");
    let Err(WebServerError::Rejected(validation)) =
        fixture.commit(&[edit(text.replace("file_server", "nope"))])
    else {
        panic!("it was accepted")
    };
    assert!(validation.problems[0].message.contains("unknown module: http.handlers.nope"), "{validation:?}");
    let moved = fixture.commit(&[edit(text.replace(&fixture.admin, "127.0.0.1:1"))]);
    assert!(matches!(moved, Err(WebServerError::Impossible { .. })), "{moved:?}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = fixture.new_site("shop", taken.local_addr().unwrap().port(), &[]);
    let commit = fixture.commit(&[site]).unwrap();
    let Verdict::Failed { reason } = &commit.verdict else { panic!("{commit:?}") };
    assert!(reason.contains("address already in use"), "{reason}");
    assert_eq!((fixture.get("/").1.as_str(), fixture.document()), ("main page", before));
    let port = free_port();
    fixture.change(&[fixture.new_site("shop", port, &[])]);
    assert_eq!(get(port, "/", "").1, "the shop");
}

#[test]
fn caddy_is_controlled_and_reports_how_it_is_started() {
    let Some(mut fixture) = Fixture::start_at("unix:FOLDER/admin.sock") else { return };
    let caddy = &fixture.caddy;
    assert!(caddy.info().product == "Caddy" && !caddy.info().capabilities.stop_sites, "{:?}", caddy.info());
    let running = caddy.control(Operation::Reload).unwrap();
    assert!(
        matches!(&running, Status::Running { pid, workers } if *pid == fixture.child.id() && workers[0].memory > 0),
        "{running:?}"
    );
    assert!(matches!(caddy.control(Operation::ReopenLogs), Err(WebServerError::Control { .. })));
    let stop = Change::SetSiteState { site: site("main"), state: SiteState::Stopped };
    let pool = Change::DeletePool { pool: PoolName::parse("a").unwrap() };
    for change in [stop, pool] {
        let refused = fixture.commit(&[change]);
        assert!(matches!(refused, Err(WebServerError::Impossible { .. })), "{refused:?}");
    }
    // The parent of a process that ended must wait for it.
    let status = thread::scope(|threads| {
        let child = &mut fixture.child;
        threads.spawn(move || child.wait().unwrap());
        caddy.control(Operation::Stop)
    });
    assert_eq!(status.unwrap(), Status::Stopped);
    let error = caddy.snapshot().unwrap_err().to_string();
    assert!(error.contains("admin.sock") && error.contains("systemctl start caddy"), "{error}");
    assert!(matches!(caddy.control(Operation::Start), Err(WebServerError::Unreachable { .. })));
}

#[test]
fn sites_of_a_caddyfile_are_read() {
    let Some(fixture) = Fixture::start() else { return };
    // The adapter sorts the servers by their addresses.
    let mut ports = [free_port(), free_port()].map(|port| port.to_string());
    ports.sort();
    let [port, solo] = ports.map(|port| port.parse::<u16>().unwrap());
    let text = format!(
        "{{\n admin {}\n auto_https off\n}}\nhttp://:{port} {{\n bind 127.0.0.1\n root * {main}\n file_server browse\n header X-A b\n encode gzip\n redir /x /y\n}}\n\
         http://a.example:{port} {{\n bind 127.0.0.1\n root * {main}\n file_server\n handle_path /docs/* {{\n  root * {main}/files\n  file_server\n }}\n}}\n\
         http://127.0.0.1:{solo} {{\n bind 127.0.0.1\n redir https://example.com{{uri}} 308\n}}\n",
        fixture.admin,
        main = fixture.path("www/main").display()
    );
    fixture.put("Caddyfile", &text);
    let output =
        Command::new("caddy").args(["adapt", "--config"]).arg(fixture.path("Caddyfile")).output().unwrap();
    fixture.admin_request("POST", "/load", &String::from_utf8(output.stdout).unwrap());
    let snapshot = fixture.caddy.snapshot().unwrap();
    let ids: Vec<&str> = snapshot.sites.iter().map(|site| site.id.as_str()).collect();
    assert_eq!(ids, ["srv0-a.example", "srv0", "srv1-127.0.0.1"]);
    let named = &snapshot.sites[0];
    assert_eq!((named.names[0].as_str(), named.listeners[0].tls), ("a.example", false));
    assert_eq!(named.root.as_deref(), fixture.path("www/main").to_str());
    let [docs] = named.locations.as_slice() else { panic!("{named:?}") };
    assert!(docs.path == "/docs/" && matches!(docs.content, LocationContent::Alias { .. }), "{docs:?}");
    let scope = Scope::Site { site: site("srv0") };
    let setting = |feature| match fixture.caddy.feature(&scope, feature).unwrap().setting {
        Setting::Unsupported { .. } => json!("unsupported"),
        setting => json!(setting),
    };
    assert_eq!(setting(Feature::DirectoryBrowsing)["value"]["enabled"], json!(true));
    assert_eq!(setting(Feature::Compression)["value"]["enabled"], json!(true));
    assert_eq!(setting(Feature::ResponseHeaders)["value"]["headers"][0]["value"], json!("b"));
    assert_eq!(setting(Feature::Redirect), json!({ "setting": "default" }), "it is for one path only");
    let redirect =
        fixture.caddy.feature(&Scope::Site { site: site("srv1-127.0.0.1") }, Feature::Redirect).unwrap();
    assert!(matches!(&redirect.setting, Setting::Value { .. }), "{redirect:?}");
    // The site is changed in the form that the adapter wrote.
    fixture.set(
        &Scope::Site { site: site("srv0-a.example") },
        json!({ "feature": "response-headers",
        "headers": [{ "name": "X-New", "value": "1", "always": true }] }),
    );
    assert!(get(port, "/", "").0.contains("X-A: b"));
    let change =
        Change::SetRoot { site: site("srv0-a.example"), folder: fixture.file_path("www/main/files") };
    fixture.change(&[change]);
    assert_eq!(get_host(port, "a.example"), "");
}
