//! Changes of the document.

use serde_json::{Value, json};

use super::configuration::{PATH, parse, syntax, to_text};
use super::features;
use super::sites::{
    Place, SERVERS, address_text, content, kind, location_routes, place, places, root_folder, token,
};
use crate::change::{Change, NewSite};
use crate::error::WebServerError;
use crate::model::{Listener, NewLocation};
use crate::plan::Problem;
use crate::value::{FilePath, HostPattern, SiteId, UrlPath};

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
            Change::PutPool { .. } | Change::DeletePool { .. } => {
                Err(WebServerError::impossible("change the pool", "pools are not supported for Caddy"))
            }
            Change::RawEdit { .. } => Ok(()),
        }
    }
}

/// Returns a folder as text that has no placeholder.
fn folder_text(folder: &FilePath) -> Result<&str, WebServerError> {
    let text = folder.as_str();
    if text.contains(['{', '}']) {
        let reason = "it contains a brace, which begins a placeholder of Caddy";
        return Err(WebServerError::impossible(format!("use the folder {text:?}"), reason));
    }
    Ok(text)
}

fn require_plain(listeners: &[Listener]) -> Result<Vec<String>, WebServerError> {
    if listeners.is_empty() {
        return Err(WebServerError::impossible("set the addresses", "there must be at least one"));
    }
    if listeners.iter().any(|listener| listener.tls || listener.http2) {
        let reason = "it is not supported for Caddy, which obtains certificates itself; edit the configuration as text";
        return Err(WebServerError::impossible("set TLS or HTTP/2 of an address", reason));
    }
    Ok(listeners.iter().map(|listener| address_text(&listener.address)).collect())
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

/// Returns the pointer of the member for a server.
fn server_pointer(name: &str) -> String {
    format!("{SERVERS}/{}", token(name))
}

fn host_route(id: &SiteId, names: &[&str], routes: &Value) -> Value {
    json!({ "@id": id, "match": [{ "host": names }], "handle": [{ "handler": "subroute", "routes": routes }],
        "terminal": true })
}

fn create(root: &mut Value, new: &NewSite) -> Result<(), WebServerError> {
    let known = places(root);
    if known.iter().any(|place| place.id == new.id || place.server == new.id.as_str()) {
        return Err(WebServerError::Exists { kind: "site", name: new.id.to_string() });
    }
    if new.certificate.is_some() || new.key.is_some() {
        return Err(WebServerError::impossible("set a certificate", "it is not supported for Caddy"));
    }
    let (listen, names) = (require_plain(&new.listeners)?, host_texts(&new.names)?);
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
        let used = root.pointer(&format!("{}/listen", server_pointer(name))).and_then(Value::as_array);
        used.is_some_and(|used| used.iter().any(|used| listen.iter().any(|new| used == new)))
    });
    if let Some(shared) = shared {
        return create_in(root, shared, &listen, route);
    }
    let servers = servers_mut(root)?;
    let server = json!({ "listen": listen, "routes": [route], "automatic_https": { "disable": true } });
    servers.insert(new.id.to_string(), server);
    Ok(())
}

/// Adds a route with host names to a server that has the same addresses.
fn create_in(root: &mut Value, name: &str, listen: &[String], route: Value) -> Result<(), WebServerError> {
    let pointer = server_pointer(name);
    let server = root.pointer_mut(&pointer);
    let is_same = server.as_ref().and_then(|server| server.get("listen")) == Some(&json!(listen));
    let is_plain =
        server.as_ref().and_then(|server| server.pointer("/automatic_https/disable")) == Some(&json!(true));
    let has_names = route.get("match").is_some();
    let reason = match (is_same, is_plain, has_names) {
        (false, _, _) => "has some of its addresses and others",
        (_, false, _) => "obtains certificates for its host names",
        (_, _, false) => "has its addresses, so that the site needs host names",
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

/// Returns the servers; creates the members that are missing.
fn servers_mut(root: &mut Value) -> Result<&mut serde_json::Map<String, Value>, WebServerError> {
    let invalid = || WebServerError::impossible("create the site", "apps.http.servers is not an object");
    let mut value = root;
    if value.is_null() {
        *value = json!({});
    }
    for name in ["apps", "http", "servers"] {
        value = value.as_object_mut().ok_or_else(invalid)?.entry(name).or_insert_with(|| json!({}));
    }
    value.as_object_mut().ok_or_else(invalid)
}

fn routes_mut<'a>(root: &'a mut Value, place: &Place) -> Option<&'a mut Vec<Value>> {
    root.pointer_mut(&format!("{}/routes", server_pointer(&place.server)))?.as_array_mut()
}

