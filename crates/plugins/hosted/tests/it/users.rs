//! Hosts come and go with their users.

use std::time::Duration;

use config::Config;
use service::Plugin as _;
use telarch_plugin_hosted::UserQuota;
use wsman::{Fault, Subcode, code};

use crate::{Here, call, plugin, transfer};

#[tokio::test]
async fn each_user_has_a_host_of_their_own() {
    let (hosts, _said) = Here::new();
    let plugin = plugin(&hosts);
    for user in [1, 2, 1, 2, 3] {
        plugin.call(call(user, &transfer("Get"))).await.unwrap();
    }
    assert_eq!(hosts.count(), 3);
}

#[tokio::test]
async fn a_host_leaves_only_when_it_has_nothing_to_do_and_calls_that_come_too_late_find_another() {
    let (hosts, _said) = Here::new();
    let plugin = plugin(&hosts);
    plugin.call(call(1, &transfer("Create"))).await.unwrap();
    let (host, thing) = (hosts.host(0), hosts.thing(0));
    let leaves =
        |idle: Duration| host.activity().leave(idle, || service::Plugin::in_use(thing.as_ref()) == 0);
    assert!(!leaves(Duration::ZERO), "it has a shell");
    thing.shells.store(0, std::sync::atomic::Ordering::Release);
    assert!(!leaves(Duration::from_secs(60)), "it was asked a moment ago");
    assert!(leaves(Duration::ZERO));
    for _ in 0..3 {
        plugin.call(call(1, &transfer("Get"))).await.unwrap();
    }
    assert_eq!(hosts.count(), 2, "the other one stays");
}

#[tokio::test]
async fn a_call_that_crosses_the_end_of_a_host_which_has_left_is_done_by_the_next_one() {
    for pauses in 1..20 {
        let (hosts, _said) = Here::new();
        let plugin = plugin(&hosts);
        plugin.call(call(1, &transfer("Get"))).await.unwrap();
        assert!(hosts.host(0).activity().leave(Duration::ZERO, || true));
        // It has said so, and then is gone, at whatever moment the call comes.
        tokio::task::yield_now().await;
        hosts.kill(0);
        for _ in 1..pauses {
            tokio::task::yield_now().await;
        }
        plugin.call(call(1, &transfer("Get"))).await.unwrap();
        assert_eq!(hosts.count(), 2, "after {pauses}");
    }
}

#[tokio::test]
async fn only_so_many_users_have_something_open() {
    let (hosts, _said) = Here::new();
    let refusal = |most| Fault::new(Subcode::QuotaLimit, code::MAX_SHELL_USERS, format!("{most} are enough"));
    let quota = UserQuota { most: |config: &Config| config.winrs.max_concurrent_users.get(), refusal };
    let plugin = plugin(&hosts).with_users(quota);
    let create = |user: u32| {
        let mut config = Config::default();
        config.set("Winrs.MaxConcurrentUsers", "2").unwrap();
        plugin.call(crate::call_with(user, &transfer("Create"), config))
    };
    for user in [1, 2, 1] {
        create(user).await.unwrap();
    }
    assert_eq!(create(3).await.err().unwrap().to_string(), "2 are enough");
    assert!(plugin.call(call(3, &transfer("Get"))).await.is_ok(), "looking is free");
    hosts.kill(0);
    // Its end is noticed in a moment.
    for _ in 0..1_000 {
        if create(3).await.is_ok() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the place of one who is gone stays taken");
}
