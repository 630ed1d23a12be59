//! Changes of the document.

use serde_json::{Value, json};

use super::configuration::{PATH, members_mut, parse, syntax, to_text};
use super::locations::{delete_location, folder_text, put_location};
use super::sites::{
    POOLS, Place, address_text, content, has_http2, is_automatic, items, place, places, root_folder,
    server_pointer,
};
use super::{features, pools};
use crate::change::{Change, NewSite};
use crate::error::WebServerError;
use crate::model::Listener;
use crate::plan::Problem;
use crate::value::{FilePath, HostPattern, SiteId};

/// A document with applied changes.
pub(super) enum Draft {
    Document(Value),
    /// Text with a syntax error.
    Malformed {
        text: Vec<u8>,
        problem: Problem,
    },
}

impl Draft {
    pub(super) fn new(root: Value) -> Self {
        Self::Document(root)
    }

    /// Returns the text, and the document if the text has no syntax error.
    pub(super) fn finish(self) -> (Vec<u8>, Result<Value, Problem>) {
        match self {
            Self::Document(root) => (to_text(&root), Ok(root)),
            Self::Malformed { text, problem } => (text, Err(problem)),
        }
    }

    pub(super) fn apply(&mut self, change: &Change) -> Result<(), WebServerError> {
        if let Change::RawEdit { file, text } = change {
            if file.as_str() != PATH {
                return Err(WebServerError::not_found("file of the configuration", file));
            }
            *self = match parse(text.as_bytes()) {
                Ok(root) => Self::Document(root),
                Err(problem) => Self::Malformed { text: text.clone().into_bytes(), problem },
            };
            return Ok(());
        }
        let root = match self {
            Self::Document(root) => root,
            Self::Malformed { problem, .. } => return Err(syntax(problem)),
        };
        match change {
            Change::CreateSite(new) => create(root, new),
            Change::DeleteSite { site } => delete(root, &place(root, site)?),
            Change::SetBindings { site, listeners, names } => {
                let place = place(root, site)?;
                set_bindings(root, &place, listeners, names)
            }
            Change::SetRoot { site, folder } => set_root(root, site, folder),
            Change::PutLocation { site, path, location } => put_location(root, site, path, location),
            Change::DeleteLocation { site, path } => delete_location(root, site, path),
            Change::SetFeature { scope, value } => features::set(root, scope, value),
            Change::RevertFeature { scope, feature } => features::revert(root, scope, *feature),
            Change::SetSiteState { .. } => Err(WebServerError::impossible(
                "start or stop the site",
                "Caddy has no stopped sites; delete it",
            )),
            Change::PutPool { pool, members } => pools::put(root, pool, members),
            Change::DeletePool { pool } => pools::delete(root, pool),
            Change::SetPoolUnit { .. } => Err(WebServerError::impossible(
                "set the unit of the pool",
                "the configuration of Caddy has no comments for it; start and stop the unit with systemctl",
            )),
            Change::RawEdit { .. } => Ok(()),
        }
    }
}

fn refused<T>(action: &str, reason: &str) -> Result<T, WebServerError> {
    Err(WebServerError::impossible(action, reason))
}

/// Addresses of a server, which are all alike.
struct Bindings {
    listen: Vec<String>,
    tls: bool,
    http2: bool,
}

impl Bindings {
    fn new(listeners: &[Listener]) -> Result<Self, WebServerError> {
        let Some(first) = listeners.first() else {
            return refused("set the addresses", "a site needs at least one address");
        };
        if listeners.iter().any(|listener| listener.tls && listener.address.port() == Some(80)) {
            return refused("set the addresses", "Caddy never uses TLS on port 80; choose another port");
        }
        if listeners.iter().any(|listener| (listener.tls, listener.http2) != (first.tls, first.http2)) {
            return refused(
                "set the addresses",
                "all addresses of a server of Caddy use the same protocols; create two sites",
            );
        }
        if first.http2 && !first.tls {
            return refused("set the addresses", "Caddy has HTTP/2 with TLS only");
        }
        let listen = listeners.iter().map(|listener| address_text(&listener.address)).collect();
        Ok(Self { listen, tls: first.tls, http2: first.http2 })
    }
}

fn host_texts(names: &[HostPattern]) -> Result<Vec<&str>, WebServerError> {
    let texts = names.iter().map(|name| {
        let text = name.as_str();
        let plain = text.strip_prefix("*.").unwrap_or(text);
        if plain == "_" || plain.contains('*') || plain.starts_with(['.', '~']) {
            let reason = "Caddy has names such as example.com and *.example.com only";
            return Err(WebServerError::impossible(format!("use the host name {text:?}"), reason));
        }
        Ok(text)
    });
    texts.collect()
}

