//! Saved hosts: names in place of endpoints.

use telarch_cli::Format;
use telarch_cli::connection::{Login, PasswordScheme};
use telarch_cli::hosts::SavedHosts;
use telarch_cli::winrm::{Command, Invocation, parse_with};
use telarch_cli::winrs;

use crate::winrm_run::execute;
use crate::{endpoint, words};

struct HostsFile {
    _folder: tempfile::TempDir,
    file: std::path::PathBuf,
}

impl HostsFile {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("telarch/hosts.toml");
        if !text.is_empty() {
            std::fs::create_dir(folder.path().join("telarch")).unwrap();
            std::fs::write(&file, text).unwrap();
        }
        Self { _folder: folder, file }
    }

    fn hosts(&self) -> SavedHosts {
        SavedHosts::of_file(&self.file)
    }

    fn command(&self, line: &str) -> Command {
        match parse_with(&words(line), &self.hosts()) {
            Ok(Invocation::Run(command)) => *command,
            other => panic!("{line} became {other:?}"),
        }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    fn run(&self, line: &str) -> (String, String) {
        let ran = execute(self.command(line), "");
        ran.done.unwrap_or_else(|stop| panic!("{line}: {stop:?}"));
        (ran.out, ran.errors)
    }
}

const WEB: &str = "# ours\n[web1]\nAddress = \"web1.example.com\"\nTransport = \"https\"\nPort = 5986\n\
    Authentication = \"kerberos\"\nUserName = \"ops@EXAMPLE.COM\"\n\n[db]\nAddress = \"http://10.0.0.7:80/x\"\n";

#[test]
fn a_saved_name_is_replaced_by_its_saved_values() {
    let saved = HostsFile::with(WEB);
    for name in ["web1", "WEB1"] {
        let connection = saved.command(&format!("id -r:{name}")).connection;
        let Login::Password { scheme: Some(PasswordScheme::Kerberos), user, .. } = &connection.login else {
            panic!("{:?}", connection.login)
        };
        assert_eq!(user, "ops@EXAMPLE.COM");
        assert_eq!(endpoint(connection).to_string(), "https://web1.example.com:5986/wsman");
    }
    assert_eq!(endpoint(saved.command("id -r:db").connection).to_string(), "http://10.0.0.7:80/x");
    let arguments = ["-r:web1", "hostname"].map(str::to_owned);
    let Ok(winrs::Invocation::Run(command)) = winrs::parse_with(&arguments, &saved.hosts()) else { panic!() };
    assert_eq!(endpoint(command.connection).to_string(), "https://web1.example.com:5986/wsman");
}

#[test]
fn switches_override_saved_values() {
    let saved = HostsFile::with(WEB);
    let connection = saved.command("id -r:web1 -port:1 -u:ann -auth:negotiate").connection;
    let Login::Password { scheme: Some(PasswordScheme::Negotiate), user, .. } = &connection.login else {
        panic!("{:?}", connection.login)
    };
    assert_eq!(user, "ann");
    assert_eq!(endpoint(connection).to_string(), "https://web1.example.com:1/wsman");
    assert_eq!(saved.command("id -r:web1 -auth:none").connection.login, Login::Anonymous);
    let certificate = saved.command("id -r:web1 -certfile:me.pem").connection.login;
    assert!(matches!(certificate, Login::Certificate(_)), "{certificate:?}");
}

#[test]
fn only_a_bare_name_is_looked_up() {
    let saved = HostsFile::with(WEB);
    for (typed, url) in [
        ("http://web1", "http://web1:80/wsman"),
        ("web1:7", "http://web1:7/wsman"),
        ("web1/y", "http://web1:5985/y"),
        ("web2", "http://web2:5985/wsman"),
    ] {
        assert_eq!(endpoint(saved.command(&format!("id -r:{typed}")).connection).to_string(), url, "{typed}");
    }
}

