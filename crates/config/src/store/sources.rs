use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::State;
use crate::{FilePosition, Origin, Setting, Source, file};

/// Origins of the values in a configuration.
#[derive(Debug)]
pub struct Sources {
    state: Arc<State>,
    file: PathBuf,
    lines: BTreeMap<&'static str, usize>,
}

impl Sources {
    pub(super) fn new(state: Arc<State>, file: PathBuf, text: &str) -> Self {
        Self { state, file, lines: file::setting_lines(text) }
    }

    /// Returns the configuration that the values belong to.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns the origin of the value of a setting.
    #[must_use]
    pub fn of(&self, setting: &Setting) -> ValueOrigin {
        let line = self.lines.get(setting.path());
        match (self.state.config.source(setting), line) {
            (Source::Default, _) => ValueOrigin::Nowhere,
            (Source::Local, Some(line)) => {
                ValueOrigin::At(Origin { file: self.file.clone(), position: FilePosition::Line(*line) })
            }
            (Source::Local, None) => ValueOrigin::OnCommandLine,
            (Source::Policy, _) => {
                let value = self.state.policies.of_setting(setting);
                value.map_or(ValueOrigin::Nowhere, |value| ValueOrigin::At(value.origin.clone()))
            }
        }
    }
}

/// Origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueOrigin {
    /// Default of the preset.
    Nowhere,
    /// Command line of the service.
    OnCommandLine,
    /// Configuration or policy file.
    At(Origin),
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("default"),
            Self::OnCommandLine => f.write_str("command line of the service"),
            Self::At(origin) => origin.fmt(f),
        }
    }
}