fn host_route(id: &SiteId, names: &[&str], routes: &Value) -> Value {
    json!({ "@id": id, "match": [{ "host": names }], "handle": [{ "handler": "subroute", "routes": routes }],
        "terminal": true })
}

fn create(root: &mut Value, new: &NewSite) -> Result<(), WebServerError> {
    let known = places(root);
    let is_known = known.iter().any(|place| place.id == new.id || place.server == new.id.as_str());
    if is_known || new.id.as_str() == POOLS {
        return Err(WebServerError::Exists { kind: "site", name: new.id.to_string() });
    }
    let action = "create the site";
    let bindings = Bindings::new(&new.listeners)?;
    let certificate = match (&new.certificate, &new.key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) if !bindings.tls => None,
        _ => return refused(action, "TLS needs a certificate and a key; set both, or neither"),
    };
    let names = host_texts(&new.names)?;
    let folder = folder_text(&new.root)?;
    let inner = json!([{ "handle": [{ "handler": "vars", "root": folder }] },
        { "handle": [{ "handler": "file_server" }] }]);
    let route = if names.is_empty() {
        json!({ "handle": [{ "handler": "subroute", "routes": inner }], "terminal": true })
    } else {
        host_route(&new.id, &names, &inner)
    };
    let servers = known.iter().map(|place| place.server.as_str());
    let shared = servers.into_iter().find(|name| {
        let used = items(root, &format!("{}/listen", server_pointer(name)));
        used.iter().any(|used| bindings.listen.iter().any(|new| used == new))
    });
    match shared {
        Some(_) if new.listeners.iter().any(|listener| listener.default_site) => {
            return refused(
                action,
                "its address has a default site: the site without host names of the same server",
            );
        }
        Some(shared) => create_in(root, shared, &bindings, route)?,
        None => {
            let mut server = json!({ "listen": bindings.listen, "routes": [route], "automatic_https": { "disable": true } });
            if let (true, false, Some(server)) = (bindings.tls, bindings.http2, server.as_object_mut()) {
                server.insert("protocols".to_owned(), json!(["h1"]));
            }
            members_mut(root, HTTP_SERVERS)?.insert(new.id.to_string(), server);
        }
    }
    let place = created(root, new)?;
    if let Some((certificate, key)) = certificate {
        features::put_certificate(root, &place, certificate, key)?;
    }
    if bindings.tls { features::enable_tls(root, &place) } else { Ok(()) }
}

/// Returns a site that was just created: the only one of its server without a route with an identifier.
fn created(root: &Value, new: &NewSite) -> Result<Place, WebServerError> {
    let found = places(root).into_iter().find(|place| place.id == new.id);
    found.ok_or_else(|| {
        WebServerError::impossible(
            "create the site",
            "another object of Caddy has its name; choose another one",
        )
    })
}

/// Path of the servers.
const HTTP_SERVERS: &[&str] = &["apps", "http", "servers"];

/// Adds a route with host names to a server that has the same addresses.
fn create_in(root: &mut Value, name: &str, new: &Bindings, route: Value) -> Result<(), WebServerError> {
    let pointer = server_pointer(name);
    let has_http2 = has_http2(root, &pointer);
    let server = root.pointer_mut(&pointer);
    let is_same = server.as_ref().and_then(|server| server.get("listen")) == Some(&json!(new.listen));
    let is_plain =
        server.as_ref().and_then(|server| server.pointer("/automatic_https/disable")) == Some(&json!(true));
    let has_tls = server.as_ref().is_some_and(|server| !items(server, "/tls_connection_policies").is_empty());
    let is_like = new.tls == has_tls && (!has_tls || new.http2 == has_http2);
    let has_names = route.get("match").is_some();
    let reason = match (is_same, is_plain, is_like, has_names) {
        (false, _, _, _) => "has some of its addresses and others",
        (_, false, _, _) => "obtains certificates for its host names",
        (_, _, false, _) => "has other settings of TLS and HTTP/2",
        (_, _, _, false) => "has its addresses, so that the site needs host names",
        _ => {
            if let Some(routes) =
                server.and_then(|server| server.get_mut("routes")).and_then(Value::as_array_mut)
            {
                // Requests must reach it before the routes for all host names.
                routes.insert(0, route);
            }
            return Ok(());
        }
    };
    Err(WebServerError::impossible("create the site", format!("the server {name:?} of Caddy {reason}")))
}

fn delete(root: &mut Value, place: &Place) -> Result<(), WebServerError> {
    features::remove_tls(root, place);
    features::remove_logs(root, place)?;
    if place.is_alone {
        members_mut(root, HTTP_SERVERS)?.remove(&place.server);
        return Ok(());
    }
    for pointer in place.routes().pointers.iter().rev() {
        features::remove_item(root, pointer);
    }
    Ok(())
}

