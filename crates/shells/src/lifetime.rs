//! Lifetime of a shell: pending requests, idle time and maximum age.

use std::time::Duration;

use config::Winrs;
use tokio::sync::watch;
use tokio::time::Instant;

/// Lifetime of a shell.
#[derive(Debug)]
pub struct Lifetime {
    opened: Instant,
    /// Maximum age.
    maximum: Option<Duration>,
    activity: watch::Sender<Activity>,
}

/// Pending requests, the end of the last one, and the idle timeout.
#[derive(Clone, Copy, Debug)]
struct Activity {
    operations: usize,
    last: Instant,
    idle_timeout: Duration,
    closed: bool,
}

/// A pending request, which keeps the shell from being idle until it is dropped.
#[derive(Debug)]
pub struct Operation(watch::Sender<Activity>);

impl Lifetime {
    /// Begins the life of a shell with the maximum age and the idle timeout that its client requested, within the
    /// settings.
    #[must_use]
    pub fn new(maximum: Option<Duration>, idle_timeout: Option<Duration>, winrs: &Winrs) -> Self {
        let idle_timeout = match idle_timeout {
            // MS-WSMV 2.2.4.42; MaxIdleTimeoutms in 2.2.4.30.
            Some(requested) => requested.clamp(MIN_IDLE_TIMEOUT, MAX_TIME),
            None => winrs.effective_idle_timeout(),
        };
        let now = Instant::now();
        Self {
            opened: now,
            maximum: [maximum, max_run_time(winrs.max_shell_run_time.duration())].into_iter().flatten().min(),
            activity: watch::Sender::new(Activity { operations: 0, last: now, idle_timeout, closed: false }),
        }
    }

    /// Returns the time without requests after which the shell ends.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        self.activity.borrow().idle_timeout
    }

    /// Changes the idle timeout, within the limits of the protocol.
    pub fn set_idle_timeout(&self, idle_timeout: Duration) {
        let idle_timeout = idle_timeout.clamp(MIN_IDLE_TIMEOUT, MAX_TIME);
        self.activity.send_modify(|activity| activity.idle_timeout = idle_timeout);
    }

    /// Returns the time since the shell was opened.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Returns the time since the last request; zero while one is pending.
    #[must_use]
    pub fn inactivity(&self) -> Duration {
        let activity = *self.activity.borrow();
        if activity.operations > 0 { Duration::ZERO } else { activity.last.elapsed() }
    }

    /// Marks the shell as active until the returned guard is dropped.
    #[must_use]
    pub fn begin_operation(&self) -> Operation {
        self.activity.send_modify(|activity| activity.operations += 1);
        Operation(self.activity.clone())
    }

    /// Ends the life, so that [`expired`](Self::expired) returns.
    pub fn mark_closed(&self) {
        self.activity.send_modify(|activity| activity.closed = true);
    }

    /// Waits until the shell has been idle too long or has reached its maximum age, and returns the reason. Returns
    /// `None` if the shell is closed before.
    pub async fn expired(&self) -> Option<&'static str> {
        let mut changes = self.activity.subscribe();
        let end = self.maximum.map(|maximum| self.opened + maximum);
        loop {
            let activity = *changes.borrow_and_update();
            if activity.closed {
                return None;
            }
            let idle_end = (activity.operations == 0).then(|| activity.last + activity.idle_timeout);
            let deadline = [end, idle_end].into_iter().flatten().min();
            let now = Instant::now();
            if let Some(deadline) = deadline
                && deadline <= now
            {
                return Some(if end.is_some_and(|end| end <= now) { "lifetime" } else { "idle" });
            }
            let sleep = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {}
                changed = changes.changed() => changed.ok()?,
            }
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.0.send_modify(|activity| {
            activity.operations = activity.operations.saturating_sub(1);
            activity.last = Instant::now();
        });
    }
}

/// Returns `MaxShellRunTime`; `None` for 0 (MS-WSMV 2.2.4.42) and for the only value of recent Windows versions.
fn max_run_time(setting: Duration) -> Option<Duration> {
    (setting > Duration::ZERO && setting < MAX_TIME).then_some(setting)
}

/// Maximum of time settings in Windows.
pub const MAX_TIME: Duration = Duration::from_millis(0x7FFF_FFFF);
/// Minimum idle timeout; shorter ones are raised to it (MS-WSMV 2.2.4.42).
const MIN_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_time_of_zero_or_of_recent_windows_is_no_limit() {
        let milliseconds = Duration::from_millis;
        assert_eq!(max_run_time(milliseconds(0)), None);
        assert_eq!(max_run_time(milliseconds(0x7FFF_FFFF)), None);
        assert_eq!(max_run_time(milliseconds(28_800_000)), Some(milliseconds(28_800_000)));
    }
}
