//! `winrm trust`: entries of `TrustedHosts`.

use telarch_cli::winrm::{Completion, Invocation, parse_with};
use telarch_cli::{ClientSettings, Format, SavedHosts};

use crate::winrm_run::{Ran, execute_with};
use crate::words;

struct Client {
    folder: tempfile::TempDir,
}

impl Client {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        std::fs::write(folder.path().join("hosts.toml"), "[db]\nAddress = \"10.0.0.7:80\"\n").unwrap();
        Self { folder }
    }

    fn run(&self, line: &str) -> Ran {
        let hosts = SavedHosts::of_file(self.folder.path().join("hosts.toml"));
        let Ok(Invocation::Run(command)) = parse_with(&words(line), &hosts) else { panic!("{line}") };
        execute_with(*command, &ClientSettings::of_file(self.folder.path().join("config.toml")), "")
    }

    fn list(&self) -> String {
        self.run("trust").out
    }
}

#[test]
fn hosts_are_added_with_a_warning_and_removed() {
    let client = Client::with("# keep\nClient.TrustedHosts = \"*.example.com\"\nClient.Auth.Basic = false\n");
    let added = client.run("trust server7");
    assert_eq!(added.done.unwrap(), Completion::Success);
    for part in ["added server7 to TrustedHosts", "impersonating this host", "winrm trust server7 -delete"] {
        assert!(added.errors.contains(part), "{part} is not in {}", added.errors);
    }
    assert_eq!(client.list(), "*.example.com\nserver7\n");
    let text = std::fs::read_to_string(client.folder.path().join("config.toml")).unwrap();
    assert!(text.starts_with("# keep\n") && text.contains("Client.Auth.Basic = false"), "{text}");
    client.run("trust [fd00::7]").done.unwrap();
    client.run("trust db").done.unwrap();
    assert_eq!(client.list(), "*.example.com\nserver7\n[fd00::7]\n10.0.0.7\n");
    client.run("trust SERVER7 -delete").done.unwrap();
    assert_eq!(client.list(), "*.example.com\n[fd00::7]\n10.0.0.7\n");
}

#[test]
fn a_trusted_host_is_not_added_again() {
    let client = Client::with("Client.TrustedHosts = \"*.example.com\"\n");
    let again = client.run("trust a.example.com");
    assert!(
        again.errors.contains("a.example.com is already in TrustedHosts: *.example.com"),
        "{}",
        again.errors
    );
    assert_eq!(client.list(), "*.example.com\n");
}

#[test]
fn patterns_and_lists_are_rejected() {
    let client = Client::with("");
    for everyone in ["*", "*.example.com", "<local>", "a,b", ""] {
        let parsed = parse_with(&words(&format!("trust \"{everyone}\"")), &SavedHosts::none());
        assert!(parsed.is_err(), "{everyone:?} became {parsed:?}");
    }
    let (report, status) = client.run("trust nobody -delete").report(Format::Text);
    assert_eq!(
        (report.as_str(), status),
        ("Error: nobody is not an entry of TrustedHosts\n  TrustedHosts is empty\n", 2)
    );
}

#[test]
fn trusted_hosts_set_by_policy_are_not_changed() {
    let client = Client::with("Client.TrustedHosts = \"server7\"\n");
    let folder = client.folder.path().join("policy.d");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("10.toml"), "client.trustedhosts = \"*.example.com\"\n").unwrap();
    assert_eq!(client.list(), "*.example.com\n", "the policy overrides the file");
    for line in ["trust server8", "trust *.example.com -delete"] {
        let Ok(Invocation::Run(command)) = parse_with(&words(line), &SavedHosts::none()) else { continue };
        let settings = ClientSettings::of_file(client.folder.path().join("config.toml"));
        let (report, status) = execute_with(*command, &settings, "").report(Format::Text);
        assert!(report.contains("TrustedHosts is set by policy to *.example.com"), "{line}: {report}");
        assert!(report.contains("10.toml, line 1") && status == 2, "{line}: {report}");
    }
    let text = std::fs::read_to_string(client.folder.path().join("config.toml")).unwrap();
    assert_eq!(text, "Client.TrustedHosts = \"server7\"\n");
}
