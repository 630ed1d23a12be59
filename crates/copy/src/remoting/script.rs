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
    /// Writes a line with size, permissions, time, SHA-256 and offset, and then the file.
    Send,
}

impl Script {
    /// Returns a call without parameters.
    pub(super) fn call(self) -> Call {
        let (parameters, parts): (&str, &[&str]) = match self {
            Self::LanguageMode => ("", &["$ExecutionContext.SessionState.LanguageMode.ToString()"]),
            Self::Begun => (TARGET_PARAMETERS, &[COMMON, TARGET, BEGUN]),
            Self::Receive => ("$path, $name, $key, $how, $offset", &[COMMON, TARGET, RECEIVE]),
            Self::Finish => ("$path, $name, $key, $digest, $mode, $exact, $time", &[COMMON, TARGET, FINISH]),
            Self::Discard => (TARGET_PARAMETERS, &[COMMON, TARGET, DISCARD]),
            Self::Send => ("$path, $begun, $digest", &[COMMON, SEND]),
        };
        Call(Command::script(&format!("param({parameters})\n{}", parts.concat())))
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
const COMMON: &str = include_str!("common.ps1");
const TARGET: &str = include_str!("target.ps1");
const BEGUN: &str = include_str!("begun.ps1");
const RECEIVE: &str = include_str!("receive.ps1");
const FINISH: &str = include_str!("finish.ps1");
const DISCARD: &str = include_str!("discard.ps1");
const SEND: &str = include_str!("send.ps1");
