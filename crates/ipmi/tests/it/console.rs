//! Tests of the serial console with `ipmi_sim` as controller.

use std::time::Duration;

use telarch_ipmi::proto::payload::{SerialChange, SetSerialParameter};
use telarch_ipmi::proto::serial::SerialEvent;
use telarch_ipmi::{Console, IpmiError};
use telarch_simulated_bmc::SimulatedBmc;
use tokio::time::timeout;

use crate::sessions::{login, open};

/// Reads the output of the machine until it contains a text.
async fn shown(console: &mut Console, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        let event = timeout(Duration::from_secs(60), console.next()).await;
        match event.unwrap_or_else(|_| panic!("{text} does not come behind {all}")).unwrap() {
            SerialEvent::Characters(characters) => all.push_str(&String::from_utf8_lossy(&characters)),
            other => panic!("{other:?} behind {all}"),
        }
    }
    all
}

#[tokio::test]
async fn the_serial_console_transfers_input_and_output() {
    let Some((bmc, mut line)) = SimulatedBmc::start_with_console() else { return };
    let connection = open(&bmc, login("admin", "admin-pw")).await.unwrap();
    let channel = connection.lan_channel().await.unwrap();
    connection.run(&SetSerialParameter { channel, change: SerialChange::Enabled(true) }).await.unwrap();
    let machine = std::thread::spawn(move || {
        let received = line.receive_until("\r");
        line.say("you said it\r\n");
        line.say(&"0123456789".repeat(300));
        line.say("end");
        let second = line.receive_until("\r");
        (received, second, line)
    });
    let mut console = connection.console().await.unwrap();
    // A second connection is refused while the console is active.
    let taken = connection.console().await.unwrap_err();
    assert!(matches!(taken, IpmiError::Refused { code: 0x80, .. }), "{taken}");
    for letter in "hello world\r".chars() {
        assert_eq!(console.write(letter.to_string().as_bytes()), 1);
    }
    let all = shown(&mut console, "end").await;
    assert_eq!(all, format!("you said it\r\n{}end", "0123456789".repeat(300)));
    let long = "abcdefghij".repeat(100) + "\r";
    assert_eq!(console.write(long.as_bytes()), long.len());
    while !console.is_idle() {
        let _ = timeout(Duration::from_millis(50), console.next()).await;
    }
    let (received, second, mut line) = machine.join().unwrap();
    assert_eq!((received.as_str(), second), ("hello world\r", long));
    console.close().await.unwrap();
    // The next console starts a new payload.
    let machine = std::thread::spawn(move || line.receive_until("\r"));
    let mut console = connection.console().await.unwrap();
    for letter in "hello world\r".chars() {
        assert_eq!(console.write(letter.to_string().as_bytes()), 1);
        while !console.is_idle() {
            let _ = timeout(Duration::from_millis(50), console.next()).await;
        }
    }
    assert_eq!(machine.join().unwrap(), "hello world\r");
    console.close().await.unwrap();
    connection.close().await;
}
