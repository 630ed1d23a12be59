//! The command line of `telarch config`.

use std::path::PathBuf;

use config::Preset;
use lexopt::{Arg, Parser, ValueExt as _};

use cli_command::arguments::set;
use cli_command::Failure;
use cli_command::format::Format;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) action: Action,
    /// The file of the settings, if it is not the usual one.
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Show(Asked),
    TellPreset,
    SetPreset(Preset),
}

/// What is to be shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Settings or sections; none are all.
    pub(super) names: Vec<String>,
    pub(super) which: Which,
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Which {
    #[default]
    All,
    /// What the file names.
    Changed,
}

impl Invocation {
    /// Reads what follows the word `config`; none if it asks for help.
    pub(super) fn parse(mut parser: Parser) -> Result<Option<Self>, Failure> {
        let (mut words, mut file, mut which, mut format) = (Vec::new(), None, None, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(word) => words.push(word.string()?),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Long("file") => {
                    set(&mut file, "--file", PathBuf::from(parser.value()?)).map_err(wrong)?;
                }
                Arg::Long("changed") => set(&mut which, "--changed", Which::Changed).map_err(wrong)?,
                Arg::Long("format") => {
                    let asked = parser.value()?.string()?.parse().map_err(wrong)?;
                    set(&mut format, "--format", asked).map_err(wrong)?;
                }
                other => return Err(wrong(other.unexpected())),
            }
        }
        let mut words = words.into_iter();
        let action = match words.next().as_deref() {
            None => return Ok(None),
            Some("show") => Action::Show(Asked {
                names: words.by_ref().collect(),
                which: which.take().unwrap_or_default(),
                format: format.take().unwrap_or_default(),
            }),
            Some("preset") => match words.next() {
                None => Action::TellPreset,
                Some(name) => Action::SetPreset(preset(&name)?),
            },
            Some(other) => return Err(wrong(format!("unknown action {other:?}"))),
        };
        if let Some(word) = words.next() {
            return Err(wrong(format!("{word:?} is one word too many")));
        }
        let left_over = which.map(|_| "--changed").or(format.map(|_| "--format"));
        match left_over {
            Some(option) => Err(wrong(format!("{option} means nothing to this action"))),
            None => Ok(Some(Self { action, file })),
        }
    }
}

/// `default` is the one that holds where nobody says so.
fn preset(name: &str) -> Result<Preset, Failure> {
    if name.eq_ignore_ascii_case("default") {
        return Ok(Preset::default());
    }
    Preset::find(name).ok_or_else(|| {
        let names: Vec<&str> = Preset::ALL.into_iter().map(Preset::name).collect();
        let way_out = format!("there are {} and default, which is {}", names.join(", "), Preset::default());
        Failure::usage(format!("config: there is no preset {name:?}"), &way_out)
    })
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("config: {what}"), "telarch config --help shows whole command lines")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Invocation>, Failure> {
        Invocation::parse(Parser::from_args(arguments))
    }

    #[test]
    fn options_stand_anywhere_behind_the_word_config() {
        for arguments in [
            ["show", "Winrs", "--changed", "--format", "json", "--file", "/x"],
            ["--file", "/x", "--format", "json", "--changed", "show", "Winrs"],
        ] {
            let Ok(Some(Invocation { action, file })) = parse(&arguments) else { panic!("{arguments:?}") };
            assert_eq!(file, Some(PathBuf::from("/x")));
            let names = vec!["Winrs".to_owned()];
            assert_eq!(action, Action::Show(Asked { names, which: Which::Changed, format: Format::Json }));
        }
        assert!(matches!(parse(&[]), Ok(None)));
        assert!(matches!(parse(&["show", "-h"]), Ok(None)));
    }

    #[test]
    fn a_preset_has_a_name_of_its_own_and_one_of_them_another() {
        for (name, expected) in [
            ("default", Preset::Telarch),
            ("telarch", Preset::Telarch),
            ("winrm-2.0", Preset::Winrm20),
            ("WinRM-2.0", Preset::Winrm20),
        ] {
            let Ok(Some(invocation)) = parse(&["preset", name]) else { panic!("{name}") };
            assert_eq!(invocation.action, Action::SetPreset(expected), "{name}");
        }
        let Ok(Some(invocation)) = parse(&["preset"]) else { panic!("it was refused") };
        assert_eq!(invocation.action, Action::TellPreset);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, part) in [
            (&["preset", "vista"][..], "there are telarch, winrm-2.0 and default"),
            (&["preset", "default", "telarch"], "\"telarch\" is one word too many"),
            (&["preset", "--changed"], "--changed means nothing"),
            (&["preset", "default", "--format", "json"], "--format means nothing"),
            (&["grow"], "unknown action \"grow\""),
            (&["show", "--format", "xml"], "\"xml\" is neither"),
            (&["show", "--file", "x", "--file", "y"], "--file is given twice"),
            (&["show", "--chnaged"], "--chnaged"),
        ] {
            match parse(arguments) {
                Err(failure @ Failure::Usage(_)) => {
                    assert!(failure.to_string().contains(part), "{failure} does not name {part:?}");
                }
                other => panic!("{arguments:?}: {other:?}"),
            }
        }
    }
}
