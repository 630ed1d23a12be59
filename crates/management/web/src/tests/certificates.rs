//! Certificates for sites, with OpenSSL as the other side.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use management::Settings;
use serde_json::{Value, json};
use webserver::{Nginx, NginxOptions};

use super::{Fixture, call, json_of, problem};
use crate::reply::Reply;

/// The service with the configuration of an nginx that does not run.
struct Served {
    fixture: Fixture,
    folder: tempfile::TempDir,
    browser: Vec<(String, String)>,
}

impl Served {
    /// Returns `None`, with a record of the skipped test, without nginx.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("nginx.conf"), "events {}\nhttp {\n}\n").unwrap();
        let options = NginxOptions::of_folder(folder.path(), &folder.path().join("history"));
        let Ok(nginx) = options.and_then(|options| Nginx::open(&options)) else {
            skips::skip!("nginx is not installed");
            return None;
        };
        let fixture = Fixture::with_web(Settings::default(), |_| Some(std::sync::Arc::new(nginx)));
        let browser = fixture.browser("admin");
        Some(Self { fixture, folder, browser })
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.fixture.send(&call(method, path, body, &self.browser))
    }

    fn created(&self, body: &Value) -> Value {
        let reply = self.send("POST", "/web/certificates", body);
        assert_eq!(reply.status, 201, "{body}: {:?}", json_of(&reply));
        json_of(&reply)
    }

    /// Returns the description of a refusal.
    fn refused(&self, body: &Value) -> (u16, String) {
        let reply = self.send("POST", "/web/certificates", body);
        (reply.status, json_of(&reply)["detail"].as_str().unwrap_or_default().to_owned())
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("certificates").join(name)
    }
}

/// Runs OpenSSL in a folder, which must succeed.
fn openssl(folder: &Path, arguments: &str) -> String {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn certificates_are_created_requested_imported_and_deleted() {
    let Some(served) = Served::start() else { return };
    let own =
        json!({ "kind": "self-signed", "name": "shop", "names": ["shop.example", "192.0.2.7"], "days": 90 });
    let preview = served.send("POST", "/web/certificates?dry_run=true", &own);
    assert_eq!((preview.status, served.file("shop.key").exists()), (200, false));
    assert_eq!(json_of(&preview)["content"]["Ok"]["names"], json!(["shop.example", "192.0.2.7"]));
    let stored = served.created(&own);
    assert_eq!(stored["content"]["Ok"]["names"], json!(["shop.example", "192.0.2.7"]), "{stored}");
    let mode = |name: &str| fs::metadata(served.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("shop.key"), mode("shop.pem")), (0o600, 0o644));
    assert_eq!(served.refused(&own).0, 409, "the name is used");

    // A request that an authority of OpenSSL issues.
    let requested = served.created(&json!({ "kind": "request", "name": "blog", "names": ["blog.example"] }));
    assert!(requested["certificate"].is_null() && requested["key"].is_string(), "{requested}");
    let authority = tempfile::tempdir().unwrap();
    fs::write(authority.path().join("blog.csr"), requested["request"].as_str().unwrap()).unwrap();
    openssl(
        authority.path(),
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2",
    );
    let text = openssl(authority.path(), "req -in blog.csr -verify -noout -text");
    assert!(text.contains("DNS:blog.example"), "{text}");
    openssl(
        authority.path(),
        "x509 -req -in blog.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2 -out blog.pem",
    );
    let issued = fs::read_to_string(authority.path().join("blog.pem")).unwrap();
    let other = served.refused(&json!({ "kind": "pem", "name": "none", "certificate": issued }));
    assert!(other.0 == 400 && other.1.contains("no key is stored"), "{other:?}");
    let imported = served.created(&json!({ "kind": "pem", "name": "blog", "certificate": issued }));
    assert!(imported["content"]["Ok"]["issuer"].as_str().unwrap().contains("authority"), "{imported}");

    // A key of another certificate.
    let key = fs::read_to_string(served.file("shop.key")).unwrap();
    let wrong = served.refused(&json!({ "kind": "pem", "name": "wrong", "certificate": issued, "key": key }));
    assert!(wrong.0 == 400 && wrong.1.contains("cannot be used together"), "{wrong:?}");

    // Files of Windows and of older programs.
    for (name, more) in [("new", ""), ("old", " -legacy")] {
        let export = format!(
            "pkcs12 -export -inkey ca.key -in ca.pem -out {name}.pfx -passout pass:secret -name site{more}"
        );
        openssl(authority.path(), &export);
        let data = STANDARD.encode(fs::read(authority.path().join(format!("{name}.pfx"))).unwrap());
        let body =
            |password: &str| json!({ "kind": "pfx", "name": name, "data": data, "password": password });
        let wrong = served.refused(&body("wrong"));
        assert!(wrong.0 == 400 && wrong.1.contains("check the password"), "{wrong:?}");
        let imported = served.created(&body("secret"));
        assert!(imported["content"]["Ok"]["subject"].as_str().unwrap().contains("authority"), "{imported}");
        assert!(
            openssl(
                authority.path(),
                &format!("pkey -in {} -noout -text", served.file(&format!("{name}.key")).display())
            )
            .contains("2048 bit")
        );
    }

    let list = json_of(&served.send("GET", "/web/certificates", &Value::Null));
    let names: Vec<&str> =
        list["stored"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["blog", "new", "old", "shop"]);
    assert_eq!(served.send("DELETE", "/web/certificates/new", &Value::Null).status, 204);
    assert!(!served.file("new.key").exists() && !served.file("new.pem").exists());
    assert_eq!(served.send("DELETE", "/web/certificates/new", &Value::Null).status, 404);
    for (body, reason) in [
        (
            json!({ "kind": "self-signed", "name": "../x", "names": ["a"], "days": 1 }),
            "name of a certificate",
        ),
        (json!({ "kind": "self-signed", "name": "x", "names": [], "days": 1 }), "host names"),
        (json!({ "kind": "self-signed", "name": "x", "names": ["a"], "days": 9_999 }), "days"),
        (json!({ "kind": "pem", "name": "x", "certificate": "text", "key": "text" }), "cannot be read"),
        (json!({ "kind": "pfx", "name": "x", "data": "*", "password": "" }), "Base64"),
    ] {
        let refused = served.refused(&body);
        assert!(refused.0 == 400 && refused.1.contains(reason), "{body}: {refused:?}");
    }
}

#[test]
fn a_certificate_in_use_is_not_deleted() {
    let Some(served) = Served::start() else { return };
    served.created(&json!({ "kind": "self-signed", "name": "shop", "names": ["shop.example"], "days": 2 }));
    let (certificate, key) = (served.file("shop.pem"), served.file("shop.key"));
    let site = format!(
        "events {{}}\nhttp {{\n    server {{\n        # telarch-site: shop\n        listen 127.0.0.1:8443 ssl;\n        \
         ssl_certificate {};\n        ssl_certificate_key {};\n    }}\n}}\n",
        certificate.display(),
        key.display()
    );
    fs::write(served.folder.path().join("nginx.conf"), site).unwrap();
    let reply = served.send("DELETE", "/web/certificates/shop", &Value::Null);
    assert_eq!((reply.status, problem(&reply)), (409, "in-use".to_owned()));
    assert!(json_of(&reply)["detail"].as_str().unwrap().contains("used by shop") && key.exists());
}
