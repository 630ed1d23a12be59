//! Successive engines, which are replaced when classes change, and the state that they share.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use cim::Namespace;
use locks::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::engine::Inner;
use crate::event::Timers;
use crate::omission::OmissionLog;
use crate::{BoxFuture, Engine, Limits};

/// State that an engine passes on to its successor.
pub(crate) struct EngineGenerations {
    /// Current engine; the owner of the engine keeps it alive.
    newest: watch::Sender<Weak<Inner>>,
    /// Notified when descriptors may have changed.
    rights: watch::Sender<()>,
    timers: Mutex<HashMap<Namespace, Arc<Timers>>>,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) subscriptions: Arc<Semaphore>,
    pub(crate) omissions: Arc<OmissionLog>,
    /// Background task that replaces the engine; it runs while there are subscriptions.
    refresh_task: Mutex<Weak<RefreshTask>>,
}

/// Background task that builds a new engine when necessary. It is started for the first subscription and
/// dropped with the last.
pub type Refresher = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A running background task.
pub(crate) struct RefreshTask(#[allow(dead_code, reason = "it ends when it is dropped")] JoinSet<()>);

impl EngineGenerations {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            newest: watch::Sender::new(Weak::new()),
            rights: watch::Sender::new(()),
            timers: Mutex::default(),
            calls: Arc::new(Semaphore::new(limits.calls)),
            subscriptions: Arc::new(Semaphore::new(limits.subscriptions)),
            omissions: Arc::default(),
            refresh_task: Mutex::default(),
        })
    }

    /// Returns the timers of a namespace, which continue from earlier engines.
    pub(crate) fn timers(&self, namespace: &Namespace) -> Arc<Timers> {
        let mut timers = self.timers.lock();
        let entry = timers.entry(namespace.clone());
        Arc::clone(entry.or_insert_with(|| Arc::new(Timers::new(namespace.clone()))))
    }

    /// Makes this engine the current one.
    pub(crate) fn set_current(&self, engine: &Arc<Inner>) {
        self.newest.send_replace(Arc::downgrade(engine));
    }

    /// Requests that access of all subscribers is checked again.
    pub(crate) fn recheck_access(&self) {
        self.rights.send_replace(());
    }

    /// Returns a receiver that is notified when descriptors may have changed.
    pub(crate) fn rights(&self) -> watch::Receiver<()> {
        self.rights.subscribe()
    }

    /// Runs the background task as long as the returned value is held.
    pub(crate) fn start_refreshing(&self, refresher: &Refresher) -> Arc<RefreshTask> {
        let mut refresh_task = self.refresh_task.lock();
        if let Some(working) = refresh_task.upgrade() {
            return working;
        }
        let mut work = JoinSet::new();
        work.spawn(refresher());
        let working = Arc::new(RefreshTask(work));
        *refresh_task = Arc::downgrade(&working);
        working
    }
}

impl fmt::Debug for EngineGenerations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineGenerations").finish_non_exhaustive()
    }
}

/// Notifications about engines that replace an engine.
pub(crate) struct EngineUpdates {
    newest: watch::Receiver<Weak<Inner>>,
}

impl EngineUpdates {
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut newest = engine.inner.generations.newest.subscribe();
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
