//! The break of `telarch ipmi sol` compared with that of ipmitool on the network.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use telarch_simulated_bmc::{SimulatedBmc, is_installed};

use crate::ipmi::printed;
use crate::ipmi_terminal::{Terminal, ours};

#[test]
fn a_break_matches_that_of_ipmitool() {
    let Some((bmc, mut line)) = SimulatedBmc::start_with_console() else { return };
    if !is_installed("ipmitool", "ipmitool") {
        return;
    }
    printed(&bmc, &["sol", "set", "enabled", "on"]);
    let port = bmc.address().rsplit_once(':').unwrap().1.to_owned();
    let ours = ours(&format!("sol -U admin --suite 1 -H {PLACE}:{port}"));
    let theirs = format!("ipmitool -I lanplus -C 1 -U admin -P admin-pw -H {PLACE} -p {port} sol activate");
    let breaks = [(theirs, "[SOL Session operational"), (ours, "~. quits")].map(|(program, greeting)| {
        let relay = Relay::start(&bmc.address());
        let terminal = Terminal::start(&program)?;
        terminal.seen(greeting);
        // The greeting appears after the terminal is configured.
        line.say("login: ");
        terminal.seen("login:");
        // An escape is recognised at the beginning of a line only.
        terminal.types("x\r");
        assert_eq!(line.receive_until("\r"), "x\r");
        terminal.types("~B");
        let sent = relay.console_asks();
        terminal.types("~.");
        terminal.seen("ended");
        Some(sent)
    });
    let [Some(theirs), Some(ours)] = breaks else { return };
    // Bit 4 of the operation byte is the break (IPMI 2.0, table 15-2); there are no characters.
    assert_eq!((theirs.as_slice(), ours.as_slice()), (&[0x10][..], &[0x10][..]));
}

/// Address of the relay, with the standard port, because ipmitool cannot use another one for this.
const PLACE: &str = "127.91.0.1";

/// Relays datagrams between a client and the controller and records them, until it is dropped.
struct Relay {
    stop: Sender<()>,
    requested: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    fn start(controller: &str) -> Self {
        let controller: SocketAddr = controller.parse().unwrap();
        let (near, far) =
            (UdpSocket::bind((PLACE, controller.port())).unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        far.connect(controller).unwrap();
        for socket in [&near, &far] {
            socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        }
        let ((stop, stopped), (tell, requested)) = (channel(), channel());
        let thread = std::thread::spawn(move || {
            let (mut client, mut datagram) = (None, [0; 2_048]);
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                if let Ok((length, from)) = near.recv_from(&mut datagram) {
                    client = Some(from);
                    let _ = far.send(&datagram[..length]);
                    if let Some(operation) = operation(&datagram[..length]) {
                        let _ = tell.send(operation);
                    }
                }
                if let (Ok(length), Some(client)) = (far.recv(&mut datagram), client) {
                    let _ = near.send_to(&datagram[..length], client);
                }
            }
        });
        Self { stop, requested, thread: Some(thread) }
    }

    /// Returns the first operation byte that the console sent, and the characters after it.
    fn console_asks(&self) -> Vec<u8> {
        self.requested.recv_timeout(Duration::from_secs(60)).unwrap()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Parses an unencrypted serial-over-LAN packet; returns its operation byte and characters if it requests an operation
/// (IPMI 2.0, sections 13.6 and 15.9).
fn operation(datagram: &[u8]) -> Option<Vec<u8>> {
    let [6, 0, _, 7, 6, kind, rest @ ..] = datagram else { return None };
    let [length_low, length_high, payload @ ..] = rest.get(8..)? else { return None };
    let payload = payload.get(..usize::from(u16::from_le_bytes([*length_low, *length_high])))?;
    let is_encrypted = kind & 0x80 != 0;
    assert!(!is_encrypted, "suite 1 does not encrypt");
    let [_, _, _, operation, ..] = payload else { return None };
    (kind & 0x3f == 1 && *operation != 0).then(|| payload[3..].to_vec())
}
