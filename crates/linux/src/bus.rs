//! D-Bus system bus, for providers whose calls run on threads that may block.

mod line;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::net::SocketAddrUnix;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::wire::DynamicType;
use zbus::{Connection, DBusError as _, Message, OwnedVariant, Variant, connection};

pub use line::Line;

/// System bus of a machine. Connects on first use, and again after the connection is lost.
#[derive(Debug)]
pub struct Bus {
    address: Address,
    /// Time limit of a call.
    patience: Duration,
    connection: Mutex<Option<Connection>>,
}

/// Address of the bus.
#[derive(Debug)]
pub enum Address {
    /// Default address of the system bus, or `DBUS_SYSTEM_BUS_ADDRESS`.
    System,
    /// Address in D-Bus notation.
    At(String),
    /// No bus.
    Nowhere,
}

/// An object of a service on the bus.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// Well-known name of the service.
    pub service: &'a str,
    /// Path of the object.
    pub path: &'a str,
    /// Name of the interface.
    pub interface: &'a str,
}

/// Properties of an object.
#[derive(Debug)]
pub struct Properties(HashMap<String, OwnedVariant>);

/// Error of a call to a service on the bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// There is no bus, or the service is not on it.
    #[error("{0} is not available on D-Bus")]
    Absent(String),
    /// The service rejected the call.
    #[error("{message}")]
    Refused {
        /// Name of the error, such as `org.freedesktop.DBus.Error.AccessDenied`.
        name: String,
        /// Description of the error.
        message: String,
    },
    /// The service did not respond in time.
    #[error("{0} did not respond in time")]
    Silent(String),
    /// The response has an unexpected form.
    #[error("invalid response from {0}")]
    Unintelligible(String),
}

impl Bus {
    /// Creates a bus that is not connected yet.
    pub fn new(address: Address) -> Self {
        Self { address, patience: LONGEST_CALL, connection: Mutex::new(None) }
    }

    /// Sets the time limit of calls.
    #[cfg(test)]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Opens a connection for many requests to a service: to the service's own socket if this user may
    /// connect to it, otherwise to the bus. `None` if neither is a local socket that accepts the connection.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if the first existing socket does not respond; the bus could not reach the
    /// service either.
    pub fn line(&self, own: &Path) -> io::Result<Option<Line>> {
        if matches!(self.address, Address::System) {
            let own = SocketAddrUnix::new(own).map_err(io::Error::from);
            let line = own.and_then(|place| Line::to_service(&place, self.patience));
            if let Some(line) = unless_silent(line)? {
                return Ok(Some(line));
            }
        }
        match self.place() {
            Some(place) => unless_silent(Line::to_bus(&place, self.patience)),
            None => Ok(None),
        }
    }

    /// Returns the socket of the bus, if it is a local one.
    fn place(&self) -> Option<SocketAddrUnix> {
        let address = match &self.address {
            Address::System => zbus::Address::system(),
            Address::At(address) => address.parse(),
            Address::Nowhere => return None,
        };
        let address = address.ok()?;
        let Transport::Unix(socket) = address.transport() else { return None };
        match socket.path() {
            UnixSocket::File(path) => SocketAddrUnix::new(path.as_path()).ok(),
            UnixSocket::Abstract(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()).ok(),
            _ => None,
        }
    }

    /// Runs a request on the bus and waits for the response.
    ///
    /// # Errors
    /// [`BusError::Absent`] if there is no bus, and the errors of `ask`.
    pub fn wait<T, F>(&self, ask: impl FnOnce(Connection) -> F) -> Result<T, BusError>
    where
        F: Future<Output = Result<T, BusError>>,
    {
        let runtime = Handle::try_current().map_err(|_| BusError::Absent("a runtime".to_owned()))?;
        runtime.block_on(async {
            let connection = self.connection().await?;
            let answer = ask(connection).await;
            // Drop the connection, so that the next request connects again after a restart of the bus.
            if matches!(answer, Err(BusError::Absent(_))) {
                *self.connection.lock().await = None;
            }
            answer
        })
    }

