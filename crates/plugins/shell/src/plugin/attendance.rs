//! How long it is since the client of a command has asked for anything.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::{Command, Signal};

/// When the client of a command was last there.
#[derive(Clone, Debug)]
pub(super) struct Attendance(Arc<watch::Sender<Now>>);

#[derive(Clone, Copy, Debug)]
struct Now {
    /// Requests that are being answered; a Receive waits for output.
    requests: usize,
    /// When the last one ended.
    last: Instant,
}

/// A command while a request of its client is answered.
pub(super) struct Attended {
    command: Arc<Command>,
    attendance: Attendance,
}

impl Attendance {
    /// Begins with the request that starts the command.
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Now { requests: 0, last: Instant::now() })))
    }

    /// Counts a request for a command until what is returned is dropped.
    pub(super) fn begin(&self, command: Arc<Command>) -> Attended {
        self.0.send_modify(|now| now.requests += 1);
        Attended { command, attendance: self.clone() }
    }

    /// Waits until no request has come for a time.
    async fn lapsed(&self, after: Duration) {
        let mut changes = self.0.subscribe();
        loop {
            let now = *changes.borrow_and_update();
            let deadline = now.last.checked_add(after).filter(|_| now.requests == 0);
            match deadline {
                // Requests of the meantime are seen then: one after the other costs nothing here.
                Some(deadline) if deadline > Instant::now() => sleep_until(deadline).await,
                Some(_) => return,
                // The sender is in this object and cannot be gone.
                None => _ = changes.changed().await,
            }
        }
    }
}

#[cfg(test)]
impl Attended {
    pub(super) fn command(&self) -> Arc<Command> {
        Arc::clone(&self.command)
    }
}

impl Deref for Attended {
    type Target = Command;

    fn deref(&self) -> &Command {
        &self.command
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.attendance.0.send_modify(|now| {
            now.requests = now.requests.saturating_sub(1);
            now.last = Instant::now();
        });
    }
}

/// Ends a command as Signal terminate does, once its client has not asked for anything for a time.
pub(super) async fn end_if_abandoned(
    shell: String,
    id: String,
    command: std::sync::Weak<Command>,
    attendance: Attendance,
    after: Duration,
) {
    let Some(ended) = command.upgrade().map(|command| command.ended()) else { return };
    tokio::select! {
        () = ended => return,
        () = attendance.lapsed(after) => {}
    }
    let Some(command) = command.upgrade() else { return };
    tracing::warn!(
        shell, command = id, process = command.process_id(), after = ?after,
        "Command ended: its client has neither received nor sent anything for AbandonedCommandTimeoutms"
    );
    if let Err(error) = command.signal(Signal::Terminate) {
        tracing::warn!(shell, command = id, %error, "An abandoned command could not be ended");
    }
}
