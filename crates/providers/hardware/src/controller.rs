//! A controller with a name, and the one session with it that everybody shares.

mod known;

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ipmi::proto::{Login, Privilege, ProtoError, Timing};
use ipmi::{Connection, Endpoint, IpmiError};
use tokio::sync::Mutex;
use tracing::debug;

pub(crate) use self::known::{Known, Logged};
use crate::hosts::Address;
use crate::{HardwareError, HardwareKeeper, HostFileError};

/// A controller. Its session is opened when it is asked something, and closed when nobody has asked for a while:
/// controllers have few.
#[derive(Debug)]
pub(crate) struct Controller {
    name: Arc<str>,
    way: Way,
    endpoint: Endpoint,
    session: Mutex<Session>,
    pub(crate) known: Known,
}

/// How a controller is reached.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// Over the network.
    Lan(Address, Login, Privilege),
    /// Through the driver of this machine, whose own it is, which a keeper opens where this process may not.
    Driver(Option<Arc<dyn HardwareKeeper>>),
    /// Not at all: its password cannot be opened.
    Sealed,
}

#[derive(Debug, Default)]
struct Session {
    open: Option<Open>,
    /// How many there were.
    number: u64,
    /// Why it could not be opened, and when that was.
    refused: Option<(Instant, HardwareError)>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    used: Instant,
}

/// Whether a question was the first one in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    New,
    Used,
}

impl Controller {
    /// One that is asked over the sockets of an endpoint, which also keeps the records of its sensors.
    pub(crate) fn new(name: Arc<str>, way: Way, endpoint: Endpoint) -> Arc<Self> {
        Arc::new(Self { name, way, endpoint, session: Mutex::default(), known: Known::default() })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it is, for people; none of the machine's own.
    pub(crate) fn address(&self) -> Option<&Address> {
        match &self.way {
            Way::Lan(address, ..) => Some(address),
            Way::Driver(_) | Way::Sealed => None,
        }
    }

    /// Asks something that may be asked again: if the session had ended meanwhile, it is, in a new one.
    pub(crate) async fn ask<T, A>(
        self: &Arc<Self>,
        question: impl Fn(Connection) -> A + Send,
    ) -> Result<T, HardwareError>
    where
        A: Future<Output = Result<T, IpmiError>> + Send,
    {
        let (connection, age) = self.connection().await?;
        match question(connection).await {
            // The controller was restarted, or has closed the session on its own.
            Err(IpmiError::Proto(ProtoError::NoAnswer | ProtoError::Ended)) if age == Age::Used => {
                self.forget().await;
                let (connection, _) = self.connection().await?;
                self.judge(question(connection).await).await
            }
            other => self.judge(other).await,
        }
    }

    /// Asks for something that is done once, or not at all.
    pub(crate) async fn order<T, A>(
        self: &Arc<Self>,
        question: impl FnOnce(Connection) -> A + Send,
    ) -> Result<T, HardwareError>
    where
        A: Future<Output = Result<T, IpmiError>> + Send,
    {
        // Something harmless goes first, so that a session that has ended is found out by that.
        self.ask(|bmc| async move { bmc.run(&ipmi::proto::device_id::GetDeviceId).await }).await?;
        let (connection, _) = self.connection().await?;
        self.judge(question(connection).await).await
    }

    async fn judge<T>(&self, answer: Result<T, IpmiError>) -> Result<T, HardwareError> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => {
                if matches!(error, IpmiError::Proto(ProtoError::NoAnswer | ProtoError::Ended)) {
                    self.forget().await;
                }
                Err(HardwareError::of(&self.name, &error))
            }
        }
    }

    /// The session that there is, or a new one. Several may ask for it; one opens it.
    async fn connection(self: &Arc<Self>) -> Result<(Connection, Age), HardwareError> {
        let mut session = self.session.lock().await;
        if let Some(open) = &mut session.open {
            open.used = Instant::now();
            return Ok((open.connection.clone(), Age::Used));
        }
        // Each login that fails costs somebody time, or the user an attempt.
        if let Some((when, error)) = &session.refused
            && when.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        match self.open().await {
            Ok(connection) => {
                let open = Some(Open { connection: connection.clone(), used: Instant::now() });
                *session = Session { open, number: session.number.wrapping_add(1), refused: None };
                tokio::spawn(close_when_idle(Arc::downgrade(self), session.number));
                Ok((connection, Age::New))
            }
            Err(error) => {
                debug!(controller = %self.name, %error, "No session");
                session.refused = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn open(&self) -> Result<Connection, HardwareError> {
        let timing = Timing { limit: ANSWER, ..Timing::default() };
        let (address, login, highest) = match &self.way {
            Way::Lan(address, login, highest) => (address, login, highest),
            Way::Driver(None) => {
                return Connection::local(timing).map_err(|error| HardwareError::of(&self.name, &error));
            }
            Way::Driver(Some(keeper)) => {
                let handed = keeper.hand_over().map_err(HostFileError::Keeper)?;
                let driver = handed.driver.ok_or(HostFileError::NotYours)?;
                let opened = Connection::local_through(driver, timing);
                return opened.map_err(|error| HardwareError::of(&self.name, &error));
            }
            Way::Sealed => return Err(HardwareError::Sealed(self.name.clone())),
        };
        let broken = |problem: String| HardwareError::Broken { controller: self.name.clone(), problem };
        let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
        let found = found.map_err(|error| broken(format!("{address} is not known: {error}")))?.next();
        let place = found.ok_or_else(|| broken(format!("{address} has no address")))?;
        let mut refused = None;
        let levels = [Privilege::Administrator, Privilege::Operator, Privilege::User];
        for level in levels.into_iter().filter(|level| level <= highest) {
            match self.endpoint.open(place, login.clone().privilege(level), timing).await {
                Ok(connection) => return Ok(connection),
                // The user may not have it: what needs it will be refused, and the rest is done.
                Err(error) if is_about_level(&error) => refused = Some(error),
                Err(error) => return Err(HardwareError::of(&self.name, &error)),
            }
        }
        let error = refused.unwrap_or(IpmiError::Proto(ProtoError::NoAnswer));
        Err(HardwareError::of(&self.name, &error))
    }

    async fn forget(&self) {
        self.session.lock().await.open = None;
    }

    /// Closes the session, if there is one, and waits until the controller knows.
    pub(crate) async fn close(&self) {
        let open = self.session.lock().await.open.take();
        if let Some(open) = open {
            open.connection.close().await;
        }
    }
}

/// Whether a lower level may be had (IPMI 2.0, table 13-15).
fn is_about_level(error: &IpmiError) -> bool {
    match error {
        IpmiError::Proto(ProtoError::Level { .. }) => true,
        IpmiError::Proto(ProtoError::Refused { status, .. }) => matches!(status.0, 0x09..=0x0b),
        _ => false,
    }
}

/// Ends with the session of this number.
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

/// Controllers end sessions by themselves after a minute (IPMI 2.0, 6.12.15).
const IDLE: Duration = Duration::from_secs(20);
/// For one answer, with everything that is sent again meanwhile.
const ANSWER: Duration = Duration::from_secs(5);
/// After a login that failed.
const PAUSE: Duration = Duration::from_secs(10);
