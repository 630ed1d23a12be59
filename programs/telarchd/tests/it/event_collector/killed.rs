//! The collector is killed while a source delivers.

use std::time::Duration;

use super::collector::{Collector, SUBSCRIPTION, batch, event};
use super::configured::{Configured, Victim};

/// Number of batches, and of times that the service is killed.
const BATCHES: u64 = 16;
/// Number of events in a batch.
const EVENTS: u64 = 10;

#[test]
fn no_acknowledged_or_repeated_event_is_lost_when_the_service_is_killed() {
    let mut collector = Collector::start("xml", &[SUBSCRIPTION]);
    let path = collector.delivery_path();
    let mut killed_before_the_answer = 0;
    for number in 0..BATCHES {
        let records = number * EVENTS..(number + 1) * EVENTS;
        let events: Vec<String> = records.clone().map(|record| event(record, "x")).collect();
        let body = batch(records.end, &events);
        let sending =
            collector.source().start(&path, body.as_bytes(), &["Content-Type: application/soap+xml"]);
        // The moment of the kill moves from before the request to after the answer.
        std::thread::sleep(Duration::from_millis(number * 4));
        collector.kill();
        let is_acknowledged = sending.wait().status == 200;
        collector.run();
        if !is_acknowledged {
            killed_before_the_answer += 1;
            assert_eq!(collector.source().send(&path, &body).status, 200);
        }
    }
    assert!(killed_before_the_answer > 0, "the service was never killed during a delivery");
    let mut stored: Vec<u64> = collector.lines().iter().map(|line| record_of(line)).collect();
    stored.sort_unstable();
    stored.dedup();
    assert_eq!(stored, (0..BATCHES * EVENTS).collect::<Vec<_>>());
}

/// `TELARCH_KILLS` is the number of times that the service is killed.
#[test]
fn every_event_is_stored_once_when_the_configured_service_is_killed_many_times() {
    let rounds: u64 = std::env::var("TELARCH_KILLS").map_or(10, |number| number.parse().unwrap());
    let mut service = Configured::start("");
    let path = service.enumerate().delivery_path();
    let mut without_answer = 0;
    for number in 0..rounds {
        let records = number * EVENTS..(number + 1) * EVENTS;
        let events: Vec<String> = records.clone().map(|record| event(record, "x")).collect();
        let body = batch(records.end, &events);
        let sending = service.sending(&path, &body);
        // The moment of the kill moves from before the request to after the answer.
        std::thread::sleep(Duration::from_millis(number * 7 % 60));
        // Every other time only the process that collects is killed, if there is one.
        service.kill(if number % 2 == 0 { Victim::Service } else { Victim::Collector });
        if sending.wait().status != 200 {
            without_answer += 1;
            service.send_until_acknowledged(&path, &body);
        }
    }
    eprintln!("{rounds} kills: {without_answer} batches without an answer were sent again");
    assert!(without_answer > 0, "the service was never killed during a delivery");
    assert_eq!(service.records(), (0..rounds * EVENTS).collect::<Vec<_>>(), "{}", service.telarchd.log());
}

fn record_of(line: &str) -> u64 {
    let (_, after) = line.split_once("<EventRecordID>").expect(line);
    assert!(line.ends_with("</Event>"), "an event is not complete: {line}");
    after.split('<').next().unwrap().parse().unwrap()
}
