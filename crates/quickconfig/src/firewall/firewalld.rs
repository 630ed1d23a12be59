//! firewalld, over D-Bus (firewalld.dbus(5)).
//!
//! A rule is added twice: to the runtime and to the permanent configuration. Copying the whole runtime
//! configuration, which firewalld also offers, would make temporary changes of others permanent.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU16;

use serde::Serialize;
use serde_json::{Value, json};
use zbus::wire::DynamicType;
use zbus::{Connection, OwnedObjectPath, OwnedVariant};

use super::{networks, no_local_network, sources};
use crate::bus::{self, Object};
use crate::{Error, Firewall, FirewallKind, Network, Opening, Outcome, Transport, Zone};

const SERVICE: &str = "org.fedoraproject.FirewallD1";
const PATH: &str = "/org/fedoraproject/FirewallD1";
const MAIN: Object<'_> = Object { service: SERVICE, path: PATH, interface: SERVICE };
const ZONE: Object<'_> =
    Object { service: SERVICE, path: PATH, interface: "org.fedoraproject.FirewallD1.zone" };
const CONFIG: Object<'_> = Object {
    service: SERVICE,
    path: "/org/fedoraproject/FirewallD1/config",
    interface: "org.fedoraproject.FirewallD1.config",
};
const CONFIG_ZONE: &str = "org.fedoraproject.FirewallD1.config.zone";

/// Default zone for untrusted networks.
const PUBLIC: &str = "public";

/// A rule in a zone, and the configurations it was added to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    zone: String,
    what: What,
    now: bool,
    later: bool,
}

/// Traffic permitted by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// firewalld service `wsman` or `wsmans`.
    Service(Transport),
    Port(NonZeroU16),
    From(Network, NonZeroU16),
}

pub(super) async fn runs() -> bool {
    match bus::connect().await {
        Ok(bus) => bus::has_owner(&bus, SERVICE).await,
        Err(_) => false,
    }
}

pub(super) async fn survey(openings: &[Opening]) -> Result<Firewall, Error> {
    let bus = bus::connect().await?;
    let mut places: Vec<String> = Vec::new();
    let mut open = Vec::new();
    let zone = openings.first().and_then(|opening| opening.zone.as_ref());
    for zone in zones(&bus, zone).await? {
        places.push(zone);
    }
    for opening in openings {
        let mut all = true;
        for (zone, what) in wanted(&bus, opening).await?.unwrap_or_default() {
            all = all && query_open(&bus, &zone, &what, opening).await?;
        }
        open.push(all);
    }
    let public = zone.is_none() && places.iter().any(|place| place == PUBLIC);
    Ok(Firewall { kind: FirewallKind::Firewalld, places, public, open })
}

pub(super) async fn open(opening: &Opening, made: &mut Vec<super::Rule>) -> Result<Outcome, Error> {
    let bus = bus::connect().await?;
    let Some(wanted) = wanted(&bus, opening).await? else { return Ok(no_local_network()) };
    let mut shown = Vec::new();
    for (zone, what) in wanted {
        let mut rule = Rule { zone, what, now: false, later: false };
        if !rule.what.call_is(&bus, ZONE, Verb::Query, Some(&rule.zone)).await? {
            rule.what.call(&bus, ZONE, Verb::Add, Some(&rule.zone)).await?;
            rule.now = true;
        }
        let path = later(&bus, &rule.zone).await?;
        let later = Object { service: SERVICE, path: path.as_str(), interface: CONFIG_ZONE };
        let stored = rule.what.call_is(&bus, later, Verb::Query, None).await;
        let stored = match stored {
            Ok(true) => Ok(()),
            Ok(false) => {
                let added = rule.what.call(&bus, later, Verb::Add, None).await;
                rule.later = added.is_ok();
                added
            }
            Err(error) => Err(error),
        };
        if rule.now || rule.later {
            shown.push(rule.to_string());
            made.push(super::Rule::Firewalld(rule));
        }
        stored?;
    }
    Ok(if shown.is_empty() { Outcome::Already } else { Outcome::Done(shown.join("; ")) })
}

