//! Plans, commits, history and rollback.

use serde::de::DeserializeSeed as _;
use webserver::{
    Change, Feature, FeatureValue, Listener, NewLocation, NewSite, Scope, SiteState, Verdict, WebServer as _,
    WebServerError,
};

use crate::{Machine, request};

fn site() -> webserver::SiteId {
    "shop".parse().unwrap()
}

fn value(feature: Feature, json: &str) -> FeatureValue {
    feature.deserialize(&mut serde_json::Deserializer::from_str(json)).unwrap()
}

fn set(feature: Feature, json: &str) -> Change {
    Change::SetFeature { scope: Scope::Site { site: site() }, value: value(feature, json) }
}

fn listener(address: &str) -> Listener {
    Listener { address: address.parse().unwrap(), tls: false, http2: false, default_site: false }
}

fn new_site(name: &str) -> Change {
    Change::CreateSite(NewSite {
        id: name.parse().unwrap(),
        listeners: vec![listener("8080")],
        names: vec!["blog.example".parse().unwrap()],
        root: "/C:/inetpub/blog".parse().unwrap(),
        certificate: None,
        key: None,
    })
}

const FEATURES: [(Feature, &str); 7] = [
    (Feature::DefaultDocuments, r#"{"files": ["start.htm", "Default.htm"]}"#),
    (Feature::DirectoryBrowsing, r#"{"enabled": true}"#),
    (Feature::ErrorPages, r#"{"pages": [{"codes": [404, 500], "page": "/error.htm"}]}"#),
    (Feature::Redirect, r#"{"status": 301, "target": "https://new.example$request_uri"}"#),
    (
        Feature::ResponseHeaders,
        r#"{"headers": [{"name": "X-Frame-Options", "value": "DENY", "always": true}]}"#,
    ),
    (Feature::MimeTypes, r#"{"types": [{"media_type": "text/html", "extensions": ["htm", "xhtml"]}]}"#),
    (Feature::Compression, r#"{"enabled": true}"#),
];

#[test]
fn features_are_set_reverted_and_rolled_back() {
    let machine = Machine::start();
    let untouched = machine.windows.dump();
    let scope = Scope::Site { site: site() };
    for (feature, json) in FEATURES {
        machine.iis.snapshot().unwrap();
        let made = machine.commit(&[set(feature, json)]).unwrap();
        assert_eq!(made.verdict, Verdict::Active, "{feature}: {made:?}");
        let state = machine.iis.feature(&scope, feature).unwrap();
        assert!(state.is_local && state.origins[0].file == "/sites/shop" && state.origins[0].line > 1);
        let webserver::Setting::Value { value: read } = state.setting else { panic!("{feature}") };
        assert_eq!(read, value(feature, json));
        // The same value again is no change.
        let base = machine.iis.snapshot().unwrap().revision;
        assert!(machine.iis.plan(&base, &[set(feature, json)]).unwrap().is_empty());
        let reverted = machine.commit(&[Change::RevertFeature { scope: scope.clone(), feature }]).unwrap();
        assert_eq!(reverted.verdict, Verdict::Active, "{feature}: {reverted:?}");
        assert!(!machine.iis.feature(&scope, feature).unwrap().is_local);
        let base = machine.iis.snapshot().unwrap().revision;
        let plan = machine.iis.plan_rollback(&base, made.number).unwrap();
        assert_eq!(machine.iis.commit(&plan, &request()).unwrap().revision, made.revision);
        machine.commit(&[Change::RevertFeature { scope: scope.clone(), feature }]).unwrap();
    }
    let sections = |text: &str| text.lines().filter(|line| line.contains("APPHOST/shop")).count();
    assert_eq!(sections(&untouched), 0);
    // Reading a section of a site has no effect on it.
    let dump = machine.windows.dump();
    assert!(!dump.contains("xhtml") && !dump.contains("new.example"), "{dump}");
    assert_eq!(machine.iis.history(None, 100).unwrap().len(), 1 + 7 * 4);
}

#[test]
fn a_feature_of_the_server_applies_to_all_sites() {
    let machine = Machine::start();
    let value = value(Feature::DirectoryBrowsing, r#"{"enabled": true}"#);
    let change = Change::SetFeature { scope: Scope::Server, value: value.clone() };
    let base = machine.iis.snapshot().unwrap().revision;
    let plan = machine.iis.plan(&base, &[change]).unwrap();
    let unified = &plan.diffs()[0].unified;
    assert!(
        unified.starts_with("--- a/server\n+++ b/server\n") && unified.contains("+        \"Enabled\": true")
    );
    // Other properties of the section are kept.
    assert_eq!(machine.iis.commit(&plan, &request()).unwrap().verdict, Verdict::Active);
    assert!(machine.windows.dump().contains("<p:ShowFlags>30</p:ShowFlags>"));
}

#[test]
fn a_site_is_created_changed_deleted_and_restored() {
    let machine = Machine::start();
    let made = machine.commit(&[new_site("blog")]).unwrap();
    assert_eq!(made.verdict, Verdict::Active, "{made:?}");
    let blog =
        || machine.iis.snapshot().unwrap().sites.iter().find(|site| site.id.as_str() == "blog").cloned();
    let created = blog().unwrap();
    assert_eq!(created.root.as_deref(), Some(r"C:\inetpub\blog"));
    assert!(matches!(machine.commit(&[new_site("BLOG")]), Err(WebServerError::Exists { .. })));
    let site: webserver::SiteId = "blog".parse().unwrap();
    let changes = [
        Change::SetBindings {
            site: site.clone(),
            listeners: vec![listener("127.0.0.1:81"), listener("[::1]:81")],
            names: Vec::new(),
        },
        Change::SetRoot { site: site.clone(), folder: "/D:/blog".parse().unwrap() },
        Change::PutLocation {
            site: site.clone(),
            path: "/files/".parse().unwrap(),
            location: NewLocation::Directory { folder: "/D:/files".parse().unwrap() },
        },
        Change::SetSiteState { site: site.clone(), state: SiteState::Stopped },
        Change::SetFeature {
            scope: Scope::Site { site: site.clone() },
            value: value(FEATURES[0].0, FEATURES[0].1),
        },
    ];
    let changed = machine.commit(&changes).unwrap();
    assert_eq!(changed.verdict, Verdict::Active, "{changed:?}");
    let stopped = blog().unwrap();
    assert_eq!((stopped.state, stopped.root.as_deref()), (SiteState::Stopped, Some(r"D:\blog")));
    assert_eq!(stopped.locations[0].path, "/files");
    let addresses: Vec<String> = stopped.listeners.iter().map(|found| found.address.to_string()).collect();
    assert_eq!(addresses, ["127.0.0.1:81", "[::1]:81"]);
    machine.commit(&[Change::DeleteSite { site }]).unwrap();
    assert!(blog().is_none() && !machine.windows.dump().contains("files"));
    let base = machine.iis.snapshot().unwrap().revision;
    let plan = machine.iis.plan_rollback(&base, changed.number).unwrap();
    let restored = machine.iis.commit(&plan, &request()).unwrap();
    assert_eq!((restored.verdict, restored.revision), (Verdict::Active, changed.revision));
    assert_eq!(blog().unwrap(), stopped);
}

#[test]
fn other_parts_of_a_site_survive_changes_of_its_bindings() {
    let machine = Machine::start();
    let change = Change::SetBindings { site: site(), listeners: vec![listener("80")], names: Vec::new() };
    machine.commit(&[change]).unwrap();
    let dump = machine.windows.dump();
    let shop = dump.lines().find(|line| line.contains("<p:Name>shop</p:Name>")).unwrap();
    assert!(shop.contains(">808:*<") && shop.contains("inetpub\\logs\\LogFiles") && !shop.contains("https"));
    let delete = Change::DeleteLocation { site: site(), path: "/cart".parse().unwrap() };
    assert_eq!(machine.commit(&[delete]).unwrap().verdict, Verdict::Active);
    assert!(!machine.windows.dump().contains("inetpub\\cart"));
}

#[test]
fn an_outside_change_is_recorded_and_causes_a_conflict() {
    let machine = Machine::start();
    let base = machine.iis.snapshot().unwrap().revision;
    let plan = machine.iis.plan(&base, &[set(FEATURES[0].0, FEATURES[0].1)]).unwrap();
    machine.windows.set("VirtualDirectory", ("Path", "/images"), "PhysicalPath", r"E:\images");
    assert!(matches!(machine.iis.commit(&plan, &request()), Err(WebServerError::Conflict { .. })));
    let history = machine.iis.history(None, 10).unwrap();
    assert!(history.len() == 2 && history[0].author.is_none(), "{history:?}");
    let details = machine.iis.commit_details(2).unwrap();
    assert!(details.diffs[0].unified.contains(r#"+        "/images": "E:\\images""#), "{details:?}");
}
