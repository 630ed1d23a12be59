//! The collector: offers subscriptions to sources, and stores what they deliver.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use locks::{Mutex, RwLock};
use metrics::CollectorStatistics;
use tokio::sync::{Semaphore, oneshot, watch};
use winevent::Timestamp;
use winevent::delivery::Head;

use crate::admission::is_admitted;
use crate::batch::{Batch, Delivered};
use crate::destination::{Destination, DestinationSettings, OutputMonitor};
use crate::error::CollectorError;
use crate::expected::{DeliveryRequest, Expected, ExpectedDeliveries};
use crate::formatting::{Formatted, Formatting};
use crate::identity::IdentityCheck;
use crate::offering::{Offering, subscription_row};
use crate::output::{Format, Output, OutputSettings, TotalLimit};
use crate::quarantine;
use crate::source::Source;
use crate::statistics::{BatchResult, BatchTimer, Statistics};
use crate::store::{Committed, Failure, Seen, SourceState, Store, StoreSettings, blocking};
use crate::subscriptions::{CollectorSubscription, Subscriptions};
use crate::writer::{WriteJob, Writer, WriterFiles, Written};

/// Files and settings of a collector.
#[derive(Clone, Debug)]
pub struct CollectorParts {
    /// Store of subscriptions, sources and bookmarks.
    pub store: StoreSettings,
    /// Outputs; each of them must store a batch before it is acknowledged.
    pub outputs: Vec<OutputSettings>,
    /// Destinations beside files.
    pub destinations: Vec<DestinationSettings>,
    /// Folder for the spools of the destinations.
    pub spool: PathBuf,
    /// Maximum size in bytes of all files in the folder of outputs with files per source; `None` means no limit.
    pub total_limit: Option<u64>,
    /// Folder for events that cannot be stored.
    pub quarantine: PathBuf,
    /// Subscriptions.
    pub subscriptions: Subscriptions,
    /// Action for events of other computers.
    pub identity: IdentityCheck,
}

/// A collector of events.
pub struct Collector {
    store: Store,
    writer: Writer,
    formatting: Formatting,
    statistics: Statistics,
    /// Numbers of each destination.
    monitors: Vec<OutputMonitor>,
    offering: Arc<Offering>,
    /// Deliveries that were requested from sources.
    expected: Arc<ExpectedDeliveries>,
    /// Identifiers of sources that are in the store.
    known_sources: RwLock<HashSet<String>>,
    /// Memory for batches in work, in KiB.
    memory: Semaphore,
    /// One permit for each source and subscription with a batch in work.
    in_work: Mutex<BTreeMap<(String, String), Arc<Semaphore>>>,
}

/// Subscription that is offered to a source.
#[derive(Clone, Debug)]
pub struct Offered {
    /// The subscription.
    pub subscription: CollectorSubscription,
    /// Position after the last acknowledged event of the source.
    pub bookmark: Option<String>,
}

/// Failure of a source to which the collector connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullFailure {
    /// Reason, and what to do.
    pub message: String,
    /// Error number of Windows.
    pub code: Option<u32>,
    /// Time until the collector tries again.
    pub retry_in: Duration,
}

/// Batch in the forms of the outputs, ready to be stored.
pub struct FormattedBatch {
    job: WriteJob,
    delivered: Delivered,
    receiver: oneshot::Receiver<Result<Written, Arc<CollectorError>>>,
    timer: BatchTimer,
}

