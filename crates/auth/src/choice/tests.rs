use super::ClientScheme::{Basic, Certificate, CredSsp, Digest, Negotiate};
use super::*;

const KERBEROS: ClientScheme = ClientScheme::Kerberos;
const NOBODY: ClientScheme = ClientScheme::None;

/// Name and password, HTTP, an untrusted host with a name, no Kerberos; `Client/Auth` allows everything.
fn usual() -> Situation {
    Situation {
        explicit: None,
        credentials: Credentials::Password,
        kerberos: Kerberos::Absent,
        target: Target::Name,
        transport: Transport::Http,
        trust: Trust::Unlisted,
        allowed: [Basic, Digest, Negotiate, KERBEROS, Certificate, CredSsp].into(),
        offered: None,
        failed: BTreeSet::new(),
        automatic_basic: AutomaticBasic::Allowed,
        unencrypted: Unencrypted::Refused,
        sealing: Sealing::Wanted,
    }
}

fn chosen(situation: &Situation) -> Result<(ClientScheme, Ntlm, Protection), Vec<(ClientScheme, Obstacle)>> {
    choose(situation)
        .map(|choice| (choice.scheme, choice.ntlm, choice.protection))
        .map_err(|refusal| refusal.considered)
}

#[test]
fn the_default_scheme_depends_on_credentials_ticket_and_host() {
    use Credentials::{Ambient, Password};
    use Kerberos::{Absent, Configured, Ticket};
    use Target::{Address, Name, ThisMachine};
    use Trust::{Listed, Unlisted};
    let sealed = |scheme, ntlm| Ok((scheme, ntlm, Protection::Sealed));
    let both = |first, second| Err(vec![(Negotiate, first), (KERBEROS, second)]);
    for (credentials, kerberos, target, trust, expected) in [
        (Ambient, Ticket, Name, Unlisted, sealed(KERBEROS, Ntlm::Forbidden)),
        (Ambient, Ticket, Name, Listed, sealed(KERBEROS, Ntlm::Forbidden)),
        (Ambient, Ticket, ThisMachine, Unlisted, sealed(Negotiate, Ntlm::Forbidden)),
        (Ambient, Ticket, Address, Listed, both(Obstacle::NeedsName, Obstacle::NeedsName)),
        (Ambient, Configured, Name, Listed, both(Obstacle::NoTicket, Obstacle::NoTicket)),
        (Ambient, Absent, Name, Listed, both(Obstacle::NoKerberos, Obstacle::NoKerberos)),
        (Password, Absent, Name, Listed, sealed(Negotiate, Ntlm::Allowed)),
        (Password, Absent, Address, Listed, sealed(Negotiate, Ntlm::Allowed)),
        (Password, Absent, ThisMachine, Unlisted, sealed(Negotiate, Ntlm::Allowed)),
        (Password, Absent, Name, Unlisted, both(Obstacle::NotTrusted, Obstacle::NoKerberos)),
        (Password, Absent, Address, Unlisted, both(Obstacle::NotTrusted, Obstacle::NeedsName)),
        (Password, Configured, Address, Unlisted, both(Obstacle::NotTrusted, Obstacle::NeedsName)),
        (Password, Configured, Name, Unlisted, sealed(Negotiate, Ntlm::Forbidden)),
        (Password, Ticket, Name, Unlisted, sealed(Negotiate, Ntlm::Forbidden)),
        (Password, Ticket, Name, Listed, sealed(Negotiate, Ntlm::Allowed)),
    ] {
        let situation = Situation { credentials, kerberos, target, trust, ..usual() };
        assert_eq!(chosen(&situation), expected, "{credentials:?} {kerberos:?} {target:?} {trust:?}");
    }
}

#[test]
fn https_requires_no_trusted_host() {
    let https = Situation { transport: Transport::Https, ..usual() };
    for (explicit, credentials, scheme, ntlm) in [
        (None, Credentials::Password, Negotiate, Ntlm::Allowed),
        (Some(Basic), Credentials::Password, Basic, Ntlm::Forbidden),
        (Some(Digest), Credentials::Password, Digest, Ntlm::Forbidden),
        (Some(CredSsp), Credentials::Password, CredSsp, Ntlm::Allowed),
        (None, Credentials::Certificate, Certificate, Ntlm::Forbidden),
        (Some(NOBODY), Credentials::Ambient, NOBODY, Ntlm::Forbidden),
    ] {
        for target in [Target::Name, Target::Address, Target::ThisMachine] {
            for sealing in [Sealing::Wanted, Sealing::Off] {
                let situation = Situation { explicit, credentials, target, sealing, ..https.clone() };
                assert_eq!(chosen(&situation), Ok((scheme, ntlm, Protection::Tls)), "{situation:?}");
            }
        }
    }
}

