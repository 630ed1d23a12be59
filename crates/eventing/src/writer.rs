//! The thread that writes batches: outputs first, then the bookmarks, then the results for the waiting tasks.
//!
//! While the thread waits for the disk, further batches queue up. It takes all of them at once, so that each file is
//! synchronised once, and all bookmarks are one transaction.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use crate::destination::Destination;
use crate::error::CollectorError;
use crate::output::{CommittedFile, Format, Output, TotalLimit};
use crate::store::{Committed, Seen, Store};

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
    pub(crate) fn start(store: Arc<Store>, files: WriterFiles) -> std::io::Result<Self> {
        let (sender, receiver) = channel(QUEUE);
        let mut task = WriterTask { store, files, seen: Vec::new() };
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

struct WriterTask {
    store: Arc<Store>,
    files: WriterFiles,
    seen: Vec<Seen>,
}

impl WriterTask {
    fn run(&mut self, mut receiver: Receiver<Message>) {
        while let Some(first) = receiver.blocking_recv() {
            let mut jobs = Vec::new();
            self.take(first, &mut jobs);
            while jobs.len() < GROUP
                && let Ok(more) = receiver.try_recv()
            {
                self.take(more, &mut jobs);
            }
            self.flush(jobs);
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
        let mut results = Vec::with_capacity(jobs.len());
        let mut batches = Vec::new();
        let mut digests = BTreeSet::new();
        for job in jobs {
            let key = (job.batch.seen.source.clone(), job.batch.seen.subscription.clone(), job.batch.digest);
            let written = match digests.contains(&key) {
                true => Ok(Written::Repeated),
                false => self.write(&job),
            };
            if let Ok(Written::Stored) = written {
                digests.insert(key);
                batches.push(job.batch);
            }
            results.push((job.done, written));
        }
        let seen = std::mem::take(&mut self.seen);
        let committed = self
            .files
            .sync()
            .and_then(|()| self.store.commit(&batches, &seen, &self.files.take_uncommitted()))
            .map_err(Arc::new);
        if let Err(error) = &committed {
            tracing::error!(%error, "Cannot store forwarded events; sources will repeat them");
        }
        for (done, written) in results {
            let result = match (&committed, written) {
                (Err(error), _) => Err(Arc::clone(error)),
                (Ok(()), written) => written.map_err(Arc::new),
            };
            // The source may have closed its connection.
            let _ = done.send(result);
        }
    }

    /// Appends one batch to all outputs, unless it was stored before.
    fn write(&mut self, job: &WriteJob) -> Result<Written, CollectorError> {
        if self.store.contains_batch(&job.batch)? {
            return Ok(Written::Repeated);
        }
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
        Ok(Written::Stored)
    }
}

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
/// Free space in bytes that the collector leaves on a file system.
const RESERVED_SPACE: u64 = 64 << 20;
