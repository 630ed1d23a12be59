//! `winrm/config` read, changed and listed by a client that others wrote, pypsrp.

use std::net::{Ipv4Addr, TcpStream};

use ports::free_port;
use serde_json::{Value, json};
use telarch_peers::{Peer, Pypsrp, Refusal, Telarchd, WayIn, served_thumbprint};

#[test]
fn a_changed_setting_is_returned_and_takes_effect_immediately() {
    let (_service, peer) = service_and_peer();
    let body = "<c:Winrs xmlns:c='urn:any'><c:MaxShellsPerUser>2</c:MaxShellsPerUser></c:Winrs>";
    let steps = [("put", json!({"resource": WINRS, "body": body})), get(CONFIG)];
    let [put, configuration] = peer.manage(steps).map(|answer| answer.expect("not refused"));
    assert_eq!(put["Winrs"]["MaxShellsPerUser"], "2", "{put}");
    assert_eq!(configuration["Config"]["Winrs"]["MaxShellsPerUser"], "2", "{configuration}");
    let refusal = peer.ask("open_shells", json!({"count": 3})).expect_err("three are too many");
    assert_eq!(refusal.fault_code, Some(MAX_SHELLS_PER_USER), "{refusal:?}");
}

#[test]
fn settings_omitted_from_a_change_keep_their_values() {
    let (_service, peer) = service_and_peer();
    let changes = "<MaxTimeoutms>61000</MaxTimeoutms><Service><Auth/></Service>";
    let steps = [get(CONFIG), change(changes), get(CONFIG)];
    let [mut before, put, after] = peer.manage(steps).map(|answer| answer.expect("not refused"));
    assert_eq!(before["Config"]["MaxTimeoutms"], "60000", "{before}");
    before["Config"]["MaxTimeoutms"] = json!("61000");
    assert_eq!([put, after], [before.clone(), before]);
}

#[test]
fn the_whole_configuration_can_be_put_back_unchanged() {
    let (_service, peer) = service_and_peer();
    let answers = peer.manage([CONFIG, SERVICE, WINRS].map(|part| ("put_back", json!({"resource": part}))));
    for answer in answers.map(|answer| answer.expect("not refused")) {
        assert_eq!(answer["got"], answer["put"]);
    }
}

#[test]
fn a_setting_that_cannot_be_changed_is_a_fault_that_names_it() {
    let table = [
        (
            "<Service><MaxConcurrentOperations>5</MaxConcurrentOperations></Service>",
            "Service/MaxConcurrentOperations",
            DEPRECATED,
        ),
        (
            "<Service><AllowRemoteAccess>false</AllowRemoteAccess></Service>",
            "Service/AllowRemoteAccess",
            READ_ONLY,
        ),
        ("<Winrs><MaxShellRunTime>5</MaxShellRunTime></Winrs>", "Winrs/MaxShellRunTime", READ_ONLY),
    ];
    for (refusal, (_, setting, code)) in refused_changes(table.map(|row| row.0)).iter().zip(table) {
        assert_eq!(refusal.fault_code, Some(code), "{refusal:?}");
        assert!(refusal.message.contains(setting), "{refusal:?}");
    }
}

#[test]
fn a_wrong_value_or_name_is_a_fault_with_the_valid_values() {
    let table = [
        // The first of the two would be right.
        ("<MaxBatchItems>7</MaxBatchItems><MaxTimeoutms>499</MaxTimeoutms>", ["MaxTimeoutms: 499", "500"]),
        ("<Service><MaxConnections>513</MaxConnections></Service>", ["Service/MaxConnections: 513", "512"]),
        ("<Service><Auth><Basic>maybe</Basic></Auth></Service>", ["Service/Auth/Basic", "maybe"]),
        ("<Winrs><MaxShellsPerUsr>5</MaxShellsPerUsr></Winrs>", ["MaxShellsPerUsr", "MaxShellsPerUser"]),
    ];
    for (refusal, (_, parts)) in refused_changes(table.map(|row| row.0)).iter().zip(table) {
        assert_eq!(refusal.fault_code, Some(SCHEMA), "{refusal:?}");
        assert!(parts.iter().all(|part| refusal.message.contains(part)), "{refusal:?}");
    }
}