#[test]
fn unencrypted_messages_require_allow_unencrypted_and_trust() {
    use Trust::{Listed, Unlisted};
    use Unencrypted::{Allowed, Refused};
    for scheme in [Basic, Digest] {
        for (unencrypted, trust, target, obstacle) in [
            (Refused, Listed, Target::Name, Some(Obstacle::Unencrypted)),
            (Refused, Listed, Target::ThisMachine, Some(Obstacle::Unencrypted)),
            (Allowed, Unlisted, Target::Name, Some(Obstacle::NotTrusted)),
            (Allowed, Unlisted, Target::Address, Some(Obstacle::NotTrusted)),
            (Allowed, Unlisted, Target::ThisMachine, None),
            (Allowed, Listed, Target::Name, None),
        ] {
            let situation = Situation { explicit: Some(scheme), unencrypted, trust, target, ..usual() };
            let expected = match obstacle {
                Some(obstacle) => Err(vec![(scheme, obstacle)]),
                None => Ok((scheme, Ntlm::Forbidden, Protection::Plain)),
            };
            assert_eq!(chosen(&situation), expected, "{situation:?}");
        }
    }
    for (unencrypted, expected) in [
        (Refused, Err(vec![(Negotiate, Obstacle::Unencrypted)])),
        (Allowed, Ok((Negotiate, Ntlm::Allowed, Protection::Plain))),
    ] {
        let situation = Situation {
            explicit: Some(Negotiate),
            sealing: Sealing::Off,
            trust: Listed,
            unencrypted,
            ..usual()
        };
        assert_eq!(chosen(&situation), expected);
    }
}

#[test]
fn an_explicit_scheme_is_used_or_refused() {
    let ticket = Situation { kerberos: Kerberos::Ticket, credentials: Credentials::Ambient, ..usual() };
    let explicit = |scheme, base: &Situation| Situation { explicit: Some(scheme), ..base.clone() };
    for (situation, expected) in [
        (explicit(KERBEROS, &ticket), Ok((KERBEROS, Ntlm::Forbidden, Protection::Sealed))),
        (explicit(Negotiate, &ticket), Ok((Negotiate, Ntlm::Forbidden, Protection::Sealed))),
        (
            Situation { target: Target::ThisMachine, ..explicit(KERBEROS, &ticket) },
            Ok((KERBEROS, Ntlm::Forbidden, Protection::Sealed)),
        ),
        (
            Situation { target: Target::Address, trust: Trust::Listed, ..explicit(KERBEROS, &ticket) },
            Err(vec![(KERBEROS, Obstacle::NeedsName)]),
        ),
        (
            Situation { trust: Trust::Listed, ..explicit(KERBEROS, &usual()) },
            Err(vec![(KERBEROS, Obstacle::NoKerberos)]),
        ),
        (explicit(Basic, &ticket), Err(vec![(Basic, Obstacle::NoPassword)])),
        (explicit(Digest, &ticket), Err(vec![(Digest, Obstacle::NoPassword)])),
        (explicit(CredSsp, &ticket), Err(vec![(CredSsp, Obstacle::NoPassword)])),
        (explicit(CredSsp, &usual()), Err(vec![(CredSsp, Obstacle::NotTrusted)])),
        (explicit(Certificate, &usual()), Err(vec![(Certificate, Obstacle::NoCertificate)])),
        (
            Situation { credentials: Credentials::Certificate, ..usual() },
            Err(vec![(Certificate, Obstacle::NeedsHttps)]),
        ),
        (
            Situation { credentials: Credentials::Certificate, ..explicit(Negotiate, &ticket) },
            Err(vec![(Negotiate, Obstacle::CertificateGiven)]),
        ),
        (
            Situation { credentials: Credentials::Certificate, ..explicit(KERBEROS, &ticket) },
            Err(vec![(KERBEROS, Obstacle::CertificateGiven)]),
        ),
        (explicit(NOBODY, &usual()), Ok((NOBODY, Ntlm::Forbidden, Protection::Plain))),
    ] {
        assert_eq!(chosen(&situation), expected, "{situation:?}");
    }
}

