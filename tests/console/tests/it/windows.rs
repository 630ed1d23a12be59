//! A Windows machine with IIS, which serves instances made from the documentation. nginx in front of it has TLS and asks for
//! the password.

#[path = "../../../../crates/cli/tests/it/service.rs"]
#[allow(dead_code)] // Other tests use the rest.
mod service;
#[path = "../../../../crates/iis/tests/it/web_administration.rs"]
#[allow(dead_code, clippy::unwrap_used)] // Other tests use the rest; a panic is a failure of the test.
mod web_administration;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use telarch_peers::{PASSWORD, USER};

use self::service::{Request, Service};
use self::web_administration::Windows;
use crate::machine::{Nginx, nginx_program};

/// A Windows machine with IIS.
pub(crate) struct WindowsMachine {
    pub(crate) iis: Windows,
    _front: Nginx,
    pub(crate) url: String,
}

impl WindowsMachine {
    pub(crate) fn start() -> Self {
        let instances = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/iis/tests/instances");
        let iis = Windows::new(&instances);
        let known = iis.clone();
        let service = Service::start(move |request: &Request| match request.action.as_str() {
            "" => (200, IDENTITY.to_owned()),
            _ => known.answer(request),
        });
        let folder = tempfile::tempdir().expect("a directory");
        let at = folder.path().display();
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        let certificate = certificate.self_signed(&key).expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("    {kind}_temp_path {at}/{kind};\n"))
            .concat();
        // Workers of an nginx that root starts are another user, who cannot read the directory.
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        let configuration = format!(
            "{user}pid {at}/nginx.pid;\nerror_log {at}/error.log;\nevents {{}}\nhttp {{\n    access_log off;\n{temporary}    \
             server {{\n        listen 127.0.0.1:{port} ssl;\n        ssl_certificate {at}/tls.pem;\n        \
             ssl_certificate_key {at}/tls.key;\n        auth_basic WSMAN;\n        auth_basic_user_file {at}/users;\n        \
             location / {{\n            proxy_pass http://127.0.0.1:{};\n        }}\n    }}\n}}\n",
            service.port
        );
        for (name, text) in [
            ("tls.pem", certificate.pem()),
            ("tls.key", key.serialize_pem()),
            ("users", format!("{USER}:{}\n", password_hash())),
            ("nginx.conf", configuration),
        ] {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        let program = nginx_program().expect("the console's own nginx runs");
        let front = Nginx::run(&program, folder, listener);
        Self { iis, _front: front, url: format!("https://127.0.0.1:{port}") }
    }
}

/// Returns the hash of the password for nginx.
fn password_hash() -> String {
    let output = Command::new("openssl").args(["passwd", "-apr1", PASSWORD]).output().expect("openssl");
    String::from_utf8(output.stdout).expect("a hash").trim().to_owned()
}

/// Answer to Identify.
const IDENTITY: &str = "<i:IdentifyResponse xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
    <i:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</i:ProtocolVersion>\
    <i:ProductVendor>Microsoft Corporation</i:ProductVendor>\
    <i:ProductVersion>OS: 10.0.20348 SP: 0.0 Stack: 3.0</i:ProductVersion></i:IdentifyResponse>";