impl Collector {
    /// Opens the store and the outputs, and starts the thread that writes. Must be called within the runtime.
    ///
    /// # Errors
    /// [`CollectorError`] if one of the files, or the database, cannot be used.
    pub async fn open(parts: CollectorParts) -> Result<Self, CollectorError> {
        let CollectorParts {
            store: settings,
            outputs,
            destinations,
            spool,
            total_limit,
            quarantine,
            subscriptions,
            identity,
        } = parts;
        let folder = settings.file().and_then(|path| path.parent()).map(PathBuf::from);
        let store = Store::open(settings).await?;
        recover_files(&store).await?;
        // The outputs, which have threads, are opened when the store has been usable.
        let offering = Arc::new(Offering::new(&store));
        publish(&store, &offering, subscriptions).await?;
        std::fs::create_dir_all(&quarantine).map_err(CollectorError::file("create", &quarantine))?;
        let mut disk: Vec<PathBuf> =
            outputs.iter().filter_map(|output| Some(output.path()?.to_owned())).collect();
        disk.extend(folder);
        let total_limit = total_limit.and_then(|limit| {
            let folder = outputs.iter().find_map(OutputSettings::folder_of_sources)?;
            Some(TotalLimit::new(folder.to_owned(), limit))
        });
        let writes_xml = outputs.iter().any(|output| output.format == Format::Xml);
        let writes_json =
            !destinations.is_empty() || outputs.iter().any(|output| output.format == Format::Json);
        let outputs = outputs.into_iter().map(Output::open).collect::<Result<Vec<_>, _>>()?;
        let open = |settings| Destination::open(settings, &spool);
        let destinations = destinations.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let routes = destinations.iter().map(Destination::route).collect();
        let monitors = destinations.iter().map(Destination::monitor).collect();
        let quarantine = quarantine::open(&quarantine)?;
        let files = WriterFiles { outputs, destinations, quarantine, disk, total_limit };
        let writer = Writer::start(store.clone(), files)
            .map_err(CollectorError::file("start a thread for", &spool))?;
        let collector = Self {
            store,
            writer,
            formatting: Formatting { writes_xml, writes_json, routes, identity },
            statistics: Statistics::default(),
            monitors,
            offering,
            expected: Arc::default(),
            known_sources: RwLock::default(),
            memory: Semaphore::new(MEMORY),
            in_work: Mutex::default(),
        };
        if let Store::Postgres(store) = &collector.store {
            tokio::spawn(Arc::clone(&collector.offering).follow(store.shared()));
        }
        Ok(collector)
    }

    /// Replaces the subscriptions. Sources notice the change when they enumerate the next time. Collectors that share a
    /// database use the subscriptions of all of them.
    ///
    /// # Errors
    /// [`CollectorError`] if the store cannot be written; the previous subscriptions stay in force. A database receives
    /// the subscriptions later.
    pub async fn set_subscriptions(&self, subscriptions: Subscriptions) -> Result<(), CollectorError> {
        publish(&self.store, &self.offering, subscriptions).await
    }

