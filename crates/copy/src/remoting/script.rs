//! Scripts of the carrier. Paths and digests are parameters, so that PowerShell interprets none of them.

use psrp::clixml::Value;
use psrp::{Command, CreatePipeline};

/// Scripts for Windows PowerShell 5.1 and PowerShell 7.
#[derive(Clone, Copy, Debug)]
pub(super) enum Script {
    /// Writes the language mode of the session.
    LanguageMode,
    /// Writes length and SHA-256 of a partial file, or nothing.
    Begun,
    /// Appends its input to a partial file.
    Receive,
    /// Verifies a partial file, gives it its name, and writes its path.
    Finish,
    /// Removes a partial file.
    Discard,
    /// Writes the kind of a file: `directory`, `file` (devices included), or nothing if it does not exist.
    Kind,
    /// Creates a directory.
    MakeDirectory,
    /// Writes a text for each entry of a directory: a letter for its kind, and its name.
    List,
    /// Writes a line with size, permissions, time, SHA-256 and offset, and then the file.
    Send,
}

impl Script {
    /// Returns a call without parameters. The parameter `path` is the path of a file.
    pub(super) fn call(self) -> Call {
        let (parameters, parts) = self.parts();
        Call(Command::script(&format!("param({parameters})\n{}", parts.concat())))
    }

    /// Returns a call without parameters, for a file below a directory: the parameters are the directory `root`, the path
    /// `below` of the file's directory, its name `leaf`, and whether missing directories are created, `make`.
    pub(super) fn call_below(self) -> Call {
        let (parameters, parts) = self.parts();
        let check = if matches!(self, Self::Send) { NO_LINK } else { "" };
        let text = format!(
            "param($root, $below, $leaf, $make, {parameters})\n$ErrorActionPreference = 'Stop'\n{BELOW}{check}{}",
            parts.concat()
        );
        Call(Command::script(&text))
    }

    fn parts(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::LanguageMode => ("", &["$ExecutionContext.SessionState.LanguageMode.ToString()"]),
            Self::Kind => ("$path", &[COMMON, KIND]),
            Self::MakeDirectory => ("$path", &[]),
            Self::List => ("$path", &[COMMON, LIST]),
            Self::Begun => (TARGET_PARAMETERS, &[COMMON, TARGET, BEGUN]),
            Self::Receive => ("$path, $name, $key, $how, $offset", &[COMMON, TARGET, RECEIVE]),
            Self::Finish => ("$path, $name, $key, $digest, $mode, $exact, $time", &[COMMON, TARGET, FINISH]),
            Self::Discard => (TARGET_PARAMETERS, &[COMMON, TARGET, DISCARD]),
            Self::Send => ("$path, $begun, $digest", &[COMMON, SEND]),
        }
    }
}

/// Script with its parameters.
pub(super) struct Call(Command);

impl Call {
    pub(super) fn with(self, name: &str, value: impl Into<Value>) -> Self {
        Self(self.0.argument(Some(name), value))
    }

    /// Returns the pipeline.
    pub(super) fn pipeline(self) -> CreatePipeline {
        CreatePipeline::new(self.0)
    }
}

const TARGET_PARAMETERS: &str = "$path, $name, $key";
const BELOW: &str = include_str!("below.ps1");
const NO_LINK: &str = include_str!("nolink.ps1");
const KIND: &str = include_str!("kind.ps1");
const LIST: &str = include_str!("list.ps1");
const COMMON: &str = include_str!("common.ps1");
const TARGET: &str = include_str!("target.ps1");
const BEGUN: &str = include_str!("begun.ps1");
const RECEIVE: &str = include_str!("receive.ps1");
const FINISH: &str = include_str!("finish.ps1");
const DISCARD: &str = include_str!("discard.ps1");
const SEND: &str = include_str!("send.ps1");
