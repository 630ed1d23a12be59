//! Every scheme against every client that has it: that it lets in, keeps out, and carries messages.

use std::time::Duration;

use serde_json::Value;
use telarch_peers::{PASSWORD, Peer, Remote, Run, Telarchd, WayIn};

/// Makes the tests of this module for a peer and the ways in that it has.
macro_rules! sign_in_tests {
    ($peer:ident: $($way:ident = $variant:ident),+ $(,)?) => {
        $(mod $way {
            #[test]
            fn a_command_runs_and_both_streams_come_back() {
                super::super::a_command_runs_and_both_streams_come_back::<telarch_peers::$peer>(telarch_peers::WayIn::$variant);
            }

            #[test]
            fn large_messages_go_both_ways_unchanged() {
                super::super::large_messages_go_both_ways_unchanged::<telarch_peers::$peer>(telarch_peers::WayIn::$variant);
            }

            #[test]
            fn faults_and_commands_without_output_are_handled() {
                super::super::faults_and_commands_without_output_are_handled::<telarch_peers::$peer>(telarch_peers::WayIn::$variant);
            }

            #[test]
            fn a_wrong_password_is_refused() {
                super::super::a_wrong_password_is_refused::<telarch_peers::$peer>(telarch_peers::WayIn::$variant);
            }

            #[test]
            fn a_scheme_that_is_switched_off_is_refused() {
                super::super::a_scheme_that_is_switched_off_is_refused::<telarch_peers::$peer>(telarch_peers::WayIn::$variant);
            }
        })+
    };
}

mod pywinrm {
    sign_in_tests! { Pywinrm:
        ntlm_over_http = NtlmOverHttp,
        ntlm_over_https = NtlmOverHttps,
        ntlm_sealed_over_https = NtlmSealedOverHttps,
        credssp_over_http = CredSspOverHttp,
        credssp_over_https = CredSspOverHttps,
    }
}

mod pypsrp {
    sign_in_tests! { Pypsrp:
        ntlm_over_http = NtlmOverHttp,
        ntlm_over_https = NtlmOverHttps,
        ntlm_sealed_over_https = NtlmSealedOverHttps,
        negotiate_over_http = NegotiateOverHttp,
        negotiate_over_https = NegotiateOverHttps,
        credssp_over_http = CredSspOverHttp,
        credssp_over_https = CredSspOverHttps,
    }
}

/// Only what is sealed or in TLS is taken; nothing else is allowed here.
fn a_command_runs_and_both_streams_come_back<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = P::against(&service, way).run("echo out; echo err 1>&2; exit 7");
    assert_eq!(run.text(), ("out\n", "err\n", 7));
}

/// Larger than one TLS record, so that CredSSP has to send parts.
fn large_messages_go_both_ways_unchanged<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let input: Vec<u8> = (0..=255).cycle().take(120_000).collect();
    let run = P::against(&service, way).run(Remote::new("cat").input(&input));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout == input, "{} octets came back", run.stdout.len());
}

/// The counters of both ends stay in step over many messages of all kinds.
fn faults_and_commands_without_output_are_handled<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let peer = P::against(&service, way);
    let refusal = peer.ask("receive_from_unknown_command", Value::Null).expect_err("there is none");
    assert!(refusal.fault_code.is_some(), "{refusal:?}");
    let run: Run = peer.run(Remote::new("sleep 2; echo late").operation_timeout(Duration::from_secs(1)));
    assert_eq!(run.text(), ("late\n", "", 0));
    assert!(run.operation_timeouts > 0, "{run:?}");
}

fn a_wrong_password_is_refused<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let refusal = P::against(&service, way).with_password("other").ask("max_envelope_size_kb", Value::Null);
    let refusal = refusal.expect_err("it is the wrong password");
    assert!(refusal.fault_code.is_none(), "nobody who is not let in is told of faults: {refusal:?}");
    let log = service.logged(&["Sign-in failed"]);
    assert!(!log.contains(PASSWORD), "{log}");
}

fn a_scheme_that_is_switched_off_is_refused<P: Peer>(way: WayIn) {
    let off = match way.scheme() {
        "credssp" => ("Service.Auth.CredSSP", "false"),
        _ => ("Service.Auth.Negotiate", "false"),
    };
    let service = Telarchd::start(&[off]);
    let refusal = P::against(&service, way).ask("max_envelope_size_kb", Value::Null);
    assert!(refusal.is_err(), "{refusal:?}");
}
