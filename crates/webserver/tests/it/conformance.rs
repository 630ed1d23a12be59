//! Behaviour that all web servers have in common. Each change is verified by a request.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use telarch_webserver::{
    Change, CommitKind, Feature, FeatureState, FeatureValue, FileChange, HostPattern, LocationContent,
    LogKind, LogStart, NewLocation, Operation, Scope, Setting, Severity, SiteState, Status, UrlPath, Verdict,
    WebServerError,
};

use crate::fixture::{Fixture, Product, free_port, get, listener, request, site, status};

/// Runs each test with every product.
macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod nginx {
            $(#[test] fn $name() { super::$name(super::Product::Nginx); })*
        }
        mod apache {
            $(#[test] fn $name() { super::$name(super::Product::Apache); })*
        }
    };
}

conformance!(
    a_site_is_created_changed_stopped_and_restored,
    outside_edits_conflict_with_older_plans,
    documents_and_listings,
    error_pages_and_redirects,
    headers_types_and_compression,
    restrictions_and_authentication,
    limits_and_logs,
    values_of_all_sites_are_inherited,
    virtual_directories_have_features_of_their_own,
    a_site_with_tls_serves_its_certificate,
    values_cannot_change_the_structure,
    a_broken_text_is_rejected_with_its_line,
    a_port_in_use_restores_the_old_files,
    the_web_server_is_controlled_and_its_logs_are_read,
);

fn scope() -> Scope {
    Scope::Site { site: site("main") }
}

