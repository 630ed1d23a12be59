//! Requests of attackers.

use management::Settings;
use serde_json::json;

use super::{Fixture, call, headers, problem};
use crate::access::COOKIE;
use crate::reply::{Content, Reply};

fn without(list: &[(String, String)], name: &str) -> Vec<(String, String)> {
    list.iter().filter(|(other, _)| other != name).cloned().collect()
}

fn with(list: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
    [without(list, name), headers(&[(name, value)])].concat()
}

#[test]
fn requests_from_other_web_sites_are_refused() {
    let fixture = Fixture::new(Settings::default());
    let browser = fixture.browser("admin");
    let other = fixture.browser("admin");
    let other_token = other.iter().find(|(name, _)| name == "x-csrf-token").map(|(_, value)| value.clone());
    let refused = [
        with(&browser, "origin", "https://evil.example"),
        with(&browser, "origin", "https://localhost:9999"),
        with(&browser, "origin", "http://localhost:8172"),
        with(&browser, "origin", "null"),
        with(&browser, "sec-fetch-site", "cross-site"),
        with(&browser, "sec-fetch-site", "same-site"),
        with(&browser, "sec-fetch-site", "none"),
        without(&browser, "origin"),
        without(&browser, "x-csrf-token"),
        with(&browser, "x-csrf-token", ""),
        with(&browser, "x-csrf-token", &other_token.unwrap()),
    ];
    for extra in refused {
        let reply = fixture.send(&call("DELETE", "/management/sessions/none", &json!({}), &extra));
        assert_eq!((reply.status, problem(&reply)), (403, "cross-site-request".to_owned()), "{extra:?}");
    }
    let fetch = with(&without(&browser, "origin"), "sec-fetch-site", "same-origin");
    for extra in [browser, fetch] {
        let reply = fixture.send(&call("DELETE", "/management/sessions/none", &json!({}), &extra));
        assert_eq!((reply.status, problem(&reply)), (404, "not-found".to_owned()));
    }
    // A sign-in from another site would let an attacker choose the account of a victim's browser.
    let body = json!({ "username": "admin", "password": "admin" });
    let evil = headers(&[("origin", "https://evil.example")]);
    assert_eq!(fixture.send(&call("POST", "/session", &body, &evil)).status, 403);
}

#[test]
fn other_host_names_and_other_machines_are_refused() {
    let fixture = Fixture::new(Settings::default());
    for host in ["evil.example", "localhost.evil.example", "", "127.0.0.2", "[::2]:8172"] {
        let mut request = call("GET", "/openapi.json", &json!({}), &[]);
        request.headers = headers(&[("host", host)]);
        assert_eq!(problem(&fixture.send(&request)), "unknown-host", "{host}");
    }
    let mut remote = call("GET", "/openapi.json", &json!({}), &[]);
    remote.client = "192.0.2.1:4711".parse().unwrap();
    let reply = fixture.send(&remote);
    assert_eq!((reply.status, reply.substatus), (403, (6, 5)));
    let mut settings = Settings { enable_remote_management: true, ..Settings::default() };
    settings.set("RemoteRestrictions", "deny, allow 192.0.2.0/24, deny 127.0.0.2").unwrap();
    let fixture = Fixture::new(settings);
    for (client, is_admitted) in
        [("192.0.2.1", true), ("198.51.100.1", false), ("127.0.0.1", true), ("127.0.0.2", false)]
    {
        remote.client = format!("{client}:4711").parse().unwrap();
        assert_eq!(fixture.send(&remote).status == 200, is_admitted, "{client}");
    }
}

fn text(reply: &Reply) -> String {
    match &reply.content {
        Content::Problem(value) => value.get("detail").map(ToString::to_string).unwrap_or_default(),
        _ => String::new(),
    }
}

#[test]
fn failed_sign_ins_reveal_nothing_and_lock_the_name() {
    let fixture = Fixture::new(Settings::default());
    let sign_in = |name: &str, password: &str| {
        fixture.send(&call("POST", "/session", &json!({ "username": name, "password": password }), &[]))
    };
    let unknown = sign_in("nobody", "x");
    assert_eq!(unknown.status, 401);
    for _ in 0..5 {
        let wrong = sign_in("admin", "x");
        assert_eq!((wrong.status, text(&wrong)), (401, text(&unknown)));
        assert_eq!(wrong.substatus, (1, 1_326));
    }
    let locked = sign_in("admin", "admin");
    assert_eq!((locked.status, text(&locked)), (429, text(&unknown)));
    assert!(locked.headers.iter().any(|(name, _)| *name == "retry-after"));
    let windows_only = Settings { requires_windows_credentials: true, ..Settings::default() };
    let fixture = Fixture::new(windows_only);
    let body = json!({ "username": "admin", "password": "admin" });
    let refused = fixture.send(&call("POST", "/session", &body, &[]));
    assert_eq!((refused.status, text(&refused)), (401, text(&unknown)));
}

