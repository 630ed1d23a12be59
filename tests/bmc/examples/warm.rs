//! `warm ROUNDS [console | controller]` plays one end of a warm scan in memory, or both ends, and prints how much time
//! of a processor each round took: for a profiler.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use rustix::time::{ClockId, clock_gettime};
use telarch_simulated_bmc::Recording;

fn main() {
    let rounds: u32 = std::env::args().nth(1).unwrap().parse().unwrap();
    let recording = Recording::of_warm_scan();
    let wanted = std::env::args().nth(2);
    for end in ["console", "controller"] {
        if wanted.as_ref().is_some_and(|wanted| wanted != end) {
            continue;
        }
        let play = if end == "console" { Recording::play_console } else { Recording::play_controller };
        let mut best = f64::MAX;
        for _ in 0..20 {
            let begin = seconds();
            (0..rounds).for_each(|_| play(&recording));
            best = best.min((seconds() - begin) / f64::from(rounds));
        }
        println!("{end}: {:.2} us for each scan", best * 1e6);
    }
}

fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
