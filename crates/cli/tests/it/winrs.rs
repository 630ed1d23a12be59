//! `winrs` command lines.

use telarch_cli::Error;
use telarch_cli::connection::{Connection, Login, Target, Unencrypted, Verification};
use telarch_cli::secret::PasswordSource;
use telarch_cli::winrs::{
    Delegation, Echo, ExitCodeShown, Invocation, Profile, exit_status, parse, usage_failure,
};

use crate::{endpoint, winrs_command};

fn refused(words: &[&str]) -> Error {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    parse(&words).expect_err("refused")
}

#[test]
fn the_command_begins_at_the_first_argument_that_is_not_a_switch() {
    for (words, line) in [
        (&["-r:h", "ipconfig", "/all"][..], "ipconfig /all"),
        (&["-r:h", "netdom", "join", "x", "/domain:d", "-u:me"], "netdom join x /domain:d -u:me"),
        (&["/r:h", "/usr/bin/env"], "/usr/bin/env"),
        (&["-r:h", "--", "-odd"], "-odd"),
        (&["-r:h", "cmd", "--", "x"], "cmd -- x"),
        (&["-r:h", "dir", "C:\\Program Files"], "dir \"C:\\Program Files\""),
        (&["-r:h", "dir \"C:\\Program Files\" | more"], "dir \"C:\\Program Files\" | more"),
        (&["hostname"], "hostname"),
    ] {
        assert_eq!(winrs_command(words).command_line, line, "of {words:?}");
    }
}

#[test]
fn defaults_are_used_without_switches() {
    let command = winrs_command(&["hostname"]);
    assert_eq!(command.connection, Connection::default());
    assert_eq!((command.profile, command.echo), (Profile::Loaded, Echo::Shown));
    assert_eq!((command.delegation, command.notices.len()), (Delegation::Refused, 0));
    assert_eq!((command.exit_code, command.directory), (ExitCodeShown::No, None));
}

#[test]
fn every_switch_has_a_long_and_a_short_form() {
    let long = winrs_command(&[
        "-remote:h",
        "-unencrypted",
        "-username:me",
        "-password:x",
        "-timeout:60",
        "-directory:C:\\",
        "-environment:A=b=c",
        "-noecho",
        "-noprofile",
        "-allowdelegate",
        "-compression",
        "-showexit",
        "x",
    ]);
    let short = winrs_command(&[
        "/R:h",
        "/un",
        "/U:me",
        "/p:x",
        "/t:60",
        "/d:C:\\",
        "/ENV:A=b=c",
        "/noe",
        "/nop",
        "/ad",
        "/comp",
        "/showexit",
        "x",
    ]);
    assert_eq!(long, short);
    assert_eq!(long.directory.as_deref(), Some("C:\\"));
    assert_eq!(long.environment, [("A".to_owned(), "b=c".to_owned())]);
    assert_eq!((long.profile, long.echo), (Profile::Skipped, Echo::Hidden));
    assert_eq!(long.delegation, Delegation::Allowed);
    let notices: Vec<_> = long.notices.iter().filter_map(|line| line.split_once(" has no effect")).collect();
    assert_eq!(notices.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["-compression", "-timeout"]);
    assert_eq!(long.exit_code, ExitCodeShown::Yes);
    assert_eq!(long.connection.unencrypted, Unencrypted::Allowed);
    for form in ["-ssl", "-usessl"] {
        let endpoint = endpoint(winrs_command(&["-r:h", form, "x"]).connection);
        assert_eq!(endpoint.to_string(), "https://h:5986/wsman");
    }
}

#[test]
fn the_last_value_of_a_repeated_variable_is_used() {
    let command = winrs_command(&["-env:A=1", "-env:B=", "-environment:A=2", "x"]);
    assert_eq!(command.environment, [("A".to_owned(), "2".to_owned()), ("B".to_owned(), String::new())]);
    assert!(matches!(refused(&["-env:A", "x"]), Error::BadForm { name: "environment", .. }));
    assert!(matches!(refused(&["-env:=1", "x"]), Error::Rule { .. }));
    assert_eq!(refused(&["-r:a", "-remote:b", "x"]), Error::RepeatedSwitch { name: "remote" });
}

#[test]
fn unencrypted_is_ignored_over_https() {
    let connection = winrs_command(&["-r:https://h", "-un", "-skipCAcheck", "x"]).connection;
    assert_eq!(connection.unencrypted, Unencrypted::Refused);
    assert_eq!(connection.trust.issuer, Verification::Skipped);
}

#[test]
fn credentials_are_rejected_for_the_local_service() {
    for words in [&["-u:me", "x"][..], &["-p:x", "x"], &["-un", "x"], &["-ssl", "x"], &["-auth:none", "x"]] {
        let error = refused(words);
        assert!(error.to_string().contains("-remote"), "{words:?}: {error}");
    }
    let connection = winrs_command(&["-socket:/run/x.sock", "ls"]).connection;
    assert_eq!(connection.target, Target::Local(vec!["/run/x.sock".into()]));
}

#[test]
fn a_user_without_password_is_prompted_and_a_password_needs_a_user() {
    let login = winrs_command(&["-r:h", "-u:me", "x"]).connection.login;
    assert!(matches!(login, Login::Password { password: PasswordSource::Ask, .. }), "{login:?}");
    assert!(refused(&["-r:h", "-p:x", "x"]).to_string().contains("a password requires -username"));
}

#[test]
fn usage_errors_have_the_format_of_windows() {
    for words in [&["-zz", "x"][..], &["--zz", "x"]] {
        assert_eq!(
            usage_failure(&refused(words)),
            "Winrs.exe: Unrecognized switch \"zz\"\nUse \"winrs -?\" to obtain the usage information\n"
        );
    }
    assert!(usage_failure(&refused(&["-remot:h", "x"])).ends_with("information\n  did you mean -remote?\n"));
    assert_eq!(refused(&["-r:h"]), Error::CommandMissing);
    assert_eq!(refused(&["-r:h", "--"]), Error::CommandMissing);
    assert_eq!(refused(&[]), Error::CommandMissing);
}

#[test]
fn help_and_version_are_recognised() {
    let ask = |word: &str| parse(&[word.to_owned()]).expect(word);
    for word in ["-?", "/?", "--help"] {
        assert_eq!(ask(word), Invocation::Help);
    }
    assert_eq!(ask("--version"), Invocation::Version);
}

#[test]
fn exit_codes_outside_eight_bits_become_one() {
    for (code, status) in
        [(0, 0), (1, 1), (3, 3), (255, 255), (256, 1), (-1, 1), (i32::MIN, 1), (i32::MAX, 1)]
    {
        assert_eq!(exit_status(code), status, "of {code}");
    }
}
