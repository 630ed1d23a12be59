//! Virtual directories and applications: routes of a site for one path.

use serde_json::{Value, json};

use super::groups::{kind, pool_group};
use super::sites::{Place, Routes, content, location, path_of, place, root_folder};
use super::{features, pools};
use crate::error::WebServerError;
use crate::model::{NewLocation, ProxyProtocol};
use crate::value::{FilePath, PoolName, SiteId, UrlPath};

/// Protocols between Caddy and an application.
pub(super) const PROTOCOLS: &[ProxyProtocol] = &[ProxyProtocol::Http, ProxyProtocol::Https];

/// Handlers that answer requests.
const ANSWERING: &[&str] = &["file_server", "reverse_proxy", "static_response"];

/// Returns a folder as text that has no placeholder.
pub(super) fn folder_text(folder: &FilePath) -> Result<&str, WebServerError> {
    let text = folder.as_str();
    if text.contains(['{', '}']) {
        let reason = "it contains a brace, which begins a placeholder of Caddy";
        return Err(WebServerError::impossible(format!("use the folder {text:?}"), reason));
    }
    Ok(text)
}

/// Creates or replaces a location. An existing one keeps its features.
pub(super) fn put_location(
    root: &mut Value,
    site: &SiteId,
    path: &UrlPath,
    new: &NewLocation,
) -> Result<(), WebServerError> {
    let action = format!("write the location {path}");
    if path.as_str().contains(['*', '{', '}', '%', '\\']) {
        let reason = "Caddy would match other paths, too; use a path without * { } % and \\";
        return Err(WebServerError::impossible(action, reason));
    }
    let place = place(root, site)?;
    let known = location(root, &place, path);
    match new {
        NewLocation::Directory { .. } if path.is_root() => {
            let reason = "the folder of the path / is the root of the site; set the root";
            Err(WebServerError::impossible(action, reason))
        }
        NewLocation::Directory { folder } => match known {
            Some(routes) => set_folder(root, &routes, folder_text(folder)?, action),
            None => {
                let inner = json!([
                    { "handle": [strip(path)] },
                    { "handle": [{ "handler": "vars", "root": folder_text(folder)? }, { "handler": "file_server" }] },
                ]);
                insert(root, &place, path, &inner)
            }
        },
        NewLocation::Application { protocol, pool, path: new } => {
            let application = Application::new(root, *protocol, pool, path, new.as_ref())?;
            match known {
                Some(routes) => application.replace(root, &routes, action),
                None => insert(root, &place, path, &application.routes()),
            }
        }
    }
}

/// Deletes a location.
pub(super) fn delete_location(root: &mut Value, site: &SiteId, path: &UrlPath) -> Result<(), WebServerError> {
    let place = place(root, site)?;
    let found = location(root, &place, path).ok_or_else(|| WebServerError::not_found("location", path))?;
    for pointer in &found.pointers {
        features::remove_item(root, pointer);
    }
    Ok(())
}

fn strip(path: &UrlPath) -> Value {
    json!({ "handler": "rewrite", "strip_path_prefix": path.as_str().trim_end_matches('/') })
}

fn set_folder(root: &mut Value, routes: &Routes, folder: &str, action: String) -> Result<(), WebServerError> {
    let member = root_folder(root, &content(root, routes)).map(|(_, pointer)| pointer);
    let member = member.and_then(|pointer| root.pointer_mut(&pointer));
    *member.ok_or_else(|| other_kind(action))? = json!(folder);
    Ok(())
}

fn other_kind(action: String) -> WebServerError {
    WebServerError::impossible(action, "it exists and is of another kind; delete it first")
}

/// An application behind Caddy.
struct Application {
    /// Handlers that replace the path.
    rewrites: Vec<Value>,
    group: String,
    proxy: Value,
}

