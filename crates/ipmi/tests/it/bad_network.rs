//! Tests with a network that loses, repeats and delays packets in front of `ipmi_sim`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use telarch_ipmi::Connection;
use telarch_ipmi::proto::Timing;
use telarch_simulated_bmc::SimulatedBmc;
use tokio::net::UdpSocket;

use crate::sessions::login;

/// Forwards the packets of one console: every 7th is lost, every 5th is duplicated, and every 11th repeated
/// much later.
async fn bad_network(bmc: SocketAddr) -> SocketAddr {
    let outside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let inside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = outside.local_addr().unwrap();
    inside.connect(bmc).await.unwrap();
    tokio::spawn(async move {
        let (mut there, mut back) = ([0; 2_048], [0; 2_048]);
        let (mut console, mut count, mut late) = (None, 0_u32, Vec::new());
        loop {
            let (length, to_bmc) = tokio::select! {
                Ok((length, from)) = outside.recv_from(&mut there) => {
                    console = Some(from);
                    (length, true)
                }
                Ok(length) = inside.recv(&mut back) => (length, false),
            };
            let packet = if to_bmc { &there[..length] } else { &back[..length] };
            count += 1;
            let times = if count.is_multiple_of(7) { 0 } else { 1 + u32::from(count.is_multiple_of(5)) };
            let mut packets = vec![(to_bmc, packet.to_vec()); times.try_into().unwrap()];
            if count.is_multiple_of(11) {
                packets.extend(late.pop());
                late.push((to_bmc, packet.to_vec()));
            }
            for (to_bmc, packet) in packets {
                if to_bmc {
                    inside.send(&packet).await.unwrap();
                } else if let Some(console) = console {
                    outside.send_to(&packet, console).await.unwrap();
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn a_scan_over_a_bad_network_is_slower_but_complete_and_correct() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let address: SocketAddr = bmc.address().parse().unwrap();
    let timing = Timing { limit: Duration::from_secs(60), ..Timing::default() };
    let mut scans = Vec::new();
    for address in [address, bad_network(address).await] {
        let connection = Connection::open(address, login("admin", "admin-pw"), timing).await.unwrap();
        let records = connection.records().await.unwrap();
        let measured = connection.measure(&records).await.unwrap();
        connection.close().await;
        scans.push((records, measured));
    }
    assert_eq!((scans[0].0.len(), scans[0].1.len()), (35, 29));
    assert!(scans[0].1.iter().all(|measured| measured.reading.is_some()));
    assert_eq!(scans[0], scans[1]);
}
