//! New records in the event logs of all controllers.
//!
//! Controllers do not report new records over the network, so their logs are polled.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cim::{Instance, Namespace, Origin, Schema};
use tokio::task::JoinSet;
use tracing::debug;

use crate::controller::{Controller, LogEntry};
use crate::query::Query;
use crate::{Hardware, HardwareError, rows};

/// Event logs of all controllers with their read positions. It returns new records as instances of `LogRecord`
/// (`root/hardware`).
pub struct EventLogFollower {
    hardware: Hardware,
    namespace: Namespace,
    query: Query,
    /// Content of each log when it was last read.
    seen: HashMap<Arc<str>, Arc<Vec<LogEntry>>>,
    waiting: VecDeque<Instance>,
    /// Logs that are being read.
    reading: JoinSet<Read>,
    /// Time of the next reading.
    due: Instant,
}

/// A controller and the content of its log; `None` if it could not be read.
type Read = (Arc<Controller>, Option<Arc<Vec<LogEntry>>>);

impl Hardware {
    /// Starts to follow the event logs of all controllers. Records that already exist are skipped.
    ///
    /// # Errors
    /// [`HardwareError`] if the class `LogRecord` does not exist.
    pub async fn follow_event_logs(&self) -> Result<EventLogFollower, HardwareError> {
        let mut follower = EventLogFollower::new(self.clone())?;
        follower.read_all().await;
        Ok(follower)
    }
}

impl EventLogFollower {
    fn new(hardware: Hardware) -> Result<Self, HardwareError> {
        let namespace = Namespace::parse("root/hardware")?;
        let class = Schema::of(namespace.clone()).require("LogRecord")?;
        let (query, reading, due) = (Query::whole(class), JoinSet::new(), Instant::now());
        let (seen, waiting) = (HashMap::new(), VecDeque::new());
        Ok(Self { hardware, namespace, query, seen, waiting, reading, due })
    }

    /// Returns machine and namespace of the records.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { server: self.hardware.machine().to_owned(), namespace: self.namespace.clone(), offset: 0 }
    }

    /// Waits for the next new record. Cancel-safe: a dropped future loses no record, and reading continues at the
    /// next call.
    pub async fn next(&mut self) -> Instance {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                return record;
            }
            if !self.read_one().await {
                tokio::time::sleep_until(self.due.into()).await;
                self.begin();
            }
        }
    }

    /// Reads the new records of all logs.
    async fn read_all(&mut self) {
        self.begin();
        while self.read_one().await {}
    }

    /// Starts to read all logs in parallel; a log that cannot be read is read again later.
    fn begin(&mut self) {
        self.due = Instant::now() + INTERVAL;
        let controllers = match self.hardware.controllers() {
            Ok(controllers) => controllers,
            Err(error) => {
                debug!(%error, "Cannot read the event logs");
                return;
            }
        };
        for controller in controllers {
            self.reading.spawn(async move {
                let log = tokio::time::timeout(LIMIT, controller.log()).await;
                (controller, log.ok().and_then(Result::ok))
            });
        }
    }

    /// Waits for one of the logs being read. Returns `false` if none is.
    async fn read_one(&mut self) -> bool {
        let Some(read) = self.reading.join_next().await else { return false };
        if let Ok((controller, Some(log))) = read {
            self.add(&controller, log);
        }
        true
    }

    /// Queues the new records of a log.
    fn add(&mut self, controller: &Controller, log: Arc<Vec<LogEntry>>) {
        let before = self.seen.insert(controller.name().clone(), log.clone());
        // For a controller that did not respond before, it is unknown which records are new.
        let Some(before) = before else { return };
        for logged in new_records(&before, &log) {
            match rows::log_record(controller.name(), &self.query, logged) {
                Ok(record) => self.waiting.push_back(record),
                Err(error) => debug!(controller = %controller.name(), %error, "Omitted an event log record"),
            }
        }
        let excess = self.waiting.len().saturating_sub(MAX_WAITING);
        self.waiting.drain(..excess);
    }
}

