//! Every route against every kind of caller. A route that is not in the table fails the test.

use std::collections::BTreeSet;

use management::{ApiKeyLimits, KeyPurpose, Settings, Timestamp};
use serde_json::json;

use super::{Fixture, USERS, call, headers, problem};
use crate::routes::ROUTES;

/// Callers that a route admits: everyone, the letters of users (`a`dmin, `o`perator, `v`iewer, `s`hopkeeper, stranger
/// `x`), and `k` for an API key of the administrator. The operator has the permission for terminals.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("POST", "/session", "everyone"),
    ("GET", "/session", "aovsxk"),
    ("DELETE", "/session", "aovsxk"),
    ("POST", "/session/elevate", "aovsxk"),
    ("GET", "/openapi.json", "everyone"),
    ("POST", "/terminals", "o"),
    ("GET", "/terminals/socket", "aovsx"),
    ("GET", "/machine", "aovk"),
    ("GET", "/machine/metrics", "aovk"),
    ("GET", "/web", "aovsxk"),
    ("GET", "/web/request-rates", "aovk"),
    ("POST", "/web/actions/{action}", "aok"),
    ("GET", "/web/sites", "aovsxk"),
    ("POST", "/web/sites", "ak"),
    ("GET", "/web/sites/{site}", "aovsk"),
    ("PATCH", "/web/sites/{site}", "ak"),
    ("DELETE", "/web/sites/{site}", "ak"),
    ("GET", "/web/sites/{site}/features", "aovsk"),
    ("GET", "/web/sites/{site}/features/{feature}", "aovsk"),
    ("PUT", "/web/sites/{site}/features/{feature}", "ask"),
    ("DELETE", "/web/sites/{site}/features/{feature}", "ask"),
    ("POST", "/web/sites/{site}/uploads", "ask"),
    ("PUT", "/web/sites/{site}/uploads/{upload}", "ask"),
    ("DELETE", "/web/sites/{site}/uploads/{upload}", "ask"),
    ("GET", "/web/sites/{site}/deployments", "aovsk"),
    ("POST", "/web/sites/{site}/deployments", "ask"),
    ("POST", "/web/sites/{site}/deployments/{deployment}/rollback", "ask"),
    ("POST", "/web/changes", "ask"),
    ("GET", "/web/pools", "aovk"),
    ("POST", "/web/pools/{pool}/actions/{action}", "aok"),
    ("GET", "/web/certificates", "aovk"),
    ("POST", "/web/certificates", "a"),
    ("DELETE", "/web/certificates/{certificate}", "a"),
    ("GET", "/web/history", "aovk"),
    ("GET", "/web/history/{commit}", "aovk"),
    ("POST", "/web/history/{commit}/rollback", "ak"),
    ("GET", "/web/logs", "aovk"),
    ("GET", "/web/logs/lines", "aovk"),
    ("GET", "/wmi/namespaces", "aovk"),
    ("GET", "/wmi/namespaces/{namespace}/classes", "aovk"),
    ("GET", "/wmi/namespaces/{namespace}/classes/{class}", "aovk"),
    ("GET", "/wmi/namespaces/{namespace}/classes/{class}/instances", "aovk"),
    ("POST", "/wmi/namespaces/{namespace}/classes/{class}/methods/{method}", "a"),
    ("GET", "/wmi/namespaces/{namespace}/instance", "aovk"),
    ("GET", "/wmi/namespaces/{namespace}/associations", "aovk"),
    ("POST", "/wmi/query", "aovk"),
    ("GET", "/events/channels", "aovk"),
    ("GET", "/events", "aovk"),
    ("GET", "/events/records/{channel}/{record}", "aovk"),
    ("GET", "/events/collector", "aovk"),
    ("GET", "/events/forwarded", "aovk"),
    ("GET", "/wsman", "aovk"),
    ("POST", "/wsman/changes", "a"),
    ("GET", "/wsman/shells", "ak"),
    ("DELETE", "/wsman/shells/{shell}", "a"),
    ("GET", "/wsman/certificate-mappings", "ak"),
    ("GET", "/machines", "a"),
    ("POST", "/machines", "a"),
    ("GET", "/machines/{machine}", "a"),
    ("DELETE", "/machines/{machine}", "a"),
    ("POST", "/machines/{machine}/connect", "a"),
    ("POST", "/machines/{machine}/wmi/query", "a"),
    ("GET", "/machines/{machine}/wmi/namespaces", "a"),
    ("GET", "/machines/{machine}/wmi/namespaces/{namespace}/classes", "a"),
    ("GET", "/machines/{machine}/wmi/namespaces/{namespace}/classes/{class}", "a"),
    ("GET", "/machines/{machine}/wmi/namespaces/{namespace}/classes/{class}/instances", "a"),
    ("POST", "/machines/{machine}/wmi/namespaces/{namespace}/classes/{class}/methods/{method}", "a"),
    ("GET", "/machines/{machine}/wmi/namespaces/{namespace}/instance", "a"),
    ("GET", "/machines/{machine}/wmi/namespaces/{namespace}/associations", "a"),
    ("GET", "/machines/{machine}/events/channels", "a"),
    ("GET", "/machines/{machine}/events", "a"),
    ("GET", "/machines/{machine}/events/records/{channel}/{record}", "a"),
    ("GET", "/machines/{machine}/events/collector", "a"),
    ("GET", "/machines/{machine}/iis", "a"),
    ("POST", "/machines/{machine}/iis/sites/{site}/actions/{action}", "a"),
    ("POST", "/machines/{machine}/iis/pools/{pool}/actions/{action}", "a"),
    ("GET", "/machines/{machine}/web", "a"),
    ("GET", "/machines/{machine}/web/sites", "a"),
    ("POST", "/machines/{machine}/web/sites", "a"),
    ("GET", "/machines/{machine}/web/sites/{site}", "a"),
    ("PATCH", "/machines/{machine}/web/sites/{site}", "a"),
    ("DELETE", "/machines/{machine}/web/sites/{site}", "a"),
    ("GET", "/machines/{machine}/web/sites/{site}/features", "a"),
    ("GET", "/machines/{machine}/web/sites/{site}/features/{feature}", "a"),
    ("PUT", "/machines/{machine}/web/sites/{site}/features/{feature}", "a"),
    ("DELETE", "/machines/{machine}/web/sites/{site}/features/{feature}", "a"),
    ("POST", "/machines/{machine}/web/changes", "a"),
    ("GET", "/machines/{machine}/web/history", "a"),
    ("GET", "/machines/{machine}/web/history/{commit}", "a"),
    ("POST", "/machines/{machine}/web/history/{commit}/rollback", "a"),
    ("GET", "/machines/{machine}/wsman", "a"),
    ("POST", "/machines/{machine}/wsman/changes", "a"),
    ("DELETE", "/machines/{machine}/wsman/shells/{shell}", "a"),
    ("POST", "/machine-runs", "a"),
    ("GET", "/machine-runs/{run}", "a"),
    ("DELETE", "/machine-runs/{run}", "a"),
    ("GET", "/management/service", "ak"),
    ("PATCH", "/management/service", "a"),
    ("GET", "/management/service/staged", "ak"),
    ("PUT", "/management/service/staged", "a"),
    ("DELETE", "/management/service/staged", "a"),
    ("POST", "/management/service/actions/apply", "a"),
    ("POST", "/management/service/actions/confirm", "ak"),
    ("GET", "/management/users", "ak"),
    ("POST", "/management/users", "a"),
    ("PATCH", "/management/users/{user}", "a"),
    ("DELETE", "/management/users/{user}", "a"),
    ("GET", "/management/permissions", "ak"),
    ("POST", "/management/permissions", "a"),
    ("DELETE", "/management/permissions", "a"),
    ("GET", "/management/delegation", "ak"),
    ("PUT", "/management/delegation/{feature}", "a"),
    ("GET", "/management/deployment-rules", "ak"),
    ("PUT", "/management/deployment-rules", "a"),
    ("GET", "/management/api-keys", "ak"),
    ("POST", "/management/api-keys", "a"),
    ("DELETE", "/management/api-keys/{key}", "a"),
    ("GET", "/management/sessions", "ak"),
    ("DELETE", "/management/sessions/{session}", "ak"),
    ("GET", "/management/audit", "ak"),
];

