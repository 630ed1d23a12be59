//! Features: handlers of routes, and settings of a server.

mod access;
mod handlers;
mod limits;
mod logging;
mod pages;
mod template;
mod tls;

use serde_json::{Map, Value, json};

pub(super) use self::handlers::{insert, remove_item};
pub(super) use self::logging::{files as log_files, remove as remove_logs};
pub(super) use self::pages::set_folder as set_page_folder;
pub(super) use self::tls::{disable as disable_tls, enable as enable_tls};
pub(super) use self::tls::{
    inventory as certificates, put_certificate, remove as remove_tls, rename as rename_tls,
};

use self::handlers::{has_only, owned, remove};
use self::template::{from_caddy, to_caddy};
use super::configuration::position_of;
use super::groups::exclusive;
use super::sites::{Place, Routes, content, location, place, root_folder};
use crate::error::WebServerError;
use crate::feature::{
    Compression, DefaultDocuments, DirectoryBrowsing, Feature, FeatureState, FeatureValue, Redirect,
    ResponseHeader, ResponseHeaders, Scope, Setting,
};
use crate::plan::without_hashes;
use crate::value::{HeaderName, MediaType};

/// Fields that Caddy has no setting for, as `feature.field`.
pub(super) const UNSUPPORTED_FIELDS: &[&str] = &[
    "directory-browsing.format",
    "directory-browsing.exact_size",
    "directory-browsing.local_time",
    "mime-types.default",
    "basic-authentication.user_file",
    "ssl.prefer_server_ciphers",
    "limits.rate",
    "logging.format",
];

/// Part of the document to which a feature applies.
struct Target {
    routes: Routes,
    /// The site; `None` for a location.
    place: Option<Place>,
    /// Folder of the files of the site.
    folder: Option<String>,
}

impl Target {
    fn new(root: &Value, scope: &Scope, feature: Feature) -> Result<Self, WebServerError> {
        let site = match scope {
            Scope::Server => return Err(WebServerError::Scope { feature, instead: "a site or a location" }),
            Scope::Location { .. } if matches!(feature, Feature::Ssl | Feature::Logging) => {
                return Err(WebServerError::Scope { feature, instead: "a site" });
            }
            Scope::Site { site } | Scope::Location { site, .. } => place(root, site)?,
        };
        let folder = root_folder(root, &content(root, &site.routes())).map(|(folder, _)| folder.to_owned());
        let routes = match scope {
            Scope::Location { path, .. } => {
                location(root, &site, path).ok_or_else(|| WebServerError::not_found("location", path))?
            }
            _ => site.routes(),
        };
        Ok(Self { routes, place: matches!(scope, Scope::Site { .. }).then_some(site), folder })
    }

    /// Returns the site of a feature that only sites have.
    fn site(&self, feature: Feature) -> Result<&Place, WebServerError> {
        self.place.as_ref().ok_or(WebServerError::Scope { feature, instead: "a site" })
    }

    /// Returns the pointers of the values of a feature.
    fn origins(&self, root: &Value, feature: Feature) -> Vec<String> {
        match (feature, &self.place) {
            (Feature::Limits, place) => limits::origins(root, &self.routes, place.as_ref()),
            (Feature::Ssl, Some(place)) => tls::origins(root, place),
            (Feature::Logging, Some(place)) => logging::origins(root, place),
            (Feature::ErrorPages, _) => pages::error_routes(root, &self.routes).into_iter().collect(),
            _ => owned(root, &self.routes, feature),
        }
    }
}

/// Reads a feature.
pub(super) fn state(root: &Value, scope: &Scope, feature: Feature) -> Result<FeatureState, WebServerError> {
    let target = Target::new(root, scope, feature)?;
    let pointers = target.origins(root, feature);
    let values: Vec<&Value> = pointers.iter().filter_map(|pointer| root.pointer(pointer)).collect();
    let setting = match read(root, &target, feature, &values) {
        Some(None) => Setting::Default,
        Some(Some(value)) => Setting::Value { value },
        None => {
            let text: String = values.iter().map(|value| format!("{value:#}\n")).collect();
            Setting::Unsupported { text: without_hashes(&text) }
        }
    };
    let is_local = setting != Setting::Default;
    let origins = pointers.iter().filter(|_| is_local).map(|pointer| position_of(root, pointer));
    Ok(FeatureState { feature, scope: scope.clone(), setting, is_local, origins: origins.collect() })
}