#[test]
fn disabled_or_unoffered_schemes_are_skipped_unless_explicit() {
    let ticket = Situation { kerberos: Kerberos::Ticket, credentials: Credentials::Ambient, ..usual() };
    let without = |scheme: ClientScheme, base: &Situation| {
        let mut situation = base.clone();
        situation.allowed.remove(&scheme);
        situation
    };
    let offering = |offered: &[ClientScheme], base: &Situation| Situation {
        offered: Some(offered.iter().copied().collect()),
        ..base.clone()
    };
    let trusted = Situation { trust: Trust::Listed, ..usual() };
    for (situation, expected) in [
        (without(KERBEROS, &ticket), Ok((Negotiate, Ntlm::Forbidden, Protection::Sealed))),
        (offering(&[Negotiate, Basic], &ticket), Ok((Negotiate, Ntlm::Forbidden, Protection::Sealed))),
        (offering(&[KERBEROS], &ticket), Ok((KERBEROS, Ntlm::Forbidden, Protection::Sealed))),
        (
            offering(&[KERBEROS], &Situation { credentials: Credentials::Password, ..ticket.clone() }),
            Ok((KERBEROS, Ntlm::Forbidden, Protection::Sealed)),
        ),
        (
            offering(&[Basic], &trusted),
            Err(vec![(Negotiate, Obstacle::NotOffered), (KERBEROS, Obstacle::NotOffered)]),
        ),
        (
            without(Negotiate, &trusted),
            Err(vec![(Negotiate, Obstacle::Disabled), (KERBEROS, Obstacle::NoKerberos)]),
        ),
        (
            Situation { explicit: Some(KERBEROS), ..offering(&[Negotiate], &ticket) },
            Err(vec![(KERBEROS, Obstacle::NotOffered)]),
        ),
        (
            Situation { explicit: Some(Basic), ..without(Basic, &trusted) },
            Err(vec![(Basic, Obstacle::Disabled)]),
        ),
        (
            Situation { explicit: Some(NOBODY), ..offering(&[], &trusted) },
            Ok((NOBODY, Ntlm::Forbidden, Protection::Plain)),
        ),
    ] {
        assert_eq!(chosen(&situation), expected, "{situation:?}");
    }
    let certificate = Situation {
        credentials: Credentials::Certificate,
        transport: Transport::Https,
        ..offering(&[Negotiate], &usual())
    };
    assert_eq!(chosen(&certificate), Ok((Certificate, Ntlm::Forbidden, Protection::Tls)));
}

#[test]
fn basic_is_chosen_without_a_request_only_for_a_verified_host_over_https() {
    let https = Situation { transport: Transport::Https, offered: Some([Basic].into()), ..usual() };
    assert_eq!(chosen(&https), Ok((Basic, Ntlm::Forbidden, Protection::Tls)));
    let refused = |situation: &Situation| chosen(situation).unwrap_err().last().copied();
    for (automatic_basic, obstacle) in [
        (AutomaticBasic::HostUnverified, Obstacle::HostUnverified),
        (AutomaticBasic::DelegationRequired, Obstacle::CannotDelegate),
    ] {
        let situation = Situation { automatic_basic, ..https.clone() };
        assert_eq!(refused(&situation), Some((Basic, obstacle)));
        let explicit = Situation { explicit: Some(Basic), ..situation };
        assert_eq!(chosen(&explicit), Ok((Basic, Ntlm::Forbidden, Protection::Tls)));
    }
    let disabled = Situation { allowed: [Negotiate, KERBEROS].into(), ..https.clone() };
    assert_eq!(refused(&disabled), Some((Basic, Obstacle::Disabled)));
    let http = Situation {
        transport: Transport::Http,
        trust: Trust::Listed,
        unencrypted: Unencrypted::Allowed,
        ..https.clone()
    };
    assert_eq!(refused(&http), Some((KERBEROS, Obstacle::NotOffered)));
    let ticket = Situation { credentials: Credentials::Ambient, kerberos: Kerberos::Ticket, ..https };
    assert_eq!(refused(&ticket), Some((Negotiate, Obstacle::NotOffered)));
}

