//! `telarch config`: the settings of the service, where each comes from, and which defaults there are.

mod arguments;
mod show;

use std::path::{Path, PathBuf};

use config::{Preset, Setting, Source, State, Store, StoreError};
use lexopt::Parser;

use self::arguments::{Action, Invocation};
use cli_command::Failure;
use cli_command::{Subcommand, paths};

/// The command.
pub const SUBCOMMAND: Subcommand = Subcommand {
    name: "config",
    about: "the settings of the service: what they are, and which defaults hold",
    help: HELP,
    run,
};

fn run(parser: Parser) -> Result<String, Failure> {
    let Some(Invocation { action, file }) = Invocation::parse(parser)? else { return Ok(HELP.to_owned()) };
    match action {
        Action::Show(asked) => {
            let (path, state) = read(file)?;
            show::shown(&path, &state, &asked)
        }
        Action::TellPreset => {
            let (path, state) = read(file)?;
            Ok(format!("{} has the preset {}\n", path.display(), state.preset))
        }
        Action::SetPreset(preset) => {
            let path = match file {
                Some(path) => path,
                None => paths::folder(paths::IfMissing::Make)?.join("config.toml"),
            };
            set_preset(&path, preset)
        }
    }
}

/// The configuration of a file.
fn read(file: Option<PathBuf>) -> Result<(PathBuf, State), Failure> {
    let (path, store) = open(file)?;
    Ok((path, store.map(|store| State::clone(&store.state())).unwrap_or_default()))
}

/// The settings in a file, and those without one where not even its folder is there; the usual file need not exist,
/// another may be a slip of the pen.
pub(crate) fn open(file: Option<PathBuf>) -> Result<(PathBuf, Option<Store>), Failure> {
    let path = match file {
        Some(path) if !path.exists() => {
            let what = format!("{} does not exist", path.display());
            return Err(Failure::failed(what, "name another file, or none for the usual one"));
        }
        Some(path) => path,
        None => paths::folder(paths::IfMissing::Leave)?.join("config.toml"),
    };
    let has_folder = path.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.exists());
    // A folder that is still to be made is as good as an empty file.
    let store = if has_folder { Some(Store::open(&path)?) } else { None };
    Ok((path, store))
}

fn set_preset(path: &Path, preset: Preset) -> Result<String, Failure> {
    let store = Store::open(path)?;
    let before = store.state();
    let shown = store.path().display();
    if before.preset == preset {
        return Ok(format!("{shown} has the preset {preset} already: nothing was changed\n"));
    }
    let after = store.set_preset(preset).map_err(contradicted)?;
    let mut text = format!("{shown} has the preset {preset} now, and had {}\n", before.preset);
    for setting in before.config.differences(&after.config) {
        let (new, old) = (setting.line(&after.config), setting.literal(&before.config));
        text.push_str(&format!("  {new} (was {old})\n"));
    }
    let named = Setting::all().iter().filter(|setting| after.config.source(setting) != Source::Default);
    let names: Vec<String> = named.map(|setting| setting.path().replace('/', ".")).collect();
    if !names.is_empty() {
        text.push_str(&format!("what the file names stays: {}\n", names.join(", ")));
    }
    text.push_str("a service that is running takes it over when it reads its file again: systemctl reload telarchd, or kill -HUP\n");
    Ok(text)
}

/// What the file names may be right with the old preset only, such as a value of a setting that is read-only.
fn contradicted(error: StoreError) -> Failure {
    match error {
        StoreError::Content { .. } => {
            Failure::failed(error, "take the line out first: it says what only the preset of now allows")
        }
        error => error.into(),
    }
}

const HELP: &str = "\
telarch config: the settings of the service, where each comes from, and which defaults hold.

Examples:
  telarch config show --changed
  telarch config show Winrs Service.Auth.Basic
  telarch config preset winrm-2.0
  telarch config preset default

Actions:
  show [NAME]...   print the settings with their values; behind each, whether the file gives the value or the
                   preset, and the default where the file has another
  preset           tell which preset holds
  preset NAME      have the file say which defaults hold for what it does not name: telarch or default, which
                   are the same, or winrm-2.0, which are those of Windows Server 2008 R2

Options:
  --file PATH      the file of the settings; if left away, /etc/telarch/config.toml for root, and
                   telarch/config.toml in $XDG_CONFIG_HOME or ~/.config for others
  --changed        show only what the file names (show)
  --format FORMAT  text, or json (show)
  -h, --help       print this text

A NAME is that of a setting, such as Service.Auth.Basic, or of a section, such as Winrs.
What show prints as text can itself be the file.
The file is read, not the running service: what telarchd got by --set is not in it.
A value is changed with winrm set, or with an editor; telarchd --check says what is wrong with a file.
A service that is running takes over what a preset changes when it reads its file again: systemctl reload
telarchd, or SIGHUP.
The exit status is 0, 1 if something failed, and 2 if the command line was not understood.
";