/// Returns the value of a feature: `None` if the types cannot represent it, `Some(None)` for the defaults of Caddy.
#[allow(clippy::option_option)] // Both cases are documented.
fn read(root: &Value, target: &Target, feature: Feature, values: &[&Value]) -> Option<Option<FeatureValue>> {
    match (feature, &target.place) {
        (Feature::Limits, place) => {
            return Some(limits::read(root, &target.routes, place.as_ref())?.map(FeatureValue::Limits));
        }
        (Feature::Ssl, Some(place)) => return Some(tls::read(root, place)?.map(FeatureValue::Ssl)),
        (Feature::Logging, Some(place)) => {
            return Some(logging::read(root, place)?.map(FeatureValue::Logging));
        }
        (Feature::ResponseHeaders, _) => {
            let headers: Vec<ResponseHeader> =
                values.iter().map(|handler| headers(handler)).collect::<Option<Vec<_>>>()?.concat();
            let value = FeatureValue::ResponseHeaders(ResponseHeaders { headers });
            return Some((!values.is_empty()).then_some(value));
        }
        _ => {}
    }
    let value = match values {
        [] => return Some(None),
        [value] => value,
        _ => return None,
    };
    Some(Some(match feature {
        Feature::DefaultDocuments => {
            let Some(names) = value.get("index_names") else { return Some(None) };
            FeatureValue::DefaultDocuments(DefaultDocuments {
                files: serde_json::from_value(names.clone()).ok()?,
            })
        }
        Feature::DirectoryBrowsing => match value.get("browse") {
            None => return Some(None),
            Some(browse) if *browse == json!({}) => FeatureValue::DirectoryBrowsing(DirectoryBrowsing {
                enabled: true,
                ..DirectoryBrowsing::default()
            }),
            Some(_) => return None,
        },
        Feature::Redirect => FeatureValue::Redirect(redirect(value)?),
        Feature::Compression => FeatureValue::Compression(compression(value)?),
        Feature::ErrorPages => FeatureValue::ErrorPages(pages::read_pages(value)?),
        Feature::MimeTypes => FeatureValue::MimeTypes(pages::read_types(value)?),
        Feature::IpRestrictions => FeatureValue::IpRestrictions(access::read_rules(value)?),
        Feature::BasicAuthentication => {
            FeatureValue::BasicAuthentication(access::read_authentication(value)?)
        }
        Feature::ResponseHeaders | Feature::Limits | Feature::Ssl | Feature::Logging => return None,
    }))
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
    let is_plain = has_only(handler, &["handler", "encodings", "match", "minimum_length", "prefer"])
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
    let types = match handler.get("match") {
        Some(condition) => Some(compressed_types(condition)?),
        None => None,
    };
    Some(Compression { enabled: true, level, types, minimum_size })
}

/// Returns the condition for responses of some media types, and always of `text/html`.
fn type_condition(types: &[MediaType]) -> Value {
    let types = types.iter().map(|kind| format!("{}*", kind.as_str().trim_end_matches('*')));
    let values: Vec<String> = std::iter::once("text/html*".to_owned()).chain(types).collect();
    json!({ "headers": { "Content-Type": values } })
}

