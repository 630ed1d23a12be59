//! Failures of `telarch ipmi` that the user can act upon: responders that are no controllers, levels, missing functions.

use std::net::UdpSocket;
use std::thread;

use telarch_simulated_bmc::{Board, SimulatedBmc};

use crate::ipmi::{fields, ipmi, printed};
use crate::ipmi_settings::{ask, ours};
use crate::telarch;

/// Makes the answer to a datagram.
type MakeAnswer = fn(&[u8]) -> Vec<u8>;

/// Answers each datagram by `answer` until the process ends; returns the address.
fn responder(answer: MakeAnswer) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&answer(&buffer[..length]), peer);
        }
    });
    address
}

#[test]
fn a_responder_that_is_no_controller_is_reported_as_such() {
    let kinds: [(&str, MakeAnswer); 5] = [
        ("noise", |_| vec![0x5a; 40]),
        ("one byte", |_| vec![6]),
        ("echo", |datagram| datagram.to_vec()),
        ("text", |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("cut off", |_| vec![6, 0, 0xff, 7, 6, 0x11]),
    ];
    for (kind, answer) in kinds {
        let address = responder(answer);
        for words in [&["power", "status"][..], &["scan"]] {
            let mut command = telarch(&["ipmi"]);
            command.args(words).args(["-H", &address, "--limit", "1", "-U", "admin"]);
            let ran = crate::run(command.env("TELARCH_IPMI_PASSWORD", "admin-pw"), "");
            let is_told = ran.errors.contains(&format!("{address}: no valid answer: "));
            assert!(ran.code == 1 && is_told, "{kind} {words:?}: {} {}", ran.out, ran.errors);
        }
    }
    // A socket that stays silent.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ran = ask(&silent.local_addr().unwrap().to_string(), &["power", "status", "--limit", "1"]);
    assert!(ran.code != 0 && !ran.errors.contains("no valid answer"), "{}", ran.errors);
}

#[test]
fn a_command_that_needs_a_higher_level_is_repeated_at_it() {
    let mut board = Board::default();
    board.configuration.watts = Some([312, 101, 407, 256]);
    board.needs_administrator.insert((0x2c, 0x02));
    let (group, bmc) = ours(board);
    let shown = ask(&bmc, &["power", "watts"]);
    assert_eq!((shown.code, fields(&shown.out)["Power Now (W)"].as_str()), (0, "312"), "{}", shown.errors);
    let refused = group.first(|board| board.refused);
    assert_eq!(refused, 2, "at the level User, before and after that level was set");
    // A level on the command line is not exceeded, and an account without the level is not either.
    let limited = ask(&bmc, &["power", "watts", "--level", "user"]);
    assert!(limited.code == 1 && limited.errors.contains("d4h"), "{}", limited.errors);
    let mut viewer = telarch(&["ipmi", "power", "watts", "-H", &bmc, "-U", "viewer", "--limit", "3"]);
    let viewer = crate::run(viewer.env("TELARCH_IPMI_PASSWORD", "viewer-pw"), "");
    assert!(viewer.code == 1 && viewer.errors.contains("d4h"), "{}", viewer.errors);
    assert_eq!(group.first(|board| board.refused), 3 * refused);
    drop(group);
}

#[test]
fn a_foreign_controller_is_asked_at_a_higher_level_too() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    // At the level User the simulator rejects DCMI for the level, and at the highest level as unknown.
    let limited = ipmi(&bmc, &["power", "watts", "--level", "user"]);
    assert!(limited.code == 1 && limited.errors.contains("d4h"), "{}", limited.errors);
    let raised = ipmi(&bmc, &["power", "watts"]);
    assert!(raised.code == 1 && raised.errors.contains("c1h"), "{}", raised.errors);
}

#[test]
fn a_controller_without_serial_over_lan_is_an_error() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ran = ipmi(&bmc, &["sol", "info"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.errors.contains("serial over LAN of the controller is not there"), "{}", ran.errors);
}

#[test]
fn as_many_cipher_suites_are_listed_as_the_controller_has() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours = fields(&printed(&bmc, &["lan"]));
    let Some(theirs) = bmc.ipmitool(&["lan", "print", "1"]) else { return };
    let count = bmc.ipmitool(&["raw", "0x0c", "2", "1", "22", "0", "0"]).unwrap();
    assert_eq!(count.trim(), "11 0f", "{count}");
    assert_eq!(ours["RMCP+ Cipher Suites"], fields(&theirs)["RMCP+ Cipher Suites"]);
    assert_eq!(ours["RMCP+ Cipher Suites"], "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15");
    assert_eq!(ours["Cipher Suite Limits"].split(',').count(), 15);
}

#[test]
fn the_manufacturer_is_named() {
    let (_crowd, bmc) = ours(Board { manufacturer: 674, ..Board::default() });
    let ran = ask(&bmc, &["info"]);
    assert_eq!((ran.code, ran.errors.as_str()), (0, ""));
    let ours = fields(&ran.out);
    assert_eq!((ours["Manufacturer ID"].as_str(), ours["Manufacturer Name"].as_str()), ("674", "Dell Inc."));
    let Some(theirs) = telarch_simulated_bmc::ipmitool(&bmc, &["mc", "info"]) else { return };
    assert!(fields(&theirs)["Manufacturer Name"].starts_with("Dell Inc."), "{theirs}");
}
