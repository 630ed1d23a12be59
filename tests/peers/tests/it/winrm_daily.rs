//! What `winrm` has beyond the operations of the protocol, against the real service.

use telarch_peers::{PASSWORD, Password, Telarchd, Winrm, Winrs};

fn winrm(service: &Telarchd) -> Winrm {
    Winrm::to(service.http())
}

#[test]
fn messages_in_utf_16_are_understood_both_ways() {
    let service = Telarchd::start(&[]);
    let run = winrm(&service).switch("-encoding:utf-16").run(&["get", "winrm/config/winrs"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stderr, code), ("", 0), "{run:?}");
    assert!(stdout.starts_with("Winrs\n    AllowRemoteShellAccess = true\n"), "{run:?}");
}

#[test]
fn restore_reverts_changes_and_what_if_makes_none() {
    let service = Telarchd::start(&[]);
    let shells = || {
        let run = winrm(&service).run(&["get", "winrm/config/winrs"]);
        let line = run.text().0.lines().find(|line| line.contains("MaxShellsPerUser")).map(str::to_owned);
        line.expect("it is a setting")
    };
    let before = shells();
    let set = ["set", "winrm/config/winrs", "@{MaxShellsPerUser=\"7\"}"];
    let shown = winrm(&service).switch("-whatif").run(&set);
    assert!(shown.text().0.contains("    MaxShellsPerUser: 30 -> 7\n"), "{shown:?}");
    assert_eq!(shells(), before);
    assert_eq!(winrm(&service).run(&set).code, 0);
    assert_eq!(shells(), "    MaxShellsPerUser = 7");
    let restored = winrm(&service).run(&["invoke", "restore", "winrm/config", "@{}"]);
    assert_eq!(restored.text(), ("Restore_OUTPUT\n\n", "", 0));
    assert_eq!(shells(), before);
    let plugins = winrm(&service).run(&["invoke", "restore", "winrm/config/plugin", "@{}"]);
    assert_eq!(plugins.code, 0, "{plugins:?}");
}

#[test]
fn what_if_predicts_refusals() {
    let service = Telarchd::start(&[]);
    let mapping = format!("winrm/config/service/certmapping?Issuer={}+Subject=*+URI=*", "12".repeat(20));
    for words in [
        &["delete", "winrm/config/winrs"][..],
        &["set", "winrm/config/winrs", "@{MaxShellsPerUser=\"-1\"}"],
        &["create", "winrm/config/listener?Address=IP:1.2.3+Transport=HTTP", "@{}"],
        &["delete", "winrm/config/listener?Address=IP:192.0.2.7+Transport=HTTP"],
        &["delete", &mapping],
        &["create", &mapping, "@{Enabled=\"true\"}"],
        &[
            "create",
            "winrm/config/service/certmapping?Issuer=12+Subject=*+URI=*",
            "@{UserName=\"a\";Password=\"b\"}",
        ],
        &["set", "wmicimv2/Win32_LogicalDisk?DeviceID=Q:", "@{VolumeName=\"x\"}"],
        &["set", "wmicimv2/Win32_OperatingSystem", "@{NoSuchProperty=\"x\"}"],
        &["delete", "wmicimv2/Win32_Process?Handle=4194305"],
        &["create", "wmicimv2/No_Such_Class", "@{Name=\"x\"}"],
        &["invoke", "NoSuchMethod", "wmicimv2/Win32_Process", "@{}"],
        &["invoke", "Create", "wmicimv2/Win32_Process", "@{NoSuchParameter=\"x\"}"],
        &["delete", "shell/cmd?ShellId=3F2504E0-4F89-11D3-9A0C-0305E82C3301"],
    ] {
        let done = winrm(&service).run(words);
        let shown = winrm(&service).switch("-whatif").run(words);
        assert_eq!(done.code, 1, "{words:?}: {done:?}");
        assert_eq!(shown.text(), done.text(), "{words:?}");
    }
    let shown =
        winrm(&service).switch("-whatif").run(&["set", "winrm/config/winrs", "@{MaxShellsPerUser=\"7\"}"]);
    assert_eq!(shown.code, 0, "{shown:?}");
}

