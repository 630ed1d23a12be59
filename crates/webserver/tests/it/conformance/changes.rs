//! Plans, commits, history and control.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use ports::free_port;
use serde_json::json;
use telarch_webserver::{
    Change, CommitKind, Feature, FeatureValue, FilePath, LogKind, LogStart, NewLocation, Operation, Severity,
    Status, UrlPath, Verdict, WebServer, WebServerError,
};

use super::sites::require_closed;
use crate::fixture::{Fixture, Product, get, request, site};

pub(super) fn outside_edits_are_recorded_and_conflict_with_older_plans(product: Product) {
    let Some(fixture) = product.create() else { return };
    let server = &fixture.server;
    let base = server.snapshot().unwrap().revision;
    let change = Change::SetRoot { site: site("main"), folder: fixture.file_path("www") };
    let plan = server.plan(&base, &[change]).unwrap();
    fixture.edit_outside();
    let edited = fixture.configuration();
    for outcome in [server.commit(&plan, &request("late")).map(|_| ()), server.validate(&plan).map(|_| ())] {
        assert!(matches!(outcome, Err(WebServerError::Conflict { .. })), "{outcome:?}");
    }
    assert_eq!(fixture.configuration(), edited);
    let kinds: Vec<CommitKind> = server.history(None, 10).unwrap().iter().map(|commit| commit.kind).collect();
    assert_eq!(kinds, [CommitKind::External, CommitKind::External]);
}

/// Locations that each writer adds.
const LOCATIONS: usize = 4;

pub(super) fn two_writers_exclude_each_other(product: Product) {
    let Some(fixture) = product.start() else { return };
    // Each has a connection of its own, as two processes have.
    let writers = [fixture.open_again(Vec::new()), fixture.open_again(Vec::new())];
    let base = fixture.server.snapshot().unwrap().revision;
    let folder = fixture.file_path("www/main/files");
    let [first, second] = ["one", "two"];
    let plans: Vec<_> = writers
        .iter()
        .zip([first, second])
        .map(|(writer, name)| writer.plan(&base, &[location(&folder, name, 0)]).unwrap())
        .collect();
    let outcomes = thread::scope(|threads| {
        let commits: Vec<_> = writers
            .iter()
            .zip(&plans)
            .map(|(writer, plan)| threads.spawn(|| writer.commit(plan, &request("race"))))
            .collect();
        commits.into_iter().map(|commit| commit.join().unwrap()).collect::<Vec<_>>()
    });
    let conflicts = outcomes.iter().filter(|outcome| matches!(outcome, Err(WebServerError::Conflict { .. })));
    let applied = outcomes.iter().flatten().filter(|commit| commit.verdict.is_applied());
    assert_eq!((applied.count(), conflicts.count()), (1, 1), "{outcomes:?}");

    // A writer that repeats its change after a conflict loses nothing of the other.
    thread::scope(|threads| {
        for (writer, name) in writers.iter().zip([first, second]) {
            let folder = &folder;
            threads.spawn(move || {
                for number in 1..=LOCATIONS {
                    repeat_until_applied(&**writer, &location(folder, name, number));
                }
            });
        }
    });
    for name in [first, second] {
        for number in 1..=LOCATIONS {
            assert_eq!(fixture.get(&format!("/{name}{number}/a.txt")).1, "a");
        }
    }
    let history = fixture.server.history(None, 100).unwrap();
    let changes = history.iter().filter(|commit| commit.kind == CommitKind::Change);
    assert_eq!(changes.count(), 2 * LOCATIONS + 1, "{history:?}");
}

fn location(folder: &FilePath, name: &str, number: usize) -> Change {
    let path = UrlPath::parse(&format!("/{name}{number}/")).unwrap();
    Change::PutLocation {
        site: site("main"),
        path,
        location: NewLocation::Directory { folder: folder.clone() },
    }
}

