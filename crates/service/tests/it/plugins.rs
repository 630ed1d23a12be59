//! Tests of plug-ins as configuration resources, and of their Security entries.

use wsman::namespace::{CONFIG, SHELL, SHELL_CMD};
use wsman::{Subcode, code};

use crate::message::Message;
use crate::running::Running;
use crate::wire::{Answer, BEN, Post, Wire, post};

const BEN_ALONE: &str = "D:P(A;;GA;;;S-1-5-21-11-22-33-1002)";

fn plugins() -> String {
    format!("{CONFIG}/plugin")
}

fn plugin(verb: &str, name: &str) -> Message {
    Message::transfer(&plugins(), verb).selector("Name", name)
}

fn put(name: &str, attributes: &str, within: &str) -> Post {
    post(plugin("Put", name).body(&format!(
        "<PlugInConfiguration xmlns=\"{CONFIG}/PluginConfiguration\" {attributes}>{within}</PlugInConfiguration>"
    )))
}

/// Returns the request that sets Security entries of the shell: URI, SDDL and `ExactMatch` of each.
fn entries(entries: &[(&str, &str, bool)]) -> Post {
    let shown: String = entries
        .iter()
        .map(|(uri, sddl, exact)| format!("<Security Uri=\"{uri}\" Sddl=\"{sddl}\" ExactMatch=\"{exact}\"/>"))
        .collect();
    put("Shell", "", &format!("<Resources><Resource ResourceUri=\"{SHELL}\">{shown}</Resource></Resources>"))
}

async fn open(wire: &mut Wire, user: Option<&str>) -> Answer {
    let create = post(Message::transfer(SHELL_CMD, "Create").body("<rsp:Shell/>"));
    wire.ask(&user.map_or(create.clone(), |user| create.signed_in(user, BEN))).await
}

#[tokio::test]
async fn exactly_the_existing_plugins_are_listed() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let list = Message::enumeration(&plugins(), "Enumerate")
        .body("<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements></n:Enumerate>");
    let listed = wire.ask(&post(list)).await.text();
    for part in ["Name=\"Configuration\"", "Name=\"Shell\"", "Capability Type=\"Shell\"", ";;RM)"] {
        assert!(listed.contains(part), "{part} {listed}");
    }
    assert!(!listed.contains("WMI"), "{listed}");
    let shell = wire.ask(&post(plugin("Get", "shell"))).await.text();
    assert!(shell.contains("<PlugInConfiguration xmlns=") && shell.contains("Name=\"Shell\""), "{shell}");
    for name in ["WMI Provider", "nothing"] {
        let fault = wire.ask(&post(plugin("Get", name))).await.fault();
        assert_eq!(fault.code(), code::UNEXPECTED_SELECTORS, "{name}");
    }
    for verb in ["Create", "Delete"] {
        let fault = wire.ask(&post(plugin(verb, "Shell"))).await.fault();
        assert_eq!(fault.code(), code::ACTION_NOT_SUPPORTED, "{verb}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_plugin_entry_replaces_rootsddl_at_once() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    assert_eq!(open(&mut wire, None).await.status, 200);
    assert_eq!(open(&mut wire, Some("ben")).await.fault().code(), code::ACCESS_DENIED);

    let put = wire.ask(&entries(&[(SHELL, BEN_ALONE, false)])).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert!(put.text().contains(BEN_ALONE), "{}", put.text());
    let refused = open(&mut wire, None).await.fault();
    assert_eq!(refused.code(), code::ACCESS_DENIED);
    assert!(refused.reason().contains("plug-in Shell") && !refused.reason().contains("S-1-"), "{refused:?}");
    assert_eq!(open(&mut wire, Some("ben")).await.status, 200);
    // Access to shells does not include access to the configuration.
    let get = post(Message::transfer(CONFIG, "Get"));
    assert_eq!(wire.ask(&get.signed_in("ben", BEN)).await.fault().code(), code::ACCESS_DENIED);

    // The entry for exactly this resource takes precedence; without any entry, RootSDDL applies.
    let both = [(SHELL, BEN_ALONE, false), (SHELL_CMD, "D:P(A;;GX;;;BA)", true)];
    assert_eq!(wire.ask(&entries(&both)).await.status, 200);
    assert_eq!(open(&mut wire, None).await.status, 200);
    assert_eq!(open(&mut wire, Some("ben")).await.fault().code(), code::ACCESS_DENIED);
    assert_eq!(wire.ask(&entries(&[])).await.status, 200);
    assert_eq!(open(&mut wire, None).await.status, 200);
    running.set("Service.RootSDDL", "O:NSG:BAD:P(A;;GRGW;;;BA)");
    assert_eq!(open(&mut wire, None).await.fault().code(), code::ACCESS_DENIED);
    running.stop().await;
}

#[tokio::test]
async fn a_descriptor_that_allows_everyone_is_rejected() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let before = running.store.state();
    for wrong in ["", "O:NSG:BA", "O:NSG:BAS:(AU;FA;GA;;;WD)", "D:NO_ACCESS_CONTROL", "D:(OA;;GA;;;WD)", "x"]
    {
        let fault = wire.ask(&entries(&[(SHELL, wrong, false)])).await.fault();
        let reported = (fault.subcode(), fault.code());
        assert_eq!(reported, (&Subcode::SchemaValidationError, code::INVALID_SECURITY_DESCRIPTOR), "{wrong}");
        assert!(fault.reason().contains("to deny access to all users, use D:P"), "{}", fault.reason());
    }
    assert_eq!(running.store.state(), before);
    running.stop().await;
}

