//! `wecutil` with a running collector.

use std::time::{Duration, Instant};

use cli_events::wecutil::{Places, Streams, run};

use super::collector::{Answer, SOURCE, batch, event};
use super::configured::Configured;
use crate::PATIENCE;
use crate::service_process::Telarchd;

/// Runs `wecutil` for a service, and returns its output.
pub(super) fn wecutil(telarchd: &Telarchd, words: &[&str]) -> String {
    let places = Places::new(&telarchd.file("config.toml"), &telarchd.state());
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let mut streams = Streams { input: &mut std::io::empty(), out: &mut out, errors: &mut errors };
    run(&words, &places, &mut streams).unwrap();
    String::from_utf8(out).unwrap()
}

/// Requests the subscriptions until the answer meets a condition.
fn enumerate_until(service: &Configured, condition: impl Fn(&str) -> bool) -> Answer {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = service.enumerate();
        if condition(&answer.text) {
            return answer;
        }
        assert!(Instant::now() < until, "{}\n{}", answer.text, service.telarchd.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn changes_of_subscriptions_reach_a_running_collector() {
    let service = Configured::start("");
    assert_eq!(wecutil(&service.telarchd, &["es"]), "Everything\n");
    wecutil(&service.telarchd, &["ss", "Everything", "/cm:Custom", "/dmlt:1234", "/hi:7000"]);
    enumerate_until(&service, |text| text.contains("PT1.234S") && text.contains("PT7.000S"));
    wecutil(&service.telarchd, &["ss", "Everything", "/e:false"]);
    enumerate_until(&service, |text| !text.contains("Everything"));
    assert!(wecutil(&service.telarchd, &["gr", "Everything"]).contains("RunTimeStatus: Disabled\n"));
    wecutil(&service.telarchd, &["ss", "Everything", "/e"]);
    enumerate_until(&service, |text| text.contains("Everything"));
    wecutil(&service.telarchd, &["ss", "Everything", "/ex:2001-01-01T00:00:00Z"]);
    enumerate_until(&service, |text| !text.contains("Everything"));
    wecutil(&service.telarchd, &["ss", "Everything", "/ex:"]);
    enumerate_until(&service, |text| text.contains("Everything"));
    wecutil(&service.telarchd, &["ds", "Everything"]);
    enumerate_until(&service, |text| !text.contains("Everything"));
}

#[test]
fn the_state_of_sources_is_that_of_the_collector() {
    let service = Configured::start("");
    let path = service.enumerate().delivery_path();
    assert_eq!(service.send(&path, &batch(1, &[event(1, "one")])).status, 200);
    let text = wecutil(&service.telarchd, &["gr", "Everything"]);
    let begin = format!(
        "\nSubscription: Everything\n\tRunTimeStatus: Active\n\tLastError: 0\n\tEventSources:\n\t\t{SOURCE}\n\
         \t\t\tRunTimeStatus: Active\n\t\t\tLastError: 0\n\t\t\tLastHeartbeatTime: 20"
    );
    assert!(text.starts_with(&begin), "{text}");
    assert_eq!(text.lines().last().unwrap().len(), "\t\t\tLastHeartbeatTime: 2018-07-24T21:58:07.503".len());
    assert_eq!(wecutil(&service.telarchd, &["gr", "Everything", SOURCE]), text);
    assert_eq!(wecutil(&service.telarchd, &["gr", "Everything", "127.0.0.1"]), text);
}
