//! Tests of the access check with RootSDDL, which applies to every request.

use wsman::namespace::{CONFIG, SHELL, SHELL_CMD};
use wsman::{Subcode, code};

use crate::faults::enumeration;
use crate::message::Message;
use crate::running::Running;
use crate::wire::{ADA, BEN, Post, post};

/// Requests, by the right they require.
fn requests() -> [(&'static str, Message); 12] {
    let shell = |verb: &str, body: &str| Message::shell(verb).selector("ShellId", "x").body(body);
    let listener = format!("{CONFIG}/Listener");
    [
        ("GR", Message::transfer(CONFIG, "Get")),
        ("GR", Message::enumeration(&listener, "Enumerate").body("<n:Enumerate/>")),
        ("GR", Message::enumeration(&listener, "Pull").body("<n:Pull/>")),
        ("GR", Message::enumeration(&listener, "Release").body("<n:Release/>")),
        ("GW", Message::transfer(CONFIG, "Put")),
        ("GW", Message::transfer(&listener, "Create")),
        ("GW", Message::transfer(&listener, "Delete")),
        ("GX", Message::probe("echo", "method")),
        ("GX", Message::transfer(SHELL_CMD, "Create").body("<x/>")),
        ("GX", Message::transfer(SHELL, "Get")),
        ("GX", Message::transfer(SHELL_CMD, "Delete").selector("ShellId", "x")),
        ("GX", shell("Receive", "<rsp:Receive/>")),
    ]
}

async fn is_denied(running: &Running, request: &Post) -> bool {
    let answer = running.connect().await.ask(request).await;
    let Ok(fault) = answer.try_fault() else {
        assert_eq!(answer.status, 200);
        return false;
    };
    if *fault.subcode() != Subcode::AccessDenied {
        return false;
    }
    assert_eq!(fault.code(), code::ACCESS_DENIED);
    assert_eq!(fault.action.as_deref(), Some("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"));
    // The entry that decided is written to the log and not sent to the client.
    for secret in ["GA", "(A;", "S-1-", "BA"] {
        assert!(!fault.reason().contains(secret), "{}", fault.reason());
    }
    true
}

#[tokio::test]
async fn each_action_requires_exactly_its_right() {
    let running = Running::start(&[]).await;
    for (sddl, granted) in [
        ("O:NSG:BAD:P(A;;GA;;;BA)", &["GR", "GW", "GX"][..]),
        ("O:NSG:BAD:P(A;;GRGWGX;;;BA)", &["GR", "GW", "GX"]),
        ("O:NSG:BAD:P(A;;GR;;;BA)", &["GR"]),
        ("O:NSG:BAD:P(A;;GW;;;BA)", &["GW"]),
        ("O:NSG:BAD:P(A;;GX;;;BA)", &["GX"]),
        ("O:NSG:BAD:P(D;;GX;;;BA)(A;;GA;;;BA)", &["GR", "GW"]),
        ("O:NSG:BAD:P(D;;GW;;;NU)(A;;GA;;;BA)", &["GR", "GX"]),
        ("O:NSG:BAD:P(A;;GR;;;WD)(D;;GA;;;BA)", &["GR"]),
        ("O:NSG:BAD:P(A;;GA;;;IU)", &[]),
        ("O:NSG:BAD:P(A;;GA;;;S-1-5-21-11-22-33-1002)", &[]),
        ("O:NSG:BAD:P(D;;GA;;;WD)", &[]),
        ("O:NSG:BAD:P", &[]),
    ] {
        running.set("Service.RootSDDL", sddl);
        for (right, message) in requests() {
            let denied = is_denied(&running, &post(message.clone())).await;
            let action = &message.action;
            assert_eq!(denied, !granted.contains(&right), "{sddl} {right} {action} {}", message.resource);
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn by_default_only_administrators_have_access() {
    let running = Running::start(&[]).await;
    for (_, message) in requests() {
        assert!(!is_denied(&running, &post(message.clone())).await, "ada {}", message.action);
        let of_ben = post(message.clone()).signed_in("ben", BEN);
        assert!(is_denied(&running, &of_ben).await, "ben {}", message.action);
    }
    running.stop().await;
}

#[tokio::test]
async fn only_authenticated_clients_learn_that_a_resource_does_not_exist() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let request = post(Message::transfer("http://telarch.test/nothing", "Get"));
    assert_eq!(wire.ask(&request.clone().anonymous()).await.status, 401);
    for (user, password) in [("ada", ADA), ("ben", BEN)] {
        let fault = wire.ask(&request.clone().signed_in(user, password)).await.fault();
        assert_eq!(fault.code(), code::INVALID_RESOURCE_URI);
    }
    running.stop().await;
}

/// Identifiers of other users and unknown ones are rejected with the same text, except for the identifier.
#[tokio::test]
async fn objects_of_one_user_do_not_exist_for_another() {
    let running = Running::start(&[("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;WD)")]).await;
    let mut wire = running.connect().await;
    let body = "<rsp:Shell ShellId=\"OURS\"><rsp:InputStreams>stdin</rsp:InputStreams>\
                <rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>";
    let create = Message::transfer(SHELL_CMD, "Create").body(body);
    assert_eq!(wire.ask(&post(create)).await.status, 200);
    let command = |shell: &str, id: &str| {
        let line = format!(
            "<rsp:CommandLine CommandId=\"{id}\"><rsp:Command>exec cat</rsp:Command></rsp:CommandLine>"
        );
        Message::shell("Command").selector("ShellId", shell).body(&line)
    };
    assert_eq!(wire.ask(&post(command("OURS", "ONE"))).await.status, 200);
    let begun = wire.ask(&post(enumeration::enumerate("3"))).await;
    let context = enumeration::context(&begun);
    let verb =
        |verb: &str, shell: &str, body: &str| Message::shell(verb).selector("ShellId", shell).body(body);
    let requests = |shell: &str, context: &str| {
        [
            Message::transfer(SHELL, "Get").selector("ShellId", shell),
            command(shell, "TWO"),
            verb(
                "Send",
                shell,
                "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"ONE\">YQ==</rsp:Stream></rsp:Send>",
            ),
            verb(
                "Receive",
                shell,
                "<rsp:Receive><rsp:DesiredStream CommandId=\"ONE\">stdout</rsp:DesiredStream></rsp:Receive>",
            ),
            verb(
                "Signal",
                shell,
                &format!(
                    "<rsp:Signal CommandId=\"ONE\"><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>"
                ),
            ),
            enumeration::pull(context),
            enumeration::release(context),
            Message::transfer(SHELL_CMD, "Delete").selector("ShellId", shell),
        ]
    };
    let unknown = "uuid:11111111-2222-3333-4444-555555555555";
    for (other, nobodys) in requests("OURS", &context).into_iter().zip(requests("NONE", unknown)) {
        let action = other.action.clone();
        let other = wire.ask(&post(other).signed_in("ben", BEN)).await.fault();
        let nobodys = wire.ask(&post(nobodys).signed_in("ben", BEN)).await.fault();
        assert_eq!((other.subcode(), other.code()), (nobodys.subcode(), nobodys.code()), "{action}");
        let reported = other.reason().replace("OURS", "NONE").replace(&context, unknown);
        assert_eq!(reported, nobodys.reason(), "{action}");
    }
    // Nothing was changed: the owner still has all objects.
    // A page changes the context of an enumeration, so the first context is released.
    let is_page = |request: &Message| request.action.ends_with("/Pull");
    for request in requests("OURS", &context).into_iter().filter(|request| !is_page(request)) {
        let answer = wire.ask(&post(request.clone())).await;
        assert_eq!(answer.status, 200, "{} {}", request.action, answer.text());
    }
    running.stop().await;
}

#[tokio::test]
async fn a_list_of_shells_contains_only_those_of_the_caller() {
    let running = Running::start(&[("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;WD)")]).await;
    let mut wire = running.connect().await;
    let create = Message::transfer(SHELL_CMD, "Create").body("<rsp:Shell ShellId=\"OURS\"/>");
    assert_eq!(wire.ask(&post(create)).await.status, 200);
    let list = Message::enumeration(SHELL, "Enumerate")
        .body("<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements></n:Enumerate>");
    assert!(wire.ask(&post(list.clone())).await.text().contains("OURS"));
    let of_ben = wire.ask(&post(list).signed_in("ben", BEN)).await;
    assert!(of_ben.status == 200 && !of_ben.text().contains("OURS"), "{}", of_ben.text());
    running.stop().await;
}
