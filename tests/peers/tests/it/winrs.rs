//! `winrs` as a real program.

use std::time::Duration;

use telarch_peers::{PASSWORD, Password, Telarchd, WayIn, Winrm, Winrs, ends_within, served_pem};

for_each_way_in! {
    both_streams_and_the_exit_code_are_its_own,
    exit_codes_are_its_own,
    five_mebibytes_of_output_are_exact,
    its_standard_input_is_that_of_the_command,
    unicode_is_unchanged_both_ways,
    environment_and_folder_are_those_asked_for,
    the_password_may_stand_in_the_environment,
    a_wrong_password_is_an_error,
    switches_end_where_the_command_begins,
    ctrl_c_interrupts_the_command_and_its_output_and_exit_code_return,
    a_second_ctrl_c_ends_winrs_and_closes_the_shell,
}

fn both_streams_and_the_exit_code_are_its_own(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = Winrs::against(&service, way).run(&["echo out; echo err 1>&2; exit 7"], b"");
    assert_eq!(run.text(), ("out\n", "err\n", 7));
}

fn exit_codes_are_its_own(way: WayIn) {
    let service = Telarchd::start_for(way);
    let winrs = Winrs::against(&service, way);
    let codes = ["exit 0", "exit 1", "exit 255"].map(|command| winrs.run(&[command], b"").code);
    assert_eq!(codes, [0, 1, 255]);
}

fn five_mebibytes_of_output_are_exact(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = Winrs::against(&service, way).run(&["seq", "1000001", "1655360"], b"");
    let expected: String = (1_000_001..=1_655_360).map(|number| format!("{number}\n")).collect();
    assert_eq!((run.stdout.len(), run.code), (5_242_880, 0), "{run:?}");
    assert!(run.stdout == expected.as_bytes(), "the size is right, the bytes are not: {run:?}");
}

fn its_standard_input_is_that_of_the_command(way: WayIn) {
    let service = Telarchd::start_for(way);
    let winrs = Winrs::against(&service, way);
    let run = winrs.run(&["tr a-z A-Z; echo end"], b"some words\n");
    assert_eq!(run.text(), ("SOME WORDS\nend\n", "", 0));
    let run = winrs.run(&["wc -c"], &vec![b'x'; 1_000_000]);
    assert_eq!((run.text().0.trim(), run.code), ("1000000", 0), "{run:?}");
}

fn unicode_is_unchanged_both_ways(way: WayIn) {
    let service = Telarchd::start_for(way);
    let text = "Grüße, ça va? 漢字 😀";
    let command = format!("printf '%s|' '{text}'; cat");
    let run = Winrs::against(&service, way).run(&[&command], text.as_bytes());
    assert_eq!(run.text(), (format!("{text}|{text}").as_str(), "", 0));
}

fn environment_and_folder_are_those_asked_for(way: WayIn) {
    let service = Telarchd::start_for(way);
    let winrs =
        Winrs::against(&service, way).switch("-d:/usr/share").switch("-env:GREETING=two  words & <tags> = 1");
    let run = winrs.switch("-env:SECOND=2").run(&["pwd; printf '%s\\n' \"$GREETING\" \"$SECOND\""], b"");
    assert_eq!(run.text(), ("/usr/share\ntwo  words & <tags> = 1\n2\n", "", 0));
}

fn the_password_may_stand_in_the_environment(way: WayIn) {
    let service = Telarchd::start_for(way);
    let winrs = Winrs::against(&service, way).password(Password::Environment(PASSWORD));
    assert_eq!(winrs.run(&["echo hi"], b"").text(), ("hi\n", "", 0));
}

fn a_wrong_password_is_an_error(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run =
        Winrs::against(&service, way).password(Password::Switch("not-the-password")).run(&["echo hi"], b"");
    let (stdout, stderr, code) = run.text();
    assert_eq!(stdout, "", "{run:?}");
    assert!(stderr.starts_with("Winrs error:"), "{run:?}");
    assert!(!stderr.contains("not-the-password"), "{run:?}");
    assert_ne!(code, 0, "{run:?}");
}

fn switches_end_where_the_command_begins(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = Winrs::against(&service, way).run(&["echo", "-u:x", "/d:y", "--"], b"");
    assert_eq!(run.text(), ("-u:x /d:y --\n", "", 0));
}

fn ctrl_c_interrupts_the_command_and_its_output_and_exit_code_return(way: WayIn) {
    let service = Telarchd::start_for(way);
    let command = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done";
    let winrs = Winrs::against(&service, way).start(&[command]);
    winrs.wait_for("ready\n");
    winrs.interrupt();
    assert_eq!(winrs.end().text(), ("ready\ncaught\n", "", 9));
}

