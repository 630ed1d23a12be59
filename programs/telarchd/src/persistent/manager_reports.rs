//! Reports to the service manager.

use std::sync::Arc;
use std::time::Duration;

use service::{ListenerStatus, Report, Service};

/// Reports the state of the listeners whenever it changes.
pub(crate) async fn status(listening: ListenerStatus, report: impl Fn(String)) {
    let mut reports = listening.subscribe();
    loop {
        report(describe(&reports.borrow_and_update()));
        if reports.changed().await.is_err() {
            return;
        }
    }
}

fn describe(report: &Report) -> String {
    let sockets: Vec<String> = report.sockets.iter().map(ToString::to_string).collect();
    let troubled = report.listeners.iter().filter(|listener| !listener.problems.is_empty()).count();
    let place = match sockets.as_slice() {
        [] => "listening for local programs only".to_owned(),
        sockets => format!("listening on {}", sockets.join(", ")),
    };
    match troubled {
        0 => place,
        1 => format!("{place}; 1 listener has problems"),
        count => format!("{place}; {count} listeners have problems"),
    }
}

/// Reports that the service is alive, twice per watchdog interval, as long as it answers requests.
pub(crate) async fn health(service: Arc<Service>, interval: Duration, report_alive: impl Fn()) {
    let half = interval / 2;
    let mut ticks = tokio::time::interval(half);
    loop {
        ticks.tick().await;
        if service.check_health(half).await {
            report_alive();
        } else {
            tracing::error!("Health check failed: no response");
        }
    }
}