fn compressed_types(condition: &Value) -> Option<Vec<MediaType>> {
    let values = condition.pointer("/headers/Content-Type")?.as_array()?.iter().skip(1);
    let types = values.map(|value| match value.as_str()? {
        "*" => MediaType::parse("*").ok(),
        text => MediaType::parse(text.strip_suffix('*')?).ok(),
    });
    let types = types.collect::<Option<Vec<_>>>()?;
    (type_condition(&types) == *condition).then_some(types)
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
    let target = Target::new(root, scope, feature)?;
    if value.is_incomplete() {
        return Err(WebServerError::impossible(
            format!("set the feature {feature}"),
            "a list in it is empty",
        ));
    }
    let routes = &target.routes;
    let handlers = match value {
        FeatureValue::DefaultDocuments(documents) => {
            return set_member(root, routes, "index_names", Some(json!(documents.files)));
        }
        FeatureValue::DirectoryBrowsing(browsing) => {
            if browsing.exact_size.is_some() || browsing.format.is_some() || browsing.local_time.is_some() {
                return Err(WebServerError::impossible(
                    "set the form of listings",
                    "Caddy has no setting for it; set only whether folders are listed",
                ));
            }
            return set_member(root, routes, "browse", browsing.enabled.then(|| json!({})));
        }
        FeatureValue::ErrorPages(errors) if errors.pages.is_empty() => return revert(root, scope, feature),
        FeatureValue::ErrorPages(errors) => {
            return pages::set_pages(root, routes, errors, target.folder.as_deref());
        }
        FeatureValue::Limits(limits) => return limits::set(root, routes, target.place.as_ref(), limits),
        FeatureValue::Ssl(ssl) => return tls::set(root, target.site(feature)?, ssl),
        FeatureValue::Logging(logging) => return logging::set(root, target.site(feature)?, logging),
        FeatureValue::Redirect(redirect) => {
            let target = to_caddy(&redirect.target)?;
            vec![json!({ "handler": "static_response", "headers": { "Location": [target] },
                "status_code": u16::from(redirect.status) })]
        }
        FeatureValue::ResponseHeaders(headers) => header_handlers(headers)?,
        FeatureValue::Compression(compression) => compression_handlers(compression),
        FeatureValue::MimeTypes(types) => {
            if types.default.is_some() {
                let reason = "Caddy has no setting for it; name the extensions";
                return Err(WebServerError::impossible("set the type of other files", reason));
            }
            let types = types.types.as_deref().filter(|types| !types.is_empty());
            types.map(|types| exclusive(root, feature, pages::type_routes(types))).into_iter().collect()
        }
        FeatureValue::IpRestrictions(restrictions) => {
            let rules = access::rule_routes(restrictions)?;
            (!rules.is_empty()).then(|| exclusive(root, feature, rules)).into_iter().collect()
        }
        FeatureValue::BasicAuthentication(value) => {
            let known = owned(root, routes, feature);
            let known = known.first().and_then(|pointer| root.pointer(pointer));
            access::authentication(value, known)?.into_iter().collect()
        }
    };
    remove(root, routes, feature);
    // The order of the handlers is that of the list.
    handlers.into_iter().rev().try_for_each(|handler| insert(root, routes, handler))
}

fn compression_handlers(compression: &Compression) -> Vec<Value> {
    if !compression.enabled {
        return Vec::new();
    }
    let gzip = compression.level.map_or(json!({}), |level| json!({ "level": u8::from(level) }));
    let mut handler = json!({ "handler": "encode", "encodings": { "gzip": gzip } });
    if let Some(members) = handler.as_object_mut() {
        members.extend(compression.minimum_size.map(|size| ("minimum_length".to_owned(), json!(size))));
        let condition = compression.types.as_deref().map(type_condition);
        members.extend(condition.map(|condition| ("match".to_owned(), condition)));
    }
    vec![handler]
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
    let target = Target::new(root, scope, feature)?;
    let routes = &target.routes;
    match feature {
        Feature::DefaultDocuments => return set_member(root, routes, "index_names", None),
        Feature::DirectoryBrowsing => return set_member(root, routes, "browse", None),
        Feature::ErrorPages => pages::remove_pages(root, routes),
        Feature::Limits => {
            return limits::set(root, routes, target.place.as_ref(), &crate::feature::Limits::default());
        }
        Feature::Ssl => return tls::revert(root, target.site(feature)?),
        Feature::Logging => {
            return logging::set(root, target.site(feature)?, &crate::feature::Logging::default());
        }
        _ => remove(root, routes, feature),
    }
    Ok(())
}

/// Sets or removes a member of the file server.
fn set_member(
    root: &mut Value,
    routes: &Routes,
    name: &str,
    value: Option<Value>,
) -> Result<(), WebServerError> {
    let pointers = owned(root, routes, Feature::DirectoryBrowsing);
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
