//! WMI asked by programs that others wrote for other services of WS-Management.

use std::process::Command;

use serde_json::{Value, json};
use telarch_peers::{Curl, Dracclient, PASSWORD, Telarchd, USER, WayIn, whistle};

use crate::sleeper::Sleeper;

const CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2";

for_each_way_in! {
    dracclient_queries_lists_in_pages_and_calls,
}

fn query_of(sleeper: &Sleeper) -> String {
    format!("SELECT Name, ParentProcessId FROM Win32_Process WHERE ProcessId = {}", sleeper.id())
}

fn dracclient_queries_lists_in_pages_and_calls(way: WayIn) {
    let service = Telarchd::start_for(way);
    let sleeper = Sleeper::start();
    let list =
        |class: &str, most: u32| ("enumerate", json!({"resource": format!("{CIMV2}/{class}"), "most": most}));
    let query =
        |text: &str| ("enumerate", json!({"resource": format!("{CIMV2}/*"), "query": text, "most": 100}));
    let keys = json!({"hDefKey": "2147483650", "sSubKeyName": "SOFTWARE\\Microsoft"});
    let call = json!({"resource": format!("{CIMV2}/StdRegProv"), "method": "EnumKey", "parameters": keys});
    let [found, all, paged, called, wrong] = Dracclient::against(&service, way).manage([
        query(&query_of(&sleeper)),
        list("Win32_UserAccount", 1_000),
        list("Win32_UserAccount", 3),
        ("invoke", call),
        query("SELECT * FROM Win32_Nothing"),
    ]);
    let parent = std::process::id().to_string();
    assert_eq!(
        found.expect("not refused"),
        json!([{"": "XmlFragment", "Name": ["sleep"], "ParentProcessId": [parent]}])
    );
    let names = |rows: Value| -> Vec<String> {
        rows.as_array()
            .expect("rows")
            .iter()
            .map(|row| row["Name"][0].as_str().unwrap_or("").to_owned())
            .collect()
    };
    let (all, paged) = (names(all.expect("not refused")), names(paged.expect("not refused")));
    assert_eq!(all, paged);
    // getent is not ours.
    let known = Command::new("getent").arg("passwd").output().expect("getent");
    let known = String::from_utf8(known.stdout).expect("UTF-8");
    let local = std::fs::read_to_string("/etc/passwd").expect("every machine has it");
    let mut expected: Vec<&str> = known.lines().filter(|line| local.contains(*line)).collect();
    expected.iter_mut().for_each(|line| *line = line.split(':').next().unwrap_or_default());
    let (mut expected, mut all) = (expected, all);
    expected.sort_unstable();
    all.sort_unstable();
    assert_eq!(all, expected);
    let called = called.expect("not refused");
    assert_eq!((&called[""], &called["ReturnValue"]), (&json!("EnumKey_OUTPUT"), &json!(["0"])));
    assert!(wrong.is_err(), "{wrong:?}");
}

#[test]
fn debian_s_wsl_queries_enumerates_references_and_gets() {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    let sleeper = Sleeper::start();
    let everything = format!("{CIMV2}/*");
    let wql = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
    let query = query_of(&sleeper);
    let words = [&*everything, "-dialect", wql, "-filter", &query];
    let Some(found) = whistle(&service, "wslenum", &words) else { return };
    let (found, ..) = found.text();
    assert!(found.contains("<Name>sleep</Name>"), "{found}");
    let parent = format!("<ParentProcessId>{}</ParentProcessId>", std::process::id());
    assert!(found.contains(&parent) && found.contains("EndOfSequence"), "{found}");
    // The URIs of the DMTF with a namespace, for references.
    let words = ["CIM_Processor", "-ns", "root/cimv2", "-mode", "epr"];
    let references = whistle(&service, "wslenum", &words).expect("it was there");
    let (references, ..) = references.text();
    assert!(references.contains("<w:Selector Name=\"DeviceID\">CPU0</w:Selector>"), "{references}");
    let namespaces = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/__Namespace";
    let got = whistle(&service, "wslget", &[namespaces, "Name=cimv2"]).expect("it was there");
    assert!(got.text().0.contains("<p:Name>cimv2</p:Name>"), "{got:?}");
}

/// Enumerate with a filter, as bare text; the answer.
fn enumerated(service: &Telarchd, class: &str, filter: &str) -> (u16, String) {
    let message = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>\
         <w:ResourceURI s:mustUnderstand=\"true\">{CIMV2}/{class}</w:ResourceURI>\
         <a:Action>http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate</a:Action>\
         <a:MessageID>uuid:00000000-0000-4000-8000-000000000001</a:MessageID>\
         <a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address>\
         </a:ReplyTo></s:Header><s:Body><n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>1000</w:MaxElements>\
         {filter}</n:Enumerate></s:Body></s:Envelope>"
    );
    let reply = Curl::to(service.https()).basic(USER, PASSWORD).body(message.into_bytes()).send();
    (reply.status, reply.text().into_owned())
}

#[test]
fn xpath_level_1_filters_instances_and_other_xpath_is_a_fault() {
    let service = Telarchd::start(&[]);
    let count = |filter: &str| {
        let (status, text) = enumerated(&service, "Win32_OperatingSystem", filter);
        assert_eq!(status, 200, "{text}");
        text.matches("<p:Win32_OperatingSystem ").count()
    };
    assert_eq!(count(""), 1);
    let named =
        "<w:Filter Dialect=\"http://www.w3.org/TR/1999/REC-xpath-19991116\">Caption/text()</w:Filter>";
    assert_eq!(count(named), 1);
    // Without a dialect it is XPath as well.
    assert_eq!(count("<w:Filter>p:Caption</w:Filter>"), 1);
    assert_eq!(count("<w:Filter>PlusProductID/text()</w:Filter>"), 0);
    assert_eq!(count("<w:Filter>Nothing</w:Filter>"), 0);
    for beyond in ["//Caption", "Caption='x'", "/*", "Caption|Name"] {
        let filter = format!("<w:Filter>{beyond}</w:Filter>");
        let (status, text) = enumerated(&service, "Win32_OperatingSystem", &filter);
        assert!(status == 500 && text.contains("n:CannotProcessFilter"), "{beyond}: {status} {text}");
        assert!(text.contains("2150858778"), "{text}");
    }
}
