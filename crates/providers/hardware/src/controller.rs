//! A named controller and its one shared session.

mod cache;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ipmi::proto::{Login, Privilege, ProtoError, Timing};
use ipmi::{Connection, Endpoint, IpmiError};
use tokio::sync::Mutex;
use tracing::debug;

pub(crate) use self::cache::{Cache, LogEntry};
use crate::hosts::Address;
use crate::{ControllerSource, HardwareError, HostFileError};

/// A controller. Its session is opened on the first request and closed when idle, because controllers support
/// only a few sessions.
#[derive(Debug)]
pub(crate) struct Controller {
    name: Arc<str>,
    access: Access,
    endpoint: Endpoint,
    session: Mutex<Session>,
    pub(crate) cache: Cache,
}

/// Access path to a controller.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// Over the network.
    Lan(Address, Login, Privilege),
    /// Through the kernel driver of this machine. If this process may not open the driver, another process
    /// opens it.
    Driver(Option<Arc<dyn ControllerSource>>),
    /// No access: the stored password cannot be decrypted.
    Undecryptable,
}

#[derive(Debug, Default)]
struct Session {
    open: Option<Open>,
    /// Number of sessions opened so far.
    number: u64,
    /// Time and error of the last failed login.
    last_failure: Option<(Instant, HardwareError)>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    used: Instant,
}

/// Whether the session was opened for this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionAge {
    New,
    Reused,
}

