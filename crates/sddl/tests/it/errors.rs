use telarch_sddl::{
    AccessKind, AccessMask, Ace, AceFlags, Acl, AclFlags, DomainSid, Guard, MAX_ACES, MAX_TEXT, Principal,
    SddlError, SecurityDescriptor, Sid, well_known,
};

fn error(text: &str) -> SddlError {
    SecurityDescriptor::parse(text).expect_err(text)
}

#[test]
fn every_error_says_what_is_wrong_and_where() {
    let table = [
        (
            error(&"(".repeat(MAX_TEXT + 1)),
            "security descriptor of 1048577 bytes is longer than 1048576: remove entries",
        ),
        (error("D:(A;;GA;;;BA"), r#"expected a closing parenthesis after the SID at byte 13, found """#),
        (error("O:QQ"), r#"unknown SID alias "QQ" at byte 2: write the SID as S-1-..."#),
        (
            Sid::parse("LA").unwrap_err(),
            "SID alias LA depends on the machine or its domain: write the SID as S-1-5-21-...",
        ),
        (
            error("D:(A;;GAGQ;;;BA)"),
            r#"unknown right "GQ" at byte 8: write two-letter rights such as GXGR, or 0x and hex digits"#,
        ),
        (
            error("D:(A;OIXX;GA;;;BA)"),
            r#"unknown ACE flag "XX" at byte 7: write OI, CI, NP, IO, ID, SA, FA or nothing"#,
        ),
        (
            error("D:(OA;;GA;;;BA)"),
            r#"unsupported ACE type "OA" at byte 3: write A or D in a DACL, AU or AL in a SACL"#,
        ),
        (error("D:(AU;;GA;;;BA)"), "ACE type AU at byte 3 belongs into the SACL"),
        (error("S:(D;;GA;;;BA)"), "ACE type D at byte 3 belongs into the DACL"),
        (
            error("D:(A;;GA;bf967aba-0de6-11d0-a285-00aa003049e2;;BA)"),
            "object GUID at byte 9 has no meaning here: leave the field empty",
        ),
        (
            error("O:BAD:NO_ACCESS_CONTROL"),
            "NO_ACCESS_CONTROL at byte 6 would let everyone in: name who may enter instead",
        ),
        (
            Guard::parse("O:BA").unwrap_err(),
            "no DACL, which would let everyone in: add D: and name who may enter",
        ),
        (error("D:(A;;0x100000000;;;BA)"), "number at byte 8 is too large: at most 4294967295"),
        (
            Sid::new(1 << 48, &[0]).unwrap_err(),
            "identifier authority 281474976710656 does not fit into 48 bits",
        ),
        (error("O:S-1-5"), "SID with 0 sub-authorities: must have 1 to 15"),
        (
            Sid::decode(&[2, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]).unwrap_err(),
            "binary SID of revision 2: must be 1",
        ),
        (Sid::decode(&[1, 1, 0, 0, 0, 0, 0, 5]).unwrap_err(), "binary SID of 8 bytes: must be 12"),
        (
            DomainSid::parse("S-1-5-32-544").unwrap_err(),
            "not a machine or domain SID: must be S-1-5-21 and three more numbers",
        ),
        (
            error(&format!("D:{}", "(A;;GA;;;BA)".repeat(MAX_ACES + 1))),
            "security descriptor has more than 1000 entries: grant rights to groups instead",
        ),
    ];
    for (error, text) in table {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn errors_name_the_expected_token_and_its_position() {
    for (text, at) in [
        ("x", 0),
        (" O:BA", 0),
        ("o:BA", 0),
        ("O:", 2),
        ("O:B", 2),
        ("O:ba", 2),
        ("O:Bä", 2),
        ("O:ä", 2),
        ("O:G:BA", 2),
        ("O:BAX", 4),
        ("O:BAO:BA", 4),
        ("G:BAO:BA", 4),
        ("S:D:", 2),
        ("D:D:", 2),
        ("D:X", 2),
        ("D:(A;;GA;;;BA)P", 14),
        ("D:P (A;;GA;;;BA)", 3),
        ("D:(A;;GA;;;BA) ", 14),
        ("D:(A;;GA;;;BA)\0", 14),
        ("D:(A", 4),
        ("D:(A)", 4),
        ("D:(A;", 5),
        ("D:(A;)", 5),
        ("D:(A;;GA", 8),
        ("D:(A;;GA)", 8),
        ("D:(A;;GA;x;;BA)", 9),
        ("D:(A;;GA;;x;BA)", 10),
        ("D:(A;;GA;;;)", 11),
        ("D:(A;;GA;;;BA;)", 13),
        ("D:(A;;GA;;;BAX)", 13),
        ("D:(A;;0x;;;BA)", 8),
        ("O:S-1-", 6),
        ("O:S-1-x-1", 6),
        ("O:S-2-5-18", 2),
        ("O:S-1-5-", 8),
        ("O:S-1-5--1", 8),
    ] {
        match error(text) {
            SddlError::Expected { at: found, .. } => assert_eq!(found, at, "{text}"),
            other => panic!("{text}: {other}"),
        }
    }
}

#[test]
fn an_ace_type_outside_the_subset_is_refused_not_ignored() {
    for kind in
        ["OA", "OD", "OU", "OL", "XA", "XD", "XU", "ZA", "ML", "RA", "SP", "TL", "FL", "a", "", "ALLOW"]
    {
        for tag in ["D:", "S:"] {
            let text = format!("{tag}({kind};;GA;;;BA)");
            assert!(matches!(error(&text), SddlError::UnsupportedAceType { at: 3, .. }), "{text}");
        }
    }
    assert!(SecurityDescriptor::parse("D:(XA;;GX;;;WD;(@User.Title==\"PM\"))").is_err());
    assert!(SecurityDescriptor::parse("D:(A;;GX;;;WD;(@User.Title==\"PM\"))").is_err());
}

#[test]
fn the_limits_hold_at_their_edges() {
    let aces = |count| "(A;;GA;;;BA)".repeat(count);
    let audits = |count| "(AU;FA;GA;;;WD)".repeat(count);
    let both = |dacl, sacl| SecurityDescriptor::parse(&format!("D:{}S:{}", aces(dacl), audits(sacl)));
    assert!(both(MAX_ACES, 0).is_ok());
    assert!(both(0, MAX_ACES).is_ok());
    assert!(both(600, 400).is_ok());
    assert_eq!(both(600, 401), Err(SddlError::TooManyAces));
    assert_eq!(both(0, MAX_ACES + 1), Err(SddlError::TooManyAces));

    let longest = format!("D:(A;;{};;;BA)", "GA".repeat((MAX_TEXT - 12) / 2));
    assert_eq!(longest.len(), MAX_TEXT);
    assert!(SecurityDescriptor::parse(&longest).is_ok());
    assert_eq!(error(&format!("{longest} ")), SddlError::TooLong { length: MAX_TEXT + 1 });
}

#[test]
fn a_descriptor_put_together_has_the_same_limit_as_one_that_is_parsed() {
    let ace = Ace {
        kind: AccessKind::Allowed,
        flags: AceFlags::NONE,
        rights: AccessMask::GENERIC_ALL,
        principal: Principal::Sid(well_known::ADMINISTRATORS),
    };
    let with = |count| {
        let dacl = Acl { flags: AclFlags::NONE, aces: vec![ace; count] };
        SecurityDescriptor::new(None, None, Some(dacl), None)
    };
    assert!(with(MAX_ACES).is_ok());
    assert_eq!(with(MAX_ACES + 1), Err(SddlError::TooManyAces));
}

#[test]
fn an_error_quotes_only_a_few_characters_and_escapes_them() {
    let text = format!("D:(A;;\u{1b}[2J{};;;BA)", "x".repeat(1_000));
    let shown = error(&text).to_string();
    assert!(shown.len() < 160, "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}