#[test]
fn what_if_says_what_was_not_checked() {
    let service = Telarchd::start(&[]);
    let mapping = format!("winrm/config/service/certmapping?Issuer={}+Subject=*+URI=*", "12".repeat(20));
    let user = "@{UserName=\"ada\";Password=\"wrong\"}";
    let mut sleep = std::process::Command::new("sleep").arg("600").spawn().expect("sleep");
    let process = format!("wmicimv2/Win32_Process?Handle={}", sleep.id());
    for (words, note) in [
        (&["set", "winrm/config/winrs", "@{MaxShellsPerUser=\"7\"}"][..], ""),
        (&["create", &mapping, user], "the password of the account is verified when the mapping is made"),
        (&["invoke", "Terminate", &process, "@{}"], "but the provider was not called"),
        (&["delete", &process], "but the provider was not called"),
        (&["invoke", "restore", "winrm/config"], "this action cannot be checked"),
    ] {
        let shown = winrm(&service).switch("-whatif").run(words);
        assert_eq!(shown.code, 0, "{words:?}: {shown:?}");
        let (_, errors, _) = shown.text();
        match note {
            "" => assert_eq!(errors, "", "{words:?}"),
            note => assert!(errors.starts_with("winrm: ") && errors.contains(note), "{words:?}: {errors}"),
        }
    }
    assert!(sleep.try_wait().expect("its state").is_none(), "nothing was done");
    sleep.kill().and_then(|()| sleep.wait()).expect("it ends");
    let mappings = winrm(&service).run(&["enumerate", "winrm/config/service/certmapping"]);
    assert_eq!(mappings.text(), ("", "", 0));
}

#[test]
fn a_shell_that_was_left_open_is_found_and_ended() {
    let service = Telarchd::start(&[]);
    let left = Winrs::to(service.http()).start(&["echo ready; exec sleep 600"]);
    left.wait_for("ready");
    let listed = winrm(&service).switch("-mine").switch("-format:ndjson").run(&["shells"]);
    assert_eq!((listed.text().0.lines().count(), listed.code), (1, 0), "{listed:?}");
    let ended = winrm(&service).switch("-mine").switch("-kill").run(&["shells"]);
    assert!(ended.text().1.starts_with("winrm: closed shell ") && ended.code == 0, "{ended:?}");
    assert_ne!(left.end().code, 0);
    let none = winrm(&service).run(&["shells"]);
    assert_eq!(none.text(), ("", "", 0));
}

#[test]
fn many_hosts_are_queried_with_one_password_and_a_refusal_is_named() {
    let (first, second) = (Telarchd::start(&[]), Telarchd::start(&[]));
    let shut = Telarchd::start(&[("Service.Auth.Negotiate", "false")]);
    let run = Winrm::to_all(&[first.http(), second.http(), shut.http()])
        .switch("-format:ndjson")
        .switch("-exitcode:detailed")
        .password(Password::Environment(PASSWORD))
        .run(&["get", "winrm/config/winrs"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!(stdout.matches("\"results\":[{\"Winrs\":").count(), 2, "{run:?}");
    assert_eq!(code, 4, "{run:?}");
    assert!(stderr.ends_with(&format!("winrm: 1 of 3 hosts failed: {}\n", shut.http())), "{run:?}");
}

#[test]
fn a_trace_contains_the_messages_without_passwords() {
    let service = Telarchd::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace");
    let run = winrm(&service).switch(&format!("-trace:{}", file.display())).run(&["get", "winrm/config"]);
    assert_eq!(run.code, 0, "{run:?}");
    let trace = std::fs::read_to_string(&file).expect("it was written");
    // It was sealed on the way, and is not here.
    assert!(trace.contains("<cfg:MaxEnvelopeSizekb>500</cfg:MaxEnvelopeSizekb>"), "{trace}");
    assert!(!trace.contains(PASSWORD) && !trace.contains("Authorization"), "{trace}");
}

/// Output of `winrm` for the configuration of our own service, in each layout.
#[test]
fn the_output_for_our_service_matches_the_golden_file() {
    let service = Telarchd::start(&[]);
    let mut all = String::new();
    for format in ["text", "pretty", "json"] {
        for words in [
            &["get", "winrm/config/winrs"][..],
            &["get", "winrm/config/client"],
            &["get", "winrm/config/service/auth"],
            &["enumerate", "winrm/config/service/certmapping"],
            &["get", "winrm/config/plugin?Name=WMI Provider"],
            &["get", "winrm/config/no-such-part"],
            &["set", "winrm/config/winrs", "@{MaxShellsPerUser=\"-1\"}"],
        ] {
            let run = winrm(&service).switch(&format!("-format:{format}")).run(words);
            let (out, errors, code) = run.text();
            all += &format!("$ winrm {} -format:{format}\n{out}{errors}[{code}]\n\n", words.join(" "));
        }
    }
    let address = service.http().trim_start_matches("http://").trim_end_matches("/wsman");
    let all = all.replace(address, "HOST:PORT");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/own-service.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &all).expect("the golden file");
    }
    let expected = std::fs::read_to_string(&path).expect("the golden file");
    assert_eq!(all, expected, "run with UPDATE_GOLDEN=1 to replace {}", path.display());
}
