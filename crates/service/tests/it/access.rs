//! Who may do what: RootSDDL decides for everything, at every request.

use wsman::namespace::{CONFIG, SHELL, SHELL_CMD};
use wsman::{Subcode, code};

use crate::message::Message;
use crate::running::Running;
use crate::wire::{ADA, BEN, Post, post};

/// Requests by the right they need.
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
    // Which entry of the descriptor decided is for the log, not for the one who is kept out.
    for secret in ["GA", "(A;", "S-1-", "BA"] {
        assert!(!fault.reason().contains(secret), "{}", fault.reason());
    }
    true
}

#[tokio::test]
async fn each_action_needs_its_right_and_no_other() {
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
async fn by_default_administrators_may_do_everything_and_others_nothing() {
    let running = Running::start(&[]).await;
    for (_, message) in requests() {
        assert!(!is_denied(&running, &post(message.clone())).await, "ada {}", message.action);
        let of_ben = post(message.clone()).signed_in("ben", BEN);
        assert!(is_denied(&running, &of_ben).await, "ben {}", message.action);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_resource_that_does_not_exist_is_told_to_those_only_who_have_signed_in() {
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

#[tokio::test]
async fn one_users_shells_do_not_exist_for_another() {
    let running = Running::start(&[("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;WD)")]).await;
    let mut wire = running.connect().await;
    let create = Message::transfer(SHELL_CMD, "Create").body("<rsp:Shell ShellId=\"OURS\"/>");
    assert_eq!(wire.ask(&post(create)).await.status, 200);
    let requests = [
        Message::transfer(SHELL, "Get").selector("ShellId", "OURS"),
        Message::shell("Command")
            .selector("ShellId", "OURS")
            .body("<rsp:CommandLine><rsp:Command>true</rsp:Command></rsp:CommandLine>"),
        Message::transfer(SHELL_CMD, "Delete").selector("ShellId", "OURS"),
    ];
    for request in &requests {
        let fault = wire.ask(&post(request.clone()).signed_in("ben", BEN)).await.fault();
        assert_eq!(fault.code(), code::UNEXPECTED_SELECTORS, "{}", request.action);
    }
    for request in requests {
        assert_eq!(wire.ask(&post(request.clone())).await.status, 200, "{}", request.action);
    }
    running.stop().await;
}
