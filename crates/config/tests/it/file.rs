use std::fs;

use telarch_config::{Preset, Store, StoreError};
use tempfile::TempDir;

/// What opening a file with this text says, with the folder taken out.
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
fn the_tree_is_written_letter_for_letter_in_any_form_that_toml_has() {
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
fn the_preset_decides_what_the_file_does_not_name() {
    let store = accepted("Preset = \"winrm-2.0\"\nWinrs.MaxShellsPerUser = 7\n");
    assert_eq!(store.state().preset, Preset::Winrm20);
    assert_eq!(store.snapshot().winrs.max_shells_per_user.get(), 7);
    assert_eq!(store.snapshot().winrs.max_processes_per_shell.get(), 15);
}

#[test]
fn listeners_are_read_with_their_defaults() {
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
            "Service/Auth/Basik: there is no such setting: did you mean Service/Auth/Basic? (config.toml, line 2)",
        ),
        (
            "Basic = true",
            "Basic: there is no such setting: did you mean Client/Auth/Basic? (config.toml, line 1)",
        ),
        (
            "service.Auth.Basic = true",
            "service: there is no such setting: did you mean Service? (config.toml, line 1)",
        ),
        (
            "[Service]\nAllowRemoteAccess = false",
            "Service/AllowRemoteAccess: this setting is read-only (config.toml, line 2)",
        ),
        ("Service = 5", "Service: \"5\" is not a table of settings (config.toml, line 1)"),
        (
            "[MaxTimeoutms]\n",
            "MaxTimeoutms: \"a table\" is not true, false, a whole number or a text in quotation marks (config.toml, line 1)",
        ),
        (
            "MaxTimeoutms = 1.5",
            "MaxTimeoutms: \"1.5\" is not true, false, a whole number or a text in quotation marks (config.toml, line 1)",
        ),
        (
            "\nPreset = \"vista\"",
            "Preset: vista is no preset: write \"telarch\" or \"winrm-2.0\" (config.toml, line 2)",
        ),
        (
            "\n[[Listener]]\nAddress = \"*\"\nTransport = \"TCP\"",
            "\"TCP\" is no transport for a listener: write HTTP or HTTPS (config.toml, line 4)",
        ),
        (
            "[[Listener]]\nAddress = \"*\"",
            "\"\" is no transport for a listener: write HTTP or HTTPS (config.toml, line 1)",
        ),
        (
            "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\nPorts = 1",
            "Listener/Ports: there is no such setting: did you mean Listener/Port? (config.toml, line 4)",
        ),
        (
            "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\n[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"",
            "listener Address=*+Transport=HTTP exists: change it instead (config.toml, line 4)",
        ),
        (
            "[Listener]\nAddress = \"*\"",
            "Listener: \"a table\" is not a list: begin each listener with the line [[Listener]] (config.toml, line 1)",
        ),
    ] {
        assert_eq!(refusal(text), error);
    }
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let error = refusal("MaxTimeoutms = 1000\n[Service\n");
    assert!(
        error.ends_with("write TOML, such as Service.Auth.Basic = true (config.toml, line 2)"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_refused() {
    assert!(refusal(&"#".repeat((1 << 20) + 1)).starts_with("the file is larger than 1 MiB"));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, b"# \xFF").unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Disk { action: "read", .. })));
}
