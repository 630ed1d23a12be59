//! Metrics that are sent by OTLP, in a process of its own that starts as root and gives up its rights.

use std::fs;

use rcgen::ExtendedKeyUsagePurpose;
use telarch_peers::OtlpReceiver;

use crate::event_collector::certificates::Authority;
use crate::separated::{start, status};
use crate::service_process::{children, command_line, is_root, set_mode, write_private};

#[test]
fn a_token_that_only_root_reads_is_sent_over_tls() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let own = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let mut receiver = OtlpReceiver::start_tls("Bearer right", &own.certificate, &own.key);
    let headers = folder.path().join("otlp-headers");
    write_private(&headers, "Authorization: Bearer wrong\n");
    let settings = format!(
        "Metrics.OtlpUrl = \"https://localhost:{}\"\nMetrics.OtlpInterval = 1\n\
         Metrics.OtlpCertificateAuthority = \"{}\"\nMetrics.OtlpHeaders = \"{}\"\n",
        receiver.port(),
        authority.file.display(),
        headers.display()
    );
    let (telarchd, _) = start(&settings);
    telarchd.wait_for_log(&["Cannot send metrics", "status 401"]);

    write_private(&headers, "Authorization: Bearer right\n");
    telarchd.reload();
    let request = receiver.next_request();
    assert_eq!(request.resource("service.name"), Some("telarchd"));
    assert_eq!(request.point("telarch_connections_accepted", "sum", &[])["asInt"], "0");
    let exporter = children(telarchd.pid().as_raw_nonzero().get())
        .into_iter()
        .find(|child| command_line(*child).contains(": metrics"))
        .unwrap();
    assert!(!status(exporter, "Uid").split(' ').any(|uid| uid == "0"), "{}", status(exporter, "Uid"));
    assert_eq!(status(exporter, "CapEff"), "0000000000000000");
    assert!(!command_line(exporter).contains("right"), "{}", command_line(exporter));

    // Another gateway gets another process.
    crate::separated::kill(telarchd.serving_pid());
    telarchd.wait_for_log(&["Gateway has ended"]);
    let started = |request: &telarch_peers::OtlpRequest| {
        request.point("telarch_connections_accepted", "sum", &[])["startTimeUnixNano"].clone()
    };
    while started(&receiver.next_request()) == started(&request) {}

    set_mode(&headers, 0o644);
    telarchd.reload();
    telarchd.wait_for_log(&["Cannot send metrics", "others can read"]);
    assert!(!telarchd.log().contains("Bearer"), "{}", telarchd.log());
    while children(telarchd.pid().as_raw_nonzero().get())
        .into_iter()
        .any(|child| command_line(child).contains(": metrics"))
    {
        std::thread::yield_now();
    }
    assert!(fs::metadata(&headers).is_ok());
}
