use std::collections::BTreeMap;
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

    /// The file and the place in it that give a setting its value; none if nothing is written.
    #[must_use]
    pub fn of(&self, setting: &Setting) -> Option<Origin> {
        match self.state.config.source(setting) {
            Source::Default => None,
            Source::Local => {
                let place = Place::Line(*self.lines.get(setting.path())?);
                Some(Origin { file: self.file.clone(), place })
            }
            Source::Policy => Some(self.state.policies.of_setting(setting)?.origin.clone()),
        }
    }

    /// The file and the place in it that make the listener of policy.
    #[must_use]
    pub fn of_policy_listener(&self) -> Option<Origin> {
        self.state.policies.auto_config().map(|demand| demand.origin.clone())
    }
}
