//! Metrics of the service, read with the parser of Prometheus' own library.

use std::process::Command;

use telarch_peers::{
    Curl, MetricsPage, PASSWORD, Peer as _, Prometheus, Pwsh, Pypsrp, Reply, Telarchd, USER, WayIn, Winrm,
    Winrs, promtool_check,
};

#[test]
fn requests_and_sign_ins_are_counted_by_result() {
    let service = Telarchd::start(&METRICS);
    let before = MetricsPage::of(&service);
    for name in ["telarch_requests_in_progress{}", "telarch_connections{}", "telarch_subscriptions{}"] {
        assert_eq!(before.value(name), 0.0, "{name}");
    }

    assert_eq!(send(&service, PASSWORD, &message(CONFIG, "transfer/Get", "")).status, 200);
    assert_eq!(send(&service, PASSWORD, &message("urn:no-such-resource", "transfer/Get", "")).status, 500);
    assert_eq!(send(&service, PASSWORD, "<no-envelope/>").status, 500);
    assert_eq!(send(&service, "wrong", &message(CONFIG, "transfer/Get", "")).status, 401);

    let after = MetricsPage::of(&service);
    for (name, value) in [
        ("telarch_requests_total{action=\"Get\",result=\"ok\"}", 1.0),
        ("telarch_requests_total{action=\"Get\",result=\"fault\"}", 1.0),
        ("telarch_requests_total{action=\"malformed\",result=\"fault\"}", 1.0),
        ("telarch_request_duration_seconds_count{action=\"Get\"}", 2.0),
        ("telarch_sign_ins_total{result=\"failed\",scheme=\"Basic\"}", 1.0),
        ("telarch_sign_ins_total{result=\"ok\",scheme=\"Basic\"}", 3.0),
        ("telarch_connections_accepted_total{}", 4.0),
    ] {
        assert_eq!(after.value(name), value, "{name} in\n{}", after.text);
    }
}

#[test]
fn a_refused_quota_is_counted_with_its_limit() {
    let settings = [&METRICS[..], &[("Service.MaxConcurrentOperationsPerUser", "1")]].concat();
    let service = Telarchd::start(&settings);
    assert_eq!(enumerate(&service).status, 200, "the first enumeration stays open");
    assert_eq!(enumerate(&service).status, 500);
    let page = MetricsPage::of(&service);
    assert_eq!(page.value("telarch_refusals_total{limit=\"quota\"}"), 1.0, "{}", page.text);
    assert_eq!(page.value("telarch_enumerations{}"), 1.0, "{}", page.text);
}

