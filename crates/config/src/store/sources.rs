use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::State;
use crate::{Origin, Place, Setting, Source, file};

/// Who decided on each value, and where it is written.
#[derive(Debug)]
pub struct Sources {
    state: Arc<State>,
    file: PathBuf,
    lines: BTreeMap<&'static str, usize>,
}

impl Sources {
    pub(super) fn new(state: Arc<State>, file: PathBuf, text: &str) -> Self {
        Self { state, file, lines: file::places(text) }
    }

    /// The settings they are about.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What gives a setting its value.
    #[must_use]
    pub fn of(&self, setting: &Setting) -> Written {
        let line = self.lines.get(setting.path());
        match (self.state.config.source(setting), line) {
            (Source::Default, _) => Written::Nowhere,
            (Source::Local, Some(line)) => {
                Written::At(Origin { file: self.file.clone(), place: Place::Line(*line) })
            }
            (Source::Local, None) => Written::OnCommandLine,
            (Source::Policy, _) => {
                let demand = self.state.policies.of_setting(setting);
                demand.map_or(Written::Nowhere, |demand| Written::At(demand.origin.clone()))
            }
        }
    }
}

/// What gives a setting its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    /// Nothing: it has its default.
    Nowhere,
    /// An option of the program that has the settings.
    OnCommandLine,
    /// A file.
    At(Origin),
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("default"),
            Self::OnCommandLine => f.write_str("command line of the service"),
            Self::At(origin) => origin.fmt(f),
        }
    }
}