fn repeat_until_applied(writer: &dyn WebServer, change: &Change) {
    loop {
        let base = writer.snapshot().unwrap().revision;
        let outcome = writer
            .plan(&base, std::slice::from_ref(change))
            .and_then(|plan| writer.commit(&plan, &request("again")));
        match outcome {
            Ok(commit) => return assert!(commit.verdict.is_applied(), "{commit:?}"),
            Err(WebServerError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

pub(super) fn files_outside_the_roots_are_not_changed(product: Product) {
    // Caddy has no files.
    if product == Product::Caddy {
        return;
    }
    let Some(fixture) = product.create() else { return };
    let before = fixture.configuration();
    let restricted = fixture.open_again(vec![fixture.path("www")]);
    let base = restricted.snapshot().unwrap().revision;
    let change = Change::SetRoot { site: site("main"), folder: fixture.file_path("www") };
    let outcome =
        restricted.plan(&base, &[change]).and_then(|plan| restricted.commit(&plan, &request("outside")));
    assert!(matches!(outcome, Err(WebServerError::Outside { .. })), "{outcome:?}");
    assert_eq!(fixture.configuration(), before);
    for text in ["/srv/../etc", "srv", "/srv/$host"] {
        assert!(FilePath::parse(text).is_err(), "{text}");
    }
}

pub(super) fn values_cannot_change_the_structure(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.configuration();
    for text in [
        r#"a; b "c" {d} 'e' \\ #f"#,
        "</VirtualHost> <Location />",
        "{env.HOME} {http.vars.root}",
        r"\{env.HOME\}",
        r"a \} b",
        r"ends with \",
        r#"\" Redirect / x"#,
        "100% %{x} %%",
        "} server { listen 1; }",
        r"line\nX-Injected: 1 \r\t",
    ] {
        fixture.set(json!({ "feature": "response-headers", "headers": [
            { "name": "X-Text", "value": text, "always": true }] }));
        let (head, _) = fixture.get("/");
        assert!(head.lines().any(|line| line == format!("X-Text: {text}").trim_end()), "{text}: {head}");
        fixture.revert(Feature::ResponseHeaders, &before);
    }
    for text in ["a\nb", "a\r\nX: y", "${HOME}", "$document_root"] {
        let json = json!({ "feature": "response-headers", "headers": [{ "name": "X", "value": text }] });
        assert!(serde_json::from_value::<FeatureValue>(json).is_err(), "{text:?}");
    }
}

/// Returns a file of the configuration that can be edited as text.
fn editable(fixture: &Fixture) -> (FilePath, String) {
    let name = match fixture.product {
        Product::Nginx => "conf/sites/main",
        Product::Apache => "sites-enabled/main.conf",
        Product::Caddy => return (FilePath::parse("/config/").unwrap(), fixture.configuration() + "\n"),
    };
    (fixture.file_path(name), fixture.text(name))
}

pub(super) fn a_broken_text_is_rejected_with_its_line(product: Product) {
    let Some(fixture) = product.start() else { return };
    let (file, before) = editable(&fixture);
    let lines = u32::try_from(before.lines().count()).unwrap();
    for (added, line) in [("UnknownDirective on;\n", lines + 1), ("\n\nUnknownDirective on;\n", lines + 3)] {
        let edit = Change::RawEdit { file: file.clone(), text: format!("{before}{added}") };
        let Err(WebServerError::Rejected(validation)) = fixture.commit(&[edit]) else {
            panic!("it was accepted")
        };
        let problem = &validation.problems[0];
        let position = problem.position.as_ref().unwrap_or_else(|| panic!("{validation:?}"));
        assert_eq!((position.file.as_str(), position.line), (file.as_str(), line), "{problem}");
        assert_eq!(problem.severity, Severity::Error);
        assert!(problem.message.contains("UnknownDirective"), "{problem}");
        assert_eq!((fixture.get("/").1.as_str(), editable(&fixture).1), ("main page", before.clone()));
    }
    let other = FilePath::parse("/etc/passwd").unwrap();
    let outcome = fixture.commit(&[Change::RawEdit { file: other, text: String::new() }]);
    assert!(matches!(outcome, Err(WebServerError::NotFound { .. })), "{outcome:?}");
}

pub(super) fn a_port_in_use_restores_the_old_configuration(product: Product) {
    let Some(fixture) = product.start() else { return };
    let before = fixture.server.snapshot().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let commit =
        fixture.commit(&[fixture.new_site("shop", taken.local_addr().unwrap().port(), "x")]).unwrap();
    let Verdict::Failed { reason } = &commit.verdict else { panic!("{commit:?}") };
    let reason = reason.to_ascii_lowercase();
    assert!(reason.contains("address already in use") || reason.contains("still could not bind"), "{reason}");
    assert_eq!(fixture.get("/").1, "main page");
    assert_eq!(fixture.server.snapshot().unwrap(), before);
    if product != Product::Caddy {
        assert!(!fixture.path(&fixture.site_file("shop")).exists());
    }
    // The next change works.
    let port = free_port();
    fixture.change(&[fixture.new_site("shop", port, "the shop")]);
    assert_eq!(get(port, "/", "").1, "the shop");
}

pub(super) fn the_web_server_is_controlled_and_its_logs_are_read(product: Product) {
    let Some(mut fixture) = product.create() else { return };
    let server = &fixture.server;
    let operations = server.info().capabilities.operations.clone();
    if operations.contains(&Operation::Start) {
        assert_eq!(server.status().unwrap(), Status::Stopped);
        assert!(matches!(server.control(Operation::Reload), Err(WebServerError::NotRunning)));
    }
    let Status::Running { pid, workers } = server.control(Operation::Start).unwrap() else {
        panic!("it does not run")
    };
    assert!(workers.iter().any(|worker| worker.memory > 0));
    let Status::Running { pid: same, workers: new } = server.control(Operation::Reload).unwrap() else {
        panic!("it does not run")
    };
    let has_new_workers = new.iter().any(|worker| workers.iter().all(|old| old.pid != worker.pid));
    assert!(pid == same && (has_new_workers || product == Product::Caddy), "{workers:?} {new:?}");

    let [access, error] = ["logs/own.log", "logs/own-error.log"].map(|name| fixture.path(name));
    fixture.set(json!({ "feature": "logging", "access": { "file": access, "format": "combined" },
        "error": { "file": error, "level": "error" } }));
    let logs = server.log_files().unwrap();
    let own = logs.iter().find(|log| log.kind == LogKind::Access && log.path.ends_with("/own.log"));
    let own = own.unwrap_or_else(|| panic!("{logs:?}"));
    fixture.get("/first");
    let first = wait_for_lines(server.as_ref(), &own.path, LogStart::Last(10));
    fixture.get("/logged%0ab%1b");
    let next = wait_for_lines(server.as_ref(), &own.path, LogStart::After(first.position));
    assert!(next.lines.len() == 1 && next.lines[0].contains("/logged%0ab%1b"), "{next:?}");
    if operations.contains(&Operation::ReopenLogs) {
        std::fs::rename(&own.path, format!("{}.1", own.path)).unwrap();
        server.control(Operation::ReopenLogs).unwrap();
    } else {
        let refused = server.control(Operation::ReopenLogs);
        assert!(matches!(refused, Err(WebServerError::Control { .. })), "{refused:?}");
    }
    assert!(matches!(
        server.read_log("/etc/passwd", LogStart::Last(1)),
        Err(WebServerError::NotFound { .. })
    ));
    // The parent of a process that ended must wait for it.
    let reaper = fixture.child.take().map(|mut child| thread::spawn(move || child.wait().unwrap()));
    assert_eq!(server.control(Operation::Stop).unwrap(), Status::Stopped);
    if let Some(reaper) = reaper {
        reaper.join().unwrap();
    }
    require_closed(fixture.port);
    if !operations.contains(&Operation::Start) {
        assert!(server.control(Operation::Start).is_err());
    }
}

fn wait_for_lines(server: &dyn WebServer, path: &str, start: LogStart) -> telarch_webserver::LogLines {
    loop {
        match server.read_log(path, start) {
            Ok(lines) if !lines.lines.is_empty() => return lines,
            _ => thread::sleep(Duration::from_millis(10)),
        }
    }
}
