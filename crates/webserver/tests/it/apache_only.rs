//! Behaviour that only Apache has.

use std::fs;

use ports::free_port;
use telarch_webserver::{
    Change, Feature, FeatureValue, HostPattern, ListenAddress, Listener, NewLocation, PoolName,
    ProxyProtocol, Scope, Setting, SiteState, UrlPath, WebServerError,
};

use crate::fixture::{Product, get, listener, site, status};

fn scope() -> Scope {
    Scope::Site { site: site("main") }
}

fn set(json: &str) -> Change {
    let value: FeatureValue = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    Change::SetFeature { scope: scope(), value }
}

#[test]
fn sites_are_links_to_the_folder_of_all_sites() {
    let Some(fixture) = Product::Apache.start() else { return };
    let port = free_port();
    fixture.change(&[fixture.new_site("shop", port, "the shop")]);
    let link = fixture.path("sites-enabled/shop.conf");
    assert_eq!(fs::read_link(&link).unwrap().to_str(), Some("../sites-available/shop.conf"));
    assert!(fixture.text("ports.conf").contains(&format!("\nListen 127.0.0.1:{port}\n")));
    fixture.change(&[Change::SetSiteState { site: site("shop"), state: SiteState::Stopped }]);
    assert!(fs::symlink_metadata(&link).is_err() && fixture.path("sites-available/shop.conf").is_file());
    assert!(!fixture.text("ports.conf").contains(&port.to_string()));
    fixture.change(&[Change::SetSiteState { site: site("shop"), state: SiteState::Started }]);
    // A change of a started site is written to the file behind the link.
    fixture.change(&[Change::SetRoot { site: site("shop"), folder: fixture.file_path("www/main") }]);
    assert!(link.is_symlink() && fixture.text("sites-available/shop.conf").contains("www/main\n"));
    assert_eq!(get(port, "/", "").1, "main page");
    // The only address remains when the last sites are stopped.
    let stop = ["main", "shop"].map(|id| Change::SetSiteState { site: site(id), state: SiteState::Stopped });
    let base = fixture.server.snapshot().unwrap().revision;
    let plan = fixture.server.plan(&base, &stop).unwrap();
    assert!(
        plan.warnings().iter().any(|warning| warning.message.contains("still listens")),
        "{:?}",
        plan.warnings()
    );
    assert!(fixture.server.validate(&plan).unwrap().accepted);
}

#[test]
fn restrictions_never_open_what_the_server_denies() {
    let Some(fixture) = Product::Apache.start() else { return };
    fixture.put("www/main/.htpasswd", "secret");
    assert_eq!(status(&fixture.get("/.htpasswd").0), 403);
    let rules = r#"{"feature": "ip-restrictions", "rules": [{"allow": true, "clients": "127.0.0.1"}, {"allow": false, "clients": "all"}]}"#;
    fixture.change(&[set(rules)]);
    assert_eq!((status(&fixture.get("/").0), status(&fixture.get("/.htpasswd").0)), (200, 403));
}

#[test]
fn values_that_apache_cannot_write_are_refused() {
    let Some(fixture) = Product::Apache.create() else { return };
    for json in [
        r#"{"feature": "logging", "access": {"file": "/x", "format": "unknown"}}"#,
        r#"{"feature": "ip-restrictions", "rules": [{"allow": false, "clients": "unix:"}]}"#,
        r#"{"feature": "response-headers", "headers": [{"name": "X", "value": "$request_id"}]}"#,
        r#"{"feature": "basic-authentication", "realm": null}"#,
        // Modules execute files of these types.
        r#"{"feature": "mime-types", "types": [{"media_type": "application/x-httpd-php", "extensions": ["jpg"]}]}"#,
        r#"{"feature": "mime-types", "types": [{"media_type": "Application/X-HTTPD-CGI", "extensions": ["txt"]}]}"#,
        // Expressions could read files.
        r#"{"feature": "basic-authentication", "realm": "%{file:/etc/passwd}", "user_file": "/x"}"#,
        r#"{"feature": "error-pages", "pages": [{"codes": [404], "page": "/%{file:/etc/passwd}"}]}"#,
        r#"{"feature": "redirect", "status": 301, "target": "/%{file:/etc/passwd}"}"#,
    ] {
        let outcome = fixture.commit(&[set(json)]);
        assert!(matches!(outcome, Err(WebServerError::Impossible { .. })), "{json}: {outcome:?}");
    }
    let folder = fixture.file_path("www/[a-z]*");
    let root = fixture.commit(&[Change::SetRoot { site: site("main"), folder }]);
    assert!(matches!(root, Err(WebServerError::Impossible { .. })), "{root:?}");
    let mixed = [false, true].map(|tls| Listener { tls, ..listener(free_port()) });
    let unix = Listener { address: ListenAddress::parse("unix:/run/x").unwrap(), ..listener(1) };
    for (listeners, names) in [
        (mixed.to_vec(), Vec::new()),
        (vec![unix], Vec::new()),
        (vec![listener(fixture.port)], vec![HostPattern::parse("~^x").unwrap()]),
    ] {
        let outcome = fixture.commit(&[Change::SetBindings { site: site("main"), listeners, names }]);
        assert!(matches!(outcome, Err(WebServerError::Impossible { .. })), "{outcome:?}");
    }
}