    /// Returns the current subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> Arc<Subscriptions> {
        self.offering.current()
    }

    /// Returns whether this collector connects to the sources of collector-initiated subscriptions. Of several collectors
    /// with one database, one does.
    #[must_use]
    pub fn is_puller(&self) -> bool {
        match &self.store {
            Store::Sqlite(_) => true,
            Store::Postgres(store) => store.shared().borrow().is_puller,
        }
    }

    /// Notifies of changes that come from other collectors with the same database: of the subscriptions, and of
    /// [`is_puller`](Self::is_puller).
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.offering.changes()
    }

    /// Returns the position after the last stored event of a source in a subscription.
    ///
    /// # Errors
    /// [`CollectorError`] if the store cannot be read.
    pub async fn bookmark(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
    ) -> Result<Option<String>, CollectorError> {
        let all = self.store.bookmarks(&source.id()).await?;
        Ok(all.into_iter().find(|(id, _)| *id == subscription.id).map(|(_, bookmark)| bookmark))
    }

    /// Removes the bookmark of a source in a subscription, so that the next one is stored even if it is older.
    ///
    /// # Errors
    /// [`CollectorError`] if the store cannot be written.
    pub async fn forget_bookmark(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
    ) -> Result<(), CollectorError> {
        match &self.store {
            // Every bookmark replaces the previous one.
            Store::Sqlite(_) => Ok(()),
            Store::Postgres(store) => store.forget_bookmark(&source.id(), &subscription.id).await,
        }
    }

    /// Returns the identifier of the subscription at a source that pushes, if the collector has not cancelled it: after a
    /// crash the source may still have the subscription.
    ///
    /// # Errors
    /// [`CollectorError`] if the store cannot be read.
    pub async fn open_delivery(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
    ) -> Result<Option<String>, CollectorError> {
        self.store.delivery(&source.id(), &subscription.id).await
    }

    /// Stores the identifier of the subscription at a source that pushes; `None` after the end of the subscription.
    ///
    /// # Errors
    /// [`CollectorError`] if the store cannot be written.
    pub async fn set_open_delivery(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
        identifier: Option<&str>,
    ) -> Result<(), CollectorError> {
        self.store.set_delivery(&source.id(), &subscription.id, identifier).await
    }

    /// Creates the secret with which a source may deliver the events of a collector-initiated subscription from now on.
    ///
    /// # Errors
    /// [`CollectorError::NoRandomBytes`].
    pub fn expect_delivery(
        &self,
        source: &Source,
        subscription: &Arc<CollectorSubscription>,
    ) -> Result<DeliveryRequest, CollectorError> {
        self.expected.begin(source, subscription)
    }

    /// Returns the delivery with a secret, if it is valid.
    #[must_use]
    pub fn expected(&self, secret: &str) -> Option<Arc<Expected>> {
        self.expected.find(secret)
    }

    /// Records that a source to which the collector connects could not be reached, or has failed. It is in the store a
    /// moment later.
    ///
    /// # Errors
    /// [`CollectorError::TooManySources`] for a new source if there are too many.
    pub async fn note_failure(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
        failure: &PullFailure,
    ) -> Result<(), CollectorError> {
        self.require_room(source).await?;
        let now = Timestamp::from(SystemTime::now()).seconds();
        let retry_in = i64::try_from(failure.retry_in.as_secs()).unwrap_or(i64::MAX);
        let seen = seen(source, subscription, &Head::default(), Some(failure.message.clone()));
        let failure = Failure { code: failure.code, retry: now.saturating_add(retry_in) };
        self.writer.note(Seen { failure: Some(failure), ..seen });
        Ok(())
    }

    /// Returns the subscriptions that a source may use, with its bookmarks.
    ///
    /// # Errors
    /// [`CollectorError`] if the store cannot be read.
    pub async fn offered(&self, source: &Source) -> Result<Vec<Offered>, CollectorError> {
        let all = self.subscriptions();
        let now = Timestamp::from(SystemTime::now());
        let mut bookmarks: HashMap<_, _> = self.store.bookmarks(&source.id()).await?.into_iter().collect();
        let admitted = all.iter().filter(|one| is_admitted(source, &one.subscription, now));
        let offered =
            admitted.map(|one| Offered { subscription: one.clone(), bookmark: bookmarks.remove(&one.id) });
        Ok(offered.collect())
    }

    /// Returns the subscription with this identifier, if it exists and the source may use it.
    #[must_use]
    pub fn find(&self, source: &Source, id: &str) -> Option<CollectorSubscription> {
        let all = self.subscriptions();
        let now = Timestamp::from(SystemTime::now());
        all.find(id).filter(|one| is_admitted(source, &one.subscription, now)).cloned()
    }

    /// Returns the states of all sources in a subscription.
    ///
    /// # Errors
    /// [`CollectorError`] if the store cannot be read.
    pub async fn states(
        &self,
        subscription: &CollectorSubscription,
    ) -> Result<Vec<SourceState>, CollectorError> {
        self.store.states(&subscription.id).await
    }

    /// Records a message without events: a heartbeat, or the end of the subscription with its reason. It is in the
    /// store a moment later.
    ///
    /// # Errors
    /// [`CollectorError::TooManySources`] for a new source if there are too many.
    pub async fn note(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
        head: &Head,
        end: Option<&str>,
    ) -> Result<(), CollectorError> {
        self.require_room(source).await?;
        self.writer.note(seen(source, subscription, head, end.map(str::to_owned)));
        Ok(())
    }

    /// Stores a batch. Returns after all outputs and the bookmark are durable, so the batch may be acknowledged.
    ///
    /// # Errors
    /// [`CollectorError`] if anything was not stored; the source must repeat the batch.
    pub async fn deliver(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
        batch: Batch<'_>,
    ) -> Result<Delivered, Arc<CollectorError>> {
        self.store(source, subscription, self.format(source, subscription, batch)).await
    }

    /// Formats a batch for the outputs, which takes processor time. The text of the batch is not needed afterwards.
    #[must_use]
    pub fn format(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
        batch: Batch<'_>,
    ) -> FormattedBatch {
        let timer = self.statistics.begin(source, batch.items);
        let now = Timestamp::from(SystemTime::now());
        let Formatted { xml, json, routed, quarantine, digest, fault, delivered } =
            self.formatting.format(source, subscription.subscription.id.as_str(), batch, now);
        let committed = Committed {
            seen: seen(source, subscription, batch.head, fault),
            bookmark: batch.head.bookmark.clone(),
            has_events: !batch.items.is_empty(),
            digest,
        };
        let (done, receiver) = oneshot::channel();
        let source = source.file_name();
        let job = WriteJob { batch: committed, source, xml, json, routed, quarantine, done };
        FormattedBatch { job, delivered, receiver, timer }
    }

    /// Stores a batch of a source in a subscription, as [`deliver`](Self::deliver) does.
    ///
    /// # Errors
    /// As for [`deliver`](Self::deliver).
    pub async fn store(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
        batch: FormattedBatch,
    ) -> Result<Delivered, Arc<CollectorError>> {
        let FormattedBatch { job, delivered, receiver, timer } = batch;
        let written = self.write(source, subscription, job, receiver).await;
        self.statistics.finish(
            &timer,
            match &written {
                Ok(Written::Repeated) => BatchResult::Repeated,
                Ok(Written::Stored) => {
                    BatchResult::Stored { events: delivered.stored, quarantined: delivered.quarantined }
                }
                Err(_) => BatchResult::Failed,
            },
        );
        let is_repeated = matches!(written?, Written::Repeated);
        Ok(Delivered { is_repeated, ..delivered })
    }

    /// Returns the numbers of the collector since its start.
    #[must_use]
    pub fn statistics(&self) -> CollectorStatistics {
        self.statistics.snapshot(self.monitors.iter().map(OutputMonitor::statistics).collect())
    }

    /// Passes a batch to the writer in the turn of its source, and waits until it is durable.
    async fn write(
        &self,
        source: &Source,
        subscription: &CollectorSubscription,
        job: WriteJob,
        receiver: oneshot::Receiver<Result<Written, Arc<CollectorError>>>,
    ) -> Result<Written, Arc<CollectorError>> {
        self.require_room(source).await?;
        let parts = [&job.xml, &job.json, &job.quarantine].into_iter().chain(&job.routed);
        let size: usize = parts.map(Vec::len).sum();
        let permits = u32::try_from((size / 1_024 + 1).min(MEMORY)).unwrap_or(u32::MAX);
        let closed = |_| Arc::new(CollectorError::Closed);
        let _memory = self.memory.acquire_many(permits).await.map_err(closed)?;
        let turn = self.turn(source, subscription);
        let _turn = turn.acquire().await.map_err(closed)?;
        self.writer.write(job).await?;
        receiver.await.map_err(|_| Arc::new(CollectorError::Closed))?
    }

    /// Returns the permit for batches of one source in one subscription: a source sends the next batch after the
    /// acknowledgement, so a second one is a repetition.
    fn turn(&self, source: &Source, subscription: &CollectorSubscription) -> Arc<Semaphore> {
        let mut in_work = self.in_work.lock();
        if in_work.len() >= TURNS {
            in_work.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        let turn = in_work.entry((source.id(), subscription.id.clone()));
        Arc::clone(turn.or_insert_with(|| Arc::new(Semaphore::new(1))))
    }

    /// Checks that there is room for a source in the store.
    async fn require_room(&self, source: &Source) -> Result<(), CollectorError> {
        let id = source.id();
        if self.known_sources.read().contains(&id) {
            return Ok(());
        }
        if !self.store.admits_source(&id, MAX_SOURCES).await? {
            return Err(CollectorError::TooManySources(MAX_SOURCES));
        }
        let mut known = self.known_sources.write();
        // The store has more only after failures of writing.
        if known.len() >= 2 * MAX_SOURCES {
            known.clear();
        }
        known.insert(id);
        Ok(())
    }
}

