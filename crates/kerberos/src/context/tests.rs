//! Own message protection against that of the library, with contexts that the library established.
use std::time::{Duration, Instant};

use auth::{SealError, SecurityContext};
use telarch_peers::{Keys, PASSWORD, REALM, USER, in_realm};

use super::*;
use crate::library::{Credential, Name, NameForm, Request, Usage};

/// Returns both ends as established by the library: client and service.
fn established() -> (RawContext, RawContext, u32) {
    let library = Library::load().unwrap();
    let user = Name::import(&library, &format!("{USER}@{REALM}"), NameForm::Principal).unwrap();
    let credential = Credential::with_password(&library, &user, PASSWORD).unwrap();
    let target = Name::import(&library, "HTTP@localhost", NameForm::HostService).unwrap();
    let flags = flag::MUTUAL | flag::CONFIDENTIALITY | flag::INTEGRITY | flag::SEQUENCE | flag::REPLAY;
    let request = Request { credential: &credential, target: &target, flags, lifetime: 0, binding: None };
    let keys = Credential::acquire(&library, None, Usage::Accept, &[]).unwrap();
    let mut service = RawContext::new(&library);
    let mut tries = 0;
    let (mut client, token) = loop {
        let mut client = RawContext::new(&library);
        match client.initiate(&request, None) {
            Ok(progress) => break (client, progress.token),
            // A KDC may fail to read its database for a moment after a change.
            Err(failure) if failure.minor == KRB_ERR_GENERIC && tries < 100 => tries += 1,
            Err(failure) => panic!("{failure:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let (progress, _) = service.accept(&keys, &token, None).unwrap();
    assert!(client.initiate(&request, Some(&progress.token)).unwrap().is_complete);
    (client, service, progress.flags)
}

/// Generic KDC error (RFC 4120 7.5.9).
const KRB_ERR_GENERIC: i32 = -1_765_328_324;

fn ours(raw: RawContext, flags: u32) -> Context {
    let context = Context::established(raw, flags);
    assert!(matches!(context.backend, Some(Backend::Own { .. })), "the encryption type is supported");
    context
}

fn of_library(raw: RawContext, flags: u32) -> Context {
    Context::of_library(raw, flags, PeerSequence::Unknown)
}

/// Imports the same context twice.
fn twice(raw: RawContext) -> [RawContext; 2] {
    let octets = raw.export().unwrap();
    let library = Library::load().unwrap();
    [(), ()].map(|()| RawContext::import(&library, &octets).unwrap())
}

fn lengths() -> impl Iterator<Item = usize> {
    (0..=66).chain([4_080, 4_081, 4_096, 4_097, 8_193, 50_000, 150_001])
}

/// Sends messages from one end to the other, in all formats.
fn exchange(from: &mut Context, to: &mut Context) {
    for length in lengths() {
        let text: Vec<u8> = (0..length).map(|at| (at * 7 % 253) as u8).collect();
        let mut sealed = text.clone();
        let header = from.seal(&mut sealed).unwrap();
        to.unseal(&header, &mut sealed).unwrap_or_else(|error| panic!("{length}: {error}"));
        assert!(sealed == text, "{length}");
        let signature = from.sign(&text).unwrap();
        to.verify(&text, &signature).unwrap_or_else(|error| panic!("{length}: {error}"));
    }
}

fn assert_interoperable() {
    let (client, service, flags) = established();
    let (mut client, mut service) = (ours(client, flags), of_library(service, flags));
    exchange(&mut client, &mut service);
    exchange(&mut service, &mut client);

    let (client, service, flags) = established();
    let (mut client, mut service) = (of_library(client, flags), ours(service, flags));
    exchange(&mut client, &mut service);
    exchange(&mut service, &mut client);

    // The unencrypted parts of a message are identical.
    for raw in <[_; 2]>::from({
        let (client, service, _) = established();
        (client, service)
    }) {
        let [one, two] = twice(raw);
        let (mut ours, mut theirs) = (ours(one, flags), of_library(two, flags));
        for length in [0, 1, 16, 1_000] {
            let headers = [&mut ours, &mut theirs].map(|context| context.seal(&mut vec![7; length]).unwrap());
            let [ours, theirs] = &headers;
            assert_eq!((ours.len(), &ours[..16]), (theirs.len(), &theirs[..16]));
        }
        assert_eq!(ours.sign(b"a message"), theirs.sign(b"a message"));
    }
}

#[test]
fn own_and_library_protection_interoperate() {
    let name = "context::tests::own_and_library_protection_interoperate";
    in_realm(name, Keys::AesSha1, |_| assert_interoperable());
}

#[test]
fn own_and_library_protection_interoperate_with_sha_2() {
    let name = "context::tests::own_and_library_protection_interoperate_with_sha_2";
    in_realm(name, Keys::AesSha2, |_| assert_interoperable());
}

#[test]
fn own_and_library_protection_interoperate_with_short_keys() {
    let name = "context::tests::own_and_library_protection_interoperate_with_short_keys";
    in_realm(name, Keys::AesSha1, |realm| {
        let short = "aes128-cts-hmac-sha1-96:normal";
        realm.kadmin(&format!("cpw -pw \"{PASSWORD}\" -e {short} {USER}"));
        realm.kadmin(&format!("cpw -randkey -e {short} HTTP/localhost"));
        realm.kadmin(&format!("ktadd -norandkey -k {} HTTP/localhost", realm.keytab().display()));
        let settings = std::fs::read_to_string(realm.path("krb5.conf")).unwrap();
        let settings = settings.replace("aes256-cts-hmac-sha1-96 ", "");
        std::fs::write(realm.path("krb5.conf"), settings).unwrap();
        let (client, _, flags) = established();
        let Some(Backend::Own { protection, .. }) = ours(client, flags).backend else { panic!("ours") };
        assert_eq!(protection.parameters().encryption_type.number(), 17);
        assert_interoperable();
    });
}

#[test]
fn library_contexts_can_be_exported_and_imported() {
    in_realm("context::tests::library_contexts_can_be_exported_and_imported", Keys::AesSha1, |_| {
        let (client, service, flags) = established();
        let (mut client, mut service) = (of_library(client, flags), of_library(service, flags));
        exchange(&mut client, &mut service);
        let exported = client.export().unwrap();
        let mut client = Context::import(&Library::load().unwrap(), exported.expose()).unwrap();
        assert!(matches!(client.backend, Some(Backend::Library(_))));
        assert!(client.remaining().unwrap().is_some());
        exchange(&mut service, &mut client);

        let mut message = b"one".to_vec();
        let header = client.seal(&mut message).unwrap();
        message.push(0);
        assert_eq!(service.unseal(&header, &mut message), Err(SealError::Forged));
        assert_eq!(service.sign(b"x"), Err(SealError::Failed));
    });
}

#[test]
fn own_contexts_can_be_exported_and_imported() {
    let name = "context::tests::own_contexts_can_be_exported_and_imported";
    in_realm(name, Keys::AesSha1, |_| {
        let (client, service, flags) = established();
        let (mut client, mut service) = (ours(client, flags), of_library(service, flags));
        exchange(&mut service, &mut client);
        let (begun, left) = (Instant::now(), client.remaining().unwrap().unwrap());
        let exported = client.export().unwrap();
        let library = Library::load().unwrap();
        let mut client = Context::import(&library, exported.expose()).unwrap();
        let passed = left.saturating_sub(client.remaining().unwrap().unwrap());
        // The library counts whole seconds.
        assert!(passed <= begun.elapsed() + Duration::from_secs(1), "{passed:?}");
        exchange(&mut service, &mut client);
        exchange(&mut client, &mut service);

        // The same without the library.
        let exported_again = SecurityContext::export(Box::new(client)).unwrap();
        let mut client = Context::resume(exported_again.expose()).unwrap();
        exchange(&mut service, &mut client);
        exchange(&mut client, &mut service);
        for end in 0..exported_again.expose().len() {
            assert!(Context::resume(&exported_again.expose()[..end]).is_none(), "{end}");
        }

        let whole = exported.expose();
        for end in 0..whole.len() {
            assert!(Context::import(&library, &whole[..end]).is_err(), "{end}");
        }
        assert!(Context::import(&library, &[whole, &[0]].concat()).is_err());
    });
}