impl Application {
    fn new(
        root: &Value,
        protocol: ProxyProtocol,
        pool: &PoolName,
        path: &UrlPath,
        new: Option<&UrlPath>,
    ) -> Result<Self, WebServerError> {
        let mut proxy = pools::handler(root, pool)?;
        match protocol {
            ProxyProtocol::Http => {}
            ProxyProtocol::Https => {
                if let Some(members) = proxy.as_object_mut() {
                    members.insert("transport".to_owned(), json!({ "protocol": "http", "tls": {} }));
                }
            }
            _ => {
                let reason = "Telarch writes HTTP and HTTPS for Caddy; edit the configuration as text";
                return Err(WebServerError::impossible(
                    format!("use {protocol:?} for the pool {pool}"),
                    reason,
                ));
            }
        }
        let mut rewrites = Vec::new();
        if let Some(new) = new {
            if new.as_str().contains(['{', '}', '%', '\\']) {
                let reason = "Caddy would evaluate { } % and \\ in the new path; use another one";
                return Err(WebServerError::impossible(format!("write the location {path}"), reason));
            }
            rewrites.push(strip(path));
            let prefix = new.as_str().trim_end_matches('/');
            rewrites
                .extend((!prefix.is_empty()).then(
                    || json!({ "handler": "rewrite", "uri": format!("{prefix}{{http.request.uri}}") }),
                ));
        }
        Ok(Self { rewrites, group: pool_group(pool), proxy })
    }

    fn routes(self) -> Value {
        let rewrite = (!self.rewrites.is_empty()).then(|| json!({ "handle": self.rewrites }));
        let proxy = json!({ "group": self.group, "handle": [self.proxy] });
        rewrite.into_iter().chain([proxy]).collect()
    }

    /// Replaces pool and path of an existing application.
    fn replace(self, root: &mut Value, routes: &Routes, action: String) -> Result<(), WebServerError> {
        let handlers = content(root, routes).handlers;
        let proxy = handlers.iter().find(|pointer| has_kind(root, pointer, "reverse_proxy"));
        let proxy = proxy.ok_or_else(|| other_kind(action))?.clone();
        if let Some(handler) = root.pointer_mut(&proxy) {
            *handler = self.proxy;
        }
        let route =
            proxy.rsplit_once("/handle/").and_then(|(route, _)| root.pointer_mut(route)?.as_object_mut());
        if let Some(route) = route {
            route.insert("group".to_owned(), json!(self.group));
        }
        for pointer in handlers.iter().rev() {
            if has_kind(root, pointer, "rewrite") {
                features::remove_item(root, pointer);
            }
        }
        self.rewrites.into_iter().rev().try_for_each(|rewrite| features::insert(root, routes, rewrite))
    }
}

fn has_kind(root: &Value, pointer: &str, name: &str) -> bool {
    root.pointer(pointer).map(kind) == Some(name)
}

/// Adds a location before the handlers that answer all requests, and before locations that match its requests, too.
fn insert(root: &mut Value, place: &Place, path: &UrlPath, inner: &Value) -> Result<(), WebServerError> {
    let handlers = content(root, &place.routes()).handlers;
    let first = handlers
        .iter()
        .find(|pointer| root.pointer(pointer).is_some_and(|found| ANSWERING.contains(&kind(found))));
    let list =
        first.or(handlers.last()).and_then(|pointer| pointer.rsplit_once("/handle/")).map(|(route, _)| route);
    let inside = list.filter(|route| !place.is_route || *route != place.pointer);
    let (list, index) = inside.and_then(|route| route.rsplit_once('/')).ok_or_else(|| {
        WebServerError::impossible(
            format!("write the location {path}"),
            "the site has no list of routes for it; edit the configuration as text",
        )
    })?;
    let index: usize = index.parse().unwrap_or_default();
    let route = json!({ "match": [{ "path": [format!("{path}*")] }], "terminal": true,
        "handle": [{ "handler": "subroute", "routes": inner }] });
    if let Some(routes) = root.pointer_mut(list).and_then(Value::as_array_mut) {
        let wider = routes
            .iter()
            .position(|route| path_of(route).is_some_and(|known| path.as_str().starts_with(&known)))
            .filter(|wider| *wider < index);
        routes.insert(wider.unwrap_or(index).min(routes.len()), route);
    }
    Ok(())
}
