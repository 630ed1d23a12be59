//! A capability that a product does not claim is refused with an error, and changes nothing.

use serde_json::{Value, json};
use telarch_webserver::{
    Change, Feature, FeatureValue, HostPattern, NewLocation, PoolMember, PoolName, ProxyProtocol, Scope,
    SiteState, UrlPath, WebServerError,
};

use crate::fixture::{Fixture, Product, listener, main_scope, site};

/// Requires that changes are refused with a reason, and that the configuration stays as it is.
fn require_refused(fixture: &Fixture, changes: &[Change]) {
    let before = fixture.configuration();
    let outcome = fixture.commit(changes);
    assert!(
        matches!(&outcome, Err(WebServerError::Impossible { reason, .. }) if !reason.is_empty())
            || matches!(&outcome, Err(WebServerError::Scope { .. })),
        "{changes:?}: {outcome:?}"
    );
    assert_eq!(fixture.configuration(), before);
}

/// Returns a value of each feature with the fields that all products have.
fn value(fixture: &Fixture, feature: Feature) -> Value {
    match feature {
        Feature::DefaultDocuments => json!({ "files": ["a.html"] }),
        Feature::DirectoryBrowsing => json!({ "enabled": true }),
        Feature::ErrorPages => json!({ "pages": [{ "codes": [404], "page": "/other.txt" }] }),
        Feature::Redirect => json!({ "status": 301, "target": "/x" }),
        Feature::ResponseHeaders => json!({ "headers": [{ "name": "X", "value": "y" }] }),
        Feature::MimeTypes => json!({ "types": [{ "media_type": "text/x", "extensions": ["x"] }] }),
        Feature::Compression => json!({ "enabled": true }),
        Feature::IpRestrictions => json!({ "rules": [{ "allow": false, "clients": "all" }] }),
        Feature::BasicAuthentication => super::features::authentication(fixture, "x"),
        Feature::Ssl => json!({ "certificate": "/x.pem", "key": "/x.key" }),
        Feature::Limits => json!({ "request_body": 10 }),
        Feature::Logging => json!({ "access": { "file": fixture.path("logs/a.log") } }),
    }
}

fn set(scope: Scope, feature: Feature, mut value: Value) -> Change {
    value["feature"] = json!(feature.name());
    let value: FeatureValue =
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"));
    Change::SetFeature { scope, value }
}

pub(super) fn features_are_refused_unless_claimed(product: Product) {
    let Some(fixture) = product.create() else { return };
    let base = fixture.server.snapshot().unwrap().revision;
    for feature in Feature::ALL {
        let change = set(main_scope(), feature, value(&fixture, feature));
        if fixture.server.info().capabilities.features.contains(&feature) {
            let planned = fixture.server.plan(&base, &[change]);
            assert!(planned.as_ref().is_ok_and(|plan| !plan.is_empty()), "{feature}: {planned:?}");
        } else {
            require_refused(&fixture, &[change]);
        }
    }
}

/// Fields that some products do not have, with values that use them.
fn fields(fixture: &Fixture) -> Vec<(&'static str, Value)> {
    let log = fixture.path("logs/a.log");
    vec![
        ("directory-browsing.format", json!({ "enabled": true, "format": "json" })),
        ("directory-browsing.exact_size", json!({ "enabled": true, "exact_size": true })),
        ("directory-browsing.local_time", json!({ "enabled": true, "local_time": true })),
        (
            "error-pages.response",
            json!({ "pages": [{ "codes": [404], "response": 410, "page": "/other.txt" }] }),
        ),
        ("mime-types.default", json!({ "default": "text/x-default" })),
        ("compression.level", json!({ "enabled": true, "level": 5 })),
        ("compression.types", json!({ "enabled": true, "types": ["text/plain"] })),
        ("compression.minimum_size", json!({ "enabled": true, "minimum_size": 10 })),
        ("basic-authentication.user_file", json!({ "realm": "x", "user_file": fixture.path("users") })),
        ("basic-authentication.users", json!({ "realm": "x", "users": [{ "name": "ada", "hash": HASH }] })),
        (
            "ssl.prefer_server_ciphers",
            json!({ "certificate": "/x.pem", "key": "/x.key", "prefer_server_ciphers": true }),
        ),
        ("limits.request_body", json!({ "request_body": 10 })),
        ("limits.keep_alive", json!({ "keep_alive": 10 })),
        ("limits.body_timeout", json!({ "body_timeout": 10 })),
        ("limits.header_timeout", json!({ "header_timeout": 10 })),
        ("limits.send_timeout", json!({ "send_timeout": 10 })),
        ("limits.rate", json!({ "rate": 1000 })),
        ("logging.format", json!({ "access": { "file": log, "format": "combined" } })),
        ("logging.level", json!({ "error": { "file": log, "level": "warn" } })),
    ]
}

