//! The integration tests that pywinrm and pypsrp bring along, run by pytest against our service, with every scheme
//! that these clients have.
//!
//! They were written against Windows.
//! The tables list the replaced words: commands become those of POSIX and CRLF becomes LF, and where the service
//! answers in other words than Windows, the expected answer is replaced.

/// Makes a test of each way in that calls the function with it; those with Kerberos run in a realm with a ticket.
macro_rules! for_each_way {
    ($run:ident: $($name:ident = $way:ident,)+) => {
        $(#[test]
        fn $name() {
            let way = WayIn::$way;
            match way.scheme() {
                "kerberos" => in_realm_of(concat!(module_path!(), "::", stringify!($name)), || $run(way)),
                _ => $run(way),
            }
        })+
    };
}

mod pypsrp;
mod pywinrm;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use telarch_peers::{Holder, PASSWORD, Suite, Telarchd, USER, WayIn, map_certificates, served_pem};

use crate::realm::with_ticket;

/// A service, and the credentials with which a suite signs in to it.
struct Target {
    way: WayIn,
    service: Telarchd,
    /// For the scheme `certificate`.
    holder: Option<Holder>,
    folder: TempDir,
}

impl Target {
    fn start(way: WayIn) -> Self {
        let holder = (way == WayIn::CertificateOverHttps).then(holder);
        Self::of(way, Telarchd::start_for(way), holder)
    }

    fn of(way: WayIn, service: Telarchd, holder: Option<Holder>) -> Self {
        if let Some(holder) = &holder {
            map_certificates(&service, &holder.thumbprint(), "*");
        }
        Self { way, service, holder, folder: tempfile::tempdir().expect("a folder") }
    }

    /// Returns the host as the suite addresses it: tickets are for names only.
    fn host(&self) -> &'static str {
        if self.way.scheme() == "kerberos" { "localhost" } else { "127.0.0.1" }
    }

    fn url(&self) -> String {
        self.service.url(self.way).replace("127.0.0.1", self.host())
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a file with the certificate of the service.
    fn trusted_authorities(&self) -> String {
        let trusted = self.folder().join("trusted.pem");
        fs::write(&trusted, served_pem(self.service.https())).expect("a fresh folder");
        trusted.display().to_string()
    }
}

fn holder() -> Holder {
    Holder::self_signed("ada@corp.example")
}

fn as_variables<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Runs `body` in a new realm with a ticket. `path` is that of the test, with the name of the test program.
fn in_realm_of(path: &str, body: impl FnOnce()) {
    let (_, name) = path.split_once("::").expect("the path of a module");
    with_ticket(name, body);
}
