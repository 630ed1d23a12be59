//! Completion, tried in a bash.

use std::process::Command;

use telarch_cli::completion;

/// What bash offers at the end of a line.
fn offers(line: &str) -> Vec<String> {
    offers_with(line, "/nonexistent")
}

/// The same with a file of saved hosts.
fn offers_with(line: &str, hosts: &str) -> Vec<String> {
    let script = format!(
        "{}\nCOMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}\n_telarch_{}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        completion::bash(),
        line.split(' ').next().unwrap(),
    );
    let output = Command::new("bash")
        .args(["--norc", "--noprofile", "-c", &script])
        .env("TELARCH_HOSTS", hosts)
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
        (
            "winrm get winrm/config/se",
            &["winrm/config/service", "winrm/config/service/auth", "winrm/config/service/certmapping"],
        ),
        ("winrm help fil", &["filters"]),
        ("winrm ? fil", &["filters"]),
        ("winrm e shell -ret", &["-returntype:object", "-returntype:epr", "-returntype:objectandepr"]),
        ("winrm get x -ret", &[]),
        ("winrm GET x -REM", &["-remote:"]),
        ("winrm qc -trans", &["-transport:http", "-transport:https"]),
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

#[test]
fn saved_hosts_are_offered_where_an_endpoint_goes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.toml");
    let text = "[web1]\nAddress = \"x\"\n\n[\"web2.corp\"] # the other\nAddress = \"[::1]:1\"\n[db]\nAddress = \"y\"\n";
    std::fs::write(&file, text).unwrap();
    for (line, expected) in [
        ("winrm id -r:we", &["web1", "web2.corp"][..]),
        ("winrm id -REMOTE:d", &["db"]),
        ("winrm id -hosts:w", &["web1", "web2.corp"]),
        ("winrs -r:d", &["db"]),
        ("winrm hosts w", &["web1", "web2.corp"]),
        ("winrm trust d", &["db"]),
        ("winrm id -r:x", &[]),
    ] {
        assert_eq!(offers_with(line, file.to_str().unwrap()), expected, "of {line:?}");
    }
}