fn delete(root: &mut Value, place: &Place) -> Result<(), WebServerError> {
    let others = places(root).into_iter().filter(|other| other.server == place.server).count() > 1;
    if !others {
        servers_mut(root)?.remove(&place.server);
        return Ok(());
    }
    for pointer in place.routes().pointers.iter().rev() {
        let index = pointer.rsplit_once('/').and_then(|(_, index)| index.parse::<usize>().ok());
        if let (Some(index), Some(routes)) = (index, routes_mut(root, place))
            && index < routes.len()
        {
            routes.remove(index);
        }
    }
    Ok(())
}

fn set_bindings(
    root: &mut Value,
    place: &Place,
    listeners: &[Listener],
    names: &[HostPattern],
) -> Result<(), WebServerError> {
    let (listen, names) = (require_plain(listeners)?, host_texts(names)?);
    let pointer = server_pointer(&place.server);
    let is_alone = !places(root).iter().any(|other| other.server == place.server && other.id != place.id);
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

fn set_root(root: &mut Value, site: &SiteId, folder: &FilePath) -> Result<(), WebServerError> {
    let folder = folder_text(folder)?;
    let routes = place(root, site)?.routes();
    let found = root_folder(root, &content(root, &routes)).map(|(_, pointer)| pointer);
    match found.and_then(|pointer| root.pointer_mut(&pointer)) {
        Some(member) => {
            *member = json!(folder);
            Ok(())
        }
        None => features::insert(root, &routes, json!({ "handler": "vars", "root": folder })),
    }
}

/// Handlers that answer requests.
const ANSWERING: &[&str] = &["file_server", "reverse_proxy", "static_response"];

fn put_location(
    root: &mut Value,
    site: &SiteId,
    path: &UrlPath,
    location: &NewLocation,
) -> Result<(), WebServerError> {
    let action = format!("write the location {path}");
    let NewLocation::Directory { folder } = location else {
        return Err(WebServerError::impossible(action, "applications are not supported for Caddy"));
    };
    let folder = folder_text(folder)?;
    if path.as_str() == "/" || path.as_str().contains(['*', '{', '}', '%', '\\']) {
        let reason =
            "Caddy would match other paths, too; use a path without * { } % and \\, and other than /";
        return Err(WebServerError::impossible(action, reason));
    }
    let place = place(root, site)?;
    if let Some((route, _)) =
        location_routes(root, &place).into_iter().find(|(_, found)| found == path.as_str())
    {
        let routes = super::sites::Routes { pointers: vec![route], is_own: true };
        let member = root_folder(root, &content(root, &routes)).map(|(_, pointer)| pointer);
        let member = member.and_then(|pointer| root.pointer_mut(&pointer)).ok_or_else(|| {
            WebServerError::impossible(action, "it exists and has no folder; delete it first")
        })?;
        *member = json!(folder);
        return Ok(());
    }
    let handlers = content(root, &place.routes()).handlers;
    let first = handlers
        .iter()
        .find(|pointer| root.pointer(pointer).is_some_and(|found| ANSWERING.contains(&kind(found))));
    let list =
        first.or(handlers.last()).and_then(|pointer| pointer.rsplit_once("/handle/")).map(|(route, _)| route);
    let inside = list.filter(|route| !place.is_route || *route != place.pointer);
    let (list, index) = inside.and_then(|route| route.rsplit_once('/')).ok_or_else(|| {
        WebServerError::impossible(
            action,
            "the site has no list of routes for it; edit the configuration as text",
        )
    })?;
    let index: usize = index.parse().unwrap_or_default();
    let prefix = path.as_str().trim_end_matches('/');
    let route = json!({ "match": [{ "path": [format!("{path}*")] }], "terminal": true,
        "handle": [{ "handler": "subroute", "routes": [
            { "handle": [{ "handler": "rewrite", "strip_path_prefix": prefix }] },
            { "handle": [{ "handler": "vars", "root": folder }, { "handler": "file_server" }] }] }] });
    if let Some(routes) = root.pointer_mut(list).and_then(Value::as_array_mut) {
        routes.insert(index.min(routes.len()), route);
    }
    Ok(())
}

fn delete_location(root: &mut Value, site: &SiteId, path: &UrlPath) -> Result<(), WebServerError> {
    let place = place(root, site)?;
    let found = location_routes(root, &place).into_iter().find(|(_, found)| found == path.as_str());
    let (route, _) = found.ok_or_else(|| WebServerError::not_found("location", path))?;
    let Some((list, index)) = route.rsplit_once('/') else { return Ok(()) };
    if let (Some(routes), Ok(index)) =
        (root.pointer_mut(list).and_then(Value::as_array_mut), index.parse::<usize>())
        && index < routes.len()
    {
        routes.remove(index);
    }
    Ok(())
}
