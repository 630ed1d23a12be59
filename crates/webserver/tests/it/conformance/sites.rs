//! Sites, virtual directories, applications and TLS.

use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use ports::free_port;
use serde_json::json;
use telarch_webserver::{
    Change, CommitKind, HostPattern, LocationContent, NewLocation, PoolMember, PoolName, ProxyProtocol,
    Scope, Setting, SiteState, UnitName, UrlPath, Verdict, WebServerError,
};

use crate::fixture::{Product, get, get_host, listener, request, site, status};

/// Waits until no process accepts connections on a port. Old workers close it last.
pub(super) fn require_closed(port: u16) {
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        sleep(Duration::from_millis(5));
    }
}

pub(super) fn a_site_is_created_changed_stopped_and_restored(product: Product) {
    let Some(fixture) = product.start() else { return };
    let port = free_port();
    let server = &fixture.server;
    let before = server.snapshot().unwrap();
    assert!(before.problems.is_empty(), "{:?}", before.problems);
    assert_eq!((before.sites.len(), before.sites[0].id.as_str()), (1, "main"));
    let plan = server.plan(&before.revision, &[fixture.new_site("shop", port, "the shop")]).unwrap();
    assert!(plan.diffs().iter().any(|diff| diff.unified.contains("shop")), "{:?}", plan.diffs());
    let validation = server.validate(&plan).unwrap();
    assert!(validation.accepted, "{validation:?}");
    assert_eq!(server.snapshot().unwrap(), before, "planning and validating change nothing");

    let created = fixture.change(&[fixture.new_site("shop", port, "the shop")]);
    assert_eq!((created.kind, &created.verdict), (CommitKind::Change, &Verdict::Active));
    assert_eq!(get(port, "/", "").1, "the shop");
    assert!(matches!(
        fixture.commit(&[fixture.new_site("shop", port, "the shop")]),
        Err(WebServerError::Exists { kind: "site", .. })
    ));

    let other = free_port();
    let names = ["shop.example", "*.shop.example"].map(|name| HostPattern::parse(name).unwrap());
    let bindings =
        Change::SetBindings { site: site("shop"), listeners: vec![listener(other)], names: names.to_vec() };
    fixture.change(&[bindings]);
    assert_eq!(get_host(other, "shop.example"), "the shop");
    assert_eq!(get_host(other, "a.shop.example"), "the shop");
    require_closed(port);
    let snapshot = server.snapshot().unwrap();
    let shop = snapshot.sites.iter().find(|found| found.id.as_str() == "shop").unwrap();
    assert_eq!((shop.listeners[0].address.port(), shop.names.as_slice()), (Some(other), names.as_slice()));
    assert_eq!(shop.bindings().count(), 2);

    let mut commits = 5;
    if server.info().capabilities.stop_sites {
        commits += 2;
        fixture.change(&[Change::SetSiteState { site: site("shop"), state: SiteState::Stopped }]);
        require_closed(other);
        let stopped = server.snapshot().unwrap();
        let shop = stopped.sites.iter().find(|found| found.id.as_str() == "shop").unwrap();
        assert_eq!(shop.state, SiteState::Stopped);
        fixture.change(&[Change::SetSiteState { site: site("shop"), state: SiteState::Started }]);
        assert_eq!(get_host(other, "shop.example"), "the shop");
    }
    fixture.change(&[Change::DeleteSite { site: site("shop") }]);
    require_closed(other);
    assert_eq!(server.snapshot().unwrap().sites, before.sites);

    // Back to the commit that created the site, in one step.
    let base = server.snapshot().unwrap().revision;
    let plan = server.plan_rollback(&base, created.number).unwrap();
    let rolled_back = server.commit(&plan, &request("undo")).unwrap();
    assert_eq!(
        (rolled_back.kind, rolled_back.revision),
        (CommitKind::Rollback { to: created.number }, created.revision)
    );
    assert_eq!(get(port, "/", "").1, "the shop");
    let history = server.history(None, 100).unwrap();
    assert_eq!((history.len(), history.last().unwrap().kind), (commits, CommitKind::External), "{history:?}");
    assert_eq!(history[0].author.as_ref().unwrap().as_str(), "ada");
    let details = server.commit_details(created.number).unwrap();
    assert!(details.diffs.iter().any(|diff| diff.unified.contains("shop")), "{details:?}");
}

