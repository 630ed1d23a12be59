//! `telarch config`: the settings of the service with their sources, and the preset of defaults.

mod show;

use std::path::{Path, PathBuf};

use cli_command::format::TEXT_OR_JSON;
use cli_command::{Action, Arguments, Command, Failure, Opt, Scope, Value, paths};
use config::{Preset, Setting, Source, State, Store, StoreError};

use self::show::{Selection, Show};

/// The command `telarch config`.
pub static CONFIG: Command = Command::new("config", "show the settings of the service, and select a preset", run)
    .examples(&[
        "telarch config show --changed",
        "telarch config show Winrs Service.Auth.Basic",
        "telarch config preset winrm-2.0",
        "telarch config preset default",
    ])
    .actions(&[
        Action::new(
            "show",
            &[(
                "[NAME...]",
                "print settings with their values; a comment after each value names its source (file, policy or \
                 default), and the default if the value differs from it",
            )],
        )
        .takes_any(),
        Action::new(
            "preset",
            &[
                ("", "print the preset"),
                (
                    "NAME",
                    "select the preset, which is the set of defaults: telarch, default (the same), or winrm-2.0 \
                     (Windows Server 2008 R2)",
                ),
            ],
        )
        .takes(0, 1)
        .completions(&["default", "telarch", "winrm-2.0"]),
    ])
    .options(&[&FILE, &CHANGED, &FORMAT])
    .notes(&[
        "NAME is a setting, such as Service.Auth.Basic, or a section, such as Winrs. The text that show prints is a \
         valid settings file.",
        "The file is read directly, not the running service; settings passed to telarchd with --set are not shown. \
         Change a value with winrm set or an editor; telarchd --check validates a file.",
        "A running service applies a new preset when it reloads its settings: systemctl reload telarchd, or SIGHUP.",
    ]);

static FILE: Opt = Opt::new(
    "file",
    Value::Path("PATH"),
    "settings file (default: /etc/telarch/config.toml for root, and telarch/config.toml in $XDG_CONFIG_HOME or \
     ~/.config for others)",
);
static CHANGED: Opt =
    Opt::new("changed", Value::None, "only settings that the file or a policy sets").only_with(&[SHOW]);
static FORMAT: Opt = TEXT_OR_JSON.only_with(&[SHOW]);

const SHOW: Scope = Scope::Action("show");

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let file = arguments.path(&FILE);
    if arguments.action() == "show" {
        let selection = if arguments.is_given(&CHANGED) { Selection::Changed } else { Selection::All };
        let format = arguments.keyword(&FORMAT).unwrap_or_default();
        let (path, state) = read(file)?;
        return Show { names: arguments.words(), selection, format }.print(&path, &state);
    }
    match arguments.words().as_slice() {
        [] => {
            let (path, state) = read(file)?;
            Ok(format!("the preset of {} is {}\n", path.display(), state.preset))
        }
        words => {
            let preset = preset(&words.concat())?;
            let path = match file {
                Some(path) => path,
                None => paths::settings_directory(paths::IfMissing::Create)?.join("config.toml"),
            };
            set_preset(&path, preset)
        }
    }
}

fn preset(name: &str) -> Result<Preset, Failure> {
    if name.eq_ignore_ascii_case("default") {
        return Ok(Preset::default());
    }
    Preset::find(name).ok_or_else(|| {
        let names: Vec<&str> = Preset::ALL.into_iter().map(Preset::name).collect();
        let remedy = format!("presets: {} and default, which is {}", names.join(", "), Preset::default());
        Failure::usage(format!("config: unknown preset \"{name}\""), &remedy)
    })
}

/// Reads the settings file; a file whose directory does not exist is empty.
fn read(file: Option<PathBuf>) -> Result<(PathBuf, State), Failure> {
    let (path, store) = open(file)?;
    Ok((path, store.map(|store| State::clone(&store.state())).unwrap_or_default()))
}

