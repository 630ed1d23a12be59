use telarch_oracles::http;

use crate::corpus::cases;
use crate::random::Random;

#[test]
fn request_heads_of_the_corpus_keep_the_promises() {
    mutate(&cases("http_request_head", 1), http::request_head);
}

#[test]
fn response_heads_of_the_corpus_keep_the_promises() {
    mutate(&cases("http_response_head", 1), http::response_head);
}

#[test]
fn chunked_bodies_of_the_corpus_keep_the_promises() {
    mutate(&cases("http_chunked", 1), http::chunked);
}

#[test]
fn header_values_keep_the_promises() {
    let seeds = [
        r#"multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary""#,
        r#"application/soap+xml; charset = UTF-8;;action="a\"b\\c" ;x=y"#,
        "Negotiate TlRMTVNTUAAB==",
        r#"Negotiate, Kerberos, CredSSP, Basic realm="WSMAN""#,
        r#"Digest realm="a, b", qop="auth,auth-int" , nonce = "x\"y",stale=FALSE, Negotiate YII="#,
    ];
    mutate(&seeds.map(|seed| seed.as_bytes().to_vec()), http::header_value);
}

/// Runs the oracle over each seed, and over a few thousand mutations of the seeds.
fn mutate(seeds: &[Vec<u8>], check: impl Fn(&[u8])) {
    for seed in seeds {
        check(seed);
    }
    let mut random = Random::new(0);
    for _ in 0..3_000 {
        let mut input = random.of(seeds).clone();
        for _ in 0..1 + random.below(4) {
            change(&mut input, seeds, &mut random);
        }
        check(&input);
    }
}

/// Applies a change such as an attacker would make.
fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    const PIECES: [&[u8]; 24] = [
        b"\r\n",
        b"\r",
        b"\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"=",
        b"\"",
        b"\\",
        b"0",
        b"f",
        b"\x7f",
        b"\xff",
        b"\r\n\r\n",
        b"\r\n ",
        b"HTTP/1.0",
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Host: a\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff",
    ];
    let at = random.below(input.len() + 1);
    let end = (at + random.below(8)).min(input.len());
    match random.below(6) {
        0 => drop(input.splice(at..at, random.of(&PIECES).iter().copied())),
        1 => drop(input.splice(at..end, random.of(&PIECES).iter().copied())),
        2 => drop(input.drain(at..end)),
        3 => input.truncate(at),
        4 => {
            let other = random.of(seeds);
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}
