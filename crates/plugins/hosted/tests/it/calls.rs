//! Calls, answers, and what becomes of them.

use std::time::Duration;

use config::Config;
use service::{Content, Plugin as _};
use telarch_plugin_hosted::Host;

use crate::{Here, PATIENCE, call, call_with, next, plugin, transfer};

#[tokio::test]
async fn an_answer_is_made_with_the_settings_of_its_call() {
    let (hosts, _said) = Here::new();
    let plugin = plugin(&hosts);
    for shells in ["30", "7", "7", "30"] {
        let mut config = Config::default();
        config.set("Winrs.MaxShellsPerUser", shells).unwrap();
        let answer = plugin.call(call_with(1, &transfer("Get"), config)).await.unwrap();
        let (Content::Envelope(envelope), None) = answer.into_parts() else { panic!("an envelope") };
        assert!(envelope.contains(&format!("<Shells>{shells}</Shells>")), "{envelope}");
    }
    assert_eq!(hosts.count(), 1, "one host does it all");
}

#[tokio::test]
async fn a_fault_is_the_same_at_the_other_end() {
    let (hosts, _said) = Here::new();
    let fault = plugin(&hosts).call(call(1, &transfer("Delete"))).await.err().unwrap();
    assert_eq!((fault.code(), fault.to_string()), (wsman::code::ACTION_NOT_SUPPORTED, "not that".to_owned()));
}

#[tokio::test]
async fn the_plug_in_learns_whether_its_answer_arrived() {
    let (hosts, mut said) = Here::new();
    let plugin = plugin(&hosts);
    for arrives in [true, false] {
        let calling = plugin.call(call(1, &transfer("Put")));
        let (answer, ()) = tokio::join!(calling, async {
            assert_eq!(next(&mut said).await, "begun");
            hosts.thing(0).go_on.notify_one();
        });
        let (_, delivered) = answer.unwrap().into_parts();
        let delivered = delivered.expect("somebody wants to know");
        if arrives {
            delivered();
            assert_eq!(next(&mut said).await, "delivered");
        } else {
            drop(delivered);
            assert_eq!(next(&mut said).await, "withheld");
        }
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled() {
    let (hosts, mut said) = Here::new();
    let plugin = plugin(&hosts);
    let calling = plugin.call(call(1, &transfer("Put")));
    tokio::select! {
        _ = calling => panic!("it waits"),
        word = next(&mut said) => assert_eq!(word, "begun"),
    }
    assert_eq!(next(&mut said).await, "cancelled");
    assert!(plugin.call(call(1, &transfer("Get"))).await.is_ok(), "the next one is not concerned");
}

#[tokio::test]
async fn items_come_in_order_to_their_end_and_the_host_stays_until_then() {
    let (hosts, _said) = Here::new();
    let enumerate = format!("{}/Enumerate", wsman::namespace::ENUMERATION);
    let answer = plugin(&hosts).call(call(1, &enumerate)).await.unwrap();
    let (Content::Items(mut items), _) = answer.into_parts() else { panic!("items") };
    let leaves = || hosts.host(0).activity().leave(Duration::ZERO, || true);
    for text in ["one", "two"] {
        let item = items.next().await.unwrap().unwrap();
        assert_eq!(item.object.as_str(), format!("<Thing>{text}</Thing>"));
        assert!(!leaves(), "there may be more");
    }
    assert!(items.next().await.is_none());
}

#[tokio::test]
async fn a_host_stays_as_long_as_somebody_has_subscribed() {
    let (hosts, mut said) = Here::new();
    let subscribe = format!("{}/Subscribe", wsman::namespace::EVENTING);
    let answer = plugin(&hosts).call(call(1, &subscribe)).await.unwrap();
    let (Content::Items(mut items), _) = answer.into_parts() else { panic!("items") };
    let waiting = tokio::time::timeout(Duration::from_millis(50), items.next());
    assert!(waiting.await.is_err(), "an event although nothing happened");
    let leaves = |host: &Host| host.activity().leave(Duration::ZERO, || true);
    assert!(!leaves(&hosts.host(0)));
    drop(items);
    assert_eq!(next(&mut said).await, "unsubscribed");
    tokio::time::timeout(PATIENCE, async {
        while !leaves(&hosts.host(0)) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("nothing keeps it");
}

#[tokio::test]
async fn whoever_waits_for_a_host_that_dies_is_told_and_the_next_call_has_a_new_one() {
    let (hosts, mut said) = Here::new();
    let plugin = plugin(&hosts);
    let calling = plugin.call(call(1, &transfer("Put")));
    let (answer, ()) = tokio::join!(calling, async {
        assert_eq!(next(&mut said).await, "begun");
        hosts.kill(0);
    });
    let fault = answer.err().unwrap().to_string();
    assert!(fault.contains("has ended, and its shells with it"), "{fault}");
    assert!(plugin.call(call(1, &transfer("Get"))).await.is_ok());
    assert_eq!(hosts.count(), 2);
}
