//! Event logs of all controllers as events for subscriptions with pull delivery (Windows: hardware events).
//!
//! An item is a LogRecord of `root/hardware`, in the same form as in an enumeration of that class.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cim::uri::UriForm;
use cim::wscim::Writer;
use cim::{Instance, Namespace, Origin, Schema};
use service::{Answer, BoxFuture, Call, Item, Items, Plugin, Resource, ResourceKind};
use tokio::task::JoinSet;
use tracing::debug;
use wsman::{Fault, Subcode, code};

use crate::controller::{Controller, Logged};
use crate::question::Question;
use crate::{Hardware, HardwareError, rows};

/// Event logs as a resource that supports only subscriptions.
#[derive(Clone, Debug)]
pub struct EventLogs(Hardware);

impl EventLogs {
    /// Resource of this plug-in.
    pub const RESOURCES: [Resource; 1] = [Resource {
        uri: "http://schemas.microsoft.com/wbem/wsman/1/logrecord/sel",
        with_children: false,
        kind: ResourceKind::Instances,
    }];

    /// Creates the resource for the controllers of a provider; it uses the same sessions.
    #[must_use]
    pub fn new(hardware: Hardware) -> Self {
        Self(hardware)
    }

    async fn subscribe(&self, call: Call) -> Result<Answer, Fault> {
        let Some(subscribe) = call.operation.subscribe() else {
            return Err(Fault::new(
                Subcode::ActionNotSupported,
                code::ACTION_NOT_SUPPORTED,
                "event logs can be subscribed to; instances of LogRecord in root/hardware are what is in them now",
            ));
        };
        if subscribe.filter.is_some() {
            return Err(Fault::new(
                Subcode::EventingFilteringNotSupported,
                code::FILTERING_NOT_SUPPORTED,
                "records of event logs come all or not at all: leave the filter out",
            ));
        }
        let mut followed = Followed::new(self.0.clone()).map_err(|error| broken(&error))?;
        // Records that already exist are not delivered as events.
        followed.look().await;
        Ok(Answer::items(followed))
    }
}

impl Plugin for EventLogs {
    fn resources(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.subscribe(call))
    }
}

/// Logs with their read positions.
struct Followed {
    hardware: Hardware,
    question: Question,
    writer: Writer,
    /// Content of each log when it was last read.
    seen: HashMap<Arc<str>, Arc<Vec<Logged>>>,
    waiting: VecDeque<Item>,
    /// Logs that are being read.
    reading: JoinSet<Read>,
    /// Time of the next reading.
    due: Instant,
}

/// A controller and the content of its log; `None` if it could not be read.
type Read = (Arc<Controller>, Option<Arc<Vec<Logged>>>);

impl Followed {
    fn new(hardware: Hardware) -> Result<Self, HardwareError> {
        let namespace = Namespace::parse("root/hardware")?;
        let class = Schema::of(namespace.clone()).require("LogRecord")?;
        let origin = Origin { server: hardware.machine().to_owned(), namespace, offset: 0 };
        let (question, writer) = (Question::whole(class), Writer::new(UriForm::Wmi, origin));
        let (reading, due) = (JoinSet::new(), Instant::now());
        Ok(Self { hardware, question, writer, seen: HashMap::new(), waiting: VecDeque::new(), reading, due })
    }

    /// Reads the new records of all logs.
    async fn look(&mut self) {
        self.begin();
        while self.read_one().await {}
    }

    /// Starts to read all logs in parallel; a log that cannot be read is read again later.
    fn begin(&mut self) {
        self.due = Instant::now() + EVERY;
        let controllers = match self.hardware.controllers() {
            Ok(controllers) => controllers,
            Err(error) => {
                debug!(%error, "No event logs");
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
            self.take(&controller, log);
        }
        true
    }

    /// Queues the new records of a log.
    fn take(&mut self, controller: &Controller, log: Arc<Vec<Logged>>) {
        let before = self.seen.insert(controller.name().clone(), log.clone());
        // For a controller that did not respond before, it is unknown which records are new.
        let Some(before) = before else { return };
        for logged in fresh(&before, &log) {
            match rows::log_record(controller.name(), &self.question, logged) {
                Ok(record) => self.waiting.push_back(self.item(&record)),
                Err(error) => debug!(controller = %controller.name(), %error, "Record left out"),
            }
        }
        let too_many = self.waiting.len().saturating_sub(MOST_WAITING);
        self.waiting.drain(..too_many);
    }

    fn item(&self, record: &Instance) -> Item {
        let mut object = xml::Writer::new();
        self.writer.instance(&mut object, record);
        Item { object: object.into_fragment(), reference: None }
    }
}

impl Items for Followed {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            loop {
                if let Some(item) = self.waiting.pop_front() {
                    return Some(Ok(item));
                }
                // Cancel-safe: a caller with a shorter timeout drops the future and calls again; reading
                // continues.
                if !self.read_one().await {
                    tokio::time::sleep_until(self.due.into()).await;
                    self.begin();
                }
            }
        })
    }
}

