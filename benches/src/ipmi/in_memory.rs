//! Measures the CPU time of a scan without a network.

use std::time::Duration;

use simulated_bmc::Recording;

use crate::effort::Effort;
use crate::process::thread_cpu;
use crate::table::Row;

/// Measures each end alone; the result is the shortest of many runs.
pub(super) fn measure(effort: &Effort) -> Row {
    let recording = Recording::of_warm_scan();
    let of = |play: fn(&Recording)| {
        let mut best = Duration::MAX;
        for _ in 0..effort.commands * 20 {
            let begin = thread_cpu();
            play(&recording);
            best = best.min(thread_cpu().saturating_sub(begin));
        }
        best.as_secs_f64() * 1e6
    };
    let [console, controller] = [of(Recording::play_console), of(Recording::play_controller)];
    let datagrams: usize = recording.flights().iter().map(|flight| flight.requests.len()).sum();
    let both = console + controller;
    Row::without_goal(
        "sensors of one controller in memory, without sockets, records warm",
        format!(
            "{both:.1} µs (console {console:.1}, controller {controller:.1}; {datagrams} datagrams each way)"
        ),
    )
}
