//! Activity of a command's client, to detect abandoned commands.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::{Command, Signal};

/// Pending requests of a command's client, and the time of the last one.
#[derive(Clone, Debug)]
pub(super) struct ClientActivity(Arc<watch::Sender<Now>>);

#[derive(Clone, Copy, Debug)]
struct Now {
    /// Number of pending requests; a Receive is pending while it waits for output.
    requests: usize,
    /// Time at which the last request ended.
    last: Instant,
}

/// A command with a pending request of its client.
pub(super) struct ActiveCommand {
    command: Arc<Command>,
    client_activity: ClientActivity,
}

impl ClientActivity {
    /// Starts with the request that creates the command.
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Now { requests: 0, last: Instant::now() })))
    }

    /// Counts a request as pending until the returned guard is dropped.
    pub(super) fn begin(&self, command: Arc<Command>) -> ActiveCommand {
        self.0.send_modify(|now| now.requests += 1);
        ActiveCommand { command, client_activity: self.clone() }
    }

    /// Waits until there was no request for the given time.
    async fn lapsed(&self, after: Duration) {
        let mut changes = self.0.subscribe();
        loop {
            let now = *changes.borrow_and_update();
            let deadline = now.last.checked_add(after).filter(|_| now.requests == 0);
            match deadline {
                // Requests in the meantime are noticed only after the sleep, which makes a request cheap.
                Some(deadline) if deadline > Instant::now() => sleep_until(deadline).await,
                Some(_) => return,
                // This object owns the sender, so the channel is never closed.
                None => _ = changes.changed().await,
            }
        }
    }
}

#[cfg(test)]
impl ActiveCommand {
    pub(super) fn command(&self) -> Arc<Command> {
        Arc::clone(&self.command)
    }
}

impl Deref for ActiveCommand {
    type Target = Command;

    fn deref(&self) -> &Command {
        &self.command
    }
}

impl Drop for ActiveCommand {
    fn drop(&mut self) {
        self.client_activity.0.send_modify(|now| {
            now.requests = now.requests.saturating_sub(1);
            now.last = Instant::now();
        });
    }
}

/// Terminates a command like the signal `terminate` once its client has sent no request for the given time.
pub(super) async fn end_if_abandoned(
    shell: String,
    id: String,
    command: std::sync::Weak<Command>,
    client_activity: ClientActivity,
    after: Duration,
) {
    let Some(ended) = command.upgrade().map(|command| command.ended()) else { return };
    tokio::select! {
        () = ended => return,
        () = client_activity.lapsed(after) => {}
    }
    let Some(command) = command.upgrade() else { return };
    tracing::warn!(
        shell, command = id, process = command.process_id(), after = ?after,
        "Command ended: its client has neither received nor sent anything for AbandonedCommandTimeoutms"
    );
    if let Err(error) = command.signal(Signal::Terminate) {
        tracing::warn!(shell, command = id, %error, "Cannot end an abandoned command");
    }
}