pub(super) fn applications_pass_requests_to_pools(product: Product) {
    let Some(fixture) = product.start() else { return };
    if !fixture.server.info().capabilities.pools {
        return;
    }
    let ports = [free_port(), free_port()];
    let pool = PoolName::parse("backend").unwrap();
    let member =
        |port| PoolMember { address: listener(port).address, weight: None, backup: false, down: false };
    let put = |path: &str, new: Option<&str>| Change::PutLocation {
        site: site("main"),
        path: UrlPath::parse(path).unwrap(),
        location: NewLocation::Application {
            protocol: ProxyProtocol::Http,
            pool: pool.clone(),
            path: new.map(|path| UrlPath::parse(path).unwrap()),
        },
    };
    assert!(matches!(
        fixture.commit(&[put("/app/", Some("/"))]),
        Err(WebServerError::NotFound { kind: "pool", .. })
    ));
    let put_pool = |members: &[PoolMember]| Change::PutPool { pool: pool.clone(), members: members.to_vec() };
    fixture.change(&[
        fixture.new_site("first", ports[0], "first"),
        fixture.new_site("second", ports[1], "second"),
        put_pool(&[member(ports[0])]),
        put("/app/", Some("/")),
        put("/kept/", None),
        put("/new/", Some("/sub/")),
    ]);
    fixture.put("www/first/kept/a.txt", "kept");
    fixture.put("www/first/sub/a.txt", "replaced");
    assert_eq!(fixture.get("/app/").1, "first");
    assert_eq!(fixture.get("/kept/a.txt").1, "kept");
    assert_eq!(fixture.get("/new/a.txt").1, "replaced");
    assert_eq!(fixture.get("/").1, "main page");
    let snapshot = fixture.server.snapshot().unwrap();
    assert_eq!((snapshot.pools.len(), &snapshot.pools[0].name), (1, &pool));
    assert_eq!(snapshot.pools[0].members, [member(ports[0])]);
    assert_eq!(snapshot.sites.len(), 3);
    let main = snapshot.sites.iter().find(|found| found.id.as_str() == "main").unwrap();
    for path in ["/app/", "/kept/", "/new/"] {
        let application = main.locations.iter().find(|location| location.path == path);
        assert!(
            application.is_some_and(|location| matches!(&location.content,
                LocationContent::Application { pool: Some(found), .. } if *found == pool)),
            "{path}: {main:?}"
        );
    }
    // Both servers answer, and one that is down does not.
    fixture.change(&[put_pool(&ports.map(member))]);
    let answers: Vec<String> = (0..8).map(|_| fixture.get("/app/").1).collect();
    assert!(
        ["first", "second"].iter().all(|text| answers.iter().any(|answer| answer == text)),
        "{answers:?}"
    );
    let down = PoolMember { down: true, ..member(ports[0]) };
    fixture.change(&[put_pool(&[down.clone(), member(ports[1])])]);
    let members = fixture.server.snapshot().unwrap().pools[0].members.clone();
    assert!(members.len() == 2 && [down, member(ports[1])].iter().all(|wanted| members.contains(wanted)));
    for _ in 0..4 {
        assert_eq!(fixture.get("/app/").1, "second");
    }
    let none = fixture.commit(&[put_pool(&[])]);
    assert!(matches!(none, Err(WebServerError::Impossible { .. })), "{none:?}");
    // A pool in use cannot be deleted.
    let used = fixture.commit(&[Change::DeletePool { pool: pool.clone() }]);
    assert!(matches!(used, Err(WebServerError::Impossible { .. } | WebServerError::Rejected(_))), "{used:?}");
    let delete =
        |path: &str| Change::DeleteLocation { site: site("main"), path: UrlPath::parse(path).unwrap() };
    fixture.change(&[delete("/app/"), delete("/kept/"), delete("/new/")]);
    fixture.change(&[Change::DeletePool { pool: pool.clone() }]);
    assert_eq!(status(&fixture.get("/app/").0), 404);
    assert!(fixture.server.snapshot().unwrap().pools.is_empty());
    let missing = fixture.commit(&[Change::DeletePool { pool }]);
    assert!(matches!(missing, Err(WebServerError::NotFound { kind: "pool", .. })), "{missing:?}");
}

pub(super) fn a_pool_names_the_unit_of_its_servers(product: Product) {
    let Some(fixture) = product.create() else { return };
    let capabilities = fixture.server.info().capabilities.clone();
    let pool = PoolName::parse("backend").unwrap();
    let member = PoolMember { address: listener(1).address, weight: None, backup: false, down: false };
    let put = Change::PutPool { pool: pool.clone(), members: vec![member.clone()] };
    let set = |unit: Option<&str>| Change::SetPoolUnit {
        pool: pool.clone(),
        unit: unit.map(|unit| UnitName::parse(unit).unwrap()),
    };
    if !capabilities.pool_units {
        let outcome = fixture.commit(&[put, set(Some("app.service"))]);
        assert!(matches!(outcome, Err(WebServerError::Impossible { .. })), "{outcome:?}");
        return;
    }
    let missing = fixture.commit(&[set(Some("app.service"))]);
    assert!(matches!(missing, Err(WebServerError::NotFound { kind: "pool", .. })), "{missing:?}");
    fixture.change(&[put, set(Some("app.service"))]);
    let unit = || {
        let found = fixture.server.snapshot().unwrap().pools[0].clone();
        assert_eq!(found.members.len(), 1);
        found.unit.map(|unit| unit.to_string())
    };
    assert_eq!(unit().as_deref(), Some("app.service"));
    fixture.change(&[set(Some("php8.2-fpm.service"))]);
    assert_eq!(unit().as_deref(), Some("php8.2-fpm.service"));
    // Other servers keep the unit.
    let other = PoolMember { address: listener(2).address, ..member };
    fixture.change(&[Change::PutPool { pool: pool.clone(), members: vec![other] }]);
    assert_eq!(unit().as_deref(), Some("php8.2-fpm.service"));
    fixture.change(&[set(None)]);
    assert_eq!(unit(), None);
    for name in ["", ".service", "a", "a.socket", "a b.service", "a@.service", "../a.service", "a\n.service"]
    {
        assert!(UnitName::parse(name).is_err(), "{name:?}");
    }
}

