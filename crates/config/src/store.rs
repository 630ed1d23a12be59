//! Storage of the configuration: one file, a snapshot in memory, serialized changes.

mod atomic_file;
pub(crate) mod disk;
mod error;
mod policy_folder;
mod sources;

pub use atomic_file::{AtomicFile, FileVersion};
pub use error::StoreError;
pub use sources::{Sources, ValueOrigin};

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use locks::Mutex;
use sddl::DomainSid;
use tokio::sync::watch;

use self::disk::Directory;
use crate::{
    Access, Config, Draft, Groups, Listeners, Membership, Mutability, Plugins, Policies, Preset, Reason,
    SecurityDefaults, Setting, SettingError, Source, file,
};

/// Complete configuration at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// Preset with the defaults of all settings missing from the file.
    pub preset: Preset,
    /// Settings.
    pub config: Arc<Config>,
    /// Listeners in the file, without those of policy and compatibility settings.
    pub listeners: Listeners,
    /// Plug-ins.
    pub plugins: Plugins,
    /// Security descriptors of all resources.
    pub access: Access,
    /// Local groups that correspond to groups of Windows; they can be set only in the file.
    pub groups: Arc<Groups>,
    /// Way in which accounts become members of groups of Windows.
    pub membership: Membership,
    /// SID of the machine, if known; the default security entries of plug-ins refer to local groups by it.
    pub machine_sid: Option<DomainSid>,
    /// Policies; their values are already part of the settings.
    pub policies: Arc<Policies>,
}

/// Configuration in a TOML file, with notification of changes.
///
/// Policies in the directory `policy.d` next to the file override it. Reading never waits for the disk. A missing
/// file counts as an empty one. Changes are atomic: even if the process is killed, the file has either the old or the
/// new text.
pub struct Store {
    path: PathBuf,
    policies: PoliciesFrom,
    /// Also the lock for changes: every change of the state holds it.
    overrides: Mutex<Overrides>,
    state: watch::Sender<Arc<State>>,
    /// Text of the file when it was last read or written.
    text: Mutex<String>,
}

/// Source of the policies.
#[derive(Debug, PartialEq, Eq)]
enum PoliciesFrom {
    Folder(PathBuf),
    /// Another process, which reads the policy files.
    AnotherProcess,
}

/// Values that apply to this process and are not in the file.
#[derive(Clone, Default)]
struct Overrides {
    settings: Vec<(&'static Setting, String)>,
    machine_sid: Option<DomainSid>,
    membership: Membership,
    /// Policies that were last read without an error.
    policies: Arc<Policies>,
}

impl Overrides {
    /// Returns the overrides that remain after a change: a changed setting has the value of the file from then on.
    fn beside(&self, before: &Config, after: &Config) -> Self {
        let mut stored = self.clone();
        stored.settings.retain(|(setting, _)| setting.show(before) == setting.show(after));
        stored
    }
}

/// Validated change that is not yet saved.
struct Prepared {
    text: String,
    state: State,
    overrides: Overrides,
}

/// Text of the configuration file before and after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTexts {
    /// Text when the file was last read.
    pub before: String,
    /// Text that the change would save.
    pub after: String,
}