/// Opens a settings file; the store is `None` if the directory of the file does not exist.
///
/// The default file may be missing; a file that was named on the command line may not, since it is probably mistyped.
pub(crate) fn open(file: Option<PathBuf>) -> Result<(PathBuf, Option<Store>), Failure> {
    let path = match file {
        Some(path) if !path.exists() => {
            let what = format!("{} does not exist", path.display());
            return Err(Failure::failed(what, "name another file, or omit --file for the default one"));
        }
        Some(path) => path,
        None => paths::settings_directory(paths::IfMissing::Leave)?.join("config.toml"),
    };
    let has_directory =
        path.parent().is_none_or(|directory| directory.as_os_str().is_empty() || directory.exists());
    let store = if has_directory { Some(Store::open(&path)?) } else { None };
    Ok((path, store))
}

fn set_preset(path: &Path, preset: Preset) -> Result<String, Failure> {
    let store = Store::open(path)?;
    let before = store.state();
    let shown = store.path().display();
    if before.preset == preset {
        return Ok(format!("the preset of {shown} is already {preset}; nothing was changed\n"));
    }
    let after = store.set_preset(preset).map_err(preset_failure)?;
    let mut text = format!("the preset of {shown} is now {preset} (was {})\n", before.preset);
    for setting in before.config.differences(&after.config) {
        let (new, old) = (setting.line(&after.config), setting.literal(&before.config));
        text.push_str(&format!("  {new} (was {old})\n"));
    }
    let stored = Setting::all().iter().filter(|setting| after.config.source(setting) != Source::Default);
    let names: Vec<String> = stored.map(|setting| setting.path().replace('/', ".")).collect();
    if !names.is_empty() {
        text.push_str(&format!("unchanged, because the file sets them: {}\n", names.join(", ")));
    }
    text.push_str("a running service applies this when it reloads its settings: systemctl reload telarchd, or kill -HUP\n");
    Ok(text)
}

/// Adds what to do if the file sets a value that only the old preset allows, such as that of a read-only setting.
fn preset_failure(error: StoreError) -> Failure {
    match error {
        StoreError::Content { .. } => {
            Failure::failed(error, "remove this line first: only the current preset allows its value")
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use cli_command::format::Format;

    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Arguments>, Failure> {
        Arguments::parse_words(&CONFIG, words)
    }

    #[test]
    fn options_are_accepted_in_any_order() {
        for words in [
            ["show", "Winrs", "--changed", "--format", "json", "--file", "/x"],
            ["--file", "/x", "--format", "json", "--changed", "show", "Winrs"],
        ] {
            let arguments = parse(&words).ok().flatten().expect("a valid command line");
            assert_eq!(arguments.path(&FILE), Some(PathBuf::from("/x")));
            assert_eq!((arguments.action(), arguments.words()), ("show", vec!["Winrs"]));
            assert_eq!(arguments.keyword(&FORMAT), Some(Format::Json));
        }
        assert!(matches!(parse(&[]), Ok(None)));
        assert!(matches!(parse(&["show", "-h"]), Ok(None)));
    }

    #[test]
    fn default_is_another_name_of_the_default_preset() {
        for (name, expected) in [
            ("default", Preset::Telarch),
            ("telarch", Preset::Telarch),
            ("winrm-2.0", Preset::Winrm20),
            ("WinRM-2.0", Preset::Winrm20),
        ] {
            assert_eq!(preset(name).ok(), Some(expected), "{name}");
        }
        let unknown = preset("vista").map(|_| ()).expect_err("an unknown preset").to_string();
        assert!(unknown.contains("presets: telarch, winrm-2.0 and default"), "{unknown}");
    }

    #[test]
    fn invalid_command_lines_are_rejected() {
        for (words, part) in [
            (&["preset", "default", "telarch"][..], "unexpected argument \"telarch\""),
            (&["preset", "--changed"], "--changed is only valid with show"),
            (&["preset", "default", "--format", "json"], "--format is only valid with show"),
            (&["grow"], "unknown action \"grow\""),
            (&["show", "--format", "xml"], "invalid value \"xml\""),
            (&["show", "--file", "x", "--file", "y"], "--file is given twice"),
            (&["show", "--chnaged"], "--chnaged"),
        ] {
            match parse(words) {
                Err(failure @ Failure::Usage(_)) => {
                    assert!(failure.to_string().contains(part), "{failure} does not contain {part:?}");
                }
                _ => panic!("{words:?} was accepted"),
            }
        }
    }
}