/// Returns the records of a log that were not in it before: all of them if it was cleared.
fn new_records<'l>(before: &[LogEntry], now: &'l [LogEntry]) -> &'l [LogEntry] {
    let was_extended = match before.last() {
        None => true,
        last => now.get(before.len() - 1) == last,
    };
    if was_extended { now.get(before.len()..).unwrap_or_default() } else { now }
}

/// Interval at which logs are polled while a client waits: one request to each controller if nothing is new.
const INTERVAL: Duration = Duration::from_secs(2);
/// Time limit for reading one log.
const LIMIT: Duration = Duration::from_secs(30);
/// Maximum number of queued records; beyond it the oldest are dropped.
const MAX_WAITING: usize = 65_536;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ipmi::proto::Privilege;
    use ipmi::proto::sel::SelRecord;
    use telarch_simulated_bmc::SimulatedBmc;
    use zeroize::Zeroizing;

    use super::*;
    use crate::{Host, HostFile, OwnController, Secrets};

    fn log(marks: &[u8]) -> Vec<LogEntry> {
        (1..).zip(marks).map(|(id, mark)| record(id, *mark)).collect()
    }

    fn record(id: u8, mark: u8) -> LogEntry {
        let octets = [id, 0, 0xe0, mark, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        LogEntry { octets: octets.to_vec(), record: SelRecord::decode(&octets).unwrap() }
    }

    fn new_marks(before: &[u8], now: &[u8]) -> Vec<u8> {
        let now = log(now);
        let new = new_records(&log(before), &now).iter();
        new.filter_map(|logged| logged.octets.get(3).copied()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_records_added_after_the_start_are_returned() {
        let Some(bmc) = SimulatedBmc::start() else { return };
        let folder = tempfile::tempdir().unwrap();
        let (address, user) = (bmc.address().parse().unwrap(), "admin".to_owned());
        let (name, level) = ("node7".parse().unwrap(), Privilege::Administrator);
        let password = Zeroizing::new(b"admin-pw".to_vec());
        let host = Host { name, address, user, level, suite: None };
        let hosts = HostFile::of_state(folder.path());
        hosts.add(&host, &Secrets { password, group_key: None }).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let hardware = Hardware::new("keeper", hosts, OwnController::Ignored, runtime);
        let mut follower = hardware.follow_event_logs().await.unwrap();
        assert!(follower.waiting.is_empty(), "an existing record is reported as new");
        let add = "raw 0x0a 0x44 0 0 2 0 0 0 0 0x20 0 4 1 1 1 0x59 0x60 0x5f";
        if bmc.ipmitool(&add.split(' ').collect::<Vec<_>>()).is_none() {
            return;
        }
        // Each timeout is shorter than reading a log.
        let mut record = None;
        for _ in 0..200 {
            let pulled = tokio::time::timeout(Duration::from_millis(300), follower.next()).await;
            if let Ok(new) = pulled {
                record = Some(new);
                break;
            }
        }
        let record = record.unwrap();
        let data = record.value("RecordData").and_then(cim::Value::as_str).unwrap();
        assert_eq!(record.class().name(), "LogRecord");
        assert!(data.contains("*SEL(1.0.32)*"), "{data}");
        assert!(data.contains("*20 00*04*01*01*true*01*59*60*5F*"), "{data}");
        assert!(follower.waiting.is_empty());
        hardware.close().await;
    }

    #[test]
    fn records_are_new_if_they_were_not_there_or_the_log_was_cleared() {
        assert_eq!(new_marks(&[], &[1, 2]), [1, 2]);
        assert_eq!(new_marks(&[1, 2], &[1, 2, 3]), [3]);
        assert!(new_marks(&[1, 2], &[1, 2]).is_empty() && new_marks(&[1], &[]).is_empty());
        // Record numbers are reused.
        assert_eq!(new_marks(&[1, 2], &[7]), [7]);
        assert_eq!(new_marks(&[1, 2], &[7, 8, 9]), [7, 8, 9]);
    }
}
