//! Settings that are staged while the service runs, and return to the old ones unless they are confirmed.

use std::fmt;
use std::time::{Duration, Instant};

use locks::Mutex;

use crate::{ManagementError, Settings};

/// Staged settings of a running service.
///
/// The settings in force never change by themselves: an administrator stages others, applies them, and confirms them with
/// the same session through the new listener. Without a confirmation the old settings return, so that a wrong address or
/// rule does not lock administrators out.
pub struct Staging {
    state: Mutex<State>,
    /// Called when a step is due.
    wake: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staging").field("state", &*self.state.lock()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct State {
    in_force: Settings,
    staged: Option<Settings>,
    phase: Phase,
    last_failure: Option<String>,
}

#[derive(Debug)]
enum Phase {
    /// The settings in force are those of the file.
    Confirmed,
    /// The service changes to the staged settings. `session` is the secret of the session that requested it.
    Applying { session: String },
    /// The staged settings are in force until this time, unless the session confirms them.
    Unconfirmed { old: Settings, session: String, until: Instant },
    /// The service returns to the old settings.
    Reverting { old: Settings },
}

/// Work for the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StagingStep {
    /// Start again with these settings.
    Apply(Settings),
    /// Start again with the old settings, because the new ones were not confirmed.
    Revert(Settings),
}

/// State for the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagingState {
    /// Settings in force.
    pub in_force: Settings,
    /// Staged settings, if there are any.
    pub staged: Option<Settings>,
    /// Time left for the confirmation; `None` if none is expected.
    pub confirm_within: Option<Duration>,
    /// Reason why staged settings could not be applied.
    pub last_failure: Option<String>,
}

impl Staging {
    /// Begins with the settings in force. `wake` is called when [`next_step`](Self::next_step) has something to return.
    pub fn new(in_force: Settings, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let state = State { in_force, staged: None, phase: Phase::Confirmed, last_failure: None };
        Self { state: Mutex::new(state), wake: Box::new(wake) }
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self, now: Instant) -> StagingState {
        let state = self.state.lock();
        let confirm_within = match &state.phase {
            Phase::Unconfirmed { until, .. } => Some(until.saturating_duration_since(now)),
            _ => None,
        };
        StagingState {
            in_force: state.in_force.clone(),
            staged: state.staged.clone(),
            confirm_within,
            last_failure: state.last_failure.clone(),
        }
    }

    /// Stages settings in place of earlier ones; `None` discards them.
    ///
    /// # Errors
    /// [`ManagementError::Invalid`] while applied settings are not confirmed.
    pub fn stage(&self, settings: Option<Settings>) -> Result<(), ManagementError> {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Confirmed) {
            return Err(unconfirmed());
        }
        state.staged = settings;
        state.last_failure = None;
        Ok(())
    }

    /// Requests that the staged settings are applied. `session` is the secret of the session that confirms them.
    ///
    /// # Errors
    /// [`ManagementError::Invalid`] if nothing is staged, or applied settings are not confirmed.
    pub fn apply(&self, session: &str) -> Result<(), ManagementError> {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Confirmed) {
            return Err(unconfirmed());
        }
        if state.staged.is_none() {
            return Err(ManagementError::Invalid("no settings are staged".to_owned()));
        }
        state.phase = Phase::Applying { session: session.to_owned() };
        // Otherwise the reason of an earlier failure would look like the result.
        state.last_failure = None;
        drop(state);
        (self.wake)();
        Ok(())
    }

    /// Confirms the settings in force; `write` stores them first.
    ///
    /// # Errors
    /// [`ManagementError::Invalid`] if no confirmation is expected from this session, and errors of `write`.
    pub fn confirm(
        &self,
        session: &str,
        now: Instant,
        write: impl FnOnce(&Settings) -> Result<(), ManagementError>,
    ) -> Result<(), ManagementError> {
        let mut state = self.state.lock();
        match &state.phase {
            Phase::Unconfirmed { session: expected, until, .. } if expected == session && now < *until => {}
            _ => {
                let problem = "no confirmation of settings is expected from this session";
                return Err(ManagementError::Invalid(problem.to_owned()));
            }
        }
        write(&state.in_force)?;
        state.phase = Phase::Confirmed;
        state.staged = None;
        drop(state);
        (self.wake)();
        Ok(())
    }

    /// Returns the time until the next step is due; `None` if none is planned.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        match &self.state.lock().phase {
            Phase::Unconfirmed { until, .. } => Some(until.saturating_duration_since(now)),
            _ => None,
        }
    }

    /// Returns the step that is due. It ends with [`applied`](Self::applied), [`failed`](Self::failed) or
    /// [`reverted`](Self::reverted).
    pub fn next_step(&self, now: Instant) -> Option<StagingStep> {
        let mut state = self.state.lock();
        match &state.phase {
            Phase::Applying { .. } => state.staged.clone().map(StagingStep::Apply),
            Phase::Unconfirmed { old, until, .. } if now >= *until => {
                let old = old.clone();
                state.phase = Phase::Reverting { old: old.clone() };
                Some(StagingStep::Revert(old))
            }
            _ => None,
        }
    }

    /// Notes that the staged settings are in force, which begins the time for the confirmation.
    pub fn applied(&self, now: Instant) {
        let mut state = self.state.lock();
        let (Phase::Applying { session }, Some(staged)) = (&state.phase, state.staged.clone()) else {
            return;
        };
        let session = session.clone();
        let old = std::mem::replace(&mut state.in_force, staged);
        state.phase = Phase::Unconfirmed { old, session, until: now + CONFIRMATION };
    }

    /// Notes that the staged settings cannot be used; they stay staged.
    pub fn failed(&self, reason: String) {
        let mut state = self.state.lock();
        state.phase = Phase::Confirmed;
        state.last_failure = Some(reason);
    }

    /// Notes that the old settings are in force again; the others stay staged.
    pub fn reverted(&self) {
        let mut state = self.state.lock();
        let Phase::Reverting { old } = &state.phase else { return };
        state.in_force = old.clone();
        state.phase = Phase::Confirmed;
        state.last_failure = Some("the settings were not confirmed within 60 seconds".to_owned());
    }
}

