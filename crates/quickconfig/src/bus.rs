//! D-Bus system bus.

use std::time::Duration;

use serde::Serialize;
use zbus::wire::DynamicType;
use zbus::{Connection, Message, OwnedVariant, connection};

use crate::Error;

/// An object of a service on the bus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) service: &'a str,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
}

/// Connects to the system bus.
///
/// # Errors
/// [`Error`] if there is no system bus, as in most containers.
pub(crate) async fn connect() -> Result<Connection, Error> {
    let connecting = connection::Builder::system().method_timeout(CALL_LIMIT).build();
    match tokio::time::timeout(CALL_LIMIT, connecting).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(Error::Silent("the system bus")),
    }
}

/// Returns whether a service is running on the bus; does not start it.
pub(crate) async fn has_owner(bus: &Connection, service: &str) -> bool {
    let owned = BUS.call(bus, "NameHasOwner", &(service,)).await;
    owned.is_ok_and(|answer| answer.body().deserialize().unwrap_or(false))
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

    /// Reads a text property.
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

/// Time limit of a call. firewalld takes seconds for large rule sets.
const CALL_LIMIT: Duration = Duration::from_secs(25);
