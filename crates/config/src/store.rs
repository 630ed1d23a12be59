//! The configuration where it lives: one file, a snapshot in memory, one change at a time.

pub(crate) mod disk;
mod error;
mod sources;
mod whole_file;

pub use error::StoreError;
pub use sources::{Sources, Written};
pub use whole_file::{FileState, WholeFile};

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sddl::DomainSid;
use tokio::sync::watch;

use self::disk::Directory;
use crate::{
    Access, Config, Groups, Listeners, Mutability, Plugins, Policies, Preset, Reason, Setting, SettingError,
    Source, Surroundings, file,
};

/// Everything that is configured at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// Which defaults hold for what the file does not name.
    pub preset: Preset,
    /// The settings.
    pub config: Arc<Config>,
    /// The listeners of the file; those that policy or compatibility add are not among them.
    pub listeners: Listeners,
    /// The plug-ins.
    pub plugins: Plugins,
    /// Which security descriptor decides about which resource.
    pub access: Access,
    /// Which groups of the machine are groups of Windows; it is set in the file only.
    pub groups: Arc<Groups>,
    /// The SID of the machine, if it is known; default entries of plug-ins name groups below it.
    pub machine: Option<DomainSid>,
    /// What policy demands; the settings have it already.
    pub policies: Arc<Policies>,
}

/// What a change may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The settings.
    pub config: Config,
    /// The listeners.
    pub listeners: Listeners,
    /// The plug-ins.
    pub plugins: Plugins,
    /// Which groups of the machine are groups of Windows; a change of them is not kept.
    pub(crate) groups: Groups,
}

/// Keeps the configuration in one TOML file and tells whoever asks about changes.
///
/// What policy demands in the folder `policy.d` beside the file wins over it.
/// Reading never waits for the disk. A file that does not exist yet is an empty one.
/// At any moment, also when the process is killed, the file is either the old or the new one.
pub struct Store {
    path: PathBuf,
    policies: PoliciesFrom,
    /// Whoever holds them is the only one to change the state.
    overrides: Mutex<Overrides>,
    state: watch::Sender<Arc<State>>,
    /// What the file was when it was last read or written.
    text: Mutex<String>,
}

/// Where policies come from.
#[derive(Debug, PartialEq, Eq)]
enum PoliciesFrom {
    Folder(PathBuf),
    /// Another process, which reads the files.
    AnotherProcess,
}

/// What holds for this process and is not in the file.
#[derive(Clone, Default)]
struct Overrides {
    settings: Vec<(&'static Setting, String)>,
    machine: Option<DomainSid>,
    /// Those that were read last and understood.
    policies: Arc<Policies>,
}

impl Overrides {
    /// Those that hold on after a change: what somebody changes has the value of the file from then on.
    fn beside(&self, before: &Config, after: &Config) -> Self {
        let mut kept = self.clone();
        kept.settings.retain(|(setting, _)| setting.show(before) == setting.show(after));
        kept
    }
}

/// A change that was judged.
struct Prepared {
    text: String,
    state: State,
    overrides: Overrides,
}

impl Store {
    /// Reads the file, or begins with the defaults if there is none; its directory must exist.
    ///
    /// # Errors
    /// [`StoreError`] names the file, the line and what to do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with::<&str>(path, &[])
    }

    /// Opens with values that hold for this process only, as `--set NAME=VALUE` gives them.
    ///
    /// They win over the file, and are not written to it until somebody changes them.
    ///
    /// # Errors
    /// As for [`Store::open`], and [`StoreError::Setting`] for a name or value that cannot be.
    pub fn open_with<T: AsRef<str>>(
        path: impl AsRef<Path>,
        overrides: &[(T, T)],
    ) -> Result<Self, StoreError> {
        let path = disk::resolve(path.as_ref())?;
        let folder = Policies::folder_beside(&path);
        let policies = Policies::of_folder(&folder)?;
        Self::new(path, PoliciesFrom::Folder(folder), policies, overrides)
    }

    /// The same in a process that gets policies from another one, by [`Store::adopt_policies`]; these are the first.
    ///
    /// # Errors
    /// As for [`Store::open_with`].
    pub fn open_governed<T: AsRef<str>>(
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
        let overrides = Overrides { settings: overrides, machine: None, policies: Arc::new(policies) };
        let text = disk::read(&path)?.text;
        let state = state(&path, &text, &overrides)?;
        let (overrides, text) = (Mutex::new(overrides), Mutex::new(text));
        Ok(Self { path, policies: from, overrides, state: watch::Sender::new(Arc::new(state)), text })
    }

    /// Tells the SID of the machine, below which default entries of plug-ins name groups.
    pub fn set_machine(&self, machine: DomainSid) {
        let mut overrides = self.lock();
        overrides.machine = Some(machine);
        let now = self.state();
        self.publish(State::of(now.preset, now.draft(), &overrides));
    }

