//! Features as handlers of routes.

mod template;

use serde_json::{Map, Value, json};

use self::template::{from_caddy, to_caddy};
use super::configuration::position_of;
use super::sites::{Routes, content, kind, scope_routes};
use crate::error::WebServerError;
use crate::feature::{
    Compression, DefaultDocuments, DirectoryBrowsing, Feature, FeatureState, FeatureValue, Redirect,
    ResponseHeader, ResponseHeaders, Scope, Setting,
};
use crate::value::HeaderName;

/// Features that handlers of Caddy have.
pub(super) const SUPPORTED: &[Feature] = &[
    Feature::DefaultDocuments,
    Feature::DirectoryBrowsing,
    Feature::Redirect,
    Feature::ResponseHeaders,
    Feature::Compression,
];

/// Fields that Caddy has no setting for, as `feature.field`.
pub(super) const UNSUPPORTED_FIELDS: &[&str] = &[
    "directory-browsing.format",
    "directory-browsing.exact_size",
    "directory-browsing.local_time",
    "compression.types",
];

fn unsupported(feature: Feature) -> WebServerError {
    WebServerError::impossible(
        format!("set the feature {feature}"),
        "it is not supported for Caddy; edit the configuration as text",
    )
}

/// Returns the handler that has a feature.
fn handler_name(feature: Feature) -> Result<&'static str, WebServerError> {
    match feature {
        Feature::DefaultDocuments | Feature::DirectoryBrowsing => Ok("file_server"),
        Feature::Redirect => Ok("static_response"),
        Feature::ResponseHeaders => Ok("headers"),
        Feature::Compression => Ok("encode"),
        _ => Err(unsupported(feature)),
    }
}

/// Returns the pointers of the handlers that have a feature.
fn owned(root: &Value, routes: &Routes, feature: Feature) -> Result<Vec<String>, WebServerError> {
    let name = handler_name(feature)?;
    let handlers = content(root, routes).handlers.into_iter();
    let found = handlers.filter(|pointer| {
        let handler = root.pointer(pointer).filter(|handler| kind(handler) == name);
        handler.is_some_and(|handler| match feature {
            Feature::Redirect => handler.pointer("/headers/Location").is_some(),
            Feature::ResponseHeaders => handler.get("response").is_some(),
            _ => true,
        })
    });
    Ok(found.collect())
}

/// Reads a feature.
pub(super) fn state(root: &Value, scope: &Scope, feature: Feature) -> Result<FeatureState, WebServerError> {
    require_scope(scope, feature)?;
    let pointers = owned(root, &scope_routes(root, scope)?, feature)?;
    let handlers: Vec<&Value> = pointers.iter().filter_map(|pointer| root.pointer(pointer)).collect();
    let setting = match read(feature, &handlers) {
        Some(None) => Setting::Default,
        Some(Some(value)) => Setting::Value { value },
        None => {
            Setting::Unsupported { text: handlers.iter().map(|handler| format!("{handler:#}\n")).collect() }
        }
    };
    let is_local = setting != Setting::Default;
    let origins = pointers.iter().filter(|_| is_local).map(|pointer| position_of(root, pointer));
    Ok(FeatureState { feature, scope: scope.clone(), setting, is_local, origins: origins.collect() })
}

fn require_scope(scope: &Scope, feature: Feature) -> Result<(), WebServerError> {
    match scope {
        Scope::Server => Err(WebServerError::Scope { feature, instead: "a site or a location" }),
        Scope::Site { .. } | Scope::Location { .. } => Ok(()),
    }
}

/// Returns the value of handlers: `None` if the types cannot represent them, `Some(None)` for the defaults of Caddy.
#[allow(clippy::option_option)] // Both cases are documented.
fn read(feature: Feature, handlers: &[&Value]) -> Option<Option<FeatureValue>> {
    if feature == Feature::ResponseHeaders {
        let headers: Vec<ResponseHeader> =
            handlers.iter().map(|handler| headers(handler)).collect::<Option<Vec<_>>>()?.concat();
        let value = FeatureValue::ResponseHeaders(ResponseHeaders { headers });
        return Some((!handlers.is_empty()).then_some(value));
    }
    let handler = match handlers {
        [] => return Some(None),
        [handler] => handler,
        _ => return None,
    };
    Some(Some(match feature {
        Feature::DefaultDocuments => {
            let Some(names) = handler.get("index_names") else { return Some(None) };
            FeatureValue::DefaultDocuments(DefaultDocuments {
                files: serde_json::from_value(names.clone()).ok()?,
            })
        }
        Feature::DirectoryBrowsing => match handler.get("browse") {
            None => return Some(None),
            Some(browse) if *browse == json!({}) => FeatureValue::DirectoryBrowsing(DirectoryBrowsing {
                enabled: true,
                ..DirectoryBrowsing::default()
            }),
            Some(_) => return None,
        },
        Feature::Redirect => FeatureValue::Redirect(redirect(handler)?),
        Feature::Compression => FeatureValue::Compression(compression(handler)?),
        _ => return None,
    }))
}