impl Controller {
    /// Creates a controller that uses the sockets and the record cache of an endpoint.
    pub(crate) fn new(name: Arc<str>, access: Access, endpoint: Endpoint) -> Arc<Self> {
        Arc::new(Self { name, access, endpoint, session: Mutex::default(), cache: Cache::default() })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the address for display; `None` for the controller of this machine.
    pub(crate) fn address(&self) -> Option<&Address> {
        match &self.access {
            Access::Lan(address, ..) => Some(address),
            Access::Driver(_) | Access::Undecryptable => None,
        }
    }

    /// Runs a request that may be repeated: if the session had ended meanwhile, it is repeated in a new
    /// session.
    pub(crate) async fn run<T, A>(
        self: &Arc<Self>,
        request: impl Fn(Connection) -> A + Send,
    ) -> Result<T, HardwareError>
    where
        A: Future<Output = Result<T, IpmiError>> + Send,
    {
        let (connection, age) = self.connection().await?;
        match request(connection).await {
            // The controller was restarted, or has closed the session.
            Err(IpmiError::Proto(ProtoError::NoAnswer | ProtoError::Ended)) if age == SessionAge::Reused => {
                self.forget().await;
                let (connection, _) = self.connection().await?;
                self.check(request(connection).await).await
            }
            other => self.check(other).await,
        }
    }

    /// Runs a request that must be executed at most once.
    pub(crate) async fn run_once<T, A>(
        self: &Arc<Self>,
        request: impl FnOnce(Connection) -> A + Send,
    ) -> Result<T, HardwareError>
    where
        A: Future<Output = Result<T, IpmiError>> + Send,
    {
        // A harmless request first detects whether the session has ended.
        self.run(|bmc| async move { bmc.run(&ipmi::proto::device_id::GetDeviceId).await }).await?;
        let (connection, _) = self.connection().await?;
        self.check(request(connection).await).await
    }

    async fn check<T>(&self, result: Result<T, IpmiError>) -> Result<T, HardwareError> {
        match result {
            Ok(result) => Ok(result),
            Err(error) => {
                if matches!(error, IpmiError::Proto(ProtoError::NoAnswer | ProtoError::Ended)) {
                    self.forget().await;
                }
                Err(HardwareError::of(&self.name, &error))
            }
        }
    }

    /// Returns the session, opening it if necessary. Concurrent callers share one login.
    async fn connection(self: &Arc<Self>) -> Result<(Connection, SessionAge), HardwareError> {
        let mut session = self.session.lock().await;
        if let Some(open) = &mut session.open {
            open.used = Instant::now();
            return Ok((open.connection.clone(), SessionAge::Reused));
        }
        // A failed login costs time, or one of the attempts before the account is locked, so it is not
        // repeated at once.
        if let Some((when, error)) = &session.last_failure
            && when.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        match self.open().await {
            Ok(connection) => {
                let open = Some(Open { connection: connection.clone(), used: Instant::now() });
                *session = Session { open, number: session.number.wrapping_add(1), last_failure: None };
                tokio::spawn(close_when_idle(Arc::downgrade(self), session.number));
                Ok((connection, SessionAge::New))
            }
            Err(error) => {
                debug!(controller = %self.name, %error, "Cannot open a session");
                session.last_failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn open(&self) -> Result<Connection, HardwareError> {
        let timing = Timing { limit: ANSWER, ..Timing::default() };
        let (address, login, highest) = match &self.access {
            Access::Lan(address, login, highest) => (address, login, highest),
            Access::Driver(None) => {
                return Connection::local(timing).map_err(|error| HardwareError::of(&self.name, &error));
            }
            Access::Driver(Some(source)) => {
                let access = source.load().map_err(HostFileError::Source)?;
                let driver = access.driver.ok_or(HostFileError::AccessDenied)?;
                let opened = Connection::local_through(driver, timing);
                return opened.map_err(|error| HardwareError::of(&self.name, &error));
            }
            Access::Undecryptable => return Err(HardwareError::Sealed(self.name.clone())),
        };
        let peer = self.resolve(address).await?;
        let mut last_failure = None;
        let levels = [Privilege::Administrator, Privilege::Operator, Privilege::User];
        for level in levels.into_iter().filter(|level| level <= highest) {
            match self.endpoint.open(peer, login.clone().privilege(level), timing).await {
                Ok(connection) => return Ok(connection),
                // The user does not have this level: try a lower one. Commands that need the higher level
                // will be rejected.
                Err(error) if is_about_level(&error) => last_failure = Some(error),
                Err(error) => return Err(HardwareError::of(&self.name, &error)),
            }
        }
        let error = last_failure.unwrap_or(IpmiError::Proto(ProtoError::NoAnswer));
        Err(HardwareError::of(&self.name, &error))
    }

    async fn resolve(&self, address: &Address) -> Result<SocketAddr, HardwareError> {
        let problem = match tokio::net::lookup_host((address.host.as_str(), address.port)).await {
            Ok(mut found) => match found.next() {
                Some(peer) => return Ok(peer),
                None => format!("{address} has no IP address"),
            },
            Err(error) => format!("cannot resolve {address}: {error}"),
        };
        Err(HardwareError::Broken { controller: self.name.clone(), problem })
    }

    async fn forget(&self) {
        self.session.lock().await.open = None;
    }

    /// Closes the session, if there is one, and waits for confirmation by the controller.
    pub(crate) async fn close(&self) {
        let open = self.session.lock().await.open.take();
        if let Some(open) = open {
            open.connection.close().await;
        }
    }
}

/// Returns whether a lower privilege level may succeed (IPMI 2.0, table 13-15).
fn is_about_level(error: &IpmiError) -> bool {
    match error {
        IpmiError::Proto(ProtoError::Level { .. }) => true,
        IpmiError::Proto(ProtoError::Refused { status, .. }) => matches!(status.0, 0x09..=0x0b),
        _ => false,
    }
}

/// Closes the session once it is idle. Ends when the session with this number is gone.
async fn close_when_idle(controller: Weak<Controller>, number: u64) {
    let mut wait = IDLE;
    loop {
        tokio::time::sleep(wait).await;
        let Some(controller) = controller.upgrade() else { return };
        let mut session = controller.session.lock().await;
        let Some(open) = session.open.as_ref().filter(|_| session.number == number) else { return };
        wait = IDLE.saturating_sub(open.used.elapsed());
        if wait.is_zero() {
            let open = session.open.take();
            drop(session);
            if let Some(open) = open {
                open.connection.close().await;
            }
            return;
        }
    }
}

/// Idle time after which the session is closed. Controllers close it after a minute (IPMI 2.0, 6.12.15).
const IDLE: Duration = Duration::from_secs(20);
/// Time limit of a response, including retransmissions.
const ANSWER: Duration = Duration::from_secs(5);
/// Pause after a failed login.
const PAUSE: Duration = Duration::from_secs(10);
