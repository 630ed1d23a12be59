//! Edits of nginx's files, and many sites at once.

use std::time::Instant;

use ports::free_port;
use telarch_webserver::{Change, FilePath, HostPattern, NewSite, Verdict};

use crate::fixture::{Fixture, get, listener, site};

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
