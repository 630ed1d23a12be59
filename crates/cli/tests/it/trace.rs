//! `-trace`: messages are written, secrets are not.

use std::fs;

use crate::service::{Request, Service, fault};
use crate::winrm_run::ran;

#[test]
fn every_message_is_written_and_no_secret() {
    let service = Service::start(|request: &Request| match request.action.as_str() {
        "Get" => fault(5, "w:AccessDenied", "no"),
        _ => (200, "<A/>".to_owned()),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    let method = "invoke Check winrm/config/x @{UserName=\"ann\";Password=\"hunter2\"}";
    ran(&service, &format!("{method} -trace:{}", file.display())).done.unwrap();
    let denied = ran(&service, &format!("get winrm/config -trace:{}", file.display()));
    assert!(denied.done.is_err());
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.matches(">>> to 127.0.0.1:").count(), 2, "{text}");
    assert!(text.contains(", HTTP 200, after 0.") && text.contains(", HTTP 500, after 0."), "{text}");
    for part in ["<p:UserName>ann</p:UserName>", "<p:Password>(removed)</p:Password>", "w:AccessDenied"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // Neither password may appear, in any encoding.
    for secret in ["hunter2", "secret", "YW5uOnNlY3JldA"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
