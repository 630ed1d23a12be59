//! Tokens of other implementations, and round trips of generated tokens.

use telarch_auth::credssp::{Nonce, TsRequest};
use telarch_auth::spnego::{MechTypeList, NegHints, NegState, NegTokenInit, NegTokenResp};
use telarch_auth::{AuthError, Oid};

/// First token of pyspnego 0.12.4 with NTLM only.
const PYSPNEGO_INIT: &str = "604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a04284e544c4d53535000\
    01000000378208e200000000280000000000000028000000000c04000000000f";

/// `NegTokenInit2` of a Windows service, with hints in the third field (as written by pyspnego).
const GREETING: &str = "604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa32a3028a0261b246e6f745f646566\
    696e65645f696e5f5246433431373840706c656173655f69676e6f7265";

/// Offer of a Windows client: Kerberos under both OIDs, NEGOEX and NTLM.
const WINDOWS_INIT: &str = "604f06062b0601050502a0453043a030302e06092a864882f71201020206092a864886f712010202060a2b\
    06010401823702021e060a2b06010401823702020aa20f040d3630206f7074696d6973746963";

/// A token with context flags, as in RFC 2478.
const INIT_WITH_FLAGS: &str = "602e06062b0601050502a0243022a00e300c060a2b06010401823702020aa10403020006a20a04084e54\
    4c4d53535000";

#[test]
fn first_tokens_of_other_implementations_are_parsed() {
    let octets = hex(PYSPNEGO_INIT);
    let token = NegTokenInit::decode(&octets).unwrap();
    assert_eq!(token.mech_types.oids(), [Oid::NTLM]);
    assert!(token.mech_token.unwrap().starts_with(b"NTLMSSP\0\x01"));
    assert_eq!(token.encode(), octets);

    let octets = hex(WINDOWS_INIT);
    let token = NegTokenInit::decode(&octets).unwrap();
    let windows = [Oid::MICROSOFT_KERBEROS, Oid::KERBEROS, Oid::NEGOEX, Oid::NTLM];
    assert_eq!(token.mech_types.oids(), windows);
    assert_eq!(token.encode(), octets);
    assert_eq!(MechTypeList::new(windows.to_vec()).unwrap(), token.mech_types);
    assert_eq!(token.mech_types.octets(), &octets[16..64], "the MIC covers the list without its field tag");

    let octets = hex(GREETING);
    let token = NegTokenInit::decode(&octets).unwrap();
    let hint_name = Some(&b"not_defined_in_RFC4178@please_ignore"[..]);
    assert_eq!(token.neg_hints, Some(NegHints { hint_name, hint_address: None }));
    assert_eq!((token.mech_token, token.mech_list_mic), (None, None));
    assert_eq!(token.encode(), octets);

    let octets = hex(INIT_WITH_FLAGS);
    assert_eq!(NegTokenInit::decode(&octets).unwrap().mech_token, Some(&b"NTLMSSP\0"[..]));
}

#[test]
fn responses_of_other_implementations_are_parsed() {
    for (octets, expected) in [
        (
            "a1153013a0030a0103a10c060a2b06010401823702020a",
            NegTokenResp {
                neg_state: Some(NegState::RequestMic),
                supported_mech: Some(Oid::NTLM),
                ..NegTokenResp::default()
            },
        ),
        (
            "a11b3019a0030a0100a3120410010000005983d4005d41bab400000000",
            NegTokenResp {
                neg_state: Some(NegState::AcceptCompleted),
                mech_list_mic: Some(b"\x01\x00\x00\x00\x59\x83\xd4\x00\x5d\x41\xba\xb4\x00\x00\x00\x00"),
                ..NegTokenResp::default()
            },
        ),
        ("a1073005a0030a0102", NegTokenResp { neg_state: Some(NegState::Reject), ..NegTokenResp::default() }),
    ] {
        let octets = hex(octets);
        assert_eq!(NegTokenResp::decode(&octets).as_ref(), Ok(&expected));
        assert_eq!(expected.encode(), octets);
    }
}

