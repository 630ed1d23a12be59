//! `telarch web` with an nginx that does not run.

use std::fs;
use std::path::Path;

use cli_command::{Arguments, Failure};
use tempfile::TempDir;

use super::{WEB, run};

/// Writes the configuration of an nginx with one site; `None`, with a record of the skipped test, without nginx.
fn configuration() -> Option<TempDir> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    if !folders.any(|folder| folder.join("nginx").is_file()) {
        skips::skip!("nginx is not installed");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {at}/{kind};\n"))
        .concat();
    let main = format!(
        "pid {at}/nginx.pid;\nerror_log {at}/error.log;\nevents {{}}\nhttp {{\n    access_log off;\n{temporary}    \
         include sites/*.conf;\n}}\n"
    );
    fs::create_dir(folder.path().join("sites")).unwrap();
    fs::write(folder.path().join("nginx.conf"), main).unwrap();
    let site = format!(
        "server {{\n    # telarch-site: shop\n    listen 127.0.0.1:8080;\n    server_name shop.example;\n    root {at};\n}}\n"
    );
    fs::write(folder.path().join("sites/shop.conf"), site).unwrap();
    Some(folder)
}

fn web(folder: &Path, words: &[&str]) -> Result<String, Failure> {
    let at = folder.to_str().unwrap();
    let words = [words, &["--nginx", at, "--directory", at]].concat();
    run(&Arguments::parse_words(&WEB, &words).unwrap().expect("no request for help"))
}

fn site_file(folder: &Path) -> String {
    fs::read_to_string(folder.join("sites/shop.conf")).unwrap()
}

#[test]
fn sites_and_features_are_printed() {
    let Some(folder) = configuration() else { return };
    let web = |words: &[&str]| web(folder.path(), words).unwrap();
    let sites = web(&["sites"]);
    assert!(sites.contains("shop  started  127.0.0.1:8080  shop.example"), "{sites}");
    let json: serde_json::Value =
        serde_json::from_str(&web(&["site", "shop.example", "--format", "json"])).unwrap();
    assert_eq!(json["id"], "shop");
    let features = web(&["features", "shop"]);
    assert!(
        features.lines().any(|line| line.starts_with("redirect") && line.ends_with("default")),
        "{features}"
    );
    let logging = web(&["features", "shop", "logging"]);
    assert!(logging.contains("Source: inherited\n") && logging.contains("nginx.conf:"), "{logging}");
}

#[test]
fn a_feature_is_set_reverted_and_restored() {
    let Some(folder) = configuration() else { return };
    let web = |words: &[&str]| web(folder.path(), words);
    let before = site_file(folder.path());
    let value = r#"{"status": 301, "target": "https://new.example/"}"#;
    let preview = web(&["features", "shop", "redirect", value, "--what-if"]).unwrap();
    assert!(
        preview.contains("+    return 301 https://new.example/;") && preview.contains("accepts"),
        "{preview}"
    );
    assert_eq!(site_file(folder.path()), before);

    let made = web(&["features", "shop", "redirect", value, "--message", "moved"]).unwrap();
    assert!(made.ends_with("Commit 2: written\n"), "{made}");
    assert!(site_file(folder.path()).contains("return 301 https://new.example/;"));
    let state = web(&["features", "shop", "redirect"]).unwrap();
    let shown = state.lines().find_map(|line| line.strip_prefix("Value: ")).unwrap();
    // The printed value is accepted, and is the same.
    assert!(web(&["features", "shop", "redirect", shown]).unwrap().contains("nothing was changed"));

    web(&["features", "shop", "redirect", "revert"]).unwrap();
    assert_eq!(site_file(folder.path()), before);
    web(&["rollback", "2"]).unwrap();
    assert!(site_file(folder.path()).contains("return 301"));
    let history = web(&["history"]).unwrap();
    assert_eq!(history.lines().count(), 5, "{history}");
    assert!(history.contains("moved"), "{history}");
    assert!(web(&["history", "2"]).unwrap().contains("Message: moved\n"));
}