pub(super) async fn close(rule: &Rule) -> Result<Outcome, Error> {
    let bus = bus::connect().await?;
    if !bus::has_owner(&bus, SERVICE).await {
        return Ok(Outcome::Failed("firewalld is not running; start it and retry".to_owned()));
    }
    let mut closed = false;
    if rule.now && rule.what.call_is(&bus, ZONE, Verb::Query, Some(&rule.zone)).await? {
        rule.what.call(&bus, ZONE, Verb::Remove, Some(&rule.zone)).await?;
        closed = true;
    }
    if rule.later {
        let path = later(&bus, &rule.zone).await?;
        let later = Object { service: SERVICE, path: path.as_str(), interface: CONFIG_ZONE };
        if rule.what.call_is(&bus, later, Verb::Query, None).await? {
            rule.what.call(&bus, later, Verb::Remove, None).await?;
            closed = true;
        }
    }
    Ok(if closed { Outcome::Done(format!("{rule} is closed")) } else { Outcome::Already })
}

/// Returns the given zone, or the zones of interfaces that do not accept everything.
async fn zones(bus: &Connection, named: Option<&Zone>) -> Result<Vec<String>, Error> {
    if let Some(named) = named {
        let all: Vec<String> = ZONE.call(bus, "getZones", &()).await?.body().deserialize()?;
        return match all.into_iter().find(|zone| zone == named.as_str()) {
            Some(zone) => Ok(vec![zone]),
            None => Err(Error::NoSuchZone(named.as_str().to_owned())),
        };
    }
    let answer = ZONE.call(bus, "getActiveZones", &()).await?;
    let active: HashMap<String, HashMap<String, Vec<String>>> = answer.body().deserialize()?;
    let in_use = active.into_iter().filter(|(_, properties)| {
        properties.get("interfaces").is_some_and(|interfaces| !interfaces.is_empty())
    });
    let mut zones: Vec<String> = in_use.map(|(zone, _)| zone).collect();
    let default: String = MAIN.call(bus, "getDefaultZone", &()).await?.body().deserialize()?;
    // Interfaces without a zone are in the default zone.
    if !zones.contains(&default) {
        zones.push(default);
    }
    zones.sort_unstable();
    let mut stored = Vec::new();
    for zone in zones {
        if !lets_all_through(bus, &zone).await {
            stored.push(zone);
        }
    }
    Ok(stored)
}

async fn lets_all_through(bus: &Connection, zone: &str) -> bool {
    let Ok(answer) = ZONE.call(bus, "getZoneSettings2", &(zone,)).await else { return false };
    let settings: Result<HashMap<String, OwnedVariant>, _> = answer.body().deserialize();
    let target = settings.ok().and_then(|mut settings| settings.remove("target"));
    target.and_then(|target| String::try_from(target).ok()).is_some_and(|target| target == "ACCEPT")
}

/// Returns the rules needed in each zone; `None` if the source would be empty.
async fn wanted(bus: &Connection, opening: &Opening) -> Result<Option<Vec<(String, What)>>, Error> {
    let mut wanted = Vec::new();
    for zone in zones(bus, opening.zone.as_ref()).await? {
        let limited = match opening.sources.is_empty() {
            true if zone == PUBLIC && opening.zone.is_none() => Some(networks::of_this_machine()),
            true => None,
            false => Some(sources(opening)),
        };
        match limited {
            None => wanted.push((zone, What::broad(opening))),
            Some(networks) if networks.is_empty() => return Ok(None),
            Some(networks) => {
                wanted.extend(
                    networks.into_iter().map(|network| (zone.clone(), What::From(network, opening.port))),
                );
            }
        }
    }
    Ok(Some(wanted))
}

