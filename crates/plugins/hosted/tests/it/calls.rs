//! Tests of calls, responses and delivery.

use std::time::Duration;

use config::Config;
use service::{Content, EndReason, Plugin as _};
use telarch_plugin_hosted::Host;

use crate::{LocalHosts, TIMEOUT, call, call_with, next, plugin, transfer};

#[tokio::test]
async fn a_call_uses_the_settings_of_its_time() {
    let (hosts, _events) = LocalHosts::new();
    let plugin = plugin(&hosts);
    for shells in ["30", "7", "7", "30"] {
        let mut config = Config::default();
        config.set("Winrs.MaxShellsPerUser", shells).unwrap();
        let answer = plugin.call(call_with(1, &transfer("Get"), config)).await.unwrap();
        let (Content::Envelope(envelope), None) = answer.into_parts() else { panic!("an envelope") };
        assert!(envelope.contains(&format!("<Shells>{shells}</Shells>")), "{envelope}");
    }
    assert_eq!(hosts.count(), 1, "one host processes all calls");
}

#[tokio::test]
async fn faults_are_forwarded_unchanged() {
    let (hosts, _events) = LocalHosts::new();
    let fault = plugin(&hosts).call(call(1, &transfer("Delete"))).await.err().unwrap();
    assert_eq!((fault.code(), fault.to_string()), (wsman::code::ACTION_NOT_SUPPORTED, "not that".to_owned()));
}

#[tokio::test]
async fn the_plugin_learns_whether_its_response_was_delivered() {
    let (hosts, mut events) = LocalHosts::new();
    let plugin = plugin(&hosts);
    for arrives in [true, false] {
        let calling = plugin.call(call(1, &transfer("Put")));
        let (answer, ()) = tokio::join!(calling, async {
            assert_eq!(next(&mut events).await, "begun");
            hosts.test_plugin(0).resume.notify_one();
        });
        let (_, delivered) = answer.unwrap().into_parts();
        let delivered = delivered.expect("a delivery callback");
        if arrives {
            delivered();
            assert_eq!(next(&mut events).await, "delivered");
        } else {
            drop(delivered);
            assert_eq!(next(&mut events).await, "withheld");
        }
    }
}

#[tokio::test]
async fn a_dropped_call_is_cancelled() {
    let (hosts, mut events) = LocalHosts::new();
    let plugin = plugin(&hosts);
    let calling = plugin.call(call(1, &transfer("Put")));
    tokio::select! {
        _ = calling => panic!("the call must wait"),
        event = next(&mut events) => assert_eq!(event, "begun"),
    }
    assert_eq!(next(&mut events).await, "cancelled");
    assert!(plugin.call(call(1, &transfer("Get"))).await.is_ok(), "the next call is not affected");
}

#[tokio::test]
async fn a_plugin_learns_why_a_subscription_ends() {
    let (hosts, mut events) = LocalHosts::new();
    let plugin = plugin(&hosts);
    let subscribe = format!("{}/Subscribe", wsman::namespace::EVENTING);
    for (reason, name) in [(EndReason::Expired, "Expired"), (EndReason::AccessLost, "AccessLost")] {
        let answer = plugin.call(call(1, &subscribe)).await.unwrap();
        let (Content::Items(mut items), _) = answer.into_parts() else { panic!("items") };
        // The end interrupts the wait for an event.
        tokio::select! {
            biased;
            _ = items.next() => panic!("there is no event"),
            () = tokio::task::yield_now() => {}
        }
        items.end(reason);
        drop(items);
        assert_eq!(next(&mut events).await, name);
        assert_eq!(next(&mut events).await, "unsubscribed");
    }
    let answer = plugin.call(call(1, &subscribe)).await.unwrap();
    drop(answer);
    assert_eq!(next(&mut events).await, "unsubscribed", "without a reason");
}

#[tokio::test]
async fn items_arrive_in_order_and_keep_the_host_active() {
    let (hosts, _events) = LocalHosts::new();
    let enumerate = format!("{}/Enumerate", wsman::namespace::ENUMERATION);
    let answer = plugin(&hosts).call(call(1, &enumerate)).await.unwrap();
    let (Content::Items(mut items), _) = answer.into_parts() else { panic!("items") };
    let is_stopped = || hosts.host(0).activity().stop_if_idle(Duration::ZERO, || true);
    for text in ["one", "two"] {
        let item = items.next().await.unwrap().unwrap();
        assert_eq!(item.object.as_str(), format!("<Thing>{text}</Thing>"));
        assert_eq!(item.bookmark, Some(format!("<Behind>{text}</Behind>").into()));
        assert!(!is_stopped(), "more items may follow");
    }
    assert!(items.next().await.is_none());
    let missing = items.take_omissions();
    assert_eq!(missing.iter().map(|omission| omission.source.as_str()).collect::<Vec<_>>(), ["three"]);
    assert_eq!(items.take_omissions(), []);
}

#[tokio::test]
async fn a_subscription_keeps_the_host_active() {
    let (hosts, mut events) = LocalHosts::new();
    let subscribe = format!("{}/Subscribe", wsman::namespace::EVENTING);
    let answer = plugin(&hosts).call(call(1, &subscribe)).await.unwrap();
    let (Content::Items(mut items), _) = answer.into_parts() else { panic!("items") };
    let early = tokio::select! {
        biased;
        event = items.next() => Some(event.is_some()),
        () = std::future::ready(()) => None,
    };
    assert_eq!(early, None, "an unexpected event or the end");
    let is_stopped = |host: &Host| host.activity().stop_if_idle(Duration::ZERO, || true);
    assert!(!is_stopped(&hosts.host(0)));
    drop(items);
    assert_eq!(next(&mut events).await, "unsubscribed");
    tokio::time::timeout(TIMEOUT, async {
        while !is_stopped(&hosts.host(0)) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the host stops once nothing keeps it active");
}

#[tokio::test]
async fn calls_fail_when_their_host_dies_and_the_next_one_starts_another() {
    let (hosts, mut events) = LocalHosts::new();
    let plugin = plugin(&hosts);
    let calling = plugin.call(call(1, &transfer("Put")));
    let (answer, ()) = tokio::join!(calling, async {
        assert_eq!(next(&mut events).await, "begun");
        hosts.kill(0);
    });
    let fault = answer.err().unwrap().to_string();
    assert!(fault.contains("has ended, and its shells with it"), "{fault}");
    assert!(plugin.call(call(1, &transfer("Get"))).await.is_ok());
    assert_eq!(hosts.count(), 2);
}
