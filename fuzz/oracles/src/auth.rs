//! Tokens, credentials, account files and sealed bodies.

mod ntlm;
mod test_context;

use auth::account_file::{
    AccountFile, AccountName, Comment, EnabledState, NewAccount, PasswordHash, SealedNtHash, UnixTime,
    shadow, smbpasswd,
};
use auth::basic::{Login, authorization};
use auth::certificate_mapping::{CertificateThumbprint, SubjectPattern, UriPattern};
use auth::credssp::{self, PasswordCredentials, PublicKey, TsRequest, Version};
use auth::der::{self, Reader, element};
use auth::digest::{Challenge, Session};
use auth::sealed_body::{OpenBody, Protocol, SealedBodyError, seal, unseal};
use auth::spnego::{NegTokenInit, NegTokenResp};
use auth::{
    Acceptor as _, CertificateProof, HandshakeSignature, Oid, Secret, ServicePrincipalName, TicketService,
    TlsVersion, UserDomain, UserName, negotiate,
};

use self::test_context::TestContext;

/// Checks that parsed Basic credentials round-trip.
///
/// # Panics
/// If the property does not hold.
pub fn login(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(login) = Login::parse(text) else { return };
    let value = authorization(&login.user, &login.password);
    let again =
        Login::parse(value.strip_prefix("Basic ").unwrap_or_default()).expect("the encoded form is valid");
    assert_eq!(again.user, login.user);
    assert!(again.password.matches(&login.password));
}

/// Checks that a signed message is accepted for one TLS version only and contains the certificate. Input: a byte for
/// the version (`1` is TLS 1.3), the length of the certificate, the certificate, and the message.
///
/// # Panics
/// If the property does not hold.
pub fn certificate_proof(octets: &[u8]) {
    let Some(([version, length], rest)) = octets.split_first_chunk::<2>() else { return };
    let Some((own, message)) = rest.split_at_checked(usize::from(*length)) else { return };
    let [this, other] = match version {
        1 => [TlsVersion::Tls13, TlsVersion::Tls12],
        _ => [TlsVersion::Tls12, TlsVersion::Tls13],
    };
    let read = |version| {
        let signature = HandshakeSignature { scheme: 0, octets: Vec::new() };
        CertificateProof::new(version, vec![own.to_vec()], message.to_vec(), signature)
    };
    let Ok(proof) = read(this) else { return };
    assert!(read(other).is_err(), "accepted for both versions");
    assert_eq!((proof.own(), proof.message()), (own, message));
    let has_it = message.windows(own.len()).any(|part| part == own);
    assert!(this == TlsVersion::Tls13 || has_it, "message without the certificate");
}

/// Checks that a parsed account file round-trips, also after changes.
///
/// # Panics
/// If the property does not hold.
pub fn account_file(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(mut file) = AccountFile::parse(text) else { return };
    let reread =
        |file: &AccountFile| AccountFile::parse(&file.to_string()).expect("the encoded form is valid");
    assert_eq!(reread(&file).to_string(), file.to_string());

    let Some(first) = file.records().next().cloned() else { return };
    let found = file.find(&first.name.as_str().to_lowercase()).map(|record| record.rid);
    assert_eq!(found, Some(first.rid));
    file.set_state(first.name.as_str(), EnabledState::Disabled).expect("it is there");
    assert!(reread(&file).records().any(|record| record.state == EnabledState::Disabled));
    let nt_hash = Some(SealedNtHash { nonce: [1; 12], sealed: [2; 32], linux: None });
    file.set_nt_hash(first.name.as_str(), nt_hash).expect("it is there");
    assert_eq!(reread(&file).find(first.name.as_str()).and_then(|record| record.nt_hash), nt_hash);
    file.remove(first.name.as_str()).expect("it is there");
    assert!(reread(&file).find(first.name.as_str()).is_none());

    let name = AccountName::parse("newcomer").expect("a name");
    let (role, changed, comment) = (file.usual_role(), UnixTime::new(0), Comment::default());
    let Ok(rid) = file.add(NewAccount { name, password: first.password, role, changed, comment }) else {
        return;
    };
    assert!(rid > first.rid, "{rid} was given away before");
    assert_eq!(reread(&file).find("Newcomer").map(|record| record.rid), Some(rid));
}

