//! Times and durations as text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Date;

/// Returns a time such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn time_text(at: SystemTime) -> String {
    Date::from_unix(at.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())).to_string()
}

/// Returns a duration such as `0.4 ms`, `12 ms`, `3.1 s`, `5 min`, `3 h` or `12 days`.
pub(super) fn duration_text(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time < Duration::from_millis(10) => format!("{:.1} ms", time.as_secs_f64() * 1_000.0),
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        60..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Returns the absolute difference of two times.
pub(super) fn difference(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_in_a_suitable_unit() {
        for (milliseconds, text) in [
            (0, "0.0 ms"),
            (4, "4.0 ms"),
            (12, "12 ms"),
            (3_140, "3.1 s"),
            (300_000, "5 min"),
            (10_800_000, "3 h"),
            (1_036_800_000, "12 days"),
        ] {
            assert_eq!(duration_text(Duration::from_millis(milliseconds)), text);
        }
    }
}
