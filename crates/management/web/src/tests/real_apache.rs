//! The API with an Apache of the system, which is not started: its options and features.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use management::Settings;
use serde_json::{Value, json};
use tempfile::TempDir;
use webserver::{Apache, ApacheOptions};

use super::real_nginx::tag;
use super::{Fixture, call, json_of, problem};

/// Writes the files of an Apache with one site.
fn configuration() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let load = ["mpm_event", "authz_core", "autoindex", "dir", "alias"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let main = format!(
        "{load}PidFile {at}/pid\nErrorLog {at}/error.log\nServerName localhost\nListen 127.0.0.1:8080\n\
         IncludeOptional sites-enabled/*.conf\n"
    );
    fs::create_dir(folder.path().join("sites-enabled")).unwrap();
    fs::write(folder.path().join("apache2.conf"), main).unwrap();
    let site = format!(
        "<VirtualHost 127.0.0.1:8080>\n    # telarch-site: shop\n    DocumentRoot {at}\n</VirtualHost>\n"
    );
    fs::write(folder.path().join("sites-enabled/shop.conf"), site).unwrap();
    folder
}

/// Makes the service; `None`, with a record of the skipped test, without Apache.
fn service(folder: &Path) -> Option<Fixture> {
    if !Path::new("/usr/sbin/apache2").is_file() || !Path::new("/usr/lib/apache2/modules").is_dir() {
        skips::skip!("Apache is not installed");
        return None;
    }
    Some(Fixture::with_web(Settings::default(), |history| {
        let options = ApacheOptions::of_folder(folder, history).unwrap();
        Some(Arc::new(Apache::open(&options).unwrap()))
    }))
}

#[test]
fn clients_learn_which_features_and_fields_apache_has() {
    let folder = configuration();
    let Some(fixture) = service(folder.path()) else { return };
    let admin = fixture.browser("admin");
    let get = fixture.send(&call("GET", "/web", &json!({}), &admin));
    assert_eq!(json_of(&get).pointer("/info/product"), Some(&json!("Apache")), "{get:?}");
    let capabilities = json_of(&get).pointer("/info/capabilities").cloned().unwrap();
    assert_eq!((&capabilities["pools"], &capabilities["default_site"]), (&json!(false), &json!(false)));
    let features = fixture.send(&call("GET", "/web/sites/shop/features", &json!({}), &admin));
    let listed = json_of(&features);
    let names: Vec<&Value> =
        listed["features"].as_array().unwrap().iter().map(|feature| &feature["feature"]).collect();
    assert!(names.contains(&&json!("directory-browsing")), "{names:?}");
    assert!(!names.contains(&&json!("response-headers")), "its module is not loaded: {names:?}");

    let path = "/web/sites/shop/features/directory-browsing";
    let feature = fixture.send(&call("GET", path, &json!({}), &admin));
    assert_eq!(json_of(&feature)["unsupported_fields"], json!(["format", "exact_size", "local_time"]));
    let admin = [admin, tag(&feature)].concat();
    let json = json!({ "feature": "directory-browsing", "enabled": true, "format": "json" });
    let refused = fixture.send(&call("PUT", path, &json, &admin));
    assert!(refused.status >= 400 && json_of(&refused).to_string().contains("format"), "{refused:?}");
    assert!(!problem(&refused).is_empty());
    let plain = json!({ "feature": "directory-browsing", "enabled": true });
    let preview = fixture.send(&call("PUT", &format!("{path}?dry_run=true"), &plain, &admin));
    assert_eq!(json_of(&preview).pointer("/validation/accepted"), Some(&json!(true)), "{preview:?}");
}
