//! Access to the controller of this machine through the kernel driver: no session, no password, root only.

mod driver;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ipmi_proto::{CompletionCode, Destination, ProtoError, Request, Response, Timing};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tracing::{debug, trace};

pub use self::driver::DEVICES;
use self::driver::OpenIpmi;
use crate::connection::{Order, Peer, QueuedRequest, ResponseReceiver, SharedRequestLimit};
use crate::{Connection, IpmiError, RecordCache};

/// A driver that exchanges requests and responses with a controller, without a session.
pub trait Transport: AsFd + Send + Sync + 'static {
    /// Sends a request.
    ///
    /// # Errors
    /// If the driver rejects the request.
    fn send(&self, id: i64, destination: Destination, request: &Request) -> io::Result<()>;

    /// Returns a response and the id of its request, without waiting. The file is readable if there is a
    /// response.
    ///
    /// # Errors
    /// `WouldBlock` if there is no response yet, or another error of the driver.
    fn receive(&self) -> io::Result<(i64, Response)>;
}

impl Connection {
    /// Connects to the controller of this machine through `/dev/ipmi0`.
    ///
    /// # Errors
    /// If there is no driver, or the user may not access it.
    pub fn local(timing: Timing) -> Result<Self, IpmiError> {
        let driver = OpenIpmi::open().map_err(IpmiError::Driver)?;
        Self::through(driver, timing, RecordCache::in_memory())
    }

    /// Connects through an open file of the driver, for example one opened by a privileged process.
    ///
    /// # Errors
    /// If the file cannot be registered with the runtime.
    pub fn local_through(driver: OwnedFd, timing: Timing) -> Result<Self, IpmiError> {
        Self::through(OpenIpmi::of(driver), timing, RecordCache::in_memory())
    }

    /// Connects through any transport.
    ///
    /// # Errors
    /// If its file cannot be registered with the runtime.
    pub fn through<T: Transport>(
        transport: T,
        timing: Timing,
        cache: RecordCache,
    ) -> Result<Self, IpmiError> {
        // Registers a duplicate descriptor of the same open file.
        let own = transport.as_fd().try_clone_to_owned()?;
        let file = readiness::watch(own, Interest::READABLE)?;
        let (orders, inbox) = mpsc::unbounded_channel();
        let task =
            RequestTask { transport, file, timing, waiting: VecDeque::new(), open: HashMap::new(), next: 1 };
        tokio::spawn(task.run(inbox));
        Ok(Self::new(orders, ONLY, Peer::default(), SharedRequestLimit::default(), cache))
    }
}

/// Task that sends requests, a limited number at a time, and delivers responses.
struct RequestTask<T: Transport> {
    transport: T,
    file: AsyncFd<OwnedFd>,
    timing: Timing,
    waiting: VecDeque<QueuedRequest>,
    open: HashMap<i64, Open>,
    next: i64,
}

struct Open {
    destination: Destination,
    request: Request,
    receiver: ResponseReceiver,
    give_up_at: Instant,
    /// Time of the next retry because the controller was busy, and its last response.
    again: Option<(Instant, Response)>,
    times: u32,
}

impl<T: Transport> RequestTask<T> {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut is_wanted = true;
        while is_wanted || !self.open.is_empty() || !self.waiting.is_empty() {
            self.send_waiting();
            let deadline = self.open.values().map(Open::deadline).min();
            let wake = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ready = self.file.readable(), if !self.open.is_empty() => match ready {
                    Ok(mut ready) => match ready.try_io(|_| self.transport.receive()) {
                        Ok(Ok((id, response))) => self.take(id, response),
                        Ok(Err(error)) => trace!(%error, "Nothing received from the driver"),
                        Err(_would_block) => {}
                    },
                    Err(error) => {
                        debug!(%error, "The driver's file cannot be waited for");
                        return;
                    }
                },
                order = inbox.recv(), if is_wanted => match order {
                    None => is_wanted = false,
                    Some(Order::Ask(_, requested)) => requested.into_iter().for_each(|requested| self.ask(requested)),
                    Some(Order::Close(_, closer)) => {
                        closer.map(|closer| closer.send(()));
                    }
                    // The driver does not support consoles, and no caller can get this far.
                    Some(Order::Open(_) | Order::Expect(..) | Order::Serial(..) | Order::TakeSerial(..)) => {}
                },
                () = wake => self.tick(),
            }
        }
    }

    fn ask(&mut self, request: QueuedRequest) {
        match request {
            // The driver supports one hop to a bus, but not through another controller.
            (destination, _, receiver) if destination.transit().is_some() => {
                receiver.tell(Ok(Response::refusal(DESTINATION_UNAVAILABLE)));
            }
            request => self.waiting.push_back(request),
        }
    }

    fn send_waiting(&mut self) {
        while self.open.len() < self.timing.open_requests.max(1) {
            let Some((destination, request, receiver)) = self.waiting.pop_front() else { return };
            let give_up_at = Instant::now() + self.timing.limit;
            let open = Open { destination, request, receiver, give_up_at, again: None, times: 0 };
            self.send(open);
        }
    }

    fn send(&mut self, open: Open) {
        let id = self.next;
        self.next += 1;
        match self.transport.send(id, open.destination, &open.request) {
            Ok(()) => {
                self.open.insert(id, open);
            }
            Err(error) => {
                debug!(%error, "The driver does not take a request");
                open.receiver.tell(Err(ProtoError::NoAnswer));
            }
        }
    }

    fn take(&mut self, id: i64, response: Response) {
        // A response whose caller no longer waits is dropped.
        let Some(mut open) = self.open.remove(&id) else { return };
        let may_repeat = response.code != CompletionCode::TIMEOUT || open.request.is_repeatable();
        if response.code.is_passing() && may_repeat {
            let pause = (SHORTEST_PAUSE * (1 << open.times.min(6))).min(LONGEST_PAUSE);
            open.times += 1;
            open.again = Some((Instant::now() + pause, response));
            self.open.insert(id, open);
            return;
        }
        open.receiver.tell(Ok(response));
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let due: Vec<i64> =
            self.open.iter().filter(|(_, open)| open.deadline() <= now).map(|(id, _)| *id).collect();
        for id in due {
            let Some(mut open) = self.open.remove(&id) else { continue };
            if now < open.give_up_at {
                open.again = None;
                self.send(open);
                continue;
            }
            let silent =
                if open.request.is_repeatable() { ProtoError::NoAnswer } else { ProtoError::Undecided };
            open.receiver.tell(open.again.map(|(_, response)| response).ok_or(silent));
        }
    }
}