#[test]
fn the_configuration_itself_cannot_be_created_or_deleted() {
    let (_service, peer) = service_and_peer();
    let create = json!({"resource": SERVICE, "body": "<Service/>"});
    for answer in peer.manage([("create", create), ("delete", json!({"resource": WINRS}))]) {
        let refusal = answer.expect_err("refused");
        assert_eq!(refusal.fault_code, Some(ACTION_NOT_SUPPORTED), "{refusal:?}");
    }
}

#[test]
fn a_listener_is_created_read_changed_listed_and_deleted() {
    let (_service, peer) = service_and_peer();
    let key = json!({"Address": "*", "Transport": "HTTP"});
    let on_key = |body: &str| json!({"resource": LISTENER, "selectors": key, "body": body});
    let [first, second] = [free_port(), free_port()];
    let create =
        on_key(&format!("<l:Listener xmlns:l='{LISTENER}.xsd'><l:Port>{first}</l:Port></l:Listener>"));
    let [created, got, listed, again] =
        peer.manage([("create", create.clone()), ("get", on_key("")), list(), ("create", create)]);
    assert_eq!([is_open(first), is_open(second)], [true, false], "created");
    let [put] = peer.manage([("put", on_key(&format!("<Listener><Port>{second}</Port></Listener>")))]);
    assert_eq!([is_open(first), is_open(second)], [false, true], "moved to another port");
    let [disabled] = peer.manage([("put", on_key("<Listener><Enabled>false</Enabled></Listener>"))]);
    assert!(!is_open(second), "disabled");
    let [enabled] = peer.manage([("put", on_key("<Listener><Enabled>true</Enabled></Listener>"))]);
    assert!(is_open(second), "enabled");
    let [deleted, left, gone] = peer.manage([("delete", on_key("")), list(), ("get", on_key(""))]);
    assert!(!is_open(second), "deleted");
    assert_eq!(created.expect("not refused"), key);
    for (changed, addresses) in [(disabled, Value::Null), (enabled, json!(["127.0.0.1", "::1"]))] {
        let listener = changed.expect("not refused")["Listener"].take();
        // A machine may have no IPv6.
        let found = &listener["ListeningOn"];
        assert!(*found == addresses || (!addresses.is_null() && *found == json!("127.0.0.1")), "{listener}");
    }
    let got = got.expect("not refused");
    let fields =
        ["Address", "Transport", "Port", "Enabled", "URLPrefix"].map(|field| &got["Listener"][field]);
    assert_eq!(fields, ["*", "HTTP", &first.to_string(), "true", "wsman"], "{got}");
    assert_eq!(listed.expect("not refused")["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(again.expect_err("there is one already").fault_code, Some(ALREADY_EXISTS));
    let put = put.expect("not refused");
    assert_eq!(put["Listener"]["Port"], second.to_string(), "{put}");
    assert_eq!(deleted, Ok(Value::Null));
    assert_eq!(left.expect("not refused")["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(gone.expect_err("it is gone").fault_code, Some(UNEXPECTED_SELECTORS));
}

#[test]
fn a_listener_with_wrong_selectors_is_refused() {
    let (_service, peer) = service_and_peer();
    let create = |selectors: Value| {
        ("create", json!({"resource": LISTENER, "selectors": selectors, "body": "<Listener/>"}))
    };
    let [address, missing, unknown, listed] = peer.manage([
        create(json!({"Address": "localhost", "Transport": "HTTP"})),
        create(json!({"Address": "*"})),
        create(json!({"Address": "*", "Transport": "HTTP", "Port": "1"})),
        list(),
    ]);
    let codes = [address, missing, unknown].map(|answer| answer.expect_err("refused").fault_code);
    assert_eq!(codes, [LISTENER_ADDRESS, INSUFFICIENT_SELECTORS, UNEXPECTED_SELECTORS].map(Some));
    assert_eq!(listed.expect("not refused")["items"].as_array().map(Vec::len), Some(2));
}

#[test]
fn listeners_are_returned_at_once_or_one_by_one() {
    let (service, peer) = service_and_peer();
    let table = [
        (json!({"resource": LISTENER, "optimize": true}), json!([2])),
        (json!({"resource": LISTENER, "optimize": true, "max_elements": 1}), json!([1, 1])),
        (json!({"resource": LISTENER, "max_elements": 1}), json!([0, 1, 1])),
        (json!({"resource": LISTENER}), json!([0, 2])),
    ];
    let answers = peer.manage(table.each_ref().map(|(requested, _)| ("enumerate_all", requested.clone())));
    let addresses = [service.http(), service.https()].map(|url| url.replace("/wsman", ""));
    for (answer, (requested, counts)) in answers.into_iter().zip(table) {
        let answer = answer.expect("not refused");
        assert_eq!(answer["counts"], counts, "{requested}");
        let found: Vec<String> = answer["items"].as_array().expect("a list").iter().map(address_of).collect();
        assert_eq!(found, addresses, "{requested}");
    }
}

#[test]
fn listeners_are_listed_as_references_and_as_both() {
    let (_service, peer) = service_and_peer();
    let modes = ["EnumerateEPR", "EnumerateObjectAndEPR"];
    let answers = peer.manage(
        modes.map(|mode| ("enumerate_all", json!({"resource": LISTENER, "optimize": true, "mode": mode}))),
    );
    let [references, both] = answers.map(|answer| {
        let items = answer.expect("not refused")["items"].take();
        <[Value; 2]>::try_from(items.as_array().cloned().expect("a list")).expect("two listeners")
    });
    for ((reference, both), transport) in references.iter().zip(both).zip(["HTTP", "HTTPS"]) {
        let reference = &reference["EndpointReference"];
        let parameters = &reference["ReferenceParameters"];
        assert_eq!(parameters["ResourceURI"], LISTENER, "{reference}");
        assert_eq!(parameters["SelectorSet"]["Selector"], json!(["IP:127.0.0.1", transport]), "{reference}");
        assert_eq!(both["Item"]["EndpointReference"], *reference);
        assert_eq!(both["Item"]["Listener"]["Transport"], transport, "{both}");
    }
}

#[test]
fn an_enumeration_context_is_invalid_after_a_pull_or_its_release() {
    let (_service, peer) = service_and_peer();
    let actions = ["pull_again", "pull_after_release"];
    let codes = peer
        .manage(actions.map(|action| (action, json!({"resource": LISTENER}))))
        .map(|answer| answer.expect_err("refused").fault_code);
    assert_eq!(codes, [Some(INVALID_ENUMERATION_CONTEXT); 2]);
}

#[test]
fn listeners_are_not_filtered_and_an_unknown_mode_is_refused() {
    let (_service, peer) = service_and_peer();
    let filtered = json!({"resource": LISTENER, "filter": {"Transport": "HTTP"}});
    let odd_mode = json!({"resource": LISTENER, "mode": "EnumerateEverything"});
    let codes = peer
        .manage([filtered, odd_mode].map(|requested| ("enumerate_all", requested)))
        .map(|answer| answer.expect_err("refused").fault_code);
    assert_eq!(codes, [FILTERING_NOT_SUPPORTED, ENUMERATION_MODE].map(Some));
}

#[test]
fn certificate_mappings_are_an_empty_list_initially() {
    let (_service, peer) = service_and_peer();
    let part = format!("{CONFIG}/service/certmapping");
    let [answer] = peer.manage([("enumerate_all", json!({"resource": part, "optimize": true}))]);
    assert_eq!(answer, Ok(json!({"items": [], "counts": [0]})));
}

#[test]
fn plug_ins_are_listed() {
    let (_service, peer) = service_and_peer();
    let part = format!("{CONFIG}/plugin");
    let [answer] = peer.manage([("enumerate_all", json!({"resource": part, "optimize": true}))]);
    let listed = answer.expect("not refused");
    // Six plug-ins, and the endpoints Microsoft.PowerShell and PowerShell.7; an installed pwsh adds others.
    assert!(listed["items"].as_array().is_some_and(|items| items.len() >= 8), "{listed}");
}

#[test]
fn listeners_of_the_command_line_can_be_changed_and_deleted() {
    let (service, peer) = service_and_peer();
    let port = |url: &str| url.split([':', '/']).nth(4).expect("a port").parse::<u16>().expect("a number");
    let http = port(service.http());
    let key = json!({"Address": "IP:127.0.0.1", "Transport": "HTTP"});
    let steps = [("delete", json!({"resource": LISTENER, "selectors": key, "body": ""}))];
    assert!(is_open(http));
    let [deleted] = peer.manage(steps);
    assert_eq!(deleted, Ok(Value::Null));
    assert!(!is_open(http), "the listener is deleted, and its socket is open");
    assert!(is_open(port(service.https())), "the other listener is closed as well");
}

#[test]
fn an_https_listener_shows_the_certificate_that_it_serves() {
    let (service, peer) = service_and_peer();
    let [listed] = peer.manage([list()]);
    let listed = listed.expect("not refused");
    let thumbprint = |item: &Value| item["Listener"]["CertificateThumbprint"].clone();
    let found: Vec<Value> = listed["items"].as_array().expect("a list").iter().map(thumbprint).collect();
    assert_eq!(found.get(1), Some(&json!(service.thumbprint())), "{listed}");
    assert_eq!(served_thumbprint(service.https()), service.thumbprint());
    assert_ne!(found.first(), found.get(1), "HTTP has no certificate: {listed}");
}

fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn service_and_peer() -> (Telarchd, Pypsrp) {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    let peer = Pypsrp::against(&service, way);
    (service, peer)
}

/// Makes changes that must all be refused, and checks that the configuration is as it was before.
fn refused_changes<const N: usize>(changes: [&str; N]) -> [Refusal; N] {
    let (_service, peer) = service_and_peer();
    let before = peer.manage([get(CONFIG)]);
    let refusals = peer.manage(changes.map(change)).map(|answer| answer.expect_err("refused"));
    assert_eq!(peer.manage([get(CONFIG)]), before);
    refusals
}

fn get(resource: &str) -> (&'static str, Value) {
    ("get", json!({"resource": resource}))
}

/// `changes` stand inside `Config`.
fn change(changes: &str) -> (&'static str, Value) {
    ("put", json!({"resource": CONFIG, "body": format!("<Config>{changes}</Config>")}))
}

fn list() -> (&'static str, Value) {
    ("enumerate_all", json!({"resource": LISTENER}))
}

/// Where a listed listener can be reached, without the path.
fn address_of(item: &Value) -> String {
    let listener = &item["Listener"];
    let text = |field: &str| listener[field].as_str().unwrap_or_else(|| panic!("no {field} in {item}"));
    format!("{}://{}:{}", text("Transport").to_lowercase(), text("ListeningOn"), text("Port"))
}

const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
const SERVICE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service";
const WINRS: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/winrs";
const LISTENER: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/listener";

const ACTION_NOT_SUPPORTED: u64 = 2_150_858_771;
const FILTERING_NOT_SUPPORTED: u64 = 2_150_858_776;
const INVALID_ENUMERATION_CONTEXT: u64 = 2_150_858_779;
const ALREADY_EXISTS: u64 = 2_150_858_803;
const SCHEMA: u64 = 2_150_858_817;
const INSUFFICIENT_SELECTORS: u64 = 2_150_858_842;
const UNEXPECTED_SELECTORS: u64 = 2_150_858_843;
const ENUMERATION_MODE: u64 = 2_150_858_886;
const LISTENER_ADDRESS: u64 = 2_150_858_889;
const MAX_SHELLS_PER_USER: u64 = 2_150_859_173;
const READ_ONLY: u64 = 2_150_859_071;
const DEPRECATED: u64 = 2_150_859_182;
