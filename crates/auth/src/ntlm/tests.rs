//! Both ends with every set of options; some require a client that requests other options than ours.
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::av_pair::AvPairs;
use super::file_time::FileTime;
use super::flags::Flags;
use super::message::{Authenticate, Challenge, Negotiate};
use super::response::ClientChallenge;
use super::{Acceptor, AcceptorFresh, HostNames, Initiator, InitiatorFresh, Login, NtHash, Sealing};
use crate::{
    Accepted, Acceptor as _, AccountList, AuthError, Binding, Initiated, Initiator as _, MechListMic,
    SealError, Secret, SecurityContext, Step,
};

#[test]
fn all_option_sets_are_negotiated_or_rejected() {
    let mut sealed = 0;
    for flags in all_sets() {
        let (accepted, initiated) = match sign_in(flags) {
            Err(error) => {
                assert!(!is_modern(flags), "{flags:X?}: {error}");
                assert!(matches!(error, AuthError::Downgraded(_)), "{flags:X?}: {error}");
                continue;
            }
            Ok(ends) => ends,
        };
        assert!(is_modern(flags), "{flags:X?}");
        assert_eq!(accepted.account.name, "alice");
        let (mut client, mut service) = (initiated.context, accepted.context);
        let (signs, seals) = (flags.contains(Flags::SIGN), flags.contains(Flags::SIGN | Flags::SEAL));
        for end in [&client, &service] {
            assert_eq!((end.can_seal(), end.mech_list_mic()), (seals, MechListMic::Required), "{flags:X?}");
        }
        if signs {
            exchange_mech_list_mic(client.as_mut(), service.as_mut());
        } else {
            assert_eq!(client.sign(b"list"), Err(SealError::Unavailable));
            assert_eq!(service.verify(b"list", &[0; 16]), Err(SealError::Unavailable));
        }
        for text in ["", "first", "second"] {
            pass(text, client.as_mut(), service.as_mut(), seals);
            pass(text, service.as_mut(), client.as_mut(), seals);
        }
        sealed += u32::from(seals);
    }
    assert_eq!(sealed, 64, "six options do not matter for it");
}

#[test]
fn required_sealing_rejects_a_service_without_it() {
    for flags in all_sets() {
        let needed = Flags::SIGN | Flags::SEAL | Flags::KEY_EXCH;
        for (sealing, is_enough) in [(Sealing::Required, flags.contains(needed)), (Sealing::IfAgreed, true)] {
            let mut client = client(sealing);
            client.step(None).unwrap();
            let (challenge, target_info) = ([1; 8], Vec::new());
            let challenge = Challenge { flags, challenge, target_name: String::new(), target_info };
            let answer = client.step(Some(&challenge.encode().unwrap()));
            assert_eq!(answer.is_ok(), is_enough && is_modern(flags), "{flags:X?} {sealing:?}");
        }
    }
}

#[test]
fn the_challenge_has_requested_and_mandatory_options() {
    let always = 0x0082_8204;
    for (requested, offered) in
        [(u32::MAX, 0xE28A_8235), (0x2008_0001, 0x208A_8205), (0xA008_0001, 0xA08A_8205)]
    {
        let negotiate = Negotiate { flags: Flags(requested) }.encode().unwrap();
        let Ok(Step::Continue(challenge)) = service().step(&negotiate) else { panic!("{requested:X}") };
        let challenge = Challenge::decode(&challenge).unwrap();
        assert_eq!(challenge.flags, Flags(offered), "{requested:X}");
        assert!(challenge.flags.contains(Flags(always)));
        assert_eq!(challenge.target_name, "NODE7");
    }
}

/// Options that ntlm-auth before 1.5 requests if no message is sealed.
const OLD_CLIENT: Flags = Flags(0x0008_8206);

#[test]
fn a_client_with_oem_names_and_without_128_bit_keys_can_sign_in_but_not_seal() {
    let (challenge, accepted) = sign_in_by_hand(OLD_CLIENT, OLD_CLIENT).unwrap();
    assert_eq!(challenge.flags, Flags(0x008A_8206));
    assert_eq!(challenge.target_name, "NODE7");
    assert_eq!(accepted.account.name, "alice");
    assert!(!accepted.context.can_seal());
    // Names of the last message have the character set that this message names.
    let unicode = Flags::UNICODE | Flags::EXTENDED_SESSION_SECURITY;
    assert!(sign_in_by_hand(OLD_CLIENT, unicode).is_ok());
    assert!(sign_in_by_hand(OLD_CLIENT | Flags::UNICODE, OLD_CLIENT).is_ok());
}

#[test]
fn a_client_with_oem_names_can_seal_with_128_bit_keys() {
    let sealing = OLD_CLIENT | Flags::SIGN | Flags::SEAL | Flags::KEY_EXCH | Flags::KEY_128;
    let (_, accepted) = sign_in_by_hand(sealing, sealing).unwrap();
    assert!(accepted.context.can_seal());
}

#[test]
fn unicode_is_preferred_to_oem() {
    let (challenge, _) = sign_in_by_hand(OLD_CLIENT | Flags::UNICODE, OLD_CLIENT | Flags::UNICODE).unwrap();
    assert!(challenge.flags.contains(Flags::UNICODE) && !challenge.flags.contains(Flags::OEM));
}

