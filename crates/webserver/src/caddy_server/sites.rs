//! Sites of the document: routes with host names, and the other routes of a server.

use serde_json::{Map, Value, json};

use super::configuration::position_of;
use super::groups::{group_feature, kind, pool_of};
use crate::error::WebServerError;
use crate::listen::ListenAddress;
use crate::model::{Listener, Location, LocationContent, Site, SiteState};
use crate::value::{HostPattern, SiteId, UrlPath, identifier_character};

/// Name of the server with the pools.
pub(super) const POOLS: &str = "telarch-pools";
/// JSON pointer of the servers.
pub(super) const SERVERS: &str = "/apps/http/servers";

/// A site in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: SiteId,
    /// Name of the server.
    pub(super) server: String,
    /// Pointer of the route with the host names, or of the server.
    pub(super) pointer: String,
    /// The site is a route with host names; otherwise it has all other routes of its server.
    pub(super) is_route: bool,
    /// No other site is in the server.
    pub(super) is_alone: bool,
    /// Pointers of the routes of the site.
    routes: Vec<String>,
}

/// Routes of a site or a location.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    pub(super) pointers: Vec<String>,
    /// The condition of the only route is that of the site or location itself.
    pub(super) is_own: bool,
}

impl Place {
    pub(super) fn routes(&self) -> Routes {
        Routes { pointers: self.routes.clone(), is_own: self.is_route }
    }

    /// Returns the host names; `None` for a site without.
    pub(super) fn hosts<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        root.pointer(&format!("{}/match/0/host", self.pointer)).filter(|_| self.is_route)
    }
}

/// Returns a name as a token of a JSON pointer.
pub(super) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Returns the pointer of the member for a server.
pub(super) fn server_pointer(name: &str) -> String {
    format!("{SERVERS}/{}", token(name))
}

/// Returns the items of an array; none if there is no array.
pub(super) fn items<'a>(root: &'a Value, pointer: &str) -> &'a [Value] {
    root.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the host names of a route that has no other condition.
fn host_names(route: &Value) -> Option<Vec<&str>> {
    let [condition] = route.get("match")?.as_array()?.as_slice() else { return None };
    let condition = condition.as_object().filter(|members| members.len() == 1)?;
    condition.get("host")?.as_array()?.iter().map(Value::as_str).collect()
}

/// Returns all sites in the order of the document.
pub(super) fn places(root: &Value) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let empty = Map::new();
    let servers = root.pointer(SERVERS).and_then(Value::as_object).unwrap_or(&empty);
    for name in servers.keys().filter(|name| *name != POOLS) {
        let server = server_pointer(name);
        let first = places.len();
        let mut others = Vec::new();
        let mut has_hosts = false;
        for (index, route) in items(root, &format!("{server}/routes")).iter().enumerate() {
            let pointer = format!("{server}/routes/{index}");
            let Some(hosts) = host_names(route) else {
                others.push(pointer);
                continue;
            };
            has_hosts = true;
            let host = hosts.first().copied().unwrap_or_default();
            let id = unused(&places, route, &format!("{name}-{host}"));
            let routes = vec![pointer.clone()];
            let server = name.clone();
            places.push(Place { id, server, pointer, is_route: true, is_alone: false, routes });
        }
        if !others.is_empty() || !has_hosts {
            let id = unused(&places, &Value::Null, name);
            let (pointer, server, routes) = (server, name.clone(), others);
            places.push(Place { id, server, pointer, is_route: false, is_alone: false, routes });
        }
        if let Some([only]) = places.get_mut(first..) {
            only.is_alone = true;
        }
    }
    places
}

/// Returns the identifier in the document, or one from a name, with a number if it is in use.
fn unused(places: &[Place], object: &Value, name: &str) -> SiteId {
    let marked = object.get("@id").and_then(Value::as_str).and_then(|id| SiteId::parse(id).ok());
    let name: String = name.chars().map(identifier_character).take(55).collect();
    let mut id = marked.or_else(|| SiteId::parse(&name).ok());
    let mut number = 2_u32;
    loop {
        match id {
            Some(id) if places.iter().all(|place| place.id != id) => return id,
            _ => {
                id = SiteId::parse(&format!("{name}-{number}"))
                    .or_else(|_| SiteId::parse(&format!("site-{number}")))
                    .ok();
            }
        }
        number = number.saturating_add(1);
    }
}

