//! `scan ROUNDS ADDRESS:PORT…` reads all sensors of controllers that admit the user of `tests/bmc` (its
//! example `serve` starts some), and prints the duration of each round. Made for profilers, for which the
//! program itself runs too briefly.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Instant;

use telarch_ipmi::proto::{Login, Password, Privilege, Timing, UserName};
use telarch_ipmi::{Endpoint, RecordCache};
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let rounds: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let hosts: Vec<SocketAddr> = std::env::args().skip(2).map(|host| host.parse().unwrap()).collect();
    let folder = std::env::temp_dir().join("scan-cache");
    for _ in 0..rounds {
        let endpoint = Endpoint::with_cache(RecordCache::in_folder(folder.clone()));
        let begin = Instant::now();
        let mut requested = JoinSet::new();
        for (number, address) in hosts.iter().copied().enumerate() {
            // As `telarch ipmi` does: starts a few controllers while others are already being read.
            if number.is_multiple_of(4) {
                tokio::task::yield_now().await;
            }
            let endpoint = endpoint.clone();
            requested.spawn(async move {
                let login = Login::new(UserName::new("admin").unwrap(), Password::new(b"admin-pw").unwrap());
                let bmc = endpoint
                    .open(address, login.privilege(Privilege::User), Timing::default())
                    .await
                    .unwrap();
                let measured = bmc.sensors().await.unwrap();
                bmc.close().await;
                measured.len()
            });
        }
        let sensors: usize = requested.join_all().await.into_iter().sum();
        println!("{sensors} sensors in {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    }
}
