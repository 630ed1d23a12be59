//! NetworkManager: state and configuration of links (its D-Bus API, and nm-settings-dbus(5)).

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use zbus::{Connection, OwnedVariant, Variant};

use super::link::Link;
use super::profile::Profile;
use crate::Machine;
use crate::bus::{BusError, Object, text_in};

/// An active connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// Interface name of its link.
    pub interface: String,
    /// Name of the connection.
    pub name: String,
    connectivity: [Option<u64>; 2],
}

impl Active {
    /// Returns the connectivity for IPv4 or IPv6 (`NMConnectivityState`).
    pub fn connectivity(&self, is_v4: bool) -> Option<u64> {
        let [v4, v6] = self.connectivity;
        if is_v4 { v4 } else { v6 }
    }
}

/// Returns the active connections; empty without NetworkManager.
pub fn active(machine: &Machine) -> Vec<Active> {
    if !is_there(machine) {
        return Vec::new();
    }
    let requested = machine.bus().wait(async |bus| {
        let mut found = Vec::new();
        for path in manager().properties(&bus).await?.texts("ActiveConnections") {
            // A connection that ends meanwhile is skipped.
            found.extend(of_active(&bus, &path).await.unwrap_or_default());
        }
        Ok(found)
    });
    requested.unwrap_or_default()
}

async fn of_active(bus: &Connection, path: &str) -> Result<Vec<Active>, BusError> {
    let active = object(path, "org.freedesktop.NetworkManager.Connection.Active").properties(bus).await?;
    let mut found = Vec::new();
    for device in active.texts("Devices") {
        let device = object(&device, DEVICE).properties(bus).await?;
        // The link with the addresses may differ from the device, as with modems.
        let interface = device.text("IpInterface").or_else(|| device.text("Interface"));
        let Some((interface, name)) = interface.zip(active.text("Id")) else { continue };
        found.push(Active {
            interface: interface.to_owned(),
            name: name.to_owned(),
            connectivity: ["Ip4Connectivity", "Ip6Connectivity"].map(|name| device.number(name)),
        });
    }
    Ok(found)
}

/// Returns whether NetworkManager manages a link.
pub fn manages(machine: &Machine, link: &Link) -> bool {
    is_there(machine)
        && machine
            .bus()
            .wait(async |bus| connection_of(&bus, &link.name).await)
            .is_ok_and(|path| path.is_some())
}

/// Returns the name servers and search domains configured for the connection of a link.
pub fn resolver(machine: &Machine, link: &Link) -> io::Result<(Vec<String>, Vec<String>)> {
    let settings = machine.bus().wait(async |bus| {
        let (_, connection) = connection_of(&bus, &link.name).await?.ok_or_else(unmanaged)?;
        settings_of(&bus, &connection).await
    });
    let settings = settings.map_err(failed)?;
    let (mut servers, mut search) = (Vec::new(), Vec::new());
    for part in ["ipv4", "ipv6"] {
        let Some(part) = settings.get(part) else { continue };
        servers.extend(part.get("dns").map(servers_in).unwrap_or_default());
        for name in texts_in(part.get("dns-search")) {
            if !search.contains(&name) {
                search.push(name);
            }
        }
    }
    Ok((servers, search))
}

/// Changes the settings of the connection of a link persistently, and activates them.
///
/// # Errors
/// Errors of NetworkManager.
pub fn apply(machine: &Machine, link: &Link, profile: &Profile) -> io::Result<()> {
    if profile.gateways.iter().filter(|(gateway, _)| gateway.is_ipv4()).count() > 1
        || profile.gateways.iter().filter(|(gateway, _)| gateway.is_ipv6()).count() > 1
    {
        // A connection has at most one gateway for each family.
        return Err(io::ErrorKind::Unsupported.into());
    }
    let result = machine.bus().wait(async |bus| {
        let (device, path) = connection_of(&bus, &link.name).await?.ok_or_else(unmanaged)?;
        let wanted = edited(settings_of(&bus, &path).await?, profile);
        object(&path, CONNECTION).call(&bus, "Update", &(wanted,)).await?;
        activate(&bus, &path, &device).await
    });
    result.map_err(failed)
}

/// Renews the DHCP lease of a link.
///
/// # Errors
/// Errors of NetworkManager.
pub fn renew(machine: &Machine, link: &Link) -> io::Result<()> {
    let result = machine.bus().wait(async |bus| {
        let (device, path) = connection_of(&bus, &link.name).await?.ok_or_else(unmanaged)?;
        activate(&bus, &path, &device).await
    });
    result.map_err(failed)
}