/// Returns whether a zone permits the traffic, or all traffic to this port, now and permanently.
async fn query_open(bus: &Connection, zone: &str, what: &What, opening: &Opening) -> Result<bool, Error> {
    let path = later(bus, zone).await?;
    let later = Object { service: SERVICE, path: path.as_str(), interface: CONFIG_ZONE };
    for what in [what.clone(), What::broad(opening), What::Port(opening.port)] {
        if what.call_is(bus, ZONE, Verb::Query, Some(zone)).await?
            && what.call_is(bus, later, Verb::Query, None).await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the object of a zone in the permanent configuration.
async fn later(bus: &Connection, zone: &str) -> Result<OwnedObjectPath, Error> {
    Ok(CONFIG.call(bus, "getZoneByName", &(zone,)).await?.body().deserialize()?)
}

#[derive(Clone, Copy)]
enum Verb {
    Query,
    Add,
    Remove,
}

impl What {
    fn broad(opening: &Opening) -> Self {
        match (opening.transport, opening.port.get()) {
            (Transport::Http, 5_985) | (Transport::Https, 5_986) => Self::Service(opening.transport),
            _ => Self::Port(opening.port),
        }
    }

    async fn call_is(
        &self,
        bus: &Connection,
        on: Object<'_>,
        verb: Verb,
        zone: Option<&str>,
    ) -> Result<bool, Error> {
        Ok(self.send(bus, on, verb, zone).await?.body().deserialize()?)
    }

    async fn call(
        &self,
        bus: &Connection,
        on: Object<'_>,
        verb: Verb,
        zone: Option<&str>,
    ) -> Result<(), Error> {
        self.send(bus, on, verb, zone).await.map(drop)
    }

    /// Calls a method. Runtime methods take the zone as first argument; methods that add also take a timeout
    /// at the end.
    async fn send(
        &self,
        bus: &Connection,
        on: Object<'_>,
        verb: Verb,
        zone: Option<&str>,
    ) -> Result<zbus::Message, Error> {
        const FOR_GOOD: i32 = 0;
        let (noun, port) = match self {
            Self::Service(_) => ("Service", String::new()),
            Self::Port(port) => ("Port", port.to_string()),
            Self::From(..) => ("RichRule", String::new()),
        };
        let method = match verb {
            Verb::Query => format!("query{noun}"),
            Verb::Add => format!("add{noun}"),
            Verb::Remove => format!("remove{noun}"),
        };
        let method = method.as_str();
        match (self, zone, verb) {
            (Self::Port(_), Some(zone), Verb::Add) => {
                send(bus, on, method, &(zone, port.as_str(), "tcp", FOR_GOOD)).await
            }
            (Self::Port(_), Some(zone), _) => send(bus, on, method, &(zone, port.as_str(), "tcp")).await,
            (Self::Port(_), None, _) => send(bus, on, method, &(port.as_str(), "tcp")).await,
            (what, Some(zone), Verb::Add) => {
                send(bus, on, method, &(zone, what.text().as_str(), FOR_GOOD)).await
            }
            (what, Some(zone), _) => send(bus, on, method, &(zone, what.text().as_str())).await,
            (what, None, _) => send(bus, on, method, &(what.text().as_str(),)).await,
        }
    }

    /// Returns the service name, the port, or the rule in the language of firewalld.richlanguage(5).
    fn text(&self) -> String {
        match self {
            Self::Service(Transport::Http) => "wsman".to_owned(),
            Self::Service(Transport::Https) => "wsmans".to_owned(),
            Self::Port(port) => format!("{port}/tcp"),
            Self::From(network, port) => {
                let family = if network.address().is_ipv4() { "ipv4" } else { "ipv6" };
                format!(
                    "rule family=\"{family}\" source address=\"{network}\" port port=\"{port}\" protocol=\"tcp\" accept"
                )
            }
        }
    }
}

async fn send<B: Serialize + DynamicType>(
    bus: &Connection,
    on: Object<'_>,
    method: &str,
    body: &B,
) -> Result<zbus::Message, Error> {
    on.call(bus, method, body).await
}

impl Rule {
    pub(super) fn to_json(&self) -> Value {
        let what = match &self.what {
            What::Service(transport) => json!({ "transport": transport.word() }),
            What::Port(port) => json!({ "port": port.get() }),
            What::From(network, port) => json!({ "source": network.to_string(), "port": port.get() }),
        };
        json!({ "zone": self.zone, "what": what, "now": self.now, "later": self.later })
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let what = value.get("what")?;
        let what = match (super::transport(what), super::port(what), super::source(what)) {
            (Some(transport), _, _) => What::Service(transport),
            (None, Some(port), Some(Some(network))) => What::From(network, port),
            (None, Some(port), None) => What::Port(port),
            _ => return None,
        };
        let zone = Zone::parse(value.get("zone")?.as_str()?).ok()?.as_str().to_owned();
        Some(Self { zone, what, now: value.get("now")?.as_bool()?, later: value.get("later")?.as_bool()? })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = &self.zone;
        match &self.what {
            What::Service(transport) => {
                write!(f, "firewalld, zone {zone}, service {}", What::Service(*transport).text())
            }
            What::Port(port) => write!(f, "firewalld, zone {zone}, TCP port {port}"),
            What::From(network, port) => write!(f, "firewalld, zone {zone}, TCP port {port} from {network}"),
        }
    }
}