/// Returns the records of a log that were not in it before: all of them if it was cleared.
fn fresh<'l>(before: &[Logged], now: &'l [Logged]) -> &'l [Logged] {
    let goes_on = match before.last() {
        None => true,
        last => now.get(before.len() - 1) == last,
    };
    if goes_on { now.get(before.len()..).unwrap_or_default() } else { now }
}

fn broken(error: &HardwareError) -> Fault {
    Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, error.to_string())
}

/// Interval at which logs are polled while a client waits: one request to each controller if nothing is new.
const EVERY: Duration = Duration::from_secs(2);
/// Time limit for reading one log.
const LIMIT: Duration = Duration::from_secs(30);
/// Maximum number of queued records; beyond it the oldest are dropped.
const MOST_WAITING: usize = 65_536;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ipmi::proto::Privilege;
    use ipmi::proto::sel::SelRecord;
    use telarch_simulated_bmc::SimulatedBmc;
    use zeroize::Zeroizing;

    use super::*;
    use crate::{Host, HostFile, OwnController, Secrets};

    fn log(marks: &[u8]) -> Vec<Logged> {
        let record = |(id, mark): (u8, &u8)| {
            let octets = [id, 0, 0xe0, *mark, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            Logged { octets: octets.to_vec(), record: SelRecord::decode(&octets).unwrap() }
        };
        (1..).zip(marks).map(record).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_logged_after_the_subscription_is_told_and_nothing_else() {
        let Some(bmc) = SimulatedBmc::start() else { return };
        let folder = tempfile::tempdir().unwrap();
        let (address, user) = (bmc.address().parse().unwrap(), "admin".to_owned());
        let (name, level) = ("node7".parse().unwrap(), Privilege::Administrator);
        let password = Zeroizing::new(b"admin-pw".to_vec());
        let host = Host { name, address, user, level, suite: None };
        let hosts = HostFile::of_state(folder.path());
        hosts.add(&host, &Secrets { password, group_key: None }).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let hardware = Hardware::new("keeper", hosts, OwnController::LeftAlone, runtime);
        let mut followed = Followed::new(hardware.clone()).unwrap();
        followed.look().await;
        assert!(followed.waiting.is_empty(), "what was there is told as new");
        let add = "raw 0x0a 0x44 0 0 2 0 0 0 0 0x20 0 4 1 1 1 0x59 0x60 0x5f";
        if bmc.ipmitool(&add.split(' ').collect::<Vec<_>>()).is_none() {
            return;
        }
        // In pulls shorter than the search takes.
        let mut item = None;
        for _ in 0..200 {
            let pulled = tokio::time::timeout(Duration::from_millis(300), followed.next()).await;
            if let Ok(found) = pulled {
                item = found;
                break;
            }
        }
        let item = item.unwrap().unwrap();
        let text = item.object.as_str();
        assert!(text.contains("LogRecord") && text.contains("*SEL(1.0.32)*"), "{text}");
        assert!(text.contains("*20 00*04*01*01*true*01*59*60*5F*"), "{text}");
        assert!(followed.waiting.is_empty());
        hardware.close().await;
    }

    #[test]
    fn only_what_was_not_there_is_new_and_all_of_a_log_that_was_cleared() {
        let marks = |before: &[u8], now: &[u8]| {
            let now = log(now);
            fresh(&log(before), &now)
                .iter()
                .filter_map(|logged| logged.octets.get(3).copied())
                .collect::<Vec<u8>>()
        };
        assert_eq!(marks(&[], &[1, 2]), [1, 2]);
        assert_eq!(marks(&[1, 2], &[1, 2, 3]), [3]);
        assert!(marks(&[1, 2], &[1, 2]).is_empty() && marks(&[1], &[]).is_empty());
        // Record numbers are reused.
        assert_eq!(marks(&[1, 2], &[7]), [7]);
        assert_eq!(marks(&[1, 2], &[7, 8, 9]), [7, 8, 9]);
    }
}
