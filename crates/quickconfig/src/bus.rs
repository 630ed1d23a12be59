//! The system bus.

use std::time::Duration;

use serde::Serialize;
use zbus::wire::DynamicType;
use zbus::{Connection, Message, OwnedVariant, connection};

use crate::Error;

/// A service on the bus, by one of its objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) service: &'a str,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
}

/// A connection to the system bus.
///
/// # Errors
/// [`Error`] if there is none, as in most containers.
pub(crate) async fn connect() -> Result<Connection, Error> {
    let connecting = connection::Builder::system().method_timeout(LONGEST_CALL).build();
    match tokio::time::timeout(LONGEST_CALL, connecting).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(Error::Silent("the system bus")),
    }
}

/// Whether a service is on the bus; nothing is started by asking.
pub(crate) async fn is_there(bus: &Connection, service: &str) -> bool {
    let asked = BUS.call(bus, "NameHasOwner", &(service,)).await;
    asked.is_ok_and(|answer| answer.body().deserialize().unwrap_or(false))
}

impl Object<'_> {
    /// Calls a method.
    pub(crate) async fn call<B>(&self, bus: &Connection, method: &str, body: &B) -> Result<Message, Error>
    where
        B: Serialize + DynamicType,
    {
        let Self { service, path, interface } = *self;
        Ok(bus.call_method(Some(service), path, Some(interface), method, body).await?)
    }

    /// Reads a property that is a text.
    pub(crate) async fn text(&self, bus: &Connection, name: &str) -> Result<String, Error> {
        let properties = Object { interface: "org.freedesktop.DBus.Properties", ..*self };
        let answer = properties.call(bus, "Get", &(self.interface, name)).await?;
        let value: OwnedVariant = answer.body().deserialize()?;
        value.try_into().map_err(|_| Error::Unintelligible("a service on the bus"))
    }
}

const BUS: Object<'_> = Object {
    service: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};

/// A service that takes longer than this does not answer. firewalld takes seconds for large sets of rules.
const LONGEST_CALL: Duration = Duration::from_secs(25);
