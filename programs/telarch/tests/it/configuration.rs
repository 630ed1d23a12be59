//! `telarch config` on a file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use config::{Preset, Setting, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Ran, run, telarch};

struct Place {
    _folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("config.toml");
        fs::write(&path, text).unwrap();
        Self { _folder: folder, path }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// `telarch config ARGUMENTS --file PATH`.
    fn config(&self, arguments: &[&str]) -> Ran {
        run(telarch(&["config"]).args(arguments).arg("--file").arg(&self.path), "")
    }

    fn json(&self) -> Value {
        let shown = self.config(&["show", "--format", "json"]);
        assert_eq!((shown.code, shown.errors.as_str()), (0, ""));
        serde_json::from_str(&shown.out).unwrap()
    }
}

/// Formats a JSON value as winrm prints it.
fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn each_preset_defines_the_default_of_each_setting() {
    let place = Place::with("");
    for (name, preset) in
        [("winrm-2.0", Preset::Winrm20), ("default", Preset::Telarch), ("telarch", Preset::Telarch)]
    {
        let set = place.config(&["preset", name]);
        assert_eq!((set.code, set.errors.as_str()), (0, ""), "{name}");
        let json = place.json();
        assert_eq!(json["preset"], preset.name());
        let settings = json["settings"].as_array().unwrap();
        assert_eq!(settings.len(), Setting::all().len());
        for (shown, setting) in settings.iter().zip(Setting::all()) {
            let config = preset.config();
            let expected = setting.show(&config);
            assert_eq!(shown["name"], setting.path(), "{name}");
            assert_eq!(as_text(&shown["value"]), expected, "{name}: {}", setting.path());
            assert_eq!(as_text(&shown["default"]), expected, "{name}: {}", setting.path());
            assert_eq!(shown["source"], "default", "{name}: {}", setting.path());
        }
        // The service reads the same values.
        assert_eq!(*Store::open(&place.path).unwrap().snapshot(), preset.config(), "{name}");
        assert_eq!(
            place.config(&["preset"]).out,
            format!("the preset of {} is {preset}\n", place.path.display())
        );
    }
}

#[test]
fn a_preset_changes_one_line_and_reports_changed_settings() {
    let before = "# ours\nMaxTimeoutms = 1000\n\n[Winrs]\nMaxShellsPerUser = 30 # enough\n";
    let place = Place::with(before);
    let set = place.config(&["preset", "winrm-2.0"]);
    assert_eq!(
        place.text(),
        "# ours\nMaxTimeoutms = 1000\nPreset = \"winrm-2.0\"\n\n[Winrs]\nMaxShellsPerUser = 30 # enough\n"
    );
    let shown = place.path.display();
    for part in [
        &format!("the preset of {shown} is now winrm-2.0 (was telarch)\n"),
        "\n  MaxEnvelopeSizekb = 150 (was 500)\n",
        "\n  Winrs.MaxProcessesPerShell = 15 (was 25)\n",
        "\nunchanged, because the file sets them: MaxTimeoutms, Winrs.MaxShellsPerUser\n",
        "systemctl reload telarchd",
    ] {
        assert!(set.out.contains(part), "{part:?} is missing in:\n{}", set.out);
    }
    assert!(!set.out.contains("MaxShellsPerUser = 5"), "{}", set.out);
    let again = place.config(&["preset", "winrm-2.0"]);
    assert_eq!(again.out, format!("the preset of {shown} is already winrm-2.0; nothing was changed\n"));
    assert_eq!(place.config(&["preset", "default"]).code, 0);
    assert_eq!(place.text(), before.replace("\n\n[", "\nPreset = \"telarch\"\n\n["));
}

