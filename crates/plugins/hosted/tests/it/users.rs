//! Tests of the lifetime of hosts and the limit of users.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use config::Config;
use service::{Content, OpenObjects, Plugin as _, Resource, ResourceKind};
use telarch_plugin_hosted::{HostedPlugin, UserQuota};
use wsman::{Fault, Subcode, code};

use crate::{LocalHosts, RESOURCE, call, plugin, transfer};

#[tokio::test]
async fn each_user_has_a_separate_host() {
    let (hosts, _events) = LocalHosts::new();
    let plugin = plugin(&hosts);
    for user in [1, 2, 1, 2, 3] {
        plugin.call(call(user, &transfer("Get"))).await.unwrap();
    }
    assert_eq!(hosts.count(), 3);
}

#[tokio::test]
async fn only_an_idle_host_stops_and_later_calls_start_another() {
    let (hosts, _events) = LocalHosts::new();
    let plugin = plugin(&hosts);
    plugin.call(call(1, &transfer("Create"))).await.unwrap();
    let (host, test_plugin) = (hosts.host(0), hosts.test_plugin(0));
    let is_stopped = |idle: Duration| {
        host.activity().stop_if_idle(idle, || service::Plugin::in_use(test_plugin.as_ref()).total() == 0)
    };
    assert!(!is_stopped(Duration::ZERO), "it has a shell");
    test_plugin.shells.store(0, std::sync::atomic::Ordering::Release);
    assert!(!is_stopped(Duration::from_secs(60)), "it was called a moment ago");
    assert!(is_stopped(Duration::ZERO));
    for _ in 0..3 {
        plugin.call(call(1, &transfer("Get"))).await.unwrap();
    }
    assert_eq!(hosts.count(), 2, "the second host stays");
}

