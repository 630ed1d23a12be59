//! Behaviour that only Caddy has.

use std::process::Command;

use ports::free_port;
use serde_json::{Value, json};
use telarch_webserver::{
    CaddyDocument, Change, Feature, FilePath, HostPattern, LocationContent, NewSite, Operation, Scope,
    Setting, Status, WebServerError,
};

use crate::caddy_fixture::{admin_request, document};
use crate::fixture::{Fixture, Product, get, get_host, main_scope, site};

/// Returns a site with host names.
fn named_site(fixture: &Fixture, id: &str, port: u16, names: &[&str]) -> Change {
    let Change::CreateSite(new) = fixture.new_site(id, port, &format!("the {id}")) else { unreachable!() };
    let names = names.iter().map(|name| HostPattern::parse(name).unwrap()).collect();
    Change::CreateSite(NewSite { names, ..new })
}

#[test]
fn sites_with_the_same_address_are_routes_of_one_server() {
    let Some(fixture) = Product::Caddy.start() else { return };
    let before = document(&fixture.admin);
    let port = free_port();
    fixture.change(&[named_site(&fixture, "shop", port, &["shop.example"])]);
    fixture.change(&[named_site(&fixture, "blog", port, &["blog.example", "*.blog.example"])]);
    assert_eq!(get_host(port, "a.blog.example"), "the blog");
    assert_eq!(get_host(port, "shop.example"), "the shop");
    assert_eq!(get_host(port, "else.example"), "");
    let nameless = fixture.commit(&[fixture.new_site("nameless", port, "x")]);
    assert!(matches!(nameless, Err(WebServerError::Impossible { .. })), "{nameless:?}");
    // Logs are those of one site, and timeouts would be those of both.
    let scope = Scope::Site { site: site("blog") };
    fixture
        .set_in(&scope, json!({ "feature": "logging", "access": { "file": fixture.path("logs/blog.log") } }));
    let logs = fixture.server.log_files().unwrap();
    assert_eq!(logs.iter().map(|log| log.sites.clone()).collect::<Vec<_>>(), [vec![site("blog")]]);
    let timeouts = serde_json::from_value(json!({ "feature": "limits", "keep_alive": 5 })).unwrap();
    let refused = fixture.commit(&[Change::SetFeature { scope, value: timeouts }]);
    assert!(matches!(refused, Err(WebServerError::Impossible { .. })), "{refused:?}");
    fixture.change(&[Change::DeleteSite { site: site("blog") }]);
    fixture.change(&[Change::DeleteSite { site: site("shop") }]);
    assert_eq!(document(&fixture.admin), before);
}

#[test]
fn unknown_parts_of_the_document_stay_as_they_are() {
    let Some(fixture) = Product::Caddy.start() else { return };
    let request = |method: &str, path: &str, body: Value| {
        admin_request(&fixture.admin, method, path, &body.to_string());
    };
    request("PUT", "/config/apps/tls", json!({ "session_tickets": { "disabled": true } }));
    request("PUT", "/config/logging", json!({ "sink": { "writer": { "output": "discard" } } }));
    request("PUT", "/config/apps/http/servers/main/max_header_bytes", json!(9_999));
    let unknown = json!({ "match": [{ "path": ["/secret*"], "method": ["GET"] }],
        "handle": [{ "handler": "static_response", "body": "secret", "status_code": 418 }] });
    request("PUT", "/config/apps/http/servers/main/routes/0", unknown.clone());
    let before = document(&fixture.admin);
    for value in [
        json!({ "feature": "error-pages", "pages": [{ "codes": [404], "page": "/other.txt" }] }),
        json!({ "feature": "logging", "access": { "file": fixture.path("logs/a.log") } }),
        json!({ "feature": "limits", "keep_alive": 5, "request_body": 7 }),
        json!({ "feature": "ip-restrictions", "rules": [{ "allow": true, "clients": "::1" }] }),
    ] {
        let feature: Feature = value["feature"].as_str().unwrap().parse().unwrap();
        fixture.set(value);
        let changed = document(&fixture.admin);
        assert_ne!(changed, before, "{feature}");
        assert!(changed.to_string().contains(&unknown.to_string()), "{feature}: {changed}");
        assert!(get(fixture.port, "/secret", "").1 == "secret", "{feature}");
        fixture.change(&[Change::RevertFeature { scope: main_scope(), feature }]);
    }
    for pointer in ["/apps/tls", "/logging", "/apps/http/servers/main/max_header_bytes"] {
        assert_eq!(document(&fixture.admin).pointer(pointer), before.pointer(pointer), "{pointer}");
    }
}

