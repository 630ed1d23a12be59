//! Successive engines, which are replaced when classes change, and the state that they share.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cim::Namespace;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::engine::Inner;
use crate::event::Timers;
use crate::{BoxFuture, Engine, Limits};

/// State that an engine passes on to its successor.
pub(crate) struct Lineage {
    /// Current engine; the owner of the engine keeps it alive.
    newest: watch::Sender<Weak<Inner>>,
    /// Notified when descriptors may have changed.
    rights: watch::Sender<()>,
    timers: Mutex<HashMap<Namespace, Arc<Timers>>>,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) subscriptions: Arc<Semaphore>,
    /// Background task that replaces the engine; it runs while there are subscriptions.
    lookout: Mutex<Weak<Lookout>>,
}

/// Background task that builds a new engine when necessary. It is started for the first subscription and
/// dropped with the last.
pub type Watchman = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A running background task.
pub(crate) struct Lookout(#[allow(dead_code, reason = "it ends when it is dropped")] JoinSet<()>);

impl Lineage {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            newest: watch::Sender::new(Weak::new()),
            rights: watch::Sender::new(()),
            timers: Mutex::default(),
            calls: Arc::new(Semaphore::new(limits.calls)),
            subscriptions: Arc::new(Semaphore::new(limits.subscriptions)),
            lookout: Mutex::default(),
        })
    }

    /// Returns the timers of a namespace, which continue from earlier engines.
    pub(crate) fn timers(&self, namespace: &Namespace) -> Arc<Timers> {
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Timers::new(namespace.clone()));
        Arc::clone(timers.entry(namespace.clone()).or_insert_with(new))
    }

    /// Makes this engine the current one.
    pub(crate) fn succeed(&self, engine: &Arc<Inner>) {
        self.newest.send_replace(Arc::downgrade(engine));
    }

    /// Requests that access of all subscribers is checked again.
    pub(crate) fn judge_again(&self) {
        self.rights.send_replace(());
    }

    /// Returns a receiver that is notified when descriptors may have changed.
    pub(crate) fn rights(&self) -> watch::Receiver<()> {
        self.rights.subscribe()
    }

    /// Runs the background task as long as the returned value is held.
    pub(crate) fn look_out(&self, watchman: &Watchman) -> Arc<Lookout> {
        let mut lookout = self.lookout.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(working) = lookout.upgrade() {
            return working;
        }
        let mut work = JoinSet::new();
        work.spawn(watchman());
        let working = Arc::new(Lookout(work));
        *lookout = Arc::downgrade(&working);
        working
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lineage").finish_non_exhaustive()
    }
}

/// Notifications about engines that replace an engine.
pub(crate) struct Successors {
    newest: watch::Receiver<Weak<Inner>>,
}

impl Successors {
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut newest = engine.inner.lineage.newest.subscribe();
        let is_newest = std::ptr::eq(newest.borrow().as_ptr(), Arc::as_ptr(&engine.inner));
        if !is_newest {
            newest.mark_changed();
        }
        Self { newest }
    }

    /// Waits for the current engine to be replaced; intermediate ones are skipped. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Engine {
        loop {
            if self.newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            // An engine that is already gone has been replaced again, or there is none.
            let newest = self.newest.borrow_and_update().upgrade();
            if let Some(inner) = newest {
                return Engine { inner };
            }
        }
    }
}