    /// Returns the connection, for callers that do not block a thread.
    ///
    /// # Errors
    /// [`BusError::Absent`] and [`BusError::Silent`].
    pub async fn connection(&self) -> Result<Connection, BusError> {
        let mut stored = self.connection.lock().await;
        if let Some(connection) = stored.as_ref() {
            return Ok(connection.clone());
        }
        let builder = match &self.address {
            Address::System => connection::Builder::system(),
            Address::At(address) => connection::Builder::address(address.as_str()),
            Address::Nowhere => return Err(BusError::Absent("a service".to_owned())),
        };
        let connecting = builder.method_timeout(self.patience).build();
        let connection = tokio::time::timeout(self.patience, connecting)
            .await
            .map_err(|_| BusError::Silent("the bus".to_owned()))?
            .map_err(|_| BusError::Absent("a service".to_owned()))?;
        Ok(stored.insert(connection).clone())
    }
}

impl Object<'_> {
    /// Calls a method and returns the response message.
    pub async fn call<B>(&self, bus: &Connection, method: &str, body: &B) -> Result<Message, BusError>
    where
        B: Serialize + DynamicType,
    {
        let Self { service, path, interface } = *self;
        bus.call_method(Some(service), path, Some(interface), method, body)
            .await
            .map_err(|error| BusError::of(service, &error))
    }

    /// Returns the message of a method call, for a [`Line`].
    ///
    /// # Errors
    /// If a name is not valid.
    pub fn question<B>(&self, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: Serialize + DynamicType,
    {
        let Self { service, path, interface } = *self;
        Message::method_call(path, method).destination(service).interface(interface).build(body)
    }

    /// Returns the message that requests one property.
    ///
    /// # Errors
    /// If the object path is not valid.
    pub fn question_for(&self, (interface, name): (&str, &str)) -> zbus::Result<Message> {
        Object { interface: PROPERTIES, ..*self }.question("Get", &(interface, name))
    }

    /// Returns the message that requests all properties of the interface.
    ///
    /// # Errors
    /// If the object path is not valid.
    pub fn question_for_all(&self) -> zbus::Result<Message> {
        Object { interface: PROPERTIES, ..*self }.question("GetAll", &(self.interface,))
    }

    /// Calls a method and decodes its result.
    pub async fn ask<B, T>(&self, bus: &Connection, method: &str, body: &B) -> Result<T, BusError>
    where
        B: Serialize + DynamicType,
        T: serde::de::DeserializeOwned + zbus::wire::Type,
    {
        let answer = self.call(bus, method, body).await?;
        answer.body().deserialize().map_err(|_| BusError::Unintelligible(self.service.to_owned()))
    }

    /// Reads a text property.
    pub async fn property(&self, bus: &Connection, name: &str) -> Result<String, BusError> {
        let object = Object { interface: PROPERTIES, ..*self };
        let value: OwnedVariant = object.ask(bus, "Get", &(self.interface, name)).await?;
        text_in(&value).map(str::to_owned).ok_or_else(|| BusError::Unintelligible(self.service.to_owned()))
    }

    /// Reads a property that is an array of texts.
    pub async fn texts(&self, bus: &Connection, name: &str) -> Result<Vec<String>, BusError> {
        let object = Object { interface: PROPERTIES, ..*self };
        let value: OwnedVariant = object.ask(bus, "Get", &(self.interface, name)).await?;
        Ok(Properties(HashMap::from([(name.to_owned(), value)])).texts(name))
    }

    /// Reads all properties of the interface.
    pub async fn properties(&self, bus: &Connection) -> Result<Properties, BusError> {
        let object = Object { interface: PROPERTIES, ..*self };
        object.ask(bus, "GetAll", &(self.interface,)).await.map(Properties)
    }
}

impl From<HashMap<String, OwnedVariant>> for Properties {
    fn from(properties: HashMap<String, OwnedVariant>) -> Self {
        Self(properties)
    }
}