#[test]
fn a_sign_in_does_not_continue_a_planted_session() {
    let fixture = Fixture::new(Settings::default());
    let planted = headers(&[("cookie", &format!("{COOKIE}=planted"))]);
    let body = json!({ "username": "admin", "password": "admin" });
    let reply = fixture.send(&call("POST", "/session", &body, &planted));
    let cookie = reply.headers.iter().find(|(name, _)| *name == "set-cookie").map(|(_, value)| value.clone());
    let cookie = cookie.unwrap();
    assert!(!cookie.contains("planted"));
    assert!(cookie.starts_with("__Host-") && cookie.ends_with("Path=/; Secure; HttpOnly; SameSite=Strict"));
    assert_eq!(fixture.send(&call("GET", "/session", &json!({}), &planted)).status, 401);
}

#[test]
fn changed_users_lose_their_sessions_and_deleted_ones_their_keys() {
    let fixture = Fixture::new(Settings::default());
    let (admin, operator) = (fixture.browser("admin"), fixture.browser("operator"));
    let change = json!({ "password": "new" });
    assert_eq!(fixture.send(&call("PATCH", "/management/users/operator", &change, &admin)).status, 200);
    assert_eq!(fixture.send(&call("GET", "/session", &json!({}), &operator)).status, 401);
    let own = fixture.send(&call("DELETE", "/management/users/ADMIN", &json!({}), &admin));
    assert_eq!((own.status, problem(&own)), (409, "conflict".to_owned()));
    assert_eq!(fixture.send(&call("DELETE", "/management/users/viewer", &json!({}), &admin)).status, 204);
    assert_eq!(fixture.send(&call("DELETE", "/management/users/viewer", &json!({}), &admin)).status, 404);
}

#[test]
fn malformed_bodies_and_paths_are_refused() {
    let fixture = Fixture::new(Settings::default());
    let admin = fixture.browser("admin");
    let mut request = call("POST", "/session", &json!({}), &[]);
    for body in [
        "",
        "[]",
        "{",
        "{\"username\":1,\"password\":\"x\"}",
        "{\"username\":\"a\",\"password\":\"b\",\"c\":1}",
    ] {
        request.body = body.as_bytes().to_vec();
        assert_eq!(fixture.send(&request).status, 400, "{body}");
    }
    request.headers.retain(|(name, _)| name != "content-type");
    assert_eq!(fixture.send(&request).status, 415);
    let listed = fixture.send(&call("GET", "/web/sites/..%2f..%2fetc", &json!({}), &admin));
    assert_eq!(listed.status, 404);
    let body = json!({ "user": "shopkeeper", "scope": "/a\r\nb" });
    assert_eq!(fixture.send(&call("POST", "/management/permissions", &body, &admin)).status, 400);
    let mut page = call("GET", "", &json!({}), &[]);
    for path in ["/../Cargo.toml", "/vendor/../../Cargo.toml", "/%2e%2e/Cargo.toml", "/style.css/x.css"] {
        page.path = path.to_owned();
        assert_eq!(fixture.send(&page).status, 404, "{path}");
    }
}

#[test]
fn refused_and_changing_requests_are_audited_without_secrets() {
    let fixture = Fixture::new(Settings::default());
    let admin = fixture.browser("admin");
    let body = json!({ "name": "new", "password": "s3cret-word" });
    assert_eq!(fixture.send(&call("POST", "/management/users", &body, &admin)).status, 201);
    let stranger = fixture.browser("stranger");
    assert_eq!(fixture.send(&call("GET", "/management/users", &json!({}), &stranger)).status, 403);
    let records = fixture.console.audit.recent(u64::MAX, 10);
    let texts: Vec<String> = records.iter().map(|(_, record)| record.to_string()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts.iter().any(|text| text.contains("\"result\":\"denied\"") && text.contains("stranger")),
        "{texts:?}"
    );
    assert!(
        texts.iter().any(|text| text.contains("\"result\":\"done\"") && text.contains("admin")),
        "{texts:?}"
    );
    assert!(!texts.concat().contains("s3cret-word"));
}
