//! SLDC: vectors of the standard's symbols, and round trips.

use telarch_winevent::WinEventError;
use telarch_winevent::sldc::{MAX_OUTPUT, decode, encode};

use crate::random::Random;

/// Returns bytes of the bits in a text of `0` and `1`; other characters are ignored.
fn bits(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| matches!(byte, b'0' | b'1')).map(|b| b - b'0').collect();
    let byte = |eight: &[u8]| (0..8).fold(0, |byte, at| byte << 1 | eight.get(at).copied().unwrap_or(0));
    digits.chunks(8).map(byte).collect()
}

const RESET_1: &str = "111111111 0101 ";
const RESET_2: &str = "111111111 0110 ";
const END: &str = "111111111 0100 ";

fn decoded(text: &str) -> Vec<u8> {
    decode(&bits(text), MAX_OUTPUT).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn literals_and_copies_of_scheme_1_are_decoded() {
    // 'a', then copies of every width from address 0, which overlap what they write.
    let a = "0 01100001";
    for (count, length) in [
        ("00", 2),
        ("01", 3),
        ("1000", 4),
        ("1011", 7),
        ("110000", 8),
        ("110111", 15),
        ("11100000", 16),
        ("11101111", 31),
        ("111100000000", 32),
        ("111111101111", 271),
    ] {
        let text = format!("{RESET_1} {a} 1 {count} 0000000000 {END}");
        assert_eq!(decoded(&text), vec![b'a'; length + 1], "{count}");
    }
    let text = format!("{RESET_1} 0 01100001 0 01100010 1 01 0000000001 {END}");
    assert_eq!(decoded(&text), b"abbbb");
}

#[test]
fn scheme_2_escapes_its_control_symbols() {
    let text = format!("{RESET_2} 01100001 11111111 0 01100010 {END}");
    assert_eq!(decoded(&text), b"a\xFFb");
}

#[test]
fn a_scheme_change_keeps_the_history_and_a_reset_clears_it() {
    let change = format!("{RESET_2} 01100001 111111111 0001 1 00 0000000000 111111111 0010 01100010 {END}");
    assert_eq!(decoded(&change), b"aaab");
    let reset = format!("{RESET_1} 0 01100001 111111111 0101 0 01100010 1 00 0000000000 {END}");
    assert_eq!(decoded(&reset), b"abbb");
    let cleared = format!("{RESET_1} 0 01100001 111111111 0101 1 00 0000000000 {END}");
    assert!(decode(&bits(&cleared), MAX_OUTPUT).unwrap_err().to_string().contains("history"));
}

#[test]
fn a_flush_is_followed_by_zeros_up_to_32_bits() {
    // 13 + 9 + 13 bits, so 29 zeros follow.
    let text = format!("{RESET_1} 0 01100001 111111111 0000 {} 0 01100010 {END}", "0".repeat(29));
    assert_eq!(decoded(&text), b"ab");
    let mark = format!("{RESET_1} 0 01100001 111111111 0011 0 01100010 111111111 1111");
    assert_eq!(decoded(&mark), b"ab");
}

#[test]
fn the_length_at_the_end_is_optional_and_checked() {
    let mut bytes = bits(&format!("{RESET_1} 0 01100001 {END}"));
    assert_eq!(bytes.len(), 5);
    bytes.push(0);
    assert_eq!(decode(&bytes, MAX_OUTPUT).unwrap(), b"a");
    let with = |length: u32| [bytes.as_slice(), &length.to_le_bytes()].concat();
    assert_eq!(decode(&with(1), MAX_OUTPUT).unwrap(), b"a");
    assert!(decode(&with(2), MAX_OUTPUT).unwrap_err().to_string().contains("stated length"));
    bytes.extend([9; 20]);
    assert!(decode(&bytes, MAX_OUTPUT).is_err());
}

#[test]
fn cut_and_foreign_bytes_are_rejected() {
    let whole = encode(b"abcabcabcabc, abcabcabcabc").unwrap();
    // Six bytes at the end are padding and length.
    for length in 0..whole.len() - 6 {
        assert!(decode(&whole[..length], MAX_OUTPUT).is_err(), "{length} bytes were accepted");
    }
    for bytes in [&b""[..], b"\xFF\xFE<\0s\0", b"<s:Envelope>", &[0xFF; 64], &[0; 64]] {
        assert!(matches!(decode(bytes, MAX_OUTPUT), Err(WinEventError::Sldc { .. })), "{bytes:?}");
    }
    let unknown = bits(&format!("{RESET_1} 111111111 0111 {END}"));
    assert!(decode(&unknown, MAX_OUTPUT).unwrap_err().to_string().contains("control symbol"));
}

#[test]
fn the_output_is_bounded() {
    let data = vec![b'x'; 100_000];
    let compressed = encode(&data).unwrap();
    assert!(compressed.len() < 1_200, "{} bytes", compressed.len());
    assert_eq!(decode(&compressed, 100_000).unwrap(), data);
    let error = decode(&compressed, 99_999).unwrap_err();
    assert!(matches!(error, WinEventError::Limit { maximum: 99_999, .. }), "{error}");
    assert!(encode(&vec![0; MAX_OUTPUT + 1]).is_err());
}

#[test]
fn any_data_is_the_same_after_a_round_trip() {
    let mut random = Random::new(1);
    for round in 0..400 {
        let alphabet = 1 + random.below(256);
        let length = random.below([16, 300, 5_000][round % 3]);
        let mut data = Vec::new();
        while data.len() < length {
            if random.below(3) == 0 && !data.is_empty() {
                let from = random.below(data.len());
                let end = data.len().min(from + random.below(600));
                data.extend_from_within(from..end);
            }
            data.push(u8::try_from(random.below(alphabet)).unwrap());
        }
        let compressed = encode(&data).unwrap();
        assert_eq!(decode(&compressed, data.len()).unwrap(), data, "round {round}");
        assert!(compressed.len() <= data.len() * 9 / 8 + 12);
    }
}

#[test]
fn mutated_input_never_exceeds_its_bound() {
    let mut random = Random::new(2);
    let whole = encode("<Event><System><Provider Name='P'/></System></Event>".repeat(40).as_bytes()).unwrap();
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        if let Ok(data) = decode(&bytes, 10_000) {
            assert!(data.len() <= 10_000);
        }
    }
}
