//! Handlers of features, and their place among the other handlers of a site or location.

use serde_json::{Value, json};

use crate::caddy_server::groups::{group_feature, kind};
use crate::caddy_server::sites::{Routes, content};
use crate::error::WebServerError;
use crate::feature::Feature;

/// Returns the pointers of the handlers that have a feature.
pub(super) fn owned(root: &Value, routes: &Routes, feature: Feature) -> Vec<String> {
    let handlers = content(root, routes).handlers.into_iter();
    handlers.filter(|pointer| root.pointer(pointer).is_some_and(|handler| has(handler, feature))).collect()
}

fn has(handler: &Value, feature: Feature) -> bool {
    let name = kind(handler);
    match feature {
        Feature::DefaultDocuments | Feature::DirectoryBrowsing => name == "file_server",
        Feature::Redirect => name == "static_response" && handler.pointer("/headers/Location").is_some(),
        Feature::ResponseHeaders => name == "headers" && handler.get("response").is_some(),
        Feature::Compression => name == "encode",
        Feature::BasicAuthentication => name == "authentication",
        Feature::Limits => name == "request_body" || group_feature(handler) == Some(feature),
        Feature::IpRestrictions | Feature::MimeTypes => group_feature(handler) == Some(feature),
        Feature::ErrorPages | Feature::Ssl | Feature::Logging => false,
    }
}

/// Order of the handlers of features, so that denied clients learn nothing, and all errors have the headers.
const ORDER: [Feature; 7] = [
    Feature::ResponseHeaders,
    Feature::IpRestrictions,
    Feature::BasicAuthentication,
    Feature::Limits,
    Feature::Redirect,
    Feature::Compression,
    Feature::MimeTypes,
];

fn rank(handler: &Value) -> Option<usize> {
    ORDER.iter().position(|feature| has(handler, *feature))
}

/// Removes the handlers of a feature. The last ones are removed first, so that the other pointers stay valid.
pub(super) fn remove(root: &mut Value, routes: &Routes, feature: Feature) {
    for pointer in owned(root, routes, feature).iter().rev() {
        remove_item(root, pointer);
    }
}

/// Removes an item of an array.
pub(in crate::caddy_server) fn remove_item(root: &mut Value, pointer: &str) {
    let Some((list, index)) = pointer.rsplit_once('/') else { return };
    let Some(items) = root.pointer_mut(list).and_then(Value::as_array_mut) else { return };
    if let Some(index) = index.parse().ok().filter(|index| *index < items.len()) {
        items.remove(index);
    }
}

/// Inserts a handler before those that answer requests.
pub(in crate::caddy_server) fn insert(
    root: &mut Value,
    routes: &Routes,
    handler: Value,
) -> Result<(), WebServerError> {
    let list = first_handlers(root, routes).ok_or_else(|| {
        let reason = "none of its routes handles all requests; edit the configuration as text";
        WebServerError::impossible("change the site", reason)
    })?;
    if let Some(handlers) = root.pointer_mut(&list).and_then(Value::as_array_mut) {
        let position = handlers.iter().position(|known| match (rank(known), rank(&handler)) {
            (Some(known), Some(new)) => known >= new,
            _ => true,
        });
        handlers.insert(position.unwrap_or(handlers.len()), handler);
    }
    Ok(())
}

/// Returns the pointer of the first list of handlers of all requests.
fn first_handlers(root: &Value, routes: &Routes) -> Option<String> {
    let mut route = first_route(root, routes)?;
    loop {
        let list = format!("{route}/handle");
        let handlers = root.pointer(&list)?.as_array()?;
        let [only] = handlers.as_slice() else { return Some(list) };
        if kind(only) != "subroute" || group_feature(only).is_some() {
            return Some(list);
        }
        let inner = only.get("routes")?.as_array()?;
        // An inner route with a condition comes first only if it is a location; handlers behind it would miss it.
        match inner.first() {
            Some(first) if first.get("match").is_none() && first.get("handle").is_some() => {
                route = format!("{list}/0/routes/0");
            }
            _ => return Some(list),
        }
    }
}

fn first_route(root: &Value, routes: &Routes) -> Option<String> {
    let is_open = |route: &String| root.pointer(&format!("{route}/match")).is_none();
    routes.pointers.iter().find(|route| routes.is_own || is_open(route)).cloned()
}

/// Returns the pointer of the handler `subroute` that contains all other handlers, if there is one.
pub(super) fn subroute(root: &Value, routes: &Routes) -> Option<String> {
    let [only] = routes.pointers.as_slice() else { return None };
    let route = root.pointer(only).filter(|route| routes.is_own || route.get("match").is_none())?;
    let [handler] = route.get("handle")?.as_array()?.as_slice() else { return None };
    (kind(handler) == "subroute" && group_feature(handler).is_none()).then(|| format!("{only}/handle/0"))
}

/// Returns the pointer of the handler `subroute` that contains all other handlers; creates it if there is none.
pub(super) fn ensure_subroute(root: &mut Value, routes: &Routes) -> Result<String, WebServerError> {
    if let Some(pointer) = subroute(root, routes) {
        return Ok(pointer);
    }
    if let ([only], true) = (routes.pointers.as_slice(), routes.is_own) {
        // The condition of the route stays in it.
        if let Some(route) = root.pointer_mut(only).and_then(Value::as_object_mut) {
            let inner = route.remove("handle").unwrap_or_else(|| json!([]));
            let inner = json!([{ "handler": "subroute", "routes": [{ "handle": inner }] }]);
            route.insert("handle".to_owned(), inner);
            return Ok(format!("{only}/handle/0"));
        }
    }
    wrap(root, routes).ok_or_else(|| {
        let reason = "its routes are between those of other sites; edit the configuration as text";
        WebServerError::impossible("change the site", reason)
    })
}

/// Replaces consecutive routes by one that contains them.
fn wrap(root: &mut Value, routes: &Routes) -> Option<String> {
    let (list, first) = routes.pointers.first()?.rsplit_once('/')?;
    let first: usize = first.parse().ok()?;
    let is_consecutive = routes
        .pointers
        .iter()
        .enumerate()
        .all(|(offset, pointer)| *pointer == format!("{list}/{}", first.saturating_add(offset)));
    let items = root.pointer_mut(list)?.as_array_mut()?;
    let end = first.checked_add(routes.pointers.len()).filter(|end| is_consecutive && *end <= items.len())?;
    let inner: Vec<Value> = items.drain(first..end).collect();
    items.insert(first, json!({ "handle": [{ "handler": "subroute", "routes": inner }] }));
    Some(format!("{list}/{first}/handle/0"))
}

/// Returns whether an object has only some members.
pub(super) fn has_only(object: &Value, names: &[&str]) -> bool {
    object.as_object().is_some_and(|members| members.keys().all(|name| names.contains(&name.as_str())))
}
