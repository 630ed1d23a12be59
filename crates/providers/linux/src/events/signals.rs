//! Signals of the system bus.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use cim::{Class, Value};
use futures_core::Stream as _;
use wmi::{BoxFuture, EventSource, Happening, ProviderError};
use zbus::{MatchRule, Message, MessageStream, message};

use super::instance;
use crate::Machine;
use crate::bus::BusError;
use crate::service::{self, MANAGER};

/// Which signals.
#[derive(Clone, Copy)]
struct Rule {
    sender: &'static str,
    /// The object, and those below it.
    path: &'static str,
    /// `None` for all that the sender says there.
    signal: Option<(&'static str, &'static str)>,
}

/// Hears signals, beginning when the first one is waited for.
struct Signals {
    machine: Arc<Machine>,
    rule: Rule,
    stream: Option<MessageStream>,
}

/// What a wait for a signal came to.
enum Heard {
    /// From now on nothing is missed.
    Listening,
    Signal(Message),
}

impl Signals {
    fn new(machine: &Arc<Machine>, rule: Rule) -> Self {
        Self { machine: Arc::clone(machine), rule, stream: None }
    }

    async fn next(&mut self) -> Result<Heard, BusError> {
        let Some(stream) = &mut self.stream else {
            self.stream = Some(self.listen().await?);
            return Ok(Heard::Listening);
        };
        match poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await {
            Some(Ok(signal)) => Ok(Heard::Signal(signal)),
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
            // Without it, systemd may keep its signals to itself; it is refused the second time.
            MANAGER.call(&bus, "Subscribe", &()).await.map(drop).or_else(|error| match error {
                BusError::Refused { .. } => Ok(()),
                error => Err(error),
            })?;
        }
        Ok(stream)
    }
}

/// When to look at units of systemd.
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
            // Whatever has changed before it listened is looked for as well.
            self.0.next().await.map_err(service::of_bus)?;
            Ok(Happening::Changed)
        })
    }
}

/// `Win32_ComputerShutdownEvent`: logind says that the machine is about to stop, before it does.
pub(super) struct Shutdown {
    signals: Signals,
    class: Arc<Class>,
}

/// The value of `Type`; the other one, a logoff, is not told.
const SHUTDOWN: u32 = 1;

impl Shutdown {
    pub(super) fn new(machine: &Arc<Machine>, class: Arc<Class>) -> Self {
        let rule = Rule {
            sender: "org.freedesktop.login1",
            path: "/org/freedesktop/login1",
            signal: Some(("org.freedesktop.login1.Manager", "PrepareForShutdown")),
        };
        Self { signals: Signals::new(machine, rule), class }
    }
}

impl EventSource for Shutdown {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                let Heard::Signal(signal) = self.signals.next().await.map_err(service::of_bus)? else {
                    continue;
                };
                // It is told again with `false` when the machine does not stop after all.
                if let Ok(true) = signal.body().deserialize::<bool>() {
                    let name = self.signals.machine.host_name();
                    let values = [("MachineName", Value::text(name)), ("Type", Value::Uint32(SHUTDOWN))];
                    return Ok(Happening::Event(instance(&self.class, values)?));
                }
            }
        })
    }
}
