//! Events of WMI by subscription: from the kernel to a client that others wrote.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use telarch_peers::{Machine, Peer, Proof, Pywinrm, Refusal, Telarchd, WayIn};

const CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*";

fn watch(service: &Telarchd, way: WayIn, query: &str, program: &[&str]) -> Result<Value, Refusal> {
    let arguments = json!({"resource": CIMV2, "query": query, "program": program, "count": 1});
    Pywinrm::against(service, way).subscribe("watch", arguments)
}

for_each_way_in! {
    pywinrm_hears_of_a_program_that_is_started,
    pywinrm_hears_of_an_instance_that_has_come,
    pywinrm_hears_of_every_second_of_the_clock,
    a_query_that_is_wrong_is_refused_as_a_filter,
}

fn pywinrm_hears_of_a_program_that_is_started(way: WayIn) {
    let service = Telarchd::start_for(way);
    let query = "SELECT * FROM Win32_ProcessStartTrace WHERE ProcessName = 'sleep'";
    let answer = watch(&service, way, query, &["sleep", "59"]).expect("not refused");
    let process = answer["process"].to_string();
    let events = answer["events"].as_array().expect("events");
    let event = events.iter().find(|event| event["ProcessID"] == json!(process));
    // Other tests start programs of this name, too.
    let event = event.or(events.first()).unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(event["class"], "Win32_ProcessStartTrace");
    assert!(event["TIME_CREATED"].as_str().is_some_and(|time| time.len() == 18), "{event}");
}

fn pywinrm_hears_of_an_instance_that_has_come(way: WayIn) {
    let service = Telarchd::start_for(way);
    let query = "SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE TargetInstance ISA 'Win32_Process' \
                 AND TargetInstance.CommandLine = 'sleep 58'";
    let answer = watch(&service, way, query, &["sleep", "58"]).expect("not refused");
    let event = &answer["events"][0];
    assert_eq!(event["class"], "__InstanceCreationEvent", "{answer}");
    assert_eq!(event["TargetInstance"]["Name"], "sleep", "{answer}");
}

fn pywinrm_hears_of_every_second_of_the_clock(way: WayIn) {
    let service = Telarchd::start_for(way);
    // As monitoring scripts wait for a time of day: no WITHIN, because the clock is told of by itself.
    let query = "SELECT * FROM __InstanceModificationEvent WHERE TargetInstance ISA 'Win32_LocalTime' \
                 AND TargetInstance.Hour < 24";
    let answer = watch(&service, way, query, &["true"]).expect("not refused");
    let event = &answer["events"][0];
    assert_eq!(event["class"], "__InstanceModificationEvent", "{answer}");
    let second = event["TargetInstance"]["Second"].as_str().and_then(|second| second.parse::<u8>().ok());
    assert!(second.is_some_and(|second| second < 60), "{answer}");
}

fn a_query_that_is_wrong_is_refused_as_a_filter(way: WayIn) {
    let service = Telarchd::start_for(way);
    for query in ["SELECT * FROM Win32_Process", "SELECT * FROM __InstanceCreationEvent", "SELECT"] {
        let refusal = watch(&service, way, query, &[]).expect_err(query);
        assert_eq!(refusal.fault_code, Some(2_150_858_778), "{query}: {refusal:?}");
    }
}

/// The message that asks for something, by curl at the socket of the machine.
fn curl(machine: &Machine, action: &str, header: &str, body: &str) -> String {
    let message = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/08/eventing\" \
         xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>\
         <w:ResourceURI s:mustUnderstand=\"true\">{CIMV2}</w:ResourceURI><a:Action>{action}</a:Action>\
         <a:MessageID>uuid:00000000-0000-4000-8000-000000000001</a:MessageID>\
         <a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address>\
         </a:ReplyTo><w:OperationTimeout>PT20S</w:OperationTimeout>{header}</s:Header><s:Body>{body}</s:Body>\
         </s:Envelope>"
    );
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60", "--unix-socket"])
        .arg(machine.socket())
        .args(["--header", "Content-Type: application/soap+xml;charset=UTF-8", "--data-binary", &message])
        .arg("http://localhost/wsman")
        .output()
        .expect("curl is installed");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn between<'t>(text: &'t str, tag: &str) -> &'t str {
    let rest = text.split(&format!("{tag}>")).nth(1).unwrap_or_else(|| panic!("no {tag} in {text}"));
    rest.split('<').next().expect("something")
}

#[test]
fn events_pass_from_the_host_of_a_user_through_the_gateway() {
    const EVENTING: &str = "http://schemas.xmlsoap.org/ws/2004/08/eventing";
    let Some(machine) = Machine::start(Proof::Password) else { return };
    let subscribe = "<e:Subscribe><e:Delivery Mode=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull\"/>\
         <w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">SELECT * FROM __InstanceCreationEvent \
         WITHIN 1 WHERE TargetInstance ISA 'Win32_Process' AND TargetInstance.CommandLine = 'sleep 57'\
         </w:Filter></e:Subscribe>";
    let subscribed = curl(&machine, &format!("{EVENTING}/Subscribe"), "", subscribe);
    let (context, identifier) =
        (between(&subscribed, "n:EnumerationContext"), between(&subscribed, "e:Identifier"));
    let mut sleep = Command::new("sleep").arg("57").stdin(Stdio::null()).spawn().expect("sleep");
    let pull = format!("<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext></n:Pull>");
    let pulled = curl(&machine, "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Pull", "", &pull);
    sleep.kill().expect("it runs");
    sleep.wait().expect("it is ours");
    let process = format!("<p1:ProcessId>{}</p1:ProcessId>", sleep.id());
    assert!(pulled.contains("__InstanceCreationEvent") && pulled.contains(&process), "{pulled}");
    let named = format!("<e:Identifier>{identifier}</e:Identifier>");
    let ended = curl(&machine, &format!("{EVENTING}/Unsubscribe"), &named, "<e:Unsubscribe/>");
    assert!(ended.contains("UnsubscribeResponse"), "{ended}");
    let gone = curl(&machine, &format!("{EVENTING}/GetStatus"), &named, "<e:GetStatus/>");
    assert!(gone.contains("2150858789"), "{gone}");
}