#[test]
fn a_site_is_stopped_and_started() {
    let Some(folder) = configuration() else { return };
    let web = |words: &[&str]| web(folder.path(), words);
    assert!(web(&["site", "shop", "stop"]).unwrap().contains("Commit 2: written"));
    assert!(web(&["sites"]).unwrap().contains("stopped"));
    web(&["site", "shop", "start"]).unwrap();
    assert!(web(&["sites"]).unwrap().contains("started"));
}

#[test]
fn a_site_is_created_bound_and_deleted() {
    let Some(folder) = configuration() else { return };
    let at = folder.path().to_str().unwrap();
    let web = |words: &[&str]| web(folder.path(), words);
    let blog = ["site", "blog", "create", "--folder", at];
    let create = [&blog[..], &["--binding", "http/127.0.0.1:8080:blog.example"]].concat();
    let preview = web(&[&create[..], &["--what-if"]].concat()).unwrap();
    assert!(preview.contains("+    server_name blog.example;") && preview.contains("accepts"), "{preview}");
    assert!(web(&["site", "blog"]).is_err(), "a preview creates nothing");
    web(&create).unwrap();
    assert_eq!(web(&["bind", "blog"]).unwrap(), "http/127.0.0.1:8080:blog.example\n");

    web(&["bind", "blog", "add", "http/127.0.0.1:8080:www.blog.example"]).unwrap();
    let half = web(&["bind", "blog", "add", "http/[::1]:8080:blog.example"]).unwrap_err().to_string();
    assert!(half.contains("add http/[::1]:8080:www.blog.example, too"), "{half}");
    web(&["bind", "blog", "remove", "http/127.0.0.1:8080:blog.example"]).unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&web(&["bind", "blog", "--format", "json"]).unwrap()).unwrap();
    assert_eq!(json, serde_json::json!(["http/127.0.0.1:8080:www.blog.example"]));
    web(&["bind", "blog", "set", "http/127.0.0.1:8081:"]).unwrap();
    assert_eq!(web(&["bind", "blog"]).unwrap(), "http/127.0.0.1:8081:\n");
    for (words, reason) in [
        (&["bind", "blog", "remove", "http/127.0.0.1:8081:"][..], "at least one binding"),
        (&["bind", "blog", "remove", "http/*:80:"], "has no binding"),
        (&["bind", "blog", "add", "*:80"], "the protocol is missing"),
        (&["bind", "blog", "replace", "http/*:80:"], "unknown operation"),
        (&["bind", "blog", "add"], "at least one binding"),
        (&["site", "news", "create", "--binding", "http/*:80:"], "add --folder"),
        (&["site", "news", "create", "--folder", at], "add --binding"),
        (&["site", "blog", "stop", "--folder", at], "are for site SITE create"),
        (&["site", "blog", "folder", "relative"], "is not a valid file path"),
    ] {
        let failure = web(words).unwrap_err().to_string();
        assert!(failure.contains(reason), "{words:?}: {failure}");
    }

    let other = folder.path().join("sites");
    web(&["site", "blog", "folder", other.to_str().unwrap()]).unwrap();
    assert!(web(&["site", "blog"]).unwrap().contains(&format!("Folder: {}\n", other.display())));
    web(&["site", "blog", "delete"]).unwrap();
    assert!(!web(&["sites"]).unwrap().contains("blog"));
}

