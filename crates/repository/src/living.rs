//! WMI engine that follows the changes of the repository.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use cim::{Class, Name, Namespace};
use tracing::{info, warn};
use wmi::{Engine, EngineBuilder, Provider, Watchman};

use crate::provider::{Children, Instances};
use crate::{Contents, Repository};

/// Builds an engine from constant parts and the current repository. Cheap to clone.
#[derive(Clone)]
pub struct LivingEngine(Arc<Living>);

struct Living {
    repository: Arc<Repository>,
    begin: Box<dyn Fn() -> EngineBuilder + Send + Sync>,
    current: Mutex<(Arc<Contents>, Engine)>,
    watchman: Watchman,
}

impl LivingEngine {
    /// Creates an engine from the builder that `begin` returns and the repository.
    ///
    /// # Errors
    /// Errors of [`EngineBuilder::build`].
    pub fn new(
        repository: Arc<Repository>,
        begin: impl Fn() -> EngineBuilder + Send + Sync + 'static,
    ) -> Result<Self, wmi::Error> {
        let contents = repository.contents();
        let living = Arc::new(OnceLock::new());
        let watchman = watchman(&repository, &living);
        let builder = begin().watchman(Arc::clone(&watchman));
        let engine = build(&repository, &contents, builder)?;
        let current = Mutex::new((contents, engine));
        let new = Arc::new(Living { repository, begin: Box::new(begin), current, watchman });
        // Set only once, so this cannot fail.
        let _ = living.set(Arc::downgrade(&new));
        Ok(Self(new))
    }

    /// Returns the current engine, after checking with one system call whether the repository file has
    /// changed.
    ///
    /// A repository that cannot be read leaves the engine unchanged and is logged. Subscriptions of the
    /// previous engine continue with the new one.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.0.engine()
    }

    /// Returns the repository.
    #[must_use]
    pub fn repository(&self) -> &Arc<Repository> {
        &self.0.repository
    }
}

impl Living {
    fn engine(&self) -> Engine {
        if let Err(error) = self.repository.refresh() {
            warn!(%error, "The repository is wrong: what was read before stays");
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = self.repository.contents();
        if !Arc::ptr_eq(&current.0, &contents) {
            // Only new classes and namespaces require a new engine; instances are read directly from the
            // repository.
            let is_same = is_same_schema(&current.0, &contents);
            let begin = || (self.begin)().watchman(Arc::clone(&self.watchman)).succeeding(&current.1);
            match (!is_same).then(|| build(&self.repository, &contents, begin())) {
                None => {
                    current.0 = contents;
                    // Security descriptors may have changed.
                    current.1.judge_again();
                }
                Some(Ok(engine)) => {
                    info!("Classes of the repository have changed");
                    *current = (contents, engine);
                    current.1.judge_again();
                }
                Some(Err(error)) => warn!(%error, "The repository does not fit: what was read before stays"),
            }
        }
        current.1.clone()
    }
}

/// Returns the task that builds a new engine as soon as the repository changes.
fn watchman(repository: &Arc<Repository>, living: &Arc<OnceLock<Weak<Living>>>) -> Watchman {
    let (repository, living) = (Arc::clone(repository), Arc::clone(living));
    Arc::new(move || {
        let (mut changes, living) = (repository.changes(), Arc::clone(&living));
        Box::pin(async move {
            loop {
                if let Some(living) = living.get().and_then(Weak::upgrade) {
                    // Reading may block on the disk.
                    let made = tokio::task::spawn_blocking(move || living.engine()).await;
                    if made.is_err() {
                        return;
                    }
                }
                changes.next().await;
            }
        })
    })
}

fn is_same_schema(before: &Contents, after: &Contents) -> bool {
    let mut pairs = before.namespaces().zip(after.namespaces());
    before.namespaces().count() == after.namespaces().count()
        && pairs.all(|(left, right)| left.0 == right.0 && left.1.declarations() == right.1.declarations())
}

fn build(
    repository: &Arc<Repository>,
    contents: &Contents,
    mut builder: EngineBuilder,
) -> Result<Engine, wmi::Error> {
    for (namespace, stored) in contents.namespaces() {
        builder = builder.declare(namespace, stored.declarations())?;
    }
    let namespaces: Vec<Namespace> = builder.namespaces().cloned().collect();
    for (namespace, stored) in contents.namespaces() {
        let names: Vec<Name> = stored.schema().names().map(|(name, _)| name.clone()).collect();
        let is_kept = |class: &Arc<Class>| stored.keeps(class);
        let kept = names.iter().filter_map(|name| stored.schema().class(name.as_str())).filter(is_kept);
        let classes = kept
            .map(|class| class.name().clone())
            .filter(|class| !builder.serves(namespace, class))
            .collect();
        let repository = repository.clone();
        let instances = Instances { repository, namespace: namespace.clone(), classes };
        builder = builder.provider(Arc::new(instances));
    }
    for parent in &namespaces {
        let (repository, parent, others) = (repository.clone(), parent.clone(), namespaces.clone());
        let stays = |child: &Namespace| contents.namespace(child).is_err();
        let others = others.into_iter().filter(stays).collect();
        let children: Arc<dyn Provider> = Arc::new(Children { repository, parent, others });
        builder = builder.provider(children);
    }
    builder.descriptors(repository.clone()).build()
}