#[tokio::test]
async fn a_call_to_a_stopping_host_is_processed_by_the_next_one() {
    for pauses in 1..20 {
        let (hosts, _events) = LocalHosts::new();
        let plugin = plugin(&hosts);
        plugin.call(call(1, &transfer("Get"))).await.unwrap();
        assert!(hosts.host(0).activity().stop_if_idle(Duration::ZERO, || true));
        // The host has announced its end and then disappears, at different moments of the call.
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
async fn objects_of_all_hosts_are_counted_until_their_host_ends() {
    let (hosts, _events) = LocalHosts::new();
    let shells = Resource { kind: ResourceKind::Shells, ..RESOURCE };
    let plugin = HostedPlugin::new(&[shells], Arc::clone(&hosts) as _);
    let others = crate::plugin(&hosts);
    for user in [1, 2, 1] {
        plugin.call(call(user, &transfer("Create"))).await.unwrap();
    }
    others.call(call(1, &transfer("Get"))).await.unwrap();
    assert_eq!(plugin.in_use(), OpenObjects { shells: 3, runspace_pools: 6, transfers: 0 });
    assert_eq!(others.in_use(), OpenObjects::default(), "resources without shells");
    hosts.kill(0);
    // The gateway notices the end of the host after a moment.
    for _ in 0..1_000 {
        if plugin.in_use() == (OpenObjects { shells: 1, runspace_pools: 2, transfers: 0 }) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("shells of the killed host still count: {:?}", plugin.in_use());
}

#[tokio::test]
async fn the_number_of_users_with_open_shells_is_limited() {
    let (hosts, _events) = LocalHosts::new();
    let fault = |limit| Fault::new(Subcode::QuotaLimit, code::MAX_SHELL_USERS, format!("{limit} are enough"));
    let quota = UserQuota {
        limit: |config: &Config| config.winrs.max_concurrent_users.get(),
        fault,
        shells: |_| None,
        shells_fault: fault,
    };
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
    assert!(plugin.call(call(3, &transfer("Get"))).await.is_ok(), "reading is not limited");
    hosts.kill(0);
    // The gateway notices the end of the host after a moment.
    for _ in 0..1_000 {
        if create(3).await.is_ok() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the user of the killed host is still counted");
}

#[tokio::test]
async fn an_endpoint_that_runs_as_another_account_has_a_host_for_each_caller() {
    let (hosts, _events) = LocalHosts::new();
    hosts.run_as.store(true, Ordering::Relaxed);
    let plugin = plugin(&hosts);
    for user in [1, 2, 1] {
        plugin.call(call(user, &transfer("Get"))).await.unwrap();
    }
    assert_eq!(hosts.count(), 2);
    hosts.run_as.store(false, Ordering::Relaxed);
    plugin.call(call(1, &transfer("Get"))).await.unwrap();
    assert_eq!(hosts.count(), 3, "an ordinary host is another one");
    hosts.run_as.store(true, Ordering::Relaxed);
    plugin.call(call(2, &transfer("Get"))).await.unwrap();
    assert_eq!(hosts.count(), 3);
}

#[tokio::test]
async fn shells_of_all_hosts_of_a_caller_share_its_quota_and_those_of_others_do_not() {
    let (hosts, _events) = LocalHosts::new();
    let fault = |limit| Fault::new(Subcode::QuotaLimit, code::MAX_SHELLS_PER_USER, format!("{limit} shells"));
    let quota = UserQuota { limit: |_| 10, fault, shells: |_| Some(6), shells_fault: fault };
    let plugin = plugin(&hosts).with_users(quota);
    let create = |user: u32| plugin.call(call(user, &transfer("Create")));
    // A host of the test reports three shells after each request.
    create(1).await.unwrap();
    hosts.run_as.store(true, Ordering::Relaxed);
    create(1).await.unwrap();
    for run_as in [true, false] {
        hosts.run_as.store(run_as, Ordering::Relaxed);
        assert_eq!(create(1).await.err().unwrap().to_string(), "6 shells");
    }
    hosts.run_as.store(true, Ordering::Relaxed);
    create(2).await.unwrap();
}

/// Returns the items and the missing sources of an enumeration of one user.
async fn enumerate(plugin: &HostedPlugin) -> (usize, Vec<String>) {
    let action = format!("{}/Enumerate", wsman::namespace::ENUMERATION);
    let answer = plugin.call(call(1, &action)).await.unwrap();
    let (Content::Items(mut items), _) = answer.into_parts() else { panic!("no items") };
    let (mut count, mut missing) = (0, Vec::new());
    while let Some(item) = items.next().await {
        item.unwrap();
        count += 1;
        missing.extend(items.take_omissions());
    }
    missing.extend(items.take_omissions());
    (count, missing.into_iter().map(|omission| omission.source).collect())
}

#[tokio::test]
async fn a_list_has_the_objects_of_all_hosts_of_its_caller() {
    let (hosts, _events) = LocalHosts::new();
    let ordinary = plugin(&hosts);
    let listing = plugin(&hosts).with_listings(&[RESOURCE]);
    // Each host of the test has two items, and a third one is missing.
    assert_eq!(enumerate(&listing).await, (2, vec!["three".to_owned()]));
    *hosts.endpoints.lock().unwrap() = vec!["backup".to_owned(), "broken".to_owned()];
    let (count, mut missing) = enumerate(&listing).await;
    missing.sort();
    assert_eq!((count, missing.join(" ")), (4, "broken three three".to_owned()));
    assert_eq!(enumerate(&ordinary).await.0, 2, "another resource");
    hosts.has_no_users.store(true, Ordering::Relaxed);
    let listing = plugin(&hosts).with_listings(&[RESOURCE]);
    assert_eq!(enumerate(&listing).await.0, 2, "an account that is not a user of this machine");
}

#[tokio::test]
async fn an_object_is_found_in_any_host_of_its_caller() {
    let (hosts, _events) = LocalHosts::new();
    hosts.has_no_users.store(true, Ordering::Relaxed);
    let listing = plugin(&hosts).with_listings(&[RESOURCE]);
    let get = || listing.call(call(1, &transfer("Get")));
    assert_eq!(get().await.err().unwrap().to_string(), "no process");
    *hosts.endpoints.lock().unwrap() = vec!["broken".to_owned(), "backup".to_owned()];
    assert!(get().await.is_ok());
    assert!(listing.call(call(1, &transfer("Put"))).await.is_err(), "only Get searches");
}