#[test]
fn applications_pass_requests_to_pools() {
    let Some(folder) = configuration() else { return };
    let at = folder.path().to_str().unwrap();
    let web = |words: &[&str]| web(folder.path(), words);
    web(&["pool", "backend", "set", "127.0.0.1:9001", "127.0.0.1:9002 weight=2 backup"]).unwrap();
    let pools = web(&["pools"]).unwrap();
    assert!(pools.contains("backend  127.0.0.1:9001, 127.0.0.1:9002 weight=2 backup"), "{pools}");
    assert!(web(&["pool", "backend"]).unwrap().contains("Server: 127.0.0.1:9002 weight=2 backup\n"));
    let none = web(&["pool", "backend", "recycle"]).unwrap_err().to_string();
    assert!(none.contains("names no unit"), "{none}");
    web(&["pool", "backend", "unit", "telarch-missing"]).unwrap();
    let pool = web(&["pool", "backend"]).unwrap();
    assert!(pool.contains("Unit: telarch-missing.service\nState: unknown\n"), "{pool}");
    assert!(web(&["pools"]).unwrap().contains("telarch-missing.service  unknown"));
    let missing = web(&["pool", "backend", "start"]).unwrap_err().to_string();
    assert!(missing.contains("telarch-missing.service"), "{missing}");
    web(&["pool", "backend", "unit", "none"]).unwrap();
    assert!(web(&["pools"]).unwrap().contains("external"));

    web(&["location", "shop", "/api/", "http://backend/v1/"]).unwrap();
    web(&["location", "shop", "/images/", at]).unwrap();
    let site = web(&["site", "shop"]).unwrap();
    assert!(site.contains("/api/ → http://backend") && site.contains(&format!("/images/ → {at}")), "{site}");
    assert!(site_file(folder.path()).contains("proxy_pass http://backend/v1/;"));
    let in_use = web(&["pool", "backend", "delete"]).unwrap_err().to_string();
    assert!(in_use.contains("backend"), "{in_use}");
    web(&["location", "shop", "/api/", "delete"]).unwrap();
    web(&["pool", "backend", "delete"]).unwrap();
    assert!(!web(&["pools"]).unwrap().contains("backend"));
    for (words, reason) in [
        (&["pool", "backend"][..], "there is no pool"),
        (&["pool", "backend", "set"], "at least one server"),
        (&["pool", "backend", "set", "127.0.0.1:9001 slow"], "unknown option \"slow\""),
        (&["pool", "backend", "stop", "--what-if"], "omit --what-if"),
        (&["pool", "backend", "unit", "a b"], "service unit"),
        (&["location", "shop", "/api/", "ftp://backend"], "unknown protocol"),
        (&["location", "shop", "api", at], "URL path"),
    ] {
        let failure = web(words).unwrap_err().to_string();
        assert!(failure.contains(reason), "{words:?}: {failure}");
    }
}

