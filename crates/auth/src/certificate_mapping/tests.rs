#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";

fn issuer(octet: u8) -> CertificateThumbprint {
    CertificateThumbprint([octet; 20])
}

/// A mapping with issuer 1.
fn mapping(subject: &str, uri: &str, user: &str) -> Mapping {
    Mapping {
        issuer: issuer(1),
        subject: SubjectPattern::parse(subject).unwrap(),
        uri: UriPattern::parse(uri).unwrap(),
        user: UserName::parse(user).unwrap(),
        state: EnabledState::Enabled,
    }
}

fn facts(names: SubjectNames) -> CertificateFacts {
    CertificateFacts {
        names,
        signer: issuer(1),
        purpose: Purpose::ClientAuthentication,
        valid: UnixTime::new(1)..=UnixTime::new(1),
        chain: ChainVerdict::Trusted,
    }
}

fn principal(name: &str) -> SubjectNames {
    SubjectNames { user_principal_name: Some(name.to_owned()), ..SubjectNames::default() }
}

fn chosen(mappings: &[Mapping], names: SubjectNames, uri: &str) -> Result<String, MappingRefusal> {
    let mappings = CertificateMappings::new(mappings.to_vec()).unwrap();
    mappings.choose(&facts(names), uri, UnixTime::new(1)).map(|mapping| mapping.user.to_string())
}

#[test]
fn the_longest_subject_wins_and_then_the_longest_uri() {
    let mappings = [
        mapping("*", "*", "any"),
        mapping("*@corp.example", "*", "corp"),
        mapping("*@corp.example", "http://schemas.microsoft.com/*", "microsoft"),
        mapping("ann@corp.example", "*", "ann"),
        mapping("admin*", CONFIG, "admin"),
    ];
    for (name, uri, user) in [
        ("bob@other.example", CONFIG, "any"),
        ("bob@CORP.example", "urn:x", "corp"),
        ("bob@corp.example", CONFIG, "microsoft"),
        ("Ann@corp.example", CONFIG, "ann"),
        ("ann@corp.example", "urn:x", "ann"),
        ("ADMIN7@x", CONFIG, "admin"),
        ("admin7@x", &CONFIG.to_uppercase(), "admin"),
        ("admin7@x", &format!("{CONFIG}/service"), "any"),
    ] {
        assert_eq!(chosen(&mappings, principal(name), uri).as_deref(), Ok(user), "{name} {uri}");
    }
}

#[test]
fn equally_good_mappings_are_ambiguous() {
    let mappings =
        [mapping("ann@*", "*", "first"), mapping("*nn@x", "*", "second"), mapping("*", "*", "any")];
    assert_eq!(chosen(&mappings, principal("ann@x"), CONFIG), Err(MappingRefusal::Ambiguous));
    let longer = [&mappings[..], &[mapping("ann@x*", "*", "third")]].concat();
    assert_eq!(chosen(&longer, principal("ann@x"), CONFIG).as_deref(), Ok("third"));
}

#[test]
fn the_first_kind_of_name_present_is_used() {
    let mappings = ["upn", "mail", "dns", "cn"].map(|name| mapping(name, "*", name));
    let mut names = SubjectNames {
        user_principal_name: Some("upn".to_owned()),
        mail_addresses: vec!["other".to_owned(), "mail".to_owned()],
        dns_names: vec!["dns".to_owned()],
        common_name: Some("cn".to_owned()),
    };
    assert_eq!(chosen(&mappings, names.clone(), CONFIG).as_deref(), Ok("upn"));
    names.user_principal_name = Some(String::new());
    assert_eq!(chosen(&mappings, names.clone(), CONFIG).as_deref(), Ok("mail"));
    names.mail_addresses.clear();
    assert_eq!(chosen(&mappings, names.clone(), CONFIG).as_deref(), Ok("dns"));
    names.dns_names = vec!["other".to_owned()];
    let none = MappingRefusal::NoMatch { issuer: issuer(1), name: "other".to_owned() };
    assert_eq!(
        chosen(&mappings, names.clone(), CONFIG),
        Err(none),
        "a later kind stood in for an earlier one"
    );
    names.dns_names.clear();
    assert_eq!(chosen(&mappings, names.clone(), CONFIG).as_deref(), Ok("cn"));
    names.common_name = None;
    assert_eq!(chosen(&mappings, names, CONFIG), Err(MappingRefusal::Nameless));
}

#[test]
fn mappings_of_other_issuers_and_disabled_ones_are_ignored() {
    let other = Mapping { issuer: issuer(2), ..mapping("*", "*", "other") };
    let off = Mapping { state: EnabledState::Disabled, ..mapping("ann@x", "*", "off") };
    let on = mapping("*", "*", "on");
    let ann = || principal("ann@x");
    assert_eq!(chosen(&[], ann(), CONFIG), Err(MappingRefusal::UnknownIssuer(issuer(1))));
    assert_eq!(
        chosen(std::slice::from_ref(&other), ann(), CONFIG),
        Err(MappingRefusal::UnknownIssuer(issuer(1)))
    );
    assert_eq!(chosen(&[other.clone(), off.clone()], ann(), CONFIG), Err(MappingRefusal::Disabled));
    assert_eq!(chosen(&[other, off, on], ann(), CONFIG).as_deref(), Ok("on"));
}