/// Returns a site.
pub(super) fn place(root: &Value, id: &SiteId) -> Result<Place, WebServerError> {
    let found = places(root).into_iter().find(|place| place.id == *id);
    found.ok_or_else(|| WebServerError::not_found("site", id))
}

/// Returns the route of a location.
pub(super) fn location(root: &Value, place: &Place, path: &UrlPath) -> Option<Routes> {
    let found = location_routes(root, place).into_iter().find(|(_, known)| *known == path.as_str());
    found.map(|(route, _)| Routes { pointers: vec![route], is_own: true })
}

/// Handlers and conditional routes of a list of routes.
#[derive(Default)]
pub(super) struct Content {
    /// Pointers of the handlers of all requests, in their order.
    pub(super) handlers: Vec<String>,
    /// Pointers of routes for some requests.
    pub(super) conditional: Vec<String>,
}

/// Returns the content of routes.
pub(super) fn content(root: &Value, routes: &Routes) -> Content {
    let mut content = Content::default();
    for route in &routes.pointers {
        collect(root, route, routes.is_own, &mut content);
    }
    content
}

fn collect(root: &Value, route: &str, is_own: bool, content: &mut Content) {
    if !is_own && items(root, &format!("{route}/match")).iter().any(|condition| condition != &json!({})) {
        content.conditional.push(route.to_owned());
        return;
    }
    for (index, handler) in items(root, &format!("{route}/handle")).iter().enumerate() {
        let pointer = format!("{route}/handle/{index}");
        if kind(handler) == "subroute" && group_feature(handler).is_none() {
            for inner in 0..items(root, &format!("{pointer}/routes")).len() {
                collect(root, &format!("{pointer}/routes/{inner}"), false, content);
            }
        } else {
            content.handlers.push(pointer);
        }
    }
}

/// Returns the folder of the content, with the pointer of the member that names it.
pub(super) fn root_folder<'a>(root: &'a Value, content: &Content) -> Option<(&'a str, String)> {
    ["file_server", "vars"].into_iter().find_map(|name| {
        content.handlers.iter().find_map(|pointer| {
            let handler = root.pointer(pointer).filter(|handler| kind(handler) == name)?;
            Some((handler.get("root")?.as_str()?, format!("{pointer}/root")))
        })
    })
}

/// Returns conditional routes for one path, with the path as this crate writes it.
pub(super) fn location_routes(root: &Value, place: &Place) -> Vec<(String, String)> {
    let routes = content(root, &place.routes()).conditional.into_iter();
    routes.filter_map(|route| path_of(root.pointer(&route)?).map(|path| (route, path))).collect()
}

/// Returns the path of a route whose only condition it is.
pub(super) fn path_of(route: &Value) -> Option<String> {
    let [condition] = route.get("match")?.as_array()?.as_slice() else { return None };
    let condition = condition.as_object().filter(|members| members.len() == 1)?;
    let [path] = condition.get("path")?.as_array()?.as_slice() else { return None };
    let path = path.as_str()?;
    let path = path.strip_suffix('*').unwrap_or(path);
    (path.starts_with('/') && !path.contains(['*', '{'])).then(|| path.to_owned())
}

/// Returns all sites.
pub(super) fn sites(root: &Value) -> Vec<Site> {
    places(root).iter().map(|place| site(root, place)).collect()
}