#[test]
fn features_without_their_module_are_hidden() {
    let Some(fixture) = Product::Apache.create() else { return };
    let modules = fixture.text("mods-enabled/all.load");
    let without: String =
        modules.lines().filter(|line| !line.contains("headers")).map(|line| format!("{line}\n")).collect();
    fixture.put("mods-enabled/all.load", &without);
    let headers = r#"{"feature": "response-headers", "headers": [{"name": "X", "value": "1"}]}"#;
    let outcome = fixture.commit(&[set(headers)]);
    assert!(
        matches!(&outcome, Err(WebServerError::Impossible { reason, .. }) if reason.contains("headers_module")),
        "{outcome:?}"
    );
}

#[test]
fn a_new_site_is_changed_in_the_same_plan() {
    let Some(fixture) = Product::Apache.start() else { return };
    let port = free_port();
    fixture.put("other/page.txt", "another folder");
    let location = Change::PutLocation {
        site: site("shop"),
        path: UrlPath::parse("/docs/").unwrap(),
        location: NewLocation::Directory { folder: fixture.file_path("other") },
    };
    fixture.change(&[fixture.new_site("shop", port, "the shop"), location]);
    assert!(fixture.text("sites-available/shop.conf").contains("Alias /docs/"));
    assert_eq!(get(port, "/docs/page.txt", "").1, "another folder");
}

#[test]
fn servers_without_a_type_are_not_lost_with_another_protocol() {
    let Some(fixture) = Product::Apache.create() else { return };
    let text = fixture.text("sites-available/main.conf");
    let pool = "<Proxy \"balancer://backend\">\n    BalancerMember http://127.0.0.1:9001\n    BalancerMember \
                http://127.0.0.1:9002/app\n</Proxy>\n";
    fixture.put("sites-available/main.conf", &(text + pool));
    let put = |protocol| Change::PutLocation {
        site: site("main"),
        path: UrlPath::parse("/app/").unwrap(),
        location: NewLocation::Application {
            protocol,
            pool: PoolName::parse("backend").unwrap(),
            path: None,
        },
    };
    let before = fixture.configuration();
    let outcome = fixture.commit(&[put(ProxyProtocol::Fastcgi)]);
    assert!(
        matches!(&outcome, Err(WebServerError::Impossible { reason, .. }) if reason.contains("http://127.0.0.1:9002/app")),
        "{outcome:?}"
    );
    assert_eq!(fixture.configuration(), before);
    fixture.change(&[put(ProxyProtocol::Http)]);
    assert!(fixture.configuration().contains("BalancerMember http://127.0.0.1:9002/app\n"));
}

#[test]
fn directives_without_a_type_are_reported_as_text() {
    let Some(fixture) = Product::Apache.create() else { return };
    let text = fixture.text("sites-available/main.conf");
    let text = text.replace(
        "    <Location \"/files/\">",
        "    <Location />\n        Options Indexes MultiViews\n    </Location>\n    <Location \"/files/\">",
    );
    fixture.put("sites-available/main.conf", &text);
    let state = fixture.server.feature(&scope(), Feature::DirectoryBrowsing).unwrap();
    assert_eq!(state.setting, Setting::Unsupported { text: "Options Indexes MultiViews".to_owned() });
}