#[test]
fn insufficient_options_of_a_client_are_rejected_in_both_messages() {
    let sealing = OLD_CLIENT | Flags::SIGN | Flags::SEAL | Flags::KEY_128;
    let without = |flags: Flags, removed: Flags| flags & Flags(!removed.0);
    for (removed, name) in [
        (Flags::OEM, "a character set"),
        (Flags::EXTENDED_SESSION_SECURITY, "extended session security"),
        (Flags::KEY_128, "128-bit keys"),
    ] {
        let weak = without(sealing, removed);
        for (offered, agreed) in [(weak, sealing), (sealing, weak)] {
            let refused = sign_in_by_hand(offered, agreed).err();
            assert_eq!(refused, Some(AuthError::Downgraded(name)), "{offered:X?} {agreed:X?}");
        }
    }
    for protection in [Flags::SIGN, Flags::SEAL] {
        let refused = sign_in_by_hand(OLD_CLIENT | protection, OLD_CLIENT).err();
        assert_eq!(refused, Some(AuthError::Downgraded("128-bit keys")), "{protection:X?}");
    }
}

/// Signs in as a client that requests `offered` and then `agreed`, which our client never does.
fn sign_in_by_hand(offered: Flags, agreed: Flags) -> Result<(Challenge, Accepted), AuthError> {
    let mut service = service();
    let negotiate = Negotiate { flags: offered }.encode()?;
    let Step::Continue(challenge) = service.step(&negotiate)? else { panic!("done too early") };
    let challenge = Challenge::decode(&challenge)?;
    let time = FileTime::at(SystemTime::UNIX_EPOCH);
    let pairs = AvPairs::decode(&challenge.target_info)?;
    let response = ClientChallenge { time, challenge: [2; 8], pairs };
    let (domain, user) = ("WORKGROUP".to_owned(), "alice".to_owned());
    let key = NtHash::of_password(&Secret::new("s3cret".to_owned())).response_key(&domain, &user);
    let (nt_response, base_key) = response.respond(&key, &challenge.challenge)?;
    let session_key = base_key.exchange(Zeroizing::new([3; 16])).to_vec();
    let authenticate = Authenticate { flags: agreed, nt_response, domain, user, session_key, mic: None };
    let Step::Done { outcome, .. } = service.step(&authenticate.encode()?)? else { panic!("not done") };
    Ok((challenge, outcome))
}

/// Returns every subset of the options that our client requests.
fn all_sets() -> impl Iterator<Item = Flags> {
    let bits: Vec<u32> = (0..32).map(|shift| 1 << shift).filter(|bit| Flags::WANTED.0 & bit != 0).collect();
    assert_eq!(bits.len(), 11);
    (0..1_u32 << bits.len()).map(move |set| {
        let chosen = bits.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
        Flags(chosen.map(|(_, bit)| bit).sum())
    })
}

fn is_modern(flags: Flags) -> bool {
    flags.contains(Flags::UNICODE | Flags::EXTENDED_SESSION_SECURITY | Flags::KEY_128)
}

fn sign_in(flags: Flags) -> Result<(Accepted, Initiated), AuthError> {
    let (mut client, mut service) = (client(Sealing::IfAgreed).requesting(flags), service());
    let Step::Continue(negotiate) = client.step(None)? else { panic!("done too early") };
    let Step::Continue(challenge) = service.step(&negotiate)? else { panic!("done too early") };
    let Step::Done { token, outcome: initiated } = client.step(Some(&challenge))? else { panic!("not done") };
    let Step::Done { token: None, outcome } = service.step(&token.unwrap())? else { panic!("not done") };
    Ok((outcome, initiated))
}

fn service() -> Acceptor {
    let names = HostNames::of_host("node7");
    let accounts = AccountList::parse("alice:s3cret").unwrap();
    let fresh = AcceptorFresh { challenge: [1; 8], now: SystemTime::UNIX_EPOCH };
    Acceptor::new(Arc::new(accounts), names, Binding::default(), fresh)
}

fn client(sealing: Sealing) -> Initiator {
    let hash = NtHash::of_password(&Secret::new("s3cret".to_owned()));
    let login = Login { domain: String::new(), user: "alice".to_owned(), hash };
    let (session_key, now) = (Zeroizing::new([3; 16]), SystemTime::UNIX_EPOCH);
    Initiator::new(login, sealing, InitiatorFresh { challenge: [2; 8], session_key, now })
}

fn exchange_mech_list_mic(client: &mut dyn SecurityContext, service: &mut dyn SecurityContext) {
    let mic = client.sign(b"list").unwrap();
    service.verify(b"list", &mic).unwrap();
    let mic = service.sign(b"list").unwrap();
    client.verify(b"list", &mic).unwrap();
    client.mech_list_mic_exchanged();
    service.mech_list_mic_exchanged();
}

fn pass(text: &str, from: &mut dyn SecurityContext, to: &mut dyn SecurityContext, seals: bool) {
    let mut message = text.as_bytes().to_vec();
    if !seals {
        assert_eq!(from.seal(&mut message), Err(SealError::Unavailable));
        assert_eq!(to.unseal(&[0; 16], &mut message), Err(SealError::Unavailable));
        assert_eq!(message, text.as_bytes(), "a failed call leaves the message unchanged");
        return;
    }
    let header = from.seal(&mut message).unwrap();
    assert_eq!((header.len(), message.len()), (16, text.len()));
    to.unseal(&header, &mut message).unwrap();
    assert_eq!(message, text.as_bytes());
}