/// Parses a value as the API does.
fn value(json: &str) -> FeatureValue {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// Sets a feature of the site `main`, and checks that it is read as it was set.
fn set(fixture: &Fixture, json: &str) -> FeatureState {
    let value = value(json);
    let feature = value.feature();
    fixture.change(&[Change::SetFeature { scope: scope(), value: value.clone() }]);
    let state = fixture.server.feature(&scope(), feature).unwrap();
    assert_eq!(state.setting, Setting::Value { value });
    assert!(state.is_local && !state.origins.is_empty(), "{state:?}");
    state
}

/// Reverts a feature, and checks that the file is as it was before the feature was set.
fn revert(fixture: &Fixture, feature: Feature, before: &str) {
    fixture.change(&[Change::RevertFeature { scope: scope(), feature }]);
    assert_eq!(fixture.text(&fixture.site_file("main")), before, "{feature}");
}

/// Waits until no process accepts connections on a port. Old workers close it last.
fn require_refused(port: u16) {
    let is_refused = (0..1_000).any(|_| {
        sleep(Duration::from_millis(5));
        TcpStream::connect(("127.0.0.1", port)).is_err()
    });
    assert!(is_refused, "the port {port} is still open");
}

fn a_site_is_created_changed_stopped_and_restored(product: Product) {
    let Some(fixture) = product.start() else { return };
    let port = free_port();
    let server = &fixture.server;
    let before = server.snapshot().unwrap();
    assert!(before.problems.is_empty(), "{:?}", before.problems);
    assert_eq!((before.sites.len(), before.sites[0].id.as_str()), (1, "main"));
    let plan = server.plan(&before.revision, &[fixture.new_site("shop", port, "the shop")]).unwrap();
    assert!(
        plan.diffs()
            .iter()
            .any(|diff| diff.change == FileChange::Created && diff.unified.contains("telarch-site: shop"))
    );
    let validation = server.validate(&plan).unwrap();
    assert!(validation.accepted, "{validation:?}");
    assert_eq!(server.snapshot().unwrap(), before, "planning and validating change nothing");

    let created = fixture.change(&[fixture.new_site("shop", port, "the shop")]);
    assert_eq!((created.kind, created.verdict), (CommitKind::Change, Verdict::Active));
    assert_eq!(get(port, "/", "").1, "the shop");
    assert!(matches!(
        fixture.commit(&[fixture.new_site("shop", port, "the shop")]),
        Err(WebServerError::Exists { kind: "site", .. })
    ));

    let other = free_port();
    let names = ["shop.example", "*.shop.example"].map(|name| HostPattern::parse(name).unwrap());
    let bindings =
        Change::SetBindings { site: site("shop"), listeners: vec![listener(other)], names: names.to_vec() };
    fixture.change(&[bindings]);
    assert_eq!(get(other, "/", "").1, "the shop");
    require_refused(port);
    let snapshot = server.snapshot().unwrap();
    let shop = snapshot.sites.iter().find(|found| found.id.as_str() == "shop").unwrap();
    assert_eq!((shop.listeners[0].address.port(), shop.names.as_slice()), (Some(other), names.as_slice()));

    fixture.change(&[Change::SetSiteState { site: site("shop"), state: SiteState::Stopped }]);
    require_refused(other);
    let stopped = server.snapshot().unwrap();
    let shop = stopped.sites.iter().find(|found| found.id.as_str() == "shop").unwrap();
    assert_eq!(shop.state, SiteState::Stopped);
    fixture.change(&[Change::SetSiteState { site: site("shop"), state: SiteState::Started }]);
    assert_eq!(get(other, "/", "").1, "the shop");

    fixture.change(&[Change::DeleteSite { site: site("shop") }]);
    assert!(!fixture.path(&fixture.site_file("shop")).exists());
    assert_eq!(server.snapshot().unwrap().sites, before.sites);

    // Back to the commit that created the site.
    let base = server.snapshot().unwrap().revision;
    let plan = server.plan_rollback(&base, created.number).unwrap();
    let rolled_back = server.commit(&plan, &request("undo")).unwrap();
    assert_eq!(
        (rolled_back.kind, rolled_back.revision),
        (CommitKind::Rollback { to: created.number }, created.revision)
    );
    assert_eq!(get(port, "/", "").1, "the shop");
    let history = server.history(None, 100).unwrap();
    assert_eq!((history.len(), history.last().unwrap().kind), (7, CommitKind::External), "{history:?}");
    assert_eq!(history[0].author.as_ref().unwrap().as_str(), "ada");
    let details = server.commit_details(created.number).unwrap();
    assert!(details.diffs.iter().any(|diff| diff.unified.contains("telarch-site: shop")), "{details:?}");
}

fn outside_edits_conflict_with_older_plans(product: Product) {
    let Some(fixture) = product.create() else { return };
    let server = &fixture.server;
    let base = server.snapshot().unwrap().revision;
    let change = Change::SetRoot { site: site("main"), folder: fixture.file_path("www") };
    let plan = server.plan(&base, &[change]).unwrap();
    let file = fixture.site_file("main");
    let edited = fixture.text(&file) + "# edited by hand\n";
    fixture.put(&file, &edited);
    for outcome in [server.commit(&plan, &request("late")).map(|_| ()), server.validate(&plan).map(|_| ())] {
        assert!(matches!(outcome, Err(WebServerError::Conflict { .. })), "{outcome:?}");
    }
    assert_eq!(fixture.text(&file), edited);
    let kinds: Vec<CommitKind> = server.history(None, 10).unwrap().iter().map(|commit| commit.kind).collect();
    assert_eq!(kinds, [CommitKind::External, CommitKind::External]);
}

fn documents_and_listings(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.text(&fixture.site_file("main"));
    let state = fixture.server.feature(&scope(), Feature::DefaultDocuments).unwrap();
    assert_eq!((state.setting, state.is_local), (Setting::Default, false));
    set(&fixture, r#"{"feature": "default-documents", "files": ["none.html", "other.txt"]}"#);
    assert!(fixture.get("/").1.starts_with("other"));
    set(&fixture, r#"{"feature": "default-documents", "files": ["index.html"]}"#);
    assert_eq!(fixture.get("/").1, "main page");
    revert(&fixture, Feature::DefaultDocuments, &before);

    assert_eq!(status(&fixture.get("/files/").0), 403);
    set(&fixture, r#"{"feature": "directory-browsing", "enabled": true}"#);
    assert!(fixture.get("/files/").1.contains("a.txt"));
    let location = Scope::Location { site: site("main"), path: UrlPath::parse("/files/").unwrap() };
    let off = value(r#"{"feature": "directory-browsing", "enabled": false}"#);
    fixture.change(&[Change::SetFeature { scope: location.clone(), value: off }]);
    assert_eq!(status(&fixture.get("/files/").0), 403);
    assert!(fixture.server.feature(&location, Feature::DirectoryBrowsing).unwrap().is_local);
    fixture.change(&[Change::RevertFeature { scope: location, feature: Feature::DirectoryBrowsing }]);
    assert_eq!(status(&fixture.get("/files/").0), 200);
    fixture.change(&[Change::RevertFeature { scope: scope(), feature: Feature::DirectoryBrowsing }]);
    assert_eq!(status(&fixture.get("/files/").0), 403);
}

fn error_pages_and_redirects(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.text(&fixture.site_file("main"));
    set(
        &fixture,
        r#"{"feature": "error-pages", "pages": [{"codes": [404, 403], "page": "/other.txt"}, {"codes": [500], "page": "/index.html"}]}"#,
    );
    let (head, body) = fixture.get("/missing");
    assert!(status(&head) == 404 && body.starts_with("other"), "{head}");
    revert(&fixture, Feature::ErrorPages, &before);

    set(&fixture, r#"{"feature": "redirect", "status": 308, "target": "https://example.com$request_uri"}"#);
    let (head, _) = fixture.get("/a%20b?b=c");
    assert!(status(&head) == 308 && head.contains("Location: https://example.com/a%20b?b=c"), "{head}");
    // Line breaks of the request stay encoded.
    for path in ["/a%0d%0aX-Injected:%20b", "/a%3F%0d%0aX-Injected:%20b"] {
        let (head, _) = fixture.get(path);
        assert!(!head.to_ascii_lowercase().contains("\nx-injected"), "{head}");
    }
    set(&fixture, r#"{"feature": "redirect", "status": 302, "target": "http://$host:81/fixed"}"#);
    let (head, _) = fixture.get("/x");
    assert!(status(&head) == 302 && head.contains("Location: http://localhost:81/fixed"), "{head}");
    revert(&fixture, Feature::Redirect, &before);
}

fn headers_types_and_compression(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.text(&fixture.site_file("main"));
    let json = serde_json::json!({"feature": "response-headers", "headers": [
        {"name": "X-Text", "value": "always", "always": true},
        {"name": "X-Host", "value": "${host}x", "always": false}
    ]});
    set(&fixture, &json.to_string());
    let (head, _) = fixture.get("/missing");
    assert!(head.contains("X-Text: always") && !head.contains("X-Host"), "{head}");
    assert!(fixture.get("/").0.contains("X-Host: localhostx"));
    revert(&fixture, Feature::ResponseHeaders, &before);

    set(
        &fixture,
        r#"{"feature": "mime-types", "types": [{"media_type": "text/x-other", "extensions": ["txt", "text"]}]}"#,
    );
    assert!(fixture.get("/other.txt").0.contains("Content-Type: text/x-other"));
    revert(&fixture, Feature::MimeTypes, &before);

    set(&fixture, r#"{"feature": "compression", "enabled": true, "level": 9, "types": ["text/plain"]}"#);
    let (head, _) = get(fixture.port, "/other.txt", "Accept-Encoding: gzip\r\n");
    assert!(head.contains("Content-Encoding: gzip"), "{head}");
    set(&fixture, r#"{"feature": "compression", "enabled": false}"#);
    let (head, _) = get(fixture.port, "/other.txt", "Accept-Encoding: gzip\r\n");
    assert!(!head.contains("Content-Encoding"), "{head}");
    revert(&fixture, Feature::Compression, &before);
}

fn restrictions_and_authentication(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.text(&fixture.site_file("main"));
    set(
        &fixture,
        r#"{"feature": "ip-restrictions", "rules": [{"allow": false, "clients": "127.0.0.1"}, {"allow": true, "clients": "all"}]}"#,
    );
    assert_eq!(status(&fixture.get("/").0), 403);
    // The first match decides, so the order must be kept.
    set(
        &fixture,
        r#"{"feature": "ip-restrictions", "rules": [{"allow": true, "clients": "127.0.0.0/8"}, {"allow": false, "clients": "127.0.0.1"}, {"allow": false, "clients": "all"}]}"#,
    );
    assert_eq!(status(&fixture.get("/").0), 200);

    let hash = "ada:$apr1$telarch0$Xr8ZGvXCD8OM1Kj0nyW4L0\n";
    let users = if product == Product::Nginx { "ada:{PLAIN}secret\n".to_owned() } else { htpasswd(hash) };
    fixture.put("users", &users);
    let json = serde_json::json!({"feature": "basic-authentication", "realm": "a 'realm'; {x}",
        "user_file": fixture.path("users")});
    set(&fixture, &json.to_string());
    let (head, _) = fixture.get("/");
    assert!(status(&head) == 401 && head.contains("realm=\"a 'realm'; {x}\""), "{head}");
    assert_eq!(status(&get(fixture.port, "/", "Authorization: Basic YWRhOnNlY3JldA==\r\n").0), 200);
    assert_eq!(status(&get(fixture.port, "/", "Authorization: Basic YWRhOndyb25n\r\n").0), 401);
    // Both features hold together.
    set(&fixture, r#"{"feature": "ip-restrictions", "rules": [{"allow": false, "clients": "all"}]}"#);
    assert_ne!(status(&get(fixture.port, "/", "Authorization: Basic YWRhOnNlY3JldA==\r\n").0), 200);
    fixture.change(&[Change::RevertFeature { scope: scope(), feature: Feature::IpRestrictions }]);
    assert_eq!(status(&get(fixture.port, "/", "Authorization: Basic YWRhOnNlY3JldA==\r\n").0), 200);
    revert(&fixture, Feature::BasicAuthentication, &before);
    assert_eq!(status(&fixture.get("/").0), 200);
}

/// Returns a line with the password `secret`, hashed by OpenSSL if it is installed.
fn htpasswd(fallback: &str) -> String {
    let output = Command::new("openssl").args(["passwd", "-apr1", "-salt", "telarch0", "secret"]).output();
    match output {
        Ok(output) if output.status.success() => format!("ada:{}", String::from_utf8_lossy(&output.stdout)),
        _ => fallback.to_owned(),
    }
}

fn limits_and_logs(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.text(&fixture.site_file("main"));
    set(
        &fixture,
        r#"{"feature": "limits", "request_body": 10, "keep_alive": 7, "body_timeout": 5, "header_timeout": 6, "send_timeout": 8}"#,
    );
    let head = get(fixture.port, "/", "Content-Length: 11\r\n\r\n12345678901").0;
    assert_eq!(status(&head), 413, "{head}");
    revert(&fixture, Feature::Limits, &before);

    let [access, error] = ["logs/main access.log", "logs/main-error.log"].map(|name| fixture.path(name));
    let json = serde_json::json!({"feature": "logging", "access": {"file": access, "format": "combined"},
        "error": {"file": error, "level": "info"}});
    set(&fixture, &json.to_string());
    fixture.get("/logged");
    let is_logged = (0..500).any(|_| {
        sleep(Duration::from_millis(10));
        fs::read_to_string(&access).unwrap_or_default().contains("GET /logged")
    });
    assert!(is_logged && error.is_file());
    let logs = fixture.server.log_files().unwrap();
    assert!(
        logs.iter().any(|log| log.sites == [site("main")] && log.path.ends_with("main access.log")),
        "{logs:?}"
    );
    revert(&fixture, Feature::Logging, &before);
}

fn values_of_all_sites_are_inherited(product: Product) {
    let Some(fixture) = product.start() else { return };
    let headers = value(r#"{"feature": "response-headers", "headers": [{"name": "X-All", "value": "1"}]}"#);
    fixture.change(&[Change::SetFeature { scope: Scope::Server, value: headers.clone() }]);
    assert!(fixture.get("/").0.contains("X-All: 1"));
    let state = fixture.server.feature(&scope(), Feature::ResponseHeaders).unwrap();
    assert_eq!((state.is_local, state.setting), (false, Setting::Value { value: headers }));
    let browsing = value(r#"{"feature": "directory-browsing", "enabled": true}"#);
    fixture.change(&[Change::SetFeature { scope: Scope::Server, value: browsing }]);
    assert!(fixture.get("/files/").1.contains("a.txt"));
    fixture.change(&[
        Change::RevertFeature { scope: Scope::Server, feature: Feature::DirectoryBrowsing },
        Change::RevertFeature { scope: Scope::Server, feature: Feature::ResponseHeaders },
    ]);
    assert!(!fixture.get("/").0.contains("X-All"));
    assert_eq!(status(&fixture.get("/files/").0), 403);
    let redirect = value(r#"{"feature": "redirect", "status": 301, "target": "/x"}"#);
    let wrong = fixture.commit(&[Change::SetFeature { scope: Scope::Server, value: redirect }]);
    assert!(matches!(wrong, Err(WebServerError::Scope { .. })), "{wrong:?}");
}

fn virtual_directories_have_features_of_their_own(product: Product) {
    let Some(fixture) = product.start() else { return };
    fixture.put("elsewhere/b.txt", "b");
    let path = UrlPath::parse("/docs/").unwrap();
    let location = NewLocation::Directory { folder: fixture.file_path("elsewhere") };
    fixture.change(&[Change::PutLocation { site: site("main"), path: path.clone(), location }]);
    assert_eq!(fixture.get("/docs/b.txt").1, "b");
    let snapshot = fixture.server.snapshot().unwrap();
    let docs = snapshot.sites[0].locations.iter().find(|location| location.path == "/docs/").unwrap();
    assert!(matches!(docs.content, LocationContent::Alias { .. }), "{docs:?}");
    let scope = Scope::Location { site: site("main"), path: path.clone() };
    let listing = value(r#"{"feature": "directory-browsing", "enabled": true}"#);
    fixture.change(&[Change::SetFeature { scope, value: listing }]);
    assert!(fixture.get("/docs/").1.contains("b.txt"));
    assert_eq!(status(&fixture.get("/files/").0), 403);
    // Another folder keeps the features.
    fixture.put("third/c.txt", "c");
    let location = NewLocation::Directory { folder: fixture.file_path("third") };
    fixture.change(&[Change::PutLocation { site: site("main"), path: path.clone(), location }]);
    assert!(fixture.get("/docs/").1.contains("c.txt"));
    fixture.change(&[Change::DeleteLocation { site: site("main"), path }]);
    assert_eq!(status(&fixture.get("/docs/c.txt").0), 404);
    let path = UrlPath::parse("/none").unwrap();
    let missing = fixture.commit(&[Change::DeleteLocation { site: site("main"), path }]);
    assert!(matches!(missing, Err(WebServerError::NotFound { kind: "location", .. })), "{missing:?}");
}

fn a_site_with_tls_serves_its_certificate(product: Product) {
    let Some(fixture) = product.start() else { return };
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters =
        rcgen::CertificateParams::new(vec!["tls.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    fixture.put("tls.pem", &certificate.pem());
    fixture.put("tls.key", &key.serialize_pem());
    let port = free_port();
    let Change::CreateSite(mut new) = fixture.new_site("tls", port, "over TLS") else { unreachable!() };
    new.listeners[0].tls = true;
    assert!(matches!(
        fixture.commit(&[Change::CreateSite(new.clone())]),
        Err(WebServerError::Impossible { .. })
    ));
    (new.certificate, new.key) = (Some(fixture.file_path("tls.pem")), Some(fixture.file_path("tls.key")));
    fixture.change(&[Change::CreateSite(new)]);
    let scope = Scope::Site { site: site("tls") };
    let json = serde_json::json!({"feature": "ssl", "certificate": fixture.path("tls.pem"),
        "key": fixture.path("tls.key"), "protocols": ["TLSv1.3"], "ciphers": null, "prefer_server_ciphers": true});
    fixture.change(&[Change::SetFeature { scope: scope.clone(), value: value(&json.to_string()) }]);
    let state = fixture.server.feature(&scope, Feature::Ssl).unwrap();
    assert_eq!(state.setting, Setting::Value { value: value(&json.to_string()) });
    let snapshot = fixture.server.snapshot().unwrap();
    let tls = snapshot.sites.iter().find(|found| found.id.as_str() == "tls").unwrap();
    assert!(tls.listeners[0].tls);
    let inventory = fixture.server.certificates().unwrap();
    let found = inventory[0].content.as_ref().unwrap();
    assert_eq!((inventory.len(), &inventory[0].sites), (1, &vec![site("tls")]));
    assert_eq!(found.names, ["tls.example", "127.0.0.1"]);

    let url = format!("https://127.0.0.1:{port}/");
    let fetch = |more: &[&str]| {
        let ca = fixture.path("tls.pem");
        Command::new("curl")
            .args(["--silent", "--show-error", "--cacert"])
            .arg(ca)
            .args(more)
            .arg(&url)
            .output()
    };
    match fetch(&[]) {
        Ok(output) => {
            assert_eq!(String::from_utf8_lossy(&output.stdout), "over TLS", "{output:?}");
            assert!(!fetch(&["--tls-max", "1.2"]).unwrap().status.success(), "only TLS 1.3 is allowed");
        }
        Err(_) => skips::skip_part!("curl is missing: apt-get install curl"),
    }
}

fn values_cannot_change_the_structure(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.text(&fixture.site_file("main"));
    for text in [
        r#"a; b "c" {d} 'e' \\ #f"#,
        "</VirtualHost> <Location />",
        r"ends with \",
        r#"\" Redirect / x"#,
        "100% %{x} %%",
        "} server { listen 1; }",
        r"line\nX-Injected: 1 \r\t",
    ] {
        let json = serde_json::json!({"feature": "response-headers", "headers": [
            {"name": "X-Text", "value": text, "always": true}]});
        set(&fixture, &json.to_string());
        let (head, _) = fixture.get("/");
        assert!(head.lines().any(|line| line == format!("X-Text: {text}").trim_end()), "{text}: {head}");
        revert(&fixture, Feature::ResponseHeaders, &before);
    }
    for text in ["a\nb", "a\r\nX: y", "${HOME}", "$document_root"] {
        let json =
            serde_json::json!({"feature": "response-headers", "headers": [{"name": "X", "value": text}]});
        assert!(serde_json::from_str::<FeatureValue>(&json.to_string()).is_err(), "{text:?}");
    }
}

fn a_broken_text_is_rejected_with_its_line(product: Product) {
    let Some(fixture) = product.start() else { return };
    let name = match product {
        Product::Nginx => "conf/sites/main",
        Product::Apache => "sites-enabled/main.conf",
    };
    let before = fixture.text(name);
    let lines = u32::try_from(before.lines().count()).unwrap();
    for (added, line) in [("UnknownDirective on;\n", lines + 1), ("\n\nUnknownDirective on;\n", lines + 3)] {
        let edit = Change::RawEdit { file: fixture.file_path(name), text: format!("{before}{added}") };
        let Err(WebServerError::Rejected(validation)) = fixture.commit(&[edit]) else {
            panic!("it was accepted")
        };
        let problem = &validation.problems[0];
        let position = problem.position.as_ref().unwrap_or_else(|| panic!("{validation:?}"));
        assert_eq!(position.file, fixture.file_path(name).as_str());
        assert_eq!((position.line, problem.severity), (line, Severity::Error), "{problem}");
        assert!(problem.message.contains("UnknownDirective"), "{problem}");
        assert_eq!((fixture.get("/").1.as_str(), fixture.text(name)), ("main page", before.clone()));
    }
}

fn a_port_in_use_restores_the_old_files(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.server.snapshot().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let commit =
        fixture.commit(&[fixture.new_site("shop", taken.local_addr().unwrap().port(), "x")]).unwrap();
    let Verdict::Failed { reason } = &commit.verdict else { panic!("{commit:?}") };
    assert!(reason.contains("Address already in use") || reason.contains("still could not bind"), "{reason}");
    assert_eq!(fixture.get("/").1, "main page");
    assert_eq!(fixture.server.snapshot().unwrap(), before);
    assert!(!fixture.path(&fixture.site_file("shop")).exists());
    // The next change works.
    let port = free_port();
    fixture.change(&[fixture.new_site("shop", port, "the shop")]);
    assert_eq!(get(port, "/", "").1, "the shop");
}

fn the_web_server_is_controlled_and_its_logs_are_read(product: Product) {
    let Some(fixture) = product.create() else { return };
    let server = &fixture.server;
    assert_eq!(server.status().unwrap(), Status::Stopped);
    assert!(matches!(server.control(Operation::Reload), Err(WebServerError::NotRunning)));
    let Status::Running { pid, workers } = server.control(Operation::Start).unwrap() else {
        panic!("it does not run")
    };
    assert!(workers.iter().any(|worker| worker.memory > 0));
    let Status::Running { pid: same, workers: new } = server.control(Operation::Reload).unwrap() else {
        panic!("it does not run")
    };
    assert!(pid == same && new.iter().any(|worker| workers.iter().all(|old| old.pid != worker.pid)));
    let logs = server.log_files().unwrap();
    let access = logs.iter().find(|log| log.kind == LogKind::Access).unwrap();
    let first = server.read_log(&access.path, LogStart::Last(10)).unwrap();
    fixture.get("/logged");
    let next = (0..500).find_map(|_| {
        sleep(Duration::from_millis(10));
        let next = server.read_log(&access.path, LogStart::After(first.position)).unwrap();
        (!next.lines.is_empty()).then_some(next)
    });
    assert!(next.as_ref().is_some_and(|next| next.lines[0].contains("GET /logged")), "{next:?}");
    server.control(Operation::ReopenLogs).unwrap();
    assert!(matches!(
        server.read_log("/etc/passwd", LogStart::Last(1)),
        Err(WebServerError::NotFound { .. })
    ));
    assert_eq!(server.control(Operation::Stop).unwrap(), Status::Stopped);
    require_refused(fixture.port);
}