#[test]
fn open_shells_and_runspace_pools_are_counted() {
    let pwsh = Pwsh::new();
    let program = pwsh.program().to_str().expect("UTF-8").to_owned();
    let settings = [&METRICS[..], &[("PowerShell.Program", program.as_str())]].concat();
    let service = Telarchd::start(&settings);
    let counts = || {
        let page = MetricsPage::of(&service);
        ["telarch_shells{}", "telarch_runspace_pools{}", "telarch_file_transfers{}"]
            .map(|name| page.value(name))
    };
    assert_eq!(counts(), [0.0, 0.0, 0.0]);
    let shell = Winrs::to(service.http()).start(&["echo ready; exec sleep 600"]);
    shell.wait_for("ready");
    assert_eq!(counts(), [1.0, 0.0, 0.0]);
    let peer = Pypsrp::against(&service, WayIn::BasicOverHttps);
    let left = peer.use_powershell("leave", serde_json::json!({"script": "x"}));
    assert_eq!(left.expect("not refused"), serde_json::json!(["x"]));
    assert_eq!(counts(), [1.0, 1.0, 0.0]);
    let ended = Winrm::to(service.http()).switch("-mine").switch("-kill").run(&["shells"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(counts(), [0.0, 0.0, 0.0]);
}

#[test]
fn metrics_name_no_account_and_no_resource() {
    let service = Telarchd::start(&METRICS);
    assert_eq!(send(&service, "wrong", &message(CONFIG, "transfer/Get", "")).status, 401);
    assert_eq!(send(&service, PASSWORD, &message("urn:secret", "secret/Method", "")).status, 500);
    let page = MetricsPage::of(&service);
    assert_eq!(page.value("telarch_requests_total{action=\"Invoke\",result=\"fault\"}"), 1.0);
    for text in [USER, "secret", "127.0.0.1"] {
        assert!(!page.text.contains(text), "{text} in\n{}", page.text);
    }
}

#[test]
fn the_dashboard_shows_metrics_that_exist() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/dashboards/telarch.json");
    let text = std::fs::read_to_string(file).expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let service = Telarchd::start(&METRICS);
    assert_eq!(send(&service, PASSWORD, &message(CONFIG, "transfer/Get", "")).status, 200);
    let page = MetricsPage::of(&service);
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let expressions = targets.map(|target| target["expr"].as_str().expect("an expression"));
    let is_name = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
    let names: Vec<_> = expressions
        .flat_map(|expression| expression.split(|byte| !is_name(byte)))
        .filter(|word| word.starts_with("telarch_"))
        .collect();
    assert!(names.len() >= panels.len(), "{names:?}");
    for name in names {
        let family = name.trim_end_matches("_total").trim_end_matches("_bucket");
        assert!(page.text.contains(&format!("# TYPE {family} ")), "{name} in\n{}", page.text);
    }
}

#[test]
fn prometheus_reads_the_metrics_and_answers_queries() {
    let service = Telarchd::start(&METRICS);
    assert_eq!(send(&service, PASSWORD, &message(CONFIG, "transfer/Get", "")).status, 200);
    assert_eq!(send(&service, "wrong", &message(CONFIG, "transfer/Get", "")).status, 401);
    let log = service.logged(&["Serving metrics"]);
    let Some(prometheus) = Prometheus::start(MetricsPage::address(&log)) else { return };
    assert_eq!(prometheus.wait_for("up == 1").len(), 1);
    for (query, expected) in [
        ("telarch_requests_total{action=\"Get\",result=\"ok\"}", "1"),
        ("sum(telarch_sign_ins_total{result=\"failed\"})", "1"),
        ("telarch_build_info", "1"),
        ("telarch_request_duration_seconds_bucket{action=\"Get\",le=\"+Inf\"}", "1"),
    ] {
        let series = prometheus.wait_for(query);
        assert_eq!(series.len(), 1, "{query}: {series:?}");
        assert_eq!(series[0]["value"][1], expected, "{query}: {series:?}");
    }
    // Prometheus has read the types of the metrics, too.
    assert_eq!(
        prometheus.wait_for("histogram_quantile(0.9, telarch_request_duration_seconds_bucket)").len(),
        1
    );
}

#[test]
fn promtool_finds_no_problem_in_the_older_format() {
    let service = Telarchd::start(&METRICS);
    assert_eq!(send(&service, PASSWORD, &message(CONFIG, "transfer/Get", "")).status, 200);
    let log = service.logged(&["Serving metrics"]);
    let url = format!("http://{}/metrics", MetricsPage::address(&log));
    let page = Command::new("curl").args(["-s", "-H", "Accept: text/plain", &url]).output().expect("curl");
    let page = String::from_utf8(page.stdout).expect("text");
    assert!(page.contains("# TYPE telarch_requests_total counter"), "{page}");
    let Some(checked) = promtool_check(&page) else { return };
    assert_eq!(checked.text(), ("", "", 0), "{page}");
}

#[test]
fn metrics_are_off_by_default() {
    let service = Telarchd::start(&[("Metrics.Port", "0")]);
    assert_eq!(enumerate(&service).status, 200);
    assert!(!service.log().contains("Serving metrics"), "{}", service.log());
}

#[test]
fn a_port_in_use_is_reported_and_the_service_runs() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = other.local_addr().expect("an address").port().to_string();
    let service = Telarchd::start(&[("Metrics.Enabled", "true"), ("Metrics.Port", &port)]);
    service.logged(&["Cannot serve metrics", "change Metrics/Port", &format!("127.0.0.1:{port}")]);
    assert_eq!(enumerate(&service).status, 200);
}

fn send(service: &Telarchd, password: &str, message: &str) -> Reply {
    Curl::to(service.https()).basic(USER, password).body(message).send()
}

/// Begins an enumeration that has more than one page.
fn enumerate(service: &Telarchd) -> Reply {
    let body = "<n:Enumerate xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\"/>";
    send(service, PASSWORD, &message(PROCESSES, "enumeration/Enumerate", body))
}

fn message(resource: &str, action: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>\
         <a:To>http://127.0.0.1/wsman</a:To><w:ResourceURI>{resource}</w:ResourceURI>\
         <a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
         <a:Action>http://schemas.xmlsoap.org/ws/2004/09/{action}</a:Action>\
         <a:MessageID>uuid:2D0E1A5C-6F0B-4C39-9A53-0B8A1C7E4D11</a:MessageID>\
         </s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

const METRICS: [(&str, &str); 2] = [("Metrics.Enabled", "true"), ("Metrics.Port", "0")];
const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
const PROCESSES: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Process";
