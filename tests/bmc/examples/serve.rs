//! Keeps controllers of ours until the standard input ends; prints their addresses, a line for each.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use telarch_simulated_bmc::{Crowd, Network};

fn main() {
    let count = std::env::args().nth(1).map_or(1, |count| count.parse().unwrap());
    let crowd = Crowd::start(count, Network::default());
    for address in crowd.addresses() {
        println!("{address}");
    }
    let _ = std::io::stdin().read_line(&mut String::new());
}
