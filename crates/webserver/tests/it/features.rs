//! Each feature is set, verified by a request, read back, and reverted.

use std::process::Command;
use std::{fs, thread, time};

use telarch_webserver::{
    Change, Feature, FeatureState, FeatureValue, Scope, Setting, UrlPath, WebServerError,
};

use crate::fixture::{Fixture, free_port, get, site, status};

fn scope() -> Scope {
    Scope::Site { site: site("main") }
}

/// Parses a value as the API does.
fn value(json: &str) -> FeatureValue {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn set(fixture: &Fixture, json: &str) -> FeatureState {
    let value = value(json);
    let feature = value.feature();
    fixture.change(&[Change::SetFeature { scope: scope(), value: value.clone() }]);
    let state = fixture.server.feature(&scope(), feature).unwrap();
    assert_eq!(state.setting, Setting::Value { value });
    assert!(state.is_local && state.origins.iter().all(|origin| origin.file.ends_with("/conf/sites/main")));
    state
}

/// Reverts a feature, and checks that the file is as it was before the feature was set.
fn revert(fixture: &Fixture, feature: Feature, before: &str) {
    fixture.change(&[Change::RevertFeature { scope: scope(), feature }]);
    assert_eq!(fixture.text("conf/sites/main"), before, "{feature}");
}

#[test]
fn documents_listings_and_error_pages() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.text("conf/sites/main");

    assert_eq!(
        fixture.server.feature(&scope(), Feature::DefaultDocuments).unwrap().setting,
        Setting::Default
    );
    set(&fixture, r#"{"feature": "default-documents", "files": ["none.html", "other.txt"]}"#);
    assert!(fixture.get("/").1.starts_with("other"));
    set(&fixture, r#"{"feature": "default-documents", "files": ["index.html"]}"#);
    assert_eq!(fixture.get("/").1, "main page");
    revert(&fixture, Feature::DefaultDocuments, &before);

    assert_eq!(status(&fixture.get("/files/").0), 403);
    set(
        &fixture,
        r#"{"feature": "directory-browsing", "enabled": true, "exact_size": null, "format": "json", "local_time": null}"#,
    );
    assert!(fixture.get("/files/").1.contains("\"name\":\"a.txt\""));
    // A location has a value of its own, and inherits the format.
    let location = Scope::Location { site: site("main"), path: UrlPath::parse("/files/").unwrap() };
    let off = value(r#"{"feature": "directory-browsing", "enabled": false}"#);
    fixture.change(&[Change::SetFeature { scope: location.clone(), value: off }]);
    assert_eq!(status(&fixture.get("/files/").0), 403);
    let state = fixture.server.feature(&location, Feature::DirectoryBrowsing).unwrap();
    assert!(state.is_local && state.origins.len() == 2, "{state:?}");
    fixture.change(&[Change::RevertFeature { scope: location, feature: Feature::DirectoryBrowsing }]);
    revert(&fixture, Feature::DirectoryBrowsing, &before);

    set(
        &fixture,
        r#"{"feature": "error-pages", "pages": [{"codes": [404, 403], "response": 410, "page": "/other.txt"}]}"#,
    );
    let (head, body) = fixture.get("/missing");
    assert!(status(&head) == 410 && body.starts_with("other"), "{head}");
    revert(&fixture, Feature::ErrorPages, &before);
}

#[test]
fn redirects_headers_types_and_compression() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.text("conf/sites/main");

    set(&fixture, r#"{"feature": "redirect", "status": 308, "target": "https://example.com$request_uri"}"#);
    let (head, _) = fixture.get("/a?b=c");
    assert!(status(&head) == 308 && head.contains("Location: https://example.com/a?b=c"), "{head}");
    revert(&fixture, Feature::Redirect, &before);

    let text = r#"a; b "c" {d} 'e' \\ #f"#;
    let json = serde_json::json!({"feature": "response-headers", "headers": [
        {"name": "X-Text", "value": text, "always": true},
        {"name": "X-Host", "value": "${host}x", "always": false}
    ]});
    set(&fixture, &json.to_string());
    let (head, _) = fixture.get("/missing");
    assert!(head.contains(&format!("X-Text: {text}")) && !head.contains("X-Host"), "{head}");
    assert!(fixture.get("/").0.contains("X-Host: localhostx"));
    revert(&fixture, Feature::ResponseHeaders, &before);

    set(
        &fixture,
        r#"{"feature": "mime-types", "types": [{"media_type": "text/x-other", "extensions": ["txt"]}], "default": "text/x-default"}"#,
    );
    assert!(fixture.get("/other.txt").0.contains("Content-Type: text/x-other"));
    assert!(fixture.get("/index.html").0.contains("Content-Type: text/x-default"));
    revert(&fixture, Feature::MimeTypes, &before);
    let inherited = fixture.server.feature(&scope(), Feature::MimeTypes).unwrap();
    assert!(!inherited.is_local && inherited.origins[0].file.ends_with("/conf/nginx.conf"), "{inherited:?}");

    set(
        &fixture,
        r#"{"feature": "compression", "enabled": true, "level": 9, "types": ["text/plain"], "minimum_size": 100}"#,
    );
    let (head, _) = get(fixture.port, "/other.txt", "Accept-Encoding: gzip\r\n");
    assert!(head.contains("Content-Encoding: gzip"), "{head}");
    revert(&fixture, Feature::Compression, &before);
}

#[test]
fn restrictions_and_basic_authentication() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.text("conf/sites/main");

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
    revert(&fixture, Feature::IpRestrictions, &before);

    fixture.put("conf/users", "ada:{PLAIN}secret\n");
    let json = serde_json::json!({"feature": "basic-authentication", "realm": "a 'realm'; {x}",
        "user_file": fixture.path("conf/users")});
    set(&fixture, &json.to_string());
    let (head, _) = fixture.get("/");
    assert!(status(&head) == 401 && head.contains("realm=\"a 'realm'; {x}\""), "{head}");
    assert_eq!(status(&get(fixture.port, "/", "Authorization: Basic YWRhOnNlY3JldA==\r\n").0), 200);
    assert_eq!(status(&get(fixture.port, "/", "Authorization: Basic YWRhOndyb25n\r\n").0), 401);
    revert(&fixture, Feature::BasicAuthentication, &before);
}

#[test]
fn limits_and_logs() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.text("conf/sites/main");

    set(
        &fixture,
        r#"{"feature": "limits", "request_body": 10, "keep_alive": 7, "body_timeout": 5, "header_timeout": 6, "send_timeout": 8, "rate": 100000}"#,
    );
    assert_eq!(status(&get(fixture.port, "/", "Content-Length: 11\r\n").0), 413);
    revert(&fixture, Feature::Limits, &before);

    let [access, error] = ["logs/main access.log", "logs/main-error.log"].map(|name| fixture.path(name));
    let json = serde_json::json!({"feature": "logging", "access": {"file": access, "format": "combined"},
        "error": {"file": error, "level": "info"}});
    set(&fixture, &json.to_string());
    fixture.get("/logged");
    let is_logged = (0..500).any(|_| {
        let text = fs::read_to_string(&access).unwrap_or_default();
        let is_logged = text.contains("GET /logged");
        if !is_logged {
            thread::sleep(time::Duration::from_millis(10));
        }
        is_logged
    });
    assert!(is_logged && fs::read_to_string(&error).unwrap().contains("/logged"));
    let logs = fixture.server.log_files().unwrap();
    assert!(
        logs.iter().any(|log| log.sites == [site("main")] && log.path.ends_with("main access.log")),
        "{logs:?}"
    );
    revert(&fixture, Feature::Logging, &before);
}

#[test]
fn certificates_are_set_and_listed() {
    let Some(fixture) = Fixture::start() else { return };
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters =
        rcgen::CertificateParams::new(vec!["tls.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    fixture.put("conf/tls.pem", &certificate.pem());
    fixture.put("conf/tls.key", &key.serialize_pem());
    let port = free_port();
    let Change::CreateSite(mut new) = fixture.new_site("tls", port, "over TLS") else { unreachable!() };
    new.listeners[0].tls = true;
    let incomplete = Change::CreateSite(new.clone());
    assert!(matches!(fixture.commit(&[incomplete]), Err(WebServerError::Impossible { .. })));
    (new.certificate, new.key) =
        (Some(fixture.file_path("conf/tls.pem")), Some(fixture.file_path("conf/tls.key")));
    fixture.change(&[Change::CreateSite(new)]);
    let scope = Scope::Site { site: site("tls") };
    let json = serde_json::json!({"feature": "ssl", "certificate": fixture.path("conf/tls.pem"),
        "key": fixture.path("conf/tls.key"), "protocols": ["TLSv1.3"], "ciphers": null, "prefer_server_ciphers": true});
    fixture.change(&[Change::SetFeature { scope: scope.clone(), value: value(&json.to_string()) }]);
    let state = fixture.server.feature(&scope, Feature::Ssl).unwrap();
    assert_eq!(state.setting, Setting::Value { value: value(&json.to_string()) });

    let url = format!("https://127.0.0.1:{port}/");
    let fetch = |more: &[&str]| {
        let ca = fixture.path("conf/tls.pem");
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

    let inventory = fixture.server.certificates().unwrap();
    let found = inventory[0].content.as_ref().unwrap();
    assert_eq!((inventory.len(), &inventory[0].sites), (1, &vec![site("tls")]));
    assert_eq!(found.names, ["tls.example", "127.0.0.1"]);
    assert!(found.not_after > found.not_before);
}

#[test]
fn values_of_all_sites_are_inherited() {
    let Some(fixture) = Fixture::start() else { return };
    let headers = value(r#"{"feature": "response-headers", "headers": [{"name": "X-All", "value": "1"}]}"#);
    fixture.change(&[Change::SetFeature { scope: Scope::Server, value: headers }]);
    assert!(fixture.get("/").0.contains("X-All: 1"));
    let state = fixture.server.feature(&scope(), Feature::ResponseHeaders).unwrap();
    assert!(!state.is_local && matches!(state.setting, Setting::Value { .. }), "{state:?}");
    // A header of the site replaces those of all sites, which the plan says.
    let own = value(r#"{"feature": "response-headers", "headers": [{"name": "X-Own", "value": "1"}]}"#);
    let base = fixture.server.snapshot().unwrap().revision;
    let plan = fixture.server.plan(&base, &[Change::SetFeature { scope: scope(), value: own }]).unwrap();
    assert_eq!(plan.warnings().len(), 1, "{:?}", plan.warnings());
    let redirect = value(r#"{"feature": "redirect", "status": 301, "target": "/x"}"#);
    let wrong = fixture.commit(&[Change::SetFeature { scope: Scope::Server, value: redirect }]);
    assert!(matches!(wrong, Err(WebServerError::Scope { .. })), "{wrong:?}");
}

#[test]
fn directives_without_a_type_are_reported_as_text() {
    let Some(fixture) = Fixture::create() else { return };
    let text = fixture
        .text("conf/sites/main")
        .replace("root www/main;", "root www/main;\n    return 200 \"$http_x\";");
    fixture.put("conf/sites/main", &text);
    let state = fixture.server.feature(&scope(), Feature::Redirect).unwrap();
    assert_eq!(state.setting, Setting::Unsupported { text: "return 200 $http_x".to_owned() });
}