impl Store {
    /// Reads the file. A missing file counts as an empty one, but its directory must exist.
    ///
    /// # Errors
    /// [`StoreError`] with the file, the line and a hint.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with::<&str>(path, &[])
    }

    /// PolicyKind the file and applies values for this process only, as given by `--set NAME=VALUE`.
    ///
    /// The values override the file. They are not saved, and a later change of the same setting replaces them.
    ///
    /// # Errors
    /// As for [`Store::open`], and [`StoreError::Setting`] for an unknown name or invalid value.
    pub fn open_with<T: AsRef<str>>(
        path: impl AsRef<Path>,
        overrides: &[(T, T)],
    ) -> Result<Self, StoreError> {
        let path = disk::resolve(path.as_ref())?;
        let folder = Policies::folder_beside(&path);
        let policies = Policies::of_folder(&folder)?;
        Self::new(path, PoliciesFrom::Folder(folder), policies, overrides)
    }

    /// Like [`Store::open_with`], in a process that receives its policies from another process. Later policies are
    /// passed to [`Store::adopt_policies`].
    ///
    /// # Errors
    /// As for [`Store::open_with`].
    pub fn open_with_policies<T: AsRef<str>>(
        path: impl AsRef<Path>,
        overrides: &[(T, T)],
        policies: Policies,
    ) -> Result<Self, StoreError> {
        let path = disk::resolve(path.as_ref())?;
        Self::new(path, PoliciesFrom::AnotherProcess, policies, overrides)
    }

    fn new<T: AsRef<str>>(
        path: PathBuf,
        from: PoliciesFrom,
        policies: Policies,
        overrides: &[(T, T)],
    ) -> Result<Self, StoreError> {
        let overrides = overrides
            .iter()
            .map(|(name, value)| Ok((Setting::find(name.as_ref())?, value.as_ref().to_owned())))
            .collect::<Result<Vec<_>, SettingError>>()?;
        let overrides =
            Overrides { settings: overrides, policies: Arc::new(policies), ..Overrides::default() };
        let text = disk::read(&path)?.text;
        let state = state(&path, &text, &overrides)?;
        let (overrides, text) = (Mutex::new(overrides), Mutex::new(text));
        Ok(Self { path, policies: from, overrides, state: watch::Sender::new(Arc::new(state)), text })
    }

    /// Sets the SID of the machine, on which default security entries of plug-ins depend.
    pub fn set_machine_sid(&self, machine_sid: DomainSid) {
        let mut overrides = self.overrides.lock();
        overrides.machine_sid = Some(machine_sid);
        let now = self.state();
        self.publish(State::of(now.preset, now.draft(), &overrides));
    }

    /// Sets the way in which accounts become members of groups of Windows, on which the advice in denials depends.
    pub fn set_membership(&self, membership: Membership) {
        let mut overrides = self.overrides.lock();
        overrides.membership = membership;
        let now = self.state();
        self.publish(State::of(now.preset, now.draft(), &overrides));
    }

    /// Returns the current settings.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Config> {
        Arc::clone(&self.state.borrow().config)
    }

    /// Returns the current configuration.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// Returns the current listeners.
    #[must_use]
    pub fn listeners(&self) -> Listeners {
        self.state.borrow().listeners.clone()
    }

    /// Subscribes to changes. After several changes in quick succession, the subscriber may see only the last.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    /// Path of the configuration file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Directory of the policy files; `None` if another process reads them.
    #[must_use]
    pub fn policy_folder(&self) -> Option<&Path> {
        match &self.policies {
            PoliciesFrom::Folder(folder) => Some(folder),
            PoliciesFrom::AnotherProcess => None,
        }
    }

    /// Returns the current origin of each value.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let text = self.text();
        Sources::new(self.state(), self.path.clone(), &text)
    }

    /// Changes the configuration, first in the file and then in memory; on an error, neither changes.
    ///
    /// Changes of all processes are serialized. Edits of the file by others in the meantime and comments are kept.
    /// The method waits for the disk and must not be called from an asynchronous task.
    ///
    /// # Errors
    /// Those of `change`, and [`StoreError`] if the file cannot be read or written.
    pub fn update<E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Draft) -> Result<(), E>,
    ) -> Result<Arc<State>, E> {
        let mut overrides = self.overrides.lock();
        let directory = Directory::lock(&self.path)?;
        let found = disk::read(&self.path)?;
        let prepared = self.prepare(&found.text, &overrides, change)?;
        if prepared.text != found.text {
            directory.replace(&self.path, &prepared.text, &found)?;
        }
        Ok(self.complete(prepared, &mut overrides))
    }

    /// Like [`update`](Self::update), in a process that cannot write the file: `replace` receives the old and the new
    /// text and saves it.
    ///
    /// # Errors
    /// Those of `change` and of `replace`, and [`StoreError`].
    pub fn update_through<E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Draft) -> Result<(), E>,
        replace: impl FnOnce(&str, &str) -> Result<(), E>,
    ) -> Result<Arc<State>, E> {
        let mut overrides = self.overrides.lock();
        let found = self.text();
        let prepared = self.prepare(&found, &overrides, change)?;
        if prepared.text != found {
            replace(&found, &prepared.text)?;
        }
        Ok(self.complete(prepared, &mut overrides))
    }

    /// Validates a change, and returns its effect on the file without saving it.
    ///
    /// # Errors
    /// Those of `change`, and [`StoreError`] if the result is invalid.
    pub fn preview<E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Draft) -> Result<(), E>,
    ) -> Result<FileTexts, E> {
        let overrides = self.overrides.lock();
        let before = self.text();
        let after = self.prepare(&before, &overrides, change)?.text;
        Ok(FileTexts { before, after })
    }

    /// Validates a change without saving it.
    fn prepare<E: From<StoreError>>(
        &self,
        found: &str,
        overrides: &Overrides,
        change: impl FnOnce(&mut Draft) -> Result<(), E>,
    ) -> Result<Prepared, E> {
        let before = state(&self.path, found, overrides)?.draft();
        let mut after = before.clone();
        change(&mut after)?;
        let text = file::edit(found, &before, &after).ok_or_else(|| self.not_representable())?;
        let overrides = overrides.beside(&before.config, &after.config);
        // The new text is saved only if it parses to the requested configuration.
        let state = state(&self.path, &text, &overrides)?;
        if !after.is(&state) {
            return Err(self.not_representable().into());
        }
        Ok(Prepared { text, state, overrides })
    }

    /// Applies a change that has been saved.
    fn complete(&self, prepared: Prepared, overrides: &mut Overrides) -> Arc<State> {
        *overrides = prepared.overrides;
        self.remember(prepared.text);
        self.publish(prepared.state)
    }

    fn not_representable(&self) -> StoreError {
        StoreError::NotRepresentable { path: self.path.clone() }
    }

    /// Replaces the text of the file on behalf of another process, if it is still `before`.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the text differs from `before`; [`StoreError::Setting`] or [`StoreError::FileOnly`]
    /// if the change is not permitted to clients; any other [`StoreError`] if a file cannot be read or written.
    pub fn replace(&self, before: &str, after: &str) -> Result<Arc<State>, StoreError> {
        let mut overrides = self.overrides.lock();
        let directory = Directory::lock(&self.path)?;
        let found = disk::read(&self.path)?;
        if found.text != before {
            return Err(StoreError::Changed { path: self.path.clone() });
        }
        let none = Overrides::default();
        let (old, new) = (state(&self.path, before, &none)?, state(&self.path, after, &none)?);
        for setting in old.config.differences(&new.config) {
            if overrides.policies.of_setting(setting).is_some() {
                return Err(StoreError::Setting(setting.error(Reason::GovernedByPolicy)));
            }
        }
        let mut changed = old.config.differences(&new.config);
        let protected = changed
            .find(|setting| setting.mutability() != Mutability::Writable)
            .map(|setting| setting.path().to_owned());
        let others =
            (old.preset != new.preset || old.groups != new.groups).then(|| "Preset or Groups".to_owned());
        let run_as = (!new.plugins.run_as_before(&old.plugins)).then(|| "RunAsUser".to_owned());
        if let Some(name) = protected.or(others).or(run_as) {
            return Err(StoreError::FileOnly { name });
        }
        let stored = overrides.beside(&old.config, &new.config);
        let state = state(&self.path, after, &stored)?;
        directory.replace(&self.path, after, &found)?;
        Ok(self.complete(Prepared { text: after.to_owned(), state, overrides: stored }, &mut overrides))
    }

    /// Replaces the text in memory by one that another process has saved.
    ///
    /// # Errors
    /// [`StoreError`] if the text is invalid; the configuration does not change.
    pub fn adopt(&self, text: &str) -> Result<Arc<State>, StoreError> {
        let overrides = self.overrides.lock();
        let state = state(&self.path, text, &overrides)?;
        self.remember(text.to_owned());
        Ok(self.publish(state))
    }

    /// Returns the text of the file when it was last read or written.
    #[must_use]
    pub fn text(&self) -> String {
        self.text.lock().clone()
    }

    fn remember(&self, text: String) {
        *self.text.lock() = text;
    }

    /// Changes the preset, first in the file and then in memory; on an error, neither changes.
    ///
    /// Settings in the file keep their values. Other processes see the change after [`reload`](Self::reload).
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read or written, or contains a value that only the old preset allows,
    /// such as one of a read-only setting.
    pub fn set_preset(&self, preset: Preset) -> Result<Arc<State>, StoreError> {
        let overrides = self.overrides.lock();
        let directory = Directory::lock(&self.path)?;
        let found = disk::read(&self.path)?;
        // Errors in the old text are reported with their line before the text is edited.
        state(&self.path, &found.text, &overrides)?;
        let text = file::edit_preset(&found.text, preset).ok_or_else(|| self.not_representable())?;
        let state = state(&self.path, &text, &overrides)?;
        if state.preset != preset {
            return Err(self.not_representable());
        }
        if text != found.text {
            directory.replace(&self.path, &text, &found)?;
        }
        self.remember(text);
        Ok(self.publish(state))
    }

    /// PolicyKind the file and the policies again, as after `SIGHUP`.
    ///
    /// # Errors
    /// [`StoreError`] if one of them is invalid; the configuration does not change.
    pub fn reload(&self) -> Result<Arc<State>, StoreError> {
        let mut overrides = self.overrides.lock();
        let next = self.with_policies_of_folder(&overrides)?;
        let text = disk::read(&self.path)?.text;
        let state = state(&self.path, &text, &next)?;
        *overrides = next;
        self.remember(text);
        Ok(self.publish(state))
    }

    /// PolicyKind only the policies again.
    ///
    /// # Errors
    /// [`StoreError`] if they are invalid; the old policies remain in force.
    pub fn reload_policies(&self) -> Result<Arc<State>, StoreError> {
        let mut overrides = self.overrides.lock();
        let next = self.with_policies_of_folder(&overrides)?;
        self.enforce(&mut overrides, next)
    }

    /// Applies policies that another process has read: [`Policies::of_text`].
    ///
    /// # Errors
    /// [`StoreError`] if the settings cannot be combined with these policies; the old policies remain in force.
    pub fn adopt_policies(&self, policies: Policies) -> Result<Arc<State>, StoreError> {
        let mut overrides = self.overrides.lock();
        let next = Overrides { policies: Arc::new(policies), ..overrides.clone() };
        self.enforce(&mut overrides, next)
    }

    fn enforce(&self, overrides: &mut Overrides, next: Overrides) -> Result<Arc<State>, StoreError> {
        let state = state(&self.path, &self.text(), &next)?;
        *overrides = next;
        Ok(self.publish(state))
    }

    fn with_policies_of_folder(&self, overrides: &Overrides) -> Result<Overrides, StoreError> {
        let mut next = overrides.clone();
        if let PoliciesFrom::Folder(folder) = &self.policies {
            next.policies = Arc::new(Policies::of_folder(folder)?);
        }
        Ok(next)
    }

    fn publish(&self, state: State) -> Arc<State> {
        let state = Arc::new(state);
        self.state.send_if_modified(|current| {
            let modified = **current != *state;
            if modified {
                *current = Arc::clone(&state);
            }
            modified
        });
        state
    }
}