/// Routes with a body that change nothing, which read-only keys may use.
const READS_WITH_BODY: &[(&str, &str)] = &[("POST", "/wmi/query"), ("POST", "/machines/{machine}/wmi/query")];

const LETTERS: [&str; 5] = ["a", "o", "v", "s", "x"];

#[test]
fn every_route_admits_exactly_the_listed_callers() {
    let routes: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    let expected: BTreeSet<_> = EXPECTED.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(routes, expected, "every route must be listed with the callers that it admits");
    let fixture = Fixture::new(Settings::default());
    let rules = json!([{ "users": ["shopkeeper", "operator"], "actions": ["Read", "Write"] }]);
    fixture.console.deployment_rules.replace(&rules).unwrap();
    let purpose = KeyPurpose::parse("matrix").unwrap();
    let key = |limits| fixture.console.api_keys.create("admin", &purpose, limits, Timestamp::now()).unwrap();
    let full = key(ApiKeyLimits::default());
    let read_only = key(ApiKeyLimits { is_read_only: true, days: 1 });
    for (method, path, admitted) in EXPECTED {
        let is_admitted = |extra: &[(String, String)]| {
            let concrete = path
                .replace("{site}", "shop")
                .replace("{feature}", "default-documents")
                .replace("{commit}", "1")
                .replace("{deployment}", "1")
                .replace("{action}", "reload")
                .replace('{', "none-")
                .replace('}', "");
            let body = match *path {
                "/web/changes" => json!({ "changes": [{
                    "change": "set-feature",
                    "scope": { "scope": "site", "site": "shop" },
                    "value": { "feature": "default-documents", "files": ["index.html"] },
                }] }),
                "/web/sites" => json!({ "id": "new", "listeners": [{ "address": "80" }], "root": "/srv" }),
                "/web/sites/{site}/deployments" => json!({ "upload": "none" }),
                "/web/sites/{site}" => json!({ "root": "/srv" }),
                _ => json!({ "feature": "default-documents", "files": ["index.html"] }),
            };
            let reply = fixture.send(&call(method, &concrete, &body, extra));
            let is_hidden =
                reply.status == 404 && problem(&reply) == "not-found" && path.starts_with("/web/");
            !matches!(problem(&reply).as_str(), "sign-in-required" | "forbidden" | "elevation-required")
                && !is_hidden
        };
        let mut found: String = LETTERS
            .iter()
            .zip(USERS)
            .filter(|(_, user)| is_admitted(&fixture.browser(user)))
            .map(|(letter, _)| *letter)
            .collect();
        let bearer = |token: &str| headers(&[("authorization", &format!("Bearer {token}"))]);
        if is_admitted(&bearer(full.token.expose())) {
            found.push('k');
        }
        if is_admitted(&[]) {
            found = "everyone".to_owned();
        }
        assert_eq!(found, *admitted, "{method} {path}");
        let only_reads = READS_WITH_BODY.contains(&(*method, *path));
        if only_reads && admitted.contains('k') {
            assert!(is_admitted(&bearer(read_only.token.expose())), "{method} {path} with a read-only key");
        } else if *method != "GET" && *admitted != "everyone" {
            assert!(!is_admitted(&bearer(read_only.token.expose())), "{method} {path} with a read-only key");
        }
    }
}

