//! Clock, which changes every second: scripts wait for `TargetInstance.Hour = 3`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wmi::{BoxFuture, EventSource, Happening, ProviderError};

/// Event source that reports a change at each full second.
pub(crate) struct Seconds;

impl EventSource for Seconds {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            tokio::time::sleep(until_next_second(SystemTime::now())).await;
            Ok(Happening::Changed)
        })
    }
}

/// Returns the time until the next full second.
fn until_next_second(now: SystemTime) -> Duration {
    let passed = now.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    Duration::from_nanos(1_000_000_000 - u64::from(passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_event_fires_at_each_full_second() {
        let at = |nanos: u64| until_next_second(UNIX_EPOCH + Duration::from_nanos(nanos));
        assert_eq!(at(7_250_000_000), Duration::from_millis(750));
        assert_eq!(at(7_000_000_000), Duration::from_secs(1));
    }
}
