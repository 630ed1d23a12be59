//! Completion, tried in a bash.

use std::process::Command;

use telarch_cli::completion;

/// What bash offers at the end of a line.
fn offers(line: &str) -> Vec<String> {
    let script = format!(
        "{}\nCOMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}\n_telarch_{}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        completion::bash(),
        line.split(' ').next().unwrap(),
    );
    let output = Command::new("bash")
        .args(["--norc", "--noprofile", "-c", &script])
        .output()
        .expect("bash runs (Debian: apt-get install bash)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn operations_switches_and_their_words_are_offered() {
    for (line, expected) in [
        ("winrm en", &["enumerate"][..]),
        ("winrm i", &["invoke", "identify"]),
        ("winrm get winr", &["winrm/"]),
        ("winrm help fil", &["filters"]),
        ("winrm ? fil", &["filters"]),
        ("winrm e shell -ret", &["-returntype:object", "-returntype:epr", "-returntype:objectandepr"]),
        ("winrm get x -ret", &[]),
        ("winrm GET x -REM", &["-remote:"]),
        ("winrm qc -tr", &["-transport:http", "-transport:https"]),
        // The word before the colon is on the line already.
        ("winrm qc -transport:ht", &["http", "https"]),
        ("winrm doctor server7 -sta", &["-state:"]),
        ("winrs -nop", &["-noprofile"]),
        (
            "winrs -auth",
            &[
                "-authentication:none",
                "-authentication:basic",
                "-authentication:digest",
                "-authentication:negotiate",
                "-authentication:kerberos",
                "-authentication:certificate",
                "-authentication:credssp",
            ],
        ),
        ("winrs dir ", &[]),
    ] {
        assert_eq!(offers(line), expected, "of {line:?}");
    }
}