#[test]
fn an_unusable_certificate_is_rejected_despite_its_mapping() {
    let mappings = CertificateMappings::new(vec![mapping("*", "*", "any")]).unwrap();
    let (before, after) = (UnixTime::new(99), UnixTime::new(201));
    let valid = UnixTime::new(100)..=UnixTime::new(200);
    let good = CertificateFacts { valid, ..facts(principal("ann")) };
    let refused = |facts: CertificateFacts, now| mappings.choose(&facts, CONFIG, now).err();
    let within = UnixTime::new(150);
    for (facts, now, error) in [
        (good.clone(), UnixTime::new(100), None),
        (good.clone(), UnixTime::new(200), None),
        (good.clone(), before, Some(MappingRefusal::NotYetValid)),
        (good.clone(), after, Some(MappingRefusal::Expired)),
        (CertificateFacts { purpose: Purpose::Other, ..good.clone() }, within, Some(MappingRefusal::Purpose)),
        (
            CertificateFacts { purpose: Purpose::Unspecified, ..good.clone() },
            within,
            Some(MappingRefusal::Purpose),
        ),
        (
            CertificateFacts { chain: ChainVerdict::Untrusted, ..good.clone() },
            within,
            Some(MappingRefusal::Untrusted),
        ),
        (CertificateFacts { chain: ChainVerdict::Revoked, ..good }, within, Some(MappingRefusal::Revoked)),
    ] {
        assert_eq!(refused(facts, now), error);
    }
}

#[test]
fn look_alike_letters_do_not_match() {
    // The Kelvin sign becomes k in lower case.
    let mappings = [mapping("kate@x", "*", "kate")];
    assert_eq!(chosen(&mappings, principal("KATE@x"), CONFIG).as_deref(), Ok("kate"));
    assert!(chosen(&mappings, principal("\u{212A}ate@x"), CONFIG).is_err());
}

#[test]
fn a_star_in_a_certificate_is_literal() {
    let mappings = [mapping("node7.example.com", "*", "node7")];
    let names = SubjectNames { dns_names: vec!["*.example.com".to_owned()], ..SubjectNames::default() };
    assert!(chosen(&mappings, names, CONFIG).is_err());
}

#[test]
fn patterns_match_whole_characters() {
    for (pattern, text) in [("ü*", "ürgen"), ("*ü", "grü"), ("*", "")] {
        assert!(SubjectPattern::parse(pattern).unwrap().matches(text), "{pattern} {text}");
    }
    for (pattern, text) in
        [("a*", "ü"), ("*a", "ü"), ("abc*", "ab"), ("*abc", "bc"), ("a", "ab"), ("ab", "a")]
    {
        assert!(!SubjectPattern::parse(pattern).unwrap().matches(text), "{pattern} {text}");
    }
}

#[test]
fn malformed_keys_are_rejected() {
    for wrong in ["a*b", "**", "*a*", "a**"] {
        assert_eq!(SubjectPattern::parse(wrong), Err(PatternError::SubjectWildcard), "{wrong}");
    }
    for wrong in ["*a", "a*b", "**"] {
        assert_eq!(UriPattern::parse(wrong), Err(PatternError::UriWildcard), "{wrong}");
    }
    for wrong in ["", "a\n", &"x".repeat(1_025)] {
        assert_eq!(SubjectPattern::parse(wrong), Err(PatternError::Text { what: "the subject" }));
        assert_eq!(UriPattern::parse(wrong), Err(PatternError::Text { what: "the URI" }));
    }
    for wrong in ["", "0", &"0".repeat(39), &"0".repeat(41), &"g".repeat(40)] {
        assert_eq!(CertificateThumbprint::parse(wrong), Err(PatternError::Thumbprint), "{wrong}");
    }
    let shown = "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 01 02 03 fE";
    let thumbprint = CertificateThumbprint::parse(shown).unwrap();
    assert_eq!(thumbprint.to_string(), "00112233445566778899AABBCCDDEEFF010203FE");
}

#[test]
fn duplicate_keys_are_rejected_without_regard_to_case() {
    let same = vec![mapping("Ann", "urn:X", "a"), mapping("b", "*", "b"), mapping("aNN", "urn:x", "c")];
    assert!(matches!(CertificateMappings::new(same), Err(MappingError::Duplicate { .. })));
    let differing = vec![mapping("a*", "*", "a"), mapping("*a", "*", "b"), mapping("a", "*", "c")];
    assert_eq!(CertificateMappings::new(differing).unwrap().entries().len(), 3);
    let many = (0..=MAX_MAPPINGS).map(|at| mapping(&format!("u{at}"), "*", "x")).collect();
    assert_eq!(CertificateMappings::new(many).unwrap_err(), MappingError::TooMany);
}
