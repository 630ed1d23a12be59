//! Applications with other protocols than HTTP: PHP over FastCGI, and servers with TLS.

use ports::free_port;
use telarch_webserver::{Change, LocationContent, NewLocation, PoolMember, PoolName, ProxyProtocol, UrlPath};

use crate::fixture::{Fixture, Product, listener, site, status};
use crate::php_fpm::PhpFpm;

/// Returns the changes that create a pool with one server, and an application at `/app/`.
fn application(protocol: ProxyProtocol, port: u16) -> [Change; 2] {
    let pool = PoolName::parse("backend").unwrap();
    let member = PoolMember { address: listener(port).address, weight: None, backup: false, down: false };
    let path = UrlPath::parse("/app/").unwrap();
    let location = NewLocation::Application { protocol, pool: pool.clone(), path: None };
    [
        Change::PutPool { pool, members: vec![member] },
        Change::PutLocation { site: site("main"), path, location },
    ]
}

/// Returns the protocol of the application at `/app/`.
fn protocol_of(fixture: &Fixture) -> String {
    let snapshot = fixture.server.snapshot().unwrap();
    let main = snapshot.sites.iter().find(|found| found.id.as_str() == "main").unwrap();
    let found = main.locations.iter().find(|location| location.path == "/app/");
    match found.map(|location| &location.content) {
        Some(LocationContent::Application { protocol, .. }) => protocol.clone(),
        other => panic!("/app/ is no application: {other:?}"),
    }
}

pub(super) fn applications_with_fastcgi_run_scripts(product: Product) {
    let Some(fixture) = product.start() else { return };
    if !fixture.server.info().capabilities.application_protocols.contains(&ProxyProtocol::Fastcgi) {
        return;
    }
    let port = free_port();
    let Some(_php) = PhpFpm::start(&fixture.path(""), port) else { return };
    fixture.put("www/main/app/sum.php", "<?php echo $_SERVER['SCRIPT_NAME'], ' ', $_GET['a'] + $_GET['b'];");
    fixture.put("www/main/app/plain.txt", "not a script");
    if product == Product::Nginx {
        let parameters = "/etc/nginx/fastcgi.conf";
        match std::fs::read_to_string(parameters) {
            Ok(text) => fixture.put("conf/fastcgi.conf", &text),
            Err(_) => return skips::skip!("fastcgi.conf is missing: apt-get install nginx-common"),
        }
    }
    fixture.change(&application(ProxyProtocol::Fastcgi, port));
    assert_eq!(protocol_of(&fixture), "fastcgi");
    let (head, body) = fixture.get("/app/sum.php?a=40&b=2");
    // The body may have chunks.
    assert!(status(&head) == 200 && body.contains("/app/sum.php 42"), "{head}\n{body}");
    // PHP runs only files with its extension.
    assert_eq!(status(&fixture.get("/app/plain.txt").0), 403);
    assert_eq!(status(&fixture.get("/app/missing.php").0), 404);
    assert_eq!(fixture.get("/").1, "main page");
}

pub(super) fn applications_with_https_reach_their_servers(product: Product) {
    let Some(fixture) = product.start() else { return };
    if !fixture.server.info().capabilities.application_protocols.contains(&ProxyProtocol::Https) {
        return;
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    // Caddy verifies the certificates of its servers, and trusts the authorities in this file.
    fixture.put("authorities.pem", &certificate.pem());
    fixture.put("tls.key", &key.serialize_pem());
    let port = free_port();
    let Change::CreateSite(mut new) = fixture.new_site("backend", port, "x") else { unreachable!() };
    new.listeners[0].tls = true;
    (new.certificate, new.key) =
        (Some(fixture.file_path("authorities.pem")), Some(fixture.file_path("tls.key")));
    fixture.put("www/backend/app/page.txt", "over TLS");
    let [pool, location] = application(ProxyProtocol::Https, port);
    fixture.change(&[Change::CreateSite(new), pool, location]);
    assert_eq!(protocol_of(&fixture), "https");
    let (head, body) = fixture.get("/app/page.txt");
    assert_eq!((status(&head), body.as_str()), (200, "over TLS"), "{head}");
}
