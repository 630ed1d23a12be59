//! Engines that follow one another, as classes are added: what outlives each of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cim::Namespace;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::engine::Inner;
use crate::event::Timers;
use crate::{BoxFuture, Engine, Limits};

/// What an engine hands on to its successor.
pub(crate) struct Lineage {
    /// The newest; whoever makes engines keeps it.
    newest: watch::Sender<Weak<Inner>>,
    /// Told when descriptors may be others.
    rights: watch::Sender<()>,
    timers: Mutex<HashMap<Namespace, Arc<Timers>>>,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) subscriptions: Arc<Semaphore>,
    /// What looks for reasons to make another engine, as long as somebody is subscribed.
    lookout: Mutex<Weak<Lookout>>,
}

/// Watches for what makes another engine necessary, and makes it; begun for the first who subscribes, and dropped with
/// the last.
pub type Watchman = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A watchman at work.
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

    /// The timers of a namespace, those that an engine before this had.
    pub(crate) fn timers(&self, namespace: &Namespace) -> Arc<Timers> {
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Timers::new(namespace.clone()));
        Arc::clone(timers.entry(namespace.clone()).or_insert_with(new))
    }

    /// From now on this engine is the newest.
    pub(crate) fn succeed(&self, engine: &Arc<Inner>) {
        self.newest.send_replace(Arc::downgrade(engine));
    }

    /// Has everybody judged again who is subscribed.
    pub(crate) fn judge_again(&self) {
        self.rights.send_replace(());
    }

    /// Hears when descriptors may be others than at this moment.
    pub(crate) fn rights(&self) -> watch::Receiver<()> {
        self.rights.subscribe()
    }

    /// Has the watchman work as long as what this gives is held.
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

/// The engines that follow one.
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

    /// Waits for the next one; those in between are left out. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Engine {
        loop {
            if self.newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            // One that is gone already has been followed by another, or by none.
            let newest = self.newest.borrow_and_update().upgrade();
            if let Some(inner) = newest {
                return Engine { inner };
            }
        }
    }
}
