//! Signals of the system bus.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use cim::{Class, Value};
use futures_core::Stream as _;
use linux::bus::BusError;
use linux::service::unit::MANAGER;
use wmi::{BoxFuture, EventSource, Happening, ProviderError};
use zbus::{MatchRule, Message, MessageStream, message};

use super::instance;
use crate::Machine;
use crate::provider_failure::failure;

/// Signals to receive.
#[derive(Clone, Copy)]
struct Rule {
    sender: &'static str,
    /// Object path; objects below it are included.
    path: &'static str,
    /// Interface and signal name; `None` for all signals.
    signal: Option<(&'static str, &'static str)>,
}

/// Listener, which connects at the first call of `next`.
struct Signals {
    machine: Arc<Machine>,
    rule: Rule,
    stream: Option<MessageStream>,
}

/// Result of waiting for a signal.
enum Received {
    /// Listening has begun; signals before may have been missed.
    Listening,
    Signal(Message),
}

impl Signals {
    fn new(machine: &Arc<Machine>, rule: Rule) -> Self {
        Self { machine: Arc::clone(machine), rule, stream: None }
    }

    async fn next(&mut self) -> Result<Received, BusError> {
        let Some(stream) = &mut self.stream else {
            self.stream = Some(self.listen().await?);
            return Ok(Received::Listening);
        };
        match poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await {
            Some(Ok(signal)) => Ok(Received::Signal(signal)),
            Some(Err(_)) | None => Err(BusError::Absent(self.rule.sender.to_owned())),
        }
    }

    async fn listen(&self) -> Result<MessageStream, BusError> {
        let Rule { sender, path, signal } = self.rule;
        let unintelligible = |_| BusError::Unintelligible(sender.to_owned());
        let mut rule =
            MatchRule::builder().msg_type(message::Type::Signal).sender(sender).path_namespace(path);
        if let Some((interface, member)) = signal {
            rule = rule.interface(interface).member(member);
        }
        let rule = rule.build().map_err(unintelligible)?;
        let bus = self.machine.bus().connection().await?;
        let stream = MessageStream::for_match_rule(rule, &bus, None).await.map_err(unintelligible)?;
        if sender == MANAGER.service {
            // Without a subscription, systemd may not send signals. A second subscription is rejected, which
            // is ignored.
            MANAGER.call(&bus, "Subscribe", &()).await.map(drop).or_else(|error| match error {
                BusError::Refused { .. } => Ok(()),
                error => Err(error),
            })?;
        }
        Ok(stream)
    }
}

/// Event source that reports changes of systemd units.
pub(crate) struct UnitChanges(Signals);

impl UnitChanges {
    pub(crate) fn new(machine: &Arc<Machine>) -> Self {
        let rule = Rule { sender: MANAGER.service, path: MANAGER.path, signal: None };
        Self(Signals::new(machine, rule))
    }
}

impl EventSource for UnitChanges {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            // The start of listening is also reported as a change, so that earlier changes are found.
            self.0.next().await.map_err(failure)?;
            Ok(Happening::Changed)
        })
    }
}

/// Returns the rule for a signal of logind.
fn of_logind(signal: &'static str) -> Rule {
    Rule {
        sender: "org.freedesktop.login1",
        path: "/org/freedesktop/login1",
        signal: Some(("org.freedesktop.login1.Manager", signal)),
    }
}

/// Event source of `Win32_ComputerShutdownEvent`: logind announces a shutdown.
pub(super) struct Shutdown {
    signals: Signals,
    class: Arc<Class>,
}

/// Value of `Type` for a shutdown; logoffs are not reported.
const SHUTDOWN: u32 = 1;

impl Shutdown {
    pub(super) fn new(machine: &Arc<Machine>, class: Arc<Class>) -> Self {
        Self { signals: Signals::new(machine, of_logind("PrepareForShutdown")), class }
    }
}

/// Event source of `Win32_PowerManagementEvent`: logind announces that the machine sleeps, and that it is awake again.
pub(super) struct Sleep {
    signals: Signals,
    class: Arc<Class>,
}

/// Value of `EventType` before the machine sleeps.
const ENTERING_SUSPEND: u16 = 4;

/// Value of `EventType` after it.
const RESUME_FROM_SUSPEND: u16 = 7;

impl Sleep {
    pub(super) fn new(machine: &Arc<Machine>, class: Arc<Class>) -> Self {
        Self { signals: Signals::new(machine, of_logind("PrepareForSleep")), class }
    }
}

impl EventSource for Sleep {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                let Received::Signal(signal) = self.signals.next().await.map_err(failure)? else {
                    continue;
                };
                if let Ok(sleeps) = signal.body().deserialize::<bool>() {
                    let kind = if sleeps { ENTERING_SUSPEND } else { RESUME_FROM_SUSPEND };
                    return Ok(Happening::Event(instance(
                        &self.class,
                        [("EventType", Value::Uint16(kind))],
                    )?));
                }
            }
        })
    }
}

impl EventSource for Shutdown {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                let Received::Signal(signal) = self.signals.next().await.map_err(failure)? else {
                    continue;
                };
                // The signal is repeated with `false` when a shutdown is cancelled.
                if let Ok(true) = signal.body().deserialize::<bool>() {
                    let name = self.signals.machine.host_name();
                    let values = [("MachineName", Value::text(name)), ("Type", Value::Uint32(SHUTDOWN))];
                    return Ok(Happening::Event(instance(&self.class, values)?));
                }
            }
        })
    }
}
