//! The thread that writes batches: outputs first, then the bookmarks, then the results for the waiting tasks.
//!
//! While the thread waits for the disk, further batches queue up. It takes all of them at once, so that each file is
//! synchronised once, and all bookmarks are one transaction.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use crate::destination::Destination;
use crate::error::CollectorError;
use crate::output::{CommittedFile, Format, Output, TotalLimit};
use crate::store::{Committed, Group, Seen, Store};

/// Batch to be written.
pub(crate) struct WriteJob {
    /// Row of the store.
    pub(crate) batch: Committed,
    /// File name of the source.
    pub(crate) source: String,
    /// Lines for outputs in XML.
    pub(crate) xml: Vec<u8>,
    /// Lines for outputs in JSON.
    pub(crate) json: Vec<u8>,
    /// Lines for each destination, in JSON.
    pub(crate) routed: Vec<Vec<u8>>,
    /// Lines for the quarantine.
    pub(crate) quarantine: Vec<u8>,
    /// Receives the result.
    pub(crate) done: oneshot::Sender<Result<Written, Arc<CollectorError>>>,
}

impl WriteJob {
    /// Returns the lines for files of a format.
    fn lines(&self, format: Format) -> &[u8] {
        match format {
            Format::Xml => &self.xml,
            Format::Json => &self.json,
        }
    }
}

/// Result of writing a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The batch is stored durably.
    Stored,
    /// The batch was stored before.
    Repeated,
}

/// Message for the thread.
enum Message {
    Batch(Box<WriteJob>),
    Seen(Box<Seen>),
}

/// Sender of the thread's messages. The thread ends when all senders are dropped.
#[derive(Clone)]
pub(crate) struct Writer(Sender<Message>);

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(store: Store, files: WriterFiles) -> std::io::Result<Self> {
        let (sender, receiver) = channel(QUEUE);
        let mut task =
            WriterTask { store, files, seen: Vec::new(), flushed: Instant::now(), unsettled: None };
        std::thread::Builder::new().name("events".to_owned()).spawn(move || task.run(receiver))?;
        Ok(Self(sender))
    }

    /// Sends a batch. Waits while too many batches wait.
    pub(crate) async fn write(&self, job: WriteJob) -> Result<(), CollectorError> {
        self.0.send(Message::Batch(Box::new(job))).await.map_err(|_| CollectorError::Closed)
    }

    /// Records a message without events, together with the next group. It is dropped if too many wait.
    pub(crate) fn note(&self, seen: Seen) {
        if self.0.try_send(Message::Seen(Box::new(seen))).is_err() {
            tracing::debug!("Heartbeat was not recorded: the writer is busy");
        }
    }
}

/// Files that the thread writes.
pub(crate) struct WriterFiles {
    pub(crate) outputs: Vec<Output>,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) quarantine: Output,
    /// Paths on the file systems whose free space is checked.
    pub(crate) disk: Vec<PathBuf>,
    pub(crate) total_limit: Option<TotalLimit>,
}

/// End of the time for a message.
struct Elapsed;

struct WriterTask {
    store: Store,
    files: WriterFiles,
    seen: Vec<Seen>,
    /// Time of the last commit.
    flushed: Instant,
    /// Group whose events are in the files, and whose commit has an unknown outcome. It is committed again before
    /// anything else, so that its batches are recognised when the sources repeat them.
    unsettled: Option<Group>,
}

impl WriterTask {
    fn run(&mut self, mut receiver: Receiver<Message>) {
        loop {
            let mut jobs = Vec::new();
            match self.receive(&mut receiver) {
                Ok(Some(first)) => self.take(first, &mut jobs),
                Ok(None) => return,
                Err(Elapsed) => {}
            }
            while jobs.len() < GROUP
                && let Ok(more) = receiver.try_recv()
            {
                self.take(more, &mut jobs);
            }
            if jobs.is_empty() && !self.is_time_for_messages() {
                continue;
            }
            self.flush(jobs);
        }
    }

    /// Waits for a message; if messages without events wait for a commit, only until the time of it.
    fn receive(&self, receiver: &mut Receiver<Message>) -> Result<Option<Message>, Elapsed> {
        match &self.store {
            Store::Postgres(store) if !self.seen.is_empty() => {
                let time = MESSAGE_INTERVAL.saturating_sub(self.flushed.elapsed());
                store.wait(time, receiver.recv()).ok_or(Elapsed)
            }
            Store::Sqlite(_) | Store::Postgres(_) => Ok(receiver.blocking_recv()),
        }
    }

    /// Returns whether messages without events are committed now. A commit to a database costs more than one to a file.
    fn is_time_for_messages(&self) -> bool {
        match self.store {
            Store::Sqlite(_) => true,
            Store::Postgres(_) => self.seen.len() >= GROUP || self.flushed.elapsed() >= MESSAGE_INTERVAL,
        }
    }

    fn take(&mut self, message: Message, jobs: &mut Vec<WriteJob>) {
        match message {
            Message::Batch(job) => jobs.push(*job),
            Message::Seen(seen) => {
                let is_same =
                    |other: &Seen| other.source == seen.source && other.subscription == seen.subscription;
                self.seen.retain(|other| !is_same(other));
                self.seen.push(*seen);
            }
        }
    }

