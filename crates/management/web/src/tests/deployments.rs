//! Deployments to a site that an nginx of the system serves.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use management::Settings;
use serde_json::{Value, json};

use super::real_nginx::{RunningNginx, tag};
use super::{Fixture, call, json_of, problem};
use crate::call::Call;
use crate::reply::Reply;

type Headers = Vec<(String, String)>;

/// The service with a running nginx whose content can be deployed.
struct Site {
    fixture: Fixture,
    nginx: RunningNginx,
    id: String,
}

impl Site {
    fn start() -> Option<Self> {
        let nginx = RunningNginx::start()?;
        let content_roots = vec![nginx.folder.path().to_owned()];
        let settings = Settings { content_roots, ..Settings::default() };
        let fixture = Fixture::with_web(settings, |history| Some(nginx.open(history)));
        let admin = fixture.browser("admin");
        let sites = fixture.send(&call("GET", "/web/sites", &json!({}), &admin));
        let id = json_of(&sites).pointer("/sites/0/id").and_then(Value::as_str).unwrap().to_owned();
        fixture.console.permissions.allow("shopkeeper", format!("/{id}").parse().unwrap()).unwrap();
        Some(Self { fixture, nginx, id })
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        who: &Headers,
        extra: &[(String, String)],
    ) -> Reply {
        let path = format!("/web/sites/{}/{path}", self.id);
        self.fixture.send(&call(method, &path, body, &[&who[..], extra].concat()))
    }

    /// Uploads an archive of files in two pieces.
    fn upload(&self, who: &Headers, files: &[(&str, &str)]) -> String {
        let begun = self.send("POST", "uploads", &json!({}), who, &[]);
        assert_eq!(begun.status, 201, "{begun:?}");
        let id = json_of(&begun)["upload"].as_str().unwrap().to_owned();
        let bytes = zip(self.nginx.folder.path(), files);
        let (first, second) = bytes.split_at(bytes.len() / 2);
        for (offset, piece) in [(0, first), (first.len(), second)] {
            let reply = self.piece(who, &id, offset, piece);
            assert_eq!(json_of(&reply)["received"], json!(offset + piece.len()), "{reply:?}");
        }
        id
    }

    fn piece(&self, who: &Headers, upload: &str, offset: usize, piece: &[u8]) -> Reply {
        let path = format!("/web/sites/{}/uploads/{upload}?offset={offset}", self.id);
        let json = call("PUT", &path, &json!({}), who);
        let headers = json.headers.iter().map(|(name, value)| match name.as_str() {
            "content-type" => (name.clone(), "application/octet-stream".to_owned()),
            _ => (name.clone(), value.clone()),
        });
        let headers = headers.collect();
        self.fixture.send(&Call { headers, body: piece.to_vec(), ..json })
    }

    /// Previews and makes a deployment.
    fn deploy(&self, who: &Headers, files: &[(&str, &str)]) -> Reply {
        let body = json!({ "upload": self.upload(who, files) });
        let preview = self.send("POST", "deployments?dry_run=true", &body, who, &[]);
        if preview.status != 200 {
            return preview;
        }
        self.send("POST", "deployments?message=release", &body, who, &tag(&preview))
    }
}

/// Makes a ZIP file with Python.
fn zip(folder: &Path, files: &[(&str, &str)]) -> Vec<u8> {
    let source = tempfile::tempdir_in(folder).unwrap();
    for (name, text) in files {
        let path = source.path().join("content").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let archive = source.path().join("archive.zip");
    let mut python = Command::new("python3");
    python.args(["-m", "zipfile", "-c"]).arg(&archive);
    python.args(fs::read_dir(source.path().join("content")).unwrap().map(|entry| entry.unwrap().path()));
    assert!(python.status().unwrap().success());
    fs::read(archive).unwrap()
}

#[test]
fn clients_receive_either_the_old_or_the_new_content() {
    let Some(site) = Site::start() else { return };
    let admin = site.fixture.browser("admin");
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let requests = scope.spawn(|| {
            let mut seen = 0;
            while !is_done.load(Ordering::Acquire) {
                let response = site.nginx.get(site.nginx.port, "/");
                let body = response.split("\r\n\r\n").nth(1).unwrap_or_default();
                let is_complete = body == "the shop" || body.starts_with("version ");
                assert!(response.starts_with("HTTP/1.1 200") && is_complete, "{response}");
                seen += 1;
            }
            seen
        });
        for version in 1..=10 {
            let text = format!("version {version}");
            let reply = site.deploy(&admin, &[("index.html", &text), ("js/app.js", &text)]);
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(json_of(&reply).pointer("/deployment/number"), Some(&json!(version)));
            assert!(site.nginx.get(site.nginx.port, "/js/app.js").ends_with(&text));
        }
        is_done.store(true, Ordering::Release);
        assert!(requests.join().unwrap() > 0);
    });
    let rollback = |query: &str, extra: &[(String, String)]| {
        site.send("POST", &format!("deployments/10/rollback{query}"), &json!({}), &admin, extra)
    };
    let preview = rollback("?dry_run=true", &[]);
    assert_eq!(json_of(&preview)["total_changes"], json!(2), "{preview:?}");
    assert_eq!(rollback("", &[]).status, 428);
    let restored = rollback("", &tag(&preview));
    assert_eq!(restored.status, 200, "{restored:?}");
    assert!(site.nginx.get(site.nginx.port, "/").ends_with("version 9"));
    let list = site.send("GET", "deployments", &json!({}), &admin, &[]);
    let newest = &json_of(&list)["deployments"][0];
    assert_eq!((newest["kind"].as_str(), newest["restored_before"].as_u64()), (Some("rollback"), Some(10)));
    assert_eq!(
        (newest["author"].as_str(), json_of(&list)["deployments"].as_array().map(Vec::len)),
        (Some("admin"), Some(11))
    );
}

