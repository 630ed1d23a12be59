//! Channel bindings at every level.

use auth::{AuthError, Step};
use telarch_kerberos::{ChannelBinding, KerberosError, Mismatch};
use telarch_peers::{Keys, PASSWORD, in_realm};

use super::{client, password, service, token};

#[test]
fn a_channel_binding_must_be_right_and_where_it_is_strict_be_there() {
    in_realm(
        "binding::a_channel_binding_must_be_right_and_where_it_is_strict_be_there",
        Keys::AesSha1,
        |_| {
            use ChannelBinding::{None as Unchecked, Relaxed, Strict};
            let ours = || b"tls-server-end-point:ours".to_vec();
            let (absent, different) = (Err(Mismatch::Absent), Err(Mismatch::Different));
            for (level, of_client, expected) in [
                (Unchecked, None, Ok(())),
                (Unchecked, Some(ours()), Ok(())),
                (Unchecked, Some(b"tls-server-end-point:else".to_vec()), Ok(())),
                (Relaxed(ours()), None, Ok(())),
                (Relaxed(ours()), Some(ours()), Ok(())),
                (Relaxed(ours()), Some(b"tls-server-end-point:else".to_vec()), different),
                (Relaxed(ours()), Some(Vec::new()), different),
                (Strict(ours()), None, absent),
                (Strict(ours()), Some(ours()), Ok(())),
                (Strict(ours()), Some(b"tls-server-end-point:else".to_vec()), different),
            ] {
                let shown = format!("{level:?} and {:?}", of_client.as_deref().map(String::from_utf8_lossy));
                let initiator = client(password(PASSWORD));
                let mut initiator = match of_client {
                    Some(binding) => initiator.channel_binding(binding),
                    None => initiator,
                };
                let token = token(&mut initiator).unwrap();
                let outcome = match service().acceptor(level).accept(&token) {
                    Ok(Step::Done { .. }) => Ok(()),
                    Ok(Step::Continue(_)) => panic!("one token is enough"),
                    Err(error) => {
                        assert_eq!(AuthError::from(&error), AuthError::ChannelBinding, "{shown}: {error}");
                        let KerberosError::ChannelBinding(mismatch) = error else {
                            panic!("{shown}: {error}")
                        };
                        Err(mismatch)
                    }
                };
                assert_eq!(outcome, expected, "{shown}");
            }
        },
    );
}