fn site(root: &Value, place: &Place) -> Site {
    let server = server_pointer(&place.server);
    let has_policies = !items(root, &format!("{server}/tls_connection_policies")).is_empty();
    let has_certificates = is_automatic(root, &server);
    let (mut listeners, mut names, mut unsupported) = (Vec::new(), Vec::new(), Vec::new());
    for text in items(root, &format!("{server}/listen")).iter().filter_map(Value::as_str) {
        match address(text) {
            Some(address) => {
                let tls = (has_policies || has_certificates) && address.port() != Some(80);
                let http2 = tls && has_http2(root, &server);
                listeners.push(Listener { address, tls, http2, default_site: !place.is_route });
            }
            None => unsupported.push(text.to_owned()),
        }
    }
    let hosts = root.pointer(&place.pointer).filter(|_| place.is_route).and_then(host_names);
    for text in hosts.unwrap_or_default() {
        match HostPattern::parse(text) {
            Ok(name) => names.push(name),
            Err(_) => unsupported.push(text.to_owned()),
        }
    }
    let content = content(root, &place.routes());
    let locations = location_routes(root, place).into_iter().map(|(route, path)| Location {
        modifier: String::new(),
        path,
        position: position_of(root, &route),
        content: location_content(root, &route),
    });
    Site {
        id: place.id.clone(),
        position: position_of(root, &place.pointer),
        state: SiteState::Started,
        listeners,
        names,
        unsupported,
        root: root_folder(root, &content).map(|(folder, _)| folder.to_owned()),
        locations: locations.collect(),
    }
}

/// Returns whether a server offers HTTP/2 over TLS, which it does by default.
pub(super) fn has_http2(root: &Value, server: &str) -> bool {
    let protocols = root.pointer(&format!("{server}/protocols")).and_then(Value::as_array);
    protocols.is_none_or(|protocols| protocols.iter().any(|protocol| protocol == "h2"))
}

/// Returns whether Caddy obtains certificates for the host names of a server by itself.
pub(super) fn is_automatic(root: &Value, server: &str) -> bool {
    let disabled = root.pointer(&format!("{server}/automatic_https/disable")) == Some(&Value::Bool(true));
    !disabled && items(root, &format!("{server}/routes")).iter().any(|route| host_names(route).is_some())
}

fn location_content(root: &Value, route: &str) -> LocationContent {
    let content = content(root, &Routes { pointers: vec![route.to_owned()], is_own: true });
    let pool = || {
        let proxy =
            content.handlers.iter().find(|pointer| root.pointer(pointer).map(kind) == Some("reverse_proxy"));
        let (route, _) = proxy?.rsplit_once("/handle/")?;
        pool_of(root.pointer(route)?.get("group")?)
    };
    let handlers = || content.handlers.iter().filter_map(|pointer| root.pointer(pointer));
    let folder = root_folder(root, &content).map(|(folder, _)| folder.to_owned());
    let proxy = handlers().find(|handler| kind(handler) == "reverse_proxy");
    let is_stripped = handlers().any(|handler| handler.get("strip_path_prefix").is_some());
    match (folder, proxy.and_then(|proxy| proxy.pointer("/upstreams/0/dial")?.as_str())) {
        (_, Some(dial)) => {
            let pool = pool();
            let target = pool.as_ref().map_or_else(|| dial.to_owned(), ToString::to_string);
            LocationContent::Application { protocol: proxy.map_or("http", protocol).to_owned(), target, pool }
        }
        (Some(folder), None) if is_stripped => LocationContent::Alias { folder },
        (Some(folder), None) => LocationContent::Root { folder },
        (None, None) => LocationContent::Inherited,
    }
}

/// Returns the protocol between Caddy and an application.
fn protocol(proxy: &Value) -> &str {
    let transport = proxy.get("transport");
    match transport.and_then(|transport| transport.get("protocol")?.as_str()) {
        Some("http") | None if transport.is_some_and(|transport| transport.get("tls").is_some()) => "https",
        Some(protocol) => protocol,
        None => "http",
    }
}

/// Parses an address of a server: `:80`, `127.0.0.1:80`, `[::1]:80`, `localhost:80` or `unix//run/site.sock`.
pub(super) fn address(text: &str) -> Option<ListenAddress> {
    let text = text.strip_prefix("tcp/").unwrap_or(text);
    if let Some(path) = text.strip_prefix("unix/") {
        return ListenAddress::parse(&format!("unix:{path}")).ok();
    }
    let (host, port) = text.rsplit_once(':')?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    ListenAddress::parse(if host.is_empty() { port } else { text }).ok()
}

/// Writes an address as Caddy does.
pub(super) fn address_text(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Unix(path) => format!("unix/{path}"),
        ListenAddress::Tcp { host: crate::listen::ListenHost::Any, port } => format!(":{port}"),
        ListenAddress::Tcp { .. } => address.to_string(),
    }
}
