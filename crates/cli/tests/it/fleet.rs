//! One operation on several hosts (`-hosts`): requests, output and failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use telarch_cli::failure::Kind;
use telarch_cli::winrm::{Completion, Invocation, parse};

use crate::service::{Answer, Request, Service, fault};
use crate::winrm_run::{Ran, execute};
use crate::{refusal, words};

const A: &str = "<c:A xmlns:c=\"urn:c\"><c:B>1</c:B></c:A>";

fn answering(code: u32) -> Service {
    Service::start(move |_: &Request| -> Answer {
        if code == 0 { (200, A.to_owned()) } else { fault(code, "w:AccessDenied", "no") }
    })
}

fn run(services: &[&Service], line: &str) -> Ran {
    let hosts: Vec<String> =
        services.iter().map(|service| format!("http://127.0.0.1:{}", service.port)).collect();
    let line = format!("{line} -hosts:{} -un -auth:basic -u:ann -p:secret", hosts.join(","));
    match parse(&words(&line)) {
        Ok(Invocation::Run(command)) => execute(*command, ""),
        other => panic!("{line} became {other:?}"),
    }
}

/// Replaces each endpoint in the output by a letter.
fn named(text: &str, services: &[&Service]) -> String {
    let letters = services.iter().zip(["a", "b", "c"]);
    letters.fold(text.to_owned(), |text, (service, letter)| {
        text.replace(&format!("http://127.0.0.1:{}", service.port), letter)
    })
}

#[test]
fn each_host_is_printed_under_its_name() {
    let service = answering(0);
    for (format, expected) in [
        ("text", "== a\nA\n    B = 1\n\n"),
        ("ndjson", "{\"host\":\"a\",\"results\":[{\"A\":{\"B\":\"1\"}}]}\n"),
        ("json", "[\n{\"host\":\"a\",\"results\":[{\"A\":{\"B\":\"1\"}}]}\n]\n"),
        ("yaml", "- host: \"a\"\n  results:\n    A:\n      B: \"1\"\n"),
        (
            "xml",
            "<t:Hosts xmlns:t=\"urn:telarch:hosts\">\n<t:Host Name=\"a\">\n<c:A xmlns:c=\"urn:c\"><c:B>1</c:B></c:A>\n\
             </t:Host>\n</t:Hosts>\n",
        ),
    ] {
        let ran = run(&[&service], &format!("get winrm/config -f:{format}"));
        assert_eq!(named(&ran.out, &[&service]), expected, "{format}");
        assert_eq!((ran.done.unwrap(), ran.errors.as_str()), (Completion::Success, ""));
    }
}

#[test]
fn a_failing_host_does_not_stop_the_others() {
    let (good, bad) = (answering(0), answering(5));
    let ran = run(&[&bad, &good], "get winrm/config -f:ndjson");
    assert!(ran.out.contains("\"results\":[{\"A\":{\"B\":\"1\"}}]"), "{}", ran.out);
    assert!(
        ran.out.contains("\"results\":[],\"error\":{\"code\":\"5\",\"what\":\"127.0.0.1: access denied"),
        "{}",
        ran.out
    );
    assert_eq!(ran.done.unwrap(), Completion::HostsFailed(Kind::Denied));
    let errors = named(&ran.errors, &[&bad, &good]);
    assert!(errors.starts_with("winrm: 127.0.0.1: access denied to winrm/config as ann\n"), "{errors}");
    assert!(errors.ends_with("winrm: 1 of 2 hosts failed: a\n"), "{errors}");
    for line in ran.out.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
    }
}

#[test]
fn parallel_limits_the_number_of_concurrent_hosts() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let services: Vec<Service> = (0..6)
        .map(|_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            Service::start(move |_: &Request| -> Answer {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(30)); // Simulates work of the service.
                now.fetch_sub(1, Ordering::SeqCst);
                (200, A.to_owned())
            })
        })
        .collect();
    let services: Vec<&Service> = services.iter().collect();
    let ran = run(&services, "get winrm/config -parallel:2");
    assert_eq!(ran.out.matches("== ").count(), 6);
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[test]
fn hosts_are_read_from_a_file() {
    let service = answering(0);
    let file = tempfile::NamedTempFile::new().unwrap();
    let list = format!("# the first floor\n\nhttp://127.0.0.1:{} # by the window\n", service.port);
    std::fs::write(file.path(), list).unwrap();
    let line = format!("id -auth:none -hosts:@{}", file.path().display());
    let Ok(Invocation::Run(command)) = parse(&words(&line)) else { panic!("{line}") };
    assert_eq!(command.fleet.map(|fleet| fleet.members.len()), Some(1));
}

#[test]
fn invalid_host_lists_are_rejected() {
    for (line, problem) in [
        ("id -hosts:a,A", "A is listed twice"),
        ("id -hosts:,", "no hosts specified"),
        ("id -hosts:a -r:b", "-hosts cannot be used with -remote or -socket"),
        ("id -parallel:2", "-parallel requires -hosts"),
        ("qc -hosts:a", "-hosts is not valid for quickconfig"),
        ("id -hosts:a -parallel:0", "-parallel: '0' is not a whole number from 1 to 1000"),
        ("id -hosts:a·b", "invalid endpoint \"a b\": the host is neither a valid name nor an address"),
    ] {
        assert_eq!(refusal(line).0, problem, "{line}");
    }
    assert!(refusal("id -hosts:@/nonexistent").0.starts_with("cannot read /nonexistent: "));
}
