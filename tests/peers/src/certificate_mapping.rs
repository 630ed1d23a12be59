//! Mappings of client certificates to accounts, as administrators create them: with `winrm`.

use crate::programs::Winrm;
use crate::telarchd::{PASSWORD, Telarchd, USER};
use crate::way_in::WayIn;

/// Resource of the mappings.
pub const CERTIFICATE_MAPPINGS: &str = "winrm/config/service/certmapping";

/// Maps certificates of an issuer, or a self-signed one, to the account that every service of these tests knows.
///
/// # Panics
///
/// When the service refuses.
pub fn map_certificates(service: &Telarchd, issuer: &str, subject: &str) {
    let body = format!("@{{UserName=\"{USER}\";Password=\"{PASSWORD}\"}}");
    let run = Winrm::against(service, WayIn::BasicOverHttps).run(&[
        "create",
        &certificate_mapping(issuer, subject),
        &body,
    ]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stderr, code), ("", 0), "{run:?}");
    assert!(stdout.starts_with("ResourceCreated\n"), "{run:?}");
}

/// Returns the resource of one mapping, which applies to every URI.
#[must_use]
pub fn certificate_mapping(issuer: &str, subject: &str) -> String {
    format!("{CERTIFICATE_MAPPINGS}?Issuer={issuer}+Subject={subject}+URI=*")
}
