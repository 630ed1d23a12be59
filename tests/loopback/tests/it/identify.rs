//! Tests of Identify.

use client::{Error, Session, Transport};
use telarch_loopback::{Loopback, User};

#[tokio::test]
async fn authenticated_identify_reports_the_system_and_the_schemes() {
    let service = Loopback::start().await;
    let over_https = service.over_https(User::Ada).build().unwrap();
    for session in [service.session(User::Ada), over_https] {
        let identity = session.identify().await.unwrap().identity;
        assert_eq!(identity.protocol_version, "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd");
        assert_eq!(identity.product_vendor, "Telarch");
        assert_eq!(identity.product_version, "OS: 6.1.0 SP: 0.0 Stack: 3.0");
        let basic = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/basic";
        assert!(
            identity.security_profiles.iter().any(|uri| uri == basic),
            "{:?}",
            identity.security_profiles
        );
    }
    service.close().await;
}

#[tokio::test]
async fn anonymous_identify_reports_only_the_protocol() {
    let service = Loopback::start().await;
    let anonymous = Session::builder(service.endpoint(Transport::Http, "127.0.0.1")).build().unwrap();
    for session in [anonymous, service.over_https(User::Ada).build().unwrap()] {
        let identity = session.identify_anonymous().await.unwrap().identity;
        assert_eq!(identity.product_version, "OS: 0.0.0 SP: 0.0 Stack: 3.0");
        assert_eq!(identity.security_profiles, Vec::<String>::new());
    }
    service.close().await;
}

#[tokio::test]
async fn identify_without_credentials_needs_the_anonymous_form() {
    let service = Loopback::start().await;
    let builder = Session::builder(service.endpoint(Transport::Https, "localhost"));
    let policy = client::TlsPolicy::new().ca_file(service.certificate_file());
    let session = builder.tls(policy).build().unwrap();
    let refused = session.identify().await.unwrap_err();
    assert!(matches!(refused, Error::AuthenticationFailed { tried: None, .. }), "{refused}");
    service.close().await;
}