#[test]
fn hosts_are_saved_listed_and_deleted_and_comments_are_kept() {
    let saved = HostsFile::with("");
    assert_eq!(saved.run("hosts"), (String::new(), String::new()));
    let (out, errors) = saved.run("hosts web1 -r:web1.example.com -ssl -u:ops -auth:negotiate");
    assert_eq!((out.as_str(), errors.contains("saved web1 in ")), ("", true), "{errors}");
    assert_eq!(
        saved.text(),
        "[web1]\nAddress = \"web1.example.com\"\nTransport = \"https\"\nAuthentication = \"negotiate\"\nUserName = \"ops\"\n"
    );
    std::fs::write(&saved.file, format!("# mine\n{}", saved.text())).unwrap();
    saved.run("hosts db -r:10.0.0.7 -port:80");
    saved.run("hosts WEB1 -r:[fd00::7]:1");
    assert_eq!(
        saved.run("hosts").0,
        "Host\n    Name = web1\n    Address = [fd00::7]:1\n\nHost\n    Name = db\n    Address = 10.0.0.7\n    Port = 80\n\n"
    );
    assert_eq!(
        saved.run("hosts db -f:ndjson").0,
        "{\"Host\":{\"Name\":\"db\",\"Address\":\"10.0.0.7\",\"Port\":\"80\"}}\n"
    );
    saved.run("hosts db -delete");
    assert!(!saved.text().contains("[db]"), "{}", saved.text());
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&saved.file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let unknown = execute(saved.command("hosts db"), "").report(Format::Text).0;
    assert!(unknown.starts_with("Error: unknown saved host 'db'\n"), "{unknown}");
}

#[test]
fn errors_in_the_file_are_reported_with_their_location() {
    for (text, problem) in [
        ("[web1]\nPort = 1\n", "[web1]: Address is missing"),
        (
            "[web1]\nAddress = \"a b\"\n",
            "[web1]: invalid endpoint \"a b\": the host is neither a valid name nor an address",
        ),
        ("[web1]\nAddress = \"a\"\nPort = 0\n", "[web1]: Port must be a number from 1 to 65535"),
        ("[web1]\nAddress = \"a\"\nPassword = \"x\"\n", "[web1]: unknown key Password"),
        ("[web1]\nAddress = \"a:1\"\nPort = 1\n", "[web1]: Port is already part of Address"),
        ("[\"a b\"]\nAddress = \"a\"\n", "[a b]: a name consists of"),
        ("web1 = 5\n", "[web1]: must be a table"),
        ("[web1\n", "TOML parse error at line 1"),
    ] {
        let saved = HostsFile::with(text);
        let error = parse_with(&words("id -r:web1"), &saved.hosts()).expect_err(text).to_string();
        assert!(error.contains(problem) && error.contains("hosts.toml: "), "{text}: {error}");
    }
}

#[test]
fn a_file_writable_by_others_is_refused() {
    let saved = HostsFile::with(WEB);
    std::fs::set_permissions(&saved.file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let error = parse_with(&words("id -r:web1"), &saved.hosts()).expect_err("writable by others").to_string();
    assert!(error.contains("others can write ") && error.contains("chmod 600 "), "{error}");
}

#[test]
fn invalid_hosts_are_not_saved() {
    for (line, problem) in [
        ("hosts -r:a", "missing name of the host to save or delete"),
        ("hosts -delete", "missing name of the host to save or delete"),
        ("hosts a -u:ann", "missing address of the host to save"),
        ("hosts a -r:b -delete", "-delete cannot be used with switches of a host to save"),
        ("hosts a -r:https://b -ssl", "-usessl cannot be used with an endpoint that includes a transport"),
        ("hosts a -r:b:1 -port:2", "-port cannot be used with an endpoint that includes a port"),
        ("hosts a/b -r:c", "invalid name for a saved host: 'a/b'"),
        ("hosts a -r:b -p:secret", "-password is not valid for hosts"),
    ] {
        assert_eq!(
            parse_with(&words(line), &SavedHosts::none()).expect_err(line).to_string(),
            problem,
            "{line}"
        );
    }
}