impl Open {
    fn deadline(&self) -> Instant {
        self.again.as_ref().map_or(self.give_up_at, |(again, _)| self.give_up_at.min(*again))
    }
}

/// Session key: there is only one controller.
const ONLY: u64 = 0;
const DESTINATION_UNAVAILABLE: u8 = 0xd3;
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::os::fd::BorrowedFd;
    use std::os::unix::net::UnixDatagram;
    use std::sync::Mutex;

    use ipmi_proto::responder::{Device as _, DeviceCommand};
    use ipmi_proto::{Privilege, chassis, device_id};
    use telarch_simulated_bmc::Board;

    use super::*;

    /// A driver of a simulated board; its file is readable while answers are waiting.
    struct Simulated {
        board: Mutex<Board>,
        answers: Mutex<VecDeque<(i64, Response)>>,
        ours: UnixDatagram,
        theirs: UnixDatagram,
    }

    impl Simulated {
        fn of(board: Board) -> Self {
            let (ours, theirs) = UnixDatagram::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            Self { board: Mutex::new(board), answers: Mutex::default(), ours, theirs }
        }
    }

    impl AsFd for Simulated {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.ours.as_fd()
        }
    }

    impl Transport for Simulated {
        fn send(&self, id: i64, destination: Destination, request: &Request) -> io::Result<()> {
            let Request { net_fn, command, ref data } = *request;
            let requested =
                DeviceCommand { destination, net_fn, command, data, privilege: Privilege::Administrator };
            let mut data = Vec::new();
            let code = self.board.lock().unwrap().answer(&requested, &mut data);
            self.answers.lock().unwrap().push_back((id, Response { code, data: data.into() }));
            self.theirs.send(b"!").map(drop)
        }

        fn receive(&self) -> io::Result<(i64, Response)> {
            self.ours.recv(&mut [0; 1])?;
            Ok(self.answers.lock().unwrap().pop_front().unwrap())
        }
    }

    #[tokio::test]
    async fn a_local_controller_is_scanned_like_a_remote_one() {
        let transport = Simulated::of(Board { busy_every: 9, ..Board::default() });
        let bmc = Connection::through(transport, Timing::default(), RecordCache::in_memory()).unwrap();
        assert_eq!((bmc.protection(), bmc.suite(), bmc.guid()), (None, None, None));
        let records = bmc.records().await.unwrap();
        let measured = bmc.measure(&records).await.unwrap();
        assert_eq!((records.len(), measured.len()), (35, 29));
        assert!(measured.iter().all(|measured| measured.reading.is_some()));
        bmc.run(&chassis::Control::PowerDown).await.unwrap();
        assert!(!bmc.run(&chassis::GetStatus).await.unwrap().power_is_on);
        bmc.close().await;
    }

    #[tokio::test]
    async fn a_driver_that_stays_busy_is_an_error_with_the_reason() {
        let transport = Simulated::of(Board { busy_every: 1, ..Board::default() });
        let timing = Timing { limit: Duration::from_secs(2), ..Timing::default() };
        let bmc = Connection::through(transport, timing, RecordCache::in_memory()).unwrap();
        let error = bmc.run(&device_id::GetDeviceId).await.unwrap_err();
        assert!(matches!(error, IpmiError::Completion(code) if code.0 == 0xc0), "{error}");
    }
}