#[test]
fn deployment_rules_decide_which_files_a_site_administrator_changes() {
    let Some(site) = Site::start() else { return };
    let keeper = site.fixture.browser("shopkeeper");
    let refused = site.send("POST", "uploads", &json!({}), &keeper, &[]);
    assert_eq!((refused.status, problem(&refused)), (403, "forbidden".to_owned()));
    let set = |rules: Value| site.fixture.console.deployment_rules.replace(&rules).unwrap();
    set(json!([{ "users": ["shopkeeper"], "actions": ["Read", "Write"], "path": "{userScope}/img" }]));
    let reply = site.deploy(&keeper, &[("index.html", "new"), ("img/a.svg", "a")]);
    assert_eq!((reply.status, problem(&reply)), (403, "forbidden".to_owned()), "{reply:?}");
    assert!(json_of(&reply)["detail"].as_str().unwrap().contains("index.html"));
    let reply = site.deploy(&keeper, &[("index.html", "the shop"), ("img/a.svg", "a")]);
    assert_eq!(reply.status, 200, "an unchanged file needs no rule: {reply:?}");
    assert!(site.nginx.get(site.nginx.port, "/img/a.svg").ends_with('a'));
    set(json!([{ "users": ["*"], "actions": ["Read"] }]));
    assert_eq!(site.send("GET", "deployments", &json!({}), &keeper, &[]).status, 200);
    assert_eq!(site.send("POST", "uploads", &json!({}), &keeper, &[]).status, 403);
    // A rule for all users gives no rights on a site of others.
    set(json!([{ "users": ["*"], "actions": ["Read", "Write"] }]));
    let operator = site.fixture.browser("operator");
    assert_eq!(site.send("POST", "uploads", &json!({}), &operator, &[]).status, 403);
    let stranger = site.fixture.browser("stranger");
    assert_eq!(site.send("POST", "uploads", &json!({}), &stranger, &[]).status, 404);
}

#[test]
fn rejected_uploads_and_outdated_previews_change_nothing() {
    let Some(site) = Site::start() else { return };
    let admin = site.fixture.browser("admin");
    let begun = site.send("POST", "uploads", &json!({}), &admin, &[]);
    let id = json_of(&begun)["upload"].as_str().unwrap().to_owned();
    assert_eq!(site.piece(&admin, &id, 5, b"x").status, 400, "a gap");
    assert_eq!(site.piece(&admin, &id, 0, b"not an archive").status, 200);
    let reply = site.send("POST", "deployments?dry_run=true", &json!({ "upload": id }), &admin, &[]);
    assert_eq!((reply.status, problem(&reply)), (422, "archive-rejected".to_owned()), "{reply:?}");
    let json = site.send("PUT", &format!("uploads/{id}"), &json!({}), &admin, &[]);
    assert_eq!(json.status, 415);
    assert_eq!(site.send("DELETE", &format!("uploads/{id}"), &json!({}), &admin, &[]).status, 204);

    let body = json!({ "upload": site.upload(&admin, &[("index.html", "new")]) });
    let preview = site.send("POST", "deployments?dry_run=true", &body, &admin, &[]);
    fs::write(site.nginx.folder.path().join("shop/index.html"), "edited by hand").unwrap();
    let reply = site.send("POST", "deployments", &body, &admin, &tag(&preview));
    assert_eq!((reply.status, problem(&reply)), (412, "revision-conflict".to_owned()));
    assert!(site.nginx.get(site.nginx.port, "/").ends_with("edited by hand"));
    let preview = site.send("POST", "deployments?dry_run=true", &body, &admin, &[]);
    assert_eq!(
        site.send("POST", "deployments", &body, &admin, &tag(&preview)).status,
        200,
        "the upload is still there"
    );
}

#[test]
fn without_content_roots_nothing_can_be_deployed() {
    let Some(nginx) = RunningNginx::start() else { return };
    let fixture = Fixture::with_web(Settings::default(), |history| Some(nginx.open(history)));
    let admin = fixture.browser("admin");
    let sites = fixture.send(&call("GET", "/web/sites", &json!({}), &admin));
    let id = json_of(&sites).pointer("/sites/0/id").and_then(Value::as_str).unwrap().to_owned();
    let reply = fixture.send(&call("GET", &format!("/web/sites/{id}/deployments"), &json!({}), &admin));
    assert_eq!((reply.status, problem(&reply)), (422, "deployment-not-possible".to_owned()));
    assert!(json_of(&reply)["detail"].as_str().unwrap().contains("ContentRoots"));
}