    /// Writes a group of batches and answers each.
    fn flush(&mut self, jobs: Vec<WriteJob>) {
        self.flushed = Instant::now();
        let mut results = Vec::with_capacity(jobs.len());
        match self.settle(&jobs).and_then(|()| self.find_repeated(&jobs)) {
            Ok(repeated) => self.write_and_commit(jobs, &repeated, &mut results),
            Err(error) => {
                if !jobs.is_empty() {
                    report(&error);
                }
                let error = Arc::new(error);
                results.extend(jobs.into_iter().map(|job| (job.done, Err(Arc::clone(&error)))));
            }
        }
        for (done, result) in results {
            // The source may have closed its connection.
            let _ = done.send(result);
        }
    }

    /// Returns for each batch whether it was stored before.
    fn find_repeated(&self, jobs: &[WriteJob]) -> Result<Vec<bool>, CollectorError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        self.store.contains(&jobs.iter().map(|job| &job.batch).collect::<Vec<_>>())
    }

    /// Commits the group again whose outcome is unknown.
    fn settle(&mut self, jobs: &[WriteJob]) -> Result<(), CollectorError> {
        if let Some(group) = &self.unsettled {
            // Waits for the database as long as the batches can wait.
            self.find_repeated(jobs)?;
            match self.store.commit(group) {
                Err(error @ CollectorError::DatabaseUnavailable { .. }) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "Cannot commit forwarded events; sources may repeat them");
                }
                Ok(()) => {}
            }
            self.unsettled = None;
        }
        Ok(())
    }

    fn write_and_commit(&mut self, jobs: Vec<WriteJob>, repeated: &[bool], results: &mut Vec<Finished>) {
        let mut written = Vec::with_capacity(jobs.len());
        let mut group = Group::default();
        let mut digests = BTreeSet::new();
        for (job, is_repeated) in jobs.into_iter().zip(repeated) {
            let key = (job.batch.seen.source.clone(), job.batch.seen.subscription.clone(), job.batch.digest);
            let result = match *is_repeated || digests.contains(&key) {
                true => Ok(Written::Repeated),
                false => self.write(&job).map(|()| Written::Stored),
            };
            if let Ok(Written::Stored) = result {
                digests.insert(key);
                group.batches.push(job.batch);
            }
            written.push((job.done, result));
        }
        group.seen = std::mem::take(&mut self.seen);
        let committed = self.files.sync().and_then(|()| {
            group.files = self.files.take_uncommitted();
            if group.is_empty() { Ok(()) } else { self.store.commit(&group) }
        });
        if let Err(error) = &committed {
            report(error);
            if matches!(error, CollectorError::DatabaseUnavailable { .. }) {
                self.unsettled = Some(group);
            }
        }
        let committed = committed.map_err(Arc::new);
        for (done, result) in written {
            let result = match (&committed, result) {
                (Err(error), _) => Err(Arc::clone(error)),
                (Ok(()), result) => result.map_err(Arc::new),
            };
            results.push((done, result));
        }
    }

    /// Appends one batch to all outputs.
    fn write(&mut self, job: &WriteJob) -> Result<(), CollectorError> {
        self.files.require_space()?;
        // Everything that may reject the batch comes first, so that a repeated batch does not accumulate in an output.
        let routed = self.files.destinations.iter_mut().zip(&job.routed);
        for (destination, lines) in routed {
            destination.require_room(lines)?;
        }
        if let Some(limit) = &mut self.files.total_limit {
            let sizes = self.files.outputs.iter().map(|output| job.lines(output.format()).len());
            limit.reserve(sizes.sum())?;
        }
        for output in &mut self.files.outputs {
            output.append(&job.source, job.lines(output.format()))?;
        }
        self.files.quarantine.append(&job.source, &job.quarantine)?;
        for (destination, lines) in self.files.destinations.iter_mut().zip(&job.routed) {
            destination.append(lines)?;
        }
        Ok(())
    }
}

fn report(error: &CollectorError) {
    tracing::error!(%error, "Cannot store forwarded events; sources will repeat them");
}

/// Receiver of the result of a batch, and the result.
type Finished = (oneshot::Sender<Result<Written, Arc<CollectorError>>>, Result<Written, Arc<CollectorError>>);

impl WriterFiles {
    /// Rejects batches while a file system is nearly full, so that other programs can still use it.
    fn require_space(&self) -> Result<(), CollectorError> {
        for path in &self.disk {
            let Ok(status) = rustix::fs::statvfs(path) else { continue };
            if status.f_bavail.saturating_mul(status.f_frsize) < RESERVED_SPACE {
                return Err(CollectorError::DiskFull { path: path.clone(), needed: RESERVED_SPACE });
            }
        }
        Ok(())
    }

    /// Returns the changed parts of the files.
    fn take_uncommitted(&mut self) -> Vec<CommittedFile> {
        let outputs = self.outputs.iter_mut().chain([&mut self.quarantine]);
        outputs.flat_map(Output::take_uncommitted).collect()
    }

    fn sync(&mut self) -> Result<(), CollectorError> {
        self.outputs.iter_mut().try_for_each(Output::sync)?;
        self.destinations.iter_mut().try_for_each(Destination::sync)?;
        self.quarantine.sync()
    }
}

/// Maximum number of messages that wait for the thread.
const QUEUE: usize = 256;
/// Maximum number of batches in one transaction.
const GROUP: usize = 500;
/// Minimum time between two commits to a database without events.
const MESSAGE_INTERVAL: Duration = Duration::from_secs(1);
/// Free space in bytes that the collector leaves on a file system.
const RESERVED_SPACE: u64 = 64 << 20;