#[test]
fn fields_of_later_versions_are_skipped() {
    let response = |fields: &[&[u8]]| der(0xa1, &[&der(0x30, fields)]);
    let completed = der(0xa0, &[b"\x0a\x01\x00"]);
    let later = [der(0xa5, &[b"\x04\x00"]), der(0x87, &[b"\x0a"])];
    let state = NegTokenResp::decode(&response(&[&completed, &later[0], &later[1]])).unwrap().neg_state;
    assert_eq!(state, Some(NegState::AcceptCompleted));

    let mech = der(0xa1, &[b"\x06\x01\x2a"]);
    assert!(NegTokenResp::decode(&response(&[&completed, &mech])).is_ok());
    for (fault, malformed) in [
        ("a field twice", response(&[&completed, &completed])),
        ("fields out of order", response(&[&mech, &completed])),
        ("something that is no field", response(&[&completed, b"\x0a\x01\x01"])),
        ("a state that does not exist", response(&[&der(0xa0, &[b"\x0a\x01\x04"])])),
        ("two states", response(&[&der(0xa0, &[b"\x0a\x01\x01\x0a\x01\x01"])])),
        ("trailing bytes", [response(&[&completed]), vec![0]].concat()),
        ("the other token without its frame", der(0xa0, &[&der(0x30, &[&completed])])),
    ] {
        assert!(matches!(NegTokenResp::decode(&malformed), Err(AuthError::Malformed(_))), "{fault}");
    }
}

#[test]
fn lists_have_bounds() {
    assert_eq!(MechTypeList::new(Vec::new()), Err(AuthError::NoMechanism));
    assert!(MechTypeList::new(vec![Oid::NTLM; 16]).is_ok());
    assert!(MechTypeList::new(vec![Oid::NTLM; 17]).is_err());
    let init = |fields: &[&[u8]]| {
        let spnego = der(6, &[Oid::SPNEGO.octets()]);
        der(0x60, &[&spnego, &der(0xa0, &[&der(0x30, fields)])])
    };
    let token = der(0xa2, &[b"\x04\x00"]);
    assert!(NegTokenInit::decode(&init(&[&der(0xa0, &[&der(0x30, &[b"\x06\x01\x2a"])]), &token])).is_ok());
    for fields in [&[&der(0xa0, &[b"\x30\x00"]), &token[..]][..], &[&token]] {
        assert_eq!(NegTokenInit::decode(&init(fields)), Err(AuthError::NoMechanism));
    }
}

#[test]
fn credssp_requests_of_other_implementations_are_parsed() {
    for (octets, expected) in [
        (
            "301ca003020106a11530133011a00f040d4e544c4d53535000746f6b656e".to_owned(),
            TsRequest { version: 6, nego_token: Some(b"NTLMSSP\0token"), ..TsRequest::default() },
        ),
        (
            format!(
                "306ba003020106a10c300a3008a00604046c617374a3320430{}a5220420{}",
                "70".repeat(48),
                "07".repeat(32)
            ),
            TsRequest {
                version: 6,
                nego_token: Some(b"last"),
                pub_key_auth: Some(&[b'p'; 48]),
                client_nonce: Some(Nonce::new([7; 32])),
                ..TsRequest::default()
            },
        ),
        (
            format!("3081d3a003020106a281cb0481c8{}", "61".repeat(200)),
            TsRequest { version: 6, auth_info: Some(&[b'a'; 200]), ..TsRequest::default() },
        ),
        (
            "300da003020106a4060204c000006d".to_owned(),
            TsRequest { version: 6, error_code: Some(0xc000_006d), ..TsRequest::default() },
        ),
    ] {
        let octets = hex(&octets);
        assert_eq!(TsRequest::decode(&octets).as_ref(), Ok(&expected));
        assert_eq!(expected.encode(), octets);
    }
    // A status as pyspnego writes it.
    let positive = hex("300ea003020106a407020500c000006d");
    assert_eq!(TsRequest::decode(&positive).unwrap().error_code, Some(0xc000_006d));
}