#[test]
fn delegation_decides_what_a_site_administrator_changes() {
    let fixture = Fixture::new(Settings::default());
    let browser = fixture.browser("shopkeeper");
    let put = |site: &str, feature: &str, value| {
        let path = format!("/web/sites/{site}/features/{feature}");
        let reply = fixture.send(&call("PUT", &path, &value, &browser));
        (reply.status, problem(&reply))
    };
    let documents = json!({ "feature": "default-documents", "files": ["index.html"] });
    let pages = json!({ "feature": "error-pages", "pages": [] });
    let limits = json!({ "feature": "limits", "rate": 1 });
    // Delegated: the request fails only because it has no revision.
    assert_eq!(put("shop", "default-documents", documents.clone()).0, 428);
    assert_eq!(put("shop", "error-pages", pages.clone()), (403, "forbidden".to_owned()));
    assert_eq!(put("shop", "limits", limits).0, 404);
    assert_eq!(put("other", "default-documents", documents.clone()), (404, "not-found".to_owned()));
    let shop = "/shop".parse().unwrap();
    let delegation = &fixture.console.delegation;
    let state = |name: &str| Some(name.parse().unwrap());
    delegation.set("error-pages".parse().unwrap(), Some(&shop), state("ReadWrite")).unwrap();
    delegation.set("default-documents".parse().unwrap(), None, state("NotDelegated")).unwrap();
    assert_eq!(put("shop", "error-pages", pages).0, 428);
    assert_eq!(put("shop", "default-documents", documents).0, 404);
    // Settings of the whole server, other changes, and settings that name files stay with administrators.
    let log = json!({ "feature": "logging", "error": { "file": "/etc/passwd" } });
    delegation.set("logging".parse().unwrap(), Some(&shop), state("ReadWrite")).unwrap();
    assert_eq!(put("shop", "logging", log), (403, "forbidden".to_owned()));
    for change in [
        json!({ "change": "raw-edit", "file": "/etc/nginx/nginx.conf", "text": "" }),
        json!({ "change": "delete-site", "site": "shop" }),
        json!({
            "change": "revert-feature", "scope": { "scope": "server" }, "feature": "error-pages",
        }),
    ] {
        let reply = fixture.send(&call("POST", "/web/changes", &json!({ "changes": [change] }), &browser));
        assert_eq!((reply.status, problem(&reply)), (403, "forbidden".to_owned()));
    }
}