fn a_second_ctrl_c_ends_winrs_and_closes_the_shell(way: WayIn) {
    let service = Telarchd::start_for(way);
    let command = "trap 'echo caught' INT; echo $$ ready; while :; do sleep 0.05; done";
    let winrs = Winrs::against(&service, way).start(&[command]);
    let number = winrs.wait_for("ready\n");
    let number = number.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    winrs.interrupt();
    // The command only takes note of the first one.
    winrs.wait_for("caught\n");
    winrs.interrupt();
    assert_eq!(winrs.end().code, 130);
    assert!(ends_within(number, Duration::from_secs(60)), "the remote command {number} still runs");
    let listed = Winrm::against(&service, way).run(&["enumerate", "shell"]);
    assert_eq!(listed.text(), ("", "", 0), "the shell is still open");
}

#[test]
fn a_command_without_output_may_run_longer_than_max_timeoutms() {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start(&[("MaxTimeoutms", "500")]);
    let run = Winrs::against(&service, way).run(&["sleep 1; echo awake; exit 4"], b"");
    assert_eq!(run.text(), ("awake\n", "", 4));
}

#[test]
fn a_certificate_is_checked_against_the_issuers_in_a_file() {
    let [ours, another] = [(); 2].map(|()| Telarchd::start(&[]));
    let folder = tempfile::tempdir().expect("a folder");
    let issuers = folder.path().join("issuers.pem");
    std::fs::write(&issuers, served_pem(ours.https())).expect("a fresh file");
    let issuers = format!("-ca:{}", issuers.display());
    let run = Winrs::to(ours.https()).switch(&issuers).run(&["echo hi"], b"");
    assert_eq!(run.text(), ("hi\n", "", 0));
    let run = Winrs::to(another.https()).switch(&issuers).run(&["echo hi"], b"");
    assert!(run.stdout.is_empty() && run.code != 0, "{run:?}");
}

#[test]
fn a_certificate_of_an_unknown_issuer_is_refused() {
    let service = Telarchd::start(&[]);
    let run = Winrs::to(service.https()).run(&["echo hi"], b"");
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code != 0, stderr.is_empty()), ("", true, false), "{run:?}");
}

#[test]
fn a_password_is_sent_unencrypted_only_on_request() {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    let run = Winrs::to(service.http()).switch("-auth:basic").run(&["echo hi"], b"");
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code != 0, stderr.is_empty()), ("", true, false), "{run:?}");
}

#[test]
fn an_unreachable_service_is_named() {
    // Port 9 of the loopback interface belongs to nobody.
    let run = Winrs::to("https://127.0.0.1:9/wsman").switch("-skipCAcheck").run(&["echo hi"], b"");
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code != 0), ("", true), "{run:?}");
    assert!(stderr.contains("127.0.0.1"), "{run:?}");
}

#[test]
fn credssp_delegates_the_password_only_if_the_client_allows_it() {
    for way in [WayIn::CredSspOverHttp, WayIn::CredSspOverHttps] {
        let service = Telarchd::start_for(way);
        let run = Winrs::against(&service, way).run(&["cat; exit 7"], b"sealed");
        assert_eq!(run.text(), ("sealed", "", 7), "{way:?}");

        let unset = Winrs::to(service.url(way)).switch("-authentication:credssp");
        let run = unset.run(&["echo not run"], b"");
        let (stdout, stderr, code) = run.text();
        assert_eq!((stdout, code), ("", 1), "{way:?}");
        for line in [
            "winrs: host 127.0.0.1, user ada\n",
            "\n  enable it: winrm set winrm/config/client/auth -set:CredSSP=true\n",
        ] {
            assert!(stderr.contains(line), "{line} is not in {stderr}");
        }
    }
}

#[test]
fn messages_over_http_are_sealed_unless_both_ends_allow_unencrypted() {
    for (allowed, switch, runs) in [
        ("false", None, true),
        ("false", Some("-unencrypted"), false),
        ("true", Some("-unencrypted"), true),
        ("true", None, true),
    ] {
        let service = Telarchd::start(&[("Service.AllowUnencrypted", allowed)]);
        let winrs = switch.into_iter().fold(Winrs::to(service.http()), Winrs::switch);
        let run = winrs.run(&["echo done"], b"");
        match runs {
            true => assert_eq!(run.text(), ("done\n", "", 0), "{allowed} {switch:?}"),
            false => {
                assert_eq!(run.code, 1, "{allowed} {switch:?}: {run:?}");
                assert!(
                    run.text().1.contains("the service probably rejects unencrypted messages"),
                    "{run:?}"
                );
            }
        }
    }
}
