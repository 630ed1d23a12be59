//! Tests of quotas.

use client::{EnumerateOptions, Locator, ShellOptions};
use config::LISTENER_RESOURCE;
use telarch_loopback::{Loopback, User};
use wsman::{Subcode, code};

use crate::message::{self, enumerate, pull};
use crate::{fault, refusal, uri};

fn listeners() -> Locator {
    Locator::new(uri(LISTENER_RESOURCE))
}

/// Two listeners, so that an enumeration does not end after one item.
async fn service(settings: &[(&str, &str)]) -> Loopback {
    let service = Loopback::start_with(settings).await;
    service.change(|draft| {
        for transport in ["HTTP", "HTTPS"] {
            let key = config::ListenerKey::parse("IP:127.0.1.1", transport).unwrap();
            draft.listeners.create(config::Listener::new(key, &draft.config.service)).unwrap();
        }
    });
    service
}

fn one() -> wsman::enumeration::Enumerate {
    wsman::enumeration::Enumerate { optimize: true, max_elements: Some(1), ..Default::default() }
}

const OPERATIONS: (Subcode, u32) = (Subcode::QuotaLimit, 2_150_859_174);

#[tokio::test]
async fn abandoned_enumerations_count_as_operations_until_they_end() {
    let service = service(&[("Service.MaxConcurrentOperationsPerUser", "3")]).await;
    let (ada, ben) = (service.session(User::Ada), service.session(User::Ben));
    let mut contexts = Vec::new();
    for _ in 0..3 {
        contexts.push(enumerate(&ada, &listeners(), &one()).await.unwrap().context.unwrap());
    }
    let refused = fault(enumerate(&ada, &listeners(), &one()).await);
    assert_eq!((refused.subcode().clone(), refused.code()), OPERATIONS);
    assert!(refused.reason().contains("MaxConcurrentOperationsPerUser"), "{refused}");
    assert_eq!(refusal(ada.shell(ShellOptions::default()).await), OPERATIONS);
    // Other users are not affected.
    enumerate(&ben, &listeners(), &one()).await.unwrap();

    // Open enumerations can be completed or released.
    ada.release(&listeners(), &contexts.pop().unwrap()).await.unwrap();
    ada.shell(ShellOptions::default()).await.unwrap().close().await.unwrap();
    contexts.push(enumerate(&ada, &listeners(), &one()).await.unwrap().context.unwrap());
    assert_eq!(refusal(enumerate(&ada, &listeners(), &one()).await), OPERATIONS);
    assert!(pull(&ada, &listeners(), &contexts.pop().unwrap(), 9).await.unwrap().end);
    ada.enumerate(&listeners(), EnumerateOptions::default()).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn expired_enumerations_do_not_count() {
    let limits = [("Service.MaxConcurrentOperationsPerUser", "2"), ("Service.EnumerationTimeoutms", "500")];
    let service = service(&limits).await;
    let session = service.session(User::Ada);
    for _ in 0..2 {
        enumerate(&session, &listeners(), &one()).await.unwrap();
    }
    assert_eq!(refusal(enumerate(&session, &listeners(), &one()).await), OPERATIONS);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_millis(501)).await;
    tokio::time::resume();
    enumerate(&session, &listeners(), &one()).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn the_number_of_shells_is_limited_by_max_shells_per_user() {
    let service = Loopback::start_with(&[("Winrs.MaxShellsPerUser", "2")]).await;
    let (ada, ben) = (service.session(User::Ada), service.session(User::Ben));
    let first = ada.shell(ShellOptions::default()).await.unwrap();
    let second = ada.shell(ShellOptions::default()).await.unwrap();
    let refused = fault(ada.shell(ShellOptions::default()).await);
    assert_eq!((refused.subcode(), refused.code()), (&Subcode::QuotaLimit, code::MAX_SHELLS_PER_USER));
    assert!(refused.reason().contains("MaxShellsPerUser"), "{refused}");
    let of_ben = ben.shell(ShellOptions::default()).await.unwrap();
    first.close().await.unwrap();
    let third = ada.shell(ShellOptions::default()).await.unwrap();
    assert_eq!(third.run("exit 3").await.unwrap().exit_code, 3);
    // 0 means no limit.
    service.set("Winrs.MaxShellsPerUser", "0");
    let fourth = ada.shell(ShellOptions::default()).await.unwrap();
    for shell in [second, third, fourth, of_ben] {
        shell.close().await.unwrap();
    }
    service.close().await;
}

#[tokio::test]
async fn the_number_of_users_is_limited_by_max_concurrent_users() {
    let service = Loopback::start_with(&[("Winrs.MaxConcurrentUsers", "1")]).await;
    let (ada, ben) = (service.session(User::Ada), service.session(User::Ben));
    let first = ada.shell(ShellOptions::default()).await.unwrap();
    let second = ada.shell(ShellOptions::default()).await.unwrap();
    let refused = refusal(ben.shell(ShellOptions::default()).await);
    assert_eq!(refused, (Subcode::QuotaLimit, code::MAX_SHELL_USERS));
    first.close().await.unwrap();
    assert_eq!(refusal(ben.shell(ShellOptions::default()).await), refused);
    second.close().await.unwrap();
    let of_ben = ben.shell(ShellOptions::default()).await.unwrap();
    assert_eq!(refusal(ada.shell(ShellOptions::default()).await), refused);
    of_ben.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn disabling_shells_prevents_new_ones_only() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = session.shell(ShellOptions::default()).await.unwrap();
    service.set("Winrs.AllowRemoteShellAccess", "false");
    let refused = refusal(session.shell(ShellOptions::default()).await);
    assert_eq!(refused, (Subcode::InternalError, code::SHELL_ACCESS_DISABLED));
    assert_eq!(shell.run("echo still").await.unwrap().stdout, b"still\n");
    shell.close().await.unwrap();
    service.set("Winrs.AllowRemoteShellAccess", "true");
    session.shell(ShellOptions::default()).await.unwrap().close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_shell_identifier_cannot_be_used_twice() {
    let service = Loopback::start().await;
    let (ada, ben) = (service.session(User::Ada), service.session(User::Ben));
    let id = Some("11111111-aaaa-4111-8111-111111111111".to_owned());
    let open = wsman::shell::OpenShell { shell_id: id, ..Default::default() };
    let shell = message::open_shell(&ada, &open).await.unwrap();
    let exists = (Subcode::AlreadyExists, code::ALREADY_EXISTS);
    for session in [&ada, &ben] {
        let upper = open.shell_id.as_ref().map(|id| id.to_ascii_uppercase());
        let again = wsman::shell::OpenShell { shell_id: upper, ..Default::default() };
        assert_eq!(refusal(message::open_shell(session, &again).await), exists);
    }
    ada.delete(&shell).await.unwrap();
    let shell = message::open_shell(&ben, &open).await.unwrap();
    ben.delete(&shell).await.unwrap();
    service.close().await;
}