#[test]
fn the_admin_endpoint_and_placeholders_are_protected() {
    let Some(fixture) = Product::Caddy.start() else { return };
    let text = fixture.configuration();
    let edit = |text: String| Change::RawEdit { file: FilePath::parse("/config/").unwrap(), text };
    let Err(WebServerError::Rejected(validation)) =
        fixture.commit(&[edit(text.replace("file_server", "nope"))])
    else {
        panic!("it was accepted")
    };
    assert!(validation.problems[0].message.contains("unknown module: http.handlers.nope"), "{validation:?}");
    let moved = fixture.commit(&[edit(text.replace(&fixture.admin, "127.0.0.1:1"))]);
    assert!(matches!(moved, Err(WebServerError::Impossible { .. })), "{moved:?}");
    let folder = FilePath::parse("/srv/{env.HOME}").unwrap();
    let refused = fixture.commit(&[Change::SetRoot { site: site("main"), folder }]);
    assert!(matches!(refused, Err(WebServerError::Impossible { .. })), "{refused:?}");
    for value in [
        json!({ "feature": "error-pages", "pages": [{ "codes": [404], "page": "/{env.HOME}" }] }),
        json!({ "feature": "response-headers", "headers": [{ "name": "X", "value": "$request_id" }] }),
        json!({ "feature": "basic-authentication", "realm": "a \" b", "users": [] }),
        json!({ "feature": "ip-restrictions", "rules": [{ "allow": false, "clients": "unix:" }] }),
        json!({ "feature": "ssl", "certificate": "/x.pem", "key": "/x.key", "protocols": ["TLSv1"] }),
        json!({ "feature": "logging", "error": { "file": "/x", "level": "crit" } }),
    ] {
        let value = serde_json::from_value(value).unwrap();
        let refused = fixture.commit(&[Change::SetFeature { scope: main_scope(), value }]);
        assert!(matches!(refused, Err(WebServerError::Impossible { .. })), "{refused:?}");
    }
}

#[test]
fn password_hashes_are_neither_read_nor_shown_in_differences() {
    let Some(fixture) = Product::Caddy.start() else { return };
    let hash = "$2a$14$zm.5dFi3wXTlkyYHQMlGPOJhEvRxlmMQrkLMCAdVvHDNKRxsPVfUy";
    let value = json!({ "feature": "basic-authentication", "realm": "x", "users": [{ "name": "ada", "hash": hash }] });
    let change = Change::SetFeature { scope: main_scope(), value: serde_json::from_value(value).unwrap() };
    let commit = fixture.change(&[change]);
    let stored = document(&fixture.admin).to_string();
    let (_, password) = stored.split_once("\"password\":\"").unwrap();
    let (password, _) = password.split_once('"').unwrap();
    let details = fixture.server.commit_details(commit.number).unwrap();
    let unified = &details.diffs[0].unified;
    assert!(unified.contains("(hidden: ") && !unified.contains(password), "{unified}");
    // A user without a hash keeps the present one; a new one needs it.
    let users = |names: &[&str]| {
        let users: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        let value = json!({ "feature": "basic-authentication", "realm": "y", "users": users });
        Change::SetFeature { scope: main_scope(), value: serde_json::from_value(value).unwrap() }
    };
    fixture.change(&[users(&["ada"])]);
    assert!(document(&fixture.admin).to_string().contains(password));
    let missing = fixture.commit(&[users(&["ada", "bob"])]);
    assert!(matches!(missing, Err(WebServerError::Impossible { .. })), "{missing:?}");
}

