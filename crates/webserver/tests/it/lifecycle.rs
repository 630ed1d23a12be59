//! Sites are created, changed, stopped and restored, and each step is verified by a request.

use std::fs;
use std::time::Instant;

use telarch_webserver::{
    Change, CommitKind, FileChange, FilePath, HostPattern, LocationContent, LogKind, LogStart, NewLocation,
    NewSite, Operation, PoolMember, PoolName, ProxyProtocol, SiteState, Status, UrlPath, Verdict,
    WebServerError,
};

use crate::fixture::{Fixture, free_port, get, listener, site, status};

#[test]
fn a_site_is_created_changed_stopped_and_restored() {
    let Some(fixture) = Fixture::start() else { return };
    let port = free_port();
    let server = &fixture.server;
    let before = server.snapshot().unwrap();
    assert_eq!(before.sites.len(), 1);
    assert_eq!((before.sites[0].id.as_str(), before.sites[0].position.line), ("main", 2));

    let plan = server.plan(&before.revision, &[fixture.new_site("shop", port, "the shop")]).unwrap();
    let diffs = plan.diffs();
    assert_eq!((diffs.len(), diffs[0].change), (1, FileChange::Created));
    assert!(
        diffs[0].file.ends_with("/conf/sites/shop") && diffs[0].unified.contains("+    # telarch-site: shop")
    );
    assert!(server.validate(&plan).unwrap().accepted);
    assert_eq!(server.snapshot().unwrap(), before, "planning and validating change nothing");

    let created = fixture.change(&[fixture.new_site("shop", port, "the shop")]);
    assert_eq!((created.kind, created.verdict), (CommitKind::Change, Verdict::Active));
    assert_eq!(get(port, "/", "").1, "the shop");
    assert!(matches!(
        fixture.commit(&[fixture.new_site("shop", port, "the shop")]),
        Err(WebServerError::Exists { kind: "site", .. })
    ));

    let other = free_port();
    let names = vec![HostPattern::parse("shop.example").unwrap()];
    let bindings = Change::SetBindings { site: site("shop"), listeners: vec![listener(other)], names };
    fixture.change(&[bindings]);
    assert_eq!(get(other, "/", "").1, "the shop");
    let snapshot = server.snapshot().unwrap();
    let shop = snapshot.sites.iter().find(|found| found.id.as_str() == "shop").unwrap();
    assert_eq!(shop.bindings().count(), 1);
    assert_eq!(shop.names[0].as_str(), "shop.example");

    let stop = Change::SetSiteState { site: site("shop"), state: SiteState::Stopped };
    fixture.change(&[stop]);
    require_refused(other);
    let stopped = server.snapshot().unwrap();
    assert_eq!(stopped.sites[1].state, SiteState::Stopped);
    fixture.change(&[Change::SetSiteState { site: site("shop"), state: SiteState::Started }]);
    assert_eq!(get(other, "/", "").1, "the shop");

    fixture.change(&[Change::DeleteSite { site: site("shop") }]);
    assert!(!fixture.path("conf/sites/shop").exists());

    // Back to the commit that created the site.
    let base = server.snapshot().unwrap().revision;
    let plan = server.plan_rollback(&base, created.number).unwrap();
    let rolled_back = server.commit(&plan, &crate::fixture::request("undo")).unwrap();
    assert_eq!(
        (rolled_back.kind, rolled_back.revision),
        (CommitKind::Rollback { to: created.number }, created.revision)
    );
    assert_eq!(get(port, "/", "").1, "the shop");
    let history = server.history(None, 100).unwrap();
    assert_eq!(history.len(), 7, "{history:?}");
    assert_eq!(history.last().unwrap().kind, CommitKind::External);
    assert_eq!(history[0].author.as_ref().unwrap().as_str(), "ada");
    let details = server.commit_details(created.number).unwrap();
    assert!(details.diffs[0].unified.contains("+server {"), "{}", details.diffs[0].unified);
    assert!(details.validator.contains("test is successful"), "{}", details.validator);
}

#[test]
fn outside_edits_are_recorded_and_conflict_with_older_plans() {
    let Some(fixture) = Fixture::create() else { return };
    let server = &fixture.server;
    let base = server.snapshot().unwrap().revision;
    let change = Change::SetRoot { site: site("main"), folder: fixture.file_path("www") };
    let plan = server.plan(&base, &[change]).unwrap();
    let edited = fixture.text("conf/sites/main") + "# edited by hand\n";
    fixture.put("conf/sites/main", &edited);
    for outcome in [
        server.commit(&plan, &crate::fixture::request("late")).map(|_| ()),
        server.validate(&plan).map(|_| ()),
    ] {
        assert!(matches!(outcome, Err(WebServerError::Conflict { .. })), "{outcome:?}");
    }
    assert_eq!(fixture.text("conf/sites/main"), edited);
    let kinds: Vec<CommitKind> = server.history(None, 10).unwrap().iter().map(|commit| commit.kind).collect();
    assert_eq!(kinds, [CommitKind::External, CommitKind::External]);
}