/// Returns whether an object has only some members.
fn has_only(object: &Value, names: &[&str]) -> bool {
    object.as_object().is_some_and(|members| members.keys().all(|name| names.contains(&name.as_str())))
}

fn redirect(handler: &Value) -> Option<Redirect> {
    let [location] = handler.pointer("/headers/Location")?.as_array()?.as_slice() else { return None };
    let is_plain = has_only(handler, &["handler", "headers", "status_code"])
        && has_only(handler.get("headers")?, &["Location"]);
    if !is_plain {
        return None;
    }
    let status = u16::try_from(handler.get("status_code")?.as_u64()?).ok()?;
    Some(Redirect { status: status.try_into().ok()?, target: from_caddy(location.as_str()?)? })
}

fn compression(handler: &Value) -> Option<Compression> {
    let encodings = handler.get("encodings")?;
    let gzip = encodings.get("gzip")?;
    let is_plain = has_only(handler, &["handler", "encodings", "minimum_length", "prefer"])
        && has_only(encodings, &["gzip"])
        && (gzip.is_null() || has_only(gzip, &["level"]));
    if !is_plain {
        return None;
    }
    let level = match gzip.get("level") {
        Some(level) => Some(u8::try_from(level.as_u64()?).ok()?.try_into().ok()?),
        None => None,
    };
    let minimum_size = match handler.get("minimum_length") {
        Some(size) => Some(u32::try_from(size.as_u64()?).ok()?),
        None => None,
    };
    Some(Compression { enabled: true, level, types: None, minimum_size })
}

fn headers(handler: &Value) -> Option<Vec<ResponseHeader>> {
    let response = handler.get("response")?;
    let require = response.get("require");
    let is_plain = has_only(handler, &["handler", "response"])
        && has_only(response, &["add", "set", "require"])
        && require.is_none_or(|require| *require == success());
    if !is_plain {
        return None;
    }
    let mut headers = Vec::new();
    for operation in ["set", "add"] {
        let Some(members) = response.get(operation) else { continue };
        for (name, values) in members.as_object()? {
            for value in values.as_array()? {
                let name = HeaderName::parse(name).ok()?;
                headers.push(ResponseHeader {
                    name,
                    value: from_caddy(value.as_str()?)?,
                    always: require.is_none(),
                });
            }
        }
    }
    Some(headers)
}

/// Returns the condition for responses without an error.
fn success() -> Value {
    json!({ "status_code": [2, 3] })
}

/// Sets a feature.
pub(super) fn set(root: &mut Value, scope: &Scope, value: &FeatureValue) -> Result<(), WebServerError> {
    let feature = value.feature();
    require_scope(scope, feature)?;
    let routes = scope_routes(root, scope)?;
    let handlers = match value {
        FeatureValue::DefaultDocuments(documents) => {
            return set_member(root, &routes, "index_names", Some(json!(documents.files)));
        }
        FeatureValue::DirectoryBrowsing(browsing) => {
            if browsing.exact_size.is_some() || browsing.format.is_some() || browsing.local_time.is_some() {
                return Err(WebServerError::impossible(
                    "set the form of listings",
                    "Caddy has no setting for it; set only whether folders are listed",
                ));
            }
            return set_member(root, &routes, "browse", browsing.enabled.then(|| json!({})));
        }
        FeatureValue::Redirect(redirect) => {
            let target = to_caddy(&redirect.target)?;
            vec![json!({ "handler": "static_response", "headers": { "Location": [target] },
                "status_code": u16::from(redirect.status) })]
        }
        FeatureValue::ResponseHeaders(headers) => header_handlers(headers)?,
        FeatureValue::Compression(compression) => compression_handlers(compression)?,
        _ => return Err(unsupported(feature)),
    };
    remove(root, &routes, feature)?;
    // The order of the handlers is that of the list.
    handlers.into_iter().rev().try_for_each(|handler| insert(root, &routes, handler))
}