/// Writes the subscriptions of this collector to the store, and offers those of all collectors.
async fn publish(
    store: &Store,
    offering: &Offering,
    subscriptions: Subscriptions,
) -> Result<(), CollectorError> {
    let rows: Vec<_> = subscriptions.iter().map(subscription_row).collect();
    match store {
        Store::Sqlite(store) => {
            let store = Arc::clone(store);
            let now = Timestamp::from(SystemTime::now()).seconds();
            blocking(move || store.set_subscriptions(&rows, now)).await?;
            offering.replace(subscriptions);
        }
        Store::Postgres(store) => {
            offering.replace_local(subscriptions);
            store.publish(rows).await?;
            offering.merge(&store.shared().borrow().subscriptions);
        }
    }
    Ok(())
}

/// Removes events that a crash has left in the files after the last commit. Must be called before the files are opened.
async fn recover_files(store: &Store) -> Result<(), CollectorError> {
    let files = store.committed_files().await?;
    let missing = blocking(move || {
        let mut missing = Vec::new();
        for file in files {
            match file.recover() {
                Ok(true) => {}
                Ok(false) => missing.push(file.path),
                Err(error) => return Err(CollectorError::file("recover", file.path)(error)),
            }
        }
        Ok(missing)
    })
    .await?;
    if missing.is_empty() { Ok(()) } else { store.forget_files(missing).await }
}

fn seen(source: &Source, subscription: &CollectorSubscription, head: &Head, fault: Option<String>) -> Seen {
    Seen {
        source: source.id(),
        proof: source.proof(),
        principal: source.name.clone(),
        machine_id: head.machine_id.clone(),
        subscription: subscription.id.clone(),
        remote_ip: source.remote(),
        version: head.identifier.clone(),
        fault,
        failure: None,
        now: Timestamp::from(SystemTime::now()).seconds(),
    }
}

/// Memory for batches in work, in KiB.
const MEMORY: usize = 64 * 1_024;
/// Number of sources and subscriptions with remembered permits, beyond which unused ones are dropped.
const TURNS: usize = 1_024;
/// Maximum number of sources.
const MAX_SOURCES: usize = 100_000;