/// Combines the text of the file with the overrides.
fn state(path: &Path, text: &str, overrides: &Overrides) -> Result<State, StoreError> {
    let (preset, mut draft) = file::read(text, &overrides.policies).map_err(|mistake| {
        StoreError::Content { path: path.to_owned(), line: mistake.line, error: mistake.error }
    })?;
    // A later policy must not prevent the service from starting with its command-line options.
    for (setting, value) in &overrides.settings {
        if draft.config.source(setting) != Source::Policy {
            draft.config.assign(setting, value)?;
        }
    }
    Ok(State::of(preset, draft, overrides))
}

impl State {
    fn of(preset: Preset, draft: Draft, overrides: &Overrides) -> Self {
        let (machine_sid, policies) = (overrides.machine_sid, Arc::clone(&overrides.policies));
        let Draft { config, listeners, plugins, groups } = draft;
        let access = Access::new(&plugins, SecurityDefaults { root: &config.service.root_sddl, machine_sid });
        let groups = Arc::new(groups);
        let (config, membership) = (Arc::new(config), overrides.membership);
        Self { preset, config, listeners, plugins, access, groups, membership, machine_sid, policies }
    }

    /// Returns a modifiable copy.
    fn draft(&self) -> Draft {
        Draft {
            config: Config::clone(&self.config),
            listeners: self.listeners.clone(),
            plugins: self.plugins.clone(),
            groups: Groups::clone(&self.groups),
        }
    }

