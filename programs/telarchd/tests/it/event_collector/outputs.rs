//! Outputs beside files, with servers of Python's standard library.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rcgen::ExtendedKeyUsagePurpose;
use serde_json::Value;
use telarch_peers::MetricsPage;

use super::collector::{batch, event};
use super::configured::Configured;
use crate::PATIENCE;
use crate::service_process::write_private;

/// HTTP server that refuses the first request, and appends the bodies of the others to a file.
const HTTP: &str = r#"
import http.server, sys
refused = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        valid = self.headers["Authorization"] == "Bearer secret" and self.path == "/in?a=b"
        if not valid or not refused:
            refused.append(1)
            return self.send_error(503)
        with open(sys.argv[1], "ab") as file:
            file.write(body)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// TLS server that appends what it receives to a file.
const TLS: &str = r#"
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    try:
        with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
            while data := connection.recv(65536):
                with open(sys.argv[1], "ab") as file:
                    file.write(data)
    except (OSError, ssl.SSLError):
        pass
"#;

/// Server in Python.
struct Server {
    child: Child,
    port: u16,
    received: PathBuf,
}

impl Server {
    fn start(script: &str, received: PathBuf, arguments: &[&Path]) -> Self {
        let mut command = Command::new("python3");
        command.args(["-E", "-s", "-c", script]).arg(&received).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap(), received }
    }

    /// Waits until the received text satisfies a condition.
    fn wait(&self, condition: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(&self.received).unwrap_or_default();
            if condition(&text) {
                return text;
            }
            assert!(Instant::now() < until, "received: {text}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn events_are_sent_to_http_and_to_syslog_over_tls() {
    let mut servers = Vec::new();
    let metrics = "Metrics.Enabled = true\nMetrics.Port = 0\n";
    let service = Configured::start_with(metrics, |telarchd, authority| {
        let own = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let http = Server::start(HTTP, telarchd.file("http"), &[]);
        let tls = Server::start(TLS, telarchd.file("tls"), &[&own.certificate, &own.key]);
        let folder = telarchd.file("event-outputs");
        fs::create_dir(&folder).unwrap();
        let settings = format!(
            "Url = \"http://127.0.0.1:{}/in?a=b\"\nAuthorization = \"Bearer secret\"\nRequired = true\n",
            http.port
        );
        write_private(&folder.join("lake.toml"), &settings);
        let pem = fs::read_to_string(&authority.file).unwrap();
        let settings = format!(
            "Url = \"syslog+tls://localhost:{}\"\nCertificateAuthority = '''{pem}'''\n\
             Query = \"*[System[EventRecordID > 1]]\"\n",
            tls.port
        );
        write_private(&folder.join("siem.toml"), &settings);
        // An output for another subscription.
        let other = format!("Url = \"http://127.0.0.1:{}/wrong\"\nSubscriptions = [\"Other\"]\n", http.port);
        write_private(&folder.join("other.toml"), &other);
        servers.extend([http, tls]);
    });
    let [http, tls] = &servers[..] else { panic!("two servers") };
    let path = service.enumerate().delivery_path();
    let sent = batch(3, &[event(1, "one"), event(2, "two"), event(3, "three")]);
    assert_eq!(service.send(&path, &sent).status, 200);

    // The first request is refused and repeated.
    let text = http.wait(|text| text.lines().count() >= 3);
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records: Vec<_> =
        records.iter().map(|one| one["System"]["EventRecordID"].as_u64().unwrap()).collect();
    assert_eq!(records, [1, 2, 3]);
    service.telarchd.wait_for_log(&["Cannot send events", "lake", "503"]);
    service.telarchd.wait_for_log(&["Event output accepts events again", "lake"]);

    let text = tls.wait(|text| text.contains("three"));
    let (length, rest) = text.split_once(' ').unwrap();
    let (first, second) = rest.split_at(length.parse().unwrap());
    assert!(first.starts_with("<110>1 - win10.windomain.local p - 1 - {\"Collector\":"), "{first}");
    assert!(first.ends_with('}') && first.contains("\"two\"") && second.contains("\"three\""), "{text}");
    assert!(!service.telarchd.log().contains("other"), "{}", service.telarchd.log());
    assert_eq!(service.records(), [1, 2, 3]);
    assert_counted(&service);
}

/// Checks the metrics of both outputs. As root the numbers are those of another process, which reports them.
fn assert_counted(service: &Configured) {
    service.telarchd.wait_for_log(&["Serving metrics"]);
    let [lake, siem] = ["lake", "siem"]
        .map(|output| format!("telarch_collector_output_events_total{{output=\"{output}\"}}"));
    let until = Instant::now() + PATIENCE;
    let page = loop {
        let page = MetricsPage::of_log(&service.telarchd.log());
        if page.samples.get(&lake) == Some(&3.0) && page.samples.get(&siem) == Some(&2.0) {
            break page;
        }
        assert!(Instant::now() < until, "{}", page.text);
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    for (name, value) in [
        ("telarch_collector_output_failures_total{output=\"lake\"}", 1.0),
        ("telarch_collector_output_dropped_events_total{output=\"lake\"}", 0.0),
        ("telarch_collector_output_duration_seconds_count{output=\"lake\"}", 1.0),
        ("telarch_collector_output_events_total{output=\"other\"}", 0.0),
        ("telarch_collector_spool_bytes{output=\"other\"}", 0.0),
        ("telarch_collector_events_total{}", 3.0),
    ] {
        assert_eq!(page.value(name), value, "{name} in\n{}", page.text);
    }
    assert!(page.value("telarch_collector_spool_bytes{output=\"lake\"}") > 0.0, "{}", page.text);
}

#[test]
fn a_required_output_that_does_not_answer_holds_events_back() {
    // Nothing listens on the port of a closed socket.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = Configured::start_with("", |telarchd, _| {
        let folder = telarchd.file("event-outputs");
        fs::create_dir(&folder).unwrap();
        let settings = format!("Url = \"syslog+tcp://{closed}\"\nMaxSpoolMB = 1\n");
        write_private(&folder.join("optional.toml"), &settings);
        write_private(&folder.join("required.toml"), &(settings + "Required = true\n"));
    });
    let path = service.enumerate().delivery_path();
    let large = "x".repeat(350_000);
    for number in 1..=2 {
        assert_eq!(service.send(&path, &batch(number, &[event(number, &large)])).status, 200);
    }
    assert_eq!(service.send(&path, &batch(3, &[event(3, &large)])).status, 503);
    service.telarchd.wait_for_log(&["spool of the required output required is full"]);
    assert_eq!(service.records(), [1, 2], "a rejected batch is in no file");
    // A batch that fits is stored.
    assert_eq!(service.send(&path, &batch(4, &[event(4, "small")])).status, 200);
    assert_eq!(service.records(), [1, 2, 4]);
}