    /// The settings as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Config> {
        Arc::clone(&self.state.borrow().config)
    }

    /// Everything as it is now.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// The listeners as they are now.
    #[must_use]
    pub fn listeners(&self) -> Listeners {
        self.state.borrow().listeners.clone()
    }

    /// Sees every later state; of several in quick succession perhaps only the last.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder in which policies are; none if another process reads them.
    #[must_use]
    pub fn policy_folder(&self) -> Option<&Path> {
        match &self.policies {
            PoliciesFrom::Folder(folder) => Some(folder),
            PoliciesFrom::AnotherProcess => None,
        }
    }

    /// Who decided on each value at this moment, and where it is written.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let text = self.text();
        Sources::new(self.state(), self.path.clone(), &text)
    }

    /// Changes the configuration: in the file first, then in memory, both or neither.
    ///
    /// Changes happen one after the other, also those of other processes. What somebody wrote into the file in
    /// the meantime is kept, and so are comments. Waits for the disk, so not for the thread of a reactor.
    ///
    /// # Errors
    /// Those of the change itself, and [`StoreError`] if the file cannot be read or written.
    pub fn update<E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Draft) -> Result<(), E>,
    ) -> Result<Arc<State>, E> {
        let mut overrides = self.lock();
        let directory = Directory::lock(&self.path)?;
        let found = disk::read(&self.path)?;
        let prepared = self.prepare(&found.text, &overrides, change)?;
        if prepared.text != found.text {
            directory.replace(&self.path, &prepared.text, &found)?;
        }
        Ok(self.complete(prepared, &mut overrides))
    }

    /// As [`update`](Self::update), where another process keeps the file: `replace` gets the text it had and the one it
    /// is to have.
    ///
    /// # Errors
    /// Those of the change and of `replace`, and [`StoreError`].
    pub fn update_through<E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Draft) -> Result<(), E>,
        replace: impl FnOnce(&str, &str) -> Result<(), E>,
    ) -> Result<Arc<State>, E> {
        let mut overrides = self.lock();
        let found = self.text();
        let prepared = self.prepare(&found, &overrides, change)?;
        if prepared.text != found {
            replace(&found, &prepared.text)?;
        }
        Ok(self.complete(prepared, &mut overrides))
    }

    /// Judges a change of a text without making it.
    fn prepare<E: From<StoreError>>(
        &self,
        found: &str,
        overrides: &Overrides,
        change: impl FnOnce(&mut Draft) -> Result<(), E>,
    ) -> Result<Prepared, E> {
        let before = state(&self.path, found, overrides)?.draft();
        let mut after = before.clone();
        change(&mut after)?;
        let text = file::edit(found, &before, &after).ok_or_else(|| self.no_place())?;
        let overrides = overrides.beside(&before.config, &after.config);
        // The file is the truth, so it must say what was asked for before it may replace the old one.
        let state = state(&self.path, &text, &overrides)?;
        if !after.is(&state) {
            return Err(self.no_place().into());
        }
        Ok(Prepared { text, state, overrides })
    }

    /// Takes over what the file has become.
    fn complete(&self, prepared: Prepared, overrides: &mut Overrides) -> Arc<State> {
        *overrides = prepared.overrides;
        self.remember(prepared.text);
        self.publish(prepared.state)
    }

    fn no_place(&self) -> StoreError {
        StoreError::NoPlace { path: self.path.clone() }
    }

    /// Replaces the text of the file by another one, if it is still the one that the change was made to.
    ///
    /// # Errors
    /// [`StoreError`]; also [`StoreError::Changed`].
    pub fn replace(&self, before: &str, after: &str) -> Result<Arc<State>, StoreError> {
        let mut overrides = self.lock();
        let directory = Directory::lock(&self.path)?;
        let found = disk::read(&self.path)?;
        if found.text != before {
            return Err(StoreError::Changed { path: self.path.clone() });
        }
        let none = Overrides::default();
        let (old, new) = (state(&self.path, before, &none)?, state(&self.path, after, &none)?);
        let is_governed = |setting: &&Setting| overrides.policies.of_setting(setting).is_some();
        if let Some(setting) = old.config.differences(&new.config).find(is_governed) {
            return Err(StoreError::Setting(setting.error(Reason::GovernedByPolicy)));
        }
        let is_forbidden = |setting: &&Setting| setting.mutability() != Mutability::Writable;
        let forbidden =
            old.config.differences(&new.config).find(is_forbidden).map(|setting| setting.path().to_owned());
        let others =
            (old.preset != new.preset || old.groups != new.groups).then(|| "Preset or Groups".to_owned());
        if let Some(name) = forbidden.or(others) {
            return Err(StoreError::NotByMessage { name });
        }
        let kept = overrides.beside(&old.config, &new.config);
        let state = state(&self.path, after, &kept)?;
        directory.replace(&self.path, after, &found)?;
        Ok(self.complete(Prepared { text: after.to_owned(), state, overrides: kept }, &mut overrides))
    }

    /// Takes a text for what is in the file: another process that keeps it says so.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong in it; everything then stays as it was.
    pub fn adopt(&self, text: &str) -> Result<Arc<State>, StoreError> {
        let overrides = self.lock();
        let state = state(&self.path, text, &overrides)?;
        self.remember(text.to_owned());
        Ok(self.publish(state))
    }

    /// The text of the file when it was last read or written.
    #[must_use]
    pub fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, text: String) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Changes which defaults hold for what the file does not name: in the file first, then in memory, both or
    /// neither.
    ///
    /// What the file names keeps its value. A process that has the file open notices when it reads it again.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read or written, or names a value that only the old preset allows,
    /// such as one of a setting that is read-only.
    pub fn set_preset(&self, preset: Preset) -> Result<Arc<State>, StoreError> {
        let overrides = self.lock();
        let directory = Directory::lock(&self.path)?;
        let found = disk::read(&self.path)?;
        // Whatever is wrong with the file is told with its line before anything is made of it.
        state(&self.path, &found.text, &overrides)?;
        let text = file::edit_preset(&found.text, preset).ok_or_else(|| self.no_place())?;
        let state = state(&self.path, &text, &overrides)?;
        if state.preset != preset {
            return Err(self.no_place());
        }
        if text != found.text {
            directory.replace(&self.path, &text, &found)?;
        }
        self.remember(text);
        Ok(self.publish(state))
    }

    /// Reads the file and the policies again, as after `SIGHUP`.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong in them; everything then stays as it was.
    pub fn reload(&self) -> Result<Arc<State>, StoreError> {
        let mut overrides = self.lock();
        let next = self.with_policies_of_folder(&overrides)?;
        let text = disk::read(&self.path)?.text;
        let state = state(&self.path, &text, &next)?;
        *overrides = next;
        self.remember(text);
        Ok(self.publish(state))
    }

    /// Reads the policies again, and nothing else.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong in them; then those stay in force that were.
    pub fn reload_policies(&self) -> Result<Arc<State>, StoreError> {
        let mut overrides = self.lock();
        let next = self.with_policies_of_folder(&overrides)?;
        self.enforce(&mut overrides, next)
    }

    /// Takes over what another process has read: [`Policies::of_text`].
    ///
    /// # Errors
    /// [`StoreError`] if the settings cannot be under these policies; then those stay in force that were.
    pub fn adopt_policies(&self, policies: Policies) -> Result<Arc<State>, StoreError> {
        let mut overrides = self.lock();
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

    fn lock(&self) -> MutexGuard<'_, Overrides> {
        // A change that panicked has not touched what the lock guards.
        self.overrides.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the text of a file and the overrides amount to.
fn state(path: &Path, text: &str, overrides: &Overrides) -> Result<State, StoreError> {
    let (preset, mut draft) = file::read(text, &overrides.policies).map_err(|mistake| {
        StoreError::Content { path: path.to_owned(), line: mistake.line, error: mistake.error }
    })?;
    // A policy that came later must not keep the service from starting with the options it was given.
    let free = |(setting, _): &&(&'static Setting, String)| draft.config.source(setting) != Source::Policy;
    for (setting, value) in overrides.settings.iter().filter(free).collect::<Vec<_>>() {
        draft.config.assign(setting, value)?;
    }
    Ok(State::of(preset, draft, overrides))
}

impl State {
    fn of(preset: Preset, draft: Draft, overrides: &Overrides) -> Self {
        let (machine, policies) = (overrides.machine, Arc::clone(&overrides.policies));
        let Draft { config, listeners, plugins, groups } = draft;
        let access = Access::new(&plugins, Surroundings { root: &config.service.root_sddl, machine });
        let groups = Arc::new(groups);
        Self { preset, config: Arc::new(config), listeners, plugins, access, groups, machine, policies }
    }

    /// A copy to be changed.
    fn draft(&self) -> Draft {
        Draft {
            config: Config::clone(&self.config),
            listeners: self.listeners.clone(),
            plugins: self.plugins.clone(),
            groups: Groups::clone(&self.groups),
        }
    }

    /// What the default entries of plug-ins depend on.
    #[must_use]
    pub fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { root: &self.config.service.root_sddl, machine: self.machine }
    }
}

impl Default for State {
    /// That of an empty file, on a machine without a SID.
    fn default() -> Self {
        Self::of(Preset::default(), Draft::default(), &Overrides::default())
    }
}

impl Config {
    /// What several files amount to: a file that names a setting wins over those before it, one that is not there
    /// names none, and policies win over all of them.
    ///
    /// So clients read the settings of the machine, then those of their user. Nothing is kept open.
    ///
    /// # Errors
    /// [`StoreError`] names the file, the line and what to do.
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
                    all.named(setting);
                }
            }
        }
        policies.govern(&mut all)?;
        Ok(all)
    }
}

impl Draft {
    /// Whether a state has the same values and listeners; who decided and in which order does not count.
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
