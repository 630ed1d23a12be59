//! WMI engine that follows the changes of the repository.

use std::sync::{Arc, OnceLock, Weak};

use cim::{Name, Namespace};
use locks::Mutex;
use tracing::{info, warn};
use wmi::{Engine, EngineBuilder, Provider, Refresher};

use crate::provider::{Children, Instances};
use crate::{Contents, Repository};

/// Builds an engine from constant parts and the current repository. Cheap to clone.
#[derive(Clone)]
pub struct ReloadingEngine(Arc<Inner>);

struct Inner {
    repository: Arc<Repository>,
    builder: Box<dyn Fn() -> EngineBuilder + Send + Sync>,
    current: Mutex<(Arc<Contents>, Engine)>,
    refresher: Refresher,
}

impl ReloadingEngine {
    /// Creates an engine from the builder that `builder` returns and the repository.
    ///
    /// # Errors
    /// Errors of [`EngineBuilder::build`].
    pub fn new(
        repository: Arc<Repository>,
        builder: impl Fn() -> EngineBuilder + Send + Sync + 'static,
    ) -> Result<Self, wmi::Error> {
        let contents = repository.contents();
        let inner = Arc::new(OnceLock::new());
        let refresher = refresher(&repository, &inner);
        let engine = build(&repository, &contents, builder().refresher(Arc::clone(&refresher)))?;
        let current = Mutex::new((contents, engine));
        let new = Arc::new(Inner { repository, builder: Box::new(builder), current, refresher });
        // Set only once, so this cannot fail.
        let _ = inner.set(Arc::downgrade(&new));
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

impl Inner {
    fn engine(&self) -> Engine {
        if let Err(error) = self.repository.refresh() {
            warn!(%error, "Cannot read the repository; continuing with the previous contents");
        }
        let mut current = self.current.lock();
        let contents = self.repository.contents();
        if !Arc::ptr_eq(&current.0, &contents) {
            // Only new classes and namespaces require a new engine; instances are read directly from the
            // repository.
            let is_same = is_same_schema(&current.0, &contents);
            if is_same {
                current.0 = contents;
                // Security descriptors may have changed.
                current.1.recheck_access();
                return current.1.clone();
            }
            let builder = (self.builder)().refresher(Arc::clone(&self.refresher)).successor_of(&current.1);
            match build(&self.repository, &contents, builder) {
                Ok(engine) => {
                    info!("Repository classes changed");
                    *current = (contents, engine);
                    current.1.recheck_access();
                }
                Err(error) => {
                    warn!(%error, "Repository is inconsistent; continuing with the previous contents");
                }
            }
        }
        current.1.clone()
    }
}

/// Returns the task that builds a new engine as soon as the repository changes.
fn refresher(repository: &Arc<Repository>, inner: &Arc<OnceLock<Weak<Inner>>>) -> Refresher {
    let (repository, inner) = (Arc::clone(repository), Arc::clone(inner));
    Arc::new(move || {
        let (mut changes, inner) = (repository.changes(), Arc::clone(&inner));
        Box::pin(async move {
            loop {
                if let Some(inner) = inner.get().and_then(Weak::upgrade) {
                    // Reading may block on the disk.
                    let made = tokio::task::spawn_blocking(move || inner.engine()).await;
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
        let classes = names
            .iter()
            .filter_map(|name| stored.schema().class(name.as_str()))
            .filter(|class| stored.keeps(class))
            .map(|class| class.name().clone())
            .filter(|class| !builder.serves(namespace, class))
            .collect();
        let repository = repository.clone();
        let instances = Instances { repository, namespace: namespace.clone(), classes };
        builder = builder.provider(Arc::new(instances));
    }
    for parent in &namespaces {
        let (repository, parent, others) = (repository.clone(), parent.clone(), namespaces.clone());
        let others = others.into_iter().filter(|child| contents.namespace(child).is_err()).collect();
        let children: Arc<dyn Provider> = Arc::new(Children { repository, parent, others });
        builder = builder.provider(children);
    }
    builder.descriptors(repository.clone()).build()
}
