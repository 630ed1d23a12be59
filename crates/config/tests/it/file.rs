use std::fs;

use telarch_config::{Preset, Store, StoreError};
use tempfile::TempDir;

/// Returns the error for a file with this text, without the path of the directory.
fn refusal(text: &str) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().canonicalize().unwrap().display()), "")
}

fn accepted(text: &str) -> Store {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    Store::open(&path).unwrap()
}

#[test]
fn settings_are_parsed_in_every_form_of_toml() {
    for text in [
        "[Service.Auth]\nBasic = true",
        "Service.Auth.Basic = true",
        "[Service]\nAuth = { Basic = true }",
        "Service.\"Auth\".Basic = \"True\" # yes",
    ] {
        assert!(accepted(text).snapshot().service.auth.basic, "{text}");
    }
}

#[test]
fn settings_missing_from_the_file_have_the_value_of_the_preset() {
    let store = accepted("Preset = \"winrm-2.0\"\nWinrs.MaxShellsPerUser = 7\n");
    assert_eq!(store.state().preset, Preset::Winrm20);
    assert_eq!(store.snapshot().winrs.max_shells_per_user.get(), 7);
    assert_eq!(store.snapshot().winrs.max_processes_per_shell.get(), 15);
}

#[test]
fn listeners_in_the_file_have_their_defaults() {
    let store = accepted(
        "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\n\n\
         [[Listener]]\nAddress = \"IP:10.0.0.1\"\nTransport = \"https\"\nPort = 443\nEnabled = false\n",
    );
    let ports: Vec<_> =
        store.listeners().iter().map(|listener| (listener.port.number(), listener.enabled)).collect();
    assert_eq!(ports, [(5_985, true), (443, false)]);
}

#[test]
fn an_error_names_the_setting_the_file_and_the_line() {
    for (text, error) in [
        (
            "\n[Service]\n# none\nMaxConcurrentOperationsPerUser = 0\n",
            "Service/MaxConcurrentOperationsPerUser: 0 is outside 1 to 4294967295 (config.toml, line 4)",
        ),
        (
            "[Service.Auth]\nBasik = true",
            "Service/Auth/Basik: unknown setting; did you mean Service/Auth/Basic? (config.toml, line 2)",
        ),
        ("Basic = true", "Basic: unknown setting; did you mean Client/Auth/Basic? (config.toml, line 1)"),
        (
            "service.Auth.Basic = true",
            "service: unknown setting; did you mean Service? (config.toml, line 1)",
        ),
        (
            "[Service]\nAllowRemoteAccess = false",
            "Service/AllowRemoteAccess: this setting is read-only; omit it (config.toml, line 2)",
        ),
        ("Service = 5", "Service: \"5\" is not a table of settings (config.toml, line 1)"),
        (
            "[MaxTimeoutms]\n",
            "MaxTimeoutms: \"a table\" is not true, false, an integer or a quoted string (config.toml, line 1)",
        ),
        (
            "MaxTimeoutms = 1.5",
            "MaxTimeoutms: \"1.5\" is not true, false, an integer or a quoted string (config.toml, line 1)",
        ),
        (
            "\nPreset = \"vista\"",
            "Preset: unknown preset vista; use \"telarch\" or \"winrm-2.0\" (config.toml, line 2)",
        ),
        (
            "\n[[Listener]]\nAddress = \"*\"\nTransport = \"TCP\"",
            "invalid listener transport \"TCP\"; use HTTP or HTTPS (config.toml, line 4)",
        ),
        (
            "[[Listener]]\nAddress = \"*\"",
            "invalid listener transport \"\"; use HTTP or HTTPS (config.toml, line 1)",
        ),
        (
            "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\nPorts = 1",
            "Listener/Ports: unknown setting; did you mean Listener/Port? (config.toml, line 4)",
        ),
        (
            "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\nTrustedBalancers = \"::1,::/0\"",
            "Listener/TrustedBalancers: \"::/0\" is not a list of addresses and networks separated by commas, such as 192.0.2.10,2001:db8::/64, in which the bits behind each prefix are zero (config.toml, line 4)",
        ),
        (
            "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\n[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"",
            "listener Address=*+Transport=HTTP already exists; change it instead (config.toml, line 4)",
        ),
        (
            "[Listener]\nAddress = \"*\"",
            "Listener: \"a table\" is not a list; begin each listener with the line [[Listener]] (config.toml, line 1)",
        ),
    ] {
        assert_eq!(refusal(text), error);
    }
}

#[test]
fn invalid_toml_is_rejected_with_its_line() {
    let error = refusal("MaxTimeoutms = 1000\n[Service\n");
    assert!(
        error.ends_with("write settings as in Service.Auth.Basic = true (config.toml, line 2)"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_too_large_or_not_text_is_rejected() {
    assert!(refusal(&"#".repeat((1 << 20) + 1)).starts_with("the file is larger than 1 MiB"));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, b"# \xFF").unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Disk { action: "read", .. })));
}
