//! Each feature is set, verified by a request, read back, and reverted.

use std::process::Command;
use std::{fs, thread, time::Duration};

use serde_json::{Value, json};
use telarch_webserver::{Change, Feature, FeatureValue, Operation, Scope, Setting, UrlPath, WebServerError};

use crate::fixture::{Fixture, Product, get, main_scope, site, status};

fn parse(value: Value) -> FeatureValue {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn has_field(fixture: &Fixture, field: &str) -> bool {
    !fixture.server.info().capabilities.unsupported_fields.contains(&field)
}

/// Returns the status of a folder without a default document that is not listed.
fn not_listed(product: Product) -> u16 {
    if product == Product::Caddy { 404 } else { 403 }
}

pub(super) fn documents_and_listings(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.configuration();
    let state = fixture.server.feature(&main_scope(), Feature::DefaultDocuments).unwrap();
    assert_eq!((state.setting, state.is_local), (Setting::Default, false));
    fixture.set(json!({ "feature": "default-documents", "files": ["none.html", "other.txt"] }));
    assert!(fixture.get("/").1.starts_with("other"));
    fixture.set(json!({ "feature": "default-documents", "files": ["index.html"] }));
    assert_eq!(fixture.get("/").1, "main page");
    fixture.revert(Feature::DefaultDocuments, &before);

    let hidden = not_listed(product);
    assert_eq!(status(&fixture.get("/files/").0), hidden);
    fixture.set(json!({ "feature": "directory-browsing", "enabled": true, "format": "json" }));
    let (_, list) = fixture.get("/files/");
    let is_json = list.contains("\"name\":\"a.txt\"");
    assert!(list.contains("a.txt") && is_json == has_field(&fixture, "directory-browsing.format"), "{list}");
    let snapshot = fixture.server.snapshot().unwrap();
    if snapshot.sites[0].locations.iter().any(|location| location.path == "/files/") {
        let location = Scope::Location { site: site("main"), path: UrlPath::parse("/files/").unwrap() };
        let off = parse(json!({ "feature": "directory-browsing", "enabled": false }));
        fixture.change(&[Change::SetFeature { scope: location.clone(), value: off }]);
        assert_eq!(status(&fixture.get("/files/").0), hidden);
        assert!(fixture.server.feature(&location, Feature::DirectoryBrowsing).unwrap().is_local);
        fixture.change(&[Change::RevertFeature { scope: location, feature: Feature::DirectoryBrowsing }]);
        assert_eq!(status(&fixture.get("/files/").0), 200);
    }
    fixture.change(&[Change::RevertFeature { scope: main_scope(), feature: Feature::DirectoryBrowsing }]);
    assert_eq!(status(&fixture.get("/files/").0), hidden);
}

pub(super) fn error_pages_and_redirects(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.configuration();
    fixture.set(json!({ "feature": "error-pages", "pages": [
        { "codes": [404, 403], "page": "/other.txt" }, { "codes": [500], "page": "/index.html" }] }));
    let (head, body) = fixture.get("/missing");
    assert!(status(&head) == 404 && body.starts_with("other"), "{head}");
    // The pages are also for errors of other features.
    let deny = parse(
        json!({ "feature": "ip-restrictions", "rules": [{ "allow": false, "clients": "127.0.0.0/8" }] }),
    );
    fixture.change(&[Change::SetFeature { scope: main_scope(), value: deny }]);
    assert_eq!(status(&fixture.get("/").0), 403);
    fixture.change(&[Change::RevertFeature { scope: main_scope(), feature: Feature::IpRestrictions }]);
    if has_field(&fixture, "error-pages.response") {
        fixture.set(json!({ "feature": "error-pages", "pages": [
            { "codes": [404], "response": 410, "page": "/other.txt" }] }));
        let (head, body) = fixture.get("/missing");
        assert!(status(&head) == 410 && body.starts_with("other"), "{head}");
    }
    fixture.revert(Feature::ErrorPages, &before);

    fixture.set(json!({ "feature": "redirect", "status": 308, "target": "https://example.com$request_uri" }));
    let (head, _) = fixture.get("/a%20b?b=c");
    assert!(status(&head) == 308 && head.contains("Location: https://example.com/a%20b?b=c"), "{head}");
    // Line breaks of the request stay encoded.
    for path in ["/a%0d%0aX-Injected:%20b", "/a%3F%0d%0aX-Injected:%20b"] {
        let (head, _) = fixture.get(path);
        assert!(!head.to_ascii_lowercase().contains("\nx-injected"), "{head}");
    }
    fixture.set(json!({ "feature": "redirect", "status": 302, "target": "http://$host:81/fixed" }));
    let (head, _) = fixture.get("/x");
    assert!(status(&head) == 302 && head.contains("Location: http://localhost:81/fixed"), "{head}");
    fixture.revert(Feature::Redirect, &before);
}

pub(super) fn headers_types_and_compression(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.configuration();
    fixture.set(json!({ "feature": "response-headers", "headers": [
        { "name": "X-Text", "value": "always", "always": true },
        { "name": "X-Host", "value": "${host}x", "always": false }] }));
    let (head, _) = fixture.get("/missing");
    assert!(head.contains("X-Text: always") && !head.contains("X-Host"), "{head}");
    assert!(fixture.get("/").0.contains("X-Host: localhostx"));
    fixture.revert(Feature::ResponseHeaders, &before);

    fixture.set(json!({ "feature": "mime-types", "default": "text/x-default", "types": [
        { "media_type": "text/x-other", "extensions": ["txt", "text"] }] }));
    assert!(fixture.get("/other.txt").0.contains("Content-Type: text/x-other"));
    let is_default = fixture.get("/index.html").0.contains("Content-Type: text/x-default");
    assert_eq!(is_default, has_field(&fixture, "mime-types.default"));
    fixture.revert(Feature::MimeTypes, &before);

    let compress = |kind: &str| {
        json!({ "feature": "compression", "enabled": true, "level": 9, "types": [kind],
        "minimum_size": 100 })
    };
    let is_compressed = |path: &str| {
        get(fixture.port, path, "Accept-Encoding: gzip\r\n").0.contains("Content-Encoding: gzip")
    };
    fixture.set(compress("text/x-none"));
    assert!(!is_compressed("/other.txt"), "the type is not in the list");
    fixture.set(compress("text/plain"));
    assert!(is_compressed("/other.txt"));
    // Features of one site hold together.
    fixture.set(json!({ "feature": "response-headers", "headers": [
        { "name": "X-Text", "value": "always", "always": true }] }));
    assert!(is_compressed("/other.txt") && fixture.get("/other.txt").0.contains("X-Text: always"));
    fixture.change(&[Change::RevertFeature { scope: main_scope(), feature: Feature::ResponseHeaders }]);
    let off = parse(json!({ "feature": "compression", "enabled": false }));
    fixture.change(&[Change::SetFeature { scope: main_scope(), value: off }]);
    assert!(!is_compressed("/other.txt"));
    fixture.revert(Feature::Compression, &before);
}

/// Returns a value with the user `ada` and the password `secret`, in the form that the product has.
pub(super) fn authentication(fixture: &Fixture, realm: &str) -> Value {
    if has_field(fixture, "basic-authentication.users") {
        let output = Command::new("caddy").args(["hash-password", "--plaintext", "secret"]).output().unwrap();
        let hash = String::from_utf8(output.stdout).unwrap();
        return json!({ "feature": "basic-authentication", "realm": realm,
            "users": [{ "name": "ada", "hash": hash.trim() }] });
    }
    let hash = match Command::new("openssl").args(["passwd", "-apr1", "-salt", "telarch0", "secret"]).output()
    {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        _ => "$apr1$telarch0$Xr8ZGvXCD8OM1Kj0nyW4L0\n".to_owned(),
    };
    let users = if fixture.product == Product::Nginx {
        "ada:{PLAIN}secret\n".to_owned()
    } else {
        format!("ada:{hash}")
    };
    fixture.put("users", &users);
    json!({ "feature": "basic-authentication", "realm": realm, "user_file": fixture.path("users") })
}

/// Requests `/` with the password of `ada`. Returns the status code.
fn with_password(fixture: &Fixture, encoded: &str) -> u16 {
    status(&get(fixture.port, "/", &format!("Authorization: Basic {encoded}\r\n")).0)
}

pub(super) fn restrictions_and_authentication(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.configuration();
    fixture.set(json!({ "feature": "ip-restrictions", "rules": [
        { "allow": false, "clients": "127.0.0.1" }, { "allow": true, "clients": "all" }] }));
    assert_eq!(status(&fixture.get("/").0), 403);
    // The first match decides, so the order must be kept.
    fixture.set(json!({ "feature": "ip-restrictions", "rules": [
        { "allow": true, "clients": "127.0.0.0/8" }, { "allow": false, "clients": "127.0.0.1" },
        { "allow": false, "clients": "all" }] }));
    assert_eq!(status(&fixture.get("/").0), 200);

    let value = parse(authentication(&fixture, "a 'realm'; {x}"));
    fixture.change(&[Change::SetFeature { scope: main_scope(), value }]);
    let state = fixture.server.feature(&main_scope(), Feature::BasicAuthentication).unwrap();
    let read = json!(state.setting);
    assert_eq!(read["value"]["realm"], json!("a 'realm'; {x}"), "{read}");
    assert!(!read.to_string().contains("$2a$"), "hashes are not shown: {read}");
    let (head, _) = fixture.get("/");
    let challenge = head.to_ascii_lowercase();
    assert!(status(&head) == 401 && challenge.contains("realm=\"a 'realm'; {x}\""), "{head}");
    let [right, wrong] = ["YWRhOnNlY3JldA==", "YWRhOndyb25n"];
    assert_eq!((with_password(&fixture, right), with_password(&fixture, wrong)), (200, 401));
    // A value that was read can be written again.
    let Setting::Value { value } = state.setting else { panic!("{read}") };
    let base = fixture.server.snapshot().unwrap().revision;
    let plan = fixture.server.plan(&base, &[Change::SetFeature { scope: main_scope(), value }]).unwrap();
    assert!(plan.is_empty(), "{:?}", plan.diffs());
    // Both features hold together.
    fixture.set(json!({ "feature": "ip-restrictions", "rules": [{ "allow": false, "clients": "all" }] }));
    assert_ne!(with_password(&fixture, right), 200);
    fixture.change(&[Change::RevertFeature { scope: main_scope(), feature: Feature::IpRestrictions }]);
    assert_eq!(with_password(&fixture, right), 200);
    fixture.revert(Feature::BasicAuthentication, &before);
    assert_eq!(status(&fixture.get("/").0), 200);
}

pub(super) fn limits_and_logs(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.configuration();
    fixture.set(json!({ "feature": "limits", "request_body": 10, "keep_alive": 7, "body_timeout": 5,
        "header_timeout": 6, "send_timeout": 8, "rate": 100_000 }));
    let head = get(fixture.port, "/", "Content-Length: 11\r\n\r\n12345678901").0;
    assert_eq!(status(&head), 413, "{head}");
    assert_eq!(status(&get(fixture.port, "/", "Content-Length: 10\r\n\r\n1234567890").0), 200);
    fixture.revert(Feature::Limits, &before);

    let [access, error] = ["logs/main access.log", "logs/main-error.log"].map(|name| fixture.path(name));
    fixture.set(json!({ "feature": "logging", "access": { "file": access, "format": "combined" },
        "error": { "file": error, "level": "info" } }));
    fixture.get("/logged");
    while !fs::read_to_string(&access).unwrap_or_default().contains("/logged") {
        thread::sleep(Duration::from_millis(10));
    }
    let rates = fixture.server.request_rates().unwrap();
    let rate = rates.iter().find(|rate| rate.log.ends_with("main access.log")).expect("the rate of the log");
    assert!(rate.sites == [site("main")] && rate.per_second > 0.0 && rate.per_second < 10.0, "{rates:?}");
    // Caddy creates the file with the first error.
    assert!(error.is_file() || product == Product::Caddy);
    let logs = fixture.server.log_files().unwrap();
    for name in ["main access.log", "main-error.log"] {
        let is_listed = logs.iter().any(|log| log.sites == [site("main")] && log.path.ends_with(name));
        assert!(is_listed, "{logs:?}");
    }
    fixture.revert(Feature::Logging, &before);
}

pub(super) fn values_of_all_sites_are_inherited(product: Product) {
    let Some(fixture) = product.create() else { return };
    if !fixture.server.info().capabilities.server_scope {
        return;
    }
    fixture.server.control(Operation::Start).unwrap();
    let headers =
        parse(json!({ "feature": "response-headers", "headers": [{ "name": "X-All", "value": "1" }] }));
    fixture.change(&[Change::SetFeature { scope: Scope::Server, value: headers.clone() }]);
    assert!(fixture.get("/").0.contains("X-All: 1"));
    let state = fixture.server.feature(&main_scope(), Feature::ResponseHeaders).unwrap();
    assert_eq!((state.is_local, state.setting), (false, Setting::Value { value: headers }));
    let browsing = parse(json!({ "feature": "directory-browsing", "enabled": true }));
    fixture.change(&[Change::SetFeature { scope: Scope::Server, value: browsing }]);
    assert!(fixture.get("/files/").1.contains("a.txt"));
    fixture.change(&[
        Change::RevertFeature { scope: Scope::Server, feature: Feature::DirectoryBrowsing },
        Change::RevertFeature { scope: Scope::Server, feature: Feature::ResponseHeaders },
    ]);
    assert!(!fixture.get("/").0.contains("X-All"));
    assert_eq!(status(&fixture.get("/files/").0), 403);
    let redirect = parse(json!({ "feature": "redirect", "status": 301, "target": "/x" }));
    let wrong = fixture.commit(&[Change::SetFeature { scope: Scope::Server, value: redirect }]);
    assert!(matches!(wrong, Err(WebServerError::Scope { .. })), "{wrong:?}");
}
