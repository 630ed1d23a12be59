//! Metrics of the collector, read with the parser of Prometheus' own library.

use telarch_peers::MetricsPage;

use super::collector::{Collector, SUBSCRIPTION, batch, event};

#[test]
fn events_batches_and_lags_are_counted() {
    let collector = Collector::start("jsonl", &[SUBSCRIPTION]);
    let before = MetricsPage::of_log(&collector.log());
    for name in ["telarch_collector_events_total{}", "telarch_collector_sources{lag=\"longer\"}"] {
        assert_eq!(before.value(name), 0.0, "{name}");
    }
    let path = collector.delivery_path();
    let created = "<TimeCreated SystemTime='2020-01-01T00:00:00.0000000Z'/></System>";
    let last = event(2, "two").replace("</System>", created);
    let first = batch(3, &[event(1, "one"), "<Event><System>".to_owned(), last]);
    for _ in 0..2 {
        assert_eq!(collector.source().send(&path, &first).status, 200);
    }
    let after = MetricsPage::of_log(&collector.log());
    for (name, value) in [
        ("telarch_collector_batches_total{result=\"stored\"}", 1.0),
        ("telarch_collector_batches_total{result=\"repeated\"}", 1.0),
        ("telarch_collector_batches_total{result=\"failed\"}", 0.0),
        ("telarch_collector_events_total{}", 2.0),
        ("telarch_collector_quarantined_events_total{}", 1.0),
        ("telarch_collector_store_duration_seconds_count{}", 1.0),
        // The last event is years old.
        ("telarch_collector_event_lag_seconds_count{}", 1.0),
        ("telarch_collector_sources{lag=\"longer\"}", 1.0),
        ("telarch_collector_sources{lag=\"10s\"}", 0.0),
    ] {
        assert_eq!(after.value(name), value, "{name} in\n{}", after.text);
    }
    assert!(after.value("telarch_collector_received_bytes_total{}") > 500.0, "{}", after.text);
    assert!(!after.text.contains("win10"), "sources are not named: {}", after.text);
}
