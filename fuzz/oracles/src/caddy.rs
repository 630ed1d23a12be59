//! Documents of Caddy.

use serde_json::json;
use webserver::{
    CaddyDocument, Change, Feature, FeatureValue, Pool, PoolMember, PoolName, Scope, Setting, SiteId, UrlPath,
};

/// Checks any text as a document.
///
/// A document is written as it is read. A feature that is set is read with its value, and all sites and other parts of
/// the document stay as they are. A site that is created and deleted leaves the document unchanged.
///
/// # Panics
/// If one of these properties does not hold.
pub fn document(data: &[u8]) {
    let Some(document) = CaddyDocument::parse(data) else { return };
    let text = document.text();
    let again = CaddyDocument::parse(&text).expect("the text is a document");
    assert_eq!(again.text(), text, "the text changed");
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    let sites = document.sites();
    for site in sites.iter().take(SITES) {
        assert!(usize::try_from(site.position.line).is_ok_and(|line| line <= lines), "{site:?}");
        features(&document, &Scope::Site { site: site.id.clone() });
        for location in site.locations.iter().take(SITES) {
            if let Ok(path) = UrlPath::parse(&location.path) {
                features(&document, &Scope::Location { site: site.id.clone(), path });
            }
        }
        for made in site_changes(site.id.as_str()) {
            let _ = document.apply(&made);
        }
    }
    pools(&document);
    create(&document);
}

/// Maximum number of sites, and locations of each, that are changed.
const SITES: usize = 3;

fn change(value: serde_json::Value) -> Change {
    serde_json::from_value(value).expect("the change is valid")
}

/// Values of the features.
fn values() -> Vec<serde_json::Value> {
    vec![
        json!({ "feature": "default-documents", "files": ["a.html"] }),
        json!({ "feature": "directory-browsing", "enabled": true }),
        json!({ "feature": "error-pages", "pages": [{ "codes": [404, 410], "response": 403, "page": "/a" }] }),
        json!({ "feature": "redirect", "status": 301, "target": "https://$host{x}" }),
        json!({ "feature": "response-headers", "headers": [{ "name": "X-A", "value": "{b}", "always": true }] }),
        json!({ "feature": "mime-types", "types": [{ "media_type": "text/a", "extensions": ["a", "b"] }] }),
        json!({ "feature": "compression", "enabled": true, "level": 3, "types": ["text/a"] }),
        json!({ "feature": "ip-restrictions", "rules": [
            { "allow": true, "clients": "10.0.0.0/8" }, { "allow": false, "clients": "all" }] }),
        json!({ "feature": "ssl", "certificate": "/a.pem", "key": "/a.key" }),
        json!({ "feature": "limits", "request_body": 10 }),
        json!({ "feature": "logging", "access": { "file": "/a.log" } }),
        json!({ "feature": "basic-authentication", "realm": "a", "users": [{ "name": "a" }] }),
    ]
}

fn features(document: &CaddyDocument, scope: &Scope) {
    for value in values() {
        let value: FeatureValue = serde_json::from_value(value).expect("the value is valid");
        let feature = value.feature();
        let Ok(before) = document.feature(scope, feature) else { continue };
        let set = Change::SetFeature { scope: scope.clone(), value: value.clone() };
        let Ok(changed) = document.apply(&set) else { continue };
        let after = changed.feature(scope, feature).expect("the scope exists");
        let is_known = !matches!(before.setting, Setting::Unsupported { .. });
        // Settings of the server or of the present handler may stay.
        let has_more = matches!(feature, Feature::Ssl | Feature::Limits | Feature::Logging);
        if is_known && !has_more {
            assert_eq!(after.setting, Setting::Value { value }, "{feature} of {scope:?}");
        }
        unchanged(document, &changed);
        let revert = Change::RevertFeature { scope: scope.clone(), feature };
        if let Ok(reverted) = changed.apply(&revert) {
            let setting = reverted.feature(scope, feature).expect("the scope exists").setting;
            assert!(
                setting == Setting::Default || has_more || !is_known,
                "{feature} of {scope:?}: {setting:?}"
            );
            unchanged(document, &reverted);
        }
    }
}

fn ids(document: &CaddyDocument) -> Vec<SiteId> {
    document.sites().into_iter().map(|site| site.id).collect()
}

/// Checks that sites and other parts of the document are the same.
fn unchanged(document: &CaddyDocument, changed: &CaddyDocument) {
    assert_eq!(ids(document), ids(changed), "the sites changed");
    for pointer in ["/admin", "/storage", "/apps/pki", "/apps/http/grace_period", "/apps/tls/automation"] {
        assert_eq!(document.part(pointer), changed.part(pointer), "{pointer} changed");
    }
}

fn site_changes(site: &str) -> Vec<Change> {
    let location = json!({ "kind": "directory", "folder": "/b" });
    vec![
        change(json!({ "change": "put-location", "site": site, "path": "/b/", "location": location })),
        change(json!({ "change": "set-root", "site": site, "folder": "/b" })),
        change(json!({ "change": "set-bindings", "site": site, "names": ["b.example"],
            "listeners": [{ "address": "127.0.0.1:8081" }] })),
        change(json!({ "change": "delete-site", "site": site })),
    ]
}

fn pools(document: &CaddyDocument) {
    let member = json!({ "address": "127.0.0.1:3000" });
    let put = change(json!({ "change": "put-pool", "pool": "fuzzed", "members": [member] }));
    let before = document.pools();
    if before.iter().any(|pool| pool.name.as_str() == "fuzzed") {
        return;
    }
    let Ok(with_pool) = document.apply(&put) else { return };
    if with_pool.pools().len() == before.len() {
        return;
    }
    unchanged(document, &with_pool);
    let delete = change(json!({ "change": "delete-pool", "pool": "fuzzed" }));
    let without = with_pool.apply(&delete).expect("no location uses the pool");
    // The positions may differ: a missing member of the server with the pools is added.
    assert_eq!(servers(without.pools()), servers(before), "the other pools changed");
}

fn servers(pools: Vec<Pool>) -> Vec<(PoolName, Vec<PoolMember>, Vec<String>)> {
    pools.into_iter().map(|pool| (pool.name, pool.members, pool.unsupported)).collect()
}

fn create(document: &CaddyDocument) {
    let create = change(json!({ "change": "create-site", "id": "fuzzed-site", "names": [],
        "listeners": [{ "address": "127.0.0.9:9" }], "root": "/b" }));
    let Ok(created) = document.apply(&create) else { return };
    assert_eq!(created.sites().len(), document.sites().len() + 1);
    let delete = change(json!({ "change": "delete-site", "site": "fuzzed-site" }));
    let deleted = created.apply(&delete).expect("the site exists");
    assert_eq!(deleted.sites(), document.sites());
}