pub(super) fn virtual_directories_have_features_of_their_own(product: Product) {
    let Some(fixture) = product.start() else { return };
    fixture.put("elsewhere/b.txt", "b");
    let path = UrlPath::parse("/docs/").unwrap();
    let put = |folder: &str| Change::PutLocation {
        site: site("main"),
        path: path.clone(),
        location: NewLocation::Directory { folder: fixture.file_path(folder) },
    };
    fixture.change(&[put("elsewhere")]);
    assert_eq!((fixture.get("/docs/b.txt").1.as_str(), fixture.get("/").1.as_str()), ("b", "main page"));
    let snapshot = fixture.server.snapshot().unwrap();
    let docs = snapshot.sites[0].locations.iter().find(|location| location.path == "/docs/").unwrap();
    assert!(matches!(docs.content, LocationContent::Alias { .. }), "{docs:?}");
    let scope = Scope::Location { site: site("main"), path: path.clone() };
    fixture.set_in(&scope, json!({ "feature": "directory-browsing", "enabled": true }));
    assert!(fixture.get("/docs/").1.contains("b.txt"));
    assert_ne!(status(&fixture.get("/files/").0), 200);
    // Another folder keeps the features.
    fixture.put("third/c.txt", "c");
    fixture.change(&[put("third")]);
    assert!(fixture.get("/docs/").1.contains("c.txt"));
    let deny = json!({ "feature": "ip-restrictions", "rules": [{ "allow": false, "clients": "all" }] });
    fixture.set_in(&scope, deny);
    assert_eq!((status(&fixture.get("/docs/c.txt").0), fixture.get("/").1.as_str()), (403, "main page"));
    // The location with the longest path answers.
    fixture.put("inner/d.txt", "d");
    let inner = UrlPath::parse("/docs/inner/").unwrap();
    let location = NewLocation::Directory { folder: fixture.file_path("inner") };
    fixture.change(&[Change::PutLocation { site: site("main"), path: inner.clone(), location }]);
    if product != Product::Apache {
        assert_eq!(fixture.get("/docs/inner/d.txt").1, "d");
    }
    fixture.change(&[
        Change::DeleteLocation { site: site("main"), path: inner },
        Change::DeleteLocation { site: site("main"), path },
    ]);
    assert_eq!(status(&fixture.get("/docs/c.txt").0), 404);
    let path = UrlPath::parse("/none").unwrap();
    let missing = fixture.commit(&[Change::DeleteLocation { site: site("main"), path }]);
    assert!(matches!(missing, Err(WebServerError::NotFound { kind: "location", .. })), "{missing:?}");
}

pub(super) fn a_site_with_tls_serves_its_certificate(product: Product) {
    let Some(fixture) = product.start() else { return };
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters =
        rcgen::CertificateParams::new(vec!["tls.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    fixture.put("tls.pem", &certificate.pem());
    fixture.put("tls.key", &key.serialize_pem());
    let before = fixture.server.snapshot().unwrap();
    let port = free_port();
    let Change::CreateSite(mut new) = fixture.new_site("tls", port, "over TLS") else { unreachable!() };
    new.listeners[0].tls = true;
    assert!(matches!(
        fixture.commit(&[Change::CreateSite(new.clone())]),
        Err(WebServerError::Impossible { .. })
    ));
    (new.certificate, new.key) = (Some(fixture.file_path("tls.pem")), Some(fixture.file_path("tls.key")));
    fixture.change(&[Change::CreateSite(new)]);
    let scope = Scope::Site { site: site("tls") };
    let state = fixture.set_in(
        &scope,
        json!({ "feature": "ssl", "certificate": fixture.path("tls.pem"), "key": fixture.path("tls.key"),
            "protocols": ["TLSv1.3"], "ciphers": null, "prefer_server_ciphers": true }),
    );
    assert!(matches!(state.setting, Setting::Value { .. }));
    let snapshot = fixture.server.snapshot().unwrap();
    let tls = snapshot.sites.iter().find(|found| found.id.as_str() == "tls").unwrap();
    assert!(tls.listeners[0].tls);
    let inventory = fixture.server.certificates().unwrap();
    let found = inventory[0].content.as_ref().unwrap();
    assert_eq!((inventory.len(), &inventory[0].sites), (1, &vec![site("tls")]));
    assert_eq!(found.names, ["tls.example", "127.0.0.1"]);
    assert!(found.not_after > found.not_before);

    let url = format!("https://127.0.0.1:{port}/");
    let fetch = |more: &[&str]| {
        let ca = fixture.path("tls.pem");
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
    fixture.change(&[Change::DeleteSite { site: site("tls") }]);
    assert_eq!(fixture.server.snapshot().unwrap().sites, before.sites);
    assert!(fixture.server.certificates().unwrap().is_empty());
}
