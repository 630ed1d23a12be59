//! `winrm/config` read, changed and listed by a client that others wrote, pypsrp.

use serde_json::{Value, json};
use telarch_peers::{Peer, Pypsrp, Refusal, Telarchd, WayIn};

#[test]
fn a_changed_setting_is_answered_read_back_and_in_force_at_once() {
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
fn what_a_change_leaves_out_stays_as_it_is() {
    let (_service, peer) = service_and_peer();
    let changes = "<MaxTimeoutms>61000</MaxTimeoutms><Service><Auth/></Service>";
    let steps = [get(CONFIG), change(changes), get(CONFIG)];
    let [mut before, put, after] = peer.manage(steps).map(|answer| answer.expect("not refused"));
    assert_eq!(before["Config"]["MaxTimeoutms"], "60000", "{before}");
    before["Config"]["MaxTimeoutms"] = json!("61000");
    assert_eq!([put, after], [before.clone(), before]);
}

#[test]
fn the_whole_configuration_may_be_put_back_as_it_came() {
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
fn a_wrong_value_or_name_is_a_fault_that_says_what_would_be_right() {
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
fn the_configuration_itself_is_neither_made_nor_deleted() {
    let (_service, peer) = service_and_peer();
    let create = json!({"resource": SERVICE, "body": "<Service/>"});
    for answer in peer.manage([("create", create), ("delete", json!({"resource": WINRS}))]) {
        let refusal = answer.expect_err("refused");
        assert_eq!(refusal.fault_code, Some(ACTION_NOT_SUPPORTED), "{refusal:?}");
    }
}

#[test]
fn a_listener_is_made_read_changed_listed_and_deleted() {
    let (_service, peer) = service_and_peer();
    let key = json!({"Address": "*", "Transport": "HTTP"});
    let on_key = |body: &str| json!({"resource": LISTENER, "selectors": key, "body": body});
    // It stays switched off, so that nothing waits on a port that may not be free.
    let create = on_key(&format!(
        "<l:Listener xmlns:l='{LISTENER}.xsd'><l:Port>5999</l:Port><l:Enabled>false</l:Enabled></l:Listener>"
    ));
    let [created, got, listed, again, put, deleted, left, gone] = peer.manage([
        ("create", create.clone()),
        ("get", on_key("")),
        list(),
        ("create", create),
        ("put", on_key("<Listener><Port>6000</Port></Listener>")),
        ("delete", on_key("")),
        list(),
        ("get", on_key("")),
    ]);
    assert_eq!(created.expect("not refused"), key);
    let got = got.expect("not refused");
    let fields =
        ["Address", "Transport", "Port", "Enabled", "URLPrefix"].map(|field| &got["Listener"][field]);
    assert_eq!(fields, ["*", "HTTP", "5999", "false", "wsman"], "{got}");
    assert_eq!(listed.expect("not refused")["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(again.expect_err("there is one already").fault_code, Some(ALREADY_EXISTS));
    let put = put.expect("not refused");
    assert_eq!(["Port", "Enabled"].map(|field| &put["Listener"][field]), ["6000", "false"], "{put}");
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
fn listeners_come_with_the_first_answer_or_one_by_one() {
    let (service, peer) = service_and_peer();
    let table = [
        (json!({"resource": LISTENER, "optimize": true}), json!([2])),
        (json!({"resource": LISTENER, "optimize": true, "max_elements": 1}), json!([1, 1])),
        (json!({"resource": LISTENER, "max_elements": 1}), json!([0, 1, 1])),
        (json!({"resource": LISTENER}), json!([0, 2])),
    ];
    let answers = peer.manage(table.each_ref().map(|(asked, _)| ("enumerate_all", asked.clone())));
    let addresses = [service.http(), service.https()].map(|url| url.replace("/wsman", ""));
    for (answer, (asked, counts)) in answers.into_iter().zip(table) {
        let answer = answer.expect("not refused");
        assert_eq!(answer["counts"], counts, "{asked}");
        let found: Vec<String> = answer["items"].as_array().expect("a list").iter().map(address_of).collect();
        assert_eq!(found, addresses, "{asked}");
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
fn an_enumeration_context_is_good_for_one_pull_and_for_none_after_its_release() {
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
        .manage([filtered, odd_mode].map(|asked| ("enumerate_all", asked)))
        .map(|answer| answer.expect_err("refused").fault_code);
    assert_eq!(codes, [FILTERING_NOT_SUPPORTED, ENUMERATION_MODE].map(Some));
}

#[test]
fn what_nobody_has_made_yet_is_listed_as_nothing() {
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
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(3), "{listed}");
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
