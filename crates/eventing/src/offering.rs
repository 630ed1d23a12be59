//! Subscriptions in force: those of the files, or those of all collectors with the same database.

use std::path::PathBuf;
use std::sync::Arc;

use locks::{Mutex, RwLock};
use tokio::sync::watch;

use crate::store::{Shared, Store, SubscriptionRow};
use crate::subscriptions::{CollectorSubscription, Subscriptions};

/// Subscriptions in force.
pub(crate) struct Offering {
    /// Subscriptions in the files of this collector, with the passwords of this machine.
    local: Mutex<Subscriptions>,
    current: RwLock<Arc<Subscriptions>>,
    /// Number of changes that came from other collectors.
    changes: watch::Sender<u64>,
    /// Name of the store in messages.
    place: PathBuf,
}

impl Offering {
    pub(crate) fn new(store: &Store) -> Self {
        let place = match store {
            Store::Sqlite(_) => PathBuf::new(),
            Store::Postgres(_) => PathBuf::from("in the event database"),
        };
        Self { local: Mutex::default(), current: RwLock::default(), changes: watch::Sender::default(), place }
    }

    pub(crate) fn current(&self) -> Arc<Subscriptions> {
        Arc::clone(&self.current.read())
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Replaces the subscriptions in force by those of the files.
    pub(crate) fn replace(&self, subscriptions: Subscriptions) {
        *self.current.write() = Arc::new(subscriptions);
    }

    /// Replaces the subscriptions of the files, which are in force once they are in the database.
    pub(crate) fn replace_local(&self, subscriptions: Subscriptions) {
        *self.local.lock() = subscriptions;
    }

    /// Replaces the subscriptions in force by those of the database. One that this version cannot use is omitted.
    pub(crate) fn merge(&self, rows: &[SubscriptionRow]) {
        let local = self.local.lock();
        let merged = rows.iter().filter_map(|row| self.find_or_parse(&local, row));
        let merged = merged.collect();
        *self.current.write() = Arc::new(merged);
    }

    fn find_or_parse(&self, local: &Subscriptions, row: &SubscriptionRow) -> Option<CollectorSubscription> {
        if let Some(found) = local.find(&row.id).filter(|one| one.subscription.to_xml() == row.document) {
            return Some(found.clone());
        }
        match local.parse_with_passwords(&self.place.join(&row.name), row.document.as_bytes()) {
            Ok(one) if one.id == row.id => Some(one),
            Ok(_) => None,
            Err(error) => {
                tracing::error!(subscription = row.name, %error, "Cannot use a subscription of another collector");
                None
            }
        }
    }

    /// Follows the changes of other collectors until the store is closed.
    pub(crate) async fn follow(self: Arc<Self>, mut shared: watch::Receiver<Shared>) {
        while shared.changed().await.is_ok() {
            let subscriptions = Arc::clone(&shared.borrow_and_update().subscriptions);
            self.merge(&subscriptions);
            self.changes.send_modify(|number| *number = number.wrapping_add(1));
        }
    }
}

/// Returns the row of a subscription in the store.
pub(crate) fn subscription_row(one: &CollectorSubscription) -> SubscriptionRow {
    SubscriptionRow {
        id: one.id.clone(),
        name: one.subscription.id.as_str().to_owned(),
        document: one.subscription.to_xml(),
        version: one.version.clone(),
    }
}
