//! Tests of the crate's public interface, with sources that answer as recorded from Windows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod collector;
mod recorded_source;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::collector::{Collecting, subscription};
use self::recorded_source::{Answer, RecordedEvents, RecordedSource};

#[tokio::test(flavor = "multi_thread")]
async fn recorded_events_of_windows_are_stored_before_the_next_request() {
    let Some(recorded) = RecordedEvents::read() else { return };
    let recorded = Arc::new(recorded);
    let collecting = Collecting::new().await;
    let (events, file) = (Arc::clone(&recorded), collecting.events("127.0.0.1"));
    let source = RecordedSource::start("127.0.0.1", move |request| match request.pulls {
        0 => Answer::Subscribed,
        number @ 1..=3 => {
            // Requesting a batch confirms all previous ones, so they must be in the file.
            let stored = std::fs::read_to_string(&file).unwrap_or_default().lines().count();
            assert_eq!(stored, usize::from(number - 1) * 5, "request {number}");
            let from = usize::from(number - 1) * 5;
            Answer::Events(events.items(from..from + 5), Some(events.bookmark(u64::from(number))))
        }
        _ => Answer::NoEvents,
    });
    let sources = [("127.0.0.1", Some("s3cret"))];
    let puller = collecting.pull(&subscription("Recorded", source.port(), &sources)).await;
    source.wait_for_requests(6);
    puller.end().await;
    let lines = collecting.lines("127.0.0.1");
    assert_eq!(lines.len(), 15);
    let ids: BTreeSet<&str> =
        lines.iter().map(|line| line["Collector"]["EventId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 15);
    assert!(lines.iter().all(|line| line["Collector"]["Source"] == "127.0.0.1"), "{lines:?}");
    let requests = source.requests();
    assert!(
        requests.iter().all(|request| request.contains("Authorization: Basic YWRhOnMzY3JldA==")),
        "{requests:?}"
    );
    for part in [
        "eventing/Subscribe</a:Action>",
        "<w:Option Name=\"CDATA\"",
        "<w:Option Name=\"ContentFormat\">RenderedText</w:Option>",
        "Mode=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull\"",
        "<Select Path=\"System\">*</Select>",
        "<w:SendBookmarks/>",
    ] {
        assert!(requests[0].contains(part), "{part} is missing in {}", requests[0]);
    }
    assert!(requests[1].contains("<n:MaxElements>5</n:MaxElements>"), "{}", requests[1]);
    assert!(
        source.requests().last().unwrap().contains("eventing/Unsubscribe"),
        "the source keeps the subscription"
    );
    // The next connection continues behind the last stored event.
    let puller = collecting.pull(&subscription("Recorded", source.port(), &sources)).await;
    source.wait_for_requests(requests.len() + 2);
    puller.end().await;
    let again = &source.requests()[requests.len()];
    let bookmark = format!("<w:Bookmark>{}</w:Bookmark>", recorded.bookmark(3));
    assert!(again.contains(&bookmark), "{again}");
    assert_eq!(collecting.lines("127.0.0.1").len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_hang_refuse_or_lie_do_not_delay_others() {
    let Some(recorded) = RecordedEvents::read() else { return };
    let collecting = Collecting::new().await;
    let good = RecordedSource::start("127.0.0.1", move |request| match request.pulls {
        0 => Answer::Subscribed,
        1 => Answer::Events(recorded.items(0..2), Some(recorded.bookmark(1))),
        _ => Answer::NoEvents,
    });
    let port = good.port();
    let _hanging = RecordedSource::start_at("127.0.0.2", port, |_| Answer::Nothing);
    let refusing = RecordedSource::start_at("127.0.0.3", port, |_| Answer::Unauthorized);
    let lying = RecordedSource::start_at("127.0.0.4", port, |request| match request.pulls {
        0 => Answer::Subscribed,
        _ => Answer::Raw("<a>".repeat(10_000)),
    });
    let password = Some("s3cret");
    let puller = collecting
        .pull(&subscription(
            "Mixed",
            port,
            &[
                ("127.0.0.2", password),
                ("127.0.0.3", password),
                ("127.0.0.4", password),
                ("127.0.0.5", password),
                ("127.0.0.6", None),
                ("127.0.0.1", password),
            ],
        ))
        .await;
    good.wait_for_requests(3);
    assert_eq!(collecting.lines("127.0.0.1").len(), 2);
    refusing.wait_for_requests(1);
    lying.wait_for_requests(2);
    for (source, part) in [
        ("127.0.0.3", "check the account on the source"),
        ("127.0.0.4", "cannot pull from 127.0.0.4: invalid response"),
        ("127.0.0.5", "check the address, that the WinRM service of the source runs"),
        (
            "127.0.0.6",
            "user name and password of the source are missing; set the user and the password with wecutil ss \"Mixed\"",
        ),
    ] {
        let state = collecting.wait_for_fault(source, "Mixed").await;
        let fault = state.last_fault.unwrap();
        assert!(fault.contains(part) && fault.contains(source) && !fault.contains("s3cret"), "{fault}");
        assert!(state.retry_time > state.fault_time, "{source}: {fault}");
    }
    let state = collecting.state("127.0.0.1", "Mixed").await.unwrap();
    assert_eq!((state.batches, state.last_fault), (1, None));
    puller.end().await;
    assert_eq!(
        refusing.requests().len(),
        1,
        "a rejected password is not repeated, because it may lock the account"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sources_than_connections_take_turns() {
    let Some(recorded) = RecordedEvents::read() else { return };
    const HOSTS: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let (recorded, collecting) = (Arc::new(recorded), Collecting::new().await);
    // Requests of all sources in order: the source, and whether it is the first one of a connection.
    let all = Arc::new(Mutex::new(Vec::new()));
    let mut sources: Vec<RecordedSource> = Vec::new();
    for (number, host) in HOSTS.into_iter().enumerate() {
        let (all, events) = (Arc::clone(&all), Arc::clone(&recorded));
        let port = sources.first().map_or(0, RecordedSource::port);
        sources.push(RecordedSource::start_at(host, port, move |request| {
            all.lock().unwrap().push((number, request.pulls == 0));
            match request.pulls {
                0 => Answer::Subscribed,
                pull if pull <= 4 => {
                    let from = usize::from(pull - 1) * 2;
                    Answer::Events(events.items(from..from + 2), Some(events.bookmark(u64::from(pull))))
                }
                _ => Answer::NoEvents,
            }
        }));
    }
    let passwords = HOSTS.map(|host| (host, Some("s3cret")));
    let text = subscription("Many", sources[0].port(), &passwords);
    let puller = collecting.pull_in_turns(&text, 1, Duration::ZERO).await;
    // Four connections with Subscribe, Pull and Unsubscribe.
    sources.iter().for_each(|source| source.wait_for_requests(12));
    puller.end().await;
    for host in HOSTS {
        assert_eq!(collecting.lines(host).len(), 8, "{host}");
    }
    let all = all.lock().unwrap();
    let turns: Vec<usize> = all.iter().filter(|(_, is_first)| *is_first).map(|(source, _)| *source).collect();
    assert!(turns.windows(3).all(|three| BTreeSet::from_iter(three).len() == 3), "not in turn: {turns:?}");
    let is_alone = |two: &[(usize, bool)]| two[0].0 == two[1].0 || two[1].1;
    assert!(all.windows(2).all(is_alone), "two connections at the same time: {all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_subscriptions_stop_and_start_their_sources() {
    let Some(recorded) = RecordedEvents::read() else { return };
    let collecting = Collecting::new().await;
    let source = RecordedSource::start("127.0.0.1", move |request| match request.pulls {
        0 => Answer::Subscribed,
        1 => Answer::Events(recorded.items(0..2), Some(recorded.bookmark(1))),
        _ => Answer::Nothing,
    });
    let text = subscription("Changing", source.port(), &[("127.0.0.1", Some("s3cret"))]);
    let puller = collecting.pull(&text).await;
    source.wait_for_requests(3);
    collecting.set(&[]).await;
    puller.follow();
    // The request that waits for events is given up, and the subscription is cancelled.
    source.wait_for_requests(4);
    assert!(source.requests()[3].contains("eventing/Unsubscribe"), "{}", source.requests()[3]);
    collecting.set(&[&text.replace("s3cret", "0ther")]).await;
    puller.follow();
    source.wait_for_requests(5);
    let again = &source.requests()[4];
    assert!(again.contains("Subscribe") && again.contains("Authorization: Basic YWRhOjB0aGVy"), "{again}");
    assert!(again.contains("<BookmarkList>"), "{again}");
    puller.end().await;
    assert_eq!(collecting.lines("127.0.0.1").len(), 2);
}