#[test]
fn a_failed_scheme_is_not_chosen_again() {
    let https = Situation {
        transport: Transport::Https,
        offered: Some([Negotiate, KERBEROS, Basic].into()),
        failed: [Negotiate, KERBEROS].into(),
        ..usual()
    };
    assert_eq!(chosen(&https), Ok((Basic, Ntlm::Forbidden, Protection::Tls)));
    let all = Situation { failed: [Negotiate, KERBEROS, Basic].into(), ..https };
    let failed = |scheme| (scheme, Obstacle::Failed);
    assert_eq!(chosen(&all), Err(vec![failed(Negotiate), failed(KERBEROS), failed(Basic)]));
}

#[test]
fn untrusted_hosts_over_http_require_kerberos() {
    let explicit = [None, Some(Basic), Some(Digest), Some(Negotiate), Some(KERBEROS), Some(CredSsp)];
    let mut kerberos_only = 0;
    for explicit in explicit {
        for credentials in [Credentials::Ambient, Credentials::Password] {
            for kerberos in [Kerberos::Absent, Kerberos::Configured, Kerberos::Ticket] {
                for target in [Target::Name, Target::Address] {
                    for (unencrypted, sealing) in [
                        (Unencrypted::Refused, Sealing::Wanted),
                        (Unencrypted::Allowed, Sealing::Wanted),
                        (Unencrypted::Allowed, Sealing::Off),
                    ] {
                        let situation = Situation {
                            explicit,
                            credentials,
                            kerberos,
                            target,
                            unencrypted,
                            sealing,
                            ..usual()
                        };
                        let Ok(choice) = choose(&situation) else { continue };
                        assert_eq!(choice.ntlm, Ntlm::Forbidden, "{situation:?}");
                        assert!(!matches!(choice.scheme, Basic | Digest), "{situation:?}");
                        assert_ne!(kerberos, Kerberos::Absent, "{situation:?}");
                        kerberos_only += 1;
                    }
                }
            }
        }
    }
    assert!(kerberos_only > 10);
}

#[test]
fn a_refusal_lists_all_obstacles_and_has_the_windows_error_code() {
    let refusal = choose(&Situation { offered: Some([Negotiate, Basic].into()), ..usual() }).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "no usable authentication scheme\
        \n  Negotiate: cannot verify the identity of the host; use https:// or Kerberos, or add the host to \
        TrustedHosts in winrm/config/client\
        \n  Kerberos: not offered by the service\
        \n  the service offers Basic, Negotiate"
    );
    assert_eq!(refusal.code(), Some(2_150_858_980));
    let code = |situation: Situation| choose(&situation).unwrap_err().code();
    for (scheme, number) in [
        (Basic, 2_150_858_975),
        (Digest, 2_150_858_976),
        (Negotiate, 2_150_858_977),
        (KERBEROS, 2_150_858_978),
        (Certificate, 2_150_858_979),
        (CredSsp, 2_150_859_170),
    ] {
        let off = Situation { explicit: Some(scheme), allowed: BTreeSet::new(), ..usual() };
        assert_eq!(code(off), Some(number), "{scheme}");
    }
    assert_eq!(code(Situation { explicit: Some(Basic), ..usual() }), Some(2_150_858_974));
    let ambient = Situation { credentials: Credentials::Ambient, ..usual() };
    assert_eq!(code(Situation { explicit: Some(Basic), ..ambient.clone() }), Some(2_150_858_981));
    assert_eq!(code(Situation { explicit: Some(CredSsp), ..ambient.clone() }), Some(2_150_859_169));
    assert_eq!(code(Situation { explicit: Some(Certificate), ..ambient.clone() }), Some(2_150_858_983));
    assert_eq!(code(ambient), None);
}

#[test]
fn hosts_are_classified_by_their_spelling() {
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(Target::of(host), Target::ThisMachine, "{host}");
    }
    for host in ["10.0.0.1", "[fe80::1]", "fe80::1", "0.0.0.0"] {
        assert_eq!(Target::of(host), Target::Address, "{host}");
    }
    for host in ["node7", "node7.example.com", "localhost.example.com", "1.2.3", ""] {
        assert_eq!(Target::of(host), Target::Name, "{host}");
    }
}

#[test]
fn only_schemes_with_a_challenge_are_parsed() {
    assert_eq!(ClientScheme::from_challenge("NEGOTIATE"), Some(Negotiate));
    assert_eq!(ClientScheme::from_challenge("credssp"), Some(CredSsp));
    for name in ["none", "Certificate", "Bearer", ""] {
        assert_eq!(ClientScheme::from_challenge(name), None, "{name}");
    }
}