type Settings = HashMap<String, HashMap<String, OwnedVariant>>;
type Wanted = HashMap<String, HashMap<String, Variant<'static>>>;

/// Returns the settings of a connection with the profile applied.
fn edited(settings: Settings, profile: &Profile) -> Wanted {
    let mut wanted = Wanted::new();
    for (name, part) in settings {
        wanted.insert(name, part.into_iter().map(|(name, value)| (name, Variant::from(value))).collect());
    }
    for (name, is_v4) in [("ipv4", true), ("ipv6", false)] {
        let part = wanted.entry(name.to_owned()).or_default();
        let addresses: Vec<_> =
            profile.addresses.iter().filter(|(address, _)| address.is_ipv4() == is_v4).collect();
        // Settings for older versions exist in addition to the current ones, and would contradict them.
        for old in ["addresses", "address-data", "gateway", "dns", "dns-data", "dns-search"] {
            part.remove(old);
        }
        let method = match (is_v4, addresses.is_empty()) {
            (_, false) => Some("manual"),
            (true, true) => Some(if profile.dhcp { "auto" } else { "disabled" }),
            // Without a static address the link keeps autoconfiguration, if it used it before.
            (false, true) => None,
        };
        let is_lost = part.get("method").and_then(text_in) == Some("manual");
        if let Some(method) = method.or(is_lost.then_some("auto")) {
            part.insert("method".to_owned(), Variant::from(method));
        }
        if !addresses.is_empty() {
            let entries: Vec<_> = addresses
                .iter()
                .map(|(address, prefix): &&(IpAddr, u8)| {
                    HashMap::from([
                        ("address".to_owned(), Variant::from(address.to_string())),
                        ("prefix".to_owned(), Variant::from(u32::from(*prefix))),
                    ])
                })
                .collect();
            part.insert("address-data".to_owned(), Variant::from(entries));
        }
        if let Some((gateway, metric)) =
            profile.gateways.iter().find(|(gateway, _)| gateway.is_ipv4() == is_v4)
        {
            part.insert("gateway".to_owned(), Variant::from(gateway.to_string()));
            if let Some(metric) = metric {
                part.insert("route-metric".to_owned(), Variant::from(i64::from(*metric)));
            }
        }
        let servers = profile.servers.iter().filter_map(|server| server.parse::<IpAddr>().ok());
        let servers: Vec<IpAddr> = servers.filter(|server| server.is_ipv4() == is_v4).collect();
        if !servers.is_empty() {
            part.insert("dns".to_owned(), dns(&servers));
        }
        if !profile.search.is_empty() {
            part.insert("dns-search".to_owned(), Variant::from(profile.search.clone()));
        }
    }
    wanted
}

/// Returns name servers in the form for old and new versions: numbers in network byte order, or bytes.
fn dns(servers: &[IpAddr]) -> Variant<'static> {
    let v4: Vec<u32> = servers
        .iter()
        .filter_map(|server| match server {
            IpAddr::V4(server) => Some(u32::from_ne_bytes(server.octets())),
            IpAddr::V6(_) => None,
        })
        .collect();
    let v6 = servers.iter().filter_map(|server| match server {
        IpAddr::V4(_) => None,
        IpAddr::V6(server) => Some(server.octets().to_vec()),
    });
    if v4.is_empty() { Variant::from(v6.collect::<Vec<_>>()) } else { Variant::from(v4) }
}

/// Returns name servers from either form.
fn servers_in(value: &OwnedVariant) -> Vec<String> {
    let Variant::Array(servers) = &**value else { return Vec::new() };
    servers.inner().iter().filter_map(server).collect()
}

fn server(server: &Variant<'_>) -> Option<String> {
    match server {
        Variant::U32(number) => Some(IpAddr::from(number.to_ne_bytes()).to_string()),
        Variant::Array(octets) => {
            let octet =
                |octet: &Variant<'_>| if let Variant::U8(octet) = octet { Some(*octet) } else { None };
            let octets: Vec<u8> = octets.inner().iter().filter_map(octet).collect();
            Some(IpAddr::from(<[u8; 16]>::try_from(octets).ok()?).to_string())
        }
        _ => None,
    }
}