/// Checks that parsed NTLM messages round-trip.
///
/// # Panics
/// If the property does not hold.
pub fn ntlm_message(octets: &[u8]) {
    ntlm::message(octets);
}

/// Checks that the NTLM acceptor authenticates only the existing account, whatever a client sends before or after the
/// challenge, and answers a challenge only once.
///
/// # Panics
/// If the property does not hold.
pub fn ntlm_acceptor(octets: &[u8]) {
    ntlm::acceptor(octets);
}

/// Checks that our client's response to any challenge can be parsed.
///
/// # Panics
/// If the property does not hold.
pub fn ntlm_initiator(octets: &[u8]) {
    ntlm::initiator(octets);
}

/// Checks that an imported NTLM context works and exports the same bytes.
///
/// # Panics
/// If the property does not hold.
pub fn ntlm_context(octets: &[u8]) {
    ntlm::context(octets);
}

/// Checks that a ticket is parsed without panicking and has a service class only together with a host.
///
/// # Panics
/// If the property does not hold.
pub fn ticket_service(octets: &[u8]) {
    let Ok(service) = TicketService::of_token(octets) else { return };
    assert!(!service.components().is_empty() && !service.realm().is_empty());
    assert!(service.class().is_none() || service.host().is_some_and(|host| !host.is_empty()));
}

/// Checks that nested DER elements are encoded to the same bytes.
///
/// # Panics
/// If the property does not hold.
pub fn der(octets: &[u8]) {
    fn written(octets: &[u8], depth: u8) -> Option<Vec<u8>> {
        let mut reader = Reader::new(octets);
        let mut parts = Vec::new();
        while !reader.is_empty() {
            let found = reader.element().ok()?;
            // A primitive element that happens to contain valid elements must round-trip in that form too.
            let content = if depth < 16 { written(found.content, depth + 1) } else { None };
            parts.push(element(found.tag, &[content.as_deref().unwrap_or(found.content)]));
        }
        Some(parts.concat())
    }
    if let Some(written) = written(octets, 0) {
        assert_eq!(written, octets);
    }
    for number in [der::unsigned(octets), der::status(octets)].into_iter().flatten() {
        assert_eq!(der::only(&der::integer(number), der::Tag::INTEGER).and_then(der::unsigned), Ok(number));
    }
    if let Ok(oid) = Oid::decode(octets) {
        assert!(oid.octets() == octets && !oid.to_string().is_empty());
    }
}

/// Checks that parsed SPNEGO tokens round-trip, and that an acceptor without mechanisms never succeeds.
///
/// # Panics
/// If the property does not hold.
pub fn spnego_token(octets: &[u8]) {
    if let Ok(token) = NegTokenInit::decode(octets) {
        assert_eq!(NegTokenInit::decode(&token.encode()), Ok(token));
    }
    if let Ok(token) = NegTokenResp::decode(octets) {
        assert_eq!(NegTokenResp::decode(&token.encode()), Ok(token));
    }
    for mut acceptor in
        [negotiate::Acceptor::negotiate(Vec::new()), negotiate::Acceptor::kerberos(Vec::new())]
    {
        assert!(acceptor.step(octets).is_err(), "nothing was offered");
        assert!(acceptor.step(octets).is_err(), "an error is the end");
    }
}

/// Checks that imported `shadow` lines have valid names and hashes, and that a file is rejected if a line is.
///
/// # Panics
/// If the property does not hold.
pub fn shadow(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let lines: Vec<_> = text.lines().map(shadow::parse_line).collect();
    let whole = shadow::parse(text);
    assert!(whole.is_err() || lines.iter().all(Result::is_ok), "a file of a wrong line is read");
    for line in lines.into_iter().flatten().flatten() {
        match line {
            shadow::Line::Account(entry) => {
                assert!(AccountName::parse(entry.name.as_str()).is_ok(), "{} is no name", entry.name);
                let written = entry.password.to_string();
                assert!(
                    !entry.password.is_never() && !written.contains(':'),
                    "{} has no password",
                    entry.name
                );
                PasswordHash::parse(&written).expect("the encoded form is valid");
            }
            shadow::Line::Skipped { name, .. } => {
                assert!(!name.chars().any(char::is_control), "{name:?} disturbs the log");
            }
        }
    }
}