impl Properties {
    /// Returns a text or object path; `None` if the property is missing or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        text_in(self.0.get(name)?)
    }

    /// Returns an unsigned number; `None` if the property is missing or of another type.
    pub fn number(&self, name: &str) -> Option<u64> {
        match **self.0.get(name)? {
            Variant::U8(number) => Some(number.into()),
            Variant::U16(number) => Some(number.into()),
            Variant::U32(number) => Some(number.into()),
            Variant::U64(number) => Some(number),
            Variant::I32(number) => number.try_into().ok(),
            Variant::I64(number) => number.try_into().ok(),
            _ => None,
        }
    }

    /// Returns whether a property is `true`.
    pub fn is(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| matches!(**value, Variant::Bool(true)))
    }

    /// Returns the elements of an array; empty if the property is missing.
    pub fn list(&self, name: &str) -> &[Variant<'static>] {
        match self.0.get(name).map(|value| &**value) {
            Some(Variant::Array(array)) => array.inner(),
            _ => &[],
        }
    }

    /// Returns the texts of an array.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.list(name).iter().filter_map(text_in).map(str::to_owned).collect()
    }
}

/// Returns a text or object path; `None` if it is empty or of another type.
pub fn text_in<'v>(value: &'v Variant<'_>) -> Option<&'v str> {
    let text = match value {
        Variant::Str(text) => text.as_str(),
        Variant::ObjectPath(path) => path.as_str(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

impl BusError {
    fn of(service: &str, error: &zbus::Error) -> Self {
        match error {
            zbus::Error::MethodError(name, message, _) => {
                Self::named(service, name.as_str(), message.as_deref().unwrap_or_default())
            }
            zbus::Error::FDO(error) => {
                Self::named(service, error.name().as_str(), error.description().unwrap_or_default())
            }
            zbus::Error::InputOutput(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                Self::Silent(service.to_owned())
            }
            zbus::Error::InputOutput(_) => Self::Absent(service.to_owned()),
            other => {
                tracing::debug!(service, error = %other, "D-Bus call failed");
                Self::Unintelligible(service.to_owned())
            }
        }
    }

    fn named(service: &str, name: &str, message: &str) -> Self {
        match name {
            "org.freedesktop.DBus.Error.ServiceUnknown"
            | "org.freedesktop.DBus.Error.NameHasNoOwner"
            | "org.freedesktop.DBus.Error.Spawn.ExecFailed" => Self::Absent(service.to_owned()),
            "org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.Timeout" => {
                Self::Silent(service.to_owned())
            }
            name => Self::Refused { name: name.to_owned(), message: message.to_owned() },
        }
    }

    /// Returns whether the call was rejected for lack of privileges.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { name, .. } if name.ends_with(".AccessDenied")
            || name.ends_with(".InteractiveAuthorizationRequired")
            || name.ends_with(".AuthFailed"))
    }

    /// Returns whether the service or the bus does not exist.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent(_))
    }
}

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Time limit of a call, the default of other clients too (sd_bus_call(3)): systemd does not respond while it
/// reloads its files, which may take seconds.
const LONGEST_CALL: Duration = Duration::from_secs(25);

/// Converts errors to `None`, except that a socket does not respond.
fn unless_silent(line: io::Result<Line>) -> io::Result<Option<Line>> {
    match line {
        Err(error) if error.kind() != io::ErrorKind::TimedOut => Ok(None),
        line => line.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn silent_service_is_not_queried_over_the_bus() {
        let folder = tempfile::tempdir().expect("there is room");
        let own = folder.path().join("private");
        let _listener = UnixListener::bind(&own).expect("a socket");
        let bus = Bus::new(Address::System).with_patience(Duration::from_millis(50));
        let silent = bus.line(&own).expect_err("nobody says a word").kind();
        assert_eq!(silent, io::ErrorKind::TimedOut);
    }
}
