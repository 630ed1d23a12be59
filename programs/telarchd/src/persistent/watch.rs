//! Telling the service manager how the service is.

use std::sync::Arc;
use std::time::Duration;

use service::{ListenerStatus, Report, Service};

/// Tells it what the listeners do, whenever that changes.
pub(crate) async fn status(listening: ListenerStatus, tell: impl Fn(String)) {
    let mut reports = listening.subscribe();
    loop {
        let status = shown(&reports.borrow_and_update());
        tell(status);
        if reports.changed().await.is_err() {
            return;
        }
    }
}

fn shown(report: &Report) -> String {
    let sockets: Vec<String> = report.sockets.iter().map(ToString::to_string).collect();
    let troubled = report.listeners.iter().filter(|listener| !listener.problems.is_empty()).count();
    let place = match sockets.as_slice() {
        [] => "listening for programs of this machine only".to_owned(),
        sockets => format!("listening on {}", sockets.join(", ")),
    };
    match troubled {
        0 => place,
        1 => format!("{place}; one listener does not listen as it should"),
        count => format!("{place}; {count} listeners do not listen as they should"),
    }
}

/// Tells it that the service is alive, as long as the service answers: twice as often as it wants to hear it.
pub(crate) async fn health(service: Arc<Service>, interval: Duration, tell_alive: impl Fn()) {
    let half = interval / 2;
    let mut ticks = tokio::time::interval(half);
    loop {
        ticks.tick().await;
        if service.check_health(half).await {
            tell_alive();
        } else {
            tracing::error!("The service does not answer itself");
        }
    }
}