fn texts_in(value: Option<&OwnedVariant>) -> Vec<String> {
    match value.map(|value| &**value) {
        Some(Variant::Array(texts)) => texts.inner().iter().filter_map(text_in).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Returns whether NetworkManager is running; this directory exists while it does.
fn is_there(machine: &Machine) -> bool {
    machine.path("run/NetworkManager").exists()
}

/// Returns the paths of a device and of its connection, if NetworkManager manages it.
async fn connection_of(bus: &Connection, name: &str) -> Result<Option<(String, String)>, BusError> {
    let found: Result<zbus::OwnedObjectPath, _> = manager().ask(bus, "GetDeviceByIpIface", &(name,)).await;
    let device = match found {
        Ok(device) => device.to_string(),
        Err(BusError::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let facts = object(&device, DEVICE).properties(bus).await?;
    // "/" means none.
    let active = facts.text("ActiveConnection").filter(|path| *path != "/" && facts.is("Managed"));
    let Some(active) = active else { return Ok(None) };
    let active = object(active, "org.freedesktop.NetworkManager.Connection.Active").properties(bus).await?;
    Ok(active.text("Connection").map(|connection| (device.clone(), connection.to_owned())))
}

async fn settings_of(bus: &Connection, path: &str) -> Result<Settings, BusError> {
    object(path, CONNECTION).ask(bus, "GetSettings", &()).await
}

async fn activate(bus: &Connection, connection: &str, device: &str) -> Result<(), BusError> {
    let arguments = (object_path(connection)?, object_path(device)?, object_path("/")?);
    manager().call(bus, "ActivateConnection", &arguments).await.map(drop)
}

fn object_path(text: &str) -> Result<zbus::ObjectPath<'_>, BusError> {
    zbus::ObjectPath::try_from(text).map_err(|_| BusError::Unintelligible(SERVICE.to_owned()))
}

fn unmanaged() -> BusError {
    BusError::Absent(SERVICE.to_owned())
}

fn failed(error: BusError) -> io::Error {
    let kind = if error.is_denied() { io::ErrorKind::PermissionDenied } else { io::ErrorKind::Other };
    io::Error::new(kind, error)
}

fn manager() -> Object<'static> {
    object("/org/freedesktop/NetworkManager", SERVICE)
}

fn object<'a>(path: &'a str, interface: &'a str) -> Object<'a> {
    Object { service: SERVICE, path, interface }
}

const SERVICE: &str = "org.freedesktop.NetworkManager";
const DEVICE: &str = "org.freedesktop.NetworkManager.Device";
const CONNECTION: &str = "org.freedesktop.NetworkManager.Settings.Connection";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_changes_only_in_the_given_properties() {
        let owned = |value: Variant<'static>| OwnedVariant::try_from(value).expect("it has no descriptor");
        let v4 = HashMap::from([
            ("method".to_owned(), owned(Variant::from("auto"))),
            ("dns-data".to_owned(), owned(Variant::from(vec!["192.0.2.1".to_owned()]))),
            ("never-default".to_owned(), owned(Variant::from(true))),
        ]);
        let name = HashMap::from([("id".to_owned(), owned(Variant::from("office")))]);
        let before = HashMap::from([("ipv4".to_owned(), v4), ("connection".to_owned(), name)]);
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let profile = Profile {
            dhcp: false,
            addresses: vec![(address("192.0.2.5"), 24)],
            gateways: vec![(address("192.0.2.1"), Some(7))],
            servers: vec!["192.0.2.53".to_owned(), "2001:db8::53".to_owned()],
            search: vec!["example.com".to_owned()],
        };
        let after = edited(before, &profile);
        let text = |part: &str, name: &str| after.get(part).and_then(|part| text_in(part.get(name)?));
        assert_eq!(text("connection", "id"), Some("office"));
        assert_eq!([text("ipv4", "method"), text("ipv4", "gateway")], [Some("manual"), Some("192.0.2.1")]);
        let v4 = after.get("ipv4").expect("it is there");
        assert!(v4.contains_key("never-default") && !v4.contains_key("dns-data"));
        for (part, server) in [("ipv4", "192.0.2.53"), ("ipv6", "2001:db8::53")] {
            let dns = after.get(part).and_then(|part| part.get("dns")).cloned().map(owned);
            assert_eq!(dns.as_ref().map(servers_in), Some(vec![server.to_owned()]));
        }
        assert_eq!(text("ipv6", "method"), None, "nothing was said of it");
    }
}
