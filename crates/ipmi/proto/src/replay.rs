//! Sessions recorded from ipmitool and FreeIPMI with their keys: the computed codes must match, and all
//! packets must decode.

use serde_json::Value;

use crate::keys::{Exchange, Password, UserName};
use crate::message::Answer;
use crate::packet::{Packet, Payload, seal};
use crate::rakp::{Privilege, Rakp2, StepHead};
use crate::suite::CipherSuite;
use crate::wire::Frame;

fn recorded() -> serde_json::Map<String, Value> {
    let all: Value = serde_json::from_str(include_str!("../tests/sessions/recorded.json")).unwrap();
    all.as_object().unwrap().clone()
}

fn octets(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    octets(hex).try_into().unwrap()
}

fn text<'v>(keys: &'v Value, name: &str) -> &'v str {
    keys[name].as_str().unwrap()
}

fn exchange(name: &str, keys: &Value) -> Exchange {
    let suite = if name.ends_with("-3") { CipherSuite::SHA1 } else { CipherSuite::SHA256 };
    assert_eq!(text(keys, "un"), "140561646d696e", "the role, the length of the name, and the name");
    Exchange {
        suite,
        console_id: u32::from_le_bytes(array(text(keys, "csid"))),
        controller_id: u32::from_le_bytes(array(text(keys, "msid"))),
        console_random: array(text(keys, "rm")),
        controller_random: array(text(keys, "rc")),
        guid: array(text(keys, "guid")),
        role: Privilege::Administrator.role(),
        user: UserName::new("admin").unwrap(),
    }
}

#[test]
fn codes_and_packets_of_other_consoles_are_reproduced() {
    let password = Password::new(b"admin-pw").unwrap();
    let mut sessions = 0;
    for (name, session) in recorded() {
        let Some(found) = session.get("keys") else { continue };
        sessions += 1;
        let exchange = exchange(&name, found);
        assert_eq!(*exchange.rakp2(&password), octets(found["rakp2"].as_str().unwrap()), "{name}");
        assert_eq!(*exchange.rakp3(&password), octets(found["rakp3"].as_str().unwrap()), "{name}");
        let keys = exchange.keys(&password, None);
        assert_eq!(*exchange.rakp4(&keys), octets(found["rakp4"].as_str().unwrap()), "{name}");
        let (mut opened, mut rakp2) = (0, 0);
        for line in session["packets"].as_array().unwrap() {
            let (direction, hex) = line.as_str().unwrap().split_once(' ').unwrap();
            let frame = octets(hex);
            // Messages before the session have the IPMI 1.5 format.
            let Ok(packet) = Packet::decode(&frame[4..]) else { continue };
            if packet.payload == Payload::Rakp2 {
                let (console_id, rest) =
                    StepHead::decode(packet.in_clear().unwrap()).unwrap().outcome.unwrap();
                assert_eq!(console_id, exchange.console_id);
                assert_eq!(Rakp2::decode(rest).unwrap().random, exchange.controller_random);
                rakp2 += 1;
            }
            if packet.session_id == 0 {
                continue;
            }
            let mut content = Vec::new();
            packet.open(&keys, &mut content).unwrap_or_else(|error| panic!("{name}: {hex}: {error}"));
            opened += 1;
            assert_eq!(direction == "<", Answer::decode(&content).is_ok(), "{name}: {hex}");
            // Sealing with the same initial vector must reproduce the packet.
            let initial_vector = array(&hex[32..64]);
            let Packet { session_id, number, payload, .. } = packet;
            let mut again = Vec::new();
            seal(&keys, session_id, number, payload, &content, initial_vector, &mut again);
            assert_eq!(again, frame, "{name}");
            for place in 0..frame.len() {
                let mut forged = frame.clone();
                forged[place] ^= 0x40;
                let passes = match Frame::decode(&forged) {
                    Ok(Frame::RmcpPlus(packet)) => packet.open(&keys, &mut Vec::new()).is_ok(),
                    _ => false,
                };
                // The code does not cover the RMCP header: its reserved byte and sequence number may differ.
                assert!(!passes || (1..4).contains(&place), "{name}: octet {place} of {hex} can be changed");
            }
        }
        assert!(opened >= 6 && rakp2 == 1, "{name}: {opened} packets");
    }
    assert_eq!(sessions, 4);
}