#[test]
fn typed_changes_keep_comments_and_layout() {
    let Some(fixture) = Fixture::create() else { return };
    let before = fixture.text("conf/sites/main");
    let port = free_port();
    let folder = FilePath::parse("/srv/my \"site\"").unwrap();
    let bindings = Change::SetBindings {
        site: site("main"),
        listeners: vec![listener(fixture.port), listener(port)],
        names: vec![],
    };
    let commit = fixture.change(&[Change::SetRoot { site: site("main"), folder }, bindings]);
    assert_eq!(commit.verdict, Verdict::Written);
    let expected = before
        .replace("root www/main;", r#"root "/srv/my \"site\"";"#)
        .replace("# loopback only\n", &format!("# loopback only\n    listen 127.0.0.1:{port};\n"));
    assert_eq!(fixture.text("conf/sites/main"), expected);
}

#[test]
fn applications_pass_requests_to_pools() {
    let Some(fixture) = Fixture::start() else { return };
    let port = free_port();
    let pool = PoolName::parse("backend").unwrap();
    let member = PoolMember { address: listener(port).address, weight: None, backup: false, down: false };
    let path = UrlPath::parse("/app/").unwrap();
    let location = NewLocation::Application {
        protocol: ProxyProtocol::Http,
        pool: pool.clone(),
        path: Some(UrlPath::parse("/").unwrap()),
    };
    let put = Change::PutLocation { site: site("main"), path: path.clone(), location };
    assert!(matches!(
        fixture.commit(std::slice::from_ref(&put)),
        Err(WebServerError::NotFound { kind: "pool", .. })
    ));
    let folder = fixture.file_path("www/main/files");
    let directory = Change::PutLocation {
        site: site("main"),
        path: UrlPath::parse("/docs").unwrap(),
        location: NewLocation::Directory { folder },
    };
    let put_pool = Change::PutPool { pool: pool.clone(), members: vec![member] };
    fixture.change(&[fixture.new_site("backend", port, "from the pool"), put_pool, put, directory]);
    assert_eq!(fixture.get("/app/").1, "from the pool");
    assert_eq!(fixture.get("/docs/a.txt").1, "a");
    let snapshot = fixture.server.snapshot().unwrap();
    assert_eq!((snapshot.pools.len(), snapshot.pools[0].members.len()), (1, 1));
    let main = snapshot.sites.iter().find(|found| found.id.as_str() == "main").unwrap();
    let application = main.locations.iter().find(|location| location.path == "/app/").unwrap();
    assert!(
        matches!(&application.content, LocationContent::Application { pool: Some(found), .. } if *found == pool),
        "{application:?}"
    );
    // nginx rejects the deletion of a pool in use, because its name is then a host name that cannot be resolved.
    fixture.change(&[Change::DeleteLocation { site: site("main"), path }, Change::DeletePool { pool }]);
    assert_eq!(status(&fixture.get("/app/").0), 404);
}

#[test]
fn nginx_is_controlled_and_its_logs_are_read() {
    let Some(fixture) = Fixture::create() else { return };
    let server = &fixture.server;
    assert_eq!(server.status().unwrap(), Status::Stopped);
    assert!(matches!(server.control(Operation::Reload), Err(WebServerError::NotRunning)));
    let Status::Running { pid, workers } = server.control(Operation::Start).unwrap() else {
        panic!("it does not run")
    };
    assert!(workers.iter().any(|worker| worker.memory > 0));
    let Status::Running { pid: same, workers: new } = server.control(Operation::Reload).unwrap() else {
        panic!("it does not run")
    };
    assert!(pid == same && new.iter().any(|worker| workers.iter().all(|old| old.pid != worker.pid)));

    let logs = server.log_files().unwrap();
    let access = logs.iter().find(|log| log.kind == LogKind::Access).unwrap();
    let first = server.read_log(&access.path, LogStart::Last(10)).unwrap();
    fixture.get("/a%0ab%1b");
    let next = server.read_log(&access.path, LogStart::After(first.position)).unwrap();
    assert_eq!(next.lines.len(), 1, "{next:?}");
    assert!(next.lines[0].contains("GET /a%0ab%1b"), "{next:?}");
    fs::rename(&access.path, format!("{}.1", access.path)).unwrap();
    server.control(Operation::ReopenLogs).unwrap();
    assert!(matches!(
        server.read_log("/etc/passwd", LogStart::Last(1)),
        Err(WebServerError::NotFound { .. })
    ));
    assert_eq!(server.control(Operation::Stop).unwrap(), Status::Stopped);
}

#[test]
fn five_hundred_sites_are_planned_and_applied_together() {
    let Some(fixture) = Fixture::start() else { return };
    let port = free_port();
    let Change::CreateSite(first) = fixture.new_site("site0", port, "site 0") else { unreachable!() };
    let sites = (0..500).map(|number| {
        let names = vec![HostPattern::parse(&format!("site{number}.example")).unwrap()];
        Change::CreateSite(NewSite { id: site(&format!("site{number}")), names, ..first.clone() })
    });
    let changes: Vec<Change> = sites.collect();
    let base = fixture.server.snapshot().unwrap().revision;
    let begin = Instant::now();
    let plan = fixture.server.plan(&base, &changes).unwrap();
    let planned = begin.elapsed();
    let commit = fixture.server.commit(&plan, &crate::fixture::request("many")).unwrap();
    eprintln!(
        "500 sites: planned in {planned:?}, committed in {:?}",
        begin.elapsed().saturating_sub(planned)
    );
    assert_eq!((plan.diffs().len(), commit.verdict), (500, Verdict::Active));
    assert_eq!(fixture.server.snapshot().unwrap().sites.len(), 501);
    assert_eq!(get(port, "/", "").1, "site 0");
    let deletions: Vec<Change> =
        (0..500).map(|number| Change::DeleteSite { site: site(&format!("site{number}")) }).collect();
    fixture.change(&deletions);
    assert_eq!(fixture.server.snapshot().unwrap().revision, base);
}

/// Waits until no process accepts connections on a port. Old workers close it last.
fn require_refused(port: u16) {
    let is_refused = (0..1_000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
    });
    assert!(is_refused, "the port {port} is still open");
}
