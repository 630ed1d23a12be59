//! Saved hosts: a name in place of an endpoint.

use telarch_cli::Format;
use telarch_cli::connection::{Login, PasswordScheme};
use telarch_cli::hosts::SavedHosts;
use telarch_cli::winrm::{Command, Invocation, parse_with};
use telarch_cli::winrs;

use crate::winrm_run::execute;
use crate::{endpoint, words};

struct Place {
    _folder: tempfile::TempDir,
    file: std::path::PathBuf,
}

impl Place {
    fn holding(text: &str) -> Self {
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
fn a_saved_name_stands_for_everything_that_is_saved_under_it() {
    let place = Place::holding(WEB);
    for name in ["web1", "WEB1"] {
        let connection = place.command(&format!("id -r:{name}")).connection;
        let Login::Password { scheme: Some(PasswordScheme::Kerberos), user, .. } = &connection.login else {
            panic!("{:?}", connection.login)
        };
        assert_eq!(user, "ops@EXAMPLE.COM");
        assert_eq!(endpoint(connection).to_string(), "https://web1.example.com:5986/wsman");
    }
    assert_eq!(endpoint(place.command("id -r:db").connection).to_string(), "http://10.0.0.7:80/x");
    let arguments = ["-r:web1", "hostname"].map(str::to_owned);
    let Ok(winrs::Invocation::Run(command)) = winrs::parse_with(&arguments, &place.hosts()) else { panic!() };
    assert_eq!(endpoint(command.connection).to_string(), "https://web1.example.com:5986/wsman");
}

#[test]
fn what_is_said_counts_before_what_is_saved() {
    let place = Place::holding(WEB);
    let connection = place.command("id -r:web1 -port:1 -u:ann -auth:negotiate").connection;
    let Login::Password { scheme: Some(PasswordScheme::Negotiate), user, .. } = &connection.login else {
        panic!("{:?}", connection.login)
    };
    assert_eq!(user, "ann");
    assert_eq!(endpoint(connection).to_string(), "https://web1.example.com:1/wsman");
    assert_eq!(place.command("id -r:web1 -auth:none").connection.login, Login::Anonymous);
    let certificate = place.command("id -r:web1 -certfile:me.pem").connection.login;
    assert!(matches!(certificate, Login::Certificate(_)), "{certificate:?}");
}

#[test]
fn an_address_with_more_than_a_name_is_no_saved_name() {
    let place = Place::holding(WEB);
    for (typed, url) in [
        ("http://web1", "http://web1:80/wsman"),
        ("web1:7", "http://web1:7/wsman"),
        ("web1/y", "http://web1:5985/y"),
        ("web2", "http://web2:5985/wsman"),
    ] {
        assert_eq!(endpoint(place.command(&format!("id -r:{typed}")).connection).to_string(), url, "{typed}");
    }
}

#[test]
fn hosts_are_saved_listed_and_forgotten_and_comments_stay() {
    let place = Place::holding("");
    assert_eq!(place.run("hosts"), (String::new(), String::new()));
    let (out, errors) = place.run("hosts web1 -r:web1.example.com -ssl -u:ops -auth:negotiate");
    assert_eq!((out.as_str(), errors.contains("web1 is saved in ")), ("", true), "{errors}");
    assert_eq!(
        place.text(),
        "[web1]\nAddress = \"web1.example.com\"\nTransport = \"https\"\nAuthentication = \"negotiate\"\nUserName = \"ops\"\n"
    );
    std::fs::write(&place.file, format!("# mine\n{}", place.text())).unwrap();
    place.run("hosts db -r:10.0.0.7 -port:80");
    place.run("hosts WEB1 -r:[fd00::7]:1");
    assert_eq!(
        place.run("hosts").0,
        "Host\n    Name = web1\n    Address = [fd00::7]:1\n\nHost\n    Name = db\n    Address = 10.0.0.7\n    Port = 80\n\n"
    );
    assert_eq!(
        place.run("hosts db -f:ndjson").0,
        "{\"Host\":{\"Name\":\"db\",\"Address\":\"10.0.0.7\",\"Port\":\"80\"}}\n"
    );
    place.run("hosts db -delete");
    assert!(!place.text().contains("[db]"), "{}", place.text());
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&place.file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let unknown = execute(place.command("hosts db"), "").report(Format::Text).0;
    assert!(unknown.starts_with("Error: no host is saved as db\n"), "{unknown}");
}

#[test]
fn what_is_wrong_with_the_file_is_said_with_its_place() {
    for (text, problem) in [
        ("[web1]\nPort = 1\n", "[web1]: Address is missing"),
        (
            "[web1]\nAddress = \"a b\"\n",
            "[web1]: invalid endpoint \"a b\": the host is neither a valid name nor an address",
        ),
        ("[web1]\nAddress = \"a\"\nPort = 0\n", "[web1]: Port is a number from 1 to 65535"),
        ("[web1]\nAddress = \"a\"\nPassword = \"x\"\n", "[web1]: Password is not known"),
        ("[web1]\nAddress = \"a:1\"\nPort = 1\n", "[web1]: Port stands in Address, too"),
        ("[\"a b\"]\nAddress = \"a\"\n", "[a b]: a name has letters"),
        ("web1 = 5\n", "[web1]: a host is a table"),
        ("[web1\n", "TOML parse error at line 1"),
    ] {
        let place = Place::holding(text);
        let error = parse_with(&words("id -r:web1"), &place.hosts()).expect_err(text).to_string();
        assert!(error.contains(problem) && error.contains("hosts.toml: "), "{text}: {error}");
    }
}

#[test]
fn a_file_that_others_can_write_says_nothing() {
    let place = Place::holding(WEB);
    std::fs::set_permissions(&place.file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let error = parse_with(&words("id -r:web1"), &place.hosts()).expect_err("it is not believed").to_string();
    assert!(error.contains("others can write ") && error.contains("chmod 600 "), "{error}");
}

#[test]
fn a_host_is_saved_whole_or_not_at_all() {
    for (line, problem) in [
        ("hosts -r:a", "hosts without the name of one"),
        ("hosts -delete", "hosts without the name of one"),
        ("hosts a -u:ann", "a host is saved with its address"),
        ("hosts a -r:b -delete", "-delete does not go with what would be saved"),
        ("hosts a -r:https://b -ssl", "-usessl does not go with an endpoint that has a transport"),
        ("hosts a -r:b:1 -port:2", "-port does not go with an endpoint that has a port"),
        ("hosts a/b -r:c", "\"a/b\" cannot be the name of a saved host"),
        ("hosts a -r:b -p:secret", "-password is not valid for hosts"),
    ] {
        assert_eq!(
            parse_with(&words(line), &SavedHosts::none()).expect_err(line).to_string(),
            problem,
            "{line}"
        );
    }
}
