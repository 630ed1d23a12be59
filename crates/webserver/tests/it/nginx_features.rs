//! Details of features that only nginx has.

use serde_json::json;
use telarch_webserver::{Change, Feature, FeatureValue, Scope, Setting, UrlPath};

use crate::fixture::{Fixture, main_scope, site};

#[test]
fn a_location_inherits_fields_that_it_does_not_set() {
    let Some(fixture) = Fixture::create() else { return };
    fixture.set(json!({ "feature": "directory-browsing", "enabled": true, "format": "json" }));
    let location = Scope::Location { site: site("main"), path: UrlPath::parse("/files/").unwrap() };
    let off: FeatureValue =
        serde_json::from_value(json!({ "feature": "directory-browsing", "enabled": false })).unwrap();
    fixture.change(&[Change::SetFeature { scope: location.clone(), value: off }]);
    let state = fixture.server.feature(&location, Feature::DirectoryBrowsing).unwrap();
    assert!(state.is_local && state.origins.len() == 2, "{state:?}");
    let types = fixture.server.feature(&main_scope(), Feature::MimeTypes).unwrap();
    assert!(!types.is_local && types.origins[0].file.ends_with("/conf/nginx.conf"), "{types:?}");
}

#[test]
fn a_plan_warns_of_headers_that_replace_inherited_ones() {
    let Some(fixture) = Fixture::create() else { return };
    let headers = |name: &str| -> FeatureValue {
        serde_json::from_value(
            json!({ "feature": "response-headers", "headers": [{ "name": name, "value": "1" }] }),
        )
        .unwrap()
    };
    fixture.change(&[Change::SetFeature { scope: Scope::Server, value: headers("X-All") }]);
    let base = fixture.server.snapshot().unwrap().revision;
    let own = Change::SetFeature { scope: main_scope(), value: headers("X-Own") };
    let plan = fixture.server.plan(&base, &[own]).unwrap();
    assert_eq!(plan.warnings().len(), 1, "{:?}", plan.warnings());
}

#[test]
fn directives_without_a_type_are_reported_as_text() {
    let Some(fixture) = Fixture::create() else { return };
    let text = fixture
        .text("conf/sites/main")
        .replace("root www/main;", "root www/main;\n    return 200 \"$http_x\";");
    fixture.put("conf/sites/main", &text);
    let state = fixture.server.feature(&main_scope(), Feature::Redirect).unwrap();
    assert_eq!(state.setting, Setting::Unsupported { text: "return 200 $http_x".to_owned() });
}