fn compression_handlers(compression: &Compression) -> Result<Vec<Value>, WebServerError> {
    if compression.types.is_some() {
        let reason = "it is not supported for Caddy, which compresses the usual types";
        return Err(WebServerError::impossible("set the types of compressed responses", reason));
    }
    if !compression.enabled {
        return Ok(Vec::new());
    }
    let gzip = compression.level.map_or(json!({}), |level| json!({ "level": u8::from(level) }));
    let mut handler = json!({ "handler": "encode", "encodings": { "gzip": gzip } });
    if let (Some(size), Some(members)) = (compression.minimum_size, handler.as_object_mut()) {
        members.insert("minimum_length".to_owned(), json!(size));
    }
    Ok(vec![handler])
}

fn header_handlers(headers: &ResponseHeaders) -> Result<Vec<Value>, WebServerError> {
    let mut handlers = Vec::new();
    for always in [true, false] {
        let mut added: Map<String, Value> = Map::new();
        for header in headers.headers.iter().filter(|header| header.always == always) {
            let values = added.entry(header.name.as_str()).or_insert_with(|| json!([]));
            if let Some(values) = values.as_array_mut() {
                values.push(json!(to_caddy(&header.value)?));
            }
        }
        if added.is_empty() {
            continue;
        }
        let mut response = json!({ "add": added });
        if let (false, Some(members)) = (always, response.as_object_mut()) {
            members.insert("require".to_owned(), success());
        }
        handlers.push(json!({ "handler": "headers", "response": response }));
    }
    Ok(handlers)
}

/// Removes the value of a feature.
pub(super) fn revert(root: &mut Value, scope: &Scope, feature: Feature) -> Result<(), WebServerError> {
    require_scope(scope, feature)?;
    let routes = scope_routes(root, scope)?;
    match feature {
        Feature::DefaultDocuments => set_member(root, &routes, "index_names", None),
        Feature::DirectoryBrowsing => set_member(root, &routes, "browse", None),
        _ => remove(root, &routes, feature),
    }
}

/// Sets or removes a member of the file server.
fn set_member(
    root: &mut Value,
    routes: &Routes,
    name: &str,
    value: Option<Value>,
) -> Result<(), WebServerError> {
    let pointers = owned(root, routes, Feature::DirectoryBrowsing)?;
    if pointers.is_empty() {
        let reason = "no handler file_server serves all of its requests; edit the configuration as text";
        return Err(WebServerError::impossible(format!("set {name} of the site"), reason));
    }
    for pointer in pointers {
        let Some(handler) = root.pointer_mut(&pointer).and_then(Value::as_object_mut) else { continue };
        match &value {
            Some(value) => handler.insert(name.to_owned(), value.clone()),
            None => handler.remove(name),
        };
    }
    Ok(())
}

/// Removes the handlers of a feature. The last ones are removed first, so that the other pointers stay valid.
fn remove(root: &mut Value, routes: &Routes, feature: Feature) -> Result<(), WebServerError> {
    for pointer in owned(root, routes, feature)?.iter().rev() {
        let Some((list, index)) = pointer.rsplit_once('/') else { continue };
        let Some(handlers) = root.pointer_mut(list).and_then(Value::as_array_mut) else { continue };
        if let Some(index) = index.parse().ok().filter(|index| *index < handlers.len()) {
            handlers.remove(index);
        }
    }
    Ok(())
}

/// Inserts a handler before all others of the routes.
pub(super) fn insert(root: &mut Value, routes: &Routes, handler: Value) -> Result<(), WebServerError> {
    let list = first_handlers(root, routes).ok_or_else(|| {
        let reason = "none of its routes handles all requests; edit the configuration as text";
        WebServerError::impossible("change the site", reason)
    })?;
    if let Some(handlers) = root.pointer_mut(&list).and_then(Value::as_array_mut) {
        handlers.insert(0, handler);
    }
    Ok(())
}

/// Returns the pointer of the first list of handlers of all requests.
fn first_handlers(root: &Value, routes: &Routes) -> Option<String> {
    let is_open = |route: &String| root.pointer(&format!("{route}/match")).is_none();
    let mut route = routes.pointers.iter().find(|route| routes.is_own || is_open(route))?.clone();
    loop {
        let list = format!("{route}/handle");
        let handlers = root.pointer(&list)?.as_array()?;
        let [only] = handlers.as_slice() else { return Some(list) };
        if kind(only) != "subroute" {
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
