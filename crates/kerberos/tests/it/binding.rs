//! Channel bindings at every hardening level.

use auth::{AuthError, Binding, ChannelBinding, Hardening, Step};
use telarch_kerberos::{KerberosError, Mismatch};
use telarch_peers::{Keys, PASSWORD, in_realm};

use super::{client, password, service, token};

#[test]
fn channel_bindings_are_verified_per_hardening_level() {
    in_realm("binding::channel_bindings_are_verified_per_hardening_level", Keys::AesSha1, |_| {
        use Hardening::{None as Unchecked, Relaxed, Strict};
        let expected = || ChannelBinding::tls_server_end_point(b"ours");
        let ours = || expected().application_data().to_vec();
        let (absent, different) = (Err(Mismatch::Absent), Err(Mismatch::Different));
        for (level, of_client, outcome) in [
            (Unchecked, None, Ok(())),
            (Unchecked, Some(ours()), Ok(())),
            (Unchecked, Some(b"tls-server-end-point:else".to_vec()), Ok(())),
            (Relaxed, None, Ok(())),
            (Relaxed, Some(ours()), Ok(())),
            (Relaxed, Some(b"tls-server-end-point:else".to_vec()), different),
            (Relaxed, Some(Vec::new()), different),
            (Strict, None, absent),
            (Strict, Some(ours()), Ok(())),
            (Strict, Some(b"tls-server-end-point:else".to_vec()), different),
        ] {
            let shown = format!("{level:?} and {:?}", of_client.as_deref().map(String::from_utf8_lossy));
            let initiator = client(password(PASSWORD));
            let mut initiator = match of_client {
                Some(binding) => initiator.channel_binding(binding),
                None => initiator,
            };
            let token = token(&mut initiator).unwrap();
            let seen = match service().acceptor(Binding { level, expected: Some(expected()) }).accept(&token)
            {
                Ok(Step::Done { .. }) => Ok(()),
                Ok(Step::Continue(_)) => panic!("more than one token required"),
                Err(error) => {
                    assert_eq!(AuthError::from(&error), AuthError::ChannelBinding, "{shown}: {error}");
                    let KerberosError::ChannelBinding(mismatch) = error else { panic!("{shown}: {error}") };
                    Err(mismatch)
                }
            };
            assert_eq!(seen, outcome, "{shown}");
        }
    });
}
