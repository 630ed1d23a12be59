//! Moving a context to another process.

use auth::SecurityContext as _;
use telarch_kerberos::{Context, KerberosError};
use telarch_peers::{Keys, in_realm};

use super::{contexts, library};

#[test]
fn an_exported_context_works_in_another_process() {
    in_realm("handover::an_exported_context_works_in_another_process", Keys::AesSha1, |realm| {
        std::fs::write(realm.path("handed over"), "").unwrap();
        let (mut service, mut client) = contexts();
        for text in [&b"before"[..], b"and again"] {
            let mut message = text.to_vec();
            let header = client.seal(&mut message).unwrap();
            service.unseal(&header, &mut message).unwrap();
        }
        let exported = service.export().unwrap();
        assert_eq!(format!("{exported:?}"), "Exported(…)");
        std::fs::remove_file(realm.keytab()).unwrap();

        let mut service = Context::import(&library(), exported.expose()).unwrap();
        assert!(service.can_seal());
        let mut message = b"after".to_vec();
        let header = client.seal(&mut message).unwrap();
        service.unseal(&header, &mut message).unwrap();
        assert_eq!(message, b"after");
        let mut answer = b"answer".to_vec();
        let header = service.seal(&mut answer).unwrap();
        client.unseal(&header, &mut answer).unwrap();
        assert_eq!(answer, b"answer");

        let exported = service.export().unwrap();
        let mut again = Context::import(&library(), exported.expose()).unwrap();
        let mut skipped = b"left out".to_vec();
        client.seal(&mut skipped).unwrap();
        let mut message = b"too early".to_vec();
        let header = client.seal(&mut message).unwrap();
        assert!(again.unseal(&header, &mut message).is_err(), "the sequence numbers are exported too");

        for octets in [&b""[..], b"\x00", &[2; 40], &[0; 40]] {
            let error = Context::import(&library(), octets).err();
            assert!(
                matches!(error, Some(KerberosError::Malformed { .. } | KerberosError::Other { .. })),
                "{error:?}"
            );
        }
    });
}