/// A bcrypt hash.
const HASH: &str = "$2a$14$zm.5dFi3wXTlkyYHQMlGPOJhEvRxlmMQrkLMCAdVvHDNKRxsPVfUy";

pub(super) fn fields_are_refused_unless_supported(product: Product) {
    let Some(fixture) = product.create() else { return };
    let unsupported = &fixture.server.info().capabilities.unsupported_fields;
    let fields = fields(&fixture);
    for name in unsupported {
        assert!(fields.iter().any(|(field, _)| field == name), "{name} has no example here");
    }
    let base = fixture.server.snapshot().unwrap().revision;
    for (name, value) in fields {
        let feature: Feature = name.split_once('.').unwrap().0.parse().unwrap();
        let change = set(main_scope(), feature, value);
        if unsupported.contains(&name) {
            require_refused(&fixture, &[change]);
        } else {
            let planned = fixture.server.plan(&base, &[change]);
            assert!(planned.is_ok(), "{name}: {planned:?}");
        }
    }
}

pub(super) fn options_of_sites_are_refused_unless_claimed(product: Product) {
    let Some(fixture) = product.create() else { return };
    let capabilities = fixture.server.info().capabilities.clone();
    if !capabilities.stop_sites {
        let stop = Change::SetSiteState { site: site("main"), state: SiteState::Stopped };
        require_refused(&fixture, &[stop]);
    }
    if !capabilities.default_site {
        let Change::CreateSite(mut new) = fixture.new_site("shop", fixture.port, "x") else { unreachable!() };
        new.listeners[0].default_site = true;
        new.names = vec![HostPattern::parse("shop.example").unwrap()];
        require_refused(&fixture, &[Change::CreateSite(new)]);
    }
    if !capabilities.server_scope {
        let feature = Feature::ResponseHeaders;
        require_refused(&fixture, &[set(Scope::Server, feature, value(&fixture, feature))]);
        let read = fixture.server.feature(&Scope::Server, feature);
        assert!(matches!(read, Err(WebServerError::Scope { .. })), "{read:?}");
    }
    if !capabilities.pools {
        let member = PoolMember { address: listener(1).address, weight: None, backup: false, down: false };
        let pool = PoolName::parse("p").unwrap();
        require_refused(&fixture, &[Change::PutPool { pool: pool.clone(), members: vec![member] }]);
        require_refused(&fixture, &[Change::DeletePool { pool }]);
        assert!(capabilities.application_protocols.is_empty());
    }
}

pub(super) fn protocols_of_applications_are_refused_unless_claimed(product: Product) {
    let Some(fixture) = product.create() else { return };
    let capabilities = fixture.server.info().capabilities.clone();
    if !capabilities.pools {
        return;
    }
    let pool = PoolName::parse("backend").unwrap();
    let member = PoolMember { address: listener(1).address, weight: None, backup: false, down: false };
    fixture.change(&[Change::PutPool { pool: pool.clone(), members: vec![member] }]);
    let base = fixture.server.snapshot().unwrap().revision;
    for protocol in [
        ProxyProtocol::Http,
        ProxyProtocol::Https,
        ProxyProtocol::Fastcgi,
        ProxyProtocol::Uwsgi,
        ProxyProtocol::Scgi,
        ProxyProtocol::Grpc,
    ] {
        let location = NewLocation::Application { protocol, pool: pool.clone(), path: None };
        let path = UrlPath::parse("/app/").unwrap();
        let put = Change::PutLocation { site: site("main"), path, location };
        if capabilities.application_protocols.contains(&protocol) {
            let planned = fixture.server.plan(&base, &[put]);
            assert!(planned.is_ok(), "{protocol:?}: {planned:?}");
        } else {
            require_refused(&fixture, &[put]);
        }
    }
}
