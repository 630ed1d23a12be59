//! Failures in the middle of a commit, and machines without IIS.

use webserver::{Change, Scope, SiteState, Verdict, WebServer as _, WebServerError};

use crate::service::{Request, Service, fault};
use crate::{Machine, open, request};

fn changes() -> [Change; 2] {
    let site: webserver::SiteId = "shop".parse().unwrap();
    [
        Change::SetRoot { site: site.clone(), folder: "/D:/shop".parse().unwrap() },
        Change::SetSiteState { site, state: SiteState::Stopped },
    ]
}

#[test]
fn a_failed_operation_undoes_the_others() {
    let machine = Machine::start();
    machine.iis.snapshot().unwrap();
    let before = machine.windows.dump();
    // The site was stopped before its folder is set.
    machine.windows.fail("Put", 2_150_859_011, "the file is locked by another process");
    let failed = machine.commit(&changes()).unwrap();
    let Verdict::Failed { reason } = &failed.verdict else { panic!("{failed:?}") };
    assert!(
        reason.contains("set the folder of the virtual directory / of the application shop/"),
        "{reason}"
    );
    assert!(reason.contains("locked by another process"), "{reason}");
    assert_eq!(machine.windows.dump(), before);
    // Nothing is left over for the next commit.
    assert_eq!(machine.commit(&changes()).unwrap().verdict, Verdict::Active);
}

#[test]
fn a_change_that_iis_ignores_is_reported_and_undone() {
    let machine = Machine::start();
    machine.iis.snapshot().unwrap();
    let before = machine.windows.dump();
    machine.windows.ignore("Put");
    let failed = machine.commit(&changes()[..1]).unwrap();
    let Verdict::Failed { reason } = &failed.verdict else { panic!("{failed:?}") };
    assert!(
        reason.contains("verify the change") && reason.contains(r#"-        "/": "D:\\shop""#),
        "{reason}"
    );
    assert_eq!(machine.windows.dump(), before);
}

#[test]
fn an_undo_that_fails_is_an_error() {
    let machine = Machine::start();
    let base = machine.iis.snapshot().unwrap().revision;
    let plan = machine.iis.plan(&base, &changes()).unwrap();
    machine.windows.fail("Put", 2_150_859_011, "no");
    machine.windows.ignore("Start");
    let error = machine.iis.commit(&plan, &request()).unwrap_err();
    assert!(matches!(&error, WebServerError::Unrestored { .. }), "{error}");
    assert!(error.to_string().contains("start the site shop"), "{error}");
}

#[test]
fn a_section_that_cannot_be_read_hides_no_other() {
    let machine = Machine::start();
    machine.windows.fail("GetSection", 2_147_942_405, "cannot read configuration file web.config");
    let problems = machine.iis.snapshot().unwrap().problems.clone();
    assert!(problems.len() == 1 && problems[0].message.contains("web.config"), "{problems:?}");
    let features = machine.iis.info().capabilities.features.clone();
    for site in ["Default_Web_Site", "shop"] {
        machine.windows.fail("GetSection", 2_147_942_405, "cannot read configuration file web.config");
        let states = machine.iis.features(&Scope::Site { site: site.parse().unwrap() }, &features).unwrap();
        assert_eq!(states.len(), features.len());
    }
}

#[test]
fn a_machine_without_the_namespace_gets_advice() {
    let service =
        Service::start(|_: &Request| fault(2_150_858_752, "a:DestinationUnreachable", "no such resource"));
    let state = tempfile::tempdir().unwrap();
    let error = open(&service, state.path()).snapshot().unwrap_err().to_string();
    assert!(
        error.contains("root/WebAdministration on web1") && error.contains("Web-Scripting-Tools"),
        "{error}"
    );
}

#[test]
fn a_user_without_rights_gets_advice() {
    for code in [5, 2_150_859_012, 2_150_859_013, 2_150_859_014] {
        let service = Service::start(move |_: &Request| fault(code, "w:AccessDenied", "Access is denied."));
        let state = tempfile::tempdir().unwrap();
        let error = open(&service, state.path()).snapshot().unwrap_err().to_string();
        assert!(error.contains("Access is denied") && error.contains("Administrators"), "{error}");
    }
}

#[test]
fn names_of_other_machines_cannot_change_the_requests() {
    let machine = Machine::start();
    // The name would end the selector and the query if it were not escaped.
    let name = r#"a'" OR Name='b</w:Selector><x/>&amp;"#;
    machine.windows.set("Site", ("Name", "shop"), "Name", name);
    let snapshot = machine.iis.snapshot().unwrap();
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    assert_eq!(snapshot.sites.len(), 2);
    let id = snapshot.sites.iter().find(|site| site.id.as_str() != "Default_Web_Site").unwrap().id.clone();
    let change = Change::SetSiteState { site: id, state: SiteState::Stopped };
    assert_eq!(machine.commit(&[change]).unwrap().verdict, Verdict::Active);
    assert!(machine.service.requests().iter().all(|request| !request.envelope.contains("select")));
}