#[test]
fn password_hashes_are_hidden_in_settings_without_types() {
    let provider = json!({ "accounts": [{ "username": "ada", "password": "$2a$14$secret" }], "other": 1 });
    let handler = json!({ "handler": "authentication", "providers": { "http_basic": provider } });
    let route = json!({ "@id": "shop", "match": [{ "host": ["shop.example"] }], "handle": [handler] });
    let server = json!({ "listen": ["127.0.0.1:8080"], "routes": [route] });
    let text = json!({ "apps": { "http": { "servers": { "one": server } } } }).to_string();
    let document = CaddyDocument::parse(text.as_bytes()).unwrap();
    let scope = Scope::Site { site: document.sites()[0].id.clone() };
    let state = document.feature(&scope, Feature::BasicAuthentication).unwrap();
    let Setting::Unsupported { text } = state.setting else { panic!("{state:?}") };
    assert!(text.contains("(hidden: ") && !text.contains("secret"), "{text}");
}

#[test]
fn caddy_is_administered_through_a_socket() {
    let Some(mut fixture) = Product::Caddy.create_at("unix:FOLDER/admin.sock") else { return };
    let mut child = fixture.child.take().unwrap();
    let caddy = &fixture.server;
    let running = caddy.control(Operation::Reload).unwrap();
    assert!(
        matches!(&running, Status::Running { pid, workers } if *pid == child.id() && workers[0].memory > 0),
        "{running:?}"
    );
    fixture.set(json!({ "feature": "redirect", "status": 301, "target": "/x" }));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(caddy.status().unwrap(), Status::Stopped);
    let error = caddy.snapshot().unwrap_err().to_string();
    assert!(error.contains("admin.sock") && error.contains("systemctl start caddy"), "{error}");
    assert!(matches!(caddy.control(Operation::Start), Err(WebServerError::Unreachable { .. })));
}

#[test]
fn sites_of_a_caddyfile_are_read() {
    let Some(fixture) = Product::Caddy.start() else { return };
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
    admin_request(&fixture.admin, "POST", "/load", &String::from_utf8(output.stdout).unwrap());
    let snapshot = fixture.server.snapshot().unwrap();
    let ids: Vec<&str> = snapshot.sites.iter().map(|site| site.id.as_str()).collect();
    assert_eq!(ids, ["srv0-a.example", "srv0", "srv1-127.0.0.1"]);
    let named = &snapshot.sites[0];
    assert_eq!((named.names[0].as_str(), named.listeners[0].tls), ("a.example", false));
    assert_eq!(named.root.as_deref(), fixture.path("www/main").to_str());
    let [docs] = named.locations.as_slice() else { panic!("{named:?}") };
    assert!(docs.path == "/docs/" && matches!(docs.content, LocationContent::Alias { .. }), "{docs:?}");
    let scope = Scope::Site { site: site("srv0") };
    let setting = |feature| match fixture.server.feature(&scope, feature).unwrap().setting {
        Setting::Unsupported { .. } => json!("unsupported"),
        setting => json!(setting),
    };
    assert_eq!(setting(Feature::DirectoryBrowsing)["value"]["enabled"], json!(true));
    assert_eq!(setting(Feature::Compression)["value"]["enabled"], json!(true));
    assert_eq!(setting(Feature::ResponseHeaders)["value"]["headers"][0]["value"], json!("b"));
    assert_eq!(setting(Feature::Redirect), json!({ "setting": "default" }), "it is for one path only");
    let redirect =
        fixture.server.feature(&Scope::Site { site: site("srv1-127.0.0.1") }, Feature::Redirect).unwrap();
    assert!(matches!(&redirect.setting, Setting::Value { .. }), "{redirect:?}");
    // The site is changed in the form that the adapter wrote.
    fixture.set_in(
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
