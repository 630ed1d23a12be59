//! `RegistryKeyChangeEvent`, `RegistryTreeChangeEvent` and `RegistryValueChangeEvent`: events for changed
//! keys and values.
//!
//! Changes of the files behind the registry trigger a comparison (inotify(7)); where the kernel cannot
//! notify, keys are compared periodically. As on Windows, a query must name the keys it watches, and there
//! are no events for `HKEY_CURRENT_USER` and `HKEY_CLASSES_ROOT`.

mod state;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cim::{Class, Instance, Name, Namespace, Status, Value};
use readiness::FileChanges;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use wmi::{BoxFuture, EventSource, Happening, Provider, ProviderError, Scan, Sink, Watch};

use super::Code;
use super::key::Key;
use crate::Machine;
use state::{Fingerprints, Part};

/// Provider of the registry events.
pub(crate) struct RegistryEvents {
    machine: Arc<Machine>,
}

const KEY: &str = "RegistryKeyChangeEvent";
const TREE: &str = "RegistryTreeChangeEvent";
const VALUE: &str = "RegistryValueChangeEvent";

impl RegistryEvents {
    pub(crate) fn of(machine: &Arc<Machine>) -> Arc<dyn Provider> {
        Arc::new(Self { machine: Arc::clone(machine) })
    }
}

impl Provider for RegistryEvents {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        let namespaces = ["root/cimv2", "root/default"].into_iter();
        let pairs = namespaces.flat_map(|namespace| [KEY, TREE, VALUE].map(|class| (namespace, class)));
        pairs
            .filter_map(|(namespace, class)| Namespace::parse(namespace).ok().zip(Name::parse(class).ok()))
            .collect()
    }

    fn enumerate(&self, _scan: &Scan, _rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        // Past events are not kept.
        Err(ProviderError::NotCapable)
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        let names: &'static [&'static str] = match watch.class.name().as_str() {
            KEY => &["Hive", "KeyPath"],
            TREE => &["Hive", "RootPath"],
            VALUE => &["Hive", "KeyPath", "ValueName"],
            _ => return Ok(None),
        };
        let Some(pinned) = watch.pinned(names) else { return Err(too_broad(names)) };
        let fingerprints = Fingerprints::new(&self.machine);
        let subjects =
            pinned.into_iter().map(|values| Subject::read(names, values)).collect::<Result<Vec<_>, _>>()?;
        // Starts listening before the first comparison, so that no change is missed in between.
        let files = listen(&self.machine, &subjects);
        let seen = subjects.iter().map(|subject| subject.there(&fingerprints)).collect::<Result<_, _>>()?;
        Ok(Some(Box::new(KeyChanges {
            class: Arc::clone(watch.class),
            subjects: subjects.into(),
            fingerprints,
            files,
            seen,
            is_due: false,
            rested: Instant::now(),
            looking: None,
            ready: VecDeque::new(),
        })))
    }
}

/// Returns the error that Windows gives for queries that do not name a key.
fn too_broad(names: &[&str]) -> ProviderError {
    let open = names.join(" and ");
    ProviderError::failed(
        Status::RegistrationTooBroad,
        format!(
            "the query leaves open what to watch\n  add WHERE with one value each for {open}, joined by AND"
        ),
    )
}

/// A key, tree or value that is watched.
struct Subject {
    key: Key,
    part: Part,
    /// Properties of the events, with the values from the query.
    properties: Vec<(&'static str, Value)>,
}

impl Subject {
    fn read(names: &[&'static str], values: Vec<Value>) -> Result<Self, ProviderError> {
        let (hive, path) = (text_at(&values, 0), text_at(&values, 1));
        if !hive.eq_ignore_ascii_case("HKEY_LOCAL_MACHINE") {
            let problem = format!("events of {hive} are not supported\n  use HKEY_LOCAL_MACHINE");
            return Err(ProviderError::failed(Status::InvalidParameter, problem));
        }
        let key = Key::parse(0x8000_0002, path).ok_or_else(|| missing(path))?;
        let part = match names {
            [_, "RootPath"] => Part::Tree,
            [_, _] => Part::Key,
            _ => Part::Value(text_at(&values, 2).to_owned()),
        };
        Ok(Self { key, part, properties: names.iter().copied().zip(values).collect() })
    }

    /// Returns the current fingerprint of the subject.
    fn there(&self, fingerprints: &Fingerprints) -> Result<Option<u64>, ProviderError> {
        match fingerprints.of(&self.key, &self.part) {
            Ok(None) => Err(missing(&self.key.to_string())),
            Ok(fingerprint) => Ok(fingerprint),
            Err(Code::Denied) => {
                Err(ProviderError::failed(Status::AccessDenied, "the registry may not be read by this user"))
            }
            Err(_) => Err(ProviderError::failed(Status::Failed, "the registry cannot be read")),
        }
    }
}

fn text_at(values: &[Value], at: usize) -> &str {
    values.get(at).and_then(Value::as_str).unwrap_or_default()
}

fn missing(path: &str) -> ProviderError {
    ProviderError::failed(Status::NotFound, format!("key {path} not found in HKEY_LOCAL_MACHINE"))
}

/// Source of events for changed subjects.
struct KeyChanges {
    class: Arc<Class>,
    subjects: Arc<[Subject]>,
    fingerprints: Fingerprints,
    /// Notifications of file changes; `None` where the kernel cannot notify.
    files: Option<FileChanges>,
    seen: Vec<Option<u64>>,
    /// Whether a comparison is due after the rest.
    is_due: bool,
    /// Time before which no comparison starts.
    rested: Instant,
    looking: Option<JoinHandle<Looked>>,
    ready: VecDeque<Instance>,
}

/// Result of a comparison; `None` for subjects that could not be read.
struct Looked {
    files: Option<FileChanges>,
    found: Vec<Option<Option<u64>>>,
    took: Duration,
}

impl KeyChanges {
    /// Waits until a comparison is due.
    async fn wait(&mut self) {
        match &mut self.files {
            // The result does not matter: the removal of a folder calls for a comparison too.
            Some(files) => drop(files.next().await),
            None => tokio::time::sleep(INTERVAL).await,
        }
    }

