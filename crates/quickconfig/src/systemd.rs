//! systemd unit of the service (org.freedesktop.systemd1(5)).

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream as _;
use tokio::time::timeout;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, message};

use crate::bus::{self, Object};
use crate::{Error, Outcome, Unit};

/// Unit of the system service.
pub const UNIT: &str = "telarchd.service";

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER: Object<'_> = Object {
    service: SERVICE,
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};

/// Time limit for starting the unit; a user is waiting.
const START_LIMIT: Duration = Duration::from_secs(90);

/// Returns the state of the unit.
pub(crate) async fn survey() -> Unit {
    let Ok(bus) = bus::connect().await else { return Unit::NoSystemd };
    if !bus::has_owner(&bus, SERVICE).await {
        return Unit::NoSystemd;
    }
    state(&bus).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "Cannot determine the state of the service's unit");
        Unit::NotInstalled
    })
}

async fn state(bus: &Connection) -> Result<Unit, Error> {
    let loaded = MANAGER.call(bus, "LoadUnit", &(UNIT,)).await?;
    let path: OwnedObjectPath = loaded.body().deserialize()?;
    let unit = Object { service: SERVICE, path: path.as_str(), interface: "org.freedesktop.systemd1.Unit" };
    if unit.text(bus, "LoadState").await? != "loaded" {
        return Ok(Unit::NotInstalled);
    }
    let active =
        matches!(unit.text(bus, "ActiveState").await?.as_str(), "active" | "reloading" | "activating");
    let answer = MANAGER.call(bus, "GetUnitFileState", &(UNIT,)).await?;
    let state: String = answer.body().deserialize()?;
    // `enabled-runtime` lasts only until the next boot.
    Ok(Unit::Known { active, enabled: matches!(state.as_str(), "enabled" | "static" | "generated") })
}

/// Enables the unit at boot.
pub(crate) async fn enable() -> Result<Outcome, Error> {
    let bus = bus::connect().await?;
    match state(&bus).await? {
        Unit::Known { enabled: true, .. } => Ok(Outcome::Already),
        Unit::Known { .. } => {
            // Persistently, and replacing links that point elsewhere.
            MANAGER.call(&bus, "EnableUnitFiles", &([UNIT].as_slice(), false, true)).await?;
            MANAGER.call(&bus, "Reload", &()).await?;
            Ok(Outcome::Done(format!("{UNIT} is enabled")))
        }
        _ => Ok(Outcome::Failed(format!("the unit {UNIT} is not installed"))),
    }
}

/// Disables the unit at boot.
pub(crate) async fn disable() -> Result<Outcome, Error> {
    let bus = bus::connect().await?;
    if !matches!(state(&bus).await?, Unit::Known { enabled: true, .. }) {
        return Ok(Outcome::Already);
    }
    MANAGER.call(&bus, "DisableUnitFiles", &([UNIT].as_slice(), false)).await?;
    MANAGER.call(&bus, "Reload", &()).await?;
    Ok(Outcome::Done(format!("{UNIT} is disabled")))
}

/// Starts the unit and waits until it runs.
pub(crate) async fn start() -> Result<Outcome, Error> {
    let bus = bus::connect().await?;
    match state(&bus).await? {
        Unit::Known { active: true, .. } => Ok(Outcome::Already),
        Unit::Known { .. } => match job(&bus, "StartUnit").await?.as_str() {
            "done" => Ok(Outcome::Done(format!("{UNIT} is started"))),
            result => Ok(Outcome::Failed(format!(
                "the start job of {UNIT} ended with {result}; see journalctl -u {UNIT}"
            ))),
        },
        _ => Ok(Outcome::Failed(format!("the unit {UNIT} is not installed"))),
    }
}

/// Stops the unit without waiting, because the caller may be the service itself.
pub(crate) async fn stop() -> Result<Outcome, Error> {
    let bus = bus::connect().await?;
    if !matches!(state(&bus).await?, Unit::Known { active: true, .. }) {
        return Ok(Outcome::Already);
    }
    MANAGER.call(&bus, "StopUnit", &(UNIT, "replace")).await?;
    Ok(Outcome::Done(format!("{UNIT} is stopped")))
}

/// Starts a job for the unit and waits for the signal that reports its end.
async fn job(bus: &Connection, method: &str) -> Result<String, Error> {
    let rule = MatchRule::builder()
        .msg_type(message::Type::Signal)
        .sender(SERVICE)
        .interface(MANAGER.interface)
        .member("JobRemoved")
        .build()?;
    let mut removed = MessageStream::for_match_rule(rule, bus, None).await?;
    // Without a subscription, systemd may not send signals.
    let _ = MANAGER.call(bus, "Subscribe", &()).await;
    let begun = MANAGER.call(bus, method, &(UNIT, "replace")).await?;
    let job: OwnedObjectPath = begun.body().deserialize()?;
    let ended = async {
        while let Some(signal) = poll_fn(|context| Pin::new(&mut removed).poll_next(context)).await {
            let signal = signal?;
            let body = signal.body();
            let (_, path, _, result): (u32, OwnedObjectPath, String, String) = body.deserialize()?;
            if path == job {
                return Ok(result);
            }
        }
        Err(Error::Silent("systemd"))
    };
    timeout(START_LIMIT, ended).await.unwrap_or(Err(Error::Silent("systemd")))
}