/// Checks that imported `smbpasswd` lines have valid names, and that a file is rejected if a line is.
///
/// # Panics
/// If the property does not hold.
pub fn smbpasswd(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let lines: Vec<_> = text.lines().map(smbpasswd::parse_line).collect();
    let whole = smbpasswd::parse(text);
    assert!(whole.is_err() || lines.iter().all(Result::is_ok), "a file of a wrong line is read");
    for line in lines.into_iter().flatten().flatten() {
        match line {
            smbpasswd::Line::Account(entry) => {
                assert!(AccountName::parse(entry.name.as_str()).is_ok(), "{} is no name", entry.name);
            }
            smbpasswd::Line::Skipped { name, .. } => {
                assert!(!name.chars().any(char::is_control), "{name:?} disturbs the log");
            }
        }
    }
}

/// Checks that parsed CredSSP requests and credentials round-trip, and that an unauthenticated request is rejected.
///
/// # Panics
/// If the property does not hold.
pub fn ts_request(octets: &[u8]) {
    if let Ok(request) = TsRequest::decode(octets) {
        assert_eq!(TsRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(credentials) = PasswordCredentials::decode(octets) {
        let again = PasswordCredentials::decode(&credentials.encode()).expect("the encoded form is valid");
        assert_eq!((again.domain(), again.user()), (credentials.domain(), credentials.user()));
        assert!(again.password().matches(credentials.password()));
    }
    let inner = Box::new(negotiate::Acceptor::negotiate(Vec::new()));
    let key = PublicKey::new(vec![1]).expect("a key");
    let mut acceptor = credssp::Acceptor::new(inner, key, Version::V2);
    assert!(acceptor.step(octets).is_err(), "nothing was offered");
    assert!(acceptor.refusal().is_none_or(|refusal| TsRequest::decode(&refusal).is_ok()));
}

/// Checks that any input is opened deterministically within the limit or rejected as a sealed body, and round-trips as
/// a plain body. Input: a line with the content type, followed by the body.
///
/// # Panics
/// If the property does not hold.
pub fn sealed_body(octets: &[u8]) {
    let end = octets.iter().position(|octet| *octet == b'\n').unwrap_or(octets.len());
    let (line, body) = octets.split_at_checked(end).unwrap_or((octets, &[]));
    let content_type = String::from_utf8_lossy(line);
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    for protocol in [Protocol::Spnego, Protocol::Kerberos, Protocol::CredSsp] {
        let open = |limit: usize| {
            unseal(&mut TestContext::new(protocol, 0), protocol, &content_type, body.to_vec(), limit)
        };
        if let Ok(opened) = open(PLAIN_LIMIT) {
            assert!(opened.body.len() <= PLAIN_LIMIT, "more comes out than the limit allows");
            assert_eq!(open(PLAIN_LIMIT).expect("the same again").body, opened.body);
            sealed_again(protocol, opened);
        }
        sealed_again(
            protocol,
            OpenBody { content_type: content_type.clone().into_owned(), body: body.to_vec() },
        );
    }
}

/// Checks that a body sealed in one or several parts opens again.
fn sealed_again(protocol: Protocol, plain: OpenBody) {
    for largest in [16_384, 4_096] {
        let (mut ours, mut theirs) =
            (TestContext::new(protocol, 5).with_largest(largest), TestContext::new(protocol, 5));
        let sealed = match seal(&mut ours, protocol, &plain.content_type, plain.body.clone()) {
            Ok(sealed) => sealed,
            Err(SealedBodyError::ContentType) => return,
            Err(error) => panic!("{error}"),
        };
        let limit = plain.body.len();
        let opened = unseal(&mut theirs, protocol, sealed.content_type, sealed.body, limit)
            .expect("what we seal, we open");
        assert!(theirs.opened() > 0, "nothing was sealed");
        let padding = plain.body.strip_prefix(opened.body.as_slice()).expect("the same octets");
        assert!(padding.iter().all(|octet| *octet == 0), "more than padding is gone");
    }
}

const PLAIN_LIMIT: usize = 64 * 1024;

/// Checks that the response to a Digest challenge, given as lines `name=value`, is one well-formed header line.
///
/// # Panics
/// If the property does not hold.
pub fn digest_challenge(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let parameters = || text.lines().filter_map(|line| line.split_once('='));
    let Ok(challenge) = Challenge::parse(parameters()) else { return };
    assert_eq!(Challenge::strongest([challenge.clone()]).as_ref(), Some(&challenge));
    let mut session = Session::new("us\\er\"", Secret::new("s3cret".to_owned())).expect("a name");
    session.challenge(challenge).expect("the first one is answered");
    for count in 1..=2 {
        let value =
            session.authorization("POST", "/wsman?a=\"b\"", "0123456789").expect("a challenge is there");
        assert!(value.starts_with("Digest username=\"") && !value.contains("s3cret"), "{}", *value);
        assert!(!value.chars().any(char::is_control), "{:?} is not one line", *value);
        // Within a quoted value, the quote would be escaped.
        if value.contains(", cnonce=\"") {
            assert!(value.contains(&format!(", nc=0000000{count}, ")), "{} is counted wrongly", *value);
        }
        let nonce = parameters().find(|(name, _)| name.eq_ignore_ascii_case("nonce")).map(|(_, nonce)| nonce);
        let quoted = nonce.expect("it has one").replace('\\', "\\\\").replace('"', "\\\"");
        assert!(value.contains(&format!(", nonce=\"{quoted}\", ")), "{} has another nonce", *value);
    }
}

/// Checks that parsed user names round-trip and that names with a foreign domain are not local.
///
/// # Panics
/// If the property does not hold.
pub fn user_name(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(name) = UserName::parse(text) else { return };
    assert_eq!(UserName::parse(&name.to_string()).as_ref(), Ok(&name));
    assert!(!name.to_string().chars().any(char::is_control), "{name:?} disturbs the log");
    let (domain, user) = name.ntlm();
    let received = UserName::from_ntlm(domain, &user).expect("what we send, we read");
    assert!(received.to_string().contains(name.user()), "{received:?} is another than {name:?}");
    let is_foreign = matches!(name.domain(), UserDomain::Domain(_) | UserDomain::Realm(_));
    assert_eq!(name.local(&[]).is_none(), is_foreign, "{name:?} is taken for a local one");
}

/// Checks that parsed service principal names round-trip.
///
/// # Panics
/// If the property does not hold.
pub fn service_principal_name(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(name) = ServicePrincipalName::parse(text) else { return };
    assert_eq!(ServicePrincipalName::parse(&name.to_string()).as_ref(), Ok(&name));
    assert_eq!(name.host_based().replacen('@', "/", 1), name.to_string());
}

/// Checks that parsed mapping keys round-trip and that a pattern matches its own text.
///
/// # Panics
/// If the property does not hold.
pub fn certificate_mapping(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(thumbprint) = CertificateThumbprint::parse(text) {
        assert_eq!(CertificateThumbprint::parse(&thumbprint.to_string()), Ok(thumbprint));
    }
    if let Ok(subject) = SubjectPattern::parse(text) {
        assert_eq!(SubjectPattern::parse(&subject.to_string()).as_ref(), Ok(&subject));
        assert!(subject.matches(&text.replace('*', "")), "{subject} does not fit itself");
    }
    if let Ok(uri) = UriPattern::parse(text) {
        assert_eq!(UriPattern::parse(&uri.to_string()).as_ref(), Ok(&uri));
        assert!(uri.matches(&text.replace('*', "x")) || !text.contains('*'), "{uri} does not fit itself");
    }
}