#[test]
fn malformed_requests_are_rejected() {
    let request = |fields: &[&[u8]]| der(0x30, fields);
    let version = der(0xa0, &[b"\x02\x01\x06"]);
    let datum = der(0x30, &[&der(0xa0, &[b"\x04\x01t"])]);
    let tokens = |data: &[&[u8]]| der(0xa1, &[&der(0x30, data)]);
    assert!(TsRequest::decode(&request(&[&version, &tokens(&[&datum])])).is_ok());
    for (fault, malformed) in [
        ("nothing", Vec::new()),
        ("no version", request(&[])),
        ("a negative version", request(&[&der(0xa0, &[b"\x02\x01\xff"])])),
        ("no token", request(&[&version, &tokens(&[])])),
        ("two tokens", request(&[&version, &tokens(&[&datum, &datum])])),
        ("something else than a token", request(&[&version, &tokens(&[b"\x04\x01t"])])),
        ("a short nonce", request(&[&version, &der(0xa5, &[b"\x04\x01n"])])),
        ("a status of 40 bits", request(&[&version, &der(0xa4, &[b"\x02\x05\x01\x00\x00\x00\x00"])])),
        ("fields out of order", request(&[&der(0xa2, &[b"\x04\x00"]), &version])),
        ("trailing bytes", [request(&[&version]), vec![0]].concat()),
    ] {
        assert!(matches!(TsRequest::decode(&malformed), Err(AuthError::Malformed(_))), "{fault}");
    }
    let long = vec![0; 65_530];
    let long = TsRequest { version: 6, auth_info: Some(&long), ..TsRequest::default() }.encode();
    assert_eq!(TsRequest::decode(&long), Err(AuthError::Malformed("longer than 64 KiB")));
}

#[test]
fn generated_tokens_round_trip() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2_000 {
        let octets: [Vec<u8>; 3] = [random.octets(), random.octets(), random.octets()];
        let [a, b, c] = octets.each_ref().map(|octets| random.one_of_two().then_some(octets.as_slice()));
        let oids = [Oid::NTLM, Oid::KERBEROS, Oid::MICROSOFT_KERBEROS, Oid::NEGOEX, Oid::SPNEGO];
        let pick = |random: &mut Random| oids[random.below(oids.len())].clone();
        let list = (0..=random.below(15)).map(|_| pick(&mut random)).collect();
        let hints = random.one_of_two().then_some(NegHints { hint_name: b, hint_address: c });
        let token = NegTokenInit {
            mech_types: MechTypeList::new(list).unwrap(),
            mech_token: a,
            neg_hints: hints,
            mech_list_mic: if random.one_of_two() { c } else { None },
        };
        assert_eq!(NegTokenInit::decode(&token.encode()).as_ref(), Ok(&token));

        let states =
            [NegState::AcceptCompleted, NegState::AcceptIncomplete, NegState::Reject, NegState::RequestMic];
        let token = NegTokenResp {
            neg_state: random.one_of_two().then(|| states[random.below(4)]),
            supported_mech: random.one_of_two().then(|| pick(&mut random)),
            response_token: a,
            mech_list_mic: b,
        };
        assert_eq!(NegTokenResp::decode(&token.encode()).as_ref(), Ok(&token));

        let request = TsRequest {
            version: random.number(),
            nego_token: a,
            auth_info: b,
            pub_key_auth: c,
            error_code: random.one_of_two().then(|| random.number()),
            client_nonce: random.one_of_two().then(|| Nonce::new([random.number().to_le_bytes()[0]; 32])),
        };
        assert_eq!(TsRequest::decode(&request.encode()).as_ref(), Ok(&request));
    }
}

/// Pseudo-random numbers that are the same in every run (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn number(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 32).unwrap()
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number()).unwrap() % end
    }

    fn one_of_two(&mut self) -> bool {
        self.below(2) == 0
    }

    /// Mostly short, sometimes long enough for each form of length.
    fn octets(&mut self) -> Vec<u8> {
        let most = [0x10, 0x90, 0x110, 0x1010][self.below(4)];
        let length = self.below(most);
        (0..length).map(|_| self.number().to_le_bytes()[0]).collect()
    }
}

/// Encodes an element of fewer than 128 bytes.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    assert!(content.len() < 0x80);
    [&[tag, u8::try_from(content.len()).unwrap()], &content[..]].concat()
}

fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
