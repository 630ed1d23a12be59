//! Metrics that the service sends by OTLP, decoded with the schema of OpenTelemetry.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use telarch_peers::{Curl, MetricsPage, OtlpReceiver, PASSWORD, Telarchd, USER};

#[test]
fn otlp_has_the_names_types_and_values_of_the_page() {
    let mut receiver = OtlpReceiver::start(0, "");
    let url = format!("http://127.0.0.1:{}", receiver.port());
    let service = Telarchd::start(&[
        ("Metrics.OtlpUrl", &url),
        ("Metrics.OtlpInterval", "1"),
        ("Metrics.Enabled", "true"),
        ("Metrics.Port", "0"),
    ]);
    let first = receiver.next_request();
    assert_eq!(first.resource("service.name"), Some("telarchd"));
    assert_eq!(first.resource("service.version"), Some(env!("CARGO_PKG_VERSION")));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert_eq!(first.resource("host.name"), Some(&*host));
    assert_eq!(first.resource("service.instance.id"), Some(&*host));
    let failed = [("scheme", "Basic"), ("result", "failed")];
    assert_eq!(first.point("telarch_sign_ins", "sum", &failed)["asInt"], "0");

    let malformed = |password| Curl::to(service.https()).basic(USER, password).body("<a/>").send().status;
    assert_eq!(malformed(PASSWORD), 500);
    assert_eq!(malformed("wrong"), 401);
    let counted = loop {
        let next = receiver.next_request();
        if next.point("telarch_sign_ins", "sum", &failed)["asInt"] == "1" {
            break next;
        }
    };
    let labels = [("action", "malformed"), ("result", "fault")];
    assert_eq!(counted.point("telarch_requests", "sum", &labels)["asInt"], "1");
    let requests = &counted.metric("telarch_requests")["sum"];
    assert_eq!(requests["aggregationTemporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE");
    assert_eq!(requests["isMonotonic"], true);
    let accepted = |request: &telarch_peers::OtlpRequest| {
        request.point("telarch_connections_accepted", "sum", &[]).clone()
    };
    let [before, after] = [accepted(&first), accepted(&counted)];
    assert_eq!((&before["asInt"], &after["asInt"]), (&json!("0"), &json!("2")));
    assert_eq!(before["startTimeUnixNano"], after["startTimeUnixNano"]);
    assert!(nanoseconds(&before["timeUnixNano"]) < nanoseconds(&after["timeUnixNano"]));
    assert!(nanoseconds(&before["startTimeUnixNano"]) <= nanoseconds(&before["timeUnixNano"]));
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(counted.point("telarch_build_info", "gauge", &version)["asInt"], "1");
    let lag = counted.point("telarch_collector_event_lag_seconds", "histogram", &[]);
    let (bounds, counts) = (lag["explicitBounds"].as_array(), lag["bucketCounts"].as_array());
    assert_eq!((bounds.map(Vec::len), counts.map(Vec::len)), (Some(10), Some(11)));
    assert_eq!(counted.metric("telarch_collector_event_lag_seconds")["unit"], "s");
    assert_eq!(counted.metric("telarch_collector_received_bytes")["unit"], "By");

    // Each family of the page is a metric with the same name.
    let page = MetricsPage::of(&service);
    let types = page.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let expected: BTreeSet<String> = types
        .filter(|(name, _)| page.samples.keys().any(|sample| sample.starts_with(name)))
        .map(|(name, kind)| if kind == "info" { format!("{name}_info") } else { name.to_owned() })
        .collect();
    let sent: BTreeSet<String> =
        counted.metrics().iter().filter_map(|metric| metric["name"].as_str().map(str::to_owned)).collect();
    assert!(sent.is_subset(&expected) && sent.len() >= 15, "{sent:?} {expected:?}");
}

#[test]
fn a_histogram_has_the_counts_of_each_bucket() {
    let mut receiver = OtlpReceiver::start(0, "");
    let url = format!("http://127.0.0.1:{}/v1/metrics", receiver.port());
    let service = Telarchd::start(&[("Metrics.OtlpUrl", &url), ("Metrics.OtlpInterval", "1")]);
    let identify = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:i=\
                    \"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"><s:Header/><s:Body>\
                    <i:Identify/></s:Body></s:Envelope>";
    for _ in 0..3 {
        let reply = Curl::to(service.https()).basic(USER, PASSWORD).body(identify).send();
        assert_eq!(reply.status, 200);
    }
    loop {
        let next = receiver.next_request();
        if next.metrics().iter().all(|metric| metric["name"] != "telarch_request_duration_seconds") {
            continue;
        }
        let labels = [("action", "Identify")];
        let point = next.point("telarch_request_duration_seconds", "histogram", &labels);
        if point["count"] != "3" {
            continue;
        }
        let counts = point["bucketCounts"].as_array().expect("counts");
        assert_eq!(counts.iter().map(nanoseconds).sum::<u64>(), 3, "{point}");
        assert_eq!(counts.len(), point["explicitBounds"].as_array().expect("bounds").len() + 1);
        assert!(point["sum"].as_f64().is_some_and(|sum| sum > 0.0), "{point}");
        return;
    }
}

#[test]
fn an_outage_of_the_receiver_is_reported_once_and_ends() {
    let mut receiver = OtlpReceiver::start(0, "");
    let port = receiver.port();
    let url = format!("http://127.0.0.1:{port}");
    let service = Telarchd::start(&[("Metrics.OtlpUrl", &url), ("Metrics.OtlpInterval", "1")]);
    let before = receiver.next_request();
    drop(receiver);
    service.logged(&["Cannot send metrics"]);
    let reply = Curl::to(service.https()).basic(USER, PASSWORD).body("<a/>").send();
    assert_eq!(reply.status, 500, "the service goes on");
    let mut receiver = OtlpReceiver::start(port, "");
    let after = receiver.next_request();
    let log = service.logged(&["Receiver accepts metrics again"]);
    assert_eq!(log.matches("Cannot send metrics").count(), 1, "{log}");
    let [before, after] = [before, after].map(|request| {
        let point = request.point("telarch_connections_accepted", "sum", &[]).clone();
        (nanoseconds(&point["asInt"]), nanoseconds(&point["startTimeUnixNano"]))
    });
    assert_eq!((after.0, after.1), (before.0 + 1, before.1), "counters continue");
}

#[test]
fn rejected_points_are_logged_once_with_the_reason_and_counted() {
    let rejects = json!({"rejected": 2, "message": "too \u{1b}[31mold\nerror: forged"});
    let mut receiver = OtlpReceiver::start_answering(&json!([rejects, rejects, {"rejected": 0}]));
    let url = format!("http://127.0.0.1:{}", receiver.port());
    let service = Telarchd::start(&[("Metrics.OtlpUrl", &url), ("Metrics.OtlpInterval", "1")]);
    for _ in 0..3 {
        receiver.next_request();
    }
    let after = receiver.next_request();
    assert_eq!(after.point("telarch_metrics_rejected_points", "sum", &[])["asInt"], "4");
    for (result, count) in [("partial", "2"), ("ok", "1"), ("failed", "0")] {
        let exports = after.point("telarch_metrics_exports", "sum", &[("result", result)]);
        assert_eq!(exports["asInt"], count, "{result}");
    }
    let log = service.logged(&["Receiver accepts all data points again"]);
    let rejected: Vec<&str> = log.lines().filter(|line| line.contains("rejected data points")).collect();
    let [line] = rejected.as_slice() else { panic!("{log}") };
    assert!(line.contains("rejected=2") && line.contains("too  [31mold error: forged"), "{line}");
}

#[test]
fn an_overloaded_receiver_is_asked_later_and_its_reason_is_logged() {
    let answers = json!([
        {"status": 503, "retry_after": "3", "message": "queue is full"},
        {"status": 429, "message": "slow down"},
    ]);
    let mut receiver = OtlpReceiver::start_answering(&answers);
    let url = format!("http://127.0.0.1:{}", receiver.port());
    let service = Telarchd::start(&[("Metrics.OtlpUrl", &url), ("Metrics.OtlpInterval", "1")]);
    assert_eq!(receiver.next_request().0["refused"], 503);
    let second = receiver.next_request();
    assert_eq!(second.0["refused"], 429);
    assert!(second.waited() >= 3.0, "Retry-After: {} s", second.waited());
    let after = receiver.next_request();
    assert_eq!(after.point("telarch_metrics_exports", "sum", &[("result", "failed")])["asInt"], "2");
    assert!(after.waited() >= 6.0, "twice the time before: {} s", after.waited());
    let log = service.logged(&["Receiver accepts metrics again"]);
    assert!(log.contains("status 503: queue is full"), "{log}");
}

/// Returns a 64-bit number, which JSON has as a text.
fn nanoseconds(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}