fn set_bindings(
    root: &mut Value,
    place: &Place,
    listeners: &[Listener],
    names: &[HostPattern],
) -> Result<(), WebServerError> {
    let (names, pointer, is_alone) = (host_texts(names)?, server_pointer(&place.server), place.is_alone);
    require_default(place, listeners)?;
    let listen: Vec<String> = listeners.iter().map(|listener| address_text(&listener.address)).collect();
    let is_plain = root.pointer(&format!("{pointer}/automatic_https/disable")) == Some(&json!(true));
    let is_same = root.pointer(&format!("{pointer}/listen")) == Some(&json!(listen));
    if !is_same && !is_alone {
        let reason =
            format!("other sites are in the same server {:?} of Caddy; create a new site", place.server);
        return Err(WebServerError::impossible("set the addresses", reason));
    }
    if place.is_route && names.is_empty() {
        let reason =
            "a site with host names cannot become the site for all others; edit the configuration as text";
        return Err(WebServerError::impossible("remove the host names", reason));
    }
    let keeps_tls = is_plain || place.is_route && is_same;
    if !names.is_empty() && !keeps_tls {
        let reason = "Caddy would obtain certificates for them and use TLS; set automatic_https.disable of the server first";
        return Err(WebServerError::impossible("set host names", reason));
    }
    if !names.is_empty() && !place.is_route && !is_alone {
        let reason = "the site answers all requests that match no other site of its server";
        return Err(WebServerError::impossible("set host names", reason));
    }
    set_tls(root, place, listeners)?;
    features::rename_tls(root, place, &json!(names));
    let Some(server) = root.pointer_mut(&pointer).and_then(Value::as_object_mut) else { return Ok(()) };
    server.insert("listen".to_owned(), json!(listen));
    if place.is_route {
        if let Some(hosts) = root.pointer_mut(&format!("{}/match/0/host", place.pointer)) {
            *hosts = json!(names);
        }
    } else if !names.is_empty() {
        let routes = server.get("routes").cloned().unwrap_or_else(|| json!([]));
        server.insert("routes".to_owned(), json!([host_route(&place.id, &names, &routes)]));
    }
    Ok(())
}

/// Checks that the default site stays what the routes decide.
fn require_default(place: &Place, listeners: &[Listener]) -> Result<(), WebServerError> {
    if place.is_route && listeners.iter().any(|listener| listener.default_site) {
        let reason = "the default site of an address is the one without host names";
        return Err(WebServerError::impossible("make the site the default site", reason));
    }
    Ok(())
}

/// Lets the addresses of a site use TLS and HTTP/2, or not.
fn set_tls(root: &mut Value, place: &Place, listeners: &[Listener]) -> Result<(), WebServerError> {
    let pointer = server_pointer(&place.server);
    let has_policies = !items(root, &format!("{pointer}/tls_connection_policies")).is_empty();
    if !has_policies && is_automatic(root, &pointer) {
        let is_same = listeners.iter().all(|listener| listener.tls == (listener.address.port() != Some(80)));
        if is_same {
            return Ok(());
        }
        let reason = "Caddy obtains its certificates itself; edit the configuration as text";
        return Err(WebServerError::impossible("set TLS of an address", reason));
    }
    let new = Bindings::new(listeners)?;
    let is_changed = new.tls != has_policies || new.tls && new.http2 != has_http2(root, &pointer);
    if is_changed && !place.is_alone {
        let reason =
            format!("other sites are in the same server {:?} of Caddy; create a new site", place.server);
        return Err(WebServerError::impossible("set TLS and HTTP/2 of the addresses", reason));
    }
    match (has_policies, new.tls) {
        (false, true) => features::enable_tls(root, place)?,
        (true, false) => features::disable_tls(root, place),
        _ => {}
    }
    let is_other = new.tls && new.http2 != has_http2(root, &pointer);
    let server = root.pointer_mut(&pointer).and_then(Value::as_object_mut).filter(|_| is_other);
    if let Some(server) = server {
        let protocols = if new.http2 { json!(["h1", "h2"]) } else { json!(["h1"]) };
        server.insert("protocols".to_owned(), protocols);
    }
    Ok(())
}

fn set_root(root: &mut Value, site: &SiteId, folder: &FilePath) -> Result<(), WebServerError> {
    let folder = folder_text(folder)?;
    let routes = place(root, site)?.routes();
    let found = root_folder(root, &content(root, &routes)).map(|(_, pointer)| pointer);
    features::set_page_folder(root, &routes, folder);
    match found.and_then(|pointer| root.pointer_mut(&pointer)) {
        Some(member) => {
            *member = json!(folder);
            Ok(())
        }
        None => features::insert(root, &routes, json!({ "handler": "vars", "root": folder })),
    }
}