#[tokio::test]
async fn a_disabled_plugin_behaves_as_if_it_did_not_exist() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    assert_eq!(wire.ask(&put("Shell", "Enabled=\"false\"", "")).await.status, 200);
    let fault = open(&mut wire, None).await.fault();
    assert_eq!(
        (fault.subcode(), fault.code()),
        (&Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI)
    );
    assert!(fault.reason().contains("plug-in Shell") && fault.reason().contains("is disabled"), "{fault:?}");
    assert_eq!(wire.ask(&put("Shell", "Enabled=\"true\"", "")).await.status, 200);
    assert_eq!(open(&mut wire, None).await.status, 200);

    let fault = wire.ask(&put("Configuration", "Enabled=\"false\"", "")).await.fault();
    assert_eq!(fault.code(), code::READ_ONLY_SETTING);
    running.stop().await;
}

#[tokio::test]
async fn changing_entries_requires_write_access_to_the_configuration() {
    let running = Running::start(&[("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;BA)(A;;GRGX;;;WD)")]).await;
    let mut wire = running.connect().await;
    let get = post(plugin("Get", "Shell")).signed_in("ben", BEN);
    assert_eq!(wire.ask(&get).await.status, 200);
    let put = entries(&[(SHELL, BEN_ALONE, false)]).signed_in("ben", BEN);
    assert_eq!(wire.ask(&put).await.fault().code(), code::ACCESS_DENIED);
    running.stop().await;
}

#[tokio::test]
async fn looking_up_names_and_sids_requires_the_right_to_execute() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let service = format!("{CONFIG}/service");
    let ask = Message::new(&service, &format!("{service}/LookUpPrincipals")).body(&format!(
        "<p:LookUpPrincipals_INPUT xmlns:p=\"{service}\"><p:Name>ben</p:Name><p:Name>nobody</p:Name>\
         <p:Sid>S-1-5-21-11-22-33-1001</p:Sid><p:Sid>S-1-5-21-9-9-9-1</p:Sid></p:LookUpPrincipals_INPUT>"
    ));
    let reported = wire.ask(&post(ask.clone())).await.text();
    assert!(reported.contains("<p:Name>ben</p:Name><p:Sid>S-1-5-21-11-22-33-1002</p:Sid>"), "{reported}");
    assert!(reported.contains("<p:Name>ada</p:Name><p:Sid>S-1-5-21-11-22-33-1001</p:Sid>"), "{reported}");
    assert_eq!(reported.matches("<p:Principal>").count(), 2, "{reported}");
    let fault = wire.ask(&post(ask).signed_in("ben", BEN)).await.fault();
    assert_eq!(fault.code(), code::ACCESS_DENIED);
    let many = format!(
        "<p:LookUpPrincipals_INPUT xmlns:p=\"{service}\">{}</p:LookUpPrincipals_INPUT>",
        "<p:Name>ben</p:Name>".repeat(257)
    );
    let ask = Message::new(&service, &format!("{service}/LookUpPrincipals")).body(&many);
    assert_eq!(wire.ask(&post(ask)).await.fault().code(), code::SCHEMA_VALIDATION_ERROR);
    running.stop().await;
}
