//! After every failure, the old content is served, and the files are unchanged.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use ports::free_port;
use telarch_webserver::{Change, FeatureValue, Scope, Severity, Ssl, WebServerError};

use crate::fixture::{Fixture, site};

/// Checks that the site and its files are as before.
fn require_unchanged(fixture: &Fixture, before: &str) {
    assert_eq!(fixture.get("/").1, "main page");
    assert_eq!(fixture.text("conf/sites/main"), before);
    let names: Vec<_> =
        fs::read_dir(fixture.path("conf/sites")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["main"], "no temporary file remains");
}

#[test]
fn a_broken_text_is_rejected_with_the_line_of_the_live_file() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.text("conf/sites/main");
    for (text, line, message) in [
        (format!("{before}\nunknown on;\n"), 10, "unknown directive"),
        (before.replace("root www/main;", "root www/main"), 6, "directive \"root\" is not terminated"),
        (format!("{before}server {{\n"), 10, "unexpected end of file"),
    ] {
        let edit = Change::RawEdit { file: fixture.file_path("conf/sites/main"), text };
        let Err(WebServerError::Rejected(validation)) = fixture.commit(&[edit]) else {
            panic!("it was accepted")
        };
        let problem = &validation.problems[0];
        let position = problem.position.as_ref().unwrap_or_else(|| panic!("{validation:?}"));
        assert_eq!(position.file, fixture.file_path("conf/sites/main").as_str());
        assert_eq!((position.line, problem.severity), (line, Severity::Error), "{problem}");
        assert!(problem.message.contains(message), "{problem}");
        require_unchanged(&fixture, &before);
    }
}

#[test]
fn a_missing_certificate_is_rejected() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.text("conf/sites/main");
    let missing = fixture.file_path("missing.pem");
    let value =
        FeatureValue::Ssl(Ssl { certificate: Some(missing.clone()), key: Some(missing), ..Ssl::default() });
    let change = Change::SetFeature { scope: Scope::Site { site: site("main") }, value };
    let Err(WebServerError::Rejected(validation)) = fixture.commit(&[change]) else {
        panic!("it was accepted")
    };
    assert!(validation.problems[0].message.contains("missing.pem"), "{validation:?}");
    require_unchanged(&fixture, &before);
}

#[test]
fn a_file_that_cannot_be_written_leaves_all_files_unchanged() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.text("conf/sites/main");
    let root = |folder: &str| Change::SetRoot { site: site("main"), folder: fixture.file_path(folder) };
    let path = fixture.path("conf/sites/main");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(matches!(fixture.commit(&[root("www")]), Err(WebServerError::Disk { action: "write", .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    // The second file cannot be prepared, so the first one is not written either.
    let obstacle = fixture.path("conf/sites/.shop.telarch-new");
    fs::create_dir(&obstacle).unwrap();
    let create = fixture.new_site("shop", free_port(), "x");
    assert!(matches!(
        fixture.commit(&[root("www"), create.clone()]),
        Err(WebServerError::Disk { action: "write", .. })
    ));
    fs::remove_dir(&obstacle).unwrap();
    require_unchanged(&fixture, &before);
    fixture.change(&[root("www/main"), create]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640, "the mode is kept");
}

#[test]
fn links_are_kept_and_their_targets_are_written() {
    let Some(fixture) = Fixture::start() else { return };
    fs::create_dir(fixture.path("available")).unwrap();
    fs::rename(fixture.path("conf/sites/main"), fixture.path("available/main")).unwrap();
    symlink("../../available/main", fixture.path("conf/sites/main")).unwrap();
    fixture.change(&[Change::SetRoot { site: site("main"), folder: fixture.file_path("www/main/files") }]);
    assert!(fixture.path("conf/sites/main").is_symlink());
    assert!(fixture.text("available/main").contains("www/main/files;"));
    assert_eq!(fixture.get("/a.txt").1, "a");
}

#[test]
fn a_configuration_broken_by_hand_can_be_read_and_repaired() {
    let Some(fixture) = Fixture::start() else { return };
    let before = fixture.text("conf/sites/main");
    fixture.put("conf/sites/main", &before.replace("root www/main;", "root \"www/main;"));
    let snapshot = fixture.server.snapshot().unwrap();
    assert!(snapshot.sites.is_empty());
    let problem = snapshot.problems[0].to_string();
    assert!(problem.contains("conf/sites/main:9: unexpected end of file"), "{problem}");
    assert_eq!(fixture.get("/").1, "main page", "the running nginx is not affected");
    let repair = Change::RawEdit { file: fixture.file_path("conf/sites/main"), text: before };
    fixture.change(&[repair]);
    assert!(fixture.server.snapshot().unwrap().problems.is_empty());
}