    /// Returns the values that the default security entries of plug-ins depend on.
    #[must_use]
    pub fn security_defaults(&self) -> SecurityDefaults<'_> {
        SecurityDefaults { root: &self.config.service.root_sddl, machine_sid: self.machine_sid }
    }
}

impl Default for State {
    /// Returns the state for an empty file, on a machine without a SID.
    fn default() -> Self {
        Self::of(Preset::default(), Draft::default(), &Overrides::default())
    }
}

impl Config {
    /// Combines several files: settings of later files win, missing files are ignored, and policies override all of
    /// them.
    ///
    /// Clients read the machine's file and then the user's in this way. No file is kept open.
    ///
    /// # Errors
    /// [`StoreError`] with the file, the line and a hint.
    pub fn of_files<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        policies: &Policies,
    ) -> Result<Self, StoreError> {
        let mut all = Self::default();
        for path in paths {
            let path = path.as_ref();
            let one = state(path, &disk::read(path)?.text, &Overrides::default())?.config;
            for setting in Setting::all() {
                if one.source(setting) != Source::Default && setting.mutability() == Mutability::Writable {
                    all.assign(setting, &setting.show(&one))?;
                    all.mark_local(setting);
                }
            }
        }
        policies.apply_to(&mut all)?;
        Ok(all)
    }
}

impl Draft {
    /// Returns whether a state has the same settings, plug-ins and listeners. Origins and order are not compared.
    fn is(&self, state: &State) -> bool {
        self.config.differences(&state.config).next().is_none()
            && self.plugins == state.plugins
            && self.listeners.len() == state.listeners.len()
            && self.listeners.iter().all(|listener| state.listeners.find(listener.key()) == Some(listener))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}