#[test]
fn a_preset_that_contradicts_the_file_is_rejected_with_the_line() {
    let text = "Preset = \"winrm-2.0\"\nMaxProviderRequests = 25\n";
    let place = Place::with(text);
    let refused = place.config(&["preset", "default"]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    assert!(
        refused.errors.contains("MaxProviderRequests: ") && refused.errors.contains("line 2"),
        "{}",
        refused.errors
    );
    assert!(refused.errors.contains("\n  remove this line first"), "{}", refused.errors);
    assert_eq!(place.text(), text);
}

#[test]
fn each_setting_is_shown_with_its_value_and_source() {
    let place = Place::with(
        "Preset = \"winrm-2.0\"\nMaxTimeoutms = 60000\n[Service]\nAuth.Basic = true\nIPv4Filter = \"\"\n\
         [[Listener]]\nAddress = \"*\"\nTransport = \"HTTPS\"\nHostname = \"node7\"\n",
    );
    let shown = place.config(&["show"]);
    assert_eq!((shown.code, shown.errors.as_str()), (0, ""));
    let line = |name: &str| {
        let found = shown.out.lines().find(|line| line.starts_with(&format!("{name} = ")));
        let line = found.unwrap_or_else(|| panic!("no {name} in:\n{}", shown.out));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (name, expected) in [
        ("Preset", "Preset = \"winrm-2.0\""),
        ("MaxEnvelopeSizekb", "MaxEnvelopeSizekb = 150 # default"),
        ("MaxTimeoutms", "MaxTimeoutms = 60000 # file"),
        ("MaxProviderRequests", "MaxProviderRequests = 25 # default; deprecated"),
        ("Service.Auth.Basic", "Service.Auth.Basic = true # file; default false"),
        ("Service.IPv4Filter", "Service.IPv4Filter = \"\" # file; default \"*\""),
        ("Winrs.MaxShellRunTime", "Winrs.MaxShellRunTime = 28800000 # default; read-only"),
    ] {
        assert_eq!(line(name), expected);
    }
    // The output is a settings file with the same content.
    let again = Place::with(&shown.out);
    let states = [&place, &again].map(|place| Store::open(&place.path).unwrap().state());
    assert_eq!(states[0].preset, states[1].preset);
    assert_eq!(states[0].config.differences(&states[1].config).count(), 0);
    assert_eq!(states[0].listeners, states[1].listeners);

    let json = place.json();
    let basic = json["settings"].as_array().unwrap().iter().find(|one| one["name"] == "Service/Auth/Basic");
    let expected = serde_json::json!({
        "name": "Service/Auth/Basic", "value": true, "default": false, "source": "file", "writable": true,
    });
    assert_eq!(basic, Some(&expected));
    assert_eq!(json["listeners"][0]["Hostname"], "node7");
    assert_eq!(json["listeners"][0]["Port"], 5986);
    assert_eq!(json["file"], place.path.to_str().unwrap());
}

#[test]
fn settings_sections_and_changes_can_be_selected() {
    let place =
        Place::with("[Winrs]\nMaxShellsPerUser = 7\nIdleTimeout = 7200000\n[Service.Auth]\nBasic = true\n");
    let names = |arguments: &[&str]| {
        let shown = place.config(arguments);
        assert_eq!((shown.code, shown.errors.as_str()), (0, ""), "{arguments:?}");
        let names = shown.out.lines().filter(|line| !line.starts_with('#'));
        names.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&["show", "service/auth/basic"]), "Service.Auth.Basic");
    assert_eq!(names(&["show", "Client.DefaultPorts"]), "Client.DefaultPorts.HTTP Client.DefaultPorts.HTTPS");
    assert_eq!(
        names(&["show", "MaxTimeoutms", "Client/DefaultPorts/", "Client.DefaultPorts.HTTP"]),
        "MaxTimeoutms Client.DefaultPorts.HTTP Client.DefaultPorts.HTTPS"
    );
    assert_eq!(
        names(&["show", "--changed"]),
        "Preset Service.Auth.Basic Winrs.IdleTimeout Winrs.MaxShellsPerUser"
    );
    assert_eq!(names(&["show", "--changed", "Winrs"]), "Winrs.IdleTimeout Winrs.MaxShellsPerUser");
    let unknown = place.config(&["show", "Service.Auth.Basik"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""));
    assert!(unknown.errors.contains("did you mean Service/Auth/Basic?"), "{}", unknown.errors);
}

#[test]
fn an_invalid_or_missing_file_is_reported_and_not_created() {
    let place = Place::with("[Service]\nMaxConnections = 0\n");
    for arguments in [&["show"][..], &["preset"], &["preset", "winrm-2.0"]] {
        let ran = place.config(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{arguments:?}");
        assert!(
            ran.errors.contains("0 is outside 1 to 512") && ran.errors.contains("line 2"),
            "{}",
            ran.errors
        );
    }
    fs::remove_file(&place.path).unwrap();
    for arguments in [&["show"][..], &["preset"]] {
        let ran = place.config(arguments);
        assert!(ran.code == 1 && ran.errors.contains("does not exist\n  "), "{}", ran.errors);
    }
    assert!(!place.path.exists());
    assert_eq!(place.config(&["preset", "winrm-2.0"]).code, 0);
    assert_eq!(place.text(), "Preset = \"winrm-2.0\"\n");
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o666)).unwrap();
    let exposed = place.config(&["preset", "default"]);
    assert!(exposed.code == 1 && exposed.errors.contains("run chmod o-w"), "{}", exposed.errors);
}

#[test]
fn an_ordinary_user_has_a_settings_file_in_the_home_directory() {
    const NOBODY: u32 = 65_534;
    let home = tempfile::tempdir().unwrap();
    let is_root = std::os::unix::fs::chown(home.path(), Some(NOBODY), Some(NOBODY)).is_ok();
    let ask = |arguments: &[&str]| {
        let mut command = telarch(arguments);
        command.env_remove("XDG_CONFIG_HOME").env("HOME", home.path()).current_dir("/");
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        // The program may be in a directory that other users cannot access.
        command.output().is_ok().then(|| run(&mut command, ""))
    };
    let path = home.path().join(".config/telarch/config.toml");
    let Some(shown) = ask(&["config", "show"]) else {
        skips::skip!("an ordinary user cannot run {}", env!("CARGO_BIN_EXE_telarch"));
        return;
    };
    assert_eq!((shown.code, shown.errors.as_str()), (0, ""));
    assert!(shown.out.contains(&path.display().to_string()), "{}", shown.out);
    assert!(!home.path().join(".config").exists(), "listing has created a directory");
    assert_eq!(ask(&["config", "preset", "winrm-2.0"]).unwrap().code, 0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
    assert_eq!(fs::read_to_string(path).unwrap(), "Preset = \"winrm-2.0\"\n");
}

#[test]
fn help_shows_examples() {
    for arguments in [&["config", "--help"][..], &["config"], &["config", "show", "--help"]] {
        let ran = run(&mut telarch(arguments), "");
        assert!(ran.out.contains("telarch config preset winrm-2.0") && ran.code == 0, "{}", ran.out);
    }
    let page = run(&mut telarch(&["man", "telarch"]), "");
    assert!(page.code == 0 && page.out.contains("preset winrm\\-2.0"), "{}", page.out);
}
