//! Sites, features and pools.

use webserver::{Feature, LocationContent, PoolState, Scope, Setting, SiteState, Status, WebServer as _};

use crate::Machine;

#[test]
fn sites_are_read_with_bindings_folders_and_state() {
    let machine = Machine::start();
    let snapshot = machine.iis.snapshot().unwrap();
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    let [default, shop] = snapshot.sites.as_slice() else { panic!("{:?}", snapshot.sites) };
    assert_eq!(default.id.as_str(), "Default_Web_Site");
    assert_eq!(default.root.as_deref(), Some(r"%SystemDrive%\inetpub\wwwroot"));
    assert_eq!((default.state, shop.state), (SiteState::Started, SiteState::Started));
    assert_eq!(shop.names[0].as_str(), "shop.example");
    let listeners: Vec<String> =
        shop.listeners.iter().map(|listener| format!("{} {}", listener.address, listener.tls)).collect();
    assert_eq!(listeners, ["80 false", "443 true"]);
    assert_eq!(shop.unsupported, ["net.tcp 808:*"]);
    let paths: Vec<&str> = shop.locations.iter().map(|location| location.path.as_str()).collect();
    assert_eq!(paths, ["/images", "/cart"]);
    assert_eq!(shop.locations[0].content, LocationContent::Alias { folder: r"D:\images".to_owned() });
    // The revision does not depend on the moment.
    assert_eq!(machine.iis.snapshot().unwrap().revision, snapshot.revision);
    assert!(matches!(machine.iis.status().unwrap(), Status::Running { pid: 4, .. }));
    assert_eq!(machine.iis.history(None, 10).unwrap().len(), 1);
}

#[test]
fn features_are_read_with_their_source() {
    let machine = Machine::start();
    let site = Scope::Site { site: "shop".parse().unwrap() };
    let features = machine.iis.info().capabilities.features.clone();
    assert_eq!(features.len(), 7);
    for state in machine.iis.features(&site, &features).unwrap() {
        assert!(!state.is_local, "{state:?}");
        assert_eq!(state.origins[0].file, "/server");
        assert!(
            !matches!(state.setting, Setting::Unsupported { .. }) || state.feature == Feature::Compression
        );
    }
    let documents = machine.iis.feature(&Scope::Server, Feature::DefaultDocuments).unwrap();
    let text = serde_json::to_string(&documents).unwrap();
    assert!(text.contains(r#""files":["Default.htm","Default.asp""#) && documents.is_local, "{text}");
    let location = Scope::Location { site: "shop".parse().unwrap(), path: "/cart".parse().unwrap() };
    assert!(machine.iis.feature(&location, Feature::Redirect).is_err());
    let error = machine.iis.feature(&site, Feature::Limits).unwrap_err();
    assert!(error.to_string().contains("not supported for IIS"), "{error}");
}

#[test]
fn application_pools_are_read_and_controlled() {
    let machine = Machine::start();
    let pools = machine.iis.application_pools().unwrap();
    assert_eq!(pools[0].name, ".NET v4.5");
    assert_eq!(pools[0].applications, ["shop/cart"]);
    assert_eq!(pools[1].applications, ["Default Web Site/", "shop/"]);
    let control = |operation| machine.iis.control_application_pool(".net v4.5", operation);
    assert_eq!(control(webserver::PoolOperation::Recycle).unwrap().state, PoolState::Started);
    assert_eq!(control(webserver::PoolOperation::Stop).unwrap().state, PoolState::Stopped);
    let refused = control(webserver::PoolOperation::Recycle).unwrap_err();
    assert!(refused.to_string().contains("start it first"), "{refused}");
    assert_eq!(control(webserver::PoolOperation::Start).unwrap().state, PoolState::Started);
    let missing = machine.iis.control_application_pool("x", webserver::PoolOperation::Start).unwrap_err();
    assert!(missing.to_string().contains("application pool \"x\" does not exist"), "{missing}");
}

#[test]
fn objects_with_control_characters_are_ignored_with_a_problem() {
    let machine = Machine::start();
    machine.windows.set("Site", ("Name", "shop"), "Name", "shop\u{9b}31m");
    machine.windows.set("VirtualDirectory", ("Path", "/images"), "PhysicalPath", "D:\\\u{202e}x");
    let snapshot = machine.iis.snapshot().unwrap();
    assert_eq!(snapshot.sites.len(), 1);
    let problems: Vec<&str> = snapshot.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(problems.len() == 2 && problems.iter().all(|text| !text.contains('\u{9b}')), "{problems:?}");
}