#[test]
fn invalid_commands_change_nothing() {
    let Some(folder) = configuration() else { return };
    let web = |words: &[&str]| web(folder.path(), words).unwrap_err();
    let before = site_file(folder.path());
    assert!(web(&["site", "blog"]).to_string().contains("there is no site \"blog\""));
    assert!(matches!(web(&["site", "shop", "pause"]), Failure::Usage(_)));
    assert!(matches!(web(&["features", "shop", "color"]), Failure::Usage(_)));
    assert!(
        web(&["features", "shop", "redirect", r#"{"status": 200, "target": "/"}"#])
            .to_string()
            .contains("301")
    );
    assert!(matches!(web(&["rollback", "last"]), Failure::Usage(_)));
    // The validator rejects a format that the configuration does not define.
    let log = format!(r#"{{"access": {{"file": "{}/a.log", "format": "none"}}}}"#, folder.path().display());
    for words in
        [&["features", "shop", "logging", &log][..], &["features", "shop", "logging", &log, "--what-if"]]
    {
        let failure = web(words).to_string();
        assert!(failure.contains("unknown log format") && failure.contains("shop.conf:"), "{failure}");
    }
    assert_eq!(site_file(folder.path()), before);
}

/// Writes the configuration of an Apache with one site; `None`, with a record of the skipped test, without Apache.
fn apache_configuration() -> Option<TempDir> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let modules = "/usr/lib/apache2/modules";
    if !folders.any(|folder| folder.join("apache2").is_file()) || !Path::new(modules).is_dir() {
        skips::skip!("Apache is not installed");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let load = ["mpm_event", "authz_core", "alias", "dir"]
        .map(|name| format!("LoadModule {name}_module {modules}/mod_{name}.so\n"))
        .concat();
    let main = format!(
        "{load}PidFile {at}/pid\nErrorLog {at}/error.log\nServerName localhost\nListen 127.0.0.1:8080\n\
         IncludeOptional sites-enabled/*.conf\n"
    );
    fs::create_dir(folder.path().join("sites-enabled")).unwrap();
    fs::write(folder.path().join("apache2.conf"), main).unwrap();
    let site = format!(
        "<VirtualHost 127.0.0.1:8080>\n    # telarch-site: shop\n    ServerName shop.example\n    DocumentRoot {at}\n\
         </VirtualHost>\n"
    );
    fs::write(folder.path().join("sites-enabled/shop.conf"), site).unwrap();
    Some(folder)
}

#[test]
fn an_apache_is_managed_with_its_own_features() {
    let Some(folder) = apache_configuration() else { return };
    let at = folder.path().to_str().unwrap();
    let web = |words: &[&str]| {
        let words = [words, &["--apache", at, "--directory", at]].concat();
        run(&Arguments::parse_words(&WEB, &words).unwrap().expect("no request for help"))
    };
    let sites = web(&["sites"]).unwrap();
    assert!(sites.contains("shop  started  127.0.0.1:8080") && sites.contains("shop.example"), "{sites}");
    let features = web(&["features", "shop"]).unwrap();
    assert!(features.contains("redirect") && !features.contains("compression"), "{features}");
    let value = r#"{"status": 301, "target": "https://new.example/"}"#;
    let planned = web(&["features", "shop", "redirect", value, "--what-if"]).unwrap();
    assert!(planned.contains("+        Redirect 301 https://new.example/"), "{planned}");
    web(&["features", "shop", "redirect", value]).unwrap();
    let text = fs::read_to_string(folder.path().join("sites-enabled/shop.conf")).unwrap();
    assert!(
        text.contains("    <Location />\n        Redirect 301 https://new.example/\n    </Location>\n"),
        "{text}"
    );
    let both = Arguments::parse_words(&WEB, &["sites", "--apache", at, "--nginx", at]);
    assert!(run(&both.unwrap().expect("no request for help")).is_err());
}

#[test]
fn a_caddy_is_named_by_a_local_admin_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    let sites = |more: &[&str]| {
        let words = [&["sites", "--directory", at], more].concat();
        run(&Arguments::parse_words(&WEB, &words).unwrap().expect("no request for help"))
            .unwrap_err()
            .to_string()
    };
    assert!(sites(&["--caddy", "169.254.169.254:80"]).contains("loopback"));
    assert!(sites(&["--caddy", "localhost:2019", "--apache", at]).contains("exclude each other"));
    let missing = sites(&["--caddy", &format!("unix:{at}/admin.sock")]);
    if missing.contains("\"caddy\" does not exist") {
        skips::skip_part!("a web server is missing: apt-get install caddy");
    } else {
        assert!(missing.contains("systemctl start caddy") && missing.contains("admin.sock"), "{missing}");
    }
}

#[test]
fn content_is_deployed_listed_and_restored() {
    let Some(folder) = configuration() else { return };
    let (site, archive) = (folder.path().join("content"), folder.path().join("new.tar.gz"));
    fs::create_dir(&site).unwrap();
    fs::write(site.join("index.html"), "old").unwrap();
    let file = site_file(folder.path()).replace("root ", "root content/; # ");
    let file = file.replace("content/", site.to_str().unwrap());
    fs::write(folder.path().join("sites/shop.conf"), file).unwrap();
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("start.html"), "new").unwrap();
    let tar = std::process::Command::new("tar")
        .arg("-czf")
        .arg(&archive)
        .arg("-C")
        .arg(source.path())
        .arg(".")
        .status();
    assert!(tar.unwrap().success());
    let web = |words: &[&str]| web(folder.path(), words);
    let archive = archive.to_str().unwrap();
    let preview = web(&["deploy", "shop", archive, "--what-if"]).unwrap();
    assert_eq!(preview, "- index.html\n+ start.html\n");
    assert!(site.join("index.html").exists());
    let made = web(&["deploy", "shop", archive, "--message", "release 2"]).unwrap();
    assert!(made.ends_with("Deployment 1: 1 added, 0 changed, 1 removed\n"), "{made}");
    assert!(web(&["deploy", "shop", archive]).unwrap().contains("nothing was changed"));
    let list = web(&["deployments", "shop"]).unwrap();
    assert!(list.lines().count() == 2 && list.contains("release 2"), "{list}");
    web(&["deployments", "shop", "1", "restore"]).unwrap();
    assert_eq!(fs::read_to_string(site.join("index.html")).unwrap(), "old");
    let refused = web(&["deploy", "shop", "/etc/hostname"]).unwrap_err().to_string();
    assert!(refused.contains("neither ZIP nor tar"), "{refused}");
    assert!(web(&["deployments", "shop", "9", "restore"]).unwrap_err().to_string().contains("not stored"));
    assert!(matches!(web(&["deployments", "shop", "9"]), Err(Failure::Usage(_))));
}

#[test]
fn certificates_are_stored_used_and_deleted() {
    let Some(folder) = configuration() else { return };
    let run = |words: &[&str]| web(folder.path(), words);
    let file = |name: &str| folder.path().join("certificates").join(name);
    let preview = run(&["certificate", "own", "create", "shop.example", "192.0.2.7", "--what-if"]).unwrap();
    assert!(preview.contains("shop.example, 192.0.2.7") && preview.contains("own.key"), "{preview}");
    assert!(!file("own.key").exists(), "a preview stores nothing");
    run(&["certificate", "own", "create", "shop.example", "--days", "30", "--key-type", "rsa-2048"]).unwrap();
    assert!(fs::read_to_string(file("own.pem")).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let again = run(&["certificate", "own", "create", "shop.example"]).unwrap_err().to_string();
    assert!(again.contains("exists already"), "{again}");
    let request = run(&["certificate", "blog", "request", "blog.example"]).unwrap();
    assert!(request.contains("-----BEGIN CERTIFICATE REQUEST-----"), "{request}");
    // Certificate and key in one file, as programs of authorities write them.
    let both = folder.path().join("both.pem");
    let text = fs::read_to_string(file("own.key")).unwrap() + &fs::read_to_string(file("own.pem")).unwrap();
    fs::write(&both, text).unwrap();
    run(&["certificate", "copy", "import", both.to_str().unwrap()]).unwrap();
    assert_eq!(fs::read(file("copy.pem")).unwrap(), fs::read(file("own.pem")).unwrap());
    let value = serde_json::json!({ "certificate": file("own.pem"), "key": file("own.key") }).to_string();
    run(&["bind", "shop", "set", "https/127.0.0.1:8443:shop.example"]).unwrap_err();
    run(&["features", "shop", "ssl", &value]).unwrap();
    let used = run(&["certificate", "own", "delete"]).unwrap_err().to_string();
    assert!(used.contains("is used by shop"), "{used}");
    run(&["certificate", "copy", "delete", "--what-if"]).unwrap();
    assert!(file("copy.key").exists());
    run(&["certificate", "copy", "delete"]).unwrap();
    let list = run(&["certificates"]).unwrap();
    for text in ["own", "blog", "requested from an authority", "own.pem"] {
        assert!(list.contains(text), "{text}: {list}");
    }
    assert!(!list.contains("copy"), "{list}");
    for words in [
        &["certificate", "x", "create"] as &[&str],
        &["certificate", "../x", "create", "a"],
        &["certificate", "x", "create", "a", "--key-type", "dsa"],
        &["certificate", "x", "create", "a", "--days", "0"],
        &["certificate", "x", "import", "/nonexistent"],
    ] {
        run(words).unwrap_err();
    }
}
