//! Tests of the client end of the serial console, without a network.

use std::time::{Duration, Instant};

use telarch_ipmi_proto::payload::SerialPayload;
use telarch_ipmi_proto::serial::{SerialConsole, SerialEvent};

const RETRY: Duration = Duration::from_millis(100);

fn console() -> SerialConsole {
    SerialConsole::new(SerialPayload { most_in: 8, most_out: 255, port: 623 }, RETRY)
}

#[test]
fn one_packet_is_outstanding_at_a_time() {
    let (now, mut console) = (Instant::now(), console());
    assert_eq!(console.write(b"uname -a"), 8);
    assert_eq!(console.transmit(now), Some(b"\x01\0\0\0unam".to_vec()));
    assert_eq!(console.transmit(now), None);
    // A late acknowledgement of another packet changes nothing.
    console.receive(&[0, 7, 4, 0], now).unwrap();
    assert_eq!(console.transmit(now), None);
    console.receive(&[0, 1, 4, 0], now).unwrap();
    assert_eq!(console.transmit(now), Some(b"\x02\0\0\0e -a".to_vec()));
    console.receive(&[0, 2, 4, 0], now).unwrap();
    assert!(console.is_idle() && console.deadline().is_none());
}

#[test]
fn unaccepted_characters_are_resent_later() {
    let (now, mut console) = (Instant::now(), console());
    console.write(b"abcd");
    console.transmit(now).unwrap();
    console.receive(&[0, 1, 1, NACK], now).unwrap();
    assert_eq!(console.transmit(now), None, "it asked to wait");
    assert_eq!(console.transmit(now + RETRY), Some(b"\x02\0\0\0bcd".to_vec()));
}

#[test]
fn a_duplicate_packet_is_delivered_once_and_acknowledged_twice() {
    let (now, mut console) = (Instant::now(), console());
    let packet = b"\x05\0\0\0hi";
    assert_eq!(console.receive(packet, now).unwrap(), [SerialEvent::Characters(b"hi".to_vec())]);
    assert_eq!(console.receive(packet, now).unwrap(), []);
    assert_eq!(console.transmit(now), Some(vec![0, 5, 2, 0]));
    assert_eq!(console.transmit(now), Some(vec![0, 5, 2, 0]));
    assert_eq!(console.transmit(now), None);
    assert!(console.receive(&[1, 0, 0], now).is_err());
}

#[test]
fn a_packet_is_reported_lost_after_the_last_retry() {
    let (mut now, mut console) = (Instant::now(), console());
    console.send_break();
    assert_eq!(console.transmit(now), Some(vec![1, 0, 0, SEND_BREAK]));
    let mut sent = 1;
    while let Some(deadline) = console.deadline() {
        now = deadline;
        if console.tick(now) == Some(SerialEvent::Lost) {
            break;
        }
        sent += u32::from(console.transmit(now).is_some());
    }
    assert_eq!(sent, 1 + MOST_TIMES);
    assert!(console.deadline().is_none());
}

#[test]
fn line_events_are_reported() {
    let (now, mut console) = (Instant::now(), console());
    let reported = console.receive(&[0, 0, 0, BREAK | OVERRUN | UNAVAILABLE | DEACTIVATED], now).unwrap();
    let all = [SerialEvent::Break, SerialEvent::Overrun, SerialEvent::Unavailable, SerialEvent::Deactivated];
    assert_eq!(reported, all);
    assert_eq!(console.write(&[b'x'; 5_000]), MOST_TYPED);
}

/// Maximum number of retransmissions, and of typed bytes kept.
const MOST_TIMES: u32 = 7;
const MOST_TYPED: usize = 4_096;
/// Bits of the fourth byte (IPMI 2.0, table 15-2).
const NACK: u8 = 0x40;
const UNAVAILABLE: u8 = 0x20;
const DEACTIVATED: u8 = 0x10;
const OVERRUN: u8 = 0x08;
const BREAK: u8 = 0x04;
const SEND_BREAK: u8 = 0x10;