    /// Starts a comparison on a thread where it may block.
    fn look(&self) -> JoinHandle<Looked> {
        let (subjects, fingerprints) = (Arc::clone(&self.subjects), self.fingerprints.clone());
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            // New folders may have appeared since the last call.
            let _within = runtime.enter();
            let files = listen(fingerprints.machine(), &subjects);
            let found =
                subjects.iter().map(|subject| fingerprints.of(&subject.key, &subject.part).ok()).collect();
            Looked { files, found, took: begun.elapsed() }
        })
    }

    fn compare(&mut self, looked: Looked) -> Result<(), ProviderError> {
        self.files = looked.files;
        self.rested = Instant::now() + (looked.took * REST_FOR_WORK).clamp(LEAST_REST, INTERVAL);
        for ((subject, seen), found) in self.subjects.iter().zip(&mut self.seen).zip(looked.found) {
            if let Some(found) = found
                && found != *seen
            {
                *seen = found;
                let event = subject.properties.iter().try_fold(
                    Instance::new(Arc::clone(&self.class)),
                    |event: Instance, (name, value): &(&str, Value)| event.with(name, value.clone()),
                )?;
                self.ready.push_back(event);
            }
        }
        Ok(())
    }
}

impl EventSource for KeyChanges {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                if let Some(event) = self.ready.pop_front() {
                    return Ok(Happening::Event(event));
                }
                if self.looking.is_none() {
                    if !self.is_due {
                        self.wait().await;
                        self.is_due = true;
                    }
                    // The rest limits the load of files that change continuously.
                    sleep_until(self.rested).await;
                    self.is_due = false;
                    self.looking = Some(self.look());
                }
                let Some(looking) = &mut self.looking else { continue };
                let looked = looking.await;
                self.looking = None;
                self.compare(looked.map_err(|_| {
                    ProviderError::failed(Status::ProviderFailure, "looking at the registry was given up")
                })?)?;
            }
        })
    }
}

/// Starts to listen to the files behind the subjects; `None` where the kernel cannot notify.
fn listen(machine: &Machine, subjects: &[Subject]) -> Option<FileChanges> {
    let mut places = Places::of(machine, subjects);
    for _ in 0..MOST_ROUNDS {
        let listening =
            FileChanges::of(&places.files).and_then(|files| files.and_all_in(places.folders.iter()));
        let listening = listening
            .inspect_err(|error| tracing::debug!(%error, "Cannot watch registry files; polling instead"));
        let listening = listening.ok()?;
        // Folders that were created before the kernel notified of them would never be listened to.
        let now = Places::of(machine, subjects);
        if now == places {
            return Some(listening);
        }
        places = now;
    }
    None
}

/// Paths whose changes concern the subjects.
#[derive(PartialEq, Eq)]
struct Places {
    /// Files, or their first missing ancestors.
    files: Vec<PathBuf>,
    /// Folders all of whose entries count.
    folders: Vec<PathBuf>,
}

impl Places {
    fn of(machine: &Machine, subjects: &[Subject]) -> Self {
        let mut sources: Vec<PathBuf> = subjects
            .iter()
            .flat_map(|subject| state::sources(machine, &subject.key, &subject.part))
            .collect();
        sources.sort();
        sources.dedup();
        let files = sources.iter().map(|path| nearest(path)).collect();
        sources.retain(|path| path.is_dir());
        Self { files, folders: sources }
    }
}

/// Returns the path itself or its first missing ancestor.
fn nearest(path: &std::path::Path) -> PathBuf {
    path.ancestors()
        .find(|path| path.parent().is_some_and(std::path::Path::is_dir))
        .unwrap_or(path)
        .to_owned()
}

/// Interval of comparisons where the kernel cannot notify.
const INTERVAL: Duration = Duration::from_secs(5);

/// How often folders are looked up again because new ones appeared meanwhile.
const MOST_ROUNDS: usize = 8;

/// Minimum rest after a comparison; and the rest as a multiple of the time the comparison took.
const LEAST_REST: Duration = Duration::from_millis(200);
const REST_FOR_WORK: u32 = 9;