fn unconfirmed() -> ManagementError {
    ManagementError::Invalid(
        "the applied settings are not confirmed yet; confirm them, or wait a minute".to_owned(),
    )
}

/// Time for the confirmation.
const CONFIRMATION: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(port: u16) -> Settings {
        Settings { port, ..Settings::default() }
    }

    #[test]
    fn applied_settings_return_to_the_old_ones_unless_the_same_session_confirms_them() {
        let staging = Staging::new(settings(1), || ());
        let now = Instant::now();
        assert!(staging.apply("a").is_err() && staging.next_step(now).is_none());
        staging.stage(Some(settings(2))).unwrap();
        staging.apply("a").unwrap();
        assert!(staging.apply("a").is_err() && staging.stage(None).is_err());
        assert_eq!(staging.next_step(now), Some(StagingStep::Apply(settings(2))));
        staging.applied(now);
        assert_eq!(staging.wait(now), Some(CONFIRMATION));
        assert_eq!(staging.state(now).in_force, settings(2));
        assert!(staging.confirm("b", now, |_| Ok(())).is_err(), "another session");
        assert!(staging.confirm("a", now + CONFIRMATION, |_| Ok(())).is_err(), "too late");
        assert_eq!(staging.next_step(now + CONFIRMATION), Some(StagingStep::Revert(settings(1))));
        staging.reverted();
        let state = staging.state(now);
        assert_eq!((state.in_force, state.staged), (settings(1), Some(settings(2))));
        assert!(state.last_failure.is_some() && staging.next_step(now).is_none());
    }

    #[test]
    fn confirmed_settings_are_stored_and_stay() {
        let staging = Staging::new(settings(1), || ());
        let now = Instant::now();
        staging.stage(Some(settings(2))).unwrap();
        staging.apply("a").unwrap();
        staging.applied(now);
        let unwritten = staging.confirm("a", now, |_| Err(ManagementError::Invalid("full".to_owned())));
        assert!(
            unwritten.is_err() && staging.wait(now).is_some(),
            "settings that are not stored are not confirmed"
        );
        let mut stored = None;
        staging
            .confirm("a", now, |settings| {
                stored = Some(settings.clone());
                Ok(())
            })
            .unwrap();
        assert_eq!(stored, Some(settings(2)));
        assert_eq!(staging.next_step(now + CONFIRMATION), None);
        assert_eq!(staging.state(now).staged, None);
    }

    #[test]
    fn settings_that_cannot_be_used_stay_staged_with_the_reason() {
        let staging = Staging::new(settings(1), || ());
        staging.stage(Some(settings(2))).unwrap();
        staging.apply("a").unwrap();
        staging.failed("port in use".to_owned());
        let state = staging.state(Instant::now());
        assert_eq!((state.in_force, state.staged), (settings(1), Some(settings(2))));
        assert_eq!(state.last_failure.as_deref(), Some("port in use"));
    }
}
