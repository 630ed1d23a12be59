//! Keeps controllers of ours until the standard input ends; prints their addresses, a line for each.
//! The first argument is how many, the second how many milliseconds each answer takes, and then how many of a hundred
//! datagrams are lost, how many arrive twice, and how many milliseconds longer an answer may take.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::Duration;

use telarch_simulated_bmc::{ControllerGroup, Network};

fn main() {
    let number = |place| std::env::args().nth(place).map_or(0, |number| number.parse().unwrap());
    let [delay, jitter] = [2, 5].map(|place| Duration::from_millis(number(place)));
    let count = usize::try_from(number(1)).unwrap().max(1);
    let group = ControllerGroup::start(count, Network { lost: number(3), twice: number(4), delay, jitter });
    for address in group.addresses() {
        println!("{address}");
    }
    let _ = std::io::stdin().read_line(&mut String::new());
}
