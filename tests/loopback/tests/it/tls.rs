//! Tests of the client's verification of server certificates.

use client::{Error, Locator, Session, Thumbprint, TlsError, TlsPolicy, Transport};
use telarch_loopback::{Loopback, SelfSigned, User};
use wsman::namespace;

use crate::uri;

/// Sends one request with a verification policy to a name of this machine. The certificate is for localhost only.
async fn ask(service: &Loopback, host: &str, policy: TlsPolicy) -> Result<(), Error> {
    let builder = Session::builder(service.endpoint(Transport::Https, host));
    let session = builder.credentials(User::Ada.credentials()).tls(policy).build().unwrap();
    session.get(&Locator::new(uri(namespace::CONFIG))).await.map(drop)
}

fn reason(outcome: Result<(), Error>) -> TlsError {
    match outcome {
        Err(Error::Tls { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(()) => panic!("the service was trusted"),
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_rejected_with_a_remedy() {
    let service = Loopback::start().await;
    let refused = ask(&service, "localhost", TlsPolicy::new()).await;
    let shown = refused.as_ref().unwrap_err().to_string();
    for word in ["localhost", "not signed by a trusted authority", "-ca", "-skipCAcheck"] {
        assert!(shown.contains(word), "{word} is not in: {shown}");
    }
    assert!(matches!(reason(refused), TlsError::Untrusted));
    ask(&service, "localhost", TlsPolicy::new().skip_ca()).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_wrong_name_is_rejected_and_the_valid_names_are_listed() {
    let service = Loopback::start().await;
    let trusting = TlsPolicy::new().ca_file(service.certificate_file());
    for policy in [TlsPolicy::new().skip_ca(), trusting.clone()] {
        let refused = ask(&service, "127.0.0.1", policy.clone()).await;
        let shown = refused.as_ref().unwrap_err().to_string();
        assert!(shown.contains("localhost") && shown.contains("-skipCNcheck"), "{shown}");
        let TlsError::WrongName { presented } = reason(refused) else { panic!("{shown}") };
        assert_eq!(presented, ["localhost"]);
        ask(&service, "127.0.0.1", policy.skip_name()).await.unwrap();
    }
    // Skipping one check does not skip others.
    let refused = ask(&service, "127.0.0.1", TlsPolicy::new().skip_name()).await;
    assert!(matches!(reason(refused), TlsError::Untrusted));
    service.close().await;
}

#[tokio::test]
async fn a_pinned_certificate_needs_no_authority_and_no_other_is_accepted() {
    let service = Loopback::start().await;
    let certificate = SelfSigned::of_this_process();
    let pin = |digits: &str| TlsPolicy::new().pin(Thumbprint::parse(digits).unwrap());
    let sha256 = certificate.sha256();
    ask(&service, "localhost", pin(&sha256)).await.unwrap();

    let last = if sha256.ends_with('0') { "1" } else { "0" };
    let other = sha256[..63].to_owned() + last;
    for policy in [pin(&other), pin(&other).skip_ca().ca_file(service.certificate_file())] {
        match reason(ask(&service, "localhost", policy).await) {
            TlsError::WrongPin { found } => assert_eq!(found, sha256),
            other => panic!("{other}"),
        }
    }
    // SHA-1 thumbprints identify certificates and are no proof.
    let sha1 = certificate.sha1();
    assert!(matches!(reason(ask(&service, "localhost", pin(&sha1)).await), TlsError::Untrusted));
    ask(&service, "localhost", pin(&sha1).skip_ca()).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn the_file_of_authorities_may_contain_the_certificate_itself() {
    let service = Loopback::start().await;
    ask(&service, "localhost", TlsPolicy::new().ca_file(service.certificate_file())).await.unwrap();
    let missing = service.home().join("missing.pem");
    let refused = reason(ask(&service, "localhost", TlsPolicy::new().ca_file(&missing)).await);
    assert!(matches!(&refused, TlsError::Authorities { path, .. } if *path == missing), "{refused}");
    service.close().await;
}

#[tokio::test]
async fn https_to_the_port_for_http_is_explained() {
    let service = Loopback::start().await;
    let port = service.http().port();
    let endpoint = client::Endpoint::new(Transport::Https, "localhost", port, "/wsman").unwrap();
    let builder = Session::builder(endpoint).tls(TlsPolicy::new().skip_ca());
    let session = builder.credentials(User::Ada.credentials()).build().unwrap();
    let refused = session.identify().await.map(drop);
    assert!(matches!(reason(refused), TlsError::NotTls));
    service.close().await;
}
