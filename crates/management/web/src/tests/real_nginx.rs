//! The API with an nginx of the system, started on loopback.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use management::Settings;
use ports::free_port;
use serde_json::{Value, json};
use tempfile::TempDir;
use webserver::{Nginx, NginxOptions, WebServer};

use super::{Fixture, call, headers, json_of, problem};
use crate::reply::Reply;

/// A running nginx with one site, and its folder.
pub(super) struct RunningNginx {
    pub(super) folder: TempDir,
    program: PathBuf,
    pub(super) port: u16,
}

impl RunningNginx {
    /// Starts nginx; `None` if it is not installed.
    pub(super) fn start() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let Some(program) = folders.map(|folder| folder.join("nginx")).find(|program| program.is_file())
        else {
            skips::skip!("nginx is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["sites", "logs", "temp", "shop", "blog"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        fs::write(root.join("shop/index.html"), "the shop").unwrap();
        fs::write(root.join("blog/index.html"), "the blog").unwrap();
        let port = free_port();
        let at = root.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/temp/{kind};\n"))
            .concat();
        // Workers of an nginx that root starts are another user, who must be able to read the site.
        let user =
            if fs::metadata("/proc/self").is_ok_and(|own| is_root(&own)) { "user root;\n" } else { "" };
        let main = format!(
            "{user}pid {at}/nginx.pid;\nerror_log {at}/logs/error.log;\nevents {{}}\nhttp {{\naccess_log \
             {at}/logs/access.log;\n{temporary}include sites/*.conf;\n}}\n"
        );
        fs::write(root.join("nginx.conf"), main).unwrap();
        let site = format!("# The shop.\nserver {{\n    listen 127.0.0.1:{port};\n    root {at}/shop;\n}}\n");
        fs::write(root.join("sites/shop.conf"), site).unwrap();
        let nginx = Self { folder, program, port };
        assert!(nginx.command().status().unwrap().success(), "nginx does not start");
        Some(nginx)
    }

    fn command(&self) -> Command {
        let root = self.folder.path();
        let mut command = Command::new(&self.program);
        command.arg("-p").arg(root).arg("-c").arg(root.join("nginx.conf"));
        command.arg("-e").arg(root.join("logs/error.log"));
        command
    }

    pub(super) fn open(&self, history: &Path) -> Arc<dyn WebServer> {
        let options = NginxOptions::of_folder(self.folder.path(), history).unwrap();
        Arc::new(Nginx::open(&options).unwrap())
    }

    /// Returns the response to a request for a page.
    pub(super) fn get(&self, port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// Requests the start page until the response is as expected: the old workers end shortly after the new ones start.
    fn wait_for(&self, port: u16, is_expected: impl Fn(&str) -> bool) {
        let mut last = String::new();
        for _ in 0..600 {
            last = self.get(port, "/");
            if is_expected(&last) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("not the expected response: {last}");
    }
}

impl Drop for RunningNginx {
    fn drop(&mut self) {
        let _ = self.command().args(["-s", "stop"]).status();
    }
}

fn is_root(own: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(own) == 0
}

pub(super) fn tag(reply: &Reply) -> Vec<(String, String)> {
    let tag = reply.headers.iter().find(|(name, _)| *name == "etag").map(|(_, value)| value.clone());
    headers(&[("if-match", &tag.expect("a revision"))])
}

#[test]
fn a_site_is_previewed_created_changed_and_restored() {
    let Some(nginx) = RunningNginx::start() else { return };
    let fixture = Fixture::with_web(Settings::default(), |history| Some(nginx.open(history)));
    let admin = fixture.browser("admin");
    let send = |method: &str, path: &str, body: Value, extra: &[(String, String)]| {
        fixture.send(&call(method, path, &body, &[&admin, extra].concat()))
    };
    let sites = send("GET", "/web/sites", json!({}), &[]);
    assert_eq!(
        json_of(&sites).pointer("/sites/0/listeners/0/address"),
        Some(&json!(format!("127.0.0.1:{}", nginx.port)))
    );
    let (base, port) = (tag(&sites), free_port());
    let blog = json!({
        "id": "blog",
        "listeners": [{ "address": format!("127.0.0.1:{port}") }],
        "root": nginx.folder.path().join("blog"),
    });
    assert_eq!(send("POST", "/web/sites", blog.clone(), &[]).status, 428);
    let preview = send("POST", "/web/sites?dry_run=true", blog.clone(), &base);
    assert_eq!(preview.status, 200, "{preview:?}");
    assert_eq!(json_of(&preview).pointer("/validation/accepted"), Some(&json!(true)), "{preview:?}");
    assert!(json_of(&preview).pointer("/diffs/0/unified").and_then(Value::as_str).unwrap().contains("+"));
    assert_eq!(json_of(&send("GET", "/web/sites", json!({}), &[])).pointer("/sites/1"), None);

    let made = send("POST", "/web/sites?message=the%20blog", blog.clone(), &base);
    assert_eq!(json_of(&made).pointer("/commit/verdict/verdict"), Some(&json!("active")), "{made:?}");
    assert!(nginx.get(port, "/").ends_with("the blog"));
    let conflict = send("DELETE", "/web/sites/blog", json!({}), &base);
    assert_eq!((conflict.status, problem(&conflict)), (412, "revision-conflict".to_owned()));

    let value =
        json!({ "feature": "response-headers", "headers": [{ "name": "X-Shop", "value": "a\"b; c" }] });
    let injected =
        json!({ "feature": "response-headers", "headers": [{ "name": "X-Shop", "value": "a\r\nb" }] });
    let path = "/web/sites/blog/features/response-headers";
    let refused = send("PUT", path, injected, &tag(&made));
    assert_eq!((refused.status, problem(&refused)), (400, "invalid-request".to_owned()));
    assert_eq!(json_of(&refused).pointer("/errors/0/pointer"), Some(&json!("#/headers/0/value")));
    let other = json!({ "feature": "redirect", "status": 301, "target": "/" });
    assert_eq!(send("PUT", path, other, &tag(&made)).status, 400);
    let set = send("PUT", path, value, &tag(&made));
    assert_eq!(set.status, 200, "{set:?}");
    nginx.wait_for(port, |response| response.contains("X-Shop: a\"b; c\r\n"));

    let history = send("GET", "/web/history", json!({}), &[]);
    let authors: Vec<_> =
        json_of(&history)["commits"].as_array().unwrap().iter().map(|c| c["author"].clone()).collect();
    assert_eq!(authors.first(), Some(&json!("admin")), "{history:?}");
    let first = json_of(&made)["commit"]["number"].as_u64().unwrap();
    let restored = send("POST", &format!("/web/history/{first}/rollback"), json!({}), &tag(&set));
    assert_eq!(restored.status, 200, "{restored:?}");
    nginx.wait_for(port, |response| !response.contains("X-Shop"));
}

#[test]
fn a_delegated_user_changes_only_delegated_features_of_the_own_site() {
    let Some(nginx) = RunningNginx::start() else { return };
    let fixture = Fixture::with_web(Settings::default(), |history| Some(nginx.open(history)));
    let admin = fixture.browser("admin");
    let sites = fixture.send(&call("GET", "/web/sites", &json!({}), &admin));
    let id = json_of(&sites).pointer("/sites/0/id").and_then(Value::as_str).unwrap().to_owned();
    let (keeper, stranger) = (fixture.browser("shopkeeper"), fixture.browser("stranger"));
    let count = |who: &[(String, String)]| {
        let reply = fixture.send(&call("GET", "/web/sites", &json!({}), who));
        json_of(&reply)["sites"].as_array().map(Vec::len)
    };
    fixture.console.permissions.allow("shopkeeper", format!("/{id}").parse().unwrap()).unwrap();
    assert_eq!((count(&keeper), count(&stranger)), (Some(1), Some(0)));
    let put = |feature: &str, value: Value| {
        let path = format!("/web/sites/{id}/features/{feature}");
        fixture.send(&call("PUT", &path, &value, &[&keeper[..], &tag(&sites)].concat())).status
    };
    assert_eq!(put("error-pages", json!({ "feature": "error-pages", "pages": [] })), 403);
    assert_eq!(put("directory-browsing", json!({ "feature": "directory-browsing", "enabled": true })), 200);
    let features = fixture.send(&call("GET", &format!("/web/sites/{id}/features"), &json!({}), &keeper));
    let list = json_of(&features)["features"].as_array().unwrap().clone();
    let find = |name: &str| list.iter().find(|feature| feature["feature"] == name).cloned();
    assert_eq!(find("directory-browsing").unwrap()["writable"], json!(true));
    assert_eq!(find("ssl").unwrap()["writable"], json!(false));
    assert!(find("limits").is_none());
}

#[test]
fn log_lines_are_returned_and_other_files_are_not() {
    let Some(nginx) = RunningNginx::start() else { return };
    let fixture = Fixture::with_web(Settings::default(), |history| Some(nginx.open(history)));
    let viewer = fixture.browser("viewer");
    assert!(nginx.get(nginx.port, "/a-visit").contains("404"));
    let path = nginx.folder.path().join("logs/access.log");
    let lines =
        |path: &str| fixture.send(&call("GET", &format!("/web/logs/lines?path={path}"), &json!({}), &viewer));
    let reply = lines(&path.display().to_string());
    assert!(json_of(&reply).to_string().contains("/a-visit"), "{reply:?}");
    assert_eq!(lines("/etc/passwd").status, 404);
}
